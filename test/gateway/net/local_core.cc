#include "test/gateway/net/local_core.h"

#include <utility>

#include "core/base/check.h"

namespace causeway::net {
namespace {

constexpr std::size_t kHeaderOfZeros = 4;  // kind, and 0 for stream, sequence number, behind
constexpr SetMs kBegin = 1'000'000;

}  // namespace

LocalCore::LocalCore(io::Loop& loop, SubmitterEvents& events, const std::atomic<bool>& held)
    : loop_(loop), events_(events), held_(held) {
    CW_CHECK(machine_.load().has_value());
    Hello hello;
    hello.node = 1;
    hello.boot = 1;
    std::string command;
    std::string frames;
    encode(CommandHeader{CommandKind::kHello, 0, 1}, hello, command);
    append_frame(command, frames);
    std::string entry;
    begin_entry(kBegin, entry);
    state::Outputs out;
    index_ = Index(index_.value() + 1);
    machine_.apply(index_, SharedBytes::take(entry + frames), out);
    machine_.commit();
    stream_ = static_cast<StreamId>(ByteReader(out.leader.at(0).detail).varint());
}

bool LocalCore::submit_to(GroupId, std::string_view command, const CommandTag& tag) {
    std::string numbered(command.substr(0, 1));
    ByteWriter writer(numbered);
    writer.varint(stream_);
    writer.varint(++seq_);
    writer.varint(0);
    writer.raw(command.substr(kHeaderOfZeros));
    append_frame(numbered, frames_);
    tags_[seq_] = tag;
    return true;
}

void LocalCore::acknowledge(std::string_view, const AckRange& range, bool) {
    Ack ack;
    ack.ranges = {range};
    std::string command;
    encode(CommandHeader{CommandKind::kAck, stream_, ++seq_}, ack, command);
    append_frame(command, frames_);
}

bool LocalCore::submit_unlogged(std::string_view, const Publish& publish) {
    encode(CommandHeader{}, publish, unlogged_.emplace_back());
    return true;
}

void LocalCore::flush() {
    if (!held_ && (!frames_.empty() || !unlogged_.empty())) {
        loop_.post([this, frames = std::exchange(frames_, {}),
                    unlogged = std::exchange(unlogged_, {})] { work(frames, unlogged); });
    }
}

void LocalCore::work(const std::string& frames, const std::vector<std::string>& unlogged) {
    if (!frames.empty()) {
        apply(frames);
    }
    for (const std::string& bytes : unlogged) {
        const SharedBytes owner = SharedBytes::copy(bytes);
        ByteReader in(owner.view());
        CommandHeader header;
        Publish publish;
        CW_CHECK(decode_header(in, header) && decode(in, publish));
        state::Outputs out;
        machine_.publish_unlogged(publish, owner, out);
        tell(out);
    }
    while (machine_.has_work()) {
        std::string step;
        std::string framed;
        encode_step(1, step);
        append_frame(step, framed);
        apply(framed);
    }
}

void LocalCore::apply(const std::string& frames) {
    std::string entry;
    begin_entry(kBegin + loop_.now_ms(), entry);
    state::Outputs out;
    index_ = Index(index_.value() + 1);
    machine_.apply(index_, SharedBytes::take(entry + frames), out);
    machine_.commit();
    tell(out);
    for (const state::SelfItem& item : out.self_items) {
        SelfPublish command;
        command.n = item.n;
        std::string bytes;
        std::string framed;
        encode(CommandHeader{}, command, bytes);
        append_frame(bytes, framed);
        apply(framed);
    }
}

void LocalCore::tell(const state::Outputs& out) {
    for (const StreamOutputs& stream : out.streams) {
        for (const CommandResult& result : stream.results) {
            const auto found = tags_.find(result.seq);
            if (found == tags_.end()) {
                continue;  // an acknowledgement
            }
            const CommandTag tag = found->second;
            tags_.erase(found);
            events_.on_result(tag, result.code, result.detail);
        }
        events_.on_outputs(stream);
    }
}

}  // namespace causeway::net
