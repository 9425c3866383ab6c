// See command.h.
#include "cluster/control/command.h"

#include <utility>

#include "cluster/control/fields.h"
#include "cluster/control/records.h"

namespace causeway::control {
namespace {

constexpr std::uint8_t kFormat = 1;

// Numbers are for ever, as are the tags below, which every command numbers for itself.
enum class Kind : std::uint8_t {
    kCreateCluster = 1,
    kAddNode = 2,
    kUpdateNode = 3,
    kDrainNode = 4,
    kRemoveNode = 5,
    kSetMembers = 6,
    kPutRules = 7,
    kActivateRules = 8,
    kDeclareQueues = 9,
    kPutDocument = 10,
    kDeleteDocument = 11,
};

class Encoder {
public:
    Kind operator()(const CreateCluster& command) {
        out.text(1, command.cluster_id);
        out.number(2, command.sets);
        out.number(3, command.voters_per_set);
        for (const NewNode& node : command.founders) {
            out.text(4, encode_record(node));
        }
        return Kind::kCreateCluster;
    }
    Kind operator()(const AddNode& command) {
        out.text(1, encode_record(command.node));
        return Kind::kAddNode;
    }
    Kind operator()(const UpdateNode& command) {
        out.number(1, command.node.value());
        out.text(2, command.address);
        return Kind::kUpdateNode;
    }
    Kind operator()(const DrainNode& command) {
        out.number(1, command.node.value());
        out.number(2, command.draining);
        return Kind::kDrainNode;
    }
    Kind operator()(const RemoveNode& command) {
        out.number(1, command.node.value());
        return Kind::kRemoveNode;
    }
    Kind operator()(const SetMembers& command) {
        out.number(1, command.group.value());
        out.text(2, encode_record(command.members));
        return Kind::kSetMembers;
    }
    Kind operator()(const PutRules& command) {
        out.text(1, encode_record(command.rules));
        return Kind::kPutRules;
    }
    Kind operator()(const ActivateRules& command) {
        out.number(1, command.version);
        return Kind::kActivateRules;
    }
    Kind operator()(const DeclareQueues& command) {
        for (const Queue& queue : command.declare) {
            out.text(1, encode_record(queue));
        }
        for (const std::string& name : command.remove) {
            out.text(2, name);
        }
        return Kind::kDeclareQueues;
    }

    Kind operator()(const PutDocument& command) {
        out.text(1, command.kind);
        out.text(2, command.name);
        out.number(3, command.expected);
        out.text(4, command.text);
        return Kind::kPutDocument;
    }
    Kind operator()(const DeleteDocument& command) {
        out.text(1, command.kind);
        out.text(2, command.name);
        out.number(3, command.expected);
        return Kind::kDeleteDocument;
    }

    FieldWriter out;
};

bool take(const Field& field, std::string& out) {
    out = field.bytes;
    return true;
}

Took take_field(const Field& field, CreateCluster& out) {
    switch (field.tag) {
        case 1:
            return took(take(field, out.cluster_id));
        case 2:
            return took(field.integer(out.sets));
        case 3:
            return took(field.integer(out.voters_per_set));
        case 4:
            return took(out.founders.size() < kNodesMax &&
                        decode_record(field.bytes, out.founders.emplace_back()));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, AddNode& out) {
    return field.tag == 1 ? took(decode_record(field.bytes, out.node)) : Took::kUnknown;
}

Took take_field(const Field& field, UpdateNode& out) {
    switch (field.tag) {
        case 1:
            return took(field.id(out.node));
        case 2:
            return took(take(field, out.address));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, DrainNode& out) {
    switch (field.tag) {
        case 1:
            return took(field.id(out.node));
        case 2:
            return took(field.flag(out.draining));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, RemoveNode& out) {
    return field.tag == 1 ? took(field.id(out.node)) : Took::kUnknown;
}

Took take_field(const Field& field, SetMembers& out) {
    switch (field.tag) {
        case 1:
            return took(field.id(out.group));
        case 2:
            return took(decode_record(field.bytes, out.members));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, PutRules& out) {
    return field.tag == 1 ? took(decode_record(field.bytes, out.rules)) : Took::kUnknown;
}

Took take_field(const Field& field, ActivateRules& out) {
    return field.tag == 1 ? took(field.number(out.version)) : Took::kUnknown;
}

Took take_field(const Field& field, DeclareQueues& out) {
    switch (field.tag) {
        case 1:
            return took(out.declare.size() < kQueuesMax &&
                        decode_record(field.bytes, out.declare.emplace_back()));
        case 2:
            return took(out.remove.size() < kQueuesMax && take(field, out.remove.emplace_back()));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, PutDocument& out) {
    switch (field.tag) {
        case 1:
            return took(take(field, out.kind));
        case 2:
            return took(take(field, out.name));
        case 3:
            return took(field.number(out.expected));
        case 4:
            return took(take(field, out.text));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, DeleteDocument& out) {
    switch (field.tag) {
        case 1:
            return took(take(field, out.kind));
        case 2:
            return took(take(field, out.name));
        case 3:
            return took(field.number(out.expected));
        default:
            return Took::kUnknown;
    }
}

template <typename T>
std::optional<Command> decode_as(std::string_view fields) {
    T command;
    const bool sound = read_fields(fields, nullptr,
                                   [&](const Field& field) { return take_field(field, command); });
    return sound ? std::optional<Command>(std::move(command)) : std::nullopt;
}

}  // namespace

std::string encode(const Command& command) {
    Encoder encoder;
    const Kind kind = std::visit(encoder, command);
    std::string bytes{static_cast<char>(kFormat), static_cast<char>(kind)};
    bytes += encoder.out.take();
    return bytes;
}

std::optional<Command> decode_command(std::string_view bytes) {
    if (bytes.size() < 2 || static_cast<std::uint8_t>(bytes[0]) != kFormat) {
        return std::nullopt;
    }
    const std::string_view fields = bytes.substr(2);
    switch (static_cast<Kind>(bytes[1])) {
        case Kind::kCreateCluster:
            return decode_as<CreateCluster>(fields);
        case Kind::kAddNode:
            return decode_as<AddNode>(fields);
        case Kind::kUpdateNode:
            return decode_as<UpdateNode>(fields);
        case Kind::kDrainNode:
            return decode_as<DrainNode>(fields);
        case Kind::kRemoveNode:
            return decode_as<RemoveNode>(fields);
        case Kind::kSetMembers:
            return decode_as<SetMembers>(fields);
        case Kind::kPutRules:
            return decode_as<PutRules>(fields);
        case Kind::kActivateRules:
            return decode_as<ActivateRules>(fields);
        case Kind::kDeclareQueues:
            return decode_as<DeclareQueues>(fields);
        case Kind::kPutDocument:
            return decode_as<PutDocument>(fields);
        case Kind::kDeleteDocument:
            return decode_as<DeleteDocument>(fields);
    }
    return std::nullopt;
}

}  // namespace causeway::control
