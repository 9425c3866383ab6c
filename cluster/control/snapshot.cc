// The model as bytes and back: Machine::snapshot and Machine::restore (docs/formats/control.md).
#include <utility>

#include "cluster/control/fields.h"
#include "cluster/control/machine.h"
#include "cluster/control/records.h"

namespace causeway::control {
namespace {

constexpr std::uint8_t kFormat = 1;

enum Tag : std::uint64_t {
    kApplied = 1,
    kClusterId = 2,
    kSets = 3,
    kVotersPerSet = 4,
    kNextNode = 5,
    kNode = 6,
    kRemoved = 7,
    kGroup = 8,
    kSlotOwners = 9,
    kRules = 10,
    kActiveRules = 11,
    kQueue = 12,
    kDocument = 13,
    kDocumentsRevision = 14,
};

std::string encode_removed(const RemovedNode& node) {
    FieldWriter out;
    out.text(1, node.uuid);
    out.number(2, node.id.value());
    return out.take();
}

bool decode_removed(std::string_view bytes, RemovedNode& out) {
    return read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case 1:
                out.uuid = field.bytes;
                return Took::kYes;
            case 2:
                return took(field.id(out.id));
            default:
                return Took::kUnknown;
        }
    });
}

std::string encode_group(GroupId group, const Members& members) {
    FieldWriter out;
    out.number(1, group.value());
    out.text(2, encode_record(members));
    return out.take();
}

bool decode_group(std::string_view bytes, Model& out) {
    GroupId group;
    Members members;
    const bool sound = read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case 1:
                return took(field.id(group));
            case 2:
                return took(decode_record(field.bytes, members));
            default:
                return Took::kUnknown;
        }
    });
    return sound && out.groups.emplace(group, std::move(members)).second;
}

// The owner of each slot in turn, as varints.
std::string encode_slots(const SlotMap& slots) {
    std::string bytes;
    ByteWriter writer(bytes);
    for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
        writer.varint(slots.owner(Slot(slot)).value());
    }
    return bytes;
}

bool decode_slots(std::string_view bytes, SlotMap& out) {
    ByteReader reader(bytes);
    for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
        const std::uint64_t owner = reader.varint();
        if (owner > kSetsMax) {
            return false;
        }
        out.assign(Slot(slot), GroupId(static_cast<std::uint32_t>(owner)));
    }
    return reader.done();
}

bool decode_node(std::string_view bytes, Model& out) {
    Node node;
    const bool sound = decode_record(bytes, node);
    const NodeId id = node.id;
    return sound && id && out.nodes.emplace(id, std::move(node)).second;
}

bool decode_queue(std::string_view bytes, Model& out) {
    Queue queue;
    const bool sound = decode_record(bytes, queue);
    const std::string name = queue.name;
    return sound && out.queues.emplace(name, std::move(queue)).second;
}

bool decode_document(std::string_view bytes, Model& out) {
    Document document;
    const bool sound = decode_record(bytes, document);
    auto key = std::pair(document.kind, document.name);
    return sound && out.documents.emplace(std::move(key), std::move(document)).second;
}

Took take_list_item(const Field& field, Model& out) {
    switch (field.tag) {
        case kNode:
            return took(out.nodes.size() < kNodesMax && decode_node(field.bytes, out));
        case kRemoved:
            return took(out.removed.size() < kRemovedNodesMax &&
                        decode_removed(field.bytes, out.removed.emplace_back()));
        case kGroup:
            return took(out.groups.size() <= kSetsMax && decode_group(field.bytes, out));
        case kRules:
            return took(out.rules.size() <= kRuleVersionsMax &&
                        decode_record(field.bytes, out.rules.emplace_back()));
        case kQueue:
            return took(out.queues.size() < kQueuesMax && decode_queue(field.bytes, out));
        case kDocument:
            return took(out.documents.size() < kDocumentsMax && decode_document(field.bytes, out));
        default:
            return Took::kUnknown;
    }
}

Took take_field(const Field& field, Model& out) {
    switch (field.tag) {
        case kApplied:
            return took(field.id(out.applied));
        case kClusterId:
            out.cluster_id = field.bytes;
            return Took::kYes;
        case kSets:
            return took(field.integer(out.sets));
        case kVotersPerSet:
            return took(field.integer(out.voters_per_set));
        case kNextNode:
            return took(field.id(out.next_node));
        case kSlotOwners:
            return took(decode_slots(field.bytes, out.slots));
        case kActiveRules:
            return took(field.number(out.active_rules));
        case kDocumentsRevision:
            return took(field.number(out.documents_revision));
        default:
            return take_list_item(field, out);
    }
}

}  // namespace

std::string Machine::snapshot() const {
    FieldWriter out;
    out.number(kApplied, model_.applied.value());
    out.text(kClusterId, model_.cluster_id);
    out.number(kSets, model_.sets);
    out.number(kVotersPerSet, model_.voters_per_set);
    out.number(kNextNode, model_.next_node.value());
    for (const auto& [id, node] : model_.nodes) {
        out.text(kNode, encode_record(node));
    }
    for (const RemovedNode& node : model_.removed) {
        out.text(kRemoved, encode_removed(node));
    }
    for (const auto& [group, members] : model_.groups) {
        out.text(kGroup, encode_group(group, members));
    }
    out.text(kSlotOwners, encode_slots(model_.slots));
    for (const RuleVersion& rules : model_.rules) {
        out.text(kRules, encode_record(rules));
    }
    out.number(kActiveRules, model_.active_rules);
    for (const auto& [name, queue] : model_.queues) {
        out.text(kQueue, encode_record(queue));
    }
    for (const auto& [key, document] : model_.documents) {
        out.text(kDocument, encode_record(document));
    }
    if (model_.documents_revision != 0) {
        out.number(kDocumentsRevision, model_.documents_revision);
    }
    out.fields(model_.extra);
    std::string bytes(1, static_cast<char>(kFormat));
    bytes += out.take();
    return bytes;
}

bool Machine::restore(std::string_view snapshot) {
    if (snapshot.empty() || snapshot.size() > kSnapshotBytesMax ||
        static_cast<std::uint8_t>(snapshot[0]) != kFormat) {
        return false;
    }
    Model model;
    const bool sound = read_fields(snapshot.substr(1), &model.extra,
                                   [&](const Field& field) { return take_field(field, model); });
    if (!sound || (model.active_rules != 0 && find_rules(model, model.active_rules) == nullptr)) {
        return false;
    }
    model_ = std::move(model);
    return true;
}

}  // namespace causeway::control
