// The Submitter port: what one gateway loop sees of the core. Implemented by cluster/node; tests
// and the simulator have their own. An instance belongs to one loop and is used on its thread only.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/tagged.h"
#include "core/message/command.h"
#include "core/message/output.h"
#include "core/message/records.h"

namespace causeway {

// Where a command's result goes: a connection {slot, generation} of the loop, and a word of its
// own.
struct CommandTag {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    std::uint64_t token = 0;

    bool operator==(const CommandTag&) const = default;
};

// Receives what comes back, on the loop's thread, never from inside a call of the Submitter.
class SubmitterEvents {
public:
    virtual ~SubmitterEvents() = default;
    virtual void on_result(const CommandTag& tag, ResultCode code, std::string_view detail) = 0;
    // The command's result will never be known: its stream was lost. Nothing may be answered, unless
    // it was never `sent`: then it is known not to have been performed.
    virtual void on_result_lost(const CommandTag& tag, bool sent) = 0;
    // Deliveries and takeovers of one stream, in order. Messages may be kept by copying
    // SharedBytes.
    virtual void on_outputs(const StreamOutputs& outputs) = 0;
    // Some window opened again after has_room() or submit() said false.
    virtual void on_room() = 0;
    // The stream to this set is lost: every session at home there is. A new stream is opened by
    // itself.
    virtual void on_home_lost(GroupId home) = 0;
};

class Submitter {
public:
    virtual ~Submitter() = default;

    // The set that owns `key`: the home of a client, or the set of a topic.
    [[nodiscard]] virtual GroupId home(std::string_view key) const = 0;

    // Effect: queues one command for the set that owns `key` (a client id for session commands, a
    // topic for a publish). Sent at flush(). Each command's result comes back exactly once, in
    // order per set, through on_result or on_result_lost. False: it was taken, but the window of
    // that set is full now: send nothing more that may need it until on_room().
    // `command` is an encoded command whose stream and seq are zero; they are filled in here.
    bool submit(std::string_view key, std::string_view command, const CommandTag& tag) {
        return submit_to(home(key), command, tag);
    }
    // The same for a set of the caller's choice, one of sets().
    virtual bool submit_to(GroupId set, std::string_view command, const CommandTag& tag) = 0;
    // Effect: nobody wants the command for the set that owns `key` any more. True: it was not sent
    // yet, will never be performed and has no result. False: it is performed or refused, whichever
    // comes first, and its result tells which.
    virtual bool withdraw(std::string_view key, const CommandTag& tag) = 0;
    // All sets, ascending.
    [[nodiscard]] virtual const std::vector<GroupId>& sets() const = 0;

    // Effect: notes that a client has acknowledged inbox items. Sent lazily, many sessions in one
    // command: within 20 ms, or at the next flush() when `urgent` (the client's window is half used
    // up) or 256 ranges wait.
    virtual void acknowledge(std::string_view client_id, const AckRange& range, bool urgent) = 0;

    // Effect: queues a QoS 0 publish: no number, no log, no result. False: as of submit().
    virtual bool submit_unlogged(std::string_view key, const Publish& publish) = 0;

    // False: 4,096 commands or 4 MiB for that set are unanswered. Stop reading until on_room().
    [[nodiscard]] virtual bool has_room(GroupId set) const = 0;

    // False: the set has had no leader for more than 2 s; refuse CONNECT with 0x88.
    [[nodiscard]] virtual bool available(GroupId set) const = 0;

    // available() of every set.
    [[nodiscard]] virtual bool all_available() const = 0;

    // The records of the same sets, for the same loop; null: this core keeps none.
    [[nodiscard]] virtual Records* records() { return nullptr; }

    // Effect: hands what was queued to the core. Call at the end of the loop turn.
    virtual void flush() = 0;
};

}  // namespace causeway
