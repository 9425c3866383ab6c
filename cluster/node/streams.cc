#include "cluster/node/streams.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace causeway::node {
namespace {

constexpr MonoMs kAckDelayMs = 20;
// Twice what the core takes at most to settle a SUBSCRIBE.
constexpr MonoMs kLaterMaxMs = 10'000;
// QoS 0 bytes say nothing of the deliveries they will become: what counts is how long they take.
constexpr MonoMs kUnloggedSlowMs = 200;  // halves the window
constexpr MonoMs kUnloggedFastMs = 100;  // doubles it, up to the configured one
constexpr std::size_t kUnloggedWindowMin = 4096;
// Commands of one frame; more go into the next.
constexpr std::size_t kFrameBytes = 1U << 20;

// An encoded command as it waits: kind and fields, without stream and number.
std::string kept_bytes(std::string_view command) {
    ByteReader in(command);
    CommandHeader header;
    CW_CHECK(decode_header(in, header));
    std::string kept;
    kept.reserve(1 + in.rest().size());
    kept.push_back(static_cast<char>(header.kind));
    kept.append(in.rest());
    return kept;
}

template <typename Command>
std::string kept_form(const Command& command) {
    std::string encoded;
    encode(CommandHeader{}, command, encoded);
    return kept_bytes(encoded);
}

}  // namespace

Streams::Streams(const StreamsOptions& options, SubmitterEvents& events, Send send, MonoMs now)
    : options_(options),
      events_(events),
      send_(std::move(send)),
      now_(now),
      last_attachment_(options.boot << 32U) {
    for (const GroupId set : options_.sets) {
        Stream& stream = streams_[set];
        stream.set = set;
        stream.closed_at = now;
        stream.heard_at = now;
        stream.unlogged_window = options_.window_bytes;
    }
}

Streams::Stream& Streams::stream_of(GroupId set) {
    const auto found = streams_.find(set);
    CW_CHECK(found != streams_.end(), "the slot map names sets that exist");
    return found->second;
}

// --- Submitter ---------------------------------------------------------------------------------

bool Streams::submit_to(GroupId set, std::string_view command, const CommandTag& tag) {
    Stream& stream = stream_of(set);
    add(stream, kept_bytes(command), tag);
    return has_room(stream);
}

void Streams::add(Stream& stream, std::string command, const CommandTag& tag) {
    stream.waiting_bytes += command.size();
    const auto behind = static_cast<std::uint32_t>(stream.waiting.size());
    stream.waiting.push_back(Waiting{tag, behind, std::move(command)});
    ++stream.unsent;
}

bool Streams::withdraw(std::string_view key, const CommandTag& tag) {
    Stream& stream = stream_of(key);
    const auto found = std::find_if(stream.waiting.begin(), stream.waiting.end(),
                                    [&tag](const Waiting& waiting) { return waiting.tag == tag; });
    if (found == stream.waiting.end()) {
        return false;  // its result was here
    }
    stream.waiting_bytes -= found->command.size();
    const auto at = static_cast<std::uint64_t>(found - stream.waiting.begin());
    if (stream.first + at > stream.sent) {
        stream.waiting.erase(found);
        --stream.unsent;
        return true;
    }
    // Whoever has it may perform it. Whoever is sent it from now on refuses it: numbers are applied
    // once, so it is one or the other.
    found->command = kept_form(Refused{ResultCode::kStale});
    stream.waiting_bytes += found->command.size();
    return false;
}

void Streams::acknowledge(std::string_view client_id, const AckRange& range, bool urgent) {
    Stream& stream = stream_of(client_id);
    std::vector<AckRange>& ranges = stream.acks.ranges;
    // Ranges of one session that follow each other are one.
    if (!ranges.empty() && ranges.back().epoch == range.epoch &&
        ranges.back().last + 1 == range.first) {
        ranges.back().last = range.last;
    } else {
        ranges.push_back(range);
    }
    stream.acks_urgent = stream.acks_urgent || urgent || ranges.size() >= kAckRanges;
    if (acks_since_ == 0) {
        acks_since_ = now_;
    }
}

void Streams::send_acks(Stream& stream) {
    stream.acks_urgent = false;
    if (stream.acks.ranges.empty()) {
        return;
    }
    add(stream, kept_form(stream.acks), CommandTag{});
    stream.acks.ranges.clear();
}

bool Streams::submit_unlogged(std::string_view key, const Publish& publish) {
    Stream& stream = stream_of(key);
    if (!stream.open) {
        ++unlogged_dropped_;  // rule 11: without a leader it is dropped with a count
        return true;
    }
    scratch_.clear();
    encode(CommandHeader{}, publish, scratch_);
    append_frame(scratch_, stream.unlogged);
    stream.unlogged_bytes += scratch_.size() + sizeof(std::uint32_t);
    return has_room(stream);
}

bool Streams::has_room(GroupId set) const {
    const auto found = streams_.find(set);
    return found != streams_.end() && has_room(found->second);
}

bool Streams::window_open(const Stream& stream) const {
    return stream.waiting.size() < options_.window_commands &&
           stream.waiting_bytes < options_.window_bytes &&
           stream.unlogged_bytes < stream.unlogged_window;
}

bool Streams::has_room(const Stream& stream) const {
    const bool room = window_open(stream);
    // Whoever is told so waits for on_room(), even if room comes back before this turn ends.
    stream.blocked = stream.blocked || !room;
    return room;
}

void Streams::tell_room() {
    bool opened = false;
    for (auto& [set, stream] : streams_) {
        if (stream.blocked && window_open(stream)) {
            stream.blocked = false;
            opened = true;
        }
    }
    if (opened) {
        events_.on_room();
    }
}

bool Streams::available(GroupId set) const {
    const auto found = streams_.find(set);
    if (found == streams_.end()) {
        return false;
    }
    const Stream& stream = found->second;
    return stream.open || (stream.id != 0 && now_ - stream.closed_at < options_.unavailable_ms);
}

void Streams::flush() {
    for (auto& [set, stream] : streams_) {
        if (stream.acks_urgent) {
            send_acks(stream);
        }
        flush(stream);
    }
}

void Streams::flush(Stream& stream) {
    if (!stream.open) {
        return;
    }
    while (stream.unsent != 0 || !stream.unlogged.empty()) {
        wire::Commands commands;
        commands.set = stream.set;
        commands.loop = options_.loop;
        commands.attachment = stream.attachment;
        commands.stream = stream.id;
        encode_unsent(stream, commands.frames);
        commands.unlogged = std::exchange(stream.unlogged, {});
        if (!commands.unlogged.empty() && stream.unlogged_probe == 0) {
            stream.unlogged_probe = stream.unlogged_bytes;
            stream.unlogged_probe_at = now_;
        }
        send_(FromLoop{stream.leader, std::move(commands)});
    }
}

void Streams::encode_unsent(Stream& stream, std::string& frames) {
    std::size_t at = stream.waiting.size() - stream.unsent;
    while (at < stream.waiting.size() && frames.size() < kFrameBytes) {
        const auto& [tag, behind, command] = stream.waiting[at];
        scratch_.clear();
        ByteWriter writer(scratch_);
        writer.u8(static_cast<std::uint8_t>(command.front()));
        writer.varint(stream.id);
        writer.varint(stream.first + at);
        writer.varint(behind);
        writer.raw(std::string_view(command).substr(1));
        append_frame(scratch_, frames);
        ++at;
    }
    stream.sent = std::max(stream.sent, stream.first + at - 1);
    stream.unsent = stream.waiting.size() - at;
}

// --- reaching a leader --------------------------------------------------------------------------

void Streams::take(std::vector<ToLoop>& messages, MonoMs now) {
    give_up_silent(now);
    for (const ToLoop& message : messages) {
        std::visit([this](const auto& what) { take(what); }, message);
    }
    tell_room();
}

// Asks the leader; the answer is StreamOpened, Welcome or StreamRefused.
void Streams::reach(Stream& stream) {
    detach(stream);
    stream.tried_at = now_;
    if (!stream.leader) {
        return;
    }
    if (stream.id == 0) {
        // The number of the first try names the stream, so that a second try opens no second one.
        if (stream.attachment == 0) {
            stream.attachment = ++last_attachment_;
        }
        send_(FromLoop{stream.leader,
                       wire::OpenStream{stream.set, options_.loop, stream.attachment}});
        return;
    }
    stream.attachment = ++last_attachment_;
    send_(FromLoop{stream.leader, wire::AttachStream{stream.set, options_.loop, stream.attachment,
                                                     stream.id, stream.received}});
}

void Streams::detach(Stream& stream) {
    if (!stream.open) {
        return;
    }
    stream.open = false;
    stream.closed_at = now_;
    // QoS 0 that was under way is gone; everything else is sent again.
    stream.unlogged.clear();
    stream.unlogged_bytes = 0;
    stream.unlogged_probe = 0;
    stream.unlogged_window = options_.window_bytes;
    stream.unsent = stream.waiting.size();
}

void Streams::take(const LeaderIs& leader) {
    const auto found = streams_.find(leader.set);
    if (found == streams_.end()) {
        return;
    }
    Stream& stream = found->second;
    if (leader.term < stream.term || (leader.term == stream.term && leader.node == stream.leader)) {
        return;
    }
    stream.leader = leader.node;
    stream.term = leader.term;
    reach(stream);
}

void Streams::take(const PeerReset& reset) {
    for (auto& [set, stream] : streams_) {
        if (stream.leader == reset.node) {
            reach(stream);
        }
    }
}

Streams::Stream* Streams::find(GroupId set, wire::Attachment attachment) {
    const auto found = streams_.find(set);
    return found == streams_.end() || found->second.attachment != attachment ? nullptr
                                                                             : &found->second;
}

void Streams::take(const wire::StreamOpened& opened) {
    Stream* stream = find(opened.set, opened.attachment);
    if (stream == nullptr || stream->id != 0) {
        return;
    }
    stream->id = opened.stream;
    stream->first = 1;
    stream->received = opened.index;
    stream->open = true;
    stream->heard_at = now_;
    flush(*stream);
    ask_all(*stream);
}

void Streams::take(const wire::Welcome& welcome) {
    Stream* stream = find(welcome.set, welcome.attachment);
    if (stream == nullptr || stream->id == 0 || stream->open) {
        return;
    }
    stream->open = true;
    stream->heard_at = now_;
    // Those it has applied are not sent again; their results follow.
    const std::uint64_t applied =
        welcome.applied >= stream->first ? welcome.applied - stream->first + 1 : 0;
    stream->unsent =
        stream->waiting.size() - std::min<std::uint64_t>(applied, stream->waiting.size());
    flush(*stream);
    ask_all(*stream);
}

void Streams::take(const wire::StreamRefused& refused) {
    Stream* stream = find(refused.set, refused.attachment);
    if (stream == nullptr) {
        return;
    }
    if (refused.reason == wire::StreamRefused::Reason::kNotLeader) {
        detach(*stream);  // and again when somebody is known to lead, or a little later
        return;
    }
    lose(*stream);
}

// --- records -----------------------------------------------------------------------------------

void Streams::read(GroupId set, const RecordQuery& query, Take take) {
    const Stream& stream = stream_of(set);
    const std::uint64_t question = reads_.add(set, query, std::move(take), now_);
    if (question != 0 && stream.open) {
        ask(stream, question);
    }
}

void Streams::ask(const Stream& stream, std::uint64_t question) {
    wire::ReadRecords frame = reads_.frame_of(question);
    frame.loop = options_.loop;
    frame.attachment = stream.attachment;
    send_(FromLoop{stream.leader, std::move(frame)});
}

// What was changed while it was away was told to nobody here.
void Streams::ask_all(const Stream& stream) {
    reads_.take_all_changed(stream.set);
    for (const std::uint64_t question : reads_.of(stream.set)) {
        ask(stream, question);
    }
}

void Streams::take(const wire::RecordsRead& answer) {
    const Stream* stream = find(answer.set, answer.attachment);
    if (stream != nullptr && stream->open && reads_.take(answer)) {
        ask(*stream, answer.question);
    }
}

void Streams::take(const LocalNews& news) {
    take_news(news.set, news.attachment, news.upto, news.outputs.get());
}

void Streams::take(const wire::StreamNews& news) {
    unlogged_dropped_ += news.unlogged_dropped;
    take_news(news.set, news.attachment, news.upto, &news.outputs);
}

void Streams::take_news(GroupId set, wire::Attachment attachment, Index upto,
                        const StreamOutputs* outputs) {
    Stream* stream = find(set, attachment);
    if (stream == nullptr || !stream->open) {
        return;
    }
    stream->heard_at = now_;
    stream->received = std::max(stream->received, upto);
    if (outputs == nullptr) {
        return;
    }
    credit_unlogged(*stream, outputs->unlogged_bytes_done);
    for (const CommandResult& result : outputs->results) {
        answer(*stream, result);
        if (!stream->open) {
            return;
        }
    }
    for (const Settled& settled : outputs->settled) {
        settle(*stream, settled);
    }
    if (!outputs->deliveries.empty() || !outputs->takeovers.empty()) {
        events_.on_outputs(*outputs);
    }
    if (outputs->dead) {
        lose(*stream);
    }
}

void Streams::credit_unlogged(Stream& stream, std::size_t bytes) {
    stream.unlogged_bytes -= std::min(stream.unlogged_bytes, bytes);
    if (stream.unlogged_probe == 0) {
        return;
    }
    stream.unlogged_probe -= std::min(stream.unlogged_probe, bytes);
    if (stream.unlogged_probe != 0) {
        return;
    }
    const MonoMs took = now_ - stream.unlogged_probe_at;
    if (took > kUnloggedSlowMs) {
        stream.unlogged_window = std::max(stream.unlogged_window / 2, kUnloggedWindowMin);
    } else if (took < kUnloggedFastMs) {
        stream.unlogged_window = std::min(stream.unlogged_window * 2, options_.window_bytes);
    }
}

void Streams::answer(Stream& stream, const CommandResult& result) {
    if (result.seq < stream.first || stream.waiting.empty()) {
        return;  // answered before
    }
    if (result.code == ResultCode::kDead) {
        lose(stream);
        return;
    }
    if (result.seq != stream.first || result.code == ResultCode::kResync) {
        reach(stream);  // it sees another order than we sent: begin again where it stands
        return;
    }
    const Waiting waiting = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    stream.unsent = std::min(stream.unsent, stream.waiting.size());
    stream.waiting_bytes -= waiting.command.size();
    ++stream.first;
    if (result.code == ResultCode::kLater) {
        stream.later[result.seq] = Later{waiting.tag, now_};
    } else if (waiting.tag.generation != 0) {
        events_.on_result(waiting.tag, result.code, result.detail);
    }
}

void Streams::settle(Stream& stream, const Settled& settled) {
    if (const auto found = stream.later.extract(settled.seq)) {
        events_.on_result(found.mapped().tag, ResultCode::kOk, settled.detail);
    }
}

// Everything of the stream is over; another is opened.
void Streams::lose(Stream& stream) {
    ++streams_lost_;
    detach(stream);
    stream.id = 0;
    stream.attachment = 0;
    stream.received = {};
    stream.waiting_bytes = 0;
    stream.unsent = 0;
    stream.acks.ranges.clear();
    stream.heard_at = now_;
    const std::uint64_t first = stream.first;
    const std::uint64_t sent = std::exchange(stream.sent, 0);
    const auto lost = std::exchange(stream.waiting, {});
    const auto later = std::exchange(stream.later, {});
    // The sessions at home there first: what others owed to this set is theirs to end.
    events_.on_home_lost(stream.set);
    for (std::size_t at = 0; at < lost.size(); ++at) {
        if (lost[at].tag.generation != 0) {
            events_.on_result_lost(lost[at].tag, first + at <= sent);
        }
    }
    for (const auto& [seq, unsettled] : later) {
        events_.on_result_lost(unsettled.tag, true);
    }
    reach(stream);
}

void Streams::give_up_silent(MonoMs now) {
    // A loop that stood still itself knows nothing of the time between: what is in its sockets and
    // mailboxes is old, and its devices may be elsewhere by now.
    const bool stalled = now - now_ >= options_.give_up_ms;
    now_ = now;
    for (auto& [set, stream] : streams_) {
        if (stream.id != 0 && (stalled || now - stream.heard_at >= options_.give_up_ms)) {
            lose(stream);
        }
    }
}

void Streams::on_tick(MonoMs now) {
    give_up_silent(now);
    const bool acks_due = acks_since_ != 0 && now - acks_since_ >= kAckDelayMs;
    for (auto& [set, stream] : streams_) {
        if (acks_due) {
            send_acks(stream);
        }
        if (!stream.open && stream.leader && now - stream.tried_at >= options_.retry_ms) {
            reach(stream);
        }
        // The connection that asked is gone, or it would have been settled.
        while (!stream.later.empty() && now - stream.later.begin()->second.since > kLaterMaxMs) {
            stream.later.erase(stream.later.begin());
        }
        flush(stream);
    }
    if (acks_due) {
        acks_since_ = 0;
    }
    reads_.on_tick(now);
    tell_room();
}

bool Streams::all_available() const {
    return std::all_of(streams_.begin(), streams_.end(),
                       [this](const auto& item) { return available(item.first); });
}

}  // namespace causeway::node
