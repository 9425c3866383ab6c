// The insides of a Loop, seen by the files of core/io only.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/io/loop.h"
#include "core/io/output_queue.h"

namespace causeway::io {

class TcpStream;

inline constexpr std::size_t kReadBufferBytes = std::size_t{64} * 1024;
inline constexpr std::size_t kSpareQueuesMax = 64;
inline constexpr unsigned kHandshakesPerTurn = 4;  // About 3 ms on one core.

struct LoopState {
    uv_loop_t uv{};
    // Other threads' way in: an eventfd, not a uv_async_t, whose receiver spins for as long as a
    // sender is preempted between waking it and saying so.
    int wake_fd = -1;
    uv_poll_t wake{};
    uv_idle_t busy{};  // active: the loop does not block
    uv_prepare_t turn_end{};
    uv_timer_t linger_timer{};
    std::atomic<bool> stop_requested{false};

    std::mutex mutex;  // Guards the next three; everything below belongs to the loop's thread.
    std::vector<Task> posted;
    std::vector<MailboxBase*> ready;
    bool signalled = false;

    std::vector<Task> running;
    std::vector<MailboxBase*> draining;

    struct Hook {
        std::uint64_t id;
        Task run;
        bool removed = false;  // Swept when no hook runs.
    };
    struct {
        std::vector<std::unique_ptr<Hook>> hooks;
        bool running = false;
    } turn_hooks;
    std::uint64_t next_hook_id = 1;

    std::vector<TcpStream*> dirty;      // Streams to flush at the turn's end.
    std::vector<TcpStream*> flushing;   // The same while they are being flushed.
    std::deque<TcpStream*> late;        // Beyond a turn's share; first in, first out.
    std::uint32_t late_first = 0;       // The number of late.front().
    std::vector<TcpStream*> lingering;  // Ownerless streams that still send their last bytes.

    unsigned handshakes_per_turn = kHandshakesPerTurn;
    unsigned handshakes_left = kHandshakesPerTurn;  // In this turn.
    std::deque<TcpStream*> deferred;                // Handshakes that go on in a later turn.

    // One read buffer for all streams: libuv fills it and the owner's callback empties it before
    // the next read, so an idle connection holds no buffer.
    std::unique_ptr<char[]> read_buffer = std::make_unique_for_overwrite<char[]>(kReadBufferBytes);
    std::string cipher_scratch;
    std::vector<std::unique_ptr<OutputQueue>> spare_queues;

    // Effect: an empty queue, from the spares if there is one.
    std::unique_ptr<OutputQueue> take_queue();
    // Effect: keeps the emptied queue for the next stream, within kSpareQueuesMax.
    void give_queue(std::unique_ptr<OutputQueue> queue);
};

// Effect: the loop does not block before its next turn end. Loop thread (loop.cc).
void stay_awake(LoopState& state);
// Effect: the turn's one flush of every stream with output (tcp_write.cc).
void flush_streams(LoopState& state);
// Effect: lets as many deferred handshakes go on as a turn may have (tcp_stream.cc).
void resume_handshakes(LoopState& state);
// Effect: closes the ownerless streams at once (tcp_stream.cc).
void close_lingering(LoopState& state);

}  // namespace causeway::io
