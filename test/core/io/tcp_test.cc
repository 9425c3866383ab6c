#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "test/core/io/support.h"

namespace causeway::io {
namespace {

std::string pattern(std::size_t size, std::uint64_t seed) {
    Random random(seed);
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
        byte = static_cast<char>(random.next());
    }
    return bytes;
}

TEST(TcpStream, IsSmall) { EXPECT_LE(sizeof(TcpStream), 400U); }

TEST(TcpStream, ConnectsAndNamesThePeer) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    EXPECT_EQ(pair.client.stream->peer_address(),
              "127.0.0.1:" + std::to_string(pair.listener->port()));
    EXPECT_TRUE(pair.server.stream->peer_address().starts_with("127.0.0.1:"));
    EXPECT_FALSE(pair.server.opened);  // No news for an accepted stream in the clear.
    EXPECT_EQ(pair.client.stream->tls(), nullptr);
}

TEST(TcpStream, HeadsAndBodiesArriveInOrder) {  // [MQTT-4.2-1]
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    std::string expected;
    for (int i = 0; i < 300; ++i) {
        const std::string head = "head" + std::to_string(i);
        const SharedBytes body =
            SharedBytes::copy(pattern(static_cast<std::size_t>(i) * 7, static_cast<unsigned>(i)));
        pair.client.stream->write(head);
        pair.client.stream->write(body);
        expected += head;
        expected += body.view();
    }
    EXPECT_EQ(pair.client.stream->queued_bytes(), expected.size());
    EXPECT_TRUE(run_until(loop, [&] { return pair.server.received.size() >= expected.size(); }));
    EXPECT_EQ(pair.server.received, expected);
    EXPECT_EQ(pair.client.stream->queued_bytes(), 0U);
}

TEST(TcpStream, WritesBeforeTheConnectionAreSentAfterIt) {
    Loop loop;
    Pair pair(loop);
    pair.client.stream->write("early");
    EXPECT_TRUE(run_until(loop, [&] { return pair.server.received == "early"; }));
}

TEST(TcpStream, OutputOfOneTurnIsOneRead) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    int reads = 0;
    pair.server.on_data = [&](TcpStream&, std::string_view) { ++reads; };
    for (int i = 0; i < 50; ++i) {
        pair.client.stream->write("small");
    }
    ASSERT_TRUE(run_until(loop, [&] { return pair.server.received.size() == 250; }));
    EXPECT_EQ(reads, 1);
}

TEST(TcpStream, ASlowReaderPushesBackAndLosesNothing) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    pair.server.stream->pause_reading();
    const std::string bytes = pattern(16 * 1024 * 1024, 5);
    const SharedBytes body = SharedBytes::copy(bytes);
    pair.client.stream->write(body);
    for (int i = 0; i < 50; ++i) {
        loop.again();
        loop.turn();
    }
    EXPECT_EQ(pair.server.received, "");
    EXPECT_GT(pair.client.stream->queued_bytes(), 1024U * 1024);
    // Written while the socket is full: comes after, not in between.
    pair.client.stream->write("the end");
    EXPECT_EQ(pair.client.writable, 0);
    pair.server.stream->resume_reading();
    ASSERT_TRUE(run_until(loop, [&] { return pair.server.received.size() == bytes.size() + 7; }));
    EXPECT_TRUE(pair.server.received == bytes + "the end");
    EXPECT_GE(pair.client.writable, 1);
}

// A reader so quick that the socket takes everything at once must not leave the writer waiting.
TEST(TcpStream, AWriterThatStopsAtALimitIsAlwaysCalledBack) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    constexpr std::size_t kTotal = 40U << 20;
    std::size_t sent = 0;
    const SharedBytes chunk = SharedBytes::copy(std::string(10'000, 'x'));
    const auto fill = [&](TcpStream& stream) {
        while (sent < kTotal && stream.queued_bytes() <= kWritableMarkBytes) {
            stream.write(chunk);
            sent += chunk.size();
        }
    };
    pair.client.on_room = fill;
    fill(*pair.client.stream);
    EXPECT_TRUE(run_until(loop, [&] { return pair.server.received.size() >= kTotal; }));
}

TEST(TcpStream, PausingWithinACallbackHolds) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    int reads = 0;
    pair.server.on_data = [&](TcpStream& stream, std::string_view) {
        ++reads;
        stream.pause_reading();
    };
    pair.client.stream->write(SharedBytes::copy(pattern(1024 * 1024, 1)));
    ASSERT_TRUE(run_until(loop, [&] { return reads == 1; }));
    for (int i = 0; i < 20; ++i) {
        loop.again();
        loop.turn();
    }
    EXPECT_EQ(reads, 1);
    EXPECT_FALSE(pair.server.stream->reading());
}

TEST(TcpStream, HalfCloseLeavesTheOtherDirectionOpen) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    pair.client.stream->write("question");
    pair.client.stream->finish();
    pair.client.stream->write("ignored");
    pair.server.on_gone = [&] { pair.server.stream->write("answer"); };
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.received == "answer"; }));
    EXPECT_EQ(pair.server.received, "question");
    EXPECT_EQ(pair.server.end, StreamEnd::kPeerClosed);
    pair.server.stream.reset();
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends == 1; }));
    EXPECT_EQ(pair.client.end, StreamEnd::kPeerClosed);
}

TEST(TcpStream, CloseAfterFlushDeliversTheLastBytesToAPeerThatStillSends) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    const std::string last = pattern(3 * 1024 * 1024, 9);
    pair.server.on_data = [&](TcpStream&, std::string_view) {
        if (pair.server.stream) {
            pair.server.stream->write(SharedBytes::copy(last));
            TcpStream::close_after_flush(std::move(pair.server.stream));
        }
    };
    pair.client.on_data = [&](TcpStream& stream, std::string_view) { stream.write("more"); };
    pair.client.stream->write("x");
    ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends > 0; }));
    EXPECT_EQ(pair.client.end, StreamEnd::kPeerClosed);
    EXPECT_TRUE(pair.client.received == last);
}

TEST(TcpStream, DroppingItInACallbackIsSafe) {
    Loop loop;
    for (int round = 0; round < 20; ++round) {
        Pair pair(loop);
        ASSERT_TRUE(pair.open());
        pair.server.on_data = [&](TcpStream& stream, std::string_view) {
            stream.write("never sent");
            pair.server.stream.reset();
        };
        pair.client.on_gone = [&] { pair.client.stream.reset(); };
        pair.client.stream->write("bye");
        ASSERT_TRUE(run_until(loop, [&] { return pair.client.ends == 1; }));
        EXPECT_EQ(pair.client.received, "");
    }
}

TEST(TcpStream, DroppingItInFlightIsSafe) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    pair.server.stream->pause_reading();
    pair.client.stream->write(SharedBytes::copy(std::string(32 << 20, 'x')));
    loop.again();
    loop.turn();
    EXPECT_GT(pair.client.stream->queued_bytes(), 0U);
    pair.client.stream.reset();
    pair.server.stream->resume_reading();
    EXPECT_TRUE(run_until(loop, [&] { return pair.server.ends == 1; }));
}

TEST(TcpStream, AResetIsAnEndWithAReason) {
    Loop loop;
    Pair pair(loop);
    ASSERT_TRUE(pair.open());
    pair.server.stream.reset();
    for (int i = 0; i < 100 && pair.client.ends < 2; ++i) {
        pair.client.stream->write("into the void");
        loop.again();
        loop.turn();
    }
    EXPECT_EQ(pair.client.end, StreamEnd::kFailed);
    EXPECT_FALSE(pair.client.why.empty());
    pair.client.stream->write("no effect");
    EXPECT_EQ(pair.client.stream->queued_bytes(), 0U);
    // Nobody is told twice that a stream has failed.
    const int ends = pair.client.ends;
    loop.again();
    loop.turn();
    EXPECT_EQ(pair.client.ends, ends);
}

TEST(TcpStream, ConnectionRefusedIsAValue) {
    Loop loop;
    std::uint16_t free_port = 0;
    {
        auto listener = TcpListener::listen(loop, {}, [](StreamPtr) {});
        ASSERT_TRUE(listener);
        free_port = (*listener)->port();
    }
    loop.again();
    loop.turn();
    Recorder client;
    client.stream = TcpStream::connect(loop, {"127.0.0.1", free_port, nullptr, {}}, client);
    EXPECT_EQ(client.ends, 0);  // Not from within connect.
    ASSERT_TRUE(run_until(loop, [&] { return client.ends == 1; }));
    EXPECT_EQ(client.end, StreamEnd::kConnectFailed);
    EXPECT_EQ(client.why, "connection refused");
}

TEST(TcpStream, NamesAreResolvedAndWrongOnesAreValues) {
    Loop loop;
    auto listener = TcpListener::listen(loop, {}, [](StreamPtr) {});
    ASSERT_TRUE(listener);
    Recorder client;
    client.stream =
        TcpStream::connect(loop, {"localhost", (*listener)->port(), nullptr, {}}, client);
    ASSERT_TRUE(run_until(loop, [&] { return client.opened || client.ends > 0; }));
    Recorder lost;
    lost.stream = TcpStream::connect(loop, {"no such host!", 1, nullptr, {}}, lost);
    ASSERT_TRUE(run_until(loop, [&] { return lost.ends > 0; }));
    EXPECT_EQ(lost.end, StreamEnd::kConnectFailed);
    // Given up while the name is being resolved.
    Recorder gone;
    gone.stream = TcpStream::connect(loop, {"localhost", 1, nullptr, {}}, gone);
    gone.stream.reset();
    // Given up while connecting.
    gone.stream = TcpStream::connect(loop, {"127.0.0.1", 1, nullptr, {}}, gone);
    gone.stream.reset();
    loop.again();
    loop.turn();
    EXPECT_EQ(gone.ends, 0);
}

TEST(TcpStream, ConnectsFromTheAddressAskedFor) {
    Loop loop;
    std::string peer;
    StreamPtr accepted;
    auto listener = TcpListener::listen(loop, {}, [&](StreamPtr stream) {
        peer = stream->peer_address();
        accepted = std::move(stream);
    });
    ASSERT_TRUE(listener);
    ConnectOptions options{"127.0.0.1", (*listener)->port(), nullptr, {}};
    options.source_address = "127.9.8.7";
    Recorder client;
    client.stream = TcpStream::connect(loop, options, client);
    ASSERT_TRUE(run_until(loop, [&] { return client.opened && !peer.empty(); }));
    EXPECT_TRUE(peer.starts_with("127.9.8.7:")) << peer;
    for (const char* bad : {"not an address", "192.0.2.1"}) {
        options.source_address = bad;
        Recorder lost;
        lost.stream = TcpStream::connect(loop, options, lost);
        ASSERT_TRUE(run_until(loop, [&] { return lost.ends == 1; }));
        EXPECT_EQ(lost.end, StreamEnd::kConnectFailed);
        EXPECT_TRUE(lost.why.starts_with(std::string("cannot connect from ") + bad)) << lost.why;
    }
}

TEST(TcpListener, AddressInUseIsOneLine) {
    Loop loop;
    auto first = TcpListener::listen(loop, {}, [](StreamPtr) {});
    ASSERT_TRUE(first);
    const std::uint16_t port = (*first)->port();
    const auto second = TcpListener::listen(loop, {"127.0.0.1", port, false, 16}, [](StreamPtr) {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message,
              "cannot listen on 127.0.0.1:" + std::to_string(port) + ": address already in use");
    EXPECT_FALSE(TcpListener::listen(loop, {"192.0.2.1", 0, false, 16}, [](StreamPtr) {}));
    EXPECT_FALSE(TcpListener::listen(loop, {"no such host!", 0, false, 16}, [](StreamPtr) {}));
}

TEST(TcpListener, TakesIpv6) {
    Loop loop;
    Recorder server;
    auto listener = TcpListener::listen(loop, {"::1", 0, false, 16}, [&](StreamPtr stream) {
        server.stream = std::move(stream);
        server.stream->start(server);
    });
    if (!listener) {
        GTEST_SKIP() << "no IPv6 here: " << listener.error().message;
    }
    Recorder client;
    client.stream = TcpStream::connect(loop, {"::1", (*listener)->port(), nullptr, {}}, client);
    client.stream->write("six");
    ASSERT_TRUE(run_until(loop, [&] { return server.received == "six"; }));
    EXPECT_TRUE(server.stream->peer_address().starts_with("[::1]:"));
}

TEST(TcpListener, SeveralLoopsShareOnePort) {
    constexpr int kLoops = 2;
    constexpr int kClients = 64;
    struct Side {
        Loop loop;
        std::unique_ptr<TcpListener> listener;
        std::vector<StreamPtr> accepted;
    };
    std::vector<std::unique_ptr<Side>> sides;
    std::uint16_t port = 0;
    std::atomic<int> accepted{0};
    for (int i = 0; i < kLoops; ++i) {
        auto side = std::make_unique<Side>();
        auto listener = TcpListener::listen(side->loop, {"127.0.0.1", port, true, 128},
                                            [&accepted, to = side.get()](StreamPtr stream) {
                                                to->accepted.push_back(std::move(stream));
                                                ++accepted;
                                            });
        ASSERT_TRUE(listener) << listener.error().message;
        side->listener = std::move(*listener);
        port = side->listener->port();
        sides.push_back(std::move(side));
    }
    std::vector<std::thread> threads;
    for (auto& side : sides) {
        threads.emplace_back([&loop = side->loop] { loop.run(); });
    }
    Loop loop;
    std::vector<std::unique_ptr<Recorder>> clients;
    for (int i = 0; i < kClients; ++i) {
        auto client = std::make_unique<Recorder>();
        client->stream = TcpStream::connect(loop, {"127.0.0.1", port, nullptr, {}}, *client);
        clients.push_back(std::move(client));
    }
    EXPECT_TRUE(run_until(loop, [&] { return accepted == kClients; }));
    for (auto& side : sides) {
        side->loop.stop();
    }
    for (auto& thread : threads) {
        thread.join();
    }
    // 64 connections all to one of two listeners: once in 2^63.
    EXPECT_GT(sides[0]->accepted.size(), 0U);
    EXPECT_GT(sides[1]->accepted.size(), 0U);
}

TEST(TcpListener, ManyConnectionsEcho) {
    Loop loop;
    constexpr int kClients = 300;
    std::vector<std::unique_ptr<Recorder>> servers;
    auto listener = TcpListener::listen(loop, {}, [&](StreamPtr stream) {
        auto server = std::make_unique<Recorder>();
        server->on_data = [](TcpStream& from, std::string_view bytes) { from.write(bytes); };
        server->stream = std::move(stream);
        server->stream->start(*server);
        servers.push_back(std::move(server));
    });
    ASSERT_TRUE(listener);
    std::vector<std::unique_ptr<Recorder>> clients;
    std::vector<std::string> sent;
    for (unsigned i = 0; i < kClients; ++i) {
        auto client = std::make_unique<Recorder>();
        client->stream =
            TcpStream::connect(loop, {"127.0.0.1", (*listener)->port(), nullptr, {}}, *client);
        sent.push_back(pattern(1 + i * 37, i));
        client->stream->write(sent.back());
        clients.push_back(std::move(client));
    }
    EXPECT_TRUE(run_until(loop, [&] {
        for (std::size_t i = 0; i < clients.size(); ++i) {
            if (clients[i]->received.size() < sent[i].size()) {
                return false;
            }
        }
        return true;
    }));
    for (std::size_t i = 0; i < clients.size(); ++i) {
        EXPECT_TRUE(clients[i]->received == sent[i]) << i;
    }
}

// A client without a loop.
class RawClient {
public:
    explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    }
    RawClient(RawClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
    RawClient& operator=(RawClient&&) = delete;
    ~RawClient() { ::close(socket_); }
    [[nodiscard]] bool has_bytes() const {
        char byte = 0;
        return ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    }

private:
    int socket_;
};

TEST(TcpListener, TakesAShareInATurnAndNothingWhilePaused) {
    Loop loop;
    std::vector<StreamPtr> accepted;
    const auto listener = TcpListener::listen(loop, {}, [&](StreamPtr stream) {
                              accepted.push_back(std::move(stream));
                          }).value();
    listener->pause();
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < TcpListener::kAcceptsPerTurn + 10; ++i) {
        clients.emplace_back(listener->port());
    }
    Timer wake(loop, [] {});
    for (int i = 0; i < 3; ++i) {
        wake.start(1);
        loop.turn();
    }
    EXPECT_EQ(accepted.size(), 0U);
    listener->resume();
    std::size_t most = 0;
    ASSERT_TRUE(run_until(loop, [&, before = std::size_t{0}]() mutable {
        most = std::max(most, accepted.size() - std::exchange(before, accepted.size()));
        return accepted.size() == clients.size();
    }));
    EXPECT_LE(most, TcpListener::kAcceptsPerTurn + 1);
    listener->pause();
    listener->resume();
    clients.emplace_back(listener->port());
    EXPECT_TRUE(run_until(loop, [&] { return accepted.size() == clients.size(); }));
}

TEST(TcpStream, OutputForManyLeavesRoomForOthersInBetween) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Loop loop;
    Recorder owner;
    std::vector<StreamPtr> streams;
    const auto listener = TcpListener::listen(loop, {}, [&](StreamPtr stream) {
                              stream->start(owner);
                              streams.push_back(std::move(stream));
                          }).value();
    std::vector<RawClient> clients;
    const std::size_t many = 3 * kFlushesPerTurn;
    for (std::size_t i = 0; i <= many; ++i) {
        clients.emplace_back(listener->port());
        ASSERT_TRUE(run_until(loop, [&] { return streams.size() == clients.size(); }));
    }
    const auto count = [&] {
        return static_cast<std::size_t>(
            std::count_if(clients.begin(), clients.end() - 1,
                          [](const RawClient& client) { return client.has_bytes(); }));
    };
    for (std::size_t i = 0; i < many; ++i) {
        streams[i]->write("x");
    }
    loop.turn();
    EXPECT_LE(count(), 2 * kFlushesPerTurn);
    streams[many]->write("y");  // behind all of them
    streams[many - 1].reset();  // waits, and will wait no more
    loop.turn();
    EXPECT_TRUE(clients[many].has_bytes());
    EXPECT_TRUE(run_until(loop, [&] { return count() == many - 1; }));
}

TEST(TcpListener, MayBeDestroyedWhileItAccepts) {
    Loop loop;
    std::unique_ptr<TcpListener> listener;
    Recorder server;
    listener = TcpListener::listen(loop, {}, [&](StreamPtr stream) {
                   listener.reset();
                   server.stream = std::move(stream);
                   server.stream->start(server);
               }).value();
    Recorder client;
    client.stream = TcpStream::connect(loop, {"127.0.0.1", listener->port(), nullptr, {}}, client);
    client.stream->write("hello");
    EXPECT_TRUE(run_until(loop, [&] { return server.received == "hello"; }));
}

}  // namespace
}  // namespace causeway::io
