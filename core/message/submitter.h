// The Submitter port: what one gateway loop sees of the core. Implemented by cluster/node; tests
// and the simulator have their own. An instance belongs to one loop and is used on its thread only.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/message/command.h"
#include "core/message/output.h"

namespace causeway {

// Where a command's result goes: a connection {slot, generation} of the loop, and a word of its
// own.
struct CommandTag {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    std::uint64_t token = 0;
};

// Receives what comes back, on the loop's thread, never from inside a call of the Submitter.
class SubmitterEvents {
public:
    virtual ~SubmitterEvents() = default;
    virtual void on_result(const CommandTag& tag, ResultCode code, std::string_view detail) = 0;
    // Deliveries and takeovers of one stream, in order. Messages may be kept by copying
    // SharedBytes.
    virtual void on_outputs(StreamOutputs& outputs) = 0;
    // The window opened again after has_room() was false.
    virtual void on_room() = 0;
    // The core declared this loop dead: every session here is lost; a new stream is opened by
    // itself.
    virtual void on_stream_lost() = 0;
    // The home sets have a leader (again), or have had none for more than 2 s.
    virtual void on_available(bool available) = 0;
};

class Submitter {
public:
    virtual ~Submitter() = default;

    // Effect: queues one command for the set that owns `key` (a client id for session commands, a
    // topic for a publish). Sent at flush(). Each command's result comes back exactly once and in
    // order through on_result, unless the stream is lost first.
    // `command` is an encoded command whose stream and seq are zero; they are filled in here.
    virtual void submit(std::string_view key, std::string_view command, const CommandTag& tag) = 0;

    // Effect: notes that a client has acknowledged inbox items. Sent lazily, many sessions in one
    // command: within 20 ms, or at the next flush() when `urgent` (the client's window is half used
    // up) or 256 ranges wait.
    virtual void acknowledge(std::string_view client_id, const AckRange& range, bool urgent) = 0;

    // Effect: queues a QoS 0 publish: no number, no log, no result.
    virtual void submit_unlogged(std::string_view key, const Publish& publish) = 0;

    // False: 4,096 commands or 4 MiB are unanswered. Stop reading sockets until on_room().
    [[nodiscard]] virtual bool has_room() const = 0;

    // False: no leader of the home set for more than 2 s; refuse CONNECT with 0x88.
    [[nodiscard]] virtual bool available() const = 0;

    // Effect: hands what was queued to the core. Call at the end of the loop turn.
    virtual void flush() = 0;
};

}  // namespace causeway
