// See register_check.h.
#include "test/sim/history/register_check.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "core/base/random.h"

namespace causeway::sim {
namespace {

struct Fingerprint {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    Fingerprint operator+(const Fingerprint& other) const {
        return {low + other.low, high + other.high};
    }
    bool operator==(const Fingerprint&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Fingerprint& f) {
        return H::combine(std::move(h), f.low, f.high);
    }
};

enum class Part : std::uint64_t { kTaken = 1, kUnknownUsed = 2, kValue = 3 };

Fingerprint fingerprint(Part part, std::uint64_t number) {
    Random random(number * 4 + static_cast<std::uint64_t>(part));
    return {random.next(), random.next()};
}

enum class Outcome : std::uint8_t { kLinearizable, kNot, kUndecided };

// The search of one key. `operations` are those with a return; unknown writes stand apart.
class Search {
public:
    Search(const std::vector<Operation>& all, std::uint64_t configurations_max)
        : configurations_max_(configurations_max) {
        for (const Operation& operation : all) {
            if (operation.return_us != Operation::kNever) {
                operations_.push_back(operation);
            } else if (operation.write) {
                unknown_[operation.value].calls.push_back(operation.call_us);
            }
        }
        for (auto& [value, writes] : unknown_) {
            std::sort(writes.calls.begin(), writes.calls.end());
        }
        link_entries();
    }

    Outcome run() {
        std::uint32_t entry = next_[kHead];
        bool fresh = true;
        while (next_[kHead] != kHead) {
            if (visited_.size() > configurations_max_) {
                return Outcome::kUndecided;
            }
            if (std::exchange(fresh, false)) {
                entry = look_around();
            }
            if (entries_[entry].is_call) {
                fresh = try_take(entry);
                entry = next_[entry];
                continue;
            }
            note_stuck(entry);
            if (!undo_to_choice(entry)) {
                return Outcome::kNot;
            }
        }
        return Outcome::kLinearizable;
    }

    [[nodiscard]] std::uint64_t configurations() const { return visited_.size(); }
    // The operation that none of the orders tried could get past.
    [[nodiscard]] const Operation& stuck() const { return operations_[stuck_]; }

private:
    static constexpr std::uint32_t kHead = 0;

    struct Entry {
        std::uint64_t at_us = 0;
        std::uint32_t operation = 0;
        bool is_call = false;
    };
    struct UnknownWrites {
        std::vector<std::uint64_t> calls;  // Ascending; those of one value are interchangeable.
        std::size_t used = 0;
    };
    struct Frame {
        std::uint32_t entry = 0;
        std::uint64_t value_before = 0;
        Fingerprint taken_before;
        bool forced = false;        // There was no other choice worth trying.
        bool used_unknown = false;  // Of the value that stands after it.
    };

    // A ring of calls and returns in the order of time; at one instant calls come first.
    void link_entries() {
        entries_.emplace_back();
        for (std::uint32_t i = 0; i < operations_.size(); ++i) {
            entries_.push_back({operations_[i].call_us, i, true});
            entries_.push_back({operations_[i].return_us, i, false});
        }
        std::sort(entries_.begin() + 1, entries_.end(), [](const Entry& a, const Entry& b) {
            return std::tuple(a.at_us, !a.is_call, a.operation) <
                   std::tuple(b.at_us, !b.is_call, b.operation);
        });
        const auto count = static_cast<std::uint32_t>(entries_.size());
        return_of_.resize(operations_.size());
        next_.resize(count);
        previous_.resize(count);
        for (std::uint32_t i = 0; i < count; ++i) {
            next_[i] = (i + 1) % count;
            previous_[(i + 1) % count] = i;
            if (i != kHead && !entries_[i].is_call) {
                return_of_[entries_[i].operation] = i;
            }
        }
    }

    // The entry to go on with: a read that fits now, else the first. Learns the earliest return.
    std::uint32_t look_around() {
        std::uint32_t entry = next_[kHead];
        std::uint32_t fitting = kHead;
        for (; entries_[entry].is_call; entry = next_[entry]) {
            const Operation& operation = operations_[entries_[entry].operation];
            if (fitting == kHead && !operation.write && operation.value == value_) {
                fitting = entry;
            }
        }
        first_return_us_ = entries_[entry].at_us;
        return fitting != kHead ? fitting : next_[kHead];
    }

    // Effect: takes the call at `entry` as the next to take effect, if it may be and leads to a
    // configuration not tried before.
    bool try_take(std::uint32_t entry) {
        const std::uint32_t number = entries_[entry].operation;
        const Operation& operation = operations_[number];
        Frame frame{.entry = entry,
                    .value_before = value_,
                    .taken_before = taken_,
                    .forced = !operation.write && operation.value == value_,
                    .used_unknown = false};
        Fingerprint taken = taken_ + fingerprint(Part::kTaken, number);
        if (!operation.write && operation.value != value_) {
            const auto writes = unknown_.find(operation.value);
            if (writes == unknown_.end() || writes->second.used == writes->second.calls.size() ||
                writes->second.calls[writes->second.used] > first_return_us_) {
                return false;
            }
            frame.used_unknown = true;
            taken = taken + fingerprint(Part::kUnknownUsed, operation.value);
        }
        if (!visited_.insert(taken + fingerprint(Part::kValue, operation.value)).second) {
            return false;
        }
        if (frame.used_unknown) {
            ++unknown_[operation.value].used;
        }
        value_ = operation.value;
        taken_ = taken;
        lift(entry);
        lift(return_of_[number]);
        frames_.push_back(frame);
        return true;
    }

    // Effect: undoes until there is another choice, which begins at `entry`. False: there is none.
    bool undo_to_choice(std::uint32_t& entry) {
        while (!frames_.empty()) {
            const Frame frame = frames_.back();
            frames_.pop_back();
            const std::uint32_t number = entries_[frame.entry].operation;
            unlift(return_of_[number]);
            unlift(frame.entry);
            if (frame.used_unknown) {
                --unknown_[operations_[number].value].used;
            }
            value_ = frame.value_before;
            taken_ = frame.taken_before;
            if (!frame.forced) {
                look_around();
                entry = next_[frame.entry];
                return true;
            }
        }
        return false;
    }

    void lift(std::uint32_t entry) {
        next_[previous_[entry]] = next_[entry];
        previous_[next_[entry]] = previous_[entry];
    }
    void unlift(std::uint32_t entry) {
        next_[previous_[entry]] = entry;
        previous_[next_[entry]] = entry;
    }

    void note_stuck(std::uint32_t entry) {
        if (frames_.size() >= deepest_) {
            deepest_ = frames_.size();
            stuck_ = entries_[entry].operation;
        }
    }

    std::uint64_t configurations_max_;
    std::vector<Operation> operations_;
    std::map<std::uint64_t, UnknownWrites> unknown_;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> next_;
    std::vector<std::uint32_t> previous_;
    std::vector<std::uint32_t> return_of_;
    std::vector<Frame> frames_;
    absl::flat_hash_set<Fingerprint> visited_;
    Fingerprint taken_;
    std::uint64_t value_ = 0;
    std::uint64_t first_return_us_ = 0;
    std::size_t deepest_ = 0;
    std::uint32_t stuck_ = 0;
};

std::string describe(const History& history, const Operation& operation) {
    return history.names.text(operation.key) + ": " + history.names.text(operation.client) +
           (operation.write ? " writes " : " reads ") + std::to_string(operation.value) + " in [" +
           std::to_string(operation.call_us) + ", " + std::to_string(operation.return_us) + "] us";
}

}  // namespace

RegisterReport check_registers(const History& history, std::uint64_t configurations_max) {
    RegisterReport report;
    std::map<Name, std::vector<Operation>> by_key;
    for (const Operation& operation : history.operations) {
        by_key[operation.key].push_back(operation);
        ++report.operations;
    }
    report.keys = by_key.size();
    for (const auto& [key, operations] : by_key) {
        Search search(operations, configurations_max);
        switch (search.run()) {
            case Outcome::kLinearizable:
                break;
            case Outcome::kNot:
                report.violations.push_back("no order explains " +
                                            describe(history, search.stuck()));
                break;
            case Outcome::kUndecided:
                report.undecided.push_back(history.names.text(key) +
                                           ": more configurations than allowed");
                break;
        }
        report.configurations += search.configurations();
    }
    return report;
}

}  // namespace causeway::sim
