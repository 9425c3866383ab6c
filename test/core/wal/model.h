// What the log should hold, kept the simple way, and the tiny options the tests run it with.
#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/wal/log.h"
#include "test/sim/disk/sim_disk.h"

namespace causeway::wal {

inline LogOptions tiny_options() {
    return LogOptions{.segment_bytes = 4096,
                      .block_bytes = 512,
                      .bytes_max = 4 * 4096,
                      .rewrite_bytes = 512,
                      .fill_slice_bytes = 4096,
                      .log_id = 77};
}

struct ModelGroup {
    std::string hard_state;
    std::string configuration;
    std::uint64_t compacted = 0;
    std::uint64_t compacted_term = 0;
    std::uint32_t epoch = 0;
    std::uint64_t last = 0;
    std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> entries;  // term, payload
    bool operator==(const ModelGroup&) const = default;
};

using Model = std::map<std::uint32_t, ModelGroup>;

inline void apply(Model& model, const Batch& batch) {
    if (batch.remove) {
        model.erase(batch.group.value());
        return;
    }
    ModelGroup& group = model[batch.group.value()];
    if (batch.truncate_from) {
        group.entries.erase(group.entries.lower_bound(batch.truncate_from->value()),
                            group.entries.end());
        group.last = batch.truncate_from->value() - 1;
        ++group.epoch;
    }
    if (batch.replaces_log) {
        group.entries.clear();
        group.last = group.compacted;
        ++group.epoch;
    }
    if (batch.compaction) {
        group.compacted = batch.compaction->index.value();
        group.compacted_term = batch.compaction->term.value();
        group.entries.erase(group.entries.begin(), group.entries.upper_bound(group.compacted));
        group.last = std::max(group.last, group.compacted);
    }
    for (const Entry& entry : batch.entries) {
        group.last = entry.index.value();
        group.entries[group.last] = {entry.term.value(), std::string(entry.payload.view())};
    }
    if (batch.configuration) {
        group.configuration = batch.configuration->view();
    }
    if (batch.hard_state) {
        group.hard_state = batch.hard_state->view();
    }
}

// Reads back everything the log holds.
inline Model model_of(const Log& log) {
    Model model;
    for (const GroupSummary& summary : log.groups()) {
        ModelGroup& group = model[summary.group.value()];
        group.hard_state = summary.hard_state;
        group.configuration = summary.configuration;
        group.compacted = summary.compaction.index.value();
        group.compacted_term = summary.compaction.term.value();
        group.epoch = summary.epoch.value();
        group.last = summary.last.value();
        Index next = summary.compaction.index.next();
        while (next <= summary.last) {
            const auto entries = log.read(summary.group, next, 600);
            if (!entries || entries->empty()) {
                ADD_FAILURE() << "entry " << next.value()
                              << " cannot be read: " << (entries ? "none" : entries.error().text());
                break;
            }
            for (const Entry& entry : *entries) {
                EXPECT_EQ(entry.index, next);
                group.entries[next.value()] = {entry.term.value(),
                                               std::string(entry.payload.view())};
                next = next.next();
            }
        }
        EXPECT_EQ(log.term(summary.group, summary.last), summary.last_term);
    }
    return model;
}

inline std::ostream& operator<<(std::ostream& out, const ModelGroup& group) {
    return out << "(" << group.compacted << ", " << group.last << "] epoch " << group.epoch
               << " hard state '" << group.hard_state << "' configuration '" << group.configuration
               << "' entries " << group.entries.size();
}

inline Batch entries(std::uint32_t group, std::uint64_t first, std::vector<std::string> payloads,
                     std::uint64_t term = 1) {
    Batch batch;
    batch.group = GroupId(group);
    for (const std::string& payload : payloads) {
        batch.entries.push_back({Index(first++), Term(term), 0, SharedBytes::copy(payload)});
    }
    return batch;
}

inline Batch compaction(std::uint32_t group, std::uint64_t index, std::uint64_t term = 1) {
    Batch batch;
    batch.group = GroupId(group);
    batch.compaction = CompactionPoint{Index(index), Term(term)};
    return batch;
}

inline Batch truncation(std::uint32_t group, std::uint64_t from) {
    Batch batch;
    batch.group = GroupId(group);
    batch.truncate_from = Index(from);
    return batch;
}

inline Batch hard_state(std::uint32_t group, const std::string& bytes) {
    Batch batch;
    batch.group = GroupId(group);
    batch.hard_state = SharedBytes::copy(bytes);
    return batch;
}

// Any batch that may follow what `model` holds.
inline Batch random_batch(Random& random, const Model& model, std::uint64_t term,
                          std::uint64_t groups = 3) {
    Batch batch;
    batch.group = GroupId(static_cast<std::uint32_t>(random.below(groups)));
    const auto it = model.find(batch.group.value());
    const ModelGroup group = it == model.end() ? ModelGroup{} : it->second;
    if (it != model.end() && random.chance(1, 40)) {
        batch.remove = true;
        return batch;
    }
    std::uint64_t last = group.last;
    if (last > group.compacted && random.chance(1, 8)) {
        last -= random.below(last - group.compacted);
        batch.truncate_from = Index(last--);
    }
    if (random.chance(1, 4)) {
        const std::uint64_t upto = random.chance(1, 10) ? last + random.below(5)
                                                        : random.between(group.compacted, last + 1);
        if (upto >= group.compacted) {
            const auto known = group.entries.find(upto);
            const std::uint64_t at = upto == group.compacted ? group.compacted_term : term;
            batch.compaction = CompactionPoint{
                Index(upto), Term(known == group.entries.end() ? at : known->second.first)};
            last = std::max(last, upto);
        }
    }
    for (std::uint64_t i = random.below(4); i > 0; --i) {
        std::string payload(random.below(random.chance(1, 8) ? 400 : 60), 'a');
        for (char& c : payload) {
            c = static_cast<char>(random.next());
        }
        batch.entries.push_back({Index(++last), Term(term), 0, SharedBytes::copy(payload)});
    }
    if (random.chance(1, 3) || Log::staged_bytes_of(batch) == 0) {
        batch.hard_state = SharedBytes::copy("hard " + std::to_string(random.below(100)));
    }
    if (random.chance(1, 10)) {
        batch.configuration = SharedBytes::copy("members " + std::to_string(random.below(100)));
    }
    return batch;
}

// A log on a simulated disk, opened again after each crash.
struct Bench {
    std::unique_ptr<sim::SimDisk> disk = std::make_unique<sim::SimDisk>();
    std::unique_ptr<Log> log;
    LogOptions options = tiny_options();

    Bench() { open(); }
    void open() {
        auto opened = Log::open(*disk, options);
        ASSERT_TRUE(opened.has_value()) << opened.error().text();
        log = *std::move(opened);
    }
    void reopen(std::unique_ptr<sim::SimDisk> next) {
        log.reset();
        disk = std::move(next);
        open();
    }
    void power_loss() {
        reopen(disk->crash([](std::size_t) { return false; }, 0));
    }
    tl::expected<void, LogError> append(const Batch& batch) {
        const auto staged = log->stage(batch);
        if (!staged) {
            return tl::unexpected(staged.error());
        }
        auto done = log->commit();
        log->run_jobs();
        return done;
    }
};

}  // namespace causeway::wal
