// A sink that appends each delivery's body as a line to a file: JSON Lines, for what rules make is
// JSON (the rule set sees to it). A delivery is done when its line is fsynced; deliveries that come
// while the last ones are being written share the next write and fsync. A line that a crash or a
// full disk left half is ended before the next one.
//
// Writing is on a thread of its own; everything else on the sink loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/io/loop.h"
#include "rules/sink/sink.h"

namespace causeway::rules {

struct FileSinkOptions {
    std::string path;
    // A file that would become larger is renamed to path.1, that one to path.2, … and `keep` of
    // them are kept. One write is never split.
    std::uint64_t rotate_bytes = 67'108'864;
    std::uint32_t keep = 8;
};

class FileSink final : public Sink {
public:
    // Effect: opens the file, makes it if need be. Errors: one line: it cannot be opened or
    // written.
    static Result<std::unique_ptr<FileSink>> make(io::Loop& loop, const FileSinkOptions& options);
    // Waits for a write that is under way.
    ~FileSink() override;
    FileSink(const FileSink&) = delete;
    FileSink& operator=(const FileSink&) = delete;

    void deliver(Delivery delivery, Completion completion) override;
    [[nodiscard]] std::size_t in_flight() const override;
    void close() override;

private:
    struct Impl;
    explicit FileSink(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::rules
