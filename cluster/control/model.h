// What the control group knows of the cluster: its nodes, its sets and who holds them, who owns
// each slot, the rule files in their versions, the queues, and named documents. Plain data; everything is bounded,
// so that the whole of it is one snapshot value. Changed by Machine (machine.h) only; read by
// placement, the nodes and the API from copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/tagged.h"
#include "core/base/time.h"
#include "core/message/slots.h"

namespace causeway::control {

// The control group itself; sets are groups 1 … sets.
inline constexpr GroupId kControlGroup{0};

inline constexpr std::size_t kNodesMax = 64;
inline constexpr std::uint32_t kSetsMax = 256;
inline constexpr std::uint32_t kVotersMax = 7;
inline constexpr std::size_t kMembersMax = 16;  // Voters and learners of one group.
inline constexpr std::size_t kNameBytesMax = 64;
inline constexpr std::size_t kAddressBytesMax = 256;
inline constexpr std::size_t kUuidBytes = 16;
inline constexpr std::size_t kRemovedNodesMax = 256;  // Remembered; the oldest are forgotten.
// One version fits one log entry; all versions together fit one snapshot.
inline constexpr std::size_t kRuleFilesMax = 64;
inline constexpr std::size_t kRuleBytesMax = 512U << 10;
inline constexpr std::size_t kRuleVersionsMax = 16;
inline constexpr std::size_t kRuleBytesAllMax = 4U << 20;
inline constexpr std::size_t kCommentBytesMax = 1024;
inline constexpr std::size_t kQueuesMax = 1024;
// Documents are few and small: products, tokens, bans. Devices are records of the sets.
inline constexpr std::size_t kDocumentsMax = 8'192;
inline constexpr std::size_t kDocumentBytesMax = 64U << 10;
inline constexpr std::size_t kDocumentBytesAllMax = 6U << 20;
// Fields of a newer version that this one keeps without understanding them, per record.
inline constexpr std::size_t kExtraBytesMax = 1024;
inline constexpr std::size_t kSnapshotBytesMax = 16U << 20;

struct Roles {
    bool gateway = false;
    bool core = false;
    bool operator==(const Roles&) const = default;
};

struct Node {
    NodeId id;         // Given at the join, never used again.
    std::string uuid;  // Of the data directory: a wiped disk has another.
    std::string name;  // Unique among the nodes that are there.
    std::string address;
    Roles roles;
    bool draining = false;
    std::string extra;
    bool operator==(const Node&) const = default;
};

// Who holds a group, as its last committed configuration says.
struct Members {
    Index at;  // Of that configuration in the group's own log.
    std::vector<NodeId> voters;
    std::vector<NodeId> learners;
    bool operator==(const Members&) const = default;
};

struct RuleFile {
    std::string name;
    std::string text;
    bool operator==(const RuleFile&) const = default;
};

struct RuleVersion {
    std::uint64_t version = 0;  // 1, 2, 3 …
    std::vector<RuleFile> files;
    std::string author;
    std::string comment;
    std::uint64_t at_ms = 0;  // Wall clock of who put it.
    std::string extra;
    bool operator==(const RuleVersion&) const = default;
};

struct Queue {
    std::string name;
    std::uint64_t messages_max = 0;
    std::uint64_t bytes_max = 0;
    std::uint32_t visibility_timeout_s = 30;
    std::uint32_t retention_s = 0;
    std::uint32_t receive_count_max = 0;
    std::string dead_letter;
    std::string extra;
    bool operator==(const Queue&) const = default;
};

// A named text that the control group does not look into: whoever proposes it has checked it
// (gateway/auth, gateway/api). Kind and name are 1 to kNameBytesMax bytes without spaces.
struct Document {
    std::string kind;
    std::string name;
    std::uint64_t revision = 0;  // no document ever had it before
    std::string text;
    std::string extra;
    bool operator==(const Document&) const = default;
};
// By kind and name.
using Documents = std::map<std::pair<std::string, std::string>, Document>;

struct RemovedNode {
    std::string uuid;
    NodeId id;
    bool operator==(const RemovedNode&) const = default;
};

struct Model {
    Index applied;
    std::string cluster_id;  // Empty: not created yet.
    std::uint32_t sets = 0;
    std::uint32_t voters_per_set = 0;
    NodeId next_node{1};
    std::map<NodeId, Node> nodes;
    std::vector<RemovedNode> removed;  // Oldest first.
    std::map<GroupId, Members> groups;
    SlotMap slots;
    std::vector<RuleVersion> rules;  // Ascending by version.
    std::uint64_t active_rules = 0;  // 0: none.
    std::map<std::string, Queue> queues;
    Documents documents;
    std::uint64_t documents_revision = 0;  // of the last change of any
    std::string extra;
    bool operator==(const Model&) const = default;
};

// nullptr: no such node, no such version.
const Node* find_node(const Model& model, std::string_view name);
const RuleVersion* find_rules(const Model& model, std::uint64_t version);

}  // namespace causeway::control
