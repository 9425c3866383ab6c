// MemoryKv: the simulated Kv port. Three layers, as in the real one: the batch (seen by reads of
// this instance), what was committed, and what of it was flushed and so survives a crash. One
// thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/state/kv.h"

namespace causeway::sim {

class MemoryKv : public state::Kv {
public:
    using Table = std::map<std::string, std::string, std::less<>>;

    bool get(std::string_view key, std::string& value) override {
        if (const auto found = batch_.find(key); found != batch_.end()) {
            if (found->second) {
                value = *found->second;
            }
            return found->second.has_value();
        }
        const auto found = committed_.find(key);
        if (found == committed_.end()) {
            return false;
        }
        value = found->second;
        return true;
    }

    void scan(std::string_view from, std::string_view to, Visitor visitor) override {
        if (from >= to) {
            return;
        }
        scanning_ = true;
        auto old = committed_.lower_bound(from);
        auto fresh = batch_.lower_bound(from);
        while (true) {
            const bool has_old = old != committed_.end() && old->first < to;
            const bool has_fresh = fresh != batch_.end() && fresh->first < to;
            if (!has_old && !has_fresh) {
                break;
            }
            const bool take_fresh = has_fresh && (!has_old || fresh->first <= old->first);
            if (has_old && (!take_fresh || fresh->first == old->first)) {
                const auto hit = old++;
                if (!take_fresh) {
                    if (!visitor(hit->first, hit->second)) {
                        break;
                    }
                    continue;
                }
            }
            const auto hit = fresh++;
            if (hit->second && !visitor(hit->first, *hit->second)) {
                break;
            }
        }
        scanning_ = false;
    }

    void put(std::string_view key, std::string_view value) override {
        CW_CHECK(!scanning_, "the visitor of a scan writes");
        batch_.insert_or_assign(std::string(key), std::string(value));
    }
    void erase(std::string_view key) override {
        CW_CHECK(!scanning_, "the visitor of a scan writes");
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

    // Effect: what was committed so far survives crash().
    void flush() {
        flushed_ = committed_;
        flushed_applied_ = applied_;
    }
    // Effect: drops the batch and every commit since flush().
    void crash() {
        batch_.clear();
        committed_ = flushed_;
        applied_ = flushed_applied_;
    }
    // What the last commit left: the whole table, by key.
    [[nodiscard]] const Table& committed() const { return committed_; }
    [[nodiscard]] Index flushed_applied() const { return flushed_applied_; }

private:
    Table committed_;
    Table flushed_;
    std::map<std::string, std::optional<std::string>, std::less<>> batch_;
    Index applied_;
    Index flushed_applied_;
    bool scanning_ = false;
};

}  // namespace causeway::sim
