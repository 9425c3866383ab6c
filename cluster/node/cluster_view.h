// The cluster as one node sees it and what an operator may ask of it, for the HTTP API. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/control/machine.h"
#include "cluster/node/report.h"
#include "cluster/node/steward.h"

namespace causeway::node {

struct ClusterView {
    NodeId self;
    std::string name;       // of the cluster
    NodeId control_leader;  // 0: not known
    control::Model model;   // as far as this node knows; not created: cluster_id is empty
    Reports reports;        // of the nodes that answered within a second
    // Placement's next steps, with what is in the way left out.
    std::vector<placement::Step> under_way;
};

// What became of a request. `message` is one line for a person.
struct Answer {
    bool ok = false;
    bool known = true;  // false: whether it took effect is not known
    control::Outcome outcome;
    std::string message;
};

}  // namespace causeway::node
