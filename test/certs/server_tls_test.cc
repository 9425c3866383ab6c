// Several certificates by name, reload, what outlives it and what does not.
#include "certs/server_tls.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <ctime>

#include "certs/issue.h"
#include "test/certs/handshake.h"
#include "test/certs/support.h"

namespace causeway::certs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Change = ServerTls::Change;

class Listener : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(init_ca(folder_.path()));
        ASSERT_TRUE(issue_server(folder_.path(), {"a.example"}));
        ASSERT_TRUE(issue_device(folder_.path(), "d"));
        ASSERT_TRUE(write_crl(folder_.path(), 30));
        config_.certificate = folder_ / "server.crt";
        config_.private_key = folder_ / "server.key";
        config_.client_ca = folder_ / "ca.crt";
        config_.crls = {folder_ / "ca.crl"};
        config_.verify = Verify::kRequired;
        client_ = *make_client_context(
            {folder_ / "ca.crt", folder_ / "devices/d.crt", folder_ / "devices/d.key"});
    }
    // Another server certificate, kept beside the first.
    CertificateFiles another(const std::vector<std::string>& names, KeyKind key = KeyKind::kEcP256) {
        IssueOptions options;
        options.force = true;
        options.key = key;
        const std::string stash = folder_ / ("other" + std::to_string(++others_));
        std::filesystem::copy(folder_ / "server.crt", stash + ".first.crt");
        std::filesystem::copy(folder_ / "server.key", stash + ".first.key");
        EXPECT_TRUE(issue_server(folder_.path(), names, options));
        std::filesystem::rename(folder_ / "server.crt", stash + ".crt");
        std::filesystem::rename(folder_ / "server.key", stash + ".key");
        std::filesystem::rename(stash + ".first.crt", folder_ / "server.crt");
        std::filesystem::rename(stash + ".first.key", folder_ / "server.key");
        return {stash + ".crt", stash + ".key"};
    }
    ServerTls open() {
        auto made = ServerTls::open(config_, nullptr, now_);
        EXPECT_TRUE(made) << made.error().message;
        return std::move(*made);
    }
    // Whether a session of `first` is taken up again by the context of now.
    bool resumes(const ServerTls& tls, const Handshake& first) {
        SSL_SESSION* session = SSL_get1_session(first.client.get());
        const Handshake again = shake_hands(tls.context().get(), client_.get(), {{}, session});
        SSL_SESSION_free(session);
        EXPECT_TRUE(again.done);
        return SSL_session_reused(again.server.get()) == 1;
    }

    Folder folder_;
    ServerTlsConfig config_;
    std::shared_ptr<SslContext> client_;
    std::int64_t now_ = ::time(nullptr);
    int others_ = 0;
};

TEST_F(Listener, ShowsTheCertificateOfTheNameAskedFor) {
    config_.more.push_back(another({"b.example", "c.example"}));
    config_.more.push_back(another({"*.wild.example"}));
    const ServerTls tls = open();
    const auto shown = [&](const std::string& name) {
        return shown_name(shake_hands(tls.context().get(), client_.get(), {name}));
    };
    EXPECT_EQ(shown("a.example"), "a.example");
    EXPECT_EQ(shown("b.example"), "b.example");
    EXPECT_EQ(shown("C.Example"), "b.example");
    EXPECT_EQ(shown("x.wild.example"), "*.wild.example");
    EXPECT_EQ(shown("x.y.wild.example"), "a.example");
    EXPECT_EQ(shown("unknown.example"), "a.example");
    EXPECT_EQ(shown(""), "a.example");
    // Clients are checked whatever they asked for.
    const auto stranger = make_client_context({folder_ / "ca.crt"});
    EXPECT_FALSE(shake_hands(tls.context().get(), stranger->get(), {"b.example"}).done);
}

TEST_F(Listener, OneNameMayHaveTwoKindsOfKey) {
    config_.more.push_back(another({"b.example"}));
    config_.more.push_back(another({"b.example"}, KeyKind::kRsa));
    const ServerTls tls = open();
    SSL_CTX_set1_sigalgs_list(client_.get(), "rsa_pss_rsae_sha256:ECDSA+SHA256");
    const Handshake any = shake_hands(tls.context().get(), client_.get(), {"b.example"});
    ASSERT_TRUE(any.done);
    const auto kind = [](const Handshake& made) {
        return EVP_PKEY_get_base_id(
            X509_get0_pubkey(SSL_get0_peer_certificate(made.client.get())));
    };
    SSL_CTX_set_cipher_list(client_.get(), "ECDHE-RSA-AES128-GCM-SHA256");
    const Handshake rsa =
        shake_hands(tls.context().get(), client_.get(), {"b.example", nullptr, TLS1_2_VERSION});
    ASSERT_TRUE(rsa.done);
    EXPECT_EQ(kind(rsa), EVP_PKEY_RSA);
    SSL_CTX_set_cipher_list(client_.get(), "ECDHE-ECDSA-AES128-GCM-SHA256");
    const Handshake ec =
        shake_hands(tls.context().get(), client_.get(), {"b.example", nullptr, TLS1_2_VERSION});
    ASSERT_TRUE(ec.done);
    EXPECT_EQ(kind(ec), EVP_PKEY_EC);
}

TEST_F(Listener, NothingChangesWhileTheFilesDoNot) {
    ServerTls tls = open();
    const auto before = tls.context();
    EXPECT_EQ(*tls.refresh(now_, false), Change::kNone);
    EXPECT_EQ(tls.context(), before);
    EXPECT_EQ(*tls.refresh(now_, true), Change::kContext);
    EXPECT_NE(tls.context(), before);
}

TEST_F(Listener, ANewCertificateKeepsSessions) {
    ServerTls tls = open();
    const Handshake first = shake_hands(tls.context().get(), client_.get());
    ASSERT_TRUE(first.done);
    EXPECT_TRUE(resumes(tls, first));
    ASSERT_TRUE(renew(folder_.path(), folder_ / "server.crt", {10, true}));
    EXPECT_EQ(*tls.refresh(now_, false), Change::kContext);
    EXPECT_TRUE(resumes(tls, first));
    EXPECT_TRUE(still_trusted(tls.context().get(), first.server.get()));
    // After 12 hours the tickets' keys are new.
    EXPECT_EQ(*tls.refresh(now_ + 12 * 3600, false), Change::kContext);
    EXPECT_FALSE(resumes(tls, first));
}

TEST_F(Listener, RevocationEndsSessionsAndTheirTickets) {
    ServerTls tls = open();
    ASSERT_TRUE(issue_device(folder_.path(), "neighbour"));
    const auto neighbour = *make_client_context({folder_ / "ca.crt", folder_ / "devices/neighbour.crt",
                                                 folder_ / "devices/neighbour.key"});
    const Handshake first = shake_hands(tls.context().get(), client_.get());
    const Handshake other = shake_hands(tls.context().get(), neighbour.get());
    SSL_SESSION* session = SSL_get1_session(first.client.get());
    const Handshake resumed = shake_hands(tls.context().get(), client_.get(), {{}, session});
    ASSERT_TRUE(first.done && other.done && resumed.done);
    ASSERT_EQ(SSL_session_reused(resumed.server.get()), 1);
    ASSERT_TRUE(revoke(folder_.path(), {{}, "d", {}}));
    EXPECT_EQ(*tls.refresh(now_, false), Change::kTrust);
    EXPECT_FALSE(still_trusted(tls.context().get(), first.server.get()));
    EXPECT_FALSE(still_trusted(tls.context().get(), resumed.server.get()));
    EXPECT_TRUE(still_trusted(tls.context().get(), other.server.get()));
    const Handshake again = shake_hands(tls.context().get(), client_.get(), {{}, session});
    EXPECT_FALSE(again.done);
    SSL_SESSION_free(session);
}

TEST_F(Listener, ACaThatIsNotTrustedAnyMoreEndsItsSessions) {
    ServerTls tls = open();
    const Handshake first = shake_hands(tls.context().get(), client_.get());
    ASSERT_TRUE(first.done);
    Folder other;
    ASSERT_TRUE(init_ca(other.path()));
    // Both for a while, then the new one alone.
    const std::string old_ca = slurp(folder_ / "ca.crt");
    spill(folder_ / "ca.crt", old_ca + slurp(other / "ca.crt"));
    EXPECT_EQ(*tls.refresh(now_, false), Change::kTrust);
    EXPECT_TRUE(still_trusted(tls.context().get(), first.server.get()));
    spill(folder_ / "ca.crt", slurp(other / "ca.crt"));
    EXPECT_EQ(*tls.refresh(now_, false), Change::kTrust);
    EXPECT_FALSE(still_trusted(tls.context().get(), first.server.get()));
}

TEST_F(Listener, ABrokenFileLeavesWhatThereIs) {
    ServerTls tls = open();
    const auto before = tls.context();
    const std::string good = slurp(folder_ / "server.crt");
    spill(folder_ / "server.crt", good.substr(0, good.size() / 2));
    EXPECT_THAT(tls.refresh(now_, false).error().message, HasSubstr("is not a PEM certificate"));
    EXPECT_EQ(tls.context(), before);
    // It is tried again, until it is whole.
    EXPECT_FALSE(tls.refresh(now_, false));
    spill(folder_ / "server.crt", good);
    EXPECT_TRUE(tls.refresh(now_, false));
    EXPECT_TRUE(shake_hands(tls.context().get(), client_.get()).done);
}

TEST_F(Listener, WarnsOfWhatIsDue) {
    EXPECT_THAT(open().warnings(now_, 30), IsEmpty());
    EXPECT_THAT(open().warnings(now_ + 31 * 86'400, 30),
                ElementsAre(HasSubstr("should have been made anew")));
    EXPECT_THAT(open().warnings(now_ + 31 * 86'400, 800),
                testing::Contains(HasSubstr("a.example in ")));
    Folder other;
    CaOptions named;
    named.common_name = "Another CA";
    ASSERT_TRUE(init_ca(other.path(), named));
    spill(folder_ / "ca.crt", slurp(folder_ / "ca.crt") + slurp(other / "ca.crt"));
    EXPECT_THAT(open().warnings(now_, 30), ElementsAre("CA Another CA has no revocation list"));
}

TEST_F(Listener, CiphersAreChecked) {
    config_.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    config_.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
    const ServerTls tls = open();
    const Handshake made = shake_hands(tls.context().get(), client_.get());
    ASSERT_TRUE(made.done);
    EXPECT_STREQ(SSL_get_cipher_name(made.server.get()), "TLS_CHACHA20_POLY1305_SHA256");
    config_.ciphersuites = "TLS_NONSENSE";
    EXPECT_THAT(make_server_context(config_).error().message, HasSubstr("TLS_NONSENSE"));
    config_.ciphersuites.clear();
    config_.ciphers = "NONSENSE";
    EXPECT_THAT(make_server_context(config_).error().message, HasSubstr("NONSENSE"));
}

}  // namespace
}  // namespace causeway::certs
