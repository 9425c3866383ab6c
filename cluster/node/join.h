// How a node with a new data directory becomes one of a running cluster: it asks any member, with
// the certificate it will serve by, and is given its number. `causeway cluster join` calls it; the
// node does not run then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/tagged.h"

struct ssl_ctx_st;

namespace causeway::node {

struct JoinOptions {
    std::string data_dir;
    std::string name;     // as the certificate has it
    std::string address;  // ADDRESS:PORT for other nodes
    bool gateway = true;  // roles
    bool core = true;
    std::vector<std::pair<std::string, std::uint16_t>> seeds;  // members, one at least
    std::shared_ptr<ssl_ctx_st> link_server;                   // certs::make_peer_contexts()
    std::shared_ptr<ssl_ctx_st> link_client;
    std::uint64_t random = 1;
    std::uint64_t limit_ms = 15'000;
};

// Effect: the data directory is that of a member from now on; returns its id. Asked again with the
// same directory the answer is the same. Errors, one line each: the directory is one of a member or
// holds a log; no member answers in time; the cluster says no.
Result<NodeId> join(const JoinOptions& options);

}  // namespace causeway::node
