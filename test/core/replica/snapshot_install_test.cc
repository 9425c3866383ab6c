// A follower that installs a snapshot and crashes at any moment: its table and its log agree when
// it starts again.
#include "core/replica/snapshot_install.h"

#include <gtest/gtest.h>

#include "core/replica/replica.h"
#include "core/replica/snapshot_transfer.h"
#include "core/replica/wal_reader.h"
#include "core/wal/log.h"
#include "test/sim/disk/sim_disk.h"
#include "test/sim/kv/memory_snapshot.h"

namespace causeway::replica {
namespace {

constexpr GroupId kGroup{4};

raft::Configuration members(std::initializer_list<std::uint64_t> ids) {
    raft::Configuration configuration;
    for (const std::uint64_t id : ids) {
        configuration.voters.push_back(NodeId(id));
    }
    return configuration;
}

const raft::SnapshotMeta kMeta{Index(50), Term(7), members({1, 2, 3})};

wal::LogOptions options() {
    return wal::LogOptions{
        .segment_bytes = 32768, .block_bytes = 512, .fill_slice_bytes = 32768, .log_id = 5};
}

// A follower whose log ends at `last`, all of term 3, nothing of it committed beyond 5.
struct Follower {
    std::unique_ptr<sim::SimDisk> disk = std::make_unique<sim::SimDisk>();
    std::unique_ptr<wal::Log> log;
    sim::MemoryKv kv;

    explicit Follower(std::uint64_t last) {
        open();
        append(bootstrap_batch(kGroup, members({1, 2})));
        wal::Batch batch;
        batch.group = kGroup;
        for (std::uint64_t index = 1; index <= last; ++index) {
            batch.entries.push_back({Index(index), Term(3),
                                     static_cast<std::uint8_t>(raft::EntryKind::kCommand),
                                     SharedBytes::copy("x")});
        }
        batch.hard_state = SharedBytes::take(
            encode_hard_state({Term(6), NodeId(2), Index(std::min(last, std::uint64_t{5}))}));
        append(batch);
        kv.put("old", "table");
        kv.commit(Index(std::min(last, std::uint64_t{5})));
        kv.flush();
    }
    void open() { log = *wal::Log::open(*disk, options()); }
    void append(const wal::Batch& batch) {
        ASSERT_TRUE(log->stage(batch));
        ASSERT_TRUE(log->commit());
        log->run_jobs();
    }
    void install() {
        sim::MemoryKv source;
        source.put("new", "table");
        source.commit(kMeta.index);
        sim::MemorySnapshotReader reader(source);
        sim::MemorySnapshotInstaller installer(kv);
        ASSERT_TRUE(installer.add(read_piece(reader, {}).bytes.view()));
        ASSERT_TRUE(installer.finish(kMeta.index, encode(kMeta)));
    }
    void power_loss() {
        log.reset();
        disk = disk->crash([](std::size_t) { return false; }, 0);
        kv.crash();
        open();
    }
    std::optional<wal::GroupSummary> summary() const {
        const auto groups = log->groups();
        return groups.empty() ? std::nullopt : std::optional(groups.front());
    }
    // Whether a raft machine may be built, and what it is told.
    raft::Start start() {
        const auto missing = unrecorded_snapshot(kGroup, summary(), kv.snapshot_meta());
        EXPECT_TRUE(missing);
        if (missing && *missing) {
            append(**missing);
        }
        const auto started = start_of(*log, kGroup, kv.applied(), std::nullopt);
        EXPECT_TRUE(started);
        raft::Options raft;
        raft.id = NodeId(2);
        const WalReader reader(*log, kGroup);
        const auto checked = raft::check_start(raft, *started, reader);
        EXPECT_TRUE(checked) << (checked ? "" : checked.error().message);
        return *started;
    }
};

TEST(SnapshotMeta, IsReadBackAndNothingElseIs) {
    const std::string bytes = encode(kMeta);
    const auto decoded = decode_snapshot_meta(bytes);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->index, kMeta.index);
    EXPECT_EQ(decoded->term, kMeta.term);
    EXPECT_EQ(decoded->configuration, kMeta.configuration);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(decode_snapshot_meta(bytes.substr(0, size))) << size;
    }
    EXPECT_FALSE(decode_snapshot_meta(bytes + "x"));
    EXPECT_FALSE(unrecorded_snapshot(kGroup, std::nullopt, "x"));
}

// The log may end before the snapshot, or go on behind it with entries of a leader that lost.
TEST(SnapshotInstall, ACrashAtAnyMomentLeavesAgreement) {
    for (const std::uint64_t last : {0U, 5U, 20U, 60U}) {
        for (const int steps : {0, 1, 2}) {
            SCOPED_TRACE("log up to " + std::to_string(last) + ", " + std::to_string(steps) +
                         " steps done");
            Follower follower(last);
            if (steps >= 1) {
                follower.install();
            }
            if (steps >= 2) {
                wal::Batch batch = snapshot_batch(kGroup, kMeta);
                batch.hard_state =
                    SharedBytes::take(encode_hard_state({Term(8), NodeId(), kMeta.index}));
                follower.append(batch);
            }
            follower.power_loss();
            const raft::Start start = follower.start();
            std::string value;
            if (steps == 0) {
                EXPECT_TRUE(follower.kv.get("old", value));
                EXPECT_EQ(follower.summary()->last, Index(last));
                EXPECT_EQ(start.hard_state.term, Term(6));
                continue;
            }
            EXPECT_TRUE(follower.kv.get("new", value));
            EXPECT_EQ(start.applied, kMeta.index);
            EXPECT_EQ(follower.summary()->last, kMeta.index);
            EXPECT_EQ(follower.summary()->last_term, kMeta.term);
            EXPECT_EQ(start.configurations.front().configuration, kMeta.configuration);
            EXPECT_EQ(start.hard_state.term, Term(steps == 1 ? 7 : 8));
            EXPECT_EQ(start.hard_state.vote, NodeId());
            // And it is written once: another start finds nothing to do.
            const auto again =
                unrecorded_snapshot(kGroup, follower.summary(), follower.kv.snapshot_meta());
            EXPECT_TRUE(again && !*again);
            // The log goes on behind the snapshot.
            wal::Batch next;
            next.group = kGroup;
            next.entries.push_back({kMeta.index.next(), Term(8), 0, SharedBytes::copy("y")});
            follower.append(next);
        }
    }
}

TEST(SnapshotInstall, AGroupTheLogDoesNotKnowIsRecorded) {
    const auto batch = unrecorded_snapshot(kGroup, std::nullopt, encode(kMeta));
    ASSERT_TRUE(batch);
    ASSERT_TRUE(*batch);
    EXPECT_EQ((*batch)->compaction->index, kMeta.index);
    EXPECT_EQ((*batch)->compaction->term, kMeta.term);
    EXPECT_TRUE((*batch)->replaces_log);
}

TEST(SnapshotInstall, AVoteOfAHigherTermIsKept) {
    Follower follower(5);
    wal::Batch voted;
    voted.group = kGroup;
    voted.hard_state = SharedBytes::take(encode_hard_state({Term(9), NodeId(3), Index(5)}));
    follower.append(voted);
    follower.install();
    follower.power_loss();
    const raft::Start start = follower.start();
    EXPECT_EQ(start.hard_state.term, Term(9));
    EXPECT_EQ(start.hard_state.vote, NodeId(3));
    EXPECT_EQ(start.hard_state.commit, kMeta.index);
}

}  // namespace
}  // namespace causeway::replica
