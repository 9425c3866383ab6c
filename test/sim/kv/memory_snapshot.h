// Snapshots of the simulated table, under the contract of core/state/snapshot.h. A reader has a
// copy of what was committed when it was made; an installer collects in memory, so that a crash of
// its node (it is destroyed, MemoryKv::crash()) leaves nothing of it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/state/snapshot.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::sim {

class MemorySnapshotReader final : public state::SnapshotReader {
public:
    explicit MemorySnapshotReader(const MemoryKv& kv)
        : table_(kv.committed()), applied_(kv.applied()) {}

    [[nodiscard]] Index applied() const override { return applied_; }
    [[nodiscard]] state::SnapshotPosition position() const override { return position_; }
    void seek(const state::SnapshotPosition& position) override { position_ = position; }

    bool next(std::string& chunk, std::size_t bytes_max) override {
        state::ChunkWriter writer(chunk, position_.number++, bytes_max);
        auto it = table_.lower_bound(position_.key);
        while (it != table_.end() && writer.add(it->first, it->second)) {
            ++it;
        }
        writer.seal();
        if (it == table_.end()) {
            return false;
        }
        position_.key = it->first;
        return true;
    }

private:
    const MemoryKv::Table table_;
    const Index applied_;
    state::SnapshotPosition position_;
};

class MemorySnapshotInstaller final : public state::SnapshotInstaller {
public:
    // `kv` must outlive it, and stays in use after finish().
    explicit MemorySnapshotInstaller(MemoryKv& kv) : kv_(kv) {}

    Result<> add(std::string_view chunk) override {
        return sequence_.take(chunk, [this](std::string_view key, std::string_view value) {
            staged_.insert_or_assign(std::string(key), std::string(value));
        });
    }
    Result<> finish(Index applied, std::string_view meta) override {
        CW_CHECK(sequence_.taken() > 0);
        kv_.replace(std::exchange(staged_, {}), applied, meta);
        return {};
    }
    void abandon() override {
        staged_.clear();
        sequence_ = {};
    }

private:
    MemoryKv& kv_;
    state::ChunkSequence sequence_;
    MemoryKv::Table staged_;
};

}  // namespace causeway::sim
