#include "cluster/node/link.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/base/check.h"

namespace causeway::node {

Link::Link(io::Loop& loop, LinkId id, SubmitterEvents& events, Send send)
    : id_(id),
      events_(events),
      send_(std::move(send)),
      mailbox_(loop, [this](std::vector<ToGateway>& messages) { receive(messages); }),
      ack_timer_(loop, [this] {
          send_acks();
          flush();
      }) {}

void Link::submit(std::string_view, std::string_view command, const CommandTag& tag) {
    CW_CHECK(stream_ != 0);
    ByteReader in(command);
    CommandHeader header;
    CW_CHECK(decode_header(in, header));
    scratch_.clear();
    ByteWriter writer(scratch_);
    writer.u8(static_cast<std::uint8_t>(header.kind));
    writer.varint(stream_);
    writer.varint(next_seq_++);
    writer.raw(in.rest());
    append_frame(scratch_, batch_.frames);
    waiting_.push_back(Waiting{tag, static_cast<std::uint32_t>(scratch_.size())});
    waiting_bytes_ += scratch_.size();
}

void Link::acknowledge(std::string_view, const AckRange& range, bool urgent) {
    // Ranges of one session that follow each other are one.
    const bool joins = !acks_.ranges.empty() && acks_.ranges.back().epoch == range.epoch &&
                       acks_.ranges.back().last + 1 == range.first;
    if (joins) {
        acks_.ranges.back().last = range.last;
    } else {
        acks_.ranges.push_back(range);
    }
    acks_urgent_ = acks_urgent_ || urgent || acks_.ranges.size() >= kAckRanges;
    if (!ack_timer_.active()) {
        ack_timer_.start(kAckDelayMs);
    }
}

void Link::send_acks() {
    acks_urgent_ = false;
    ack_timer_.stop();
    if (stream_ == 0 || acks_.ranges.empty()) {
        return;
    }
    std::string command;
    encode(CommandHeader{}, acks_, command);
    acks_.ranges.clear();
    submit({}, command, CommandTag{});
}

void Link::submit_unlogged(std::string_view, const Publish& publish) {
    scratch_.clear();
    encode(CommandHeader{}, publish, scratch_);
    append_frame(scratch_, batch_.unlogged);
    unlogged_bytes_ += scratch_.size() + sizeof(std::uint32_t);
}

bool Link::has_room() const {
    const bool room = stream_ != 0 && waiting_.size() < kWindowCommands &&
                      waiting_bytes_ < kWindowBytes && unlogged_bytes_ < kUnloggedBytes;
    // Whoever was told so waits for on_room(), even if room comes back before this turn ends.
    blocked_ = blocked_ || !room;
    return room;
}

void Link::flush() {
    if (acks_urgent_) {
        send_acks();
    }
    if (batch_.frames.empty() && batch_.unlogged.empty()) {
        return;
    }
    batch_.link = id_;
    batch_.stream = stream_;
    send_(std::exchange(batch_, {}));
}

void Link::receive(std::vector<ToGateway>& messages) {
    for (ToGateway& message : messages) {
        std::visit([this](auto& what) { take(what); }, message);
    }
    if (blocked_ && has_room()) {
        blocked_ = false;
        events_.on_room();
    }
}

void Link::take(StreamOpened& opened) {
    stream_ = opened.stream;
    next_seq_ = 1;
    if (available_) {
        events_.on_available(true);
    }
}

void Link::take(Availability& availability) {
    available_ = availability.available;
    if (stream_ != 0) {
        events_.on_available(available_);
    }
}

void Link::take(UnloggedDropped& dropped) {
    unlogged_bytes_ -= std::min<std::size_t>(unlogged_bytes_, dropped.bytes);
    unlogged_dropped_ += dropped.messages;
}

void Link::deliver_outputs(StreamOutputs outputs, const std::atomic<bool>& stopping) {
    constexpr auto kLookAgain = std::chrono::microseconds(100);
    while (undelivered_.load(std::memory_order_relaxed) > kUndelivered &&
           !stopping.load(std::memory_order_relaxed)) {
        std::this_thread::sleep_for(kLookAgain);
    }
    undelivered_.fetch_add(outputs.deliveries.size(), std::memory_order_relaxed);
    mailbox_.push(std::move(outputs));
}

void Link::take(StreamOutputs& outputs) {
    undelivered_.fetch_sub(outputs.deliveries.size(), std::memory_order_relaxed);
    if (outputs.stream != stream_) {
        return;  // of a stream that was lost
    }
    unlogged_bytes_ -= std::min<std::size_t>(unlogged_bytes_, outputs.unlogged_bytes_done);
    for (const CommandResult& result : outputs.results) {
        answer(result);
    }
    if (!outputs.deliveries.empty() || !outputs.takeovers.empty()) {
        events_.on_outputs(outputs);
    }
    if (outputs.dead) {
        lose_stream();
    }
}

void Link::answer(const CommandResult& result) {
    const std::uint64_t first = next_seq_ - waiting_.size();
    if (result.seq < first || waiting_.empty()) {
        return;  // answered before
    }
    if (result.code == ResultCode::kDead) {
        lose_stream();
        return;
    }
    CW_CHECK(result.seq == first, "results of a stream come in order");
    const Waiting waiting = waiting_.front();
    waiting_.pop_front();
    waiting_bytes_ -= waiting.bytes;
    if (waiting.tag.generation != 0) {
        events_.on_result(waiting.tag, result.code, result.detail);
    }
}

void Link::lose_stream() {
    stream_ = 0;
    waiting_.clear();
    waiting_bytes_ = 0;
    unlogged_bytes_ = 0;
    batch_ = {};
    acks_.ranges.clear();
    events_.on_stream_lost();
    FromGateway hello;
    hello.link = id_;
    send_(std::move(hello));
}

}  // namespace causeway::node
