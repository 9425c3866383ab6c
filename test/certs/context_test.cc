#include "certs/context.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include "certs/issue.h"
#include "test/certs/support.h"

namespace causeway::certs {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Context : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(init_ca(folder_.path()));
        ASSERT_TRUE(issue_server(folder_.path(), {"localhost"}));
        ASSERT_TRUE(issue_device(folder_.path(), "d"));
        config_.certificate = folder_ / "server.crt";
        config_.private_key = folder_ / "server.key";
        config_.client_ca = folder_ / "ca.crt";
    }
    std::string error() {
        const auto made = make_server_context(config_);
        return made ? "no error" : made.error().message;
    }

    Folder folder_;
    ServerTlsConfig config_;
};

TEST_F(Context, FollowsItsConfiguration) {
    config_.verify = Verify::kRequired;
    config_.min_version = TlsVersion::kTls13;
    const auto made = make_server_context(config_);
    ASSERT_TRUE(made) << made.error().message;
    SSL_CTX* raw = made->get();
    EXPECT_EQ(SSL_CTX_get_min_proto_version(raw), TLS1_3_VERSION);
    EXPECT_EQ(SSL_CTX_get_verify_mode(raw), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    EXPECT_EQ(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(raw)), 1);
    EXPECT_NE(SSL_CTX_get_mode(raw) & SSL_MODE_RELEASE_BUFFERS, 0);
    EXPECT_EQ(SSL_CTX_get_options(raw) & SSL_OP_NO_TICKET, 0U);

    config_.verify = Verify::kOptional;
    EXPECT_EQ(SSL_CTX_get_verify_mode(make_server_context(config_)->get()), SSL_VERIFY_PEER);
    config_.verify = Verify::kNone;
    config_.client_ca.clear();
    EXPECT_EQ(SSL_CTX_get_verify_mode(make_server_context(config_)->get()), SSL_VERIFY_NONE);
}

TEST_F(Context, OffersOnlyForwardSecretAuthenticatedCiphers) {
    const auto made = make_server_context(config_);
    ASSERT_TRUE(made);
    const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(made->get());
    ASSERT_GT(sk_SSL_CIPHER_num(ciphers), 3);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
        const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
        EXPECT_EQ(SSL_CIPHER_is_aead(cipher), 1) << SSL_CIPHER_get_name(cipher);
    }
}

TEST_F(Context, NamesAMissingFile) {
    config_.certificate = folder_ / "none.crt";
    EXPECT_EQ(error(),
              "cannot read certificate " + (folder_ / "none.crt") + ": No such file or directory");
    config_.certificate = folder_ / "server.crt";
    config_.private_key = folder_ / "none.key";
    EXPECT_THAT(error(), StartsWith("cannot read private key "));
    config_.private_key = folder_ / "server.key";
    config_.verify = Verify::kOptional;
    config_.client_ca = folder_ / "none.crt";
    EXPECT_THAT(error(), StartsWith("cannot read CA file "));
    config_.client_ca.clear();
    EXPECT_THAT(error(), HasSubstr("name the CA file"));
}

TEST_F(Context, NamesAKeyOfAnotherCertificate) {
    config_.private_key = folder_ / "devices/d.key";
    EXPECT_EQ(error(), "private key " + (folder_ / "devices/d.key") +
                           " does not belong to certificate " + (folder_ / "server.crt"));
}

TEST_F(Context, NamesAnExpiredOrFutureCertificate) {
    IssueOptions options;
    options.force = true;
    options.days = 1;
    options.backdate_s = 10 * 86'400;
    ASSERT_TRUE(issue_server(folder_.path(), {"localhost"}, options));
    EXPECT_THAT(error(), StartsWith("certificate " + (folder_ / "server.crt") + " expired on "));
    options.backdate_s = -86'400;
    ASSERT_TRUE(issue_server(folder_.path(), {"localhost"}, options));
    EXPECT_THAT(error(), HasSubstr("check this machine's clock"));
}

TEST_F(Context, NamesAFileThatIsNotPem) {
    spill(folder_ / "bad.crt", "-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n");
    config_.certificate = folder_ / "bad.crt";
    EXPECT_THAT(error(), HasSubstr("is not a PEM certificate"));
    config_.certificate = folder_ / "server.key";
    EXPECT_THAT(error(), HasSubstr("is not a PEM certificate"));
    // A good certificate followed by a damaged one is not silently half a chain.
    spill(folder_ / "half.crt", slurp(folder_ / "server.crt") + slurp(folder_ / "bad.crt"));
    config_.certificate = folder_ / "half.crt";
    EXPECT_THAT(error(), HasSubstr("is not a PEM certificate"));
    spill(folder_ / "huge.crt", std::string(2 << 20, 'x'));
    config_.certificate = folder_ / "huge.crt";
    EXPECT_THAT(error(), HasSubstr("larger than 1 MiB"));
}

TEST_F(Context, SendsAChain) {
    spill(folder_ / "chain.crt", slurp(folder_ / "server.crt") + slurp(folder_ / "ca.crt"));
    config_.certificate = folder_ / "chain.crt";
    const auto made = make_server_context(config_);
    ASSERT_TRUE(made) << made.error().message;
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(made->get(), &chain);
    EXPECT_EQ(sk_X509_num(chain), 1);
}

TEST_F(Context, AClientVerifiesUnlessInsecure) {
    ClientTlsConfig client;
    client.ca = folder_ / "ca.crt";
    const auto made = make_client_context(client);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(SSL_CTX_get_verify_mode(made->get()), SSL_VERIFY_PEER);
    client.insecure = true;
    EXPECT_EQ(SSL_CTX_get_verify_mode(make_client_context(client)->get()), SSL_VERIFY_NONE);
    client.certificate = folder_ / "devices/d.crt";
    EXPECT_FALSE(make_client_context(client));
    client.private_key = folder_ / "devices/d.key";
    EXPECT_TRUE(make_client_context(client));
    EXPECT_TRUE(make_client_context({}));  // The system's CAs.
    client.ca = folder_ / "none";
    EXPECT_FALSE(make_client_context(client));
}

}  // namespace
}  // namespace causeway::certs
