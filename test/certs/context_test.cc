#include "certs/context.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
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

class Peers : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(init_ca(folder_.path()));
        ASSERT_TRUE(issue_node(folder_.path(), "n1", {"localhost"}));
        ASSERT_TRUE(issue_node(folder_.path(), "n2", {}));
        ASSERT_TRUE(issue_device(folder_.path(), "d"));
    }
    PeerTlsConfig config(const std::string& leaf) {
        return {folder_ / leaf + ".crt", folder_ / leaf + ".key", folder_ / "ca.crt"};
    }

    Folder folder_;
};

// Runs the handshake of two contexts over memory; whether both sides are content.
bool shake(SslContext* server_context, SslContext* client_context) {
    const std::unique_ptr<SSL, decltype(&SSL_free)> server(SSL_new(server_context), SSL_free);
    const std::unique_ptr<SSL, decltype(&SSL_free)> client(SSL_new(client_context), SSL_free);
    BIO* one = nullptr;
    BIO* other = nullptr;
    BIO_new_bio_pair(&one, 0, &other, 0);
    SSL_set_bio(server.get(), one, one);
    SSL_set_bio(client.get(), other, other);
    SSL_set_accept_state(server.get());
    SSL_set_connect_state(client.get());
    int done = 0;
    for (int i = 0; i < 20 && done != 2; ++i) {
        done = (SSL_do_handshake(client.get()) == 1 ? 1 : 0) +
               (SSL_do_handshake(server.get()) == 1 ? 1 : 0);
    }
    ERR_clear_error();
    return done == 2 && std::string(SSL_get_version(server.get())) == "TLSv1.3";
}

TEST_F(Peers, NodesOfOneCaTalkBothWays) {
    const auto n1 = make_peer_contexts(config("nodes/n1"));
    const auto n2 = make_peer_contexts(config("nodes/n2"));
    ASSERT_TRUE(n1 && n2);
    EXPECT_TRUE(shake(n1->server.get(), n2->client.get()));
    EXPECT_TRUE(shake(n2->server.get(), n1->client.get()));
}

TEST_F(Peers, OthersAreRefused) {
    const auto n1 = make_peer_contexts(config("nodes/n1"));
    ASSERT_TRUE(n1);
    ClientTlsConfig client;
    client.ca = folder_ / "ca.crt";
    EXPECT_FALSE(shake(n1->server.get(), make_client_context(client)->get()));  // No certificate.
    client.certificate = folder_ / "devices/d.crt";
    client.private_key = folder_ / "devices/d.key";
    EXPECT_FALSE(shake(n1->server.get(), make_client_context(client)->get()));
    // A device's certificate, from our own CA, is no server's either.
    const auto device = make_peer_contexts(config("devices/d"));
    ASSERT_TRUE(device);
    EXPECT_FALSE(shake(device->server.get(), n1->client.get()));
    // Another CA, in both roles.
    Folder elsewhere;
    ASSERT_TRUE(init_ca(elsewhere.path()));
    ASSERT_TRUE(issue_node(elsewhere.path(), "n2", {}));
    const auto stranger = make_peer_contexts(
        {elsewhere / "nodes/n2.crt", elsewhere / "nodes/n2.key", folder_ / "ca.crt"});
    ASSERT_TRUE(stranger);
    EXPECT_FALSE(shake(n1->server.get(), stranger->client.get()));
    EXPECT_FALSE(shake(stranger->server.get(), n1->client.get()));
}

TEST_F(Peers, SpeakTls13Only) {
    const auto n1 = make_peer_contexts(config("nodes/n1"));
    const auto n2 = make_peer_contexts(config("nodes/n2"));
    ASSERT_TRUE(n1 && n2);
    SSL_CTX_set_min_proto_version(n2->client.get(), TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(n2->client.get(), TLS1_2_VERSION);
    EXPECT_FALSE(shake(n1->server.get(), n2->client.get()));
}

TEST_F(Peers, ErrorsSayWhatToDo) {
    EXPECT_THAT(make_peer_contexts({}).error().message, HasSubstr("causeway cert issue-node"));
    PeerTlsConfig missing = config("nodes/n1");
    missing.ca = folder_ / "none";
    EXPECT_THAT(make_peer_contexts(missing).error().message, StartsWith("cannot read CA file"));
}

TEST_F(Peers, ANodeKnowsItsNameFromItsCertificate) {
    EXPECT_EQ(node_name_of(folder_ / "nodes/n1.crt").value(), "n1");
    EXPECT_THAT(node_name_of(folder_ / "devices/d.crt").error().message,
                HasSubstr("is not a node's"));
    EXPECT_FALSE(node_name_of(folder_ / "none"));
}

}  // namespace
}  // namespace causeway::certs
