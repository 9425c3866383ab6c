// Joining and encoding of what the processes counted.
#include "gateway/bench/outcome.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace causeway::bench {
namespace {

static_assert(std::is_trivially_copyable_v<Counters> && sizeof(Counters) % 8 == 0);
using CounterArray = std::array<std::uint64_t, sizeof(Counters) / 8>;

}  // namespace

Counters& Counters::operator+=(const Counters& other) {
    auto sums = std::bit_cast<CounterArray>(*this);
    const auto added = std::bit_cast<CounterArray>(other);
    for (std::size_t i = 0; i < sums.size(); ++i) {
        sums[i] += added[i];
    }
    return *this = std::bit_cast<Counters>(sums);
}

void Reasons::add(std::string_view reason, std::uint64_t count) {
    auto found = counts_.find(reason);
    if (found == counts_.end()) {
        const bool room = counts_.size() < kReasonsMax;
        found = counts_.try_emplace(room ? std::string(reason) : "other reasons").first;
    }
    found->second += count;
}

void Outcome::merge(const Outcome& other) {
    counters += other.counters;
    connect_ns.merge(other.connect_ns);
    ack_ns.merge(other.ack_ns);
    deliver_ns.merge(other.deliver_ns);
    for (const auto& [reason, count] : other.reasons.counts()) {
        reasons.add(reason, count);
    }
    first_connect_ns = std::min(first_connect_ns, other.first_connect_ns);
    last_connack_ns = std::max(last_connack_ns, other.last_connack_ns);
    cpu_ns += other.cpu_ns;
}

void Outcome::encode(std::string& out) const {
    ByteWriter writer(out);
    writer.raw(encode_counters(counters));
    connect_ns.encode(out);
    ack_ns.encode(out);
    deliver_ns.encode(out);
    writer.varint(reasons.counts().size());
    for (const auto& [reason, count] : reasons.counts()) {
        writer.string(reason);
        writer.varint(count);
    }
    writer.u64(first_connect_ns);
    writer.u64(last_connack_ns);
    writer.u64(cpu_ns);
}

bool Outcome::merge_encoded(std::string_view bytes) {
    ByteReader reader(bytes);
    Outcome read;
    if (!decode_counters(reader.raw(sizeof(Counters)), read.counters) ||
        !read.connect_ns.merge_encoded(reader) || !read.ack_ns.merge_encoded(reader) ||
        !read.deliver_ns.merge_encoded(reader)) {
        return false;
    }
    for (std::uint64_t left = reader.varint(); left > 0 && !reader.failed(); --left) {
        const std::string_view reason = reader.string();
        read.reasons.add(reason, reader.varint());
    }
    read.first_connect_ns = reader.u64();
    read.last_connack_ns = reader.u64();
    read.cpu_ns = reader.u64();
    if (!reader.done()) {
        return false;
    }
    merge(read);
    return true;
}

std::string encode_counters(const Counters& counters) {
    std::string bytes(sizeof(counters), '\0');
    std::memcpy(bytes.data(), &counters, sizeof(counters));
    return bytes;
}

bool decode_counters(std::string_view bytes, Counters& counters) {
    if (bytes.size() != sizeof(counters)) {
        return false;
    }
    std::memcpy(&counters, bytes.data(), sizeof(counters));
    return true;
}

}  // namespace causeway::bench
