// Pre-shared keys of a file, and listeners whose TLS is replaced while they run.
#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "certs/context.h"
#include "certs/psk_file.h"
#include "core/io/tls_psk.h"
#include "gateway/net/gateway.h"
#include "test/core/io/support.h"
#include "test/gateway/net/client.h"
#include "test/gateway/net/running_gateway.h"

namespace causeway::net {
namespace {

using namespace std::string_literals;

const std::string kConnect = packet(0x10, text("MQTT") + "\5\2\0\74\0"s + text("raw"));
const std::string kKey = "0123456789abcdef0123456789abcdef";
const std::string kOther = "fedcba9876543210fedcba9876543210";

std::string client_key;

unsigned answer(SSL*, const char*, char* identity, unsigned, unsigned char* key, unsigned) {
    const std::string name = "plant/dev7";
    std::copy(name.begin(), name.end() + 1, identity);
    std::copy(client_key.begin(), client_key.end(), key);
    return static_cast<unsigned>(client_key.size());
}

class GatewayTls : public RunningGateway {
protected:
    std::shared_ptr<ssl_ctx_st> psk_client;

    void SetUp() override {
        psk_client = certs::make_client_context({}).value();
        SSL_CTX_set_psk_client_callback(psk_client.get(), answer);
        SSL_CTX_set_cipher_list(psk_client.get(), "PSK");
    }
    std::shared_ptr<ssl_ctx_st> psk_server() {
        certs::ServerTlsConfig config;
        config.psk = true;
        auto made = certs::make_server_context(config).value();
        io::accept_psk(made.get());
        return made;
    }
    void start(std::shared_ptr<ssl_ctx_st> tls, std::shared_ptr<const certs::PskTable> psks = {}) {
        ListenerOptions& listener = options.listeners.emplace_back();
        listener.tls = std::move(tls);
        listener.psks = std::move(psks);
        RunningGateway::start();
    }
    bool opens(const std::string& key) {
        client_key = key;
        Client client(gateway->ports()[0]);
        return client.try_tls(psk_client.get()) && connects(client);
    }
    // CONNACK's; -1: there was none.
    int code() {
        Client client(port());
        if (!client.try_tls(psk_client.get())) {
            return -1;
        }
        client.send(kConnect);
        const std::string head = client.receive(4);
        return head.size() < 4 ? -1 : static_cast<unsigned char>(head[3]);
    }
    static std::shared_ptr<const certs::PskTable> keys(const std::vector<std::string>& identities) {
        std::string text;
        for (const std::string& identity : identities) {
            text += identity + ":";
            for (const char c : kKey) {
                text += "0123456789abcdef"[c >> 4];
                text += "0123456789abcdef"[c & 15];
            }
            text += "\n";
        }
        return certs::PskTable::parse(text).value();
    }
    static bool connects(Client& client) {
        client.send(kConnect);
        return client.receive(2).starts_with("\x20");
    }
};

TEST_F(GatewayTls, WhoHasTheKeyOfItsIdentityIsLetIn) {
    start(psk_server(), keys({"plant/dev7"}));
    EXPECT_TRUE(opens(kKey));
    EXPECT_FALSE(opens(kOther));
    EXPECT_TRUE(opens(kKey));
    EXPECT_EQ(status().tls_psk, 3U);
}

TEST_F(GatewayTls, NobodyIsLetInWithoutAnIdentity) {
    start(psk_server());  // there is no registry either
    EXPECT_FALSE(opens(kKey));
}

TEST_F(GatewayTls, AKeyThatIsGoneEndsItsSession) {
    const auto tls = psk_server();
    start(tls, keys({"plant/dev7", "plant/dev8"}));
    client_key = kKey;
    Client client(gateway->ports()[0]);
    client.begin_tls(psk_client.get());
    ASSERT_TRUE(connects(client));
    gateway->set_tls(0, {tls, keys({"plant/dev7", "plant/dev9"})}, true);
    EXPECT_EQ(status().tls_dismissed, 0U);
    gateway->set_tls(0, {tls, keys({"plant/dev8"})}, true);
    until(&ShardStatus::tls_dismissed, 1);
    until(&ShardStatus::connections, 0);
    EXPECT_FALSE(opens(kKey));
    // Another key of the same identity.
    gateway->set_tls(0, {tls, keys({"plant/dev7"})}, true);
    Client again(gateway->ports()[0]);
    again.begin_tls(psk_client.get());
    ASSERT_TRUE(connects(again));
    gateway->set_tls(0, {tls, certs::PskTable::parse("plant/dev7:" + std::string(32, 'a')).value()},
                     true);
    until(&ShardStatus::tls_dismissed, 2);
}

// The ClientHello names an identity of the file, but the handshake goes on without its key.
TEST_F(GatewayTls, AnIdentityThatIsNamedAndNotUsedIsNoProof) {
    const io::TestCerts& certs = io::TestCerts::get();
    certs::ServerTlsConfig config{certs.dir + "/server.crt", certs.dir + "/server.key", {},
                                  certs::Verify::kNone};
    config.psk = true;
    auto server = certs::make_server_context(config).value();
    io::accept_psk(server.get());
    start(server, keys({"plant/dev7"}));
    SSL_CTX_set_ciphersuites(psk_client.get(), "TLS_AES_256_GCM_SHA384");  // a key is for SHA-256
    SSL_CTX_set_verify(psk_client.get(), SSL_VERIFY_NONE, nullptr);
    client_key = kKey;
    EXPECT_NE(code(), 0);
    EXPECT_EQ(status().tls_psk, 1U);
    // The gateway is still there, for who uses its key.
    SSL_CTX_set_ciphersuites(psk_client.get(), "TLS_AES_128_GCM_SHA256");
    EXPECT_EQ(code(), 0);
}

TEST_F(GatewayTls, SessionsAreLookedAtAgainWhenTrustHasChanged) {
    const io::TestCerts& certs = io::TestCerts::get();
    start(certs.server(certs::Verify::kRequired));
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<Client>(gateway->ports()[0]));
        clients.back()->begin_tls(certs.client("/devices/plant_dev7").get());
    }
    ASSERT_TRUE(connects(*clients[0]));
    clients[0]->receive(1);  // The properties' length.
    // The same trust: nothing happens.
    gateway->set_tls(0, {certs.server(certs::Verify::kRequired), nullptr}, true);
    EXPECT_EQ(status().tls_dismissed, 0U);
    // Another CA. One of the two is online, one has said nothing since its handshake.
    certs::ServerTlsConfig other{certs.dir + "/server.crt", certs.dir + "/server.key",
                                 certs.dir + "/other/ca.crt", certs::Verify::kRequired};
    gateway->set_tls(0, {certs::make_server_context(other).value(), nullptr}, true);
    until(&ShardStatus::tls_dismissed, 3);
    until(&ShardStatus::connections, 0);
    const std::string rest = clients[0]->receive_rest();
    EXPECT_NE(rest.find("\xE0"), std::string::npos);  // DISCONNECT
    EXPECT_NE(rest.find('\x87'), std::string::npos);
    Client again(gateway->ports()[0]);
    (void)again.try_tls(certs.client("/devices/plant_dev7").get());
    EXPECT_EQ(again.receive(1), "");
    Client stranger(gateway->ports()[0]);
    stranger.begin_tls(certs.client("/other/devices/stranger").get());
    EXPECT_TRUE(connects(stranger));
}

// The context is another one between a ClientHello and the end of its handshake.
TEST_F(GatewayTls, AHandshakeThatBeganBeforeTheChangeIsLookedAtToo) {
    const io::TestCerts& certs = io::TestCerts::get();
    start(certs.server(certs::Verify::kRequired));
    Client client(gateway->ports()[0]);
    auto session =
        io::TlsSession::client(certs.client("/devices/plant_dev7").get(), "localhost").value();
    std::string hello;
    const auto ignore = [](std::string_view) { return true; };
    session->feed({}, ignore, hello);
    client.send(hello);
    std::string finished;
    while (finished.empty()) {
        const std::string flight = client.receive(1);
        ASSERT_FALSE(flight.empty());
        session->feed(flight, ignore, finished);
    }
    certs::ServerTlsConfig other{certs.dir + "/server.crt", certs.dir + "/server.key",
                                 certs.dir + "/other/ca.crt", certs::Verify::kRequired};
    gateway->set_tls(0, {certs::make_server_context(other).value(), nullptr}, true);
    status();
    client.send(finished);
    until(&ShardStatus::tls_dismissed, 1);
    until(&ShardStatus::connections, 0);
}

}  // namespace
}  // namespace causeway::net
