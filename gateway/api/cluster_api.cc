#include "gateway/api/cluster_api.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "gateway/api/json_body.h"

namespace causeway::api {
namespace {

constexpr int kConflict = 409;

std::string name_of(const node::ClusterView& view, NodeId id) {
    const auto found = view.model.nodes.find(id);
    return found == view.model.nodes.end() ? "node " + std::to_string(id.value())
                                           : found->second.name;
}

std::string group_text(GroupId group) {
    return group == control::kControlGroup ? "the control group"
                                           : "set " + std::to_string(group.value());
}

// By name, or by number.
NodeId find(const node::ClusterView& view, const std::string& text) {
    if (const control::Node* named = control::find_node(view.model, text)) {
        return named->id;
    }
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [at, fault] = std::from_chars(text.data(), end, number);
    const bool known =
        fault == std::errc{} && at == end && view.model.nodes.contains(NodeId(number));
    return known ? NodeId(number) : NodeId{};
}

bool holds(const control::Members& members, NodeId id) {
    return std::count(members.voters.begin(), members.voters.end(), id) +
               std::count(members.learners.begin(), members.learners.end(), id) !=
           0;
}

Json node_json(const node::ClusterView& view, const control::Node& node) {
    const auto report = view.reports.find(node.id);
    const bool alive = report != view.reports.end();
    std::size_t replicas = 0;
    std::size_t leads = 0;
    for (const auto& [group, members] : view.model.groups) {
        replicas += holds(members, node.id) ? 1 : 0;
        const node::GroupReport* leading = node::leading(view.reports, group);
        leads += leading != nullptr && leading->leader == node.id ? 1 : 0;
    }
    Json roles = Json::array();
    if (node.roles.gateway) {
        roles.push_back("gateway");
    }
    if (node.roles.core) {
        roles.push_back("core");
    }
    Json json{{"id", node.id.value()},     {"name", node.name},
              {"address", node.address},   {"roles", roles},
              {"draining", node.draining}, {"alive", alive},
              {"replicas", replicas},      {"leads", leads}};
    if (alive) {
        json["version"] = report->second.version;
        json["boot"] = report->second.boot;
        json["disk_low"] = report->second.disk_low;
        json["rules"] = report->second.rules_active;
    }
    return json;
}

// A set as its leader reports it; without one as the control group knows it.
Json set_json(const node::ClusterView& view, GroupId group, const control::Members& known) {
    const node::GroupReport* leading = node::leading(view.reports, group);
    Json json{{"set", group.value()}, {"leader", leading == nullptr ? 0 : leading->leader.value()}};
    Json replicas = Json::array();
    if (leading == nullptr) {
        for (const NodeId id : known.voters) {
            replicas.push_back(Json{{"node", id.value()}, {"role", "voter"}});
        }
        json["replicas"] = replicas;
        return json;
    }
    json["term"] = leading->term.value();
    json["commit_index"] = leading->commit.value();
    for (const node::MemberReport& member : leading->members) {
        const auto& learners = leading->learners;
        const bool learner = std::count(learners.begin(), learners.end(), member.id) != 0;
        const std::uint64_t lag =
            leading->last.value() - std::min(leading->last, member.match).value();
        replicas.push_back(Json{
            {"node", member.id.value()},
            {"role", member.id == leading->leader ? "leader" : (learner ? "learner" : "voter")},
            {"lag", lag},
            {"alive", member.heard},
            {"refilled", member.refilled}});
    }
    json["replicas"] = replicas;
    return json;
}

std::string step_text(const node::ClusterView& view, const placement::Step& step) {
    const std::string name = name_of(view, step.node);
    const std::string group = group_text(step.group);
    switch (step.kind) {
        case placement::StepKind::kAddLearner:
            return group + ": " + name + " is to get a replica";
        case placement::StepKind::kPromote:
            return group + ": " + name + " has caught up and is to vote";
        case placement::StepKind::kRemove:
        case placement::StepKind::kRemoveLearner:
            return group + ": the replica of " + name + " is to go";
        case placement::StepKind::kTransfer:
            return group + ": " + name + " is to lead";
    }
    return "";
}

Json under_way(const node::ClusterView& view) {
    Json lines = Json::array();
    for (const placement::Step& step : view.under_way) {
        lines.push_back(step_text(view, step));
    }
    for (const auto& [group, members] : view.model.groups) {
        const node::GroupReport* leading = node::leading(view.reports, group);
        if (leading == nullptr) {
            continue;
        }
        for (const node::MemberReport& member : leading->members) {
            if (member.refilled || !member.caught_up) {
                const std::uint64_t lag =
                    leading->last.value() - std::min(leading->last, member.match).value();
                lines.push_back(group_text(group) + ": " + name_of(view, member.id) + " is " +
                                std::to_string(lag) + " entries behind" +
                                (member.refilled ? ", a snapshot is on its way" : ""));
            }
        }
    }
    return lines;
}

Json problems(const node::ClusterView& view) {
    Json lines = Json::array();
    if (view.model.cluster_id.empty()) {
        lines.push_back(
            "the cluster is not created yet: every node of the configuration has to be "
            "there once");
    }
    for (const auto& [id, node] : view.model.nodes) {
        if (!view.reports.contains(id)) {
            lines.push_back(node.name + " does not answer");
        }
    }
    for (const auto& [group, members] : view.model.groups) {
        const node::GroupReport* leading = node::leading(view.reports, group);
        if (leading == nullptr) {
            lines.push_back(group_text(group) + " has no leader that answers");
            continue;
        }
        for (const node::MemberReport& member : leading->members) {
            if (!member.heard) {
                lines.push_back(group_text(group) + ": the replica of " + name_of(view, member.id) +
                                " is not there");
            }
        }
    }
    return lines;
}

io::HttpResponse response_of(const node::Answer& answer) {
    if (answer.ok) {
        return ok(Json{{"done", answer.message}});
    }
    return error(answer.known ? kConflict : 503, answer.message);
}

// The text under `key`; numbers as text.
std::string text_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end()) {
        return "";
    }
    return found->is_number_unsigned() ? std::to_string(found->get<std::uint64_t>())
                                       : (found->is_string() ? found->get<std::string>() : "");
}

}  // namespace

void ClusterApi::handle(const io::HttpRequest& request, io::HttpResponder responder) {
    const std::string_view path = request.path;
    if (path == "/v1/cluster") {
        if (request.method == "GET") {
            show(std::move(responder));
        } else {
            responder.respond(error(405, "use GET"));
        }
        return;
    }
    const std::string_view action = path.substr(path.rfind('/') + 1);
    if (action != "transfer" && action != "drain" && action != "remove") {
        responder.respond(error(404, "use transfer, drain or remove behind /v1/cluster/"));
    } else if (request.method != "POST") {
        responder.respond(error(405, "use POST"));
    } else if (action == "transfer") {
        transfer(request, std::move(responder));
    } else if (action == "drain") {
        drain(request, std::move(responder));
    } else {
        remove(request, std::move(responder));
    }
}

void ClusterApi::show(io::HttpResponder responder) {
    node_.view(loop_, [responder = std::move(responder)](const node::ClusterView& view) mutable {
        Json nodes = Json::array();
        for (const auto& [id, node] : view.model.nodes) {
            nodes.push_back(node_json(view, node));
        }
        Json sets = Json::array();
        for (const auto& [group, members] : view.model.groups) {
            sets.push_back(set_json(view, group, members));
        }
        const Json wrong = problems(view);
        responder.respond(ok(Json{{"cluster", view.name},
                                  {"asked", view.self.value()},
                                  {"control_leader", view.control_leader.value()},
                                  {"healthy", wrong.empty()},
                                  {"rules", view.model.active_rules},
                                  {"nodes", nodes},
                                  {"sets", sets},
                                  {"under_way", under_way(view)},
                                  {"problems", wrong}}));
    });
}

void ClusterApi::transfer(const io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"set", "node"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto set = number(body.json, "set", 0, control::kSetsMax, control::kSetsMax + 1);
    const std::string name = text_of(body.json, "node");
    if (!set || *set > control::kSetsMax || name.empty()) {
        responder.respond(error(400, "set is a number, node a name or a number"));
        return;
    }
    node_.view(loop_, [this, set = GroupId(static_cast<std::uint32_t>(*set)), name,
                       responder = std::move(responder)](const node::ClusterView& view) mutable {
        const NodeId to = find(view, name);
        if (!to) {
            responder.respond(error(404, "no such node"));
            return;
        }
        node_.transfer(loop_, set, to,
                       [responder = std::move(responder)](const node::Answer& answer) mutable {
                           responder.respond(response_of(answer));
                       });
    });
}

void ClusterApi::drain(const io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"node", "draining"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const std::string name = text_of(body.json, "node");
    const Json draining = body.json.value("draining", Json(true));
    if (name.empty() || !draining.is_boolean()) {
        responder.respond(error(400, "node is a name or a number, draining true or false"));
        return;
    }
    node_.view(loop_, [this, name, draining = draining.get<bool>(),
                       responder = std::move(responder)](const node::ClusterView& view) mutable {
        const NodeId id = find(view, name);
        if (!id) {
            responder.respond(error(404, "no such node"));
            return;
        }
        node_.propose(loop_, control::DrainNode{id, draining},
                      [responder = std::move(responder)](const node::Answer& answer) mutable {
                          responder.respond(response_of(answer));
                      });
    });
}

void ClusterApi::remove(const io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"node"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const std::string name = text_of(body.json, "node");
    node_.view(loop_, [this, name,
                       responder = std::move(responder)](const node::ClusterView& view) mutable {
        const NodeId id = find(view, name);
        if (!id) {
            responder.respond(error(404, "no such node"));
            return;
        }
        node_.propose(loop_, control::RemoveNode{id},
                      [responder = std::move(responder)](const node::Answer& answer) mutable {
                          responder.respond(response_of(answer));
                      });
    });
}

}  // namespace causeway::api
