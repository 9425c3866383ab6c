// Crash and restart change nothing: a machine rebuilt from any flushed table that replays the rest
// of the log gives the same outputs and, at every commit, the same table, byte by byte, as one that
// lived on. So load() rebuilds exactly what lived in memory, and no result depends on where commits
// fell. The counters balance after every entry (promise 6). CAUSEWAY_SEEDS sets how many seeds.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/core/state/audit.h"
#include "test/core/state/rig.h"
#include "test/core/state/workload.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::state {
namespace {

constexpr std::uint64_t kEntries = 120;

std::uint64_t seeds() {
    const char* text = std::getenv("CAUSEWAY_SEEDS");
    return text == nullptr ? 60 : std::strtoull(text, nullptr, 10);
}

// What one entry did to the machine that lived on.
struct Step {
    SharedBytes entry;
    std::string outputs;
    std::string statistics;
    SetMs next_timer = 0;
    bool has_work = false;
    sim::MemoryKv::Table table;
};

struct Totals {
    std::uint64_t restarts = 0;
    std::uint64_t restarts_with_work = 0;
    std::uint64_t deliveries = 0;
    std::uint64_t purged = 0;
    std::uint64_t evicted = 0;
    std::uint64_t expired = 0;
    std::uint64_t dead_lettered = 0;
    std::uint64_t wills = 0;
    std::uint64_t from_peers = 0;
    std::uint64_t for_peers = 0;
    std::uint64_t timed_out = 0;
};

std::vector<Step> live(std::uint64_t seed, Totals& totals) {
    sim::MemoryKv kv;
    Machine machine(kv);
    EXPECT_TRUE(machine.load().has_value());
    Workload workload(seed);
    std::vector<Step> steps(kEntries);
    for (std::uint64_t i = 0; i < kEntries; ++i) {
        Step& step = steps[i];
        step.entry = SharedBytes::copy(workload.entry(machine));
        Outputs out;
        machine.apply(Index(i + 1), step.entry, out);
        machine.commit();
        workload.observe(out);
        const std::string faults = audit(kv, machine);
        EXPECT_EQ(faults, "") << "seed " << seed << " entry " << i + 1;
        if (!faults.empty()) {
            break;
        }
        step.outputs = to_text(out);
        step.statistics = to_text(machine.statistics());
        step.next_timer = machine.next_timer();
        step.has_work = machine.has_work();
        step.table = kv.committed();
        for (const StreamOutputs& stream : out.streams) {
            totals.deliveries += stream.deliveries.size();
        }
    }
    const Counters counters = machine.statistics().counters;
    totals.purged += counters.inbox_session_ended;
    totals.evicted += counters.inbox_evicted + counters.queue_evicted + counters.sink_evicted;
    totals.expired += counters.inbox_expired + counters.queue_expired;
    totals.dead_lettered += counters.queue_dead_lettered + counters.sink_dead_lettered;
    totals.wills += counters.self_done;
    totals.from_peers += counters.peer_done;
    totals.for_peers += counters.peer_acknowledged;
    totals.timed_out += counters.subscribes_timed_out;
    return steps;
}

// The first key in which two tables differ, in hexadecimal.
std::string difference(const sim::MemoryKv::Table& a, const sim::MemoryKv::Table& b) {
    std::string key;
    for (const auto& [name, value] : a) {
        const auto found = b.find(name);
        if (found == b.end() || found->second != value) {
            key = name;
            break;
        }
    }
    for (const auto& [name, value] : b) {
        if (key.empty() && !a.contains(name)) {
            key = name;
        }
    }
    std::string text(1, key.empty() ? '?' : key[0]);
    for (const char byte : key) {
        constexpr char kDigits[] = "0123456789abcdef";
        text += {' ', kDigits[static_cast<unsigned char>(byte) >> 4], kDigits[byte & 15]};
    }
    return text;
}

class Restarting {
public:
    Restarting(const std::vector<Step>& steps, std::uint64_t seed)
        : steps_(steps), random_(seed * 7919 + 1) {}

    void run(Totals& totals) {
        load();
        while (next_ <= steps_.size() && !::testing::Test::HasFailure()) {
            apply();
            if (random_.chance(1, 4)) {
                commit();
            }
            if (random_.chance(1, 8)) {
                kv_.flush();
            }
            if (random_.chance(1, 10)) {
                ++totals.restarts;
                kv_.crash();
                load();
                totals.restarts_with_work += machine_->has_work() ? 1 : 0;
            }
        }
        commit();
    }

private:
    void load() {
        machine_ = std::make_unique<Machine>(kv_);
        ASSERT_TRUE(machine_->load().has_value());
        next_ = kv_.applied().value() + 1;
        if (next_ > 1) {
            expect_same(steps_[next_ - 2], "after load");
        }
    }
    void apply() {
        const Step& step = steps_[next_ - 1];
        Outputs out;
        machine_->apply(Index(next_), step.entry, out);
        EXPECT_EQ(to_text(out), step.outputs) << "outputs of entry " << next_;
        ++next_;
        expect_same(step, "after apply");
    }
    void commit() {
        machine_->commit();
        const auto& expected = steps_[next_ - 2].table;
        EXPECT_TRUE(kv_.committed() == expected)
            << "entry " << next_ - 1
            << ", first different key: " << difference(kv_.committed(), expected);
    }
    void expect_same(const Step& step, const char* when) {
        EXPECT_EQ(to_text(machine_->statistics()), step.statistics) << when << " " << next_ - 1;
        EXPECT_EQ(machine_->next_timer(), step.next_timer) << when << " " << next_ - 1;
        EXPECT_EQ(machine_->has_work(), step.has_work) << when << " " << next_ - 1;
    }

    const std::vector<Step>& steps_;
    Random random_;
    sim::MemoryKv kv_;
    std::unique_ptr<Machine> machine_;
    std::uint64_t next_ = 1;
};

TEST(Restart, FromAnyFlushedTableIsTheSameMachine) {
    Totals totals;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const std::vector<Step> steps = live(seed, totals);
        if (HasFailure()) {
            return;
        }
        Restarting(steps, seed).run(totals);
        if (HasFailure()) {
            return;
        }
    }
    // The runs reach what they are for.
    EXPECT_GT(totals.restarts, seeds());
    EXPECT_GT(totals.restarts_with_work, 0U);
    EXPECT_GT(totals.deliveries, seeds() * 10);
    EXPECT_GT(totals.purged, 0U);
    EXPECT_GT(totals.evicted, 0U);
    EXPECT_GT(totals.expired, 0U);
    EXPECT_GT(totals.dead_lettered, 0U);
    EXPECT_GT(totals.wills, 0U);
    EXPECT_GT(totals.from_peers, seeds());
    EXPECT_GT(totals.for_peers, seeds());
    EXPECT_GT(totals.timed_out, 0U);
}

}  // namespace
}  // namespace causeway::state
