#include <gtest/gtest.h>

#include <vector>

#include "test/core/io/support.h"

namespace causeway::io {
namespace {

using certs::Verify;

TEST(TlsStream, OpensAndEchoes) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server(), TestCerts::get().client(), "localhost");
    pair.server.on_data = [](TcpStream& from, std::string_view bytes) { from.write(bytes); };
    pair.client.stream->write("sent when the handshake is done");
    ASSERT_TRUE(pair.open()) << pair.client.why;
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.received.size() == 31; }));
    EXPECT_EQ(pair.client.received, "sent when the handshake is done");
    ASSERT_NE(pair.server.stream->tls(), nullptr);
    EXPECT_EQ(pair.server.stream->tls()->version(), "TLSv1.3");
    EXPECT_EQ(pair.server.stream->queued_bytes(), 0U);
}

TEST(TlsStream, HandshakesTakeTurns) {
    Loop loop;
    loop.set_handshakes_per_turn(1);
    std::vector<std::unique_ptr<Pair>> pairs;
    for (int i = 0; i < 12; ++i) {
        pairs.push_back(std::make_unique<Pair>(loop, TestCerts::get().server(),
                                               TestCerts::get().client(), "localhost"));
    }
    pairs[3]->client.stream.reset();  // gone before its turn
    pairs[5]->server.on_data = [](TcpStream& from, std::string_view bytes) { from.write(bytes); };
    pairs[5]->client.stream->write("hello");
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        ASSERT_TRUE(i == 3 || pairs[i]->open()) << pairs[i]->client.why;
    }
    EXPECT_TRUE(run_until(loop, [&] { return pairs[5]->client.received == "hello"; }));
    // Whoever waits for its turn and is told to pause does not go on by itself.
    Pair paused(loop, TestCerts::get().server(), TestCerts::get().client(), "localhost");
    ASSERT_TRUE(run_until(loop, [&] { return paused.server.stream != nullptr; }));
    paused.server.stream->pause_reading();
    Timer wake(loop, [] {});
    for (int i = 0; i < 20; ++i) {
        wake.start(1);
        loop.turn();
    }
    EXPECT_FALSE(paused.server.opened);
    paused.server.stream->resume_reading();
    EXPECT_TRUE(paused.open());
}

TEST(TlsStream, LargeOutputPushesBackAndArrivesWhole) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server(), TestCerts::get().client());
    ASSERT_TRUE(pair.open()) << pair.client.why;
    pair.client.stream->pause_reading();
    std::string expected;
    for (int i = 0; i < 200; ++i) {
        const std::string head = "head " + std::to_string(i);
        const std::string body(static_cast<std::size_t>(i) * 500, static_cast<char>('a' + i % 26));
        pair.server.stream->write(head);
        pair.server.stream->write(SharedBytes::copy(body));
        expected += head + body;
    }
    for (int i = 0; i < 50; ++i) {
        loop.again();
        loop.turn();
    }
    EXPECT_GT(pair.server.stream->queued_bytes(), 1024U * 1024);
    pair.server.stream->write("end");
    expected += "end";
    pair.client.stream->resume_reading();
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.received.size() >= expected.size(); }));
    EXPECT_TRUE(pair.client.received == expected);
    EXPECT_GE(pair.server.writable, 1);
}

TEST(TlsStream, CloseAfterFlushSendsCloseNotify) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server(), TestCerts::get().client());
    ASSERT_TRUE(pair.open());
    pair.server.stream->write("goodbye");
    TcpStream::close_after_flush(std::move(pair.server.stream));
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends == 1; }));
    EXPECT_EQ(pair.client.received, "goodbye");
    EXPECT_EQ(pair.client.end, StreamEnd::kPeerClosed);
    EXPECT_EQ(pair.client.why, "close_notify");
}

TEST(TlsStream, AFailedHandshakeIsNamedOnBothSides) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server(), TestCerts::get().client({}, "/other/ca.crt"));
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends == 1 && pair.server.ends == 1; }));
    EXPECT_EQ(pair.client.end, StreamEnd::kTlsFailed);
    EXPECT_TRUE(pair.client.why.starts_with("certificate verify failed")) << pair.client.why;
    EXPECT_EQ(pair.server.end, StreamEnd::kTlsFailed);
    EXPECT_NE(pair.server.why.find("alert"), std::string::npos) << pair.server.why;
    EXPECT_FALSE(pair.client.opened);
    EXPECT_FALSE(pair.server.opened);
}

TEST(TlsStream, TheServersNameIsCheckedUnlessTheOwnerDoes) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server(), TestCerts::get().client(), "other.example");
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends == 1; }));
    EXPECT_TRUE(pair.client.why.starts_with("certificate verify failed")) << pair.client.why;

    ConnectOptions options;
    options.host = "127.0.0.1";
    options.port = pair.listener->port();
    options.tls = TestCerts::get().client();
    options.server_name = "other.example";
    options.any_server_name = true;
    Recorder client;
    pair.server.stream.reset();
    client.stream = TcpStream::connect(loop, options, client);
    ASSERT_TRUE(run_until(loop, [&] { return client.opened || client.ends == 1; }));
    EXPECT_TRUE(client.opened) << client.why;
    EXPECT_EQ(client.stream->tls()->peer()->common_name, "localhost");
}

TEST(TlsStream, DroppingItBetweenTwoRecordsIsSafe) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server(), TestCerts::get().client());
    ASSERT_TRUE(pair.open());
    pair.server.on_data = [&](TcpStream&, std::string_view) { pair.server.stream.reset(); };
    pair.client.stream->write(SharedBytes::copy(std::string(100'000, 'x')));
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends > 0; }));
    EXPECT_LE(pair.server.received.size(), 16U * 1024);
}

TEST(TlsStream, GarbageEndsTheStream) {
    Loop loop;
    Pair pair(loop, TestCerts::get().server());
    pair.client.stream->write("this is not TLS at all");
    ASSERT_TRUE(run_until(loop, [&] { return pair.server.ends == 1; }));
    EXPECT_EQ(pair.server.end, StreamEnd::kTlsFailed);
    EXPECT_FALSE(pair.server.why.empty());
}

}  // namespace
}  // namespace causeway::io
