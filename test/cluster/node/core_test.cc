// A node's core with its ports by hand: whose clock counts, and whose QoS 0 of another set.
#include "cluster/node/core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "core/replica/wal_reader.h"
#include "core/state/machine.h"
#include "test/cluster/node/control_world.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::node {
namespace {

constexpr GroupId kSet{1};
constexpr GroupId kOther{2};
constexpr std::uint64_t kSecondMs = 1'000;
constexpr std::uint64_t kHourMs = 3'600'000;

// Node 1 of three, alone in holding set 1; what it asks for is done at the end of a step.
class CoreTest : public ::testing::Test, public Ports, public Clock, public replica::SetSink {
protected:
    CoreTest() {
        options_.self = NodeId(1);
        options_.uuid = 0xA;
        options_.boot = 1;
        options_.sets = {kSet, kOther};
        options_.nodes = 3;
        options_.slots = SlotMap::even(kSet, 2);
        core_.emplace(options_, *this, rules_, *this);
        for (const std::uint64_t peer : {2, 3}) {
            core_->on_peer_up(NodeId(peer), peer, 1);
            core_->on_connected(NodeId(peer));
        }
    }
    void lead_the_set(SetMs time = 0) {
        raft::Configuration alone;
        alone.voters.push_back(options_.self);
        log_.append(replica::bootstrap_batch(kSet, alone));
        auto machine = std::make_unique<state::Machine>(kv_);
        ASSERT_TRUE(machine->load().has_value());
        replica::ReplicaOptions replica;
        replica.group = kSet;
        replica.raft.id = options_.self;
        core_->add_group(replica, log_.start(Index{}), log_, *machine);
        if (time != 0) {
            core_->group(kSet)->replica().observe_time(time, now_);
        }
        state_.emplace(kSet, std::move(machine), *this, replica::RingLimits{});
    }
    void ping(std::uint64_t from, std::int64_t ahead_ms, std::vector<wire::Led> led = {}) {
        wire::Frame frame = wire::Ping{wall_of(ahead_ms), std::move(led)};
        core_->on_frame(NodeId(from), frame);
    }
    void unlogged(std::uint64_t from, std::uint64_t term) {
        wire::Frame frame = wire::PeerItems{kOther, kSet, 0, "frames", Term(term)};
        core_->on_frame(NodeId(from), frame);
    }
    void run(MonoMs ms) {
        for (const MonoMs end = now_ + ms; now_ < end;) {
            now_ += 10;
            core_->on_tick();
            core_->end_turn();
            while (!appended_.empty() || !work_.empty()) {
                for (const std::uint64_t seq : std::exchange(appended_, {})) {
                    core_->on_appended(kSet, seq);
                }
                for (replica::Work& work : std::exchange(work_, {})) {
                    state_->take(work);
                }
                EXPECT_FALSE(state_->finish());
                core_->end_turn();
            }
        }
    }
    // What the set's time would begin with, against a clock that is right; nullopt: not known.
    std::optional<std::int64_t> time() {
        const std::uint64_t at_boot = core_->view().wall_at_boot_ms;
        if (at_boot == 0) {
            return std::nullopt;
        }
        return static_cast<std::int64_t>(at_boot + now_) - static_cast<std::int64_t>(wall_of(0));
    }
    [[nodiscard]] std::uint64_t wall_of(std::int64_t ahead_ms) const {
        return 1'800'000'000'000 + now_ + static_cast<std::uint64_t>(ahead_ms);
    }

    // Clock.
    [[nodiscard]] MonoMs mono_ms() const override { return now_; }
    [[nodiscard]] std::uint64_t wall_ms() const override { return wall_of(own_ahead_ms_); }
    // Ports.
    void append(GroupId, std::uint64_t seq, wal::Batch batch) override {
        log_.append(batch);
        if (seq != 0) {
            appended_.push_back(seq);
        }
    }
    void apply(GroupId, replica::Work work) override {
        if (std::holds_alternative<replica::UnloggedFromPeer>(work)) {
            ++unlogged_taken_;  // no frames of a real publish
            return;
        }
        work_.push_back(std::move(work));
    }
    void list_streams(GroupId) override {}
    void open_snapshot(GroupId) override {}
    void close_snapshot(GroupId) override {}
    void read_snapshot(GroupId, NodeId, replica::TransferId,
                       const state::SnapshotPosition&) override {}
    void take_snapshot(GroupId, bool) override {}
    void add_snapshot(GroupId, replica::TransferId, std::uint64_t, const SharedBytes&) override {}
    void install_snapshot(GroupId, const raft::SnapshotMeta&) override {}
    void send(NodeId, const wire::Frame&) override {}
    void tell_loop(wire::LoopId, ToLoop) override {}
    void tell_loops(const ToLoop&) override {}
    void queues_ready(std::vector<std::string>) override {}
    void sinks_ready(GroupId, std::vector<std::string>) override {}
    void role_changed(GroupId, bool) override {}
    // SetSink.
    void on_applied(replica::Applied& applied) override { core_->on_applied(applied); }
    void on_opened(GroupId, const replica::Route&, StreamId, Index) override {}
    void on_welcome(GroupId, const replica::Route&, std::uint64_t) override {}
    void on_refused(GroupId, const replica::Route&, replica::AttachRefusal) override {}
    void on_news(GroupId, const replica::Route&, Index,
                 std::shared_ptr<const StreamOutputs>) override {}
    void on_records(GroupId, const replica::Route&, std::uint64_t, RecordsFound) override {}

    CoreOptions options_;
    MonoMs now_ = 1'000;
    std::int64_t own_ahead_ms_ = 0;
    test::NoRules rules_;
    test::MemoryLog log_;
    sim::MemoryKv kv_;
    std::optional<Core> core_;
    std::optional<replica::SetState> state_;
    std::vector<std::uint64_t> appended_;
    std::vector<replica::Work> work_;
    int unlogged_taken_ = 0;
};

TEST_F(CoreTest, NoTimeWithoutAMajorityOfClocks) {
    run(kSecondMs);
    EXPECT_EQ(time(), std::nullopt);
    ping(2, 0);
    run(kSecondMs);
    EXPECT_EQ(time(), 0);
}

// The boot clock counts on from what they agreed about, a day long.
TEST_F(CoreTest, WhatTheClocksAgreedAboutStands) {
    ping(2, 0);
    run(kSecondMs);
    own_ahead_ms_ = kHourMs;
    run(kSecondMs);
    ping(2, -static_cast<std::int64_t>(kHourMs));
    run(5 * kSecondMs);
    EXPECT_EQ(time(), 0);
    now_ += 24 * kHourMs;
    run(kSecondMs);
    EXPECT_EQ(time(), std::nullopt);
    own_ahead_ms_ = 300;
    ping(3, 200);
    run(kSecondMs);
    EXPECT_EQ(time(), 200);
}

TEST_F(CoreTest, TheClockInTheMiddleCounts) {
    own_ahead_ms_ = 9'000;  // within what passes for agreement
    ping(2, 0);
    ping(3, 100);
    run(kSecondMs);
    EXPECT_EQ(time(), 100);
    own_ahead_ms_ = -9'000;
    ping(2, 0);
    ping(3, 100);
    run(kSecondMs);
    EXPECT_EQ(time(), 0);
}

TEST_F(CoreTest, OfTwoClocksTheEarlierCounts) {
    own_ahead_ms_ = 9'000;
    ping(2, 0);
    run(kSecondMs);
    EXPECT_EQ(time(), 0);
}

TEST_F(CoreTest, OneWrongClockMovesNothing) {
    own_ahead_ms_ = kHourMs;
    ping(2, 0);
    ping(3, -100);
    run(kSecondMs);
    EXPECT_EQ(time(), 0);
    own_ahead_ms_ = -static_cast<std::int64_t>(kHourMs);
    ping(2, 0);
    ping(3, 200);
    run(kSecondMs);
    EXPECT_EQ(time(), 0);
}

TEST_F(CoreTest, ThreeClocksThatDifferGiveNoTime) {
    ping(2, kHourMs);
    ping(3, -static_cast<std::int64_t>(kHourMs));
    run(kSecondMs);
    EXPECT_EQ(time(), std::nullopt);
}

// A set that never had a time waits for it before it takes a command.
TEST_F(CoreTest, ANewSetDoesNotServeWithoutTime) {
    lead_the_set();
    run(5 * kSecondMs);
    ASSERT_TRUE(core_->group(kSet)->replica().lacks_time());
    EXPECT_FALSE(core_->group(kSet)->serving());
    ping(2, 0);
    run(kSecondMs);
    EXPECT_TRUE(core_->group(kSet)->serving());
}

// One that had a time waits, too, when it was just started: how long it was down nobody knows. Then
// it goes on with what it has.
TEST_F(CoreTest, AfterAStartASetWaitsForTheTimeForAWhile) {
    lead_the_set(1'700'000'000'000);
    run(9 * kSecondMs);
    EXPECT_TRUE(core_->group(kSet)->replica().lacks_time());
    run(2 * kSecondMs);
    EXPECT_TRUE(core_->group(kSet)->serving());
    EXPECT_FALSE(core_->group(kSet)->replica().lacks_time());
}

// QoS 0 from a set that has another leader by now would come behind its successor's.
TEST_F(CoreTest, QoS0OfAReplacedLeaderIsDropped) {
    lead_the_set();
    run(2 * kSecondMs);
    ping(2, 0, {{kOther, Term(5), Index(10)}});
    run(kSecondMs);
    ASSERT_TRUE(core_->group(kSet)->serving());
    unlogged(2, 5);
    EXPECT_EQ(unlogged_taken_, 1);
    ping(3, 0, {{kOther, Term(6), Index(11)}});
    unlogged(2, 5);
    EXPECT_EQ(unlogged_taken_, 1);
    unlogged(3, 6);
    EXPECT_EQ(unlogged_taken_, 2);
    // Also when nobody is known to lead any more, and when it leads again.
    ping(3, 0);
    unlogged(2, 5);
    EXPECT_EQ(unlogged_taken_, 2);
    unlogged(2, 7);  // before its ping
    EXPECT_EQ(unlogged_taken_, 3);
    unlogged(3, 6);
    EXPECT_EQ(unlogged_taken_, 3);
}

}  // namespace
}  // namespace causeway::node
