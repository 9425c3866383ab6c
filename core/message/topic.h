// Topic names and topic filters: what is well-formed, what matches what, and the parts that routing
// and rules look at. Pure functions on bytes, callable from every thread, no allocation.
// Source: MQTT 5.0 §1.5.4 (UTF-8 strings), §4.7 (topics), §4.8.2 (shared subscriptions).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace causeway {

// The wire carries a topic behind a 16-bit length.
inline constexpr std::size_t kTopicBytesMax = 65'535;

// True when `bytes` is what MQTT calls a UTF-8 encoded string: well-formed (no overlong form,
// nothing above U+10FFFF), no surrogates [MQTT-1.5.4-1], no U+0000 [MQTT-1.5.4-2]. Any length;
// empty is valid.
[[nodiscard]] bool valid_utf8(std::string_view bytes);

// True for 1 to 65,535 bytes of valid UTF-8 without wildcards [MQTT-4.7.1-1, MQTT-4.7.3-1..3].
[[nodiscard]] bool valid_topic_name(std::string_view topic);

// True for 1 to 65,535 bytes of valid UTF-8 in which every "+" is a level of its own [MQTT-4.7.1-2]
// and
// "#" is the whole last level [MQTT-4.7.1-1]. Says nothing about the form of "$share/...": see
// parse_shared_filter.
[[nodiscard]] bool valid_topic_filter(std::string_view filter);

// True when the filter has a wildcard. Precondition: valid_topic_filter(filter).
[[nodiscard]] bool has_wildcard(std::string_view filter);

// Effect: whether a message to `topic` goes to `filter` (§4.7). A wildcard in the first level does
// not match a topic that begins with "$" [MQTT-4.7.2-1]; "a/#" matches "a" itself (§4.7.1.2).
// Preconditions: a valid filter (not a "$share/..." one: pass SharedFilter::filter) and a valid
// name.
[[nodiscard]] bool topic_matches(std::string_view filter, std::string_view topic);

// The number of levels: one more than the number of slashes. "" has one (empty) level.
[[nodiscard]] std::size_t topic_level_count(std::string_view topic);

// Level n, counted from 1; nullopt for n = 0 and beyond the last. Levels may be empty: "/a" is "",
// "a".
[[nodiscard]] std::optional<std::string_view> topic_level(std::string_view topic, std::size_t n);

// The first two levels, by which a topic finds its set: "plant/dev7/up" -> "plant/dev7", "a" ->
// "a",
// "/a/b" -> "/a". A view into `topic`.
[[nodiscard]] std::string_view device_key(std::string_view topic);

// The parts of "$share/{group}/{filter}", views into it.
struct SharedFilter {
    std::string_view group;
    std::string_view filter;

    friend bool operator==(const SharedFilter&, const SharedFilter&) = default;
};

// True when the filter asks for a shared subscription, well-formed or not.
[[nodiscard]] bool is_shared_filter(std::string_view filter);

// Effect: splits a shared filter. nullopt when it is not one, when the group is empty or has a
// wildcard [MQTT-4.8.2-1], or when no valid filter follows the group [MQTT-4.8.2-2].
[[nodiscard]] std::optional<SharedFilter> parse_shared_filter(std::string_view filter);

}  // namespace causeway
