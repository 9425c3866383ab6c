#include "test/cluster/link/support.h"

namespace causeway::link {
namespace {

void call(Node& from, std::uint64_t peer, const wire::Call& call) {
    std::string frame;
    append(call, frame);
    EXPECT_TRUE(from.links->send(NodeId(peer), frame));
}

// A node that knows nothing but the address of a member.
struct Joining {
    Joining() : member(loop, "a", 1), joiner(loop, "c", 0) {
        member.open();
        joiner.options.cluster_id.clear();
        joiner.open();
    }
    bool connect() {
        joiner.links->set_peers({{NodeId(99), "", "127.0.0.1", member.options.port}});
        return run_until(loop, [this] { return joiner.has_seen("connected 99"); });
    }

    io::Loop loop;
    Node member;
    Node joiner;
};

TEST(Calls, AJoiningNodeIsAnsweredOnItsConnection) {
    Joining nodes;
    ASSERT_TRUE(nodes.connect());
    EXPECT_EQ(nodes.joiner.remotes.at(0).name, "a");
    call(nodes.joiner, 99, {5, "join", "here I am"});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.member.calls.empty(); }));
    const auto& [connection, question] = nodes.member.calls[0];
    EXPECT_EQ(question.id, 5U);
    EXPECT_EQ(question.method, "join");
    EXPECT_EQ(question.body, "here I am");
    EXPECT_EQ(nodes.member.callers[0].id, NodeId(0));
    EXPECT_EQ(nodes.member.callers[0].name, "c");  // What its certificate says.
    EXPECT_EQ(nodes.member.callers[0].uuid, 1000U);
    EXPECT_TRUE(nodes.member.events.empty());  // It is no peer.
    EXPECT_TRUE(nodes.member.links->reply(connection, {5, true, "node 3"}));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.joiner.replies.empty(); }));
    EXPECT_EQ(nodes.joiner.replies[0].first, NodeId(99));
    EXPECT_EQ(nodes.joiner.replies[0].second.body, "node 3");
    EXPECT_TRUE(nodes.joiner.replies[0].second.ok);
}

TEST(Calls, AJoiningNodeMayOnlyCall) {
    Joining nodes;
    ASSERT_TRUE(nodes.connect());
    nodes.joiner.ping(99, 1);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.joiner.has_seen("disconnected 99"); }));
    EXPECT_EQ(nodes.member.accepted().malformed, 1U);
    EXPECT_TRUE(nodes.member.frames.empty());
}

TEST(Calls, ANodeOfAnotherClusterMayNotJoin) {
    Joining nodes;
    nodes.joiner.links.reset();
    nodes.joiner.options.cluster_id = "elsewhere";
    nodes.joiner.open();
    nodes.joiner.links->set_peers({{NodeId(99), "", "127.0.0.1", nodes.member.options.port}});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.joiner.refusals.empty(); }));
    EXPECT_THAT(nodes.joiner.refusals[0], HasSubstr("it belongs to another cluster"));
}

TEST(Calls, ASeedThatIsThisNodeItself) {
    Joining nodes;
    nodes.joiner.links->set_peers({{NodeId(99), "", "127.0.0.1", nodes.joiner.options.port}});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.joiner.refusals.size() >= 2; }));
    EXPECT_THAT(nodes.joiner.refusals[0], HasSubstr("it is this node itself"));
    EXPECT_FALSE(nodes.joiner.has_seen("connected 99"));
}

TEST(Calls, AQuietJoinerIsClosed) {
    Joining nodes;
    nodes.member.links.reset();
    nodes.member.options.caller_silence_ms = 30;
    nodes.member.open();
    ASSERT_TRUE(nodes.connect());
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.joiner.has_seen("disconnected 99"); }));
    EXPECT_GE(nodes.member.accepted().silent, 1U);
}

TEST(Calls, MembersCallEachOther) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    call(nodes.a, 2, {1, "status", ""});
    call(nodes.a, 2, {2, "status", ""});
    nodes.a.ping(2, 7);
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.b.frames.size() == 1; }));
    ASSERT_EQ(nodes.b.calls.size(), 2U);
    EXPECT_EQ(nodes.b.callers[0].id, NodeId(1));
    // In any order, an error too.
    EXPECT_TRUE(nodes.b.links->reply(nodes.b.calls[1].first, {2, true, "two"}));
    EXPECT_TRUE(nodes.b.links->reply(nodes.b.calls[0].first, {1, false, "no"}));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.replies.size() == 2; }));
    EXPECT_EQ(nodes.a.replies[0].first, NodeId(2));
    EXPECT_EQ(nodes.a.replies[0].second.id, 2U);
    EXPECT_FALSE(nodes.a.replies[1].second.ok);
}

TEST(Calls, AnAnswerToAConnectionThatIsGoneIsDropped) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    call(nodes.a, 2, {1, "status", ""});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.calls.empty(); }));
    nodes.a.links.reset();
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.b.has_seen("down 1"); }));
    EXPECT_FALSE(nodes.b.links->reply(nodes.b.calls[0].first, {1, true, ""}));
    EXPECT_FALSE(nodes.b.links->reply(12345, {1, true, ""}));
}

TEST(Calls, AnswersThatAreNotReadEndTheConnection) {
    Two nodes;
    nodes.b.options.queue_bytes_max = 1'000'000;
    ASSERT_TRUE(nodes.connect());
    call(nodes.a, 2, {1, "status", ""});
    ASSERT_TRUE(run_until(nodes.loop, [&] { return !nodes.b.calls.empty(); }));
    const wire::Reply large{1, true, std::string(600'000, 'x')};
    EXPECT_TRUE(nodes.b.links->reply(nodes.b.calls[0].first, large));
    EXPECT_FALSE(nodes.b.links->reply(nodes.b.calls[0].first, large));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("disconnected 2"); }));
    EXPECT_TRUE(nodes.b.has_seen("down 1"));
    EXPECT_EQ(nodes.b.accepted().overflows, 1U);
}

TEST(Calls, AMalformedCallEndsTheConnection) {
    Two nodes;
    ASSERT_TRUE(nodes.connect());
    EXPECT_TRUE(nodes.a.links->send(NodeId(2), std::string("\3\0\0\0\x0F\x01\x7F", 7)));
    ASSERT_TRUE(run_until(nodes.loop, [&] { return nodes.a.has_seen("disconnected 2"); }));
    EXPECT_TRUE(nodes.b.calls.empty());
    EXPECT_EQ(nodes.b.accepted().malformed, 1U);
}

}  // namespace
}  // namespace causeway::link
