// The port through which somebody else is asked whether a client may come in: an HTTP service of
// the operator's. An instance belongs to one loop and is used on its thread. Implemented in
// gateway/callout.
#pragma once

#include <optional>
#include <string>

#include <absl/functional/any_invocable.h>

#include "core/base/time.h"

namespace causeway::auth {

struct CalloutQuestion {
    std::string client_id;
    std::string user_name;
    std::string password;
    std::string host;
    std::string certificate_name;
};

struct CalloutAnswer {
    enum class Result : std::uint8_t { kAllow, kDeny, kUnavailable };
    Result result = Result::kUnavailable;
    std::string device_key;  // kAllow
};

class Callout {
public:
    using Answered = absl::AnyInvocable<void(const CalloutAnswer&)>;
    virtual ~Callout() = default;
    // What was answered to the same question a moment ago; nullopt: ask().
    [[nodiscard]] virtual std::optional<CalloutAnswer> cached(const CalloutQuestion& question) = 0;
    // Effect: asks. `answered` is called once, later, within the time limit; kUnavailable too when
    // too many are asked.
    virtual void ask(CalloutQuestion question, Answered answered) = 0;
};

}  // namespace causeway::auth
