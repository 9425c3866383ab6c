#include "core/replica/snapshot_install.h"

#include "core/base/encoding.h"
#include "core/replica/replica.h"

namespace causeway::replica {
namespace {

constexpr std::uint8_t kMetaVersion = 1;

}  // namespace

std::string encode(const raft::SnapshotMeta& meta) {
    std::string out;
    ByteWriter writer(out);
    writer.u8(kMetaVersion);
    writer.u64(meta.index.value());
    writer.u64(meta.term.value());
    writer.raw(raft::encode(meta.configuration).view());
    return out;
}

std::optional<raft::SnapshotMeta> decode_snapshot_meta(std::string_view bytes) {
    ByteReader in(bytes);
    const std::uint8_t version = in.u8();
    raft::SnapshotMeta meta;
    meta.index = Index(in.u64());
    meta.term = Term(in.u64());
    auto configuration = raft::decode_configuration(in.rest());
    if (in.failed() || version != kMetaVersion || !configuration) {
        return std::nullopt;
    }
    meta.configuration = *std::move(configuration);
    return meta;
}

wal::Batch snapshot_batch(GroupId group, const raft::SnapshotMeta& meta) {
    wal::Batch batch;
    batch.group = group;
    batch.replaces_log = true;
    batch.compaction = wal::CompactionPoint{meta.index, meta.term};
    batch.configuration = raft::encode(meta.configuration);
    return batch;
}

// raft installs only what its log does not hold, and the log says so by its compaction point. The
// hard state of the same Ready may be lost with the batch: its term was at least the snapshot's,
// and nothing was said in it yet.
Result<std::optional<wal::Batch>> unrecorded_snapshot(GroupId group,
                                                      const std::optional<wal::GroupSummary>& held,
                                                      std::string_view origin) {
    if (origin.empty()) {
        return std::nullopt;
    }
    const auto meta = decode_snapshot_meta(origin);
    raft::HardState state;
    if (!meta ||
        (held && !held->hard_state.empty() && !decode_hard_state(held->hard_state, state))) {
        return fail("a record of the state of set " + std::to_string(group.value()) +
                    " is damaged: refill this node from its peers or a backup");
    }
    if (held && held->compaction.index >= meta->index) {
        return std::nullopt;
    }
    wal::Batch batch = snapshot_batch(group, *meta);
    if (state.term < meta->term) {
        state.term = meta->term;
        state.vote = NodeId();
    }
    state.commit = meta->index;
    batch.hard_state = SharedBytes::take(encode_hard_state(state));
    return batch;
}

}  // namespace causeway::replica
