#include "cluster/link/links.h"

#include "core/base/encoding.h"
#include "core/base/random.h"
#include "test/cluster/link/support.h"

namespace causeway::link {
namespace {

TEST(Links, ConnectBothWaysAndSayWhoIsThere) {
    Two nodes;
    nodes.b.options.boot = 77;
    ASSERT_TRUE(nodes.connect());
    EXPECT_THAT(nodes.a.events, testing::UnorderedElementsAre("connected 2", "up 2"));
    EXPECT_THAT(nodes.b.events, testing::UnorderedElementsAre("connected 1", "up 1"));
    for (const Remote& remote : nodes.a.remotes) {
        EXPECT_EQ(remote.id, NodeId(2));
        EXPECT_EQ(remote.name, "b");
        EXPECT_EQ(remote.uuid, 1002U);
        EXPECT_EQ(remote.boot, 77U);
        EXPECT_EQ(remote.version, wire::kVersion);
    }
    EXPECT_TRUE(nodes.a.links->is_open(NodeId(2)));
    EXPECT_FALSE(nodes.a.links->is_open(NodeId(3)));
    EXPECT_EQ(nodes.a.peer().connects, 1U);
    EXPECT_EQ(nodes.a.accepted().connections, 1U);
}

TEST(Links, FramesArriveInOrderBothWays) {
    constexpr std::uint64_t kSeed = 5;
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    Random random(kSeed);
    std::vector<std::string> sent;
    for (int i = 0; i < 300; ++i) {
        const std::uint64_t size = random.chance(1, 20) ? random.below(300'000) : random.below(900);
        wire::PeerItems items{GroupId(1), GroupId(2), static_cast<std::uint64_t>(i),
                              std::string(size, static_cast<char>(i)), Term{}};
        sent.push_back(items.items);
        std::string frame;
        append(items, frame);
        const SharedBytes shared = SharedBytes::copy(frame);
        const SharedBytes pieces[] = {shared.slice(0, 3), shared.slice(3)};
        ASSERT_TRUE(i % 2 == 0 ? nodes.a.links->send(NodeId(2), frame)
                               : nodes.a.links->send(NodeId(2), pieces));
        nodes.b.ping(1, static_cast<std::uint64_t>(i));
        if (random.chance(1, 10)) {
            nodes.loop.again();
            nodes.loop.turn();
        }
    }
    ASSERT_TRUE(run_until(nodes.loop, [&] {
        return nodes.b.frames.size() == sent.size() && nodes.a.frames.size() == sent.size();
    }));
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const auto frame = wire::decode(nodes.b.frames[i].type, nodes.b.frames[i].body);
        ASSERT_TRUE(frame && std::get<wire::PeerItems>(*frame).items == sent[i]) << i;
        EXPECT_EQ(nodes.a.pings()[i], i);
    }
    EXPECT_EQ(nodes.a.frames[0].from, NodeId(2));
    EXPECT_EQ(nodes.b.peer().frames_received, sent.size());
    EXPECT_EQ(nodes.a.links->queued_bytes(NodeId(2)), 0U);
    EXPECT_GT(nodes.a.peer().bytes_sent, 300'000U);
    EXPECT_GE(nodes.b.peer().bytes_received, nodes.a.peer().bytes_sent);
}

TEST(Links, NothingIsSentWhileNotOpen) {
    Two nodes;
    nodes.open();
    std::string frame;
    append(wire::Ping{}, frame);
    EXPECT_FALSE(nodes.a.links->send(NodeId(2), frame));  // Not dialed yet.
    EXPECT_FALSE(nodes.a.links->send(NodeId(9), frame));  // No such peer.
    EXPECT_EQ(nodes.a.links->queued_bytes(NodeId(9)), 0U);
}

TEST(Links, TooMuchInTheQueueResetsTheConnection) {
    Two nodes;
    nodes.a.options.queue_bytes_max = 1'000'000;
    ASSERT_TRUE(nodes.connect());
    wire::PeerItems items;
    items.items = std::string(600'000, 'x');
    std::string frame;
    append(items, frame);
    ASSERT_TRUE(nodes.a.links->send(NodeId(2), frame));
    EXPECT_GE(nodes.a.links->queued_bytes(NodeId(2)), frame.size());
    EXPECT_FALSE(nodes.a.links->send(NodeId(2), frame));
    EXPECT_FALSE(nodes.a.links->is_open(NodeId(2)));
    EXPECT_FALSE(nodes.a.has_seen("disconnected 2"));  // Not from within the owner's call.
    EXPECT_EQ(nodes.a.links->queued_bytes(NodeId(2)), 0U);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("disconnected 2"); }));
    EXPECT_EQ(nodes.a.peer().overflows, 1U);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.peer().open; }));
    EXPECT_TRUE(nodes.b.has_seen("down 1"));
    // The other direction was not touched.
    EXPECT_FALSE(nodes.b.has_seen("disconnected 1"));
    EXPECT_FALSE(nodes.a.has_seen("down 2"));
    nodes.a.ping(2, 4);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.frames.empty(); }));
    EXPECT_THAT(nodes.b.pings(), ElementsAre(4));  // What was queued is gone.
}

TEST(Links, TheLimitCountsPiecesToo) {
    Two nodes;
    nodes.a.options.queue_bytes_max = 1000;
    ASSERT_TRUE(nodes.connect());
    const SharedBytes half = SharedBytes::copy(std::string(600, 'x'));
    const SharedBytes pieces[] = {half, half};
    EXPECT_FALSE(nodes.a.links->send(NodeId(2), pieces));
    EXPECT_EQ(nodes.a.peer().overflows, 1U);
}

TEST(Links, ARestartedPeerIsFoundAgain) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    nodes.b.links.reset();
    ASSERT_TRUE(run_until(nodes.loop, [&] {
        return nodes.a.has_seen("disconnected 2") && nodes.a.has_seen("down 2") &&
               nodes.a.peer().failures > 0;
    }));
    nodes.a.events.clear();
    nodes.a.remotes.clear();
    nodes.b.options.boot = 2;
    nodes.b.open().links->set_peers({nodes.a.address()});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.peer().open && nodes.a.peer().up; }));
    EXPECT_THAT(nodes.a.events, testing::UnorderedElementsAre("connected 2", "up 2"));
    EXPECT_EQ(nodes.a.remotes.at(0).boot, 2U);
    EXPECT_EQ(nodes.a.remotes.at(1).boot, 2U);
    nodes.a.ping(2, 1);
    EXPECT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.frames.empty(); }));
}

TEST(Links, ANewerConnectionOfAPeerReplacesTheOlder) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    nodes.a.events.clear();
    nodes.a.remotes.clear();
    // b was started again, and the end of its old life has not reached us.
    Stranger again(nodes.loop, nodes.a, Certs::get().contexts("nodes/b").client);
    wire::Hello hello = Stranger::hello();
    hello.boot = 2;
    again.say(Stranger::frame_of(hello));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return again.greeted(); }));
    ASSERT_GE(nodes.a.events.size(), 2U);
    EXPECT_EQ(nodes.a.events[0], "down 2");
    EXPECT_EQ(nodes.a.events[1], "up 2");
    EXPECT_EQ(nodes.a.remotes.at(0).boot, 2U);
    EXPECT_EQ(nodes.a.accepted().replaced, 1U);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.b.has_seen("disconnected 1"); }));
}

TEST(Links, AWaitEndsWhenThePeerComes) {
    Two nodes;
    nodes.a.options.backoff_min_ms = nodes.a.options.backoff_max_ms = 3'600'000;
    nodes.a.open();
    nodes.b.open();
    const PeerAddress b = nodes.b.address();
    nodes.b.links.reset();
    nodes.a.links->set_peers({b});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.peer().failures == 1; }));
    nodes.b.open().links->set_peers({nodes.a.address()});
    EXPECT_TRUE(run_until(nodes.loop, [&] { return nodes.a.peer().open; }));
}

TEST(Links, TriesAreSpacedOut) {
    Two nodes;
    nodes.a.options.backoff_min_ms = 1;
    nodes.a.options.backoff_max_ms = 64;
    nodes.a.open();
    nodes.b.open();
    const PeerAddress b = nodes.b.address();
    nodes.b.links.reset();
    const MonoMs start = nodes.loop.now_ms();
    nodes.a.links->set_peers({b});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.peer().failures == 10; }));
    // Waits of at least half of 1, 2, 4, ... 64, 64, 64.
    EXPECT_GE(nodes.loop.now_ms() - start, (1 + 2 + 4 + 8 + 16 + 32 + 64 + 64 + 64) / 2U - 9);
    EXPECT_THAT(nodes.a.peer().last_error, HasSubstr("node b at 127.0.0.1:"));
}

TEST(Links, PeersComeAndGoWithTheTable) {
    Two nodes;
    Node c(nodes.loop, "c", 3);
    ASSERT_TRUE(nodes.connect());
    c.open().links->set_peers({nodes.a.address()});
    nodes.a.links->set_peers({nodes.b.address(), c.address(), nodes.a.address()});
    ASSERT_TRUE(run_until(
        nodes.loop, [&] { return nodes.a.has_seen("connected 3") && nodes.a.has_seen("up 3"); }));
    EXPECT_EQ(nodes.a.links->status().peers.size(), 2U);  // Not ourselves.
    EXPECT_FALSE(nodes.a.has_seen("disconnected 2"));     // What stays is not touched.
    nodes.a.events.clear();
    nodes.a.links->set_peers({c.address()});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("down 2"); }));
    EXPECT_THAT(nodes.a.events, ElementsAre("disconnected 2", "down 2"));
    // b is told why it may not come back.
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.b.peer().handshakes_refused > 0; }));
    EXPECT_THAT(nodes.b.refusals.back(), HasSubstr("it refused us: it is not a member as node 2"));
}

TEST(Links, ASilentPeerIsTakenForDead) {
    Two nodes;
    nodes.a.options.silence_ms = 60;
    nodes.a.open().links->set_peers({nodes.b.address()});
    Stranger silent(nodes.loop, nodes.a, Certs::get().contexts("nodes/b").client);
    silent.say(Stranger::frame_of(Stranger::hello()));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("up 2"); }));
    // As long as it says something it is alive.
    const MonoMs until = nodes.loop.now_ms() + 200;
    std::string ping;
    append(wire::Ping{}, ping);
    ASSERT_TRUE(run_until(nodes.loop, [&] {
        silent.say(ping);
        return nodes.loop.now_ms() > until;
    }));
    EXPECT_FALSE(nodes.a.has_seen("down 2"));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("down 2"); }));
    EXPECT_EQ(nodes.a.accepted().silent, 1U);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return silent.ended(); }));
}

TEST(Links, FramesOutOfPlaceEndTheConnection) {
    wire::Reply reply;
    std::string bytes;
    append(reply, bytes);
    for (const std::string& bad :
         {bytes, Stranger::frame_of(Stranger::hello()), std::string("\0\0\0\0\2", 5),
          std::string("\xFF\xFF\xFF\xFF\2", 5), std::string("\3\0\0\0\x0F\x01\xFF", 7)}) {
        Two nodes;
        nodes.a.open().links->set_peers({nodes.b.address()});
        Stranger stranger(nodes.loop, nodes.a, Certs::get().contexts("nodes/b").client);
        std::string ping;
        append(wire::Ping{8, {}}, ping);
        stranger.say(Stranger::frame_of(Stranger::hello()) + ping + bad + ping);
        ASSERT_TRUE(run_until(nodes.loop, [&] { return stranger.ended(); }));
        EXPECT_TRUE(nodes.a.has_seen("down 2"));
        EXPECT_EQ(nodes.a.accepted().malformed, 1U);
        EXPECT_THAT(nodes.a.pings(), ElementsAre(8));
    }
}

TEST(Links, FramesOfLaterVersionsAreSkipped) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    EXPECT_TRUE(nodes.a.links->send(NodeId(2), std::string("\4\0\0\0\xC8new", 8)));
    nodes.a.ping(2, 5);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.frames.empty(); }));
    EXPECT_THAT(nodes.b.pings(), ElementsAre(5));
    EXPECT_EQ(nodes.b.frames.size(), 1U);
}

TEST(Links, TheOwnerMayRejectAPeersFrames) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    nodes.b.on_got = [&] { nodes.b.links->reject(NodeId(1), "bad fields"); };
    nodes.a.ping(2, 1);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("disconnected 2"); }));
    EXPECT_TRUE(nodes.b.has_seen("down 1"));
    EXPECT_EQ(nodes.b.accepted().malformed, 1U);
    EXPECT_THAT(nodes.b.refusals.at(0), HasSubstr("(node a): bad fields"));
    EXPECT_TRUE(run_until(nodes.loop, [&] { return nodes.a.peer().open; }));
    nodes.b.links->reject(NodeId(9), "no such peer");
}

TEST(Links, NewContextsLeaveOpenConnectionsAlone) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    const auto anew = Certs::get().contexts("nodes/a");
    nodes.a.links->set_contexts(anew.server, anew.client, false);
    nodes.a.ping(2, 7);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.frames.empty(); }));
    EXPECT_EQ(nodes.a.peer().connects, 1U);
    EXPECT_FALSE(nodes.a.has_seen("disconnected 2"));
    // The next connection is the other certificate's: c is not who the peer looks for.
    const auto others = Certs::get().contexts("nodes/c");
    nodes.a.links->set_contexts(others.server, others.client, false);
    nodes.b.links->reject(NodeId(1), "bad fields");
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.b.accepted().handshakes_refused != 0; }));
    EXPECT_FALSE(nodes.a.peer().open);
}

TEST(Links, WithAnotherTrustAllConnectionsAreMadeAnew) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    const auto anew = Certs::get().contexts("nodes/a");
    nodes.a.links->set_contexts(anew.server, anew.client, true);
    ASSERT_TRUE(run_until(nodes.loop, [&] {
        return nodes.a.peer().connects == 2 && nodes.b.peer().connects == 2 && nodes.a.peer().up &&
               nodes.b.peer().up && nodes.a.peer().open && nodes.b.peer().open;
    }));
    EXPECT_THAT(nodes.a.events, testing::IsSupersetOf({"disconnected 2", "down 2"}));
    nodes.a.ping(2, 8);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.frames.empty(); }));
    // A CA that did not issue b's certificate: b stays out.
    const auto strange = Certs::get().contexts("other/nodes/b", "other/ca.crt");
    nodes.a.links->set_contexts(strange.server, strange.client, true);
    ASSERT_TRUE(
        run_until(nodes.loop, [&] { return nodes.a.accepted().certificates_refused != 0; }));
    EXPECT_FALSE(nodes.a.peer().open || nodes.a.peer().up);
}

TEST(Links, APortInUseIsAnErrorInWords) {
    Two nodes;
    nodes.a.open();
    nodes.b.options.port = nodes.a.options.port;
    const auto opened = Links::open(nodes.loop, nodes.b.options, nodes.b);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr("cannot listen on 127.0.0.1:"));
}

}  // namespace
}  // namespace causeway::link
