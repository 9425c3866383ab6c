#include "cluster/node/calls.h"

#include <utility>
#include <vector>

namespace causeway::node {

void Calls::call(NodeId to, std::string method, std::string body, MonoMs limit_ms, Done done) {
    const std::uint64_t id = next_++;
    pending_.emplace(id, Pending{to, clock_.mono_ms() + limit_ms, std::move(done)});
    ports_.send(to, wire::Call{id, std::move(method), std::move(body)});
}

void Calls::on_reply(NodeId from, const wire::Reply& reply) {
    const auto found = pending_.find(reply.id);
    if (found == pending_.end() || found->second.to != from) {
        return;  // it came too late
    }
    auto done = std::move(found->second.done);
    pending_.erase(found);
    done(reply.ok, reply.body);
}

template <typename Over>
void Calls::end_all(Over over) {
    std::vector<Done> ended;
    for (auto at = pending_.begin(); at != pending_.end();) {
        if (over(at->second)) {
            ended.push_back(std::move(at->second.done));
            at = pending_.erase(at);
        } else {
            ++at;
        }
    }
    for (Done& done : ended) {
        done(false, "");
    }
}

void Calls::on_disconnected(NodeId peer) {
    end_all([peer](const Pending& pending) { return pending.to == peer; });
}

void Calls::on_tick() {
    end_all([now = clock_.mono_ms()](const Pending& pending) { return pending.until <= now; });
}

}  // namespace causeway::node
