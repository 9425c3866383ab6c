// Questions to other nodes and their answers (wire::Call, wire::Reply): each ends once, with an
// answer, when the connection it went by is lost, or after its time.
//
// Deterministic; core loop only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <absl/functional/any_invocable.h>

#include "cluster/node/ports.h"

namespace causeway::node {

class Calls {
public:
    // `ok` false: no answer, or the other node's refusal; then `body` is one line, which may be
    // empty when nothing came.
    using Done = absl::AnyInvocable<void(bool ok, std::string_view body)>;

    Calls(Ports& ports, Clock& clock) : ports_(ports), clock_(clock) {}

    // `done` is called later, never from within.
    void call(NodeId to, std::string method, std::string body, MonoMs limit_ms, Done done);

    void on_reply(NodeId from, const wire::Reply& reply);
    void on_disconnected(NodeId peer);
    void on_tick();

private:
    struct Pending {
        NodeId to;
        MonoMs until = 0;
        Done done;
    };
    template <typename Over>
    void end_all(Over over);

    Ports& ports_;
    Clock& clock_;
    std::map<std::uint64_t, Pending> pending_;
    std::uint64_t next_ = 1;
};

}  // namespace causeway::node
