// The Router port: how the leader of a set asks the rules, before it proposes a publish, what else
// the log entry must hold. Implemented over rules/engine by the root; tests have their own. Called
// on the core loop of the set only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/message/command.h"

namespace causeway {

class Router {
public:
    virtual ~Router() = default;

    // Effect: appends to `outputs` the encoded RouteOutputs of every rule that fires for `publish`
    // (error actions included), and returns the version of the rule set that decided.
    virtual std::uint64_t route(const Publish& publish, SetMs now, std::string& outputs) = 0;

    // The same for an event, which no publish caused. Views of `event` live for the call.
    virtual std::uint64_t route_event(const Event& /*event*/, SetMs /*now*/,
                                      std::string& /*outputs*/) {
        return 0;
    }

    // The events that the rules ask for. Any thread.
    [[nodiscard]] virtual EventMask events() const { return 0; }

    // False: no rule can match this topic; route() need not be called.
    [[nodiscard]] virtual bool interested(std::string_view topic) const = 0;
};

}  // namespace causeway
