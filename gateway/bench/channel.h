// Frames between the coordinator and one of its processes, over a Unix socket pair. Both ends are
// the same program; a frame is length, kind, bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.h"

namespace causeway::bench {

enum class FrameKind : std::uint8_t {
    kProgress,  // Worker: its Counters so far.
    kReady,     // Worker: every client is connected or has failed. Counters.
    kResult,    // Worker: its Outcome; the last frame.
    kConnect,   // Coordinator: u64, how many clients of all may connect by now.
    kGo,        // Coordinator: u64 CLOCK_MONOTONIC at which the warm-up begins.
    kStop,      // Coordinator: disconnect, report, end.
};

struct Frame {
    FrameKind kind = FrameKind::kProgress;
    std::string bytes;
};

// Owns one end. One thread.
class Channel {
public:
    static constexpr std::size_t kFrameBytesMax = 16 * 1024 * 1024;

    // Two connected ends.
    static Result<std::pair<Channel, Channel>> make_pair();
    Channel() = default;
    Channel(Channel&& other) noexcept;
    Channel& operator=(Channel&& other) noexcept;
    ~Channel();

    // Effect: sends; waits while the other end's buffer is full. No effect once it is closed.
    void send(FrameKind kind, std::string_view bytes);
    // Effect: the next frame that is here; does not wait. Nothing when there is none yet, or when
    // the other end is gone (see closed()).
    std::optional<Frame> receive();
    // The other end is gone and every frame of it was received.
    [[nodiscard]] bool closed() const { return closed_; }
    [[nodiscard]] int fd() const { return fd_; }

private:
    explicit Channel(int fd) : fd_(fd) {}
    std::optional<Frame> take_frame();

    int fd_ = -1;
    bool closed_ = false;
    std::string buffer_;
};

}  // namespace causeway::bench
