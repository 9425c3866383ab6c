// A simulated Kv: an ordered map that knows which commits have been flushed. A crash leaves the
// state of the last flush, as the real store does with its own log switched off. Copyable, so that
// a simulated node can be restarted from it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/seeded_bug.h"
#include "core/state/kv.h"

namespace causeway::sim {

class MemoryKv final : public state::Kv {
public:
    using Table = std::map<std::string, std::string, std::less<>>;

    bool get(std::string_view key, std::string& value) override {
        const auto pending = batch_.find(key);
        if (pending != batch_.end()) {
            value = pending->second.value_or("");
            return pending->second.has_value();
        }
        const auto it = committed_.find(key);
        if (it != committed_.end()) {
            value = it->second;
        }
        return it != committed_.end();
    }

    void scan(std::string_view from, std::string_view to, Visitor visitor) override {
        if (from >= to) {
            return;
        }
        auto stored = committed_.lower_bound(from);
        auto pending = batch_.lower_bound(from);
        while (true) {
            const bool has_stored = stored != committed_.end() && stored->first < to;
            const bool has_pending = pending != batch_.end() && pending->first < to;
            if (!has_stored && !has_pending) {
                return;
            }
            if (has_pending && (!has_stored || pending->first <= stored->first)) {
                if (has_stored && pending->first == stored->first) {
                    ++stored;
                }
                if (pending->second && !visitor(pending->first, *pending->second)) {
                    return;
                }
                ++pending;
            } else {
                if (!visitor(stored->first, stored->second)) {
                    return;
                }
                ++stored;
            }
        }
    }

    void put(std::string_view key, std::string_view value) override {
        batch_.insert_or_assign(std::string(key), std::string(value));
    }
    void erase(std::string_view key) override {
        batch_.insert_or_assign(std::string(key), std::nullopt);
    }

    void commit(Index applied) override {
        for (auto& [key, value] : batch_) {
            if (value) {
                committed_.insert_or_assign(key, std::move(*value));
            } else {
                committed_.erase(key);
            }
        }
        batch_.clear();
        applied_ = applied;
    }

    [[nodiscard]] Index applied() const override { return applied_; }

    // Effect: what is committed now survives a crash.
    void flush() {
        flushed_applied_ = applied_;
        // As if the index had a table of its own, and that were flushed more often.
        if (CAUSEWAY_BUG(kAppliedIndexNotAtomic) && (index_alone_ = !index_alone_)) {
            return;
        }
        flushed_ = committed_;
        flushed_snapshot_meta_ = snapshot_meta_;
    }
    [[nodiscard]] Index flushed_applied() const { return flushed_applied_; }
    // Effect: what is not flushed is lost.
    void crash() {
        batch_.clear();
        committed_ = flushed_;
        applied_ = flushed_applied_;
        snapshot_meta_ = flushed_snapshot_meta_;
    }
    // Effect: as Store::erase_group(): empty, and that is not yet flushed.
    void clear() {
        batch_.clear();
        committed_.clear();
        applied_ = Index();
        snapshot_meta_.clear();
    }
    // Effect: as a finished install (memory_snapshot.h): another table, durable at once.
    void replace(Table table, Index applied, std::string_view meta) {
        batch_.clear();
        committed_ = std::move(table);
        applied_ = applied;
        snapshot_meta_ = meta;
        flush();
    }
    // As Store::snapshot_meta().
    [[nodiscard]] const std::string& snapshot_meta() const { return snapshot_meta_; }
    [[nodiscard]] const Table& committed() const { return committed_; }

private:
    std::map<std::string, std::optional<std::string>, std::less<>> batch_;  // nullopt: erased.
    Table committed_;
    Table flushed_;
    Index applied_;
    Index flushed_applied_;
    std::string snapshot_meta_;
    std::string flushed_snapshot_meta_;
    bool index_alone_ = false;  // of a planted bug only
};

}  // namespace causeway::sim
