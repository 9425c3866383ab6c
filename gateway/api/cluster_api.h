// The cluster by HTTP: what this node and those it reaches say of it, and what an operator asks of
// it (docs/api.md, "Cluster"). Part of the API's loop; inside this module.
#pragma once

#include <string>

#include "cluster/node/node.h"
#include "core/io/http_server.h"

namespace causeway::api {

class ClusterApi {
public:
    ClusterApi(io::Loop& loop, node::Node& node) : loop_(loop), node_(node) {}

    // Effect: answers a request for /v1/cluster or below, now or later.
    void handle(const io::HttpRequest& request, io::HttpResponder responder);

private:
    void show(io::HttpResponder responder);
    void transfer(const io::HttpRequest& request, io::HttpResponder responder);
    void drain(const io::HttpRequest& request, io::HttpResponder responder);
    void remove(const io::HttpRequest& request, io::HttpResponder responder);

    io::Loop& loop_;
    node::Node& node_;
};

}  // namespace causeway::api
