// See machine.h.
#include "cluster/control/machine.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "core/base/check.h"

namespace causeway::control {
namespace {

Outcome refuse(Code code) { return {.code = code, .node = {}, .version = 0}; }

bool sound_name(std::string_view name) {
    return !name.empty() && name.size() <= kNameBytesMax &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > ' '; });
}

bool sound(const NewNode& node) {
    return node.uuid.size() == kUuidBytes && sound_name(node.name) && !node.address.empty() &&
           node.address.size() <= kAddressBytesMax && (node.roles.gateway || node.roles.core) &&
           node.extra.size() <= kExtraBytesMax;
}

bool sound(const Members& members) {
    std::set<NodeId> seen(members.voters.begin(), members.voters.end());
    seen.insert(members.learners.begin(), members.learners.end());
    return !members.voters.empty() && members.voters.size() <= kVotersMax + 1 &&
           seen.size() == members.voters.size() + members.learners.size() &&
           seen.size() <= kMembersMax;
}

std::size_t bytes_of(const RuleVersion& rules) {
    std::size_t bytes = rules.author.size() + rules.comment.size() + rules.extra.size();
    for (const RuleFile& file : rules.files) {
        bytes += file.name.size() + file.text.size();
    }
    return bytes;
}

bool sound(const RuleVersion& rules) {
    std::set<std::string_view> names;
    const bool files = std::all_of(rules.files.begin(), rules.files.end(), [&](const auto& file) {
        return !file.name.empty() && file.name.size() <= kAddressBytesMax &&
               names.insert(file.name).second;
    });
    return files && rules.version > 0 && rules.author.size() <= kNameBytesMax &&
           rules.comment.size() <= kCommentBytesMax && rules.extra.size() <= kExtraBytesMax &&
           bytes_of(rules) <= kRuleBytesMax;
}

bool sound(const Queue& queue) {
    return sound_name(queue.name) && (queue.dead_letter.empty() || sound_name(queue.dead_letter)) &&
           queue.dead_letter != queue.name && queue.visibility_timeout_s > 0 &&
           queue.extra.size() <= kExtraBytesMax;
}

Node make_node(NodeId id, const NewNode& node) {
    return {.id = id,
            .uuid = node.uuid,
            .name = node.name,
            .address = node.address,
            .roles = node.roles,
            .draining = false,
            .extra = node.extra};
}

template <typename Nodes>
auto find_uuid(const Nodes& nodes, std::string_view uuid) {
    return std::find_if(nodes.begin(), nodes.end(),
                        [&](const auto& item) { return item.second.uuid == uuid; });
}

}  // namespace

std::string_view text_of(Code code) {
    switch (code) {
        case Code::kOk:
            return "ok";
        case Code::kInvalid:
            return "not a valid command, or beyond a limit";
        case Code::kNotCreated:
            return "the cluster is not created yet";
        case Code::kAlreadyCreated:
            return "there is a cluster already, with another id or shape";
        case Code::kNameTaken:
            return "another node has this name; remove it first";
        case Code::kNodeRemoved:
            return "this node was removed; start it with an empty data directory";
        case Code::kUnknownNode:
            return "no such node";
        case Code::kUnknownGroup:
            return "no such set";
        case Code::kStillMember:
            return "the node still holds replicas; drain it first";
        case Code::kLastNode:
            return "no other node could hold its replicas";
        case Code::kTooMany:
            return "the cluster has as many of these as it can";
        case Code::kUnknownVersion:
            return "no such version; it may be too old";
        case Code::kStale:
            return "something newer is there; read it and try again";
    }
    return "";
}

const Node* find_node(const Model& model, std::string_view name) {
    const auto found = std::find_if(model.nodes.begin(), model.nodes.end(),
                                    [&](const auto& item) { return item.second.name == name; });
    return found == model.nodes.end() ? nullptr : &found->second;
}

const RuleVersion* find_rules(const Model& model, std::uint64_t version) {
    const auto found = std::find_if(model.rules.begin(), model.rules.end(),
                                    [&](const auto& rules) { return rules.version == version; });
    return found == model.rules.end() ? nullptr : &*found;
}

Outcome Machine::apply(Index index, std::string_view command) {
    advance(index);
    const auto decoded = decode_command(command);
    if (!decoded) {
        return refuse(Code::kInvalid);
    }
    if (model_.cluster_id.empty() && !std::holds_alternative<CreateCluster>(*decoded)) {
        return refuse(Code::kNotCreated);
    }
    return std::visit([&](const auto& known) { return on(known); }, *decoded);
}

void Machine::advance(Index index) {
    CW_CHECK(index > model_.applied, "entries are applied in order, each once");
    model_.applied = index;
}

bool Machine::is_created_by(const CreateCluster& command) const {
    return model_.cluster_id == command.cluster_id && model_.sets == command.sets &&
           model_.voters_per_set == command.voters_per_set;
}

Outcome Machine::on(const CreateCluster& command) {
    if (!model_.cluster_id.empty()) {
        return refuse(is_created_by(command) ? Code::kOk : Code::kAlreadyCreated);
    }
    std::set<std::string_view> uuids;
    std::set<std::string_view> names;
    bool core = false;
    for (const NewNode& node : command.founders) {
        if (!sound(node) || !uuids.insert(node.uuid).second || !names.insert(node.name).second) {
            return refuse(Code::kInvalid);
        }
        core = core || node.roles.core;
    }
    if (!sound_name(command.cluster_id) || command.sets == 0 || command.sets > kSetsMax ||
        command.voters_per_set % 2 == 0 || command.voters_per_set > kVotersMax || !core) {
        return refuse(Code::kInvalid);
    }
    model_.cluster_id = command.cluster_id;
    model_.sets = command.sets;
    model_.voters_per_set = command.voters_per_set;
    model_.slots = SlotMap::even(GroupId(kControlGroup.value() + 1), command.sets);
    for (std::uint32_t group = 0; group <= command.sets; ++group) {
        model_.groups[GroupId(group)];
    }
    for (const NewNode& node : command.founders) {
        model_.nodes.emplace(model_.next_node, make_node(model_.next_node, node));
        model_.next_node = model_.next_node.next();
    }
    return {};
}

Outcome Machine::on(const AddNode& command) {
    const NewNode& wanted = command.node;
    if (!sound(wanted)) {
        return refuse(Code::kInvalid);
    }
    const bool removed =
        std::any_of(model_.removed.begin(), model_.removed.end(),
                    [&](const RemovedNode& node) { return node.uuid == wanted.uuid; });
    if (removed) {
        return refuse(Code::kNodeRemoved);
    }
    const Node* holder = find_node(model_, wanted.name);
    if (holder != nullptr && holder->uuid != wanted.uuid) {
        return refuse(Code::kNameTaken);
    }
    const auto known = find_uuid(model_.nodes, wanted.uuid);
    if (known != model_.nodes.end()) {
        const NodeId id = known->first;
        Node& node = model_.nodes.at(id);
        const bool draining = node.draining;
        node = make_node(id, wanted);
        node.draining = draining;
        return {.code = Code::kOk, .node = id, .version = 0};
    }
    if (model_.nodes.size() >= kNodesMax) {
        return refuse(Code::kTooMany);
    }
    const NodeId id = model_.next_node;
    model_.next_node = id.next();
    model_.nodes.emplace(id, make_node(id, wanted));
    return {.code = Code::kOk, .node = id, .version = 0};
}

Outcome Machine::on(const UpdateNode& command) {
    const auto found = model_.nodes.find(command.node);
    if (found == model_.nodes.end()) {
        return refuse(Code::kUnknownNode);
    }
    if (command.address.empty() || command.address.size() > kAddressBytesMax) {
        return refuse(Code::kInvalid);
    }
    found->second.address = command.address;
    return {};
}

Outcome Machine::on(const DrainNode& command) {
    const auto found = model_.nodes.find(command.node);
    if (found == model_.nodes.end()) {
        return refuse(Code::kUnknownNode);
    }
    const bool others = std::any_of(model_.nodes.begin(), model_.nodes.end(), [&](const auto& n) {
        return n.first != command.node && n.second.roles.core && !n.second.draining;
    });
    if (command.draining && !others) {
        return refuse(Code::kLastNode);
    }
    found->second.draining = command.draining;
    return {};
}

bool Machine::is_member(NodeId node) const {
    return std::any_of(model_.groups.begin(), model_.groups.end(), [&](const auto& group) {
        const auto& [voters, learners] = std::tie(group.second.voters, group.second.learners);
        return std::count(voters.begin(), voters.end(), node) > 0 ||
               std::count(learners.begin(), learners.end(), node) > 0;
    });
}

Outcome Machine::on(const RemoveNode& command) {
    const auto found = model_.nodes.find(command.node);
    if (found == model_.nodes.end()) {
        const bool before =
            std::any_of(model_.removed.begin(), model_.removed.end(),
                        [&](const RemovedNode& node) { return node.id == command.node; });
        return refuse(before ? Code::kOk : Code::kUnknownNode);
    }
    if (is_member(command.node)) {
        return refuse(Code::kStillMember);
    }
    model_.removed.push_back({found->second.uuid, found->first});
    if (model_.removed.size() > kRemovedNodesMax) {
        model_.removed.erase(model_.removed.begin());
    }
    model_.nodes.erase(found);
    return {};
}

// Reports come from whoever leads the group, so two may cross: the later configuration stands.
Outcome Machine::on(const SetMembers& command) {
    const auto found = model_.groups.find(command.group);
    if (found == model_.groups.end()) {
        return refuse(Code::kUnknownGroup);
    }
    if (!sound(command.members)) {
        return refuse(Code::kInvalid);
    }
    const auto is_known = [&](NodeId id) { return model_.nodes.contains(id); };
    if (!std::all_of(command.members.voters.begin(), command.members.voters.end(), is_known) ||
        !std::all_of(command.members.learners.begin(), command.members.learners.end(), is_known)) {
        return refuse(Code::kUnknownNode);
    }
    Members& known = found->second;
    if (known == command.members) {
        return {};
    }
    if (!known.voters.empty() && command.members.at <= known.at) {
        return refuse(Code::kStale);
    }
    known = command.members;
    return {};
}

Outcome Machine::on(const PutRules& command) {
    if (!sound(command.rules)) {
        return refuse(Code::kInvalid);
    }
    const std::uint64_t newest = model_.rules.empty() ? 0 : model_.rules.back().version;
    if (!model_.rules.empty() && model_.rules.back() == command.rules) {
        return {.code = Code::kOk, .node = {}, .version = newest};
    }
    if (command.rules.version != newest + 1) {
        return {.code = Code::kStale, .node = {}, .version = newest};
    }
    model_.rules.push_back(command.rules);
    trim_rules();
    return {.code = Code::kOk, .node = {}, .version = command.rules.version};
}

// The newest and the active version are always kept.
void Machine::trim_rules() {
    std::size_t bytes = 0;
    for (const RuleVersion& rules : model_.rules) {
        bytes += bytes_of(rules);
    }
    for (auto oldest = model_.rules.begin(); oldest + 1 < model_.rules.end();) {
        if (model_.rules.size() <= kRuleVersionsMax && bytes <= kRuleBytesAllMax) {
            return;
        }
        if (oldest->version == model_.active_rules) {
            ++oldest;
            continue;
        }
        bytes -= bytes_of(*oldest);
        oldest = model_.rules.erase(oldest);
    }
}

Outcome Machine::on(const ActivateRules& command) {
    if (find_rules(model_, command.version) == nullptr) {
        return refuse(Code::kUnknownVersion);
    }
    model_.active_rules = command.version;
    return {.code = Code::kOk, .node = {}, .version = command.version};
}

Outcome Machine::on(const DeclareQueues& command) {
    if (!std::all_of(command.declare.begin(), command.declare.end(),
                     [](const Queue& queue) { return sound(queue); })) {
        return refuse(Code::kInvalid);
    }
    std::set<std::string_view> names;
    for (const auto& [name, queue] : model_.queues) {
        names.insert(name);
    }
    for (const std::string& name : command.remove) {
        names.erase(name);
    }
    for (const Queue& queue : command.declare) {
        names.insert(queue.name);
    }
    if (names.size() > kQueuesMax) {
        return refuse(Code::kTooMany);
    }
    for (const std::string& name : command.remove) {
        model_.queues.erase(name);
    }
    for (const Queue& queue : command.declare) {
        model_.queues[queue.name] = queue;
    }
    return {};
}

Outcome Machine::on(const PutDocument& command) {
    if (!sound_name(command.kind) || !sound_name(command.name) ||
        command.text.size() > kDocumentBytesMax) {
        return refuse(Code::kInvalid);
    }
    const auto found = model_.documents.find({command.kind, command.name});
    const bool there = found != model_.documents.end();
    const std::uint64_t revision = there ? found->second.revision : 0;
    if (there && found->second.text == command.text) {
        return {.code = Code::kOk, .node = {}, .version = revision};
    }
    if (command.expected != kAnyDocument && command.expected != revision) {
        return {.code = Code::kStale, .node = {}, .version = revision};
    }
    std::size_t bytes = command.text.size();
    for (const auto& [key, document] : model_.documents) {
        bytes += document.text.size();
    }
    bytes -= there ? found->second.text.size() : 0;
    if ((!there && model_.documents.size() >= kDocumentsMax) || bytes > kDocumentBytesAllMax) {
        return refuse(Code::kTooMany);
    }
    Document& document = model_.documents[{command.kind, command.name}];
    document.kind = command.kind;
    document.name = command.name;
    document.text = command.text;
    document.revision = ++model_.documents_revision;
    return {.code = Code::kOk, .node = {}, .version = document.revision};
}

Outcome Machine::on(const DeleteDocument& command) {
    const auto found = model_.documents.find({command.kind, command.name});
    if (found == model_.documents.end()) {
        return {};
    }
    if (command.expected != kAnyDocument && command.expected != found->second.revision) {
        return {.code = Code::kStale, .node = {}, .version = found->second.revision};
    }
    model_.documents.erase(found);
    ++model_.documents_revision;
    return {};
}

}  // namespace causeway::control
