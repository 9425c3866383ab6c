#include "gateway/access/permit.h"

#include <algorithm>

#include "core/message/topic.h"

namespace causeway::access {
namespace {

bool below(std::string_view path, std::string_view root) {
    return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

bool names(const std::vector<std::string>& patterns, std::string_view queue) {
    return std::any_of(patterns.begin(), patterns.end(), [queue](std::string_view pattern) {
        return pattern.ends_with('*') ? queue.starts_with(pattern.substr(0, pattern.size() - 1))
                                      : pattern == queue;
    });
}

constexpr std::string_view kQueues = "/v1/queues";

RequestNeed queue_need(std::string_view method, std::string_view path) {
    if (path == kQueues) {
        return {Need::kRead, {}, false};
    }
    const std::string_view rest = path.substr(kQueues.size() + 1);
    return {Need::kQueue, rest.substr(0, rest.find('/')), method == "DELETE"};
}

}  // namespace

Principal principal_of(const Token& token) {
    return {"token:" + token.id, token.role, token.queues, token.topics};
}

RequestNeed need_of(std::string_view method, std::string_view path) {
    const bool get = method == "GET" || method == "HEAD";
    if (path == "/healthz") {
        return {Need::kNothing, {}, false};
    }
    if (below(path, kQueues)) {
        return queue_need(method, path);
    }
    if (path == "/v1/publish") {
        return {Need::kPublish, {}, false};
    }
    if (path == "/v1/rules/test" || path == "/v1/rules/explain") {
        return {Need::kOperate, {}, false};  // nothing is changed by trying rules
    }
    if (below(path, "/v1/tokens")) {
        return {Need::kAdmin, {}, !get};
    }
    if (get) {
        const bool known = path == "/metrics" || path == "/v1/memory" ||
                           below(path, "/v1/cluster") || below(path, "/v1/rules") ||
                           below(path, "/v1/products") || below(path, "/v1/devices") ||
                           below(path, "/v1/bans") || below(path, "/v1/audit");
        return {known ? Need::kRead : Need::kAdmin, {}, false};
    }
    const bool operate = below(path, "/v1/rules") || below(path, "/v1/products") ||
                         below(path, "/v1/devices") || below(path, "/v1/bans");
    return {operate ? Need::kOperate : Need::kAdmin, {}, true};
}

bool may(const Principal& who, const RequestNeed& need) {
    switch (need.need) {
        case Need::kNothing:
            return true;
        case Need::kRead:
            return who.role != Role::kApp;
        case Need::kQueue:
            return who.role >= Role::kOperator ||
                   (who.role == Role::kApp && names(who.queues, need.queue));
        case Need::kPublish:
            return who.role >= Role::kOperator || (who.role == Role::kApp && !who.topics.empty());
        case Need::kOperate:
            return who.role >= Role::kOperator;
        case Need::kAdmin:
            return who.role == Role::kAdmin;
    }
    return false;
}

bool may_publish(const Principal& who, std::string_view topic) {
    return who.role >= Role::kOperator ||
           (who.role == Role::kApp &&
            std::any_of(who.topics.begin(), who.topics.end(), [topic](const std::string& filter) {
                return topic_matches(filter, topic);
            }));
}

}  // namespace causeway::access
