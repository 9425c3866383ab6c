// The rules by HTTP: put a set of files as a new version, activate one, list them, try a message,
// what rules counted (docs/api.md, "Rules"). Part of the API's loop; inside this module.
#pragma once

#include <string_view>
#include <utility>

#include "cluster/node/node.h"
#include "core/io/http_server.h"
#include "gateway/api/api.h"

namespace causeway::api {

class RulesApi {
public:
    RulesApi(io::Loop& loop, node::Node& node, EvaluatedRules evaluated)
        : loop_(loop), node_(node), evaluated_(std::move(evaluated)) {}

    // Effect: answers a request for /v1/rules or below, now or later.
    void handle(const io::HttpRequest& request, io::HttpResponder responder);

private:
    void list(io::HttpResponder responder);
    void put(const io::HttpRequest& request, io::HttpResponder responder);
    void activate(const io::HttpRequest& request, io::HttpResponder responder);
    void activate_version(std::uint64_t version, io::HttpResponder responder);
    // Of one rule; of all when `id` is empty.
    void metrics(std::string_view id, io::HttpResponder responder);

    io::Loop& loop_;
    node::Node& node_;
    EvaluatedRules evaluated_;
};

}  // namespace causeway::api
