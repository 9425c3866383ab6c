// Commands in short, for the tests of the control group.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cluster/control/machine.h"

namespace causeway::control::test {

inline std::string uuid(std::uint64_t number) {
    std::string text = std::to_string(number);
    return std::string(kUuidBytes - text.size(), '0') + text;
}

inline NewNode node(std::uint64_t number, Roles roles = {.gateway = true, .core = true}) {
    const std::string name = "n" + std::to_string(number);
    return {
        .uuid = uuid(number), .name = name, .address = name + ":7000", .roles = roles, .extra = {}};
}

inline CreateCluster create(std::uint64_t nodes, std::uint32_t sets = 4) {
    CreateCluster command{.cluster_id = "plant", .sets = sets, .voters_per_set = 3, .founders = {}};
    for (std::uint64_t number = 1; number <= nodes; ++number) {
        command.founders.push_back(node(number));
    }
    return command;
}

inline PutRules rules(std::uint64_t version, std::string text = "{}") {
    return {{.version = version,
             .files = {{"plant.json", std::move(text)}},
             .author = "ann",
             .comment = "",
             .at_ms = 5,
             .extra = {}}};
}

inline SetMembers members(std::uint32_t group, std::uint64_t at, std::vector<NodeId> voters,
                          std::vector<NodeId> learners = {}) {
    return {GroupId(group), {Index(at), std::move(voters), std::move(learners)}};
}

inline Queue queue(std::string name) {
    Queue made;
    made.name = std::move(name);
    return made;
}

// A machine and the place of the next entry.
struct Rig {
    Machine machine;
    std::uint64_t last = 0;

    Outcome apply(const Command& command) { return machine.apply(Index(++last), encode(command)); }
    Code code(const Command& command) { return apply(command).code; }
    [[nodiscard]] const Model& model() const { return machine.model(); }
};

}  // namespace causeway::control::test
