#include "core/raft/raft.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "test/core/raft/network.h"

namespace causeway::raft::test {
namespace {

Options base_options() {
    Options options;
    options.id = NodeId(1);
    options.heartbeat_ticks = 1;
    options.election_ticks_min = 10;
    options.election_ticks_max = 20;
    options.entry_bytes_max = 100;
    options.unapplied_bytes_max = 400;
    return options;
}

Configuration voters(std::uint64_t count) {
    Configuration out;
    for (std::uint64_t id = 1; id <= count; ++id) {
        out.voters.push_back(NodeId(id));
    }
    return out;
}

SharedBytes bytes(std::string text) { return SharedBytes::take(std::move(text)); }

// The whole life of a one-voter group, driven by hand: what core/replica does.
TEST(RaftOneVoter, NothingIsCommittedBeforeItsFsync) {
    MemoryLog disk;
    Raft raft(base_options(),
              {.hard_state = {}, .applied = {}, .configurations = {{Index(0), voters(1)}}}, disk);
    raft.campaign();
    Ready ready;
    raft.ready(ready);
    ASSERT_TRUE(ready.must_append);
    EXPECT_EQ(ready.hard_state, (HardState{Term(1), NodeId(1), Index(0)}));
    EXPECT_TRUE(ready.messages.empty());
    ASSERT_EQ(ready.messages_after_append.size(), 1U);
    EXPECT_FALSE(raft.leads()) << "its own vote is not durable";
    raft.on_append_done(ready.append_seq);
    raft.step(ready.messages_after_append[0]);
    ASSERT_TRUE(raft.leads());
    EXPECT_FALSE(raft.takes_commands());

    raft.ready(ready);
    ASSERT_EQ(ready.entries_to_append.size(), 1U);
    EXPECT_EQ(ready.entries_to_append[0].kind, EntryKind::kEmpty);
    EXPECT_EQ(ready.soft_state, (SoftState{Role::kLeader, NodeId(1)}));
    EXPECT_TRUE(ready.committed_entries.empty());
    ASSERT_EQ(ready.messages_after_append.size(), 1U);
    disk.append(ready.entries_to_append);
    raft.on_append_done(ready.append_seq);
    EXPECT_EQ(raft.log().commit(), Index(0)) << "the leader's vote is a message";
    raft.step(ready.messages_after_append[0]);
    raft.ready(ready);
    ASSERT_EQ(ready.committed_entries.size(), 1U);
    EXPECT_FALSE(ready.must_append) << "a commit index alone is not worth a write";
    EXPECT_EQ(raft.propose(bytes("x")).error(), ProposeError::kTermNotApplied);
    raft.on_apply_done(Index(1));
    ASSERT_TRUE(raft.takes_commands());

    ASSERT_EQ(raft.propose(bytes("a")), Index(2));
    ASSERT_EQ(raft.propose(bytes("b")), Index(3));
    raft.ready(ready);
    EXPECT_EQ(ready.entries_to_append.size(), 2U) << "one append for both";
    EXPECT_EQ(ready.hard_state, (HardState{Term(1), NodeId(1), Index(1)})) << "a free ride";
    const auto first = ready.append_seq;
    auto first_vote = ready.messages_after_append.at(0);
    disk.append(ready.entries_to_append);
    ASSERT_EQ(raft.propose(bytes("c")), Index(4));
    raft.ready(ready);
    disk.append(ready.entries_to_append);
    raft.on_append_done(first);
    raft.step(std::move(first_vote));
    EXPECT_EQ(raft.log().commit(), Index(3));
    const auto second_vote = ready.messages_after_append.at(0);
    EXPECT_DEATH(raft.step(second_vote), "I11");  // A driver that does not wait for the fsync.
}

TEST(RaftOneVoter, WaitsOneElectionTimeoutByItself) {
    Network network(base_options());
    network.add_node(NodeId(1), voters(1));
    for (int i = 0; i < 9; ++i) {
        network.raft(NodeId(1)).tick();
    }
    EXPECT_EQ(network.raft(NodeId(1)).term(), Term(0));
    for (int i = 0; i < 11; ++i) {
        network.raft(NodeId(1)).tick();
    }
    EXPECT_EQ(network.raft(NodeId(1)).term(), Term(1));
}

class RaftGroup : public testing::Test {
protected:
    RaftGroup() : network_(base_options()) {
        network_.apply_at_once = true;
        for (std::uint64_t id = 1; id <= 3; ++id) {
            network_.add_node(NodeId(id), voters(3));
        }
        leader().campaign();
        network_.drain(NodeId(1));
        EXPECT_TRUE(network_.settle());
        EXPECT_TRUE(leader().takes_commands());
    }
    Raft& leader() { return network_.raft(NodeId(1)); }
    Raft& follower() { return network_.raft(NodeId(2)); }
    Message from_leader(decltype(Message::body) body, std::uint64_t term = 1) {
        return {.from = NodeId(1), .to = NodeId(2), .term = Term(term), .body = std::move(body)};
    }
    Network network_;
};

TEST_F(RaftGroup, ProposalsAreRefusedByReason) {
    EXPECT_EQ(follower().propose(bytes("x")).error(), ProposeError::kNotLeader);
    EXPECT_EQ(leader().propose(bytes(std::string(101, 'x'))).error(), ProposeError::kTooLarge);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(leader().propose(bytes(std::string(100, 'x'))).has_value());
    }
    EXPECT_EQ(leader().propose(bytes("xx")).error(), ProposeError::kWindowFull);
    const Index last = leader().log().last();
    std::vector<SharedBytes> batch{bytes("ok"), bytes(std::string(101, 'x'))};
    EXPECT_EQ(leader().propose(absl::MakeSpan(batch)).error(), ProposeError::kTooLarge);
    EXPECT_EQ(batch[0].view(), "ok") << "all or none";
    EXPECT_EQ(leader().log().last(), last);
    network_.drain(NodeId(1));
    ASSERT_TRUE(network_.settle());
    EXPECT_TRUE(leader().propose(bytes("xx")).has_value()) << "applied entries free the window";
}

TEST_F(RaftGroup, AppendsAreBoundedByTheWindow) {
    Options options = base_options();
    options.window = {.count_max = 2, .bytes_max = 1000};
    options.message_bytes_max = 70;
    Network network(options);
    network.apply_at_once = true;
    for (std::uint64_t id = 1; id <= 3; ++id) {
        network.add_node(NodeId(id), voters(3));
    }
    network.raft(NodeId(1)).campaign();
    network.drain(NodeId(1));
    ASSERT_TRUE(network.settle());
    for (int i = 0; i < 9; ++i) {
        ASSERT_TRUE(network.raft(NodeId(1)).propose(bytes("x")).has_value());
    }
    network.drain(NodeId(1));
    EXPECT_EQ(network.in_flight().size(), 4U) << "two messages for each follower";
    for (const Message& message : network.in_flight()) {
        EXPECT_EQ(std::get<AppendRequest>(message.body).entries.size(), 2U);
    }
    ASSERT_TRUE(network.settle());
    EXPECT_EQ(network.raft(NodeId(3)).log().applied(), Index(10));
}

TEST_F(RaftGroup, ACommitGoesWithTheNextAppendOrTheNextTick) {
    Options options = base_options();
    options.heartbeat_ticks = 9;
    options.announce_commit_at_tick = true;
    Network network(options);
    network.apply_at_once = true;
    for (std::uint64_t id = 1; id <= 3; ++id) {
        network.add_node(NodeId(id), voters(3));
    }
    Raft& leader = network.raft(NodeId(1));
    const auto followers_know = [&](std::uint64_t index) {
        return network.raft(NodeId(2)).log().commit() == Index(index) &&
               network.raft(NodeId(3)).log().commit() == Index(index);
    };
    leader.campaign();
    network.drain(NodeId(1));
    ASSERT_TRUE(network.settle());
    ASSERT_EQ(leader.log().commit(), Index(1));
    EXPECT_TRUE(followers_know(0));
    ASSERT_TRUE(leader.propose(bytes("a")).has_value());
    network.drain(NodeId(1));
    ASSERT_TRUE(network.settle());
    ASSERT_EQ(leader.log().commit(), Index(2));
    EXPECT_TRUE(followers_know(1)) << "what the append carried";
    leader.tick();
    network.drain(NodeId(1));
    EXPECT_EQ(network.in_flight().size(), 2U) << "one message for each follower";
    ASSERT_TRUE(network.settle());
    EXPECT_TRUE(followers_know(2));
    leader.tick();
    network.drain(NodeId(1));
    EXPECT_TRUE(network.in_flight().empty()) << "nothing is new";
}

TEST_F(RaftGroup, AFollowerThatCannotApplyTakesNoMore) {
    network_.apply_at_once = false;
    Index last = follower().log().last();
    Term term(1);
    for (int i = 0; i < 60; ++i) {
        AppendRequest request{.prev_index = last, .prev_term = term, .commit = last, .entries = {}};
        request.entries.push_back({.term = term,
                                   .index = last.next(),
                                   .kind = EntryKind::kCommand,
                                   .payload = bytes("0123456789")});
        follower().step(from_leader(std::move(request)));
        last = last.next();
    }
    EXPECT_GT(follower().counters().entries_refused, 0U);
    EXPECT_LT(follower().log().unapplied_bytes(), 900U);
    EXPECT_EQ(follower().counters().malformed, 0U);
}

TEST_F(RaftGroup, ACommitIndexReachesNoFurtherThanWhatWasVerified) {
    follower().step(from_leader(AppendRequest{
        .prev_index = Index(1), .prev_term = Term(1), .commit = Index(50), .entries = {}}));
    EXPECT_EQ(follower().log().commit(), Index(1));
}

TEST_F(RaftGroup, WhatContradictsTheCommitIsDroppedAndCounted) {
    AppendRequest request{
        .prev_index = Index(0), .prev_term = Term(0), .commit = {}, .entries = {}};
    request.entries.push_back(
        {.term = Term(0), .index = Index(1), .kind = EntryKind::kCommand, .payload = {}});
    follower().step(from_leader(request));
    EXPECT_EQ(follower().counters().malformed, 1U);
    request.entries[0].index = Index(7);  // Not what follows.
    follower().step(from_leader(request));
    request.entries[0] = {
        .term = Term(2), .index = Index(1), .kind = EntryKind::kEmpty, .payload = {}};
    follower().step(from_leader(request));  // Of a higher term than the message.
    request.entries[0] = {.term = Term(1),
                          .index = Index(1),
                          .kind = EntryKind::kConfiguration,
                          .payload = bytes("?")};
    follower().step(from_leader(request));
    EXPECT_EQ(follower().counters().malformed, 4U);
    EXPECT_EQ(follower().log().last(), Index(1));
}

TEST_F(RaftGroup, ASnapshotBringsItsConfigurationAndIsAnsweredWhenDurable) {
    Configuration with = voters(3);
    with.learners.push_back(NodeId(9));
    follower().step(from_leader(InstallSnapshot{{Index(20), Term(1), with}}));
    EXPECT_EQ(follower().configuration(), with);
    Ready ready;
    follower().ready(ready);
    ASSERT_TRUE(ready.snapshot.has_value());
    EXPECT_TRUE(ready.messages.empty());
    ASSERT_EQ(ready.messages_after_append.size(), 1U);
    EXPECT_EQ(std::get<AppendResponse>(ready.messages_after_append[0].body).index, Index(20));
    EXPECT_EQ(follower().log().applied(), Index(1));
    follower().campaign();
    EXPECT_EQ(follower().soft_state().role, Role::kFollower) << "half installed";
    follower().on_append_done(ready.append_seq);
    EXPECT_EQ(follower().log().applied(), Index(20));
    // A second time it is old news: answered, not installed.
    follower().step(from_leader(InstallSnapshot{{Index(20), Term(1), with}}));
    follower().ready(ready);
    EXPECT_FALSE(ready.snapshot.has_value());
    EXPECT_EQ(ready.messages.size(), 1U);
}

TEST_F(RaftGroup, ASecondLeaderInATermIsNotFollowed) {
    Message message = from_leader(Heartbeat{});
    message.from = NodeId(3);
    follower().step(message);
    EXPECT_EQ(follower().counters().malformed, 1U);
    EXPECT_EQ(follower().soft_state().leader, NodeId(1));
}


TEST_F(RaftGroup, AHeldNodeVotesButDoesNotStand) {
    follower().hold_elections(true);
    for (int i = 0; i < 100; ++i) {
        follower().tick();
    }
    follower().campaign();
    EXPECT_EQ(follower().soft_state().role, Role::kFollower);
    follower().step({.from = NodeId(3),
                     .to = NodeId(2),
                     .term = Term(2),
                     .body = VoteRequest{.last_index = Index(9), .last_term = Term(1)}});
    EXPECT_EQ(follower().status().vote, NodeId(3));
}

TEST_F(RaftGroup, AClosedConnectionHurriesTheElection) {
    follower().report_disconnected(NodeId(3));
    EXPECT_EQ(follower().soft_state().leader, NodeId(1)) << "not the leader's";
    follower().report_disconnected(NodeId(1));
    EXPECT_EQ(follower().soft_state().leader, NodeId(0));
    for (int i = 0; i < 20; ++i) {
        follower().tick();
    }
    EXPECT_EQ(follower().soft_state().role, Role::kPreCandidate);
}

// Whatever arrives, the machine counts it or takes it, and its own assertions hold.
// Found by the simulation of whole clusters, seed 3: has_ready() stayed true for ever.
TEST(RaftDeposed, NothingWaitsForALeaderThatIsNone) {
    Network network(base_options());
    for (std::uint64_t id = 1; id <= 3; ++id) {
        network.add_node(NodeId(id), voters(3));
        network.start(NodeId(id));
    }
    network.raft(NodeId(1)).campaign();
    network.drain(NodeId(1));
    ASSERT_TRUE(network.settle());
    Raft& raft = network.raft(NodeId(1));
    ASSERT_TRUE(raft.leads());
    ASSERT_TRUE(raft.propose(bytes("x")).has_value());
    raft.step({.from = NodeId(2), .to = NodeId(1), .term = raft.term().next(), .body = Heartbeat{}});
    ASSERT_FALSE(raft.leads());
    Ready ready;
    for (int turns = 0; turns < 10 && raft.has_ready(); ++turns) {
        raft.ready(ready);
    }
    EXPECT_FALSE(raft.has_ready());
}

TEST(RaftHostile, RandomMessagesReachNoAssertion) {
    std::uint64_t malformed = 0;
    std::uint64_t taken = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Network network(base_options());
        network.add_node(NodeId(1), voters(3));
        Raft& raft = network.raft(NodeId(1));
        const auto index = [&] {
            return Index(random.chance(1, 50) ? random.next() : random.below(8));
        };
        const auto term = [&] {
            return Term(random.chance(1, 50) ? random.next() : random.below(5));
        };
        const auto body = [&]() -> decltype(Message::body) {
            switch (random.below(8)) {
                case 0:
                    return VoteRequest{index(), term(), random.chance(1, 2), random.chance(1, 2)};
                case 1:
                    return VoteResponse{random.chance(1, 2), random.chance(3, 4)};
                case 2:
                    return AppendResponse{index(), random.chance(1, 2), index(), term()};
                case 3:
                    return Heartbeat{};
                case 4:
                    return HeartbeatResponse{index()};
                case 5:
                    return InstallSnapshot{{index(), term(), voters(random.below(4))}};
                case 6:
                    return TimeoutNow{};
                default:
                    break;
            }
            AppendRequest request{index(), term(), index(), {}};
            Index next = request.prev_index;
            for (std::uint64_t n = random.below(4); n > 0; --n) {
                next = random.chance(1, 20) ? index() : next.next();
                const bool configures = random.chance(1, 4);
                request.entries.push_back(
                    {.term = term(),
                     .index = next,
                     .kind = configures ? EntryKind::kConfiguration : EntryKind::kCommand,
                     .payload = configures ? encode(voters(random.below(4))) : bytes("x")});
            }
            std::sort(request.entries.begin(), request.entries.end(),
                      [](const Entry& a, const Entry& b) {
                          return a.term < b.term && a.index < b.index;
                      });
            return request;
        };
        for (int i = 0; i < 400; ++i) {
            raft.step({.from = NodeId(random.below(20) == 0 ? 0 : 2 + random.below(3)),
                       .to = NodeId(1 + random.below(20) / 19),
                       .term = random.chance(1, 3) ? raft.term() : term(),
                       .body = body()});
            if (random.chance(1, 10)) {
                raft.tick();
            }
            Ready ready;
            raft.ready(ready);
            // A disk that keeps up; what it acknowledges is all the machine is told.
            if (ready.snapshot) {
                network.node(NodeId(1)).log.reset(ready.snapshot->index, ready.snapshot->term);
            }
            if (ready.truncate_from) {
                network.node(NodeId(1)).log.truncate_from(*ready.truncate_from);
            }
            network.node(NodeId(1)).log.append(ready.entries_to_append);
            raft.on_append_done(ready.append_seq);
            for (auto* list : {&ready.messages, &ready.messages_after_append}) {
                for (Message& message : *list) {
                    if (message.to == NodeId(1)) {
                        raft.step(std::move(message));
                    }
                }
            }
            if (!ready.committed_entries.empty()) {
                raft.on_apply_done(ready.committed_entries.back().index);
                ++taken;
            }
        }
        malformed += raft.counters().malformed;
    }
    EXPECT_GT(malformed, 1000U);
    EXPECT_GT(taken, 100U);
}

TEST(RaftStart, ALogThatLostAcknowledgedEntriesIsRefused) {
    MemoryLog disk;
    disk.append({{.term = Term(2), .index = Index(1), .kind = EntryKind::kCommand, .payload = {}}});
    const Start good{.hard_state = {Term(2), NodeId(1), Index(1)},
                     .applied = Index(1),
                     .configurations = {{Index(0), voters(3)}}};
    EXPECT_TRUE(check_start(base_options(), good, disk).has_value());
    const auto refused = [&](auto change) {
        Start start = good;
        change(start);
        return !check_start(base_options(), start, disk).has_value();
    };
    EXPECT_TRUE(refused([](Start& s) { s.hard_state.commit = Index(2); }));
    EXPECT_TRUE(refused([](Start& s) { s.applied = Index(2); }));
    EXPECT_TRUE(refused([](Start& s) { s.hard_state.term = Term(1); }));
    EXPECT_TRUE(refused([](Start& s) { s.configurations.push_back({Index(9), voters(3)}); }));
    EXPECT_TRUE(refused([](Start& s) { s.configurations.push_back({Index(0), voters(3)}); }));
    EXPECT_TRUE(refused([&](Start& s) {
        s.applied = s.hard_state.commit = Index(0);
        s.configurations[0].index = Index(1);
    }));
    disk.compact(Index(1));
    EXPECT_TRUE(refused([](Start& s) { s.applied = Index(0); }));
    Options options = base_options();
    options.election_ticks_min = options.election_ticks_max;
    EXPECT_FALSE(check_start(options, good, disk).has_value());
}

// After a restart a node that has forgotten its commit index still acts on every configuration but
// the last: the last could only be proposed when the ones before were committed.
TEST(RaftStart, AllConfigurationsButTheLastAreCommitted) {
    MemoryLog disk;
    std::vector<ConfigurationAt> known{{Index(0), voters(1)}};
    for (std::uint64_t i = 1; i <= 2; ++i) {
        Configuration with = voters(1);
        with.learners.push_back(NodeId(i + 5));
        disk.append({{.term = Term(1),
                      .index = Index(i),
                      .kind = EntryKind::kConfiguration,
                      .payload = encode(with)}});
        known.push_back({Index(i), with});
    }
    const Raft raft(
        base_options(),
        {.hard_state = {Term(1), NodeId(1), Index(0)}, .applied = {}, .configurations = known},
        disk);
    EXPECT_EQ(raft.configuration(), known[1].configuration);
    EXPECT_EQ(raft.log().commit(), Index(1));
}

}  // namespace
}  // namespace causeway::raft::test
