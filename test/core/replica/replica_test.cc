// When a replica stands for election and when it had better not. A log in memory whose fsyncs the
// test holds back, an apply that is as far as the test says, and nobody who answers.
#include "core/replica/replica.h"

#include <gtest/gtest.h>

namespace causeway::replica {
namespace {

constexpr std::uint64_t kEntries = 500;

class Log final : public raft::LogReader {
public:
    [[nodiscard]] Index first_index() const override { return Index(1); }
    [[nodiscard]] Index last_index() const override { return Index(kEntries); }
    [[nodiscard]] Term term_at(Index index) const override {
        return Term(index.value() == 0 ? 0 : 1);
    }
    void entries(Index from, std::size_t, std::vector<raft::Entry>& out) const override {
        out.push_back(raft::Entry{Term(1), from, raft::EntryKind::kEmpty, {}});
    }
    [[nodiscard]] std::optional<raft::SnapshotMeta> snapshot() const override { return {}; }
};

class ReplicaTest : public ::testing::Test, public ReplicaPorts {
protected:
    ReplicaTest() {
        ReplicaOptions options;
        options.group = GroupId(1);
        options.raft.id = NodeId(1);
        raft::Configuration voters;
        voters.voters = {NodeId(1), NodeId(2), NodeId(3)};
        raft::Start start;
        start.hard_state = {Term(1), NodeId(2), Index(kEntries)};
        start.configurations = {{Index(0), voters}};
        replica_ = std::make_unique<Replica>(options, start, log_, *this);
    }

    void append(GroupId, std::uint64_t seq, wal::Batch batch) override {
        appended_ = seq;
        if (!batch.entries.empty()) {
            appended_index_ = Index(kEntries + 1);
        }
    }
    void apply(GroupId, std::vector<raft::Entry> entries) override {
        given_ = entries.back().index;
    }
    void send(GroupId, const raft::Message& message) override {
        if (const auto* vote = std::get_if<raft::VoteRequest>(&message.body)) {
            ++(vote->pre ? pre_votes_ : votes_);
        }
    }
    void send_snapshot(GroupId, raft::Message) override {}
    void install(GroupId, const raft::SnapshotMeta&) override {}
    void on_role(GroupId, bool) override {}

    // Longer than any election timeout.
    void wait(unsigned ticks = 200) {
        for (unsigned i = 0; i < ticks; ++i) {
            replica_->tick();
            replica_->drain();
        }
    }
    void hear(raft::VoteResponse body, Term term) {
        replica_->step(
            raft::Message{.from = NodeId(2), .to = NodeId(1), .term = term, .body = body});
        replica_->drain();
    }
    void sync() {
        replica_->on_append_done(appended_);
        replica_->drain();
    }
    void lead() {
        replica_->on_applied(given_);
        while (votes_ == 0) {
            wait(1);
            hear({.pre = true, .granted = true}, Term(2));
            sync();
        }
        hear({.pre = false, .granted = true}, Term(2));
        ASSERT_TRUE(replica_->raft().leads());
    }

    Log log_;
    std::unique_ptr<Replica> replica_;
    std::uint64_t appended_ = 0;
    Index given_;
    Index appended_index_;
    int pre_votes_ = 0;
    int votes_ = 0;
};

TEST_F(ReplicaTest, WhoHasMuchToApplyDoesNotStand) {
    replica_->drain();
    EXPECT_GT(given_, Index(0));
    wait();
    EXPECT_EQ(pre_votes_, 0);
    replica_->on_applied(Index(kEntries - 200));
    wait();
    EXPECT_EQ(pre_votes_, 0);
    replica_->on_applied(Index(kEntries - 100));
    wait();
    EXPECT_GT(pre_votes_, 0);
}

TEST_F(ReplicaTest, WhileSnapshotChunksComeItDoesNotStand) {
    replica_->drain();
    replica_->on_applied(given_);
    replica_->on_applied(Index(kEntries));
    replica_->hold_elections(true);
    wait();
    EXPECT_EQ(pre_votes_, 0);
    replica_->hold_elections(false);
    wait();
    EXPECT_GT(pre_votes_, 0);
}

TEST_F(ReplicaTest, ALeaderWhoseLogFinishesNothingSaysSo) {
    replica_->drain();
    lead();
    sync();
    wait(20);
    sync();
    wait(150);
    EXPECT_FALSE(replica_->log_stalls()) << "nothing is under way";
    // A leader that heard nobody steps down and stands again: the vote for itself is not durable.
    const std::uint64_t before = appended_;
    wait(300);
    hear({.pre = true, .granted = true}, Term(replica_->term().value() + 1));
    ASSERT_GT(appended_, before);
    wait(99);
    EXPECT_FALSE(replica_->log_stalls());
    wait(2);
    EXPECT_TRUE(replica_->log_stalls());
    const int asked = pre_votes_;
    wait(300);
    EXPECT_EQ(pre_votes_, asked) << "it stands while its log stalls";
    sync();
    wait();
    EXPECT_FALSE(replica_->log_stalls());
    EXPECT_GT(pre_votes_, asked);
}

// A set's first time is right, or its timers would all be due when it became right.
TEST_F(ReplicaTest, WhoBeginsToLeadWaitsForTheTime) {
    replica_->know_time(false);
    replica_->drain();
    lead();
    sync();
    raft::AppendResponse matched{.index = appended_index_};
    replica_->step(raft::Message{
        .from = NodeId(2), .to = NodeId(1), .term = replica_->term(), .body = matched});
    replica_->drain();
    ASSERT_EQ(given_, appended_index_);
    replica_->on_applied(given_);
    replica_->drain();
    EXPECT_TRUE(replica_->lacks_time());
    EXPECT_FALSE(replica_->serving());
    replica_->know_time(true);
    replica_->drain();
    EXPECT_TRUE(replica_->serving());
    EXPECT_EQ(replica_->stamp(5, 1'700'000'000'000), 1'700'000'000'000U);
    // What serves goes on with a clock that nobody confirms: it only counts from here.
    replica_->know_time(false);
    replica_->drain();
    EXPECT_TRUE(replica_->serving());
    EXPECT_EQ(replica_->stamp(8, 0), 1'700'000'000'003U);
}

}  // namespace
}  // namespace causeway::replica
