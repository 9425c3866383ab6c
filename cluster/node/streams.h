// The gateway's end of the streams between one gateway loop and every set (session protocol, rules
// 1 to 3 and 9): numbers the commands, keeps each with the tag of its connection until its result
// is back, sends them again in order to a new leader, and bounds what is unanswered. Implements
// Submitter.
//
// A set is reached like this: whoever leads it is told by the node (LeaderIs); the loop attaches
// there with the index of the outputs it has received (or opens a stream); what was not applied is
// sent again, what was applied comes back as outputs. A set nobody speaks for during 5 s is given
// up: its sessions here are closed, and another stream is opened.
//
// Deterministic: no clock, socket or thread of its own. Used on the gateway loop's thread, or by a
// simulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "cluster/node/record_reads.h"
#include "cluster/wire/frames.h"
#include "core/base/time.h"
#include "core/message/slots.h"
#include "core/message/submitter.h"

namespace causeway::node {

// What the node tells each of its gateway loops.
struct LeaderIs {
    GroupId set;
    NodeId node;  // 0: nobody that is known of
    Term term;
};
// What was under way between this node and that one is gone.
struct PeerReset {
    NodeId node;
};
// Outputs of a set this node leads itself, shared with the ring of its replica.
struct LocalNews {
    GroupId set;
    wire::Attachment attachment = 0;
    Index upto;
    std::shared_ptr<const StreamOutputs> outputs;  // null: none
};
using ToLoop =
    std::variant<LeaderIs, PeerReset, LocalNews, wire::StreamOpened, wire::Welcome,
                 wire::StreamRefused, wire::StreamNews, wire::RecordsRead, wire::RecordsChanged>;

struct FromLoop {
    NodeId to;
    wire::Frame frame;
};

struct StreamsOptions {
    wire::LoopId loop = 0;
    std::uint64_t boot = 0;  // answers to the attachments of an earlier one are not taken for ours
    SlotMap slots;
    std::vector<GroupId> sets;
    std::size_t window_commands = 4096;
    std::size_t window_bytes = 4U << 20;
    MonoMs retry_ms = 250;          // an attach without an answer is tried again
    MonoMs unavailable_ms = 2'000;  // promise 8
    MonoMs give_up_ms = 5'000;      // promise 8 and rule 9
};

class Streams : public Submitter, public Records {
public:
    // `send` hands a frame to the node's core loop; frames to one node stay in order. `now` is the
    // boot clock.
    using Send = absl::AnyInvocable<void(FromLoop)>;
    Streams(const StreamsOptions& options, SubmitterEvents& events, Send send, MonoMs now);

    // Submitter.
    [[nodiscard]] GroupId home(std::string_view key) const override {
        return options_.slots.set_of(key);
    }
    bool submit_to(GroupId set, std::string_view command, const CommandTag& tag) override;
    bool withdraw(std::string_view key, const CommandTag& tag) override;
    [[nodiscard]] const std::vector<GroupId>& sets() const override { return options_.sets; }
    void acknowledge(std::string_view client_id, const AckRange& range, bool urgent) override;
    bool submit_unlogged(std::string_view key, const Publish& publish) override;
    [[nodiscard]] bool has_room(GroupId set) const override;
    [[nodiscard]] bool available(GroupId set) const override;
    [[nodiscard]] bool all_available() const override;
    void flush() override;
    [[nodiscard]] Records* records() override { return this; }

    // Records.
    void find(std::string_view key, Take take) override {
        read(home(key), RecordQuery{std::string(key), false, {}, 1}, std::move(take));
    }
    void read(GroupId set, const RecordQuery& query, Take take) override;
    void watch(Changed changed) override { reads_.watch(std::move(changed)); }

    // Effect: takes what came from the node, calls the events, then on_room() if a window opened.
    void take(std::vector<ToLoop>& messages, MonoMs now);
    // Effect: gives up every set that said nothing for give_up_ms, and all of them when this was
    // not called for so long. Before anything is sent or taken.
    void give_up_silent(MonoMs now);
    // Effect: retries and time limits. Every 20 ms or so.
    void on_tick(MonoMs now);

    [[nodiscard]] std::uint64_t unlogged_dropped() const { return unlogged_dropped_; }
    [[nodiscard]] std::uint64_t streams_lost() const { return streams_lost_; }

    static constexpr std::size_t kAckRanges = 256;

private:
    struct Waiting {
        CommandTag tag;
        std::uint32_t behind = 0;  // how many waited when it came: CommandHeader::behind
        std::string command;       // kind and fields, without stream and number
    };
    // A SUBSCRIBE that other sets have to learn of first.
    struct Later {
        CommandTag tag;
        MonoMs since = 0;
    };
    struct Stream {
        GroupId set;
        NodeId leader;
        Term term;
        StreamId id = 0;  // 0: not open yet
        wire::Attachment attachment = 0;
        bool open = false;  // attached: commands may be sent
        Index received;
        std::uint64_t first = 1;  // number of the first that waits
        std::uint64_t sent = 0;   // the highest number ever sent to anybody
        std::deque<Waiting> waiting;
        std::size_t unsent = 0;  // how many at the end of `waiting` are not sent yet
        std::size_t waiting_bytes = 0;
        std::string unlogged;
        std::size_t unlogged_bytes = 0;   // sent and not credited, and `unlogged`
        std::size_t unlogged_window = 0;  // of unlogged_bytes
        std::size_t unlogged_probe = 0;   // to be credited until the probe is back; 0: none
        MonoMs unlogged_probe_at = 0;
        std::map<std::uint64_t, Later> later;  // answered kLater, by number
        Ack acks;
        bool acks_urgent = false;
        mutable bool blocked = false;  // somebody was told that there is no room
        MonoMs tried_at = 0;
        MonoMs heard_at = 0;   // the last word of a leader
        MonoMs closed_at = 0;  // since when it is not open; meaningful while !open
    };

    void take(const LeaderIs& leader);
    void take(const PeerReset& reset);
    void take(const LocalNews& news);
    void take(const wire::StreamOpened& opened);
    void take(const wire::Welcome& welcome);
    void take(const wire::StreamRefused& refused);
    void take(const wire::StreamNews& news);
    void take(const wire::RecordsRead& answer);
    void take(const wire::RecordsChanged& changed) { reads_.take(changed); }
    void take_news(GroupId set, wire::Attachment attachment, Index upto,
                   const StreamOutputs* outputs);

    Stream& stream_of(std::string_view key) { return stream_of(home(key)); }
    Stream& stream_of(GroupId set);
    Stream* find(GroupId set, wire::Attachment attachment);
    [[nodiscard]] bool window_open(const Stream& stream) const;
    [[nodiscard]] bool has_room(const Stream& stream) const;
    void tell_room();
    void add(Stream& stream, std::string command, const CommandTag& tag);
    void reach(Stream& stream);
    void detach(Stream& stream);
    void answer(Stream& stream, const CommandResult& result);
    void credit_unlogged(Stream& stream, std::size_t bytes);
    void settle(Stream& stream, const Settled& settled);
    void lose(Stream& stream);
    void send_acks(Stream& stream);
    void flush(Stream& stream);
    void ask(const Stream& stream, std::uint64_t question);
    void ask_all(const Stream& stream);
    void encode_unsent(Stream& stream, std::string& frames);

    StreamsOptions options_;
    SubmitterEvents& events_;
    Send send_;
    MonoMs now_;
    std::map<GroupId, Stream> streams_;
    RecordReads reads_;
    wire::Attachment last_attachment_;
    MonoMs acks_since_ = 0;  // 0: no acknowledgement waits
    std::uint64_t unlogged_dropped_ = 0;
    std::uint64_t streams_lost_ = 0;
    std::string scratch_;
};

}  // namespace causeway::node
