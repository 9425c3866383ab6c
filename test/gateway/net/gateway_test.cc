// Listeners and connections with real sockets, over a core in memory: what lies between the socket
// and MQTT, and what several connections share.
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/net/gateway.h"
#include "test/core/io/support.h"
#include "test/gateway/net/client.h"
#include "test/gateway/net/running_gateway.h"

namespace causeway::net {
namespace {

using namespace std::string_literals;

const std::string kConnect = packet(0x10, text("MQTT") + "\4\2\0\74"s + text("raw"));
const std::string kConnack = "\x20\2\0\0"s;
const std::string kProxy1 = "PROXY TCP4 192.0.2.7 198.51.100.1 50123 1883\r\n";
const std::string kProxy2 =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xC0\0\2\7\xC6\x33\x64\1\xC3\xCB\7\x5B"s;

class GatewayTest : public RunningGateway {
protected:
    ListenerOptions& listener() {
        options.listeners.emplace_back().policy.anonymous = true;
        return options.listeners.back();
    }
    // One CONNECT fills the way into the core, which answers nothing.
    std::unique_ptr<Client> fill() {
        options.shard.admission.connects_in_flight_max = 1;
        listener();
        start();
        core_held = true;
        auto first = std::make_unique<Client>(port());
        first->send(packet(0x10, text("MQTT") + "\5\2\0\74\0"s + text("1")));
        until(&ShardStatus::connects_in_flight, 1);
        return first;
    }
};

// What a client that reads nothing may send before the hub stops reading it, and much more than
// the kernel holds on the way.
constexpr std::size_t kFloodMax = std::size_t{64} << 20;
constexpr int kSmall = 8'192;
const std::string kPing = "\x89\xFD\1\2\3\4"s + std::string(125, 'x');  // of WebSocket

// The same again and again, as much as goes.
class Flood {
public:
    Flood(Client& client, std::string_view one) : client_(client), one_(one) {
        while (many_.size() < 65'536) {
            many_ += one;
        }
    }
    // False: nothing more goes now.
    bool go() {
        const std::size_t size = client_.send_some(many_.substr(sent_ % one_.size()));
        sent_ += size;
        return size != 0;
    }
    [[nodiscard]] std::size_t sent() const { return sent_; }
    // Effect: sends the rest of the one under way.
    void finish() {
        if (sent_ % one_.size() != 0) {
            client_.send(one_.substr(sent_ % one_.size()));
        }
    }

private:
    Client& client_;
    std::string one_;
    std::string many_;
    std::size_t sent_ = 0;
};

std::string delivery(std::string_view topic, std::string_view payload) {
    return packet(0x30, text(topic) + std::string(payload));
}

TEST_F(GatewayTest, CarriesMqttOverWebSocket) {
    listener();
    listener().websocket = true;
    start();
    Client subscriber(port(1));
    subscriber.begin_websocket();
    subscriber.connect("s");
    subscriber.subscribe("t", 0);
    Client publisher(port(0));
    publisher.connect("p");
    const std::string large(200'000, 'x');  // goes by reference, in one frame
    publisher.publish("t", "small");
    publisher.publish("t", large);
    const std::string wanted = delivery("t", "small") + delivery("t", large);
    EXPECT_TRUE(subscriber.receive(wanted.size()) == wanted);
}

TEST_F(GatewayTest, PacketsDoNotFollowFrames) {  // [MQTT-6.0.0-2]
    listener().websocket = true;
    start();
    Client client(port());
    client.begin_websocket();
    for (const char byte : kConnect) {
        client.send_frame(2, {&byte, 1});
    }
    EXPECT_EQ(client.receive(4), kConnack);
    client.send_frame(2, "\xC0\0\xC0"s, false);
    client.send_frame(9, "there?");
    client.send_frame(0, "\0"s);
    EXPECT_EQ(client.receive(4), "\xD0\0\xD0\0"s);
}

TEST_F(GatewayTest, ATextFrameEndsTheConnectionAndTheWillGoes) {  // [MQTT-6.0.0-1]
    listener();
    listener().websocket = true;
    start();
    Client watcher(port(0));
    watcher.connect("w");
    watcher.subscribe("will", 0);
    Client client(port(1));
    client.begin_websocket();
    client.connect("c", "will");
    client.send_frame(1, "\xC0\0"s);
    EXPECT_EQ(client.receive_rest(), "");
    EXPECT_EQ(client.close_code(), 1003);
    EXPECT_EQ(watcher.receive(12), delivery("will", "gone"));
}

TEST_F(GatewayTest, ClosesAWebSocketWithACodeOfItsOwn) {
    listener().websocket = true;
    start();
    Client client(port());
    client.begin_websocket();
    client.connect("c");
    client.send_mqtt(kConnect);  // a second CONNECT
    EXPECT_EQ(client.receive_rest(), "");
    EXPECT_EQ(client.close_code(), 1000);
}

TEST_F(GatewayTest, RefusesWhatIsNoUpgrade) {
    listener().websocket = true;
    start();
    for (const auto& [bytes, answer] : {std::pair(kConnect, "HTTP/1.1 400"s),
                                        std::pair("GET / HTTP/1.1\r\n\r\n"s, "HTTP/1.1 426"s)}) {
        Client client(port());
        client.send(bytes);
        EXPECT_THAT(client.receive_rest(), testing::StartsWith(answer));
    }
    EXPECT_EQ(status().websocket_refused, 2U);
}

TEST_F(GatewayTest, TakesTheProxyHeaderFirst) {
    listener().proxy_protocol = true;
    ListenerOptions& both = listener();
    both.proxy_protocol = true;
    both.websocket = true;
    start();
    for (const std::string& header : {kProxy1, kProxy2}) {
        Client whole(port(0));
        whole.send(header + kConnect);
        EXPECT_EQ(whole.receive(4), kConnack);
        Client pieces(port(0));
        for (const char byte : header) {
            pieces.send({&byte, 1});
        }
        pieces.connect("p");
        Client framed(port(1));
        framed.send(header);
        framed.begin_websocket();
        framed.connect("f");
    }
}

TEST_F(GatewayTest, ClosesAConnectionWithoutItsProxyHeader) {
    listener().proxy_protocol = true;
    start();
    for (const std::string& bytes : {kConnect, "PROXY TCP4 1.2.3\r\n"s, "GET / HTTP/1.1\r\n"s}) {
        Client client(port());
        client.send(bytes);
        EXPECT_EQ(client.receive_rest(), "");
    }
    EXPECT_EQ(status().proxy_failed, 3U);
    EXPECT_EQ(status().connections, 0U);
}

TEST_F(GatewayTest, TlsBeginsBehindTheProxyHeaderAndUnderWebSocket) {
    const auto context = io::TestCerts::get().client();
    for (const bool proxy : {false, true}) {
        for (const bool websocket : {false, true}) {
            ListenerOptions& one = listener();
            one.tls = io::TestCerts::get().server();
            one.proxy_protocol = proxy;
            one.websocket = websocket;
        }
    }
    start();
    for (std::size_t i = 0; i < 4; ++i) {
        Client client(port(i));
        if (i >= 2) {
            client.send(i == 2 ? kProxy1 : kProxy2);
        }
        client.begin_tls(context.get());
        if (i % 2 != 0) {
            client.begin_websocket();
        }
        client.connect("c" + std::to_string(i));
        client.publish("t", std::string(100'000, 'x'));
        client.subscribe("t", 0);
    }
}

TEST_F(GatewayTest, GivesEachMessageToOneMemberOfAGroup) {
    listener();
    start();
    Client first(port());
    first.connect("m1");
    first.subscribe("$share/g/jobs", 0);
    Client second(port());
    second.connect("m2");
    second.subscribe("$share/g/jobs", 0);
    Client publisher(port());
    publisher.connect("p");
    for (const std::string& payload : {"1"s, "2"s, "3"s, "4"s}) {
        publisher.publish("jobs", payload);
    }
    EXPECT_EQ(first.receive(18), delivery("jobs", "1") + delivery("jobs", "3"));
    EXPECT_EQ(second.receive(18), delivery("jobs", "2") + delivery("jobs", "4"));
}

TEST_F(GatewayTest, ReadsAClientAboveItsRateLater) {
    options.shard.limits.publish_rate_max = 100;
    listener();
    start();
    Client client(port());
    client.connect("c");
    client.subscribe("t", 0);
    std::string sent;
    for (int i = 0; i < 150; ++i) {
        sent += delivery("t", std::to_string(100 + i));
    }
    client.send(sent);
    EXPECT_EQ(client.receive(sent.size()), sent);  // all of it, in order
    EXPECT_GE(status().sessions.limit_publish_rate, 1U);
}

TEST_F(GatewayTest, DoesNotReadAClientThatDoesNotRead) {
    options.shard.output_bytes_max = 64 << 10;
    listener().websocket = true;
    start();
    Client client(port(), kSmall);
    client.begin_websocket();
    client.connect("c");
    Flood pings(client, kPing);
    while (pings.sent() < kFloodMax && status().paused_unread == 0) {
        pings.go();
    }
    ASSERT_LT(pings.sent(), kFloodMax) << "all was read, and all answers are kept";
    while (pings.go()) {
    }
    // Now it reads, and the rest of what it sent is read too.
    std::thread last([&] {
        pings.finish();
        client.send_frame(2, "\xC0\0"s);
    });
    EXPECT_EQ(client.receive(2), "\xD0\0"s);
    last.join();
    EXPECT_EQ(status().sessions.slow_closed, 0U);
}

TEST_F(GatewayTest, WhoNeverReadsIsClosed) {
    options.shard.output_bytes_max = 64 << 10;
    options.shard.limits.unread_timeout_s = 1;
    listener();
    start();
    Client client(port(), kSmall);
    client.connect("c");
    Flood pings(client, "\xC0\0"s);
    while (pings.sent() < kFloodMax && status().sessions.slow_closed == 0) {
        pings.go();
    }
    EXPECT_LT(pings.sent(), kFloodMax);
    until(&ShardStatus::connections, 0);
}

// What is delivered has its own limit: a client that takes it slowly is still heard.
TEST_F(GatewayTest, WhatIsDeliveredDoesNotStopTheReading) {
    options.shard.output_bytes_max = 64 << 10;
    listener();
    start();
    Client slow(port(), kSmall);
    slow.connect("s");
    slow.subscribe("t", 0);
    Client publisher(port());
    publisher.connect("p");
    const std::string large(20'000, 'x');
    while (status().sessions.deliveries_dropped_full == 0) {
        publisher.publish("t", large);
    }
    slow.send(packet(0x32, text("other") + "\0\1"s));
    publisher.publish("t", large);
    while (status().sessions.publishes_received[1] !=
           status().sessions.deliveries_sent[0] + status().sessions.deliveries_dropped_full + 1) {
        std::this_thread::yield();
    }
    EXPECT_EQ(status().paused_unread, 0U);
}

TEST_F(GatewayTest, PongsBeforeConnectAreBounded) {
    options.shard.output_bytes_max = 64 << 10;
    options.shard.limits.connect_timeout_s = 2;
    listener().websocket = true;
    start();
    Client client(port(), kSmall);
    client.begin_websocket();
    Flood pings(client, kPing);
    while (pings.sent() < kFloodMax && status().connections == 1) {
        pings.go();
    }
    EXPECT_LT(pings.sent(), kFloodMax);
    EXPECT_GE(status().paused_unread, 1U);  // again whenever the kernel has taken some
    until(&ShardStatus::connections, 0);
}

// Nothing of it is held: neither the frames of a message nor what controls them.
TEST_F(GatewayTest, AMessageOfEndlessFramesIsNoConnect) {
    options.shard.limits.connect_timeout_s = 1;
    listener().websocket = true;
    start();
    Client client(port());
    client.begin_websocket();
    client.send_frame(2, "", false);
    Flood frames(client, "\0\x80\1\2\3\4\x8A\x80\1\2\3\4"s);
    while (status().connections == 1) {
        frames.go();
    }
    EXPECT_EQ(status().connections, 0U);
    EXPECT_EQ(status().paused_unread, 0U);
}

TEST_F(GatewayTest, SaysWhatItDoesUnderSys) {
    listener();
    start();
    Client all(port());
    all.connect("all");
    all.subscribe("#", 0);
    Client watcher(port());
    watcher.connect("w");
    watcher.subscribe("$SYS/nodes/n/connections/online", 0);
    gateway->publish(sys_messages("n", status(), 5));
    const std::string wanted = delivery("$SYS/nodes/n/connections/online", "2");
    EXPECT_EQ(watcher.receive(wanted.size()), wanted);
    all.send("\xC0\0"s);
    EXPECT_EQ(all.receive(2), "\xD0\0"s);
    EXPECT_TRUE(sys_messages("bad/+", status(), 5).empty());
}

std::string connect5(std::string_view client_id) {
    return packet(0x10, text("MQTT") + "\5\2\0\74\0"s + text(client_id));
}

TEST_F(GatewayTest, ConnectsWaitForOthersAndTheRestIsToldWhenToComeAgain) {
    options.shard.admission.connect_queue_max = 1;
    const auto first = fill();
    Client second(port());
    second.send(connect5("2") + "\xC0\0"s);
    until(&ShardStatus::connect_queue, 1);
    Client third(port());
    third.send(connect5("3"));
    const std::string refusal = third.receive_rest();
    ASSERT_GE(refusal.size(), 4U);
    EXPECT_EQ(refusal[3], '\x89');
    EXPECT_THAT(refusal, testing::HasSubstr("retry-after"));
    Client old(port());
    old.send(kConnect);
    EXPECT_EQ(old.receive_rest(), "\x20\2\0\3"s);
    EXPECT_EQ(status().refused_busy, 2U);
    core_held = false;
    Client waker(port());  // a turn of the loop
    EXPECT_EQ(first->receive(4).substr(3), "\0"s);
    EXPECT_EQ(second.receive(4).substr(3), "\0"s);
    until(&ShardStatus::online, 2);
    EXPECT_EQ(status().connect_queue, 0U);
    EXPECT_EQ(status().connects_queued, 1U);
}

TEST_F(GatewayTest, AConnectThatWaitedTooLongIsRefused) {
    options.shard.limits.connect_timeout_s = 1;
    const auto first = fill();
    std::vector<std::unique_ptr<Client>> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(std::make_unique<Client>(port()));
        waiting.back()->send(connect5("w" + std::to_string(i)));
    }
    EXPECT_EQ(first->receive_rest(), "")
        << "the core has its OPEN: what becomes of it is not known";
    for (auto& client : waiting) {  // the core still has the first one's OPEN: none had a turn
        const std::string answer = client->receive_rest();
        ASSERT_GE(answer.size(), 4U);
        EXPECT_EQ(answer[3], '\x89');
    }
    EXPECT_EQ(status().connects_in_flight, 1U);
    core_held = false;
}

TEST_F(GatewayTest, WhoWaitedTooLongTakesNoPlaceInTheQueue) {
    options.shard.admission.connect_queue_max = 1;
    options.shard.limits.connect_timeout_s = 1;
    const auto first = fill();
    Client second(port());
    second.send(connect5("2"));
    EXPECT_EQ(second.receive_rest().substr(3, 1), "\x89");
    Client third(port());
    third.send(connect5("3"));
    until(&ShardStatus::connect_queue, 1);
    core_held = false;
    Client waker(port());
    EXPECT_EQ(third.receive(4).substr(3), "\0"s);
}

TEST_F(GatewayTest, WhoIsRefusedComesAgainAtTimesOfTheirOwn) {
    options.shard.admission.connect_queue_max = 60;
    const auto first = fill();
    std::vector<std::unique_ptr<Client>> queue;
    for (int i = 0; i < 60; ++i) {
        queue.push_back(std::make_unique<Client>(port()));
        queue.back()->send(connect5("q" + std::to_string(i)));
    }
    until(&ShardStatus::connect_queue, 60);
    std::set<std::string> times;
    for (int i = 0; i < 40; ++i) {
        Client client(port());
        client.send(connect5("r" + std::to_string(i)));
        const std::string refusal = client.receive_rest();
        const std::size_t at = refusal.find("retry-after");
        ASSERT_NE(at, std::string::npos);
        const std::string seconds = refusal.substr(at + 13);
        EXPECT_GE(std::stoi(seconds), 30);
        EXPECT_LE(std::stoi(seconds), 60);
        times.insert(seconds);
    }
    EXPECT_GE(times.size(), 15U);
    core_held = false;
}

TEST_F(GatewayTest, ARefusalThatIsTooLargeForTheClientIsMadeShort) {
    options.shard.admission.connect_queue_max = 0;
    const auto first = fill();
    Client second(port());
    second.send(packet(0x10, text("MQTT") + "\5\2\0\74\5\x27\0\0\0\x10"s + text("2")));
    EXPECT_EQ(second.receive_rest(), "\x20\3\0\x89\0"s);
    core_held = false;
}

TEST_F(GatewayTest, OneAddressMayNotConnectTooOften) {
    options.shard.admission.address_rate_max = 2;
    listener();
    listener().proxy_protocol = true;
    start();
    Client first(port());
    first.connect("1");
    Client second(port());
    second.connect("2");
    Client third(port());
    EXPECT_EQ(third.receive_rest(), "");
    EXPECT_EQ(status().refused_address, 1U);
    Client behind(port(1));  // counts as who it is
    behind.send(kProxy1);
    behind.connect("4");
}

TEST_F(GatewayTest, OneClientMayNotConnectTooOften) {
    options.shard.admission.client_rate_max = 1;
    listener();
    start();
    Client first(port());
    first.connect("same");
    Client other(port());
    other.connect("other");
    Client again(port());
    again.send(connect5("same"));
    EXPECT_EQ(again.receive_rest()[3], '\x9F');
    EXPECT_EQ(status().refused_client, 1U);
    first.send("\xC0\0"s);  // was not taken over
    EXPECT_EQ(first.receive(2), "\xD0\0"s);
}

TEST_F(GatewayTest, TakesNobodyWhileTooManyAreHalfOpen) {
    options.shard.admission.half_open_max = 1;
    listener();
    start();
    Client first(port());
    until(&ShardStatus::half_open, 1);
    Client second(port());
    second.send(kConnect);
    EXPECT_EQ(status().accepted, 1U);
    EXPECT_EQ(status().accept_pauses, 1U);
    first.connect("1");
    EXPECT_EQ(second.receive(4), kConnack);
}

TEST_F(GatewayTest, AcceptsAtItsRate) {
    options.shard.admission.accept_rate_max = 5;
    listener();
    start();
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 8; ++i) {  // three more than a second's worth
        clients.push_back(std::make_unique<Client>(port()));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i]->connect(std::to_string(i));
    }
    EXPECT_EQ(status().accepted, 8U);
    EXPECT_GE(status().accept_pauses, 1U);
}

TEST_F(GatewayTest, HandshakesTakeTurnsAndTheSilentOnesTakeNone) {
    options.shard.admission.tls_handshakes_max = 1;
    options.shard.tls_handshakes_per_turn = 1;
    listener().tls = io::TestCerts::get().server();
    start();
    const auto context = io::TestCerts::get().client();
    Client silent(port());
    until(&ShardStatus::half_open, 1);
    auto slow = std::make_unique<Client>(port());
    slow->send("\x16\3\1"s);  // the begin of a record
    until(&ShardStatus::handshakes_under_way, 1);
    Client third(port());
    third.send("\x16\3\1"s);
    until(&ShardStatus::handshake_queue, 1);
    slow.reset();
    until(&ShardStatus::handshake_queue, 0);
    EXPECT_EQ(status().handshakes_under_way, 1U);
    third.send("no TLS");
    EXPECT_NE(third.receive_rest(), "");  // an alert
    std::vector<std::thread> crowd;
    for (int i = 0; i < 8; ++i) {
        crowd.emplace_back([&, i] {
            Client client(port());
            client.begin_tls(context.get());
            client.connect("c" + std::to_string(i));
        });
    }
    for (std::thread& one : crowd) {
        one.join();
    }
    EXPECT_EQ(status().handshakes, 10U);
}

TEST_F(GatewayTest, WhoIsSilentInItsHandshakeGivesItsPlaceUp) {
    options.shard.admission.tls_handshakes_max = 1;
    listener().tls = io::TestCerts::get().server();
    start();
    const auto context = io::TestCerts::get().client();
    Client silent(port());
    silent.send("\x16\3\1"s);
    until(&ShardStatus::handshakes_under_way, 1);
    Client client(port());
    client.begin_tls(context.get());
    client.connect("1");
    EXPECT_EQ(status().connections, 2U);
}

TEST_F(GatewayTest, TooMuchBeforeTheHandshakeIsNoTls) {
    options.shard.admission.tls_handshakes_max = 1;
    listener().tls = io::TestCerts::get().server();
    start();
    Client client(port());
    client.send(std::string(100'000, 'x'));
    EXPECT_EQ(client.receive_rest(), "");
    EXPECT_EQ(status().tls_failed, 1U);
}

}  // namespace
}  // namespace causeway::net
