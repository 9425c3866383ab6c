// One libuv loop per thread. Everything a thread owns (streams, timers, listeners, machines) hangs
// on its loop and is touched by that thread only; other threads reach it through post() or a
// Mailbox.
//
// One turn: timers, socket callbacks and mailboxes enqueue work; then the turn-end hooks step the
// machines in the order they were added; then every stream with output is flushed once; then the
// loop blocks. A hook that leaves work behind calls again() and is not left waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <absl/functional/any_invocable.h>

#include "core/base/time.h"

namespace causeway::io {

using Task = absl::AnyInvocable<void()>;

class Loop;
struct LoopState;

// Keeps a turn-end hook registered; destroying it (on the loop's thread, also from within a hook)
// ends the calls. Must not outlive its loop.
class TurnHook {
public:
    TurnHook() = default;
    TurnHook(TurnHook&& other) noexcept;
    TurnHook& operator=(TurnHook&& other) noexcept;
    ~TurnHook();

private:
    friend class Loop;
    TurnHook(LoopState* state, std::uint64_t id) : state_(state), id_(id) {}
    void reset();

    LoopState* state_ = nullptr;
    std::uint64_t id_ = 0;
};

// What a Mailbox is to its loop.
class MailboxBase {
public:
    virtual ~MailboxBase() = default;
    // Called on the loop's thread once per wake-up.
    virtual void drain() = 0;
};

// Life cycle: made anywhere, run() on one thread, destroyed after run() returned and after all that
// was made on it (streams, listeners, timers, signal watchers, mailboxes) was destroyed. Making the
// first Loop makes the process ignore SIGPIPE.
class Loop {
public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Effect: runs turns on the calling thread until stop(). May be called again afterwards.
    void run();
    // Effect: one turn; blocks until something happens. For tests and tools that own their loop.
    void turn();
    // Effect: run() returns after the current turn. Any thread; also before run().
    void stop();
    // Effect: runs `task` on the loop's thread, in the order of the posts of one thread. Any
    // thread. Tasks still queued when the loop is destroyed are destroyed without being run.
    void post(Task task);
    // The boot clock now (the same as SystemClock::mono_ms). Any thread.
    [[nodiscard]] MonoMs now_ms() const;

    // Effect: calls `hook` once at the end of every turn, after hooks added before it and before
    // the streams are flushed. Loop thread, or before run().
    [[nodiscard]] TurnHook at_turn_end(Task hook);
    // Effect: the loop does not block before its next turn end. Loop thread.
    void again();
    // Effect: of the TLS handshakes with clients whose next bytes are here, so many go on in a
    // turn; the rest keeps its bytes in the kernel until a later one. Loop thread, or before run().
    void set_handshakes_per_turn(unsigned count);

    // For the files of core/io only.
    [[nodiscard]] LoopState& state() { return *state_; }
    // Effect: `mailbox` is drained in a coming turn. Any thread.
    void notify(MailboxBase* mailbox);
    // Effect: `mailbox` will not be drained any more. Loop thread, or while the loop does not run.
    void forget(MailboxBase* mailbox);

private:
    std::unique_ptr<LoopState> state_;
};

}  // namespace causeway::io
