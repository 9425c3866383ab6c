#include "core/wal/writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "test/core/wal/model.h"

namespace causeway::wal {
namespace {

// A SimDisk for several threads, with syncs that can be held up.
class LockedDisk final : public Disk {
public:
    class File final : public DiskFile {
    public:
        File(LockedDisk& disk, std::shared_ptr<DiskFile> file)
            : disk_(disk), file_(std::move(file)) {}
        DiskResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) override {
            const std::lock_guard lock(disk_.mutex);
            return file_->read(offset, out, size);
        }
        DiskResult<> write(std::uint64_t offset, std::string_view bytes) override {
            const std::lock_guard lock(disk_.mutex);
            return file_->write(offset, bytes);
        }
        DiskResult<> allocate(std::uint64_t size) override {
            const std::lock_guard lock(disk_.mutex);
            return file_->allocate(size);
        }
        DiskResult<> sync() override {
            std::unique_lock lock(disk_.mutex);
            disk_.released.wait(lock, [&] { return !disk_.hold; });
            return file_->sync();
        }
        DiskResult<std::uint64_t> size() override {
            const std::lock_guard lock(disk_.mutex);
            return file_->size();
        }

    private:
        LockedDisk& disk_;
        std::shared_ptr<DiskFile> file_;
    };

    DiskResult<std::vector<std::string>> list() override {
        const std::lock_guard lock(mutex);
        return sim->list();
    }
    DiskResult<std::shared_ptr<DiskFile>> open(std::string_view name) override {
        const std::lock_guard lock(mutex);
        return wrap(sim->open(name));
    }
    DiskResult<std::shared_ptr<DiskFile>> create(std::string_view name) override {
        const std::lock_guard lock(mutex);
        return wrap(sim->create(name));
    }
    DiskResult<> rename(std::string_view from, std::string_view to) override {
        const std::lock_guard lock(mutex);
        return sim->rename(from, to);
    }
    DiskResult<> remove(std::string_view name) override {
        const std::lock_guard lock(mutex);
        return sim->remove(name);
    }
    DiskResult<> sync_directory() override {
        const std::lock_guard lock(mutex);
        return sim->sync_directory();
    }
    DiskResult<std::uint64_t> free_bytes() override { return sim->free_bytes(); }

    void set_hold(bool on) {
        const std::lock_guard lock(mutex);
        hold = on;
        released.notify_all();
    }

    std::mutex mutex;
    std::condition_variable released;
    bool hold = false;
    std::unique_ptr<sim::SimDisk> sim = std::make_unique<sim::SimDisk>();

private:
    DiskResult<std::shared_ptr<DiskFile>> wrap(DiskResult<std::shared_ptr<DiskFile>> file) {
        if (!file) {
            return file;
        }
        return std::make_shared<File>(*this, *std::move(file));
    }
};

struct Fixture {
    explicit Fixture(WriterOptions options = {}) {
        options.retry_ms = 5;
        auto log = Log::open(disk, tiny_options());
        writer = std::make_unique<Writer>(disk, *std::move(log), options);
    }
    // Everything appended before is completed when this returns.
    void drain() {
        std::promise<void> done;
        Batch nothing;
        nothing.group = GroupId(99);
        nothing.hard_state = SharedBytes::copy("x");
        ASSERT_TRUE(writer->append(nothing, [&](const AppendOutcome&) { done.set_value(); }));
        done.get_future().wait();
        while (writer->status().log.free_reserve_bytes < 4096) {  // The next segment is being made.
            std::this_thread::yield();
        }
    }
    LockedDisk disk;
    std::unique_ptr<Writer> writer;
};

TEST(Writer, CompletesInOrderAndDurably) {
    Fixture fixture;
    constexpr std::uint64_t kPerGroup = 300;
    std::vector<std::uint64_t> completed;  // Touched on the writer thread only, until stop().
    std::vector<std::thread> threads;
    for (std::uint32_t group = 1; group <= 3; ++group) {
        threads.emplace_back([&, group] {
            for (std::uint64_t index = 1; index <= kPerGroup; ++index) {
                Batch batch = entries(group, index, {"payload"});
                if (index > 5) {
                    batch.compaction = CompactionPoint{Index(index - 5), Term(1)};
                }
                ASSERT_TRUE(fixture.writer->append(batch, [&](const AppendOutcome& outcome) {
                    EXPECT_TRUE(outcome.result.has_value());
                    completed.push_back(outcome.seq.value());
                }));
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    fixture.writer->stop();
    ASSERT_EQ(completed.size(), 3 * kPerGroup);
    for (std::size_t i = 0; i < completed.size(); ++i) {
        EXPECT_EQ(completed[i], i + 1);
    }
    EXPECT_EQ(fixture.writer->status().queued_bytes, 0U);
    EXPECT_LT(fixture.writer->status().log.batches, 3 * kPerGroup);
    fixture.writer.reset();
    auto image = fixture.disk.sim->crash([](std::size_t) { return false; }, 0);
    const auto log = Log::open(*image, tiny_options());
    ASSERT_TRUE(log.has_value());
    for (const GroupSummary& group : (*log)->groups()) {
        EXPECT_EQ(group.last, Index(kPerGroup));
    }
}

TEST(Writer, NothingCompletesBeforeItsSync) {
    Fixture fixture;
    fixture.drain();
    fixture.disk.set_hold(true);
    std::atomic<int> completed = 0;
    std::latch done(8);
    for (std::uint64_t index = 1; index <= 8; ++index) {
        ASSERT_TRUE(fixture.writer->append(entries(1, index, {"x"}), [&](const AppendOutcome&) {
            ++completed;
            done.count_down();
        }));
    }
    EXPECT_EQ(completed, 0);
    EXPECT_EQ(fixture.writer->status().queued_count, 8U);
    const std::uint64_t before = fixture.writer->status().log.batches;
    fixture.disk.set_hold(false);
    done.wait();
    // At most one batch was under way; the rest went together.
    EXPECT_LE(fixture.writer->status().log.batches - before, 2U);
}

TEST(Writer, TheQueueIsBounded) {
    Fixture fixture(WriterOptions{.queue_bytes_max = 1000});
    fixture.drain();
    fixture.disk.set_hold(true);
    std::uint64_t index = 1;
    tl::expected<AppendSeq, AppendRefusal> outcome;
    while ((outcome = fixture.writer->append(entries(1, index, {"0123456789"}),
                                             [](const AppendOutcome&) {}))) {
        ASSERT_LT(++index, 100U);
    }
    EXPECT_EQ(outcome.error(), AppendRefusal::kQueueFull);
    EXPECT_LE(fixture.writer->status().queued_bytes, 1000U);
    EXPECT_GT(fixture.writer->status().queued_bytes, 800U);
    fixture.disk.set_hold(false);
    fixture.writer->stop();
    EXPECT_EQ(fixture.writer->log().groups().front().last, Index(index - 1));
}

TEST(Writer, TooLargeAndStoppedAreRefused) {
    Fixture fixture;
    const auto ignore = [](const AppendOutcome&) {};
    EXPECT_EQ(fixture.writer->append(entries(1, 1, {std::string(5000, 'x')}), ignore).error(),
              AppendRefusal::kTooLarge);
    fixture.writer->stop();
    EXPECT_EQ(fixture.writer->append(entries(1, 1, {"x"}), ignore).error(),
              AppendRefusal::kStopped);
}

TEST(Writer, WaitsForSpaceWithoutLosingOrder) {
    Fixture fixture;
    {
        const std::lock_guard lock(fixture.disk.mutex);
        fixture.disk.sim->set_capacity(2 * 4096);
    }
    std::latch done(40);
    std::uint64_t next = 1;
    for (std::uint64_t index = 1; index <= 40; ++index) {
        ASSERT_TRUE(fixture.writer->append(entries(1, index, {std::string(400, 'x')}),
                                           [&, index](const AppendOutcome& outcome) {
                                               EXPECT_TRUE(outcome.result.has_value());
                                               EXPECT_EQ(next++, index);
                                               done.count_down();
                                           }));
    }
    WriterStatus status;
    while (!status.stalled || status.log.prepare_error.empty()) {
        std::this_thread::yield();
        status = fixture.writer->status();
    }
    {
        const std::lock_guard lock(fixture.disk.mutex);
        fixture.disk.sim->set_capacity(1U << 20);
    }
    done.wait();
    EXPECT_FALSE(fixture.writer->status().stalled);
}

TEST(Writer, StopsWhileThereIsNoSpace) {
    Fixture fixture;
    fixture.disk.sim->set_capacity(2 * 4096);
    int failed = 0;
    for (std::uint64_t index = 1; index <= 40; ++index) {
        ASSERT_TRUE(fixture.writer->append(
            entries(1, index, {std::string(400, 'x')}),
            [&](const AppendOutcome& outcome) { failed += outcome.result ? 0 : 1; }));
    }
    fixture.writer->stop();
    EXPECT_GT(failed, 0);
}

TEST(Writer, AFailedSyncFailsEverythingAfterIt) {
    Fixture fixture;
    fixture.drain();
    {
        const std::lock_guard lock(fixture.disk.mutex);
        fixture.disk.sim->fail_sync();
    }
    std::latch done(5);
    for (std::uint64_t index = 1; index <= 5; ++index) {
        ASSERT_TRUE(
            fixture.writer->append(entries(1, index, {"x"}), [&](const AppendOutcome& outcome) {
                EXPECT_FALSE(outcome.result.has_value());
                EXPECT_EQ(outcome.result.error().fault, LogFault::kIo);
                done.count_down();
            }));
    }
    done.wait();
    EXPECT_TRUE(fixture.writer->status().log.failed);
}

TEST(Writer, ReadsFromOtherThreadsWhileSegmentsAreRecycled) {
    Fixture fixture;
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> reads = 0;
    std::thread reader([&] {
        while (!stop) {
            for (const GroupSummary& group : fixture.writer->log().groups()) {
                const auto read = fixture.writer->log().read(group.group, group.last, 100);
                if (read) {
                    ++reads;
                } else {
                    EXPECT_EQ(read.error().fault, LogFault::kNotFound);
                }
            }
        }
    });
    for (std::uint64_t index = 1; index <= 500; ++index) {
        Batch batch = entries(1, index, {std::string(300, 'x')});
        batch.compaction = CompactionPoint{Index(index - 1), Term(1)};
        while (!fixture.writer->append(batch, [](const AppendOutcome&) {})) {
            std::this_thread::yield();
        }
    }
    fixture.drain();
    while (reads == 0) {
        std::this_thread::yield();
    }
    stop = true;
    reader.join();
    EXPECT_EQ(fixture.writer->log().groups().front().last, Index(500));
}

}  // namespace
}  // namespace causeway::wal
