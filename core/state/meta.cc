#include "core/state/context.h"

namespace causeway::state {
namespace {

constexpr std::uint8_t kMetaVersion = 1;

// Every counter, in the order of the record. New ones are added at the end.
constexpr std::uint64_t Counters::*kCounters[] = {
    &Counters::inbox_made,         &Counters::inbox_acknowledged,  &Counters::inbox_expired,
    &Counters::inbox_evicted,      &Counters::inbox_session_ended, &Counters::queue_made,
    &Counters::queue_acknowledged, &Counters::queue_expired,       &Counters::queue_dead_lettered,
    &Counters::queue_evicted,      &Counters::sink_made,           &Counters::sink_delivered,
    &Counters::sink_dead_lettered, &Counters::sink_evicted,        &Counters::self_made,
    &Counters::self_done,          &Counters::publishes,           &Counters::publishes_refused,
    &Counters::retained_evicted,   &Counters::peer_made,           &Counters::peer_acknowledged,
    &Counters::peer_evicted,       &Counters::peer_accepted,       &Counters::peer_done,
    &Counters::peer_expired,       &Counters::peer_invalid,        &Counters::subscribes_timed_out,
    &Counters::fences_evicted,     &Counters::inbox_handed_over,   &Counters::events_dropped,
};

}  // namespace

Counters& Counters::operator+=(const Counters& other) {
    for (const auto counter : kCounters) {
        this->*counter += other.*counter;
    }
    return *this;
}

void encode(const Meta& meta, std::string& out) {
    ByteWriter writer(out);
    writer.u8(kMetaVersion);
    writer.varint(meta.time);
    writer.varint(meta.next_epoch);
    writer.varint(meta.next_id);
    writer.varint(meta.next_body);
    writer.varint(meta.next_work);
    writer.varint(meta.next_stream);
    writer.varint(meta.retained_messages);
    writer.varint(meta.retained_bytes);
    std::string limits;
    causeway::encode(CommandHeader{}, meta.limits, limits);
    writer.string(limits);
    for (const auto counter : kCounters) {
        writer.varint(meta.counters.*counter);
    }
}

bool decode(std::string_view in, Meta& out) {
    ByteReader reader(in);
    if (reader.u8() != kMetaVersion) {
        return false;
    }
    out.time = reader.varint();
    out.next_epoch = reader.varint();
    out.next_id = reader.varint();
    out.next_body = reader.varint();
    out.next_work = reader.varint();
    out.next_stream = static_cast<StreamId>(reader.varint());
    out.retained_messages = reader.varint();
    out.retained_bytes = reader.varint();
    ByteReader limits(reader.string());
    CommandHeader header;
    if (!decode_header(limits, header) || !causeway::decode(limits, out.limits)) {
        return false;
    }
    for (const auto counter : kCounters) {
        if (!reader.at_end()) {
            out.counters.*counter = reader.varint();
        }
    }
    return !reader.failed();
}

}  // namespace causeway::state
