// What a request of the HTTP API needs and who may have it. One table, so that it can be read:
//
//                                      read-only  app        operator  admin
//   read: status, lists, metrics       yes        –          yes       yes
//   queue messages                     –          its queues yes       yes
//   publish                            –          its topics yes       yes
//   rules, products, devices, bans     –          –          yes       yes
//   cluster, tokens                    –          –          –         yes
//   audit log                          yes        –          yes       yes
//
// A request the table does not know needs an admin. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/access/token.h"

namespace causeway::access {

// Who asks.
struct Principal {
    // As the audit log has it: "token:ID", "cert:NAME", "local" (the start's own token) or
    // "loopback".
    std::string id;
    Role role = Role::kReadOnly;
    std::vector<std::string> queues;
    std::vector<std::string> topics;
};
[[nodiscard]] Principal principal_of(const Token& token);

enum class Need : std::uint8_t {
    kNothing,  // health only
    kRead,
    kQueue,    // messages of Request::queue
    kPublish,  // which topic is seen in the body: may_publish()
    kOperate,
    kAdmin,
};
struct RequestNeed {
    Need need = Need::kAdmin;
    std::string_view queue;  // of the path
    // It changes what operators decide, so the audit log has it; messages are not such changes.
    bool change = false;
};
// `path` as sent, without a query.
[[nodiscard]] RequestNeed need_of(std::string_view method, std::string_view path);

[[nodiscard]] bool may(const Principal& who, const RequestNeed& need);
[[nodiscard]] bool may_publish(const Principal& who, std::string_view topic);

}  // namespace causeway::access
