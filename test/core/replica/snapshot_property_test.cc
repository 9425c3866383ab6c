// A transfer over a network that loses, repeats, reorders and damages, with connections reset,
// leaders changing and the follower crashing at any moment. Until an install is finished the
// follower's table is the old one; when the faults end, the transfer completes, and the table is
// the leader's. One seed is one run: CAUSEWAY_SEEDS=n runs more.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>

#include "core/base/random.h"
#include "core/replica/snapshot_receiver.h"
#include "core/replica/snapshot_transfer.h"
#include "test/sim/kv/memory_snapshot.h"

namespace causeway::replica {
namespace {

constexpr NodeId kFollower{2};
constexpr SnapshotSenderOptions kSender{
    .window_chunks = 3, .retry_ticks = 10, .give_up_ticks = 120, .refusals_max = 3};
constexpr SnapshotReceiverOptions kReceiver{.chunks_bytes_max = 700, .give_up_ticks = 150};
constexpr std::size_t kChunkBytes = 200;

struct Totals {
    std::uint64_t transfers = 0, failed = 0, resets = 0, crashes = 0, damaged = 0, installs = 0;
    std::uint64_t lost_messages = 0, abandoned = 0, already_here = 0;
};

class World {
public:
    World(std::uint64_t seed, Totals& totals) : random_(seed), totals_(totals) {
        change(follower_kv_, 20);
        follower_kv_.flush();
        old_ = follower_kv_.committed();
        change(leader_kv_, 60);
        begin();
    }

    void chaos(int steps) {
        while (steps-- > 0 && !testing::Test::HasFailure()) {
            fault();
            step();
        }
    }
    // Without faults it must end, whatever state the faults have left.
    void heal() {
        faulty_ = false;
        installed_ = false;
        for (int steps = 0; !installed_; ++steps) {
            ASSERT_LT(steps, 20000) << "no progress";
            step();
            if (testing::Test::HasFailure()) {
                return;
            }
        }
    }

private:
    void change(sim::MemoryKv& kv, std::uint64_t records) {
        for (std::uint64_t i = 0; i < records; ++i) {
            std::string key = "k" + std::to_string(random_.below(200));
            if (random_.chance(1, 5)) {
                kv.erase(key);
            } else {
                kv.put(key, std::string(random_.below(random_.chance(1, 20) ? 500 : 40), 'v'));
            }
        }
        kv.commit(Index(++index_));
    }

    raft::SnapshotMeta meta() const {
        return raft::SnapshotMeta{reader_->applied(), Term(2),
                                  raft::Configuration{{NodeId(1), kFollower}, {}}};
    }
    void begin() {
        ++totals_.transfers;
        read_.reset();
        // Often the same snapshot again, as when only its last message was lost.
        if (!reader_ || random_.chance(1, 2)) {
            reader_ = std::make_unique<sim::MemorySnapshotReader>(leader_kv_);
            table_ = leader_kv_.committed();
        }
        sender_ = std::make_unique<SnapshotSender>(
            kSender, transfer_id(term_, count_++),
            raft::Message{NodeId(1), kFollower, term_, raft::InstallSnapshot{meta()}});
    }

    void fault() {
        switch (random_.below(250)) {
            case 0:
            case 1:
            case 2:
                reset();
                break;
            case 3:
                crash_follower();
                break;
            case 4:  // Another leader, with a state of its own age.
                term_ = term_.next();
                count_ = 0;
                change(leader_kv_, 5);
                begin();
                break;
            case 5:
                part();
                break;
            default:
                break;
        }
    }
    // Nothing arrives for so long that both give up.
    void part() {
        to_follower_.clear();
        to_leader_.clear();
        for (unsigned ticks = 0; ticks < kReceiver.give_up_ticks; ++ticks) {
            tick();
        }
        settle();
    }
    void reset() {
        ++totals_.resets;
        if (random_.chance(1, 2)) {  // Else what was under way comes late.
            to_follower_.clear();
            to_leader_.clear();
        }
        sender_->on_reset();
    }
    void crash_follower() {
        ++totals_.crashes;
        installer_.reset();
        work_.clear();
        receiver_ = SnapshotReceiver(kReceiver);
        follower_kv_.crash();
        EXPECT_EQ(follower_kv_.committed(), old_);
        reset();
    }

    void step() {
        switch (random_.below(8)) {
            case 0:
            case 1:
                read();
                break;
            case 2:
            case 3:
                deliver_chunk();
                break;
            case 4:
            case 5:
                work();
                break;
            case 6:
                deliver_ack();
                break;
            default:
                tick();
        }
        EXPECT_EQ(follower_kv_.committed(), old_);
        settle();
    }
    void tick() {
        sender_->tick();
        SnapshotReceiver::Actions actions;
        receiver_.tick(actions);
        take(actions);
    }
    void read() {
        if (!read_) {
            read_ = sender_->next_read();
            return;
        }
        const auto chunk = sender_->on_piece(read_piece(*reader_, *read_, kChunkBytes));
        read_.reset();
        if (chunk) {
            EXPECT_LT(chunk->number, sender_->acknowledged() + kSender.window_chunks);
            to_follower_.push_back(*chunk);
        }
    }
    template <typename T>
    std::optional<T> pick(std::deque<T>& queue) {
        if (queue.empty()) {
            return std::nullopt;
        }
        const std::size_t at = faulty_ && random_.chance(1, 10) ? random_.below(queue.size()) : 0;
        T value = queue[at];
        if (!faulty_ || !random_.chance(1, 20)) {  // Else it comes again.
            queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
        }
        if (faulty_ && random_.chance(1, 20)) {
            return std::nullopt;
        }
        return value;
    }
    void deliver_chunk() {
        auto chunk = pick(to_follower_);
        if (!chunk) {
            return;
        }
        if (faulty_ && random_.chance(1, 60)) {
            ++totals_.damaged;
            std::string bytes(chunk->bytes.view());
            bytes[random_.below(bytes.size())] ^= 0x10;
            chunk->bytes = SharedBytes::take(std::move(bytes));
        }
        SnapshotReceiver::Actions actions;
        receiver_.on_chunk(*std::move(chunk), actions);
        take(actions);
    }
    void deliver_ack() {
        if (const auto ack = pick(to_leader_)) {
            totals_.already_here += ack->next == kNothingWanted ? 1 : 0;
            sender_->on_ack(*ack);
        }
    }
    // Acks leave at once; what touches the table waits for its thread.
    void take(SnapshotReceiver::Actions& actions) {
        for (auto& action : actions) {
            if (const auto* ack = std::get_if<SnapshotAck>(&action)) {
                to_leader_.push_back(*ack);
            } else {
                work_.push_back(std::move(action));
            }
        }
    }
    void work() {
        if (work_.empty()) {
            return;
        }
        const SnapshotReceiver::Action action = std::move(work_.front());
        work_.pop_front();
        if (std::holds_alternative<SnapshotReceiver::Begin>(action)) {
            installer_ = std::make_unique<sim::MemorySnapshotInstaller>(follower_kv_);
        } else if (const auto* add = std::get_if<SnapshotReceiver::Add>(&action)) {
            const bool added = installer_->add(add->bytes.view()).has_value();
            EXPECT_TRUE(added);
            SnapshotReceiver::Actions actions;
            receiver_.on_added(add->transfer, add->number, added, actions);
            take(actions);
        } else {
            ++totals_.abandoned;
            installer_.reset();
        }
    }
    // What the nodes do when a transfer has ended.
    void settle() {
        if (sender_->state() == TransferState::kSending) {
            return;
        }
        totals_.failed += sender_->state() == TransferState::kFailed ? 1 : 0;
        const bool message_arrives = !faulty_ || !random_.chance(1, 3);
        if (sender_->state() == TransferState::kDelivered && message_arrives &&
            receiver_.holds(meta())) {
            install();
            return;
        }
        totals_.lost_messages += message_arrives ? 0 : 1;
        begin();
    }
    void install() {
        ++totals_.installs;
        EXPECT_TRUE(work_.empty());
        ASSERT_TRUE(installer_->finish(meta().index, "meta"));
        installer_.reset();
        receiver_.installed();
        installed_ = true;
        EXPECT_EQ(follower_kv_.committed(), table_);
        EXPECT_EQ(follower_kv_.applied(), meta().index);
        old_ = follower_kv_.committed();
        change(leader_kv_, 20);
        reader_.reset();
        begin();
    }

    Random random_;
    Totals& totals_;
    bool faulty_ = true;
    bool installed_ = false;
    std::uint64_t index_ = 0;
    Term term_{4};
    std::uint32_t count_ = 0;
    sim::MemoryKv leader_kv_;
    std::unique_ptr<sim::MemorySnapshotReader> reader_;
    sim::MemoryKv::Table table_;  // The reader's.
    std::unique_ptr<SnapshotSender> sender_;
    std::optional<state::SnapshotPosition> read_;
    std::deque<SnapshotChunk> to_follower_;
    std::deque<SnapshotAck> to_leader_;
    sim::MemoryKv follower_kv_;
    sim::MemoryKv::Table old_;
    SnapshotReceiver receiver_{kReceiver};
    std::deque<SnapshotReceiver::Action> work_;
    std::unique_ptr<sim::MemorySnapshotInstaller> installer_;
};

TEST(SnapshotTransfer, EndsWithTheLeadersTableWhateverHappens) {
    const char* more = std::getenv("CAUSEWAY_SEEDS");
    const std::uint64_t seeds = more != nullptr ? std::strtoull(more, nullptr, 10) : 60;
    Totals totals;
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(seed, totals);
        world.chaos(3000);
        world.heal();
    }
    // The runs reach what they are for.
    EXPECT_GT(totals.installs, 2 * seeds);
    EXPECT_GT(totals.transfers, totals.installs);
    EXPECT_GT(totals.failed, seeds);
    EXPECT_GT(totals.abandoned, seeds / 2);
    EXPECT_GT(totals.resets, 10 * seeds);
    EXPECT_GT(totals.crashes, seeds);
    EXPECT_GT(totals.damaged, 2 * seeds);
    EXPECT_GT(totals.lost_messages, 10U);
    EXPECT_GT(totals.already_here, 10U);
}

}  // namespace
}  // namespace causeway::replica
