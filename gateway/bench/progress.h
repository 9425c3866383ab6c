// The progress line on standard error, about once a second.
#pragma once

#include <cstdint>

#include "gateway/bench/outcome.h"
#include "gateway/bench/plan.h"

namespace causeway::bench {

class Progress {
public:
    Progress(const Plan& plan, std::uint64_t now_ns);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // Effect: writes a line if the last one is a second old; on a terminal over the last one.
    void show(const Counters& counters, std::uint64_t now_ns);
    // Effect: a line of its own.
    void say(const char* text, std::uint64_t count);

private:
    void end_line();

    const Plan& plan_;
    bool terminal_;
    bool open_line_ = false;
    std::uint64_t begin_ns_;
    std::uint64_t shown_ns_;
    Counters shown_;
};

}  // namespace causeway::bench
