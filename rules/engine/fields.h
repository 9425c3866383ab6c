// The fields of a message and of an event by the names that SQL and templates know. Internal to
// rules/engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace causeway::rules {

enum class Field : std::uint8_t {
    kId,
    kClientid,
    kUsername,
    kProduct,
    kDevice,
    kTopic,
    kPayload,
    kQos,
    kRetain,
    kDup,
    kTimestamp,
    kReceivedAt,
    kPeerhost,
    kNode,
    kUserProperties,
    kContentType,
    kResponseTopic,
    kCorrelationData,
    kMessageExpiry,
    kSessionEpoch,
    // Of events only.
    kEvent,
    kReason,
    kFromClientid,
    kSessionPresent,
    kCleanStart,
    kSessionExpiry,
    kQueue,
    kSink,
    kDeadLetter,
    kKey,
    kRule,
    kFailures,
};

inline constexpr std::array<std::string_view, 32> kFieldNames = {
    "id",
    "clientid",
    "username",
    "product",
    "device",
    "topic",
    "payload",
    "qos",
    "retain",
    "dup",
    "timestamp",
    "received_at",
    "peerhost",
    "node",
    "user_properties",
    "content_type",
    "response_topic",
    "correlation_data",
    "message_expiry",
    "session_epoch",
    "event",
    "reason",
    "from_clientid",
    "session_present",
    "clean_start",
    "session_expiry",
    "queue",
    "sink",
    "dead_letter",
    "key",
    "rule",
    "failures",
};

// Case counts: fields are written as in the table.
[[nodiscard]] inline std::optional<Field> find_field(std::string_view name) {
    for (std::size_t i = 0; i < kFieldNames.size(); ++i) {
        if (kFieldNames[i] == name) {
            return static_cast<Field>(i);
        }
    }
    return std::nullopt;
}

// Whether a path may go on behind the field.
[[nodiscard]] inline bool has_parts(Field field) {
    return field == Field::kPayload || field == Field::kUserProperties || field == Field::kFailures;
}

// Whether messages do not have it.
[[nodiscard]] inline bool of_events(Field field) { return field >= Field::kEvent; }

}  // namespace causeway::rules
