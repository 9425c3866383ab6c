// The state machine of the control group (Raft group 0): commands in, one Model out. Every replica
// applies the same commands in the same order and so has the same model and the same outcomes; what
// is decided here was decided by a majority. The replica of group 0 owns it, on the thread that
// applies; others read copies of the model. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/control/command.h"
#include "cluster/control/model.h"

namespace causeway::control {

enum class Code : std::uint8_t {
    kOk = 0,
    kInvalid,         // No command, or one beyond the limits of model.h.
    kNotCreated,      // There is no cluster yet.
    kAlreadyCreated,  // There is one, with another id or shape.
    kNameTaken,       // Another node has the name: remove it first.
    kNodeRemoved,     // A node with this uuid was removed: it needs an empty data directory.
    kUnknownNode,
    kUnknownGroup,
    kStillMember,  // The node holds replicas: drain it first.
    kLastNode,     // No other node could hold what it holds.
    kTooMany,      // A limit of the whole: nodes, queues, documents.
    kUnknownVersion,
    kStale,  // Somebody else was faster: read again, decide again.
};

// One line for a person.
std::string_view text_of(Code code);

struct Outcome {
    Code code = Code::kOk;
    NodeId node;                // AddNode
    // PutRules, ActivateRules: the newest, the active one. PutDocument: its revision.
    std::uint64_t version = 0;
    bool operator==(const Outcome&) const = default;
};

class Machine {
public:
    // Effect: applies one command; anything but kOk leaves the model as it is, except for
    // `applied`. Precondition: index is above model().applied.
    Outcome apply(Index index, std::string_view command);

    // Effect: the entry at `index` was no command.
    void advance(Index index);

    [[nodiscard]] const Model& model() const { return model_; }

    // The whole state, at most kSnapshotBytesMax.
    [[nodiscard]] std::string snapshot() const;
    // Effect: replaces the state. False: damaged, or of a format this version does not read;
    // nothing is changed.
    bool restore(std::string_view snapshot);

private:
    Outcome on(const CreateCluster& command);
    Outcome on(const AddNode& command);
    Outcome on(const UpdateNode& command);
    Outcome on(const DrainNode& command);
    Outcome on(const RemoveNode& command);
    Outcome on(const SetMembers& command);
    Outcome on(const PutRules& command);
    Outcome on(const ActivateRules& command);
    Outcome on(const DeclareQueues& command);
    Outcome on(const PutDocument& command);
    Outcome on(const DeleteDocument& command);
    [[nodiscard]] bool is_member(NodeId node) const;
    [[nodiscard]] bool is_created_by(const CreateCluster& command) const;
    void trim_rules();

    Model model_;
};

}  // namespace causeway::control
