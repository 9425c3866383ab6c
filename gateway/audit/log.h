// The audit log of a node: an append-only file of records in a directory of its own, on a thread of
// its own. A record is synced before whoever appended it is told. At a size the next file is begun,
// and the oldest beyond a count are deleted; the chain goes on over files.
//
// Made and destroyed on one thread; the destructor writes what was appended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/base/result.h"
#include "gateway/audit/record.h"

namespace causeway::audit {

struct LogOptions {
    std::string directory;
    std::string node;
    std::uint64_t file_bytes_max = 64U << 20;
    std::uint32_t files_max = 16;
    std::size_t waiting_max = 4'096;  // appended and not yet written
};

struct Page {
    std::vector<std::string> lines;  // without line breaks
    Head head;                       // of the whole log
    std::uint64_t first = 0;         // number of the oldest record kept; 0: there is none
};

class Log {
public:
    // Effect: opens or begins the log. What a crash left of a line nobody was told of is cut off.
    // Errors: the directory cannot be used; its newest file is damaged. One line that says what to
    // do.
    static Result<std::unique_ptr<Log>> open(const LogOptions& options);
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Effect: appends the event; then `done` is called with its number, or 0: it is not in the log,
    // because the disk refused it or too many wait. On the log's thread, or within this call when
    // too many wait. Any thread; records of one thread stay in order.
    using Done = absl::AnyInvocable<void(std::uint64_t seq)>;
    void append(Event event, Done done);

    // Effect: `take` is called with at most `max` (up to 1,000) records from number `from` on; 0:
    // the newest. On the log's thread. Any thread.
    using Take = absl::AnyInvocable<void(Page page)>;
    void read(std::uint64_t from, std::size_t max, Take take);

private:
    class Writer;
    explicit Log(std::unique_ptr<Writer> writer);
    std::unique_ptr<Writer> writer_;
};

// What following the chain over all files of a directory gave.
struct Verified {
    std::size_t files = 0;
    std::uint64_t records = 0;
    std::uint64_t first = 0;
    Head head;
    std::string problem;  // "FILE:LINE: what"; empty: sound
};
// Effect: reads every file. Errors: there is no such directory, or no log in it.
Result<Verified> verify(const std::string& directory);

}  // namespace causeway::audit
