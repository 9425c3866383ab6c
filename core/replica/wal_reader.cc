#include "core/replica/wal_reader.h"

#include <string>

#include "core/raft/configuration.h"
#include "core/replica/replica.h"

namespace causeway::replica {
namespace {

constexpr std::size_t kReadBytes = 4U << 20;

}  // namespace

std::optional<wal::GroupSummary> summary_of(const wal::Log& log, GroupId group) {
    for (wal::GroupSummary& summary : log.groups()) {
        if (summary.group == group) {
            return std::move(summary);
        }
    }
    return std::nullopt;
}

bool knows(const wal::Log& log, GroupId group) { return summary_of(log, group).has_value(); }

WalReader::WalReader(const wal::Log& log, GroupId group) : log_(log), group_(group) {
    if (const auto summary = summary_of(log, group)) {
        first_ = summary->compaction.index.next();
        last_ = summary->last;
    }
}

Term WalReader::term_at(Index index) const {
    return index.value() == 0 ? Term{} : log_.term(group_, index).value_or(Term{});
}

void WalReader::entries(Index from, std::size_t bytes_max, std::vector<raft::Entry>& out) const {
    // A damaged record of one's own log stops the node; the WAL's next append or open reports it.
    const auto read = log_.read(group_, from, bytes_max);
    if (!read) {
        return;
    }
    for (const wal::Entry& entry : *read) {
        out.push_back(raft::Entry{entry.term, entry.index,
                                  static_cast<raft::EntryKind>(entry.flags), entry.payload});
    }
}

wal::Batch bootstrap_batch(GroupId group, const raft::Configuration& bootstrap) {
    wal::Batch batch;
    batch.group = group;
    batch.configuration = raft::encode(bootstrap);
    batch.hard_state = SharedBytes::take(encode_hard_state(raft::HardState{}));
    return batch;
}

Result<raft::Start> start_of(const wal::Log& log, GroupId group, Index applied,
                             const std::optional<raft::Configuration>& bootstrap) {
    raft::Start start;
    start.applied = applied;
    const auto summary = summary_of(log, group);
    if (!summary) {
        if (applied.value() != 0) {
            return fail("the log holds nothing of set " + std::to_string(group.value()) +
                        " but its state does: the log's files are missing; restore them, or refill "
                        "this node from its peers");
        }
        if (bootstrap) {
            start.configurations.push_back(raft::ConfigurationAt{Index{}, *bootstrap});
        }
        return start;
    }
    if (!summary->hard_state.empty() && !decode_hard_state(summary->hard_state, start.hard_state)) {
        return fail("the hard state of set " + std::to_string(group.value()) + " is damaged");
    }
    if (!summary->configuration.empty()) {
        auto configuration = raft::decode_configuration(summary->configuration);
        if (!configuration) {
            return fail("the configuration of set " + std::to_string(group.value()) +
                        " is damaged");
        }
        start.configurations.push_back(
            raft::ConfigurationAt{summary->compaction.index, std::move(*configuration)});
    }
    for (Index at = summary->compaction.index.next(); at <= summary->last;) {
        const auto read = log.read(group, at, kReadBytes);
        if (!read) {
            return fail(read.error().text());
        }
        if (read->empty()) {
            break;
        }
        for (const wal::Entry& entry : *read) {
            if (static_cast<raft::EntryKind>(entry.flags) == raft::EntryKind::kConfiguration) {
                if (auto configuration = raft::decode_configuration(entry.payload.view())) {
                    start.configurations.push_back(
                        raft::ConfigurationAt{entry.index, std::move(*configuration)});
                }
            }
        }
        at = read->back().index.next();
    }
    return start;
}

}  // namespace causeway::replica
