// The Sink port: the one outside place that deliveries of a sink go to. Implemented by HttpSink;
// tests have their own. Called by rules/runner, which decides when, how many at once and how often;
// a sink only tries once and says how that ended. Everything is on the sink loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <absl/functional/any_invocable.h>

#include "core/base/bytes.h"

namespace causeway::rules {

struct Delivery {
    // The same for every attempt of one delivery, and for no other delivery: receivers deduplicate
    // by it. ASCII without blanks.
    std::string id;
    SharedBytes request;  // as the rule encoded it
};

enum class OutcomeKind : std::uint8_t {
    kDelivered,
    kRetry,      // may succeed later
    kPermanent,  // will never succeed as it is
};

struct DeliveryOutcome {
    OutcomeKind kind = OutcomeKind::kRetry;
    std::uint64_t after_ms =
        0;               // kRetry: the receiver wants nothing before that; 0: it did not say
    std::string reason;  // one printable line, at most kReasonBytesMax; empty: delivered
};
inline constexpr std::size_t kReasonBytesMax = 200;

class Sink {
public:
    virtual ~Sink() = default;

    using Completion = absl::AnyInvocable<void(DeliveryOutcome)>;
    // Effect: begins one attempt. `completion` is called once, later, never from within deliver();
    // it may call deliver() and must not destroy the sink. The number in flight is the caller's to
    // bound.
    virtual void deliver(Delivery delivery, Completion completion) = 0;

    // Attempts begun whose completion has not been called.
    [[nodiscard]] virtual std::size_t in_flight() const = 0;

    // Effect: cuts what is in flight. No completion is called any more: the outcome of those
    // attempts is unknown. deliver() is not called after it.
    virtual void close() = 0;
};

}  // namespace causeway::rules
