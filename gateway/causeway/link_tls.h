// The TLS of the links to other nodes: read at the start, and again when its files change, on
// SIGHUP or when asked. Links that are open go on, unless it is the CA or the revocation list that
// changed: then all are made anew, within a tenth of a second. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "certs/peer_tls.h"
#include "cluster/node/node.h"
#include "core/base/result.h"
#include "gateway/causeway/config.h"

namespace causeway::root {

class LinkTls {
public:
    // Effect: reads the files, if any are configured, into the options of the node.
    Result<> open(const ClusterConfig& config, node::NodeOptions& options);

    // Effect: hands what has changed to the node; `always` reads the files whatever their dates
    // say. What cannot be read stays as it was, is told in the log once, and is tried again the
    // next time.
    Result<> refresh(node::Node& node, bool always);

    // Effect: certificates that end soon go to the log.
    void warn(std::int64_t now_s) const;

private:
    std::optional<certs::PeerTls> tls_;  // none: a node alone
    std::string error_;                  // the last one
};

// Where the files of a cluster's node are.
certs::PeerTlsConfig peer_tls_config(const ClusterConfig& config);

}  // namespace causeway::root
