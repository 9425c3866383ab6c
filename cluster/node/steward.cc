#include "cluster/node/steward.h"

#include <algorithm>
#include <utility>

#include "cluster/control/fields.h"

namespace causeway::node {
namespace {

constexpr std::size_t kCopiesMax = 2;

const MemberReport* member(const GroupReport& report, NodeId id) {
    const auto found = std::find_if(report.members.begin(), report.members.end(),
                                    [id](const MemberReport& member) { return member.id == id; });
    return found == report.members.end() ? nullptr : &*found;
}

bool is_fit(const GroupReport& report, NodeId id) {
    const MemberReport* known = member(report, id);
    return known != nullptr && known->heard && known->caught_up;
}

template <typename Ids>
void insert(Ids& ids, NodeId id) {
    ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
}

template <typename Ids>
bool erase(Ids& ids, NodeId id) {
    const auto found = std::find(ids.begin(), ids.end(), id);
    if (found == ids.end()) {
        return false;
    }
    ids.erase(found);
    return true;
}

}  // namespace

std::string encode(const Order& order) {
    control::FieldWriter out;
    out.number(1, order.leader.value());
    out.number(2, order.term.value());
    out.number(3, order.configuration_at.value());
    out.number(4, order.step.group.value());
    out.number(5, static_cast<std::uint64_t>(order.step.kind));
    out.number(6, order.step.node.value());
    return out.take();
}

std::optional<Order> decode_order(std::string_view bytes) {
    Order out{};
    std::uint8_t kind = 0;
    const bool sound = control::read_fields(bytes, nullptr, [&](const control::Field& field) {
        switch (field.tag) {
            case 1:
                return control::took(field.id(out.leader));
            case 2:
                return control::took(field.id(out.term));
            case 3:
                return control::took(field.id(out.configuration_at));
            case 4:
                return control::took(field.id(out.step.group));
            case 5:
                return control::took(field.integer(kind));
            case 6:
                return control::took(field.id(out.step.node));
            default:
                return control::Took::kUnknown;
        }
    });
    if (!sound || kind > static_cast<std::uint8_t>(placement::StepKind::kTransfer)) {
        return std::nullopt;
    }
    out.step.kind = static_cast<placement::StepKind>(kind);
    return out;
}

const GroupReport* leading(const Reports& reports, GroupId group) {
    const GroupReport* newest = nullptr;
    for (const auto& [id, node] : reports) {
        for (const GroupReport& report : node.groups) {
            if (report.group == group && report.leads &&
                (newest == nullptr || report.term > newest->term)) {
                newest = &report;
            }
        }
    }
    return newest;
}

std::vector<placement::GroupStatus> statuses_of(const control::Model& model,
                                                const Reports& reports) {
    std::vector<placement::GroupStatus> out;
    for (const auto& [group, members] : model.groups) {
        placement::GroupStatus& status = out.emplace_back();
        status.group = group;
        const GroupReport* report = leading(reports, group);
        if (report == nullptr) {
            continue;
        }
        status.leader = report->leader;
        status.voters = report->voters;
        status.learners = report->learners;
        status.changing = !report->settled;
        for (const auto& [id, node] : reports) {
            const MemberReport* known = member(*report, id);
            if (known == nullptr || known->heard) {
                status.alive.push_back(id);
            }
            if (known != nullptr && known->caught_up && known->heard) {
                status.caught_up.push_back(id);
            }
        }
    }
    return out;
}

std::optional<raft::Configuration> configuration_after(const GroupReport& report,
                                                       const placement::Step& step) {
    raft::Configuration from;
    from.voters.assign(report.voters.begin(), report.voters.end());
    from.learners.assign(report.learners.begin(), report.learners.end());
    raft::Configuration to = from;
    bool possible = true;
    switch (step.kind) {
        case placement::StepKind::kAddLearner:
            possible = !from.has_voter(step.node) && !from.has_learner(step.node);
            insert(to.learners, step.node);
            break;
        case placement::StepKind::kPromote:
            possible = erase(to.learners, step.node) && is_fit(report, step.node);
            insert(to.voters, step.node);
            break;
        case placement::StepKind::kRemove:
            possible = erase(to.voters, step.node) && step.node != report.leader;
            break;
        case placement::StepKind::kRemoveLearner:
            possible = erase(to.learners, step.node);
            break;
        case placement::StepKind::kTransfer:
            possible = false;
            break;
    }
    if (!possible || !report.settled || !raft::is_single_change(from, to)) {
        return std::nullopt;
    }
    const auto fit = static_cast<std::size_t>(std::count_if(
        to.voters.begin(), to.voters.end(), [&](NodeId id) { return is_fit(report, id); }));
    return fit * 2 > to.voters.size() ? std::optional(std::move(to)) : std::nullopt;
}

std::vector<control::SetMembers> to_record(const control::Model& model, const Reports& reports) {
    std::vector<control::SetMembers> out;
    for (const auto& [group, known] : model.groups) {
        const GroupReport* report = leading(reports, group);
        if (report == nullptr || !report->settled) {
            continue;
        }
        const control::Members now{report->configuration_at, report->voters, report->learners};
        if (now != known && (known.voters.empty() || now.at > known.at)) {
            out.push_back(control::SetMembers{group, now});
        }
    }
    return out;
}

std::vector<Order> steps(const control::Model& model, const Reports& reports) {
    const auto statuses = statuses_of(model, reports);
    auto copies = static_cast<std::size_t>(
        std::count_if(statuses.begin(), statuses.end(),
                      [](const auto& status) { return !status.learners.empty(); }));
    std::vector<Order> out;
    for (const placement::Step& step : placement::next_step(model, statuses)) {
        const GroupReport* report = leading(reports, step.group);
        if (step.kind == placement::StepKind::kAddLearner && copies++ >= kCopiesMax) {
            continue;
        }
        out.push_back(Order{report->leader, report->term, report->configuration_at, step});
    }
    return out;
}

// --- leaders -----------------------------------------------------------------------------------

namespace {

// Every node reports, every group has its voters, all of them close to the leader's end.
bool is_calm(const control::Model& model, const Reports& reports) {
    const bool all = std::all_of(model.nodes.begin(), model.nodes.end(),
                                 [&](const auto& node) { return reports.contains(node.first); });
    return all && steps(model, reports).empty() &&
           std::all_of(model.groups.begin(), model.groups.end(), [&](const auto& group) {
               const GroupReport* report = leading(reports, group.first);
               return report != nullptr && report->settled && report->learners.empty() &&
                      std::all_of(report->voters.begin(), report->voters.end(),
                                  [&](NodeId id) { return is_fit(*report, id); });
           });
}

}  // namespace

std::optional<Order> Balance::next(const control::Model& model, const Reports& reports,
                                   MonoMs now) {
    std::map<GroupId, std::pair<NodeId, Term>> leaders;
    std::map<NodeId, std::size_t> led;
    for (const auto& [id, node] : model.nodes) {
        if (node.roles.core && !node.draining) {
            led[id] = 0;
        }
    }
    for (const auto& [group, members] : model.groups) {
        const GroupReport* report = leading(reports, group);
        if (report != nullptr && group != control::kControlGroup) {
            leaders[group] = {report->leader, report->term};
            ++led[report->leader];
        }
    }
    const bool same = leaders == std::exchange(leaders_, leaders);
    if (calm_ms_ == 0 || !same || !is_calm(model, reports)) {
        calm_since_ = 0;
        return std::nullopt;
    }
    if (calm_since_ == 0) {
        calm_since_ = now;
    }
    if (now - calm_since_ < calm_ms_) {
        return std::nullopt;
    }
    // From whoever leads most to the voter of one of its sets that leads least.
    std::optional<Order> best;
    std::size_t best_difference = 1;
    for (const auto& [group, leader] : leaders) {
        const GroupReport* report = leading(reports, group);
        for (const NodeId to : report->voters) {
            const auto target = led.find(to);
            if (target == led.end() || led.at(leader.first) <= target->second + best_difference) {
                continue;
            }
            best_difference = led.at(leader.first) - target->second;
            best = Order{leader.first,
                         leader.second,
                         report->configuration_at,
                         {group, placement::StepKind::kTransfer, to}};
        }
    }
    if (best) {
        calm_since_ = 0;
    }
    return best;
}

}  // namespace causeway::node
