// Small clusters for the tests of placement.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "cluster/placement/place.h"

namespace causeway::placement::test {

using Ids = std::vector<NodeId>;

inline Ids ids(std::initializer_list<std::uint64_t> numbers) {
    Ids out;
    for (const std::uint64_t number : numbers) {
        out.emplace_back(number);
    }
    return out;
}

inline bool contains(const Ids& all, NodeId id) {
    return std::find(all.begin(), all.end(), id) != all.end();
}

inline void add_node(control::Model& model, std::uint64_t id, bool core = true) {
    control::Node node;
    node.id = NodeId(id);
    node.name = "n" + std::to_string(id);
    node.roles = {.gateway = true, .core = core};
    model.nodes[node.id] = node;
}

// Groups 0 … sets, held by nobody yet.
inline control::Model cluster(std::uint64_t nodes, std::uint32_t sets) {
    control::Model model;
    model.sets = sets;
    model.voters_per_set = 3;
    for (std::uint64_t id = 1; id <= nodes; ++id) {
        add_node(model, id);
    }
    for (std::uint32_t group = 0; group <= sets; ++group) {
        model.groups[GroupId(group)];
    }
    return model;
}

inline std::map<NodeId, std::size_t> loads(const Placement& placement) {
    std::map<NodeId, std::size_t> out;
    for (const auto& [group, voters] : placement) {
        for (const NodeId id : voters) {
            ++out[id];
        }
    }
    return out;
}

inline void hold(control::Model& model, const Placement& placement) {
    for (const auto& [group, voters] : placement) {
        model.groups[group].voters = voters;
    }
}

}  // namespace causeway::placement::test
