#include "core/state/streams.h"

#include <algorithm>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

void encode(const Stream& stream, std::string& out) {
    ByteWriter writer(out);
    writer.u64(stream.node);
    writer.u64(stream.boot);
    writer.varint(stream.loop);
    writer.varint(stream.nonce);
    writer.varint(stream.applied);
    writer.varint(stream.died_at);
    writer.varint(stream.not_ok.size());
    for (const Stream::NotOk& one : stream.not_ok) {
        writer.varint(one.seq);
        writer.u8(static_cast<std::uint8_t>(one.code));
        writer.u64(one.publisher);
    }
}

bool decode(std::string_view in, Stream& out) {
    ByteReader reader(in);
    out.node = reader.u64();
    out.boot = reader.u64();
    out.loop = static_cast<std::uint32_t>(reader.varint());
    out.nonce = reader.varint();
    out.applied = reader.varint();
    out.died_at = reader.varint();
    const std::uint64_t count = reader.varint();
    for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
        Stream::NotOk& one = out.not_ok.emplace_back();
        one.seq = reader.varint();
        one.code = static_cast<ResultCode>(reader.u8());
        one.publisher = reader.u64();
    }
    return !reader.failed();
}

}  // namespace

bool Streams::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kStream);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         Stream stream;
                         stream.id = static_cast<StreamId>(ByteReader(key.substr(1)).key_u64());
                         ok = decode(value, stream);
                         by_id_[stream.id] = std::move(stream);
                         return ok;
                     });
    return ok;
}

void Streams::flush() {
    std::string value;
    for (const StreamId id : dirty_) {
        const auto found = by_id_.find(id);
        if (found == by_id_.end() || !found->second.dirty) {
            continue;
        }
        value.clear();
        encode(found->second, value);
        context_.kv.put(key_of(Table::kStream, id), value);
        found->second.dirty = false;
    }
    dirty_.clear();
}

void Streams::mark(Stream& stream) {
    if (!stream.dirty) {
        stream.dirty = true;
        dirty_.push_back(stream.id);
    }
}

Stream& Streams::hello(const Hello& command, std::vector<StreamId>& died) {
    Stream* same = nullptr;
    for (auto& [id, stream] : by_id_) {
        if (stream.node != command.node || stream.died_at != 0) {
            continue;
        }
        const bool same_loop = stream.boot == command.boot && stream.loop == command.loop;
        if (stream.boot < command.boot || (same_loop && stream.nonce < command.nonce)) {
            declare_dead(id);
            died.push_back(id);
        } else if (same_loop) {
            same = &stream;
        }
    }
    if (same != nullptr) {
        return *same;
    }
    const StreamId id = context_.meta.next_stream++;
    Stream& stream = by_id_[id];
    stream.id = id;
    stream.node = command.node;
    stream.boot = command.boot;
    stream.loop = command.loop;
    stream.nonce = command.nonce;
    mark(stream);
    return stream;
}

bool Streams::declare_dead(StreamId id) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->died_at != 0) {
        return false;
    }
    stream->died_at = context_.now();
    stream->not_ok.clear();
    mark(*stream);
    return true;
}

Stream* Streams::find(StreamId id) {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &found->second;
}

bool Streams::alive(StreamId id) const {
    const auto found = by_id_.find(id);
    return found != by_id_.end() && found->second.died_at == 0;
}

SetMs Streams::died_at(StreamId id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? context_.now() : found->second.died_at;
}

ResultCode Streams::admit(Stream& stream, std::uint64_t seq) const {
    if (stream.died_at != 0) {
        return ResultCode::kDead;
    }
    if (seq <= stream.applied) {
        return ResultCode::kDuplicate;
    }
    return seq == stream.applied + 1 ? ResultCode::kOk : ResultCode::kResync;
}

bool Streams::follows_refusal(const Stream& stream, const CommandHeader& header,
                              std::uint64_t publisher) {
    return std::any_of(stream.not_ok.rbegin(), stream.not_ok.rend(), [&](const auto& one) {
        return one.publisher == publisher && one.seq + header.behind >= header.seq;
    });
}

void Streams::applied(Stream& stream, std::uint64_t seq, ResultCode code, std::uint64_t publisher) {
    stream.applied = seq;
    if (code != ResultCode::kOk && code != ResultCode::kNoSubscribers) {
        stream.not_ok.push_back(Stream::NotOk{seq, code, publisher});
    }
    while (!stream.not_ok.empty() &&
           (stream.not_ok.size() > kNotOkMax || stream.not_ok.front().seq + kNotOkMax < seq)) {
        stream.not_ok.pop_front();
    }
    mark(stream);
}

void Streams::forget(StreamId id) {
    by_id_.erase(id);
    context_.kv.erase(key_of(Table::kStream, id));
}

}  // namespace causeway::state
