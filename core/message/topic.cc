// UTF-8 and topic rules of MQTT 5.0 §1.5.4, §4.7 and §4.8.2: see topic.h.
#include "core/message/topic.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace causeway {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080U;
constexpr std::uint64_t kLowBits = 0x0101010101010101U;

// One bit set per word when a byte is zero or not ASCII ("Hacker's Delight" §6-1).
bool plain_ascii_word(const char* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof(word));
    const std::uint64_t has_zero = (word - kLowBits) & ~word;
    return ((word | has_zero) & kHighBits) == 0;
}

// Ranges of the second byte, Unicode 15 table 3-7; the rest are 80..BF.
struct Sequence {
    std::size_t size;  // 0: not a first byte
    std::uint8_t second_min;
    std::uint8_t second_max;
};

Sequence sequence_of(std::uint8_t first) {
    if (first >= 0xC2 && first <= 0xDF) {
        return {2, 0x80, 0xBF};
    }
    if (first >= 0xE0 && first <= 0xEF) {
        return {3, static_cast<std::uint8_t>(first == 0xE0 ? 0xA0 : 0x80),
                static_cast<std::uint8_t>(first == 0xED ? 0x9F : 0xBF)};  // [MQTT-1.5.4-1]
    }
    if (first >= 0xF0 && first <= 0xF4) {
        return {4, static_cast<std::uint8_t>(first == 0xF0 ? 0x90 : 0x80),
                static_cast<std::uint8_t>(first == 0xF4 ? 0x8F : 0xBF)};
    }
    return {0, 0, 0};
}

// The size of the well-formed sequence at the front; 0 when there is none.
std::size_t multibyte_at(std::string_view bytes) {
    const Sequence sequence = sequence_of(static_cast<std::uint8_t>(bytes[0]));
    if (sequence.size == 0 || bytes.size() < sequence.size) {
        return 0;
    }
    const auto second = static_cast<std::uint8_t>(bytes[1]);
    if (second < sequence.second_min || second > sequence.second_max) {
        return 0;
    }
    for (std::size_t i = 2; i < sequence.size; ++i) {
        if ((static_cast<std::uint8_t>(bytes[i]) & 0xC0) != 0x80) {
            return 0;
        }
    }
    return sequence.size;
}

bool valid_topic_bytes(std::string_view topic) {
    // [MQTT-4.7.3-1] [MQTT-4.7.3-3]
    return !topic.empty() && topic.size() <= kTopicBytesMax && valid_utf8(topic);
}

// Takes the first level off `rest`; `more` says whether a level follows, which may be empty.
std::string_view take_level(std::string_view& rest, bool& more) {
    const std::size_t slash = rest.find('/');
    const std::string_view level = rest.substr(0, slash);
    more = slash != std::string_view::npos;
    rest = more ? rest.substr(slash + 1) : std::string_view{};
    return level;
}

}  // namespace

bool valid_utf8(std::string_view bytes) {
    std::size_t i = 0;
    while (i < bytes.size()) {
        if (bytes.size() - i >= sizeof(std::uint64_t) && plain_ascii_word(bytes.data() + i)) {
            i += sizeof(std::uint64_t);
            continue;
        }
        const auto byte = static_cast<std::uint8_t>(bytes[i]);
        if (byte == 0) {  // [MQTT-1.5.4-2] [MQTT-4.7.3-2]
            return false;
        }
        // U+FEFF is a character like any other [MQTT-1.5.4-3]
        const std::size_t size = byte < 0x80 ? 1 : multibyte_at(bytes.substr(i));
        if (size == 0) {
            return false;
        }
        i += size;
    }
    return true;
}

bool valid_topic_name(std::string_view topic) {
    return valid_topic_bytes(topic) && !has_wildcard(topic);  // [MQTT-4.7.0-1]
}

bool valid_topic_filter(std::string_view filter) {
    if (!valid_topic_bytes(filter)) {
        return false;
    }
    bool more = true;
    for (std::string_view rest = filter; more;) {
        const std::string_view level = take_level(rest, more);
        if (level.size() == 1) {
            if (level[0] == '#' && more) {  // [MQTT-4.7.1-1]
                return false;
            }
        } else if (has_wildcard(level)) {  // [MQTT-4.7.1-2]
            return false;
        }
    }
    return true;
}

bool has_wildcard(std::string_view filter) {
    return filter.find('+') != std::string_view::npos || filter.find('#') != std::string_view::npos;
}

bool topic_matches(std::string_view filter, std::string_view topic) {
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) {
        return false;
    }
    bool more_filter = true;
    bool more_topic = true;
    while (more_filter) {
        const std::string_view want = take_level(filter, more_filter);
        if (want == "#") {
            return true;
        }
        if (!more_topic) {
            return false;
        }
        const std::string_view have = take_level(topic, more_topic);
        if (want != "+" && want != have) {
            return false;
        }
    }
    return !more_topic;
}

std::size_t topic_level_count(std::string_view topic) {
    return 1 + static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/'));
}

std::optional<std::string_view> topic_level(std::string_view topic, std::size_t n) {
    bool more = n > 0;
    for (std::size_t i = 1; more; ++i) {
        const std::string_view level = take_level(topic, more);
        if (i == n) {
            return level;
        }
    }
    return std::nullopt;
}

std::string_view device_key(std::string_view topic) {
    const std::size_t first = topic.find('/');
    if (first == std::string_view::npos) {
        return topic;
    }
    return topic.substr(0, topic.find('/', first + 1));
}

bool is_shared_filter(std::string_view filter) { return filter.starts_with("$share/"); }

std::optional<SharedFilter> parse_shared_filter(std::string_view filter) {
    if (!is_shared_filter(filter)) {
        return std::nullopt;
    }
    bool more = true;
    std::string_view rest = filter.substr(std::string_view("$share/").size());
    const std::string_view group = take_level(rest, more);
    if (group.empty() || has_wildcard(group) || !more || !valid_topic_filter(rest)) {
        return std::nullopt;
    }
    return SharedFilter{.group = group, .filter = rest};
}

}  // namespace causeway
