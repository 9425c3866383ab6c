// The gateway's end of its streams to the sets of this node: numbers the commands of one gateway
// loop, keeps the tag of each until its result is back, and bounds what is unanswered. Implements
// Submitter. Gateway loop only.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "cluster/node/messages.h"
#include "core/io/mailbox.h"
#include "core/io/timer.h"
#include "core/message/submitter.h"

namespace causeway::node {

class Link final : public Submitter {
public:
    // `send` hands a batch to the core loop; thread-safe.
    using Send = absl::AnyInvocable<void(FromGateway)>;
    Link(io::Loop& loop, LinkId id, SubmitterEvents& events, Send send);

    void submit(std::string_view key, std::string_view command, const CommandTag& tag) override;
    void acknowledge(std::string_view client_id, const AckRange& range, bool urgent) override;
    void submit_unlogged(std::string_view key, const Publish& publish) override;
    [[nodiscard]] bool has_room() const override;
    [[nodiscard]] bool available() const override { return available_ && stream_ != 0; }
    void flush() override;

    // Where the core puts what is for this loop; thread-safe.
    void deliver(ToGateway message) { mailbox_.push(std::move(message)); }
    // The same for outputs, from the apply thread: waits while more than kUndelivered deliveries are
    // not taken yet, so that a fan-out cannot run away from the loop that has to send it. The loop
    // never waits for the apply thread. `stopping` ends the wait.
    void deliver_outputs(StreamOutputs outputs, const std::atomic<bool>& stopping);
    [[nodiscard]] LinkId id() const { return id_; }
    [[nodiscard]] std::uint64_t unlogged_dropped() const { return unlogged_dropped_; }

    static constexpr std::size_t kWindowCommands = 4096;
    static constexpr std::size_t kWindowBytes = 4U << 20;
    static constexpr std::size_t kUnloggedBytes = 4U << 20;
    static constexpr std::size_t kAckRanges = 256;
    static constexpr std::uint64_t kUndelivered = 100'000;
    static constexpr std::uint64_t kAckDelayMs = 20;

private:
    struct Waiting {
        CommandTag tag;
        std::uint32_t bytes = 0;
    };
    void receive(std::vector<ToGateway>& messages);
    void take(StreamOpened& opened);
    void take(Availability& availability);
    void take(UnloggedDropped& dropped);
    void take(StreamOutputs& outputs);
    void answer(const CommandResult& result);
    void lose_stream();
    void send_acks();

    LinkId id_;
    SubmitterEvents& events_;
    Send send_;
    io::Mailbox<ToGateway> mailbox_;
    StreamId stream_ = 0;  // 0: not open yet
    std::uint64_t next_seq_ = 1;
    std::deque<Waiting> waiting_;  // in order of seq; the first is next_seq_ - size
    std::size_t waiting_bytes_ = 0;
    std::size_t unlogged_bytes_ = 0;
    std::uint64_t unlogged_dropped_ = 0;
    std::atomic<std::uint64_t> undelivered_{0};
    bool available_ = false;
    mutable bool blocked_ = false;  // somebody was told that there is no room
    FromGateway batch_;
    Ack acks_;
    bool acks_urgent_ = false;
    io::Timer ack_timer_;
    std::string scratch_;
};

}  // namespace causeway::node
