// See records.h.
#include "cluster/control/records.h"

#include <utility>

#include "cluster/control/fields.h"

namespace causeway::control {
namespace {

// Tags are for ever: a field that goes out of use leaves its number behind. The low ones of Node
// are those of NewNode.
enum NodeTag : std::uint64_t {
    kUuid = 1,
    kName = 2,
    kAddress = 3,
    kGateway = 4,
    kCore = 5,
    kNodeId = 6,
    kDraining = 7,
};
enum MembersTag : std::uint64_t { kAt = 1, kVoter = 2, kLearner = 3 };
enum RulesTag : std::uint64_t { kVersion = 1, kFile = 2, kAuthor = 3, kComment = 4, kAtMs = 5 };
enum FileTag : std::uint64_t { kFileName = 1, kFileText = 2 };
enum QueueTag : std::uint64_t {
    kQueueName = 1,
    kMessagesMax = 2,
    kBytesMax = 3,
    kVisibilityTimeout = 4,
    kRetention = 5,
    kReceiveCountMax = 6,
    kDeadLetter = 7,
};

enum DocumentTag : std::uint64_t {
    kDocumentKind = 1,
    kDocumentName = 2,
    kRevision = 3,
    kText = 4,
};

bool take_text(const Field& field, std::string& out) {
    out = field.bytes;
    return true;
}

bool take_member(const Field& field, std::vector<NodeId>& out) {
    return out.size() < kMembersMax && field.id(out.emplace_back());
}

template <typename AnyNode>
void put_new_node(FieldWriter& out, const AnyNode& node) {
    out.text(kUuid, node.uuid);
    out.text(kName, node.name);
    out.text(kAddress, node.address);
    out.number(kGateway, node.roles.gateway);
    out.number(kCore, node.roles.core);
}

template <typename AnyNode>
Took take_new_node(const Field& field, AnyNode& out) {
    switch (field.tag) {
        case kUuid:
            return took(take_text(field, out.uuid));
        case kName:
            return took(take_text(field, out.name));
        case kAddress:
            return took(take_text(field, out.address));
        case kGateway:
            return took(field.flag(out.roles.gateway));
        case kCore:
            return took(field.flag(out.roles.core));
        default:
            return Took::kUnknown;
    }
}

std::string encode_file(const RuleFile& file) {
    FieldWriter out;
    out.text(kFileName, file.name);
    out.text(kFileText, file.text);
    return out.take();
}

bool decode_file(std::string_view bytes, RuleFile& out) {
    return read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case kFileName:
                return took(take_text(field, out.name));
            case kFileText:
                return took(take_text(field, out.text));
            default:
                return Took::kUnknown;
        }
    });
}

}  // namespace

std::string encode_record(const NewNode& node) {
    FieldWriter out;
    put_new_node(out, node);
    out.fields(node.extra);
    return out.take();
}

bool decode_record(std::string_view bytes, NewNode& out) {
    return read_fields(bytes, &out.extra,
                       [&](const Field& field) { return take_new_node(field, out); });
}

std::string encode_record(const Node& node) {
    FieldWriter out;
    put_new_node(out, node);
    out.number(kNodeId, node.id.value());
    out.number(kDraining, node.draining);
    out.fields(node.extra);
    return out.take();
}

bool decode_record(std::string_view bytes, Node& out) {
    return read_fields(bytes, &out.extra, [&](const Field& field) {
        switch (field.tag) {
            case kNodeId:
                return took(field.id(out.id));
            case kDraining:
                return took(field.flag(out.draining));
            default:
                return take_new_node(field, out);
        }
    });
}

std::string encode_record(const Members& members) {
    FieldWriter out;
    out.number(kAt, members.at.value());
    for (const NodeId id : members.voters) {
        out.number(kVoter, id.value());
    }
    for (const NodeId id : members.learners) {
        out.number(kLearner, id.value());
    }
    return out.take();
}

bool decode_record(std::string_view bytes, Members& out) {
    return read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case kAt:
                return took(field.id(out.at));
            case kVoter:
                return took(take_member(field, out.voters));
            case kLearner:
                return took(take_member(field, out.learners));
            default:
                return Took::kUnknown;
        }
    });
}

std::string encode_record(const RuleVersion& rules) {
    FieldWriter out;
    out.number(kVersion, rules.version);
    for (const RuleFile& file : rules.files) {
        out.text(kFile, encode_file(file));
    }
    out.text(kAuthor, rules.author);
    out.text(kComment, rules.comment);
    out.number(kAtMs, rules.at_ms);
    out.fields(rules.extra);
    return out.take();
}

bool decode_record(std::string_view bytes, RuleVersion& out) {
    return read_fields(bytes, &out.extra, [&](const Field& field) {
        switch (field.tag) {
            case kVersion:
                return took(field.number(out.version));
            case kFile:
                return took(out.files.size() < kRuleFilesMax &&
                            decode_file(field.bytes, out.files.emplace_back()));
            case kAuthor:
                return took(take_text(field, out.author));
            case kComment:
                return took(take_text(field, out.comment));
            case kAtMs:
                return took(field.number(out.at_ms));
            default:
                return Took::kUnknown;
        }
    });
}

std::string encode_record(const Queue& queue) {
    FieldWriter out;
    out.text(kQueueName, queue.name);
    out.number(kMessagesMax, queue.messages_max);
    out.number(kBytesMax, queue.bytes_max);
    out.number(kVisibilityTimeout, queue.visibility_timeout_s);
    out.number(kRetention, queue.retention_s);
    out.number(kReceiveCountMax, queue.receive_count_max);
    out.text(kDeadLetter, queue.dead_letter);
    out.fields(queue.extra);
    return out.take();
}

bool decode_record(std::string_view bytes, Queue& out) {
    return read_fields(bytes, &out.extra, [&](const Field& field) {
        switch (field.tag) {
            case kQueueName:
                return took(take_text(field, out.name));
            case kMessagesMax:
                return took(field.number(out.messages_max));
            case kBytesMax:
                return took(field.number(out.bytes_max));
            case kVisibilityTimeout:
                return took(field.integer(out.visibility_timeout_s));
            case kRetention:
                return took(field.integer(out.retention_s));
            case kReceiveCountMax:
                return took(field.integer(out.receive_count_max));
            case kDeadLetter:
                return took(take_text(field, out.dead_letter));
            default:
                return Took::kUnknown;
        }
    });
}

std::string encode_record(const Document& document) {
    FieldWriter out;
    out.text(kDocumentKind, document.kind);
    out.text(kDocumentName, document.name);
    out.number(kRevision, document.revision);
    out.text(kText, document.text);
    out.fields(document.extra);
    return out.take();
}

bool decode_record(std::string_view bytes, Document& out) {
    return read_fields(bytes, &out.extra, [&](const Field& field) {
        switch (field.tag) {
            case kDocumentKind:
                return took(take_text(field, out.kind));
            case kDocumentName:
                return took(take_text(field, out.name));
            case kRevision:
                return took(field.number(out.revision));
            case kText:
                return took(take_text(field, out.text));
            default:
                return Took::kUnknown;
        }
    });
}

}  // namespace causeway::control
