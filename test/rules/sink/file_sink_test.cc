// FileSink and ConsoleSink, and the Batcher alone.
#include "rules/sink/file_sink.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "rules/sink/batcher.h"
#include "rules/sink/console_sink.h"
#include "rules/sink/http_request.h"
#include "test/core/io/support.h"

namespace causeway::rules {
namespace {

Delivery delivery(int n, std::string_view body) {
    std::string bytes;
    append_http_request({"", "", {}, body}, bytes);
    return {"1/s/" + std::to_string(n), SharedBytes::take(std::move(bytes))};
}

struct FileSinkTest : testing::Test {
    FileSinkTest() {
        char name[] = "/tmp/causeway-file-sink-XXXXXX";
        dir = ::mkdtemp(name);
    }
    ~FileSinkTest() override { std::filesystem::remove_all(dir); }

    std::unique_ptr<FileSink> make(std::uint64_t rotate_bytes = 1'000'000) {
        auto sink = FileSink::make(loop, {path(), rotate_bytes, 2});
        EXPECT_TRUE(sink) << sink.error().message;
        return sink ? std::move(*sink) : nullptr;
    }
    [[nodiscard]] std::string path() const { return dir + "/out.jsonl"; }
    static std::string text(const std::string& file) {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // One after the other, each when the last one is done.
    void deliver(FileSink& sink, std::string_view body) {
        const std::size_t before = outcomes.size();
        sink.deliver(delivery(1, body),
                     [this](DeliveryOutcome how) { outcomes.push_back(std::move(how)); });
        EXPECT_TRUE(io::run_until(loop, [&] { return outcomes.size() == before + 1; }));
    }

    io::Loop loop;
    std::string dir;
    std::vector<DeliveryOutcome> outcomes;
};

TEST_F(FileSinkTest, AppendsALineForEachDelivery) {
    const auto sink = make();
    int done = 0;
    for (int n = 0; n < 100; ++n) {
        sink->deliver(delivery(n, "{\"n\":" + std::to_string(n) + "}"),
                      [&](const DeliveryOutcome& how) {
                          done += how.kind == OutcomeKind::kDelivered ? 1 : 0;
                      });
    }
    EXPECT_EQ(sink->in_flight(), 100U);
    EXPECT_TRUE(io::run_until(loop, [&] { return done == 100; }));
    EXPECT_EQ(sink->in_flight(), 0U);
    std::string expected;
    for (int n = 0; n < 100; ++n) {
        expected += "{\"n\":" + std::to_string(n) + "}\n";
    }
    EXPECT_EQ(text(path()), expected);
}

TEST_F(FileSinkTest, GoesOnBehindWhatIsThereAndEndsATornLine) {
    std::ofstream(path()) << "{\"a\":1}\n{\"torn";
    const auto sink = make();
    deliver(*sink, "{}");
    EXPECT_EQ(text(path()), "{\"a\":1}\n{\"torn\n{}\n");
}

TEST_F(FileSinkTest, RotatesAndKeepsTheNewest) {
    const auto sink = make(10);
    for (const char* body : {"11111111", "22222222", "33333333", "44444444"}) {
        deliver(*sink, body);
    }
    EXPECT_EQ(text(path()), "44444444\n");
    EXPECT_EQ(text(path() + ".1"), "33333333\n");
    EXPECT_EQ(text(path() + ".2"), "22222222\n");
    EXPECT_FALSE(std::filesystem::exists(path() + ".3"));
}

TEST_F(FileSinkTest, TwoOnOneFileLoseNothing) {
    const auto one = make(40);
    const auto two = make(40);
    std::size_t lines = 0;
    for (int n = 0; n < 6; ++n) {
        deliver(n % 2 == 0 ? *one : *two, "{\"n\":" + std::to_string(n) + "}");
    }
    for (const std::string& file : {path(), path() + ".1", path() + ".2"}) {
        for (const char c : text(file)) {
            lines += c == '\n' ? 1 : 0;
        }
    }
    EXPECT_EQ(lines, 6U);
}

TEST_F(FileSinkTest, AFileThatWasTakenAwayIsMadeAgain) {
    const auto sink = make();
    deliver(*sink, "1");
    std::filesystem::remove(path());
    deliver(*sink, "2");
    EXPECT_EQ(text(path()), "2\n");
}

TEST_F(FileSinkTest, WhatCannotBeWrittenIsTriedAgain) {
    const auto sink = make();
    std::filesystem::remove_all(dir);
    deliver(*sink, "1");
    EXPECT_EQ(outcomes.at(0).kind, OutcomeKind::kRetry);
    EXPECT_TRUE(outcomes.at(0).reason.starts_with("file: cannot open ")) << outcomes[0].reason;
    std::filesystem::create_directory(dir);
    deliver(*sink, "1");
    EXPECT_EQ(outcomes.at(1).kind, OutcomeKind::kDelivered);
    EXPECT_EQ(text(path()), "1\n");
}

TEST_F(FileSinkTest, AFolderIsNoFile) {
    const auto sink = FileSink::make(loop, {dir, 1'000, 1});
    ASSERT_FALSE(sink);
    EXPECT_TRUE(sink.error().message.starts_with("file: ")) << sink.error().message;
}

TEST_F(FileSinkTest, ClosingIsAnUnknownOutcome) {
    auto sink = make();
    sink->deliver(delivery(1, "1"), [](const DeliveryOutcome&) { ADD_FAILURE(); });
    sink->close();
    EXPECT_EQ(sink->in_flight(), 0U);
    sink.reset();
    loop.post([] {});
    loop.turn();
}

TEST(ConsoleSinkTest, PrintsOneLine) {
    io::Loop loop;
    std::string printed;
    ConsoleSink sink(loop, [&](std::string_view line) { printed += line; });
    int done = 0;
    const auto count = [&](const DeliveryOutcome& how) {
        done += how.kind == OutcomeKind::kDelivered ? 1 : 0;
    };
    sink.deliver(delivery(7, "{\"a\":\"\n\x1b\"}"), count);
    EXPECT_EQ(sink.in_flight(), 1U);
    EXPECT_TRUE(io::run_until(loop, [&] { return done == 1; }));
    EXPECT_EQ(printed, "1/s/7 {\"a\":\"??\"}\n");
    sink.deliver(delivery(8, "1"), count);
    sink.close();
    loop.post([] {});
    loop.turn();
    EXPECT_EQ(done, 1);
}

BatchItem item(std::string_view body) {
    return {delivery(1, ""), body, [](DeliveryOutcome) {}};
}
HttpCall call(std::string url) { return {std::move(url), "POST", {}}; }

TEST(BatcherTest, AnItemThatDoesNotFitBeginsTheNextBatch) {
    Batcher batcher({10, 50, 20});
    EXPECT_TRUE(batcher.add(call("a"), item("1234567890"), 0).empty());
    const auto full = batcher.add(call("a"), item("1234567890"), 10);
    ASSERT_EQ(full.size(), 1U);
    EXPECT_EQ(full[0].items.size(), 1U);
    EXPECT_EQ(batcher.waiting(), 1U);
    EXPECT_EQ(batcher.next(), 60U);
    const auto two = batcher.add(call("a"), item(std::string_view("12345678901234567890")), 20);
    EXPECT_EQ(two.size(), 2U) << "what waited, and the large one alone";
    EXPECT_EQ(batcher.waiting(), 0U);
    EXPECT_FALSE(batcher.next());
}

TEST(BatcherTest, OnlyWhatGoesToOnePlaceIsTogether) {
    Batcher batcher({2, 50, 1'000});
    EXPECT_TRUE(batcher.add(call("a"), item("1"), 0).empty());
    EXPECT_TRUE(batcher.add(call("b"), item("2"), 5).empty());
    HttpCall other = call("a");
    other.headers.emplace_back("X", "y");
    EXPECT_TRUE(batcher.add(std::move(other), item("3"), 5).empty());
    EXPECT_EQ(batcher.add(call("a"), item("4"), 6).size(), 1U);
    EXPECT_TRUE(batcher.due(54).empty());
    EXPECT_EQ(batcher.due(55).size(), 2U);
    EXPECT_EQ(batcher.waiting(), 0U);
}

}  // namespace
}  // namespace causeway::rules
