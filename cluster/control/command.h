// The commands of the control group and their bytes (docs/formats/control.md). A command that was
// applied and is proposed again, because its proposer never learned the outcome, gives the same
// outcome and changes nothing. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cluster/control/model.h"

namespace causeway::control {

struct NewNode {
    std::string uuid;
    std::string name;
    std::string address;
    Roles roles;
    std::string extra;
};

// The founders get the ids 1, 2, 3 … in this order, which is that of the configuration with which
// they started group 0. Sets and slots stay as they are created.
struct CreateCluster {
    std::string cluster_id;
    std::uint32_t sets = 1;
    std::uint32_t voters_per_set = 3;  // Odd.
    std::vector<NewNode> founders;
};

// A node with this uuid that is there already keeps its id; its name, address and roles are
// replaced.
struct AddNode {
    NewNode node;
};

struct UpdateNode {
    NodeId node;
    std::string address;
};

// From now on the node should hold nothing, or may again.
struct DrainNode {
    NodeId node;
    bool draining = true;
};

// Only when no group has it as a member any more.
struct RemoveNode {
    NodeId node;
};

// What a group's leader has committed.
struct SetMembers {
    GroupId group;
    Members members;
};

// Precondition of the operator: `version` is the newest one plus 1, else somebody else was faster.
struct PutRules {
    RuleVersion rules;
};

struct ActivateRules {
    std::uint64_t version = 0;
};

// A queue that is there is replaced. Names in `remove` that are not there are no error.
struct DeclareQueues {
    std::vector<Queue> declare;
    std::vector<std::string> remove;
};

// `expected`: the revision of the document that is replaced; 0: there must be none; kAnyDocument:
// whatever is there. With another one nothing is done (kStale), but a put of the text that is there
// is done already.
inline constexpr std::uint64_t kAnyDocument = ~std::uint64_t{0};
struct PutDocument {
    std::string kind;
    std::string name;
    std::uint64_t expected = kAnyDocument;
    std::string text;
};

// One that is not there is deleted already.
struct DeleteDocument {
    std::string kind;
    std::string name;
    std::uint64_t expected = kAnyDocument;
};

using Command = std::variant<CreateCluster, AddNode, UpdateNode, DrainNode, RemoveNode, SetMembers,
                             PutRules, ActivateRules, DeclareQueues, PutDocument, DeleteDocument>;

std::string encode(const Command& command);

// Returns nullopt on bytes that are no command this version knows, or with lists longer than
// model.h allows. Fields it does not know are kept in records that are stored (`extra`) and skipped
// elsewhere. Other limits are apply's.
std::optional<Command> decode_command(std::string_view bytes);

}  // namespace causeway::control
