// A sink that prints each delivery in one line: its id and its body, control characters as '?'. For
// looking at what rules make while they are written. Sink loop's thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include <absl/functional/any_invocable.h>

#include "core/io/loop.h"
#include "rules/sink/sink.h"

namespace causeway::rules {

class ConsoleSink final : public Sink {
public:
    // Gets a line with its end. What it does not take is lost: a console owes nothing.
    using Write = absl::AnyInvocable<void(std::string_view line)>;
    ConsoleSink(io::Loop& loop, Write write);
    // Destroyed on the loop's thread (or while the loop does not run), before the loop.
    ~ConsoleSink() override = default;

    void deliver(Delivery delivery, Completion completion) override;
    [[nodiscard]] std::size_t in_flight() const override { return in_flight_; }
    void close() override;

private:
    io::Loop& loop_;
    Write write_;
    std::size_t in_flight_ = 0;
    std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

}  // namespace causeway::rules
