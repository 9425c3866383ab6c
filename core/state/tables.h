// The keys of a set's tables: one letter, then fixed-width big-endian numbers, so that keys sort by
// number. docs/formats/state.md lists the values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/encoding.h"

namespace causeway::state {

enum class Table : char {
    kMeta = 'm',
    kStream = 'S',
    kSession = 's',
    kSubscription = 'u',  // session id, filter
    kItem = 'i',          // queue id, n
    kDue = 'd',           // queue id, visible at, n: leased and delayed items by time
    kBody = 'b',          // body id
    kRetained = 'r',      // topic
    kQueue = 'Q',         // kind, name
    kWork = 'w',          // sequence number
    kLayout = 'L',
    kPeer = 'P',      // set: the streams to and from it
    kFence = 'F',     // client id of another set
    kInterest = 'I',  // set, filter: another set has subscriptions to it
    kAsked = 'a',     // filter: which sets were told that this one has subscriptions to it
    kGroup = 'g',     // "$share/...": whose turn it was
    kWaiting = 'y',   // number: a SUBSCRIBE that waits for other sets
    kRecord = 'D',    // key of a record
    kRecordTotals = 'R',
};

inline std::string key_of(Table table) { return {static_cast<char>(table)}; }
inline std::string key_of(Table table, std::uint64_t id) {
    std::string key = key_of(table);
    ByteWriter(key).key_u64(id);
    return key;
}
inline std::string key_of(Table table, std::uint64_t id, std::uint64_t n) {
    std::string key = key_of(table, id);
    ByteWriter(key).key_u64(n);
    return key;
}
inline std::string key_of(Table table, std::uint64_t id, std::string_view text) {
    return key_of(table, id).append(text);
}
inline std::string key_of(Table table, std::string_view text) { return key_of(table).append(text); }
// The first key behind every key that begins with `prefix`. Precondition: no prefix ends in 0xFF
// bytes only (ours begin with a letter).
inline std::string after_prefix(std::string prefix) {
    while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) {
        prefix.pop_back();
    }
    if (!prefix.empty()) {
        prefix.back() = static_cast<char>(prefix.back() + 1);
    }
    return prefix;
}

}  // namespace causeway::state
