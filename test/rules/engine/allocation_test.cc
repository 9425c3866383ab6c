// A rule that does not fire costs no heap allocation once the evaluator is warm. This program
// counts every operator new, so it stands alone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "test/rules/engine/fixture.h"

namespace {
std::atomic<std::size_t> allocations{0};
}

namespace {
// Not inlined: the compiler would see free() meet operator new and warn.
[[gnu::noinline]] void* counted(std::size_t size) {
    ++allocations;
    return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void release(void* memory) { std::free(memory); }
}  // namespace

// Every unaligned form: what one of them allocates another one may free, also inside libraries.
void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }

namespace causeway::rules {
namespace {

TEST(Allocation, NoneForARuleThatDoesNotFire) {
    Bench bench(R"x([
        {"id": "a", "sql": "SELECT topic(2) AS d, payload.temp AS t FROM 'plant/+/up' WHERE payload.temp > 30 AND payload.list[2].x IN (1, 2)",
         "actions": [{"queue": {"name": "q"}}]},
        {"id": "b", "sql": "SELECT upper(payload.name) AS n FROM 'plant/#' WHERE n LIKE 'X%' OR regexp_matches(payload.name, '^q+$')",
         "actions": [{"queue": {"name": "q"}}]},
        {"id": "c", "sql": "SELECT 1 AS x FROM '#' WHERE payload.tags = ['a', 'b']", "actions": [{"queue": {"name": "q"}}]}])x");
    const std::string payload =
        R"({"temp": 29.5, "name": "pump", "list": [{"x": 1}, {"x": 2}], "tags": ["a", "c"]})";
    const MessageView message = message_on("plant/7/up", payload);
    const EvalContext context{.now_ms = 1, .random = bench.random()};
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(bench.run(message, context).outputs.empty());
    }
    const std::size_t before = allocations;
    for (int i = 0; i < 100; ++i) {
        static_cast<void>(bench.run(message, context));
    }
    EXPECT_EQ(allocations, before);
    EXPECT_EQ(bench.counters(0).no_result, 103U);
}

// The count itself works.
TEST(Allocation, OutputsAreCounted) {
    Bench bench(
        R"({"id": "a", "sql": "SELECT payload.temp AS temperature_of_it FROM '#'", "actions": [{"queue": {"name": "q"}}]})");
    const std::size_t before = allocations;
    EXPECT_EQ(bench.run("a", R"({"temp": 1})").outputs.size(), 1U);
    EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace causeway::rules
