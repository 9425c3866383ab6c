// Entries of any bytes: cut short, changed, or random. They never stop the machine, and what it
// makes of them still balances.
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "test/core/state/audit.h"
#include "test/core/state/rig.h"
#include "test/core/state/workload.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::state {
namespace {

void change(Random& random, std::string& bytes) {
    if (bytes.size() <= kEntryHeaderBytes) {
        return;
    }
    // The version and the time are left alone: a time far ahead ends everything at once.
    const std::size_t at = random.between(kEntryHeaderBytes, bytes.size());
    switch (random.below(4)) {
        case 0:
            bytes.resize(at);
            break;
        case 1:
            bytes[at] = static_cast<char>(random.next());
            break;
        case 2:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
            break;
        default:
            bytes.insert(at, 1 + random.below(4), static_cast<char>(random.next()));
            break;
    }
}

TEST(BadEntries, ChangedBytesDoNoHarm) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        sim::MemoryKv kv;
        Machine machine(kv);
        ASSERT_TRUE(machine.load().has_value());
        Workload workload(seed);
        for (std::uint64_t i = 1; i <= 100; ++i) {
            std::string bytes = workload.entry(machine);
            for (std::uint64_t n = random.below(3); n != 0; --n) {
                change(random, bytes);
            }
            Outputs out;
            machine.apply(Index(i), SharedBytes::copy(bytes), out);
            machine.commit();
            workload.observe(out);
            ASSERT_EQ(audit(kv, machine), "") << "entry " << i;
        }
        Machine again(kv);
        ASSERT_TRUE(again.load().has_value());
        EXPECT_EQ(to_text(again.statistics()), to_text(machine.statistics()));
    }
}

TEST(BadEntries, RandomBytesDoNoHarm) {
    Random random(1);
    sim::MemoryKv kv;
    Machine machine(kv);
    ASSERT_TRUE(machine.load().has_value());
    for (std::uint64_t i = 1; i <= 20'000; ++i) {
        std::string command;
        for (std::uint64_t n = random.below(30); n != 0; --n) {
            command.push_back(static_cast<char>(random.chance(1, 2) ? random.below(4) : random.next()));
        }
        std::string bytes;
        begin_entry(i, bytes);
        if (!command.empty()) {
            command[0] = static_cast<char>(random.below(22));
        }
        append_frame(command, bytes);
        Outputs out;
        machine.apply(Index(i), SharedBytes::copy(bytes), out);
    }
    machine.commit();
    EXPECT_EQ(audit(kv, machine), "");
}

TEST(BadEntries, ADamagedTableIsAnErrorOfLoad) {
    Rig rig(Rig::Mode::kLive);
    const StreamId s = rig.hello(1);
    const std::uint64_t epoch = rig.open(s, "c", 1);
    rig.subscribe(s, epoch, "t", 1);
    rig.publish("t", "x");
    rig.run(0, QueueSend{"q", "", "x", 0});
    const sim::MemoryKv::Table table = rig.kv().committed();
    std::size_t refused = 0;
    for (const auto& [key, value] : table) {
        sim::MemoryKv kv;
        for (const auto& [other, content] : table) {
            kv.put(other, other == key ? std::string_view(content).substr(0, content.size() / 2)
                                       : std::string_view(content));
        }
        kv.commit(Index(9));
        Machine machine(kv);
        const auto loaded = machine.load();
        refused += loaded.has_value() ? 0 : 1;
        if (!loaded) {
            EXPECT_FALSE(loaded.error().message.empty());
        }
    }
    EXPECT_GE(refused, 5U) << "meta, stream, session, queue, inbox item";
}

}  // namespace
}  // namespace causeway::state
