#include "gateway/api/refusals.h"

namespace causeway::api {
namespace {

constexpr char kAnyOther[] = "*";

}  // namespace

std::optional<audit::Event> Refusals::note(audit::Event event, MonoMs now) {
    std::pair<int, std::string> key(event.status.value_or(0), event.who);
    if (!key.second.empty() && !kinds_.contains(key) && kinds_.size() >= kKnownMax) {
        key.second = kAnyOther;
    }
    const auto [kind, first] = kinds_.try_emplace(std::move(key), Kind{now});
    if (first) {
        return event;
    }
    ++kind->second.unrecorded;
    kind->second.newest = std::move(event);
    return std::nullopt;
}

std::vector<audit::Event> Refusals::due(MonoMs now) {
    std::vector<audit::Event> events;
    for (auto at = kinds_.begin(); at != kinds_.end();) {
        Kind& kind = at->second;
        if (now - kind.recorded_at < kEveryMs) {
            ++at;
        } else if (kind.unrecorded == 0) {
            at = kinds_.erase(at);
        } else {
            if (kind.unrecorded > 1) {
                kind.newest.details.emplace_back("others", std::to_string(kind.unrecorded - 1));
            }
            events.push_back(std::move(kind.newest));
            kind = Kind{now};
            ++at;
        }
    }
    return events;
}

}  // namespace causeway::api
