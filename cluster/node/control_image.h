// What a node keeps on its disk of the control group, and the small files around it: `control`, the
// control state, and `membership`, which node this directory belongs to (docs/formats/control.md).
// Before the node runs, or on a thread that may wait for the disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/tagged.h"
#include "core/state/snapshot.h"
#include "core/wal/disk.h"

namespace causeway::node {

struct ControlImage {
    // Whether this is what the node's own replica of the control group has applied: then its log
    // goes on behind it. Else it is a copy of what another node said, to find the others by.
    bool replica = false;
    Index applied;
    std::string origin;  // replica::encode(SnapshotMeta) of an installed snapshot, else empty
    std::string state;   // control::Machine::snapshot()
};
std::string encode(const ControlImage& image);

// The node this data directory is. `joined`: it came after the cluster was created, so it never
// begins a group.
struct Membership {
    NodeId self;
    bool joined = false;
};

// nullopt: there is none yet. Errors: damaged, unreadable.
Result<std::optional<ControlImage>> load_control(wal::Disk& disk);
Result<std::optional<Membership>> load_membership(wal::Disk& disk);
Result<> store_control(wal::Disk& disk, std::string_view encoded);
Result<> store_membership(wal::Disk& disk, const Membership& membership);

// The control state in chunks of a snapshot transfer (core/replica/snapshot_transfer.h). In memory:
// it is at most 16 MiB.
class StateReader final : public state::SnapshotReader {
public:
    StateReader(Index applied, std::string state) : applied_(applied), state_(std::move(state)) {}
    [[nodiscard]] Index applied() const override { return applied_; }
    [[nodiscard]] state::SnapshotPosition position() const override;
    void seek(const state::SnapshotPosition& position) override;
    bool next(std::string& chunk, std::size_t bytes_max) override;

private:
    Index applied_;
    std::string state_;
    std::uint64_t number_ = 0;
    std::size_t at_ = 0;
};

// The other end: puts chunks together again.
class StateTaker {
public:
    // Effect: takes the next chunk. False: damaged, or not the next one; nothing changed.
    bool add(std::string_view chunk);
    [[nodiscard]] std::string take() { return std::move(state_); }

private:
    state::ChunkSequence sequence_;
    std::string state_;
};

}  // namespace causeway::node
