// Appends per second of the write-ahead log on a real disk: N appends of 1 KiB are handed to the
// writer at once and waited for. Not run by ctest. Run it from the bench preset, with TMPDIR on the
// disk in question.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <latch>
#include <string>

#include "core/wal/posix_disk.h"
#include "core/wal/writer.h"

namespace causeway::wal {
namespace {

void appends(benchmark::State& state) {
    const auto batch_size = static_cast<std::uint64_t>(state.range(0));
    std::string directory = (std::filesystem::temp_directory_path() / "wal-bench-XXXXXX").string();
    if (::mkdtemp(directory.data()) == nullptr) {
        state.SkipWithError("no temporary directory");
        return;
    }
    auto disk = PosixDisk::open(directory);
    auto log = disk ? Log::open(**disk, LogOptions{}) : tl::unexpected(LogError{});
    if (!log) {
        state.SkipWithError("the log cannot be opened");
        return;
    }
    {
        Writer writer(**disk, *std::move(log), WriterOptions{});
        const SharedBytes payload = SharedBytes::copy(std::string(1024, 'x'));
        std::uint64_t index = 0;
        for (auto _ : state) {
            std::latch done(static_cast<std::ptrdiff_t>(batch_size));
            for (std::uint64_t i = 0; i < batch_size; ++i) {
                ++index;
                Batch batch;
                batch.group = GroupId(1);
                batch.entries.push_back(Entry{Index(index), Term(1), 0, payload});
                if (index % 4096 == 0) {
                    batch.compaction = CompactionPoint{Index(index - 1), Term(1)};
                }
                if (!writer.append(std::move(batch),
                                   [&done](const AppendOutcome&) { done.count_down(); })) {
                    done.count_down();
                }
            }
            done.wait();
        }
        state.SetItemsProcessed(static_cast<std::int64_t>(index));
        const LogStatus status = writer.status().log;
        state.counters["bytes_per_append"] =
            static_cast<double>(status.bytes_written) / static_cast<double>(index);
        state.counters["appends_per_sync"] =
            static_cast<double>(index) / static_cast<double>(status.batches);
    }
    std::filesystem::remove_all(directory);
}

BENCHMARK(appends)->Arg(1)->Arg(16)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace causeway::wal
