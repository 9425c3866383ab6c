// The audit log on a real directory: what was appended is there, follows the one before, survives a
// restart and a torn tail; what was changed is noticed; files come and go by size and count.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/log.h"

namespace causeway::audit {
namespace {

class AuditLog : public ::testing::Test {
protected:
    AuditLog() {
        std::string name = ::testing::TempDir() + "/audit.XXXXXX";
        base = ::mkdtemp(name.data());
        options.directory = base + "/audit";
        options.node = "n1";
    }
    ~AuditLog() override { std::filesystem::remove_all(base); }

    std::unique_ptr<Log> open() {
        auto log = Log::open(options);
        EXPECT_TRUE(log) << log.error().message;
        return log ? std::move(*log) : nullptr;
    }
    static std::uint64_t append(Log& log, const std::string& action) {
        std::promise<std::uint64_t> number;
        Event event;
        event.who = "token:x";
        event.from = "127.0.0.1:9";
        event.action = action;
        log.append(event, [&](std::uint64_t seq) { number.set_value(seq); });
        return number.get_future().get();
    }
    static Page read(Log& log, std::uint64_t from, std::size_t max) {
        std::promise<Page> page;
        log.read(from, max, [&](Page found) { page.set_value(std::move(found)); });
        return page.get_future().get();
    }
    std::string text(std::uint64_t file) const {
        std::ifstream in(path_of(options.directory, file), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(std::uint64_t file, const std::string& bytes) const {
        std::ofstream(path_of(options.directory, file), std::ios::binary) << bytes;
    }

    std::string base;
    LogOptions options;
};

TEST_F(AuditLog, WhatIsAppendedIsThereAndFollows) {
    const auto log = open();
    for (int i = 1; i <= 5; ++i) {
        EXPECT_EQ(append(*log, "PUT /v1/products/p" + std::to_string(i)),
                  static_cast<std::uint64_t>(i));
    }
    const Page page = read(*log, 0, 2);
    ASSERT_EQ(page.lines.size(), 2U);
    EXPECT_NE(page.lines[1].find("\"action\":\"PUT /v1/products/p5\""), std::string::npos);
    EXPECT_EQ(page.head.seq, 5U);
    EXPECT_EQ(page.first, 1U);
    EXPECT_EQ(read(*log, 2, 100).lines.size(), 4U);
    EXPECT_TRUE(read(*log, 6, 100).lines.empty());
    const auto found = verify(options.directory);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->problem, "");
    EXPECT_EQ(found->records, 5U);
    EXPECT_EQ(found->head.hash, page.head.hash);
    struct stat file {};
    ASSERT_EQ(::stat(path_of(options.directory, 1).c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600U);
}

TEST_F(AuditLog, GoesOnAfterARestartAndATornTail) {
    {
        const auto log = open();
        append(*log, "one");
        append(*log, "two");
    }
    write(1, text(1) + R"({"hash":"0123)");
    {
        const auto log = open();
        EXPECT_EQ(append(*log, "three"), 3U);
    }
    const auto found = verify(options.directory);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->problem, "");
    EXPECT_EQ(found->records, 3U);
}

TEST_F(AuditLog, AnyChangeIsNoticed) {
    {
        const auto log = open();
        for (int i = 0; i < 4; ++i) {
            append(*log, "change " + std::to_string(i));
        }
    }
    const std::string good = text(1);
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = bad[at] == '7' ? '8' : '7';
        write(1, bad);
        EXPECT_NE(verify(options.directory)->problem, "") << at;
    }
    std::vector<std::size_t> ends;
    for (std::size_t at = good.find('\n'); at != std::string::npos; at = good.find('\n', at + 1)) {
        ends.push_back(at + 1);
    }
    write(1, good.substr(0, ends[0]) + good.substr(ends[1]));
    EXPECT_NE(verify(options.directory)->problem, "") << "one taken out";
    write(1, good.substr(0, ends[1]) + good.substr(ends[0]));
    EXPECT_NE(verify(options.directory)->problem, "") << "one put in twice";
    write(1, good.substr(0, good.size() - 5));
    EXPECT_NE(verify(options.directory)->problem, "") << "not whole";
    write(1, good);
    EXPECT_EQ(verify(options.directory)->problem, "");
}

TEST_F(AuditLog, ADamagedLogIsNotGoneOnWith) {
    {
        const auto log = open();
        append(*log, "one");
        append(*log, "two");
    }
    std::string bad = text(1);
    bad[bad.find("one")] = 'O';
    write(1, bad);
    const auto log = Log::open(options);
    ASSERT_FALSE(log);
    EXPECT_NE(log.error().message.find("damaged"), std::string::npos) << log.error().message;
}

TEST_F(AuditLog, FilesAreBoundedAndTheChainGoesOn) {
    options.file_bytes_max = 1'000;
    options.files_max = 3;
    {
        const auto log = open();
        for (int i = 0; i < 40; ++i) {
            append(*log, "change");
        }
        EXPECT_EQ(list_files(options.directory).size(), 3U);
        const Page page = read(*log, 0, 1'000);
        EXPECT_EQ(page.head.seq, 40U);
        EXPECT_GT(page.first, 1U);
        EXPECT_EQ(page.lines.size(), 40 - page.first + 1);
        EXPECT_EQ(read(*log, 1, 1'000).lines.size(), page.lines.size()) << "from the oldest kept";
    }
    const auto found = verify(options.directory);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->problem, "");
    EXPECT_EQ(found->head.seq, 40U);
    const auto log = open();
    EXPECT_EQ(append(*log, "after"), 41U);
}

TEST_F(AuditLog, TextsOfOthersStayInTheirPlace) {
    const auto log = open();
    append(*log, "GET /\",\"who\":\"admin\"}\n{\xff\x01" + std::string(100'000, 'x'));
    const auto found = verify(options.directory);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->problem, "");
    EXPECT_EQ(found->records, 1U);
    EXPECT_LT(read(*log, 0, 1).lines.at(0).size(), kLineBytesMax);
}

TEST_F(AuditLog, TooManyThatWaitAreRefusedAtOnce) {
    options.waiting_max = 0;
    const auto log = open();
    EXPECT_EQ(append(*log, "one"), 0U);
    EXPECT_EQ(read(*log, 0, 10).head.seq, 0U);
}

TEST_F(AuditLog, AChangeWaitsForOneReadAtMost) {
    std::vector<std::string> order;
    std::promise<void> queued;
    const std::future<void> all = queued.get_future();
    {
        const auto log = open();
        log->append({}, [&](std::uint64_t) { all.wait(); });
        for (int i = 0; i < 3; ++i) {
            log->read(0, 1, [&](const Page&) { order.emplace_back("read"); });
        }
        log->read(0, 1, [&](const Page&) { order.emplace_back("last read"); });
        log->append({}, [&](std::uint64_t) { order.emplace_back("change"); });
        queued.set_value();
    }
    // The read of the turn that was under way may be first.
    ASSERT_EQ(order.size(), 5U);
    EXPECT_TRUE(order[0] == "change" || order[1] == "change");
    EXPECT_EQ(order.back(), "last read");
}

}  // namespace
}  // namespace causeway::audit
