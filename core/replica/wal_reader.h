// The raft machine's view of its group in the shared write-ahead log, and what a restarted group is
// started with.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/raft/log_reader.h"
#include "core/raft/options.h"
#include "core/wal/log.h"

namespace causeway::replica {

// Reads durable entries of one group. Loop thread of the group; the log must outlive it.
class WalReader final : public raft::LogReader {
public:
    WalReader(const wal::Log& log, GroupId group);
    // Of a group the log knows nothing of; also while the log is written to.
    struct New {};
    WalReader(const wal::Log& log, GroupId group, New) : log_(log), group_(group) {}

    [[nodiscard]] Index first_index() const override { return first_; }
    [[nodiscard]] Index last_index() const override { return last_; }
    [[nodiscard]] Term term_at(Index index) const override;
    void entries(Index from, std::size_t bytes_max, std::vector<raft::Entry>& out) const override;
    [[nodiscard]] std::optional<raft::SnapshotMeta> snapshot() const override {
        return std::nullopt;
    }

private:
    const wal::Log& log_;
    GroupId group_;
    Index first_{1};  // as recovered
    Index last_;
};

// What the log holds of a group, for raft::Start. `applied`: what its state machine has. A group
// the log does not know is a new one: `bootstrap` is its configuration (empty: it waits to be
// told).
Result<raft::Start> start_of(const wal::Log& log, GroupId group, Index applied,
                             const std::optional<raft::Configuration>& bootstrap);

// What must be appended first for a new group, so that its configuration survives.
wal::Batch bootstrap_batch(GroupId group, const raft::Configuration& bootstrap);

[[nodiscard]] bool knows(const wal::Log& log, GroupId group);
[[nodiscard]] std::optional<wal::GroupSummary> summary_of(const wal::Log& log, GroupId group);

}  // namespace causeway::replica
