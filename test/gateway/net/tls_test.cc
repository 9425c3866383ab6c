// Keys of devices that come from elsewhere, and listeners whose TLS is replaced while they run.
#include <openssl/ssl.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "certs/context.h"
#include "core/io/timer.h"
#include "core/io/tls_psk.h"
#include "gateway/net/gateway.h"
#include "test/core/io/support.h"
#include "test/gateway/net/client.h"
#include "test/gateway/net/local_core.h"

namespace causeway::net {
namespace {

using namespace std::string_literals;

const std::string kConnect = packet(0x10, text("MQTT") + "\5\2\0\74\0"s + text("raw"));
const std::string kOld = "an old key of 32 bytes ..........";
const std::string kNew = "a new key of 32 bytes ...........";

std::string client_key;

unsigned answer(SSL*, const char*, char* identity, unsigned, unsigned char* key, unsigned) {
    const std::string name = "plant/dev7";
    std::copy(name.begin(), name.end() + 1, identity);
    std::copy(client_key.begin(), client_key.end(), key);
    return static_cast<unsigned>(client_key.size());
}

// Answers a little later; what is asked when `answers` is false stays without an answer.
class SlowSource final : public PskSource {
public:
    SlowSource(io::Loop& loop, const std::map<std::string, std::vector<std::string>>& keys,
               std::atomic<bool>& answers)
        : keys_(keys), answers_(answers), timer_(loop, [this] { answer_all(); }) {}
    void find(std::string_view identity, MonoMs, Found found) override {
        waiting_.emplace_back(identity, std::move(found));
        timer_.start(5);
    }

private:
    void answer_all() {
        if (!answers_) {
            timer_.start(5);
            return;
        }
        for (auto& [identity, found] : std::exchange(waiting_, {})) {
            const auto known = keys_.find(identity);
            found(known == keys_.end() ? std::vector<std::string>{} : known->second);
        }
    }

    const std::map<std::string, std::vector<std::string>>& keys_;
    std::atomic<bool>& answers_;
    std::vector<std::pair<std::string, Found>> waiting_;
    io::Timer timer_;
};

class GatewayTls : public ::testing::Test {
protected:
    GatewayOptions options;
    std::map<std::string, std::vector<std::string>> keys;
    std::atomic<bool> answers = true;
    std::atomic<bool> core_held = false;
    std::unique_ptr<Gateway> gateway;
    io::Loop loop;
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
    void start(std::shared_ptr<ssl_ctx_st> tls) {
        options.listeners.emplace_back().tls = std::move(tls);
        options.make_psk_source = [this](io::Loop& on) {
            return std::make_unique<SlowSource>(on, keys, answers);
        };
        auto opened = Gateway::open(options, [this](io::Loop& on, SubmitterEvents& events) {
            return std::make_unique<LocalCore>(on, events, core_held);
        });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        gateway = std::move(*opened);
        gateway->start();
    }
    bool opens(const std::string& key) {
        client_key = key;
        Client client(gateway->ports()[0]);
        return client.try_tls(psk_client.get()) && connects(client);
    }
    static bool connects(Client& client) {
        client.send(kConnect);
        return client.receive(2).starts_with("\x20");
    }
    ShardStatus status() {
        ShardStatus got;
        bool have = false;
        gateway->status(loop, [&](const ShardStatus& sum) {
            got = sum;
            have = true;
        });
        while (!have) {
            loop.turn();
        }
        return got;
    }
    void until(std::uint64_t ShardStatus::*counter, std::uint64_t value) {
        while (status().*counter != value) {
            std::this_thread::yield();
        }
    }
    void TearDown() override {
        if (gateway) {
            gateway->shut_down(100);
            gateway->stop();
        }
    }
};

TEST_F(GatewayTls, AKeyMayComeLater) {
    keys["plant/dev7"] = {kOld};
    start(psk_server());
    EXPECT_TRUE(opens(kOld));
    EXPECT_FALSE(opens(kNew));
    EXPECT_TRUE(opens(kOld));
    until(&ShardStatus::tls_psk, 3);
}

TEST_F(GatewayTls, NobodyIsLetInWithoutAnIdentity) {
    start(psk_server());
    EXPECT_FALSE(opens(kOld));
}

// While a device changes from one key to the other, either is good at the second try at the latest.
TEST_F(GatewayTls, TwoKeysMayBeLive) {
    keys["plant/dev7"] = {kOld, kNew};
    start(psk_server());
    EXPECT_TRUE(opens(kOld));
    EXPECT_TRUE(opens(kOld));
    EXPECT_TRUE(opens(kNew) || opens(kNew));
    EXPECT_TRUE(opens(kNew));
    EXPECT_TRUE(opens(kOld) || opens(kOld));
    EXPECT_FALSE(opens("neither the old nor the new key ...") ||
                 opens("neither the old nor the new key ..."));
}

TEST_F(GatewayTls, WhoGivesUpBeforeItsKeyCameLeavesNothing) {
    keys["plant/dev7"] = {kOld, kNew};
    answers = false;
    start(psk_server());
    {
        client_key = kOld;
        Client client(gateway->ports()[0]);
        auto session = io::TlsSession::client(psk_client.get(), {}).value();
        std::string hello;
        session->feed({}, [](std::string_view) { return true; }, hello);
        client.send(hello);
        until(&ShardStatus::tls_psk, 1);
    }
    until(&ShardStatus::connections, 0);
    answers = true;
    EXPECT_TRUE(opens(kOld));
    EXPECT_EQ(status().handshakes_under_way, 0U);
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
