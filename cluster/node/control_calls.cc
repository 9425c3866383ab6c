// Calls between nodes about the cluster, and the requests of operators. The methods, each with its
// body and answer, are in docs/formats/control.md.
#include <algorithm>
#include <utility>

#include "cluster/control/fields.h"
#include "cluster/node/control.h"

namespace causeway::node {
namespace {

constexpr MonoMs kAnswerMs = 1'000;
constexpr MonoMs kProposeMs = 5'000;
constexpr std::size_t kProposalsMax = 256;

std::string encode_outcome(const control::Outcome& outcome) {
    control::FieldWriter out;
    out.number(1, static_cast<std::uint64_t>(outcome.code));
    out.number(2, outcome.node.value());
    out.number(3, outcome.version);
    return out.take();
}

bool decode_outcome(std::string_view bytes, control::Outcome& out) {
    std::uint8_t code = 0;
    const bool sound = control::read_fields(bytes, nullptr, [&](const control::Field& field) {
        switch (field.tag) {
            case 1:
                return control::took(field.integer(code));
            case 2:
                return control::took(field.id(out.node));
            case 3:
                return control::took(field.number(out.version));
            default:
                return control::Took::kUnknown;
        }
    });
    out.code = static_cast<control::Code>(code);
    return sound;
}

Answer refuse(std::string why) { return Answer{false, true, {}, std::move(why)}; }

Answer answer_of(const control::Outcome& outcome) {
    const bool ok = outcome.code == control::Code::kOk;
    return Answer{ok, true, outcome, std::string(control::text_of(outcome.code))};
}

}  // namespace

// --- commands ----------------------------------------------------------------------------------

void Control::propose(const control::Command& command, Answered answered) {
    if (proposals_.size() >= kProposalsMax) {
        answered(refuse("too many requests wait for the control group"));
        return;
    }
    const std::uint64_t id = next_proposal_++;
    proposals_.emplace(id, Proposal{command, std::move(answered), now() + kProposeMs, false});
    try_proposal(id);
}

void Control::try_proposals() {
    std::vector<std::uint64_t> waiting;
    std::vector<std::uint64_t> over;
    for (const auto& [id, proposal] : proposals_) {
        if (proposal.until <= now()) {
            over.push_back(id);
        } else if (!proposal.under_way) {
            waiting.push_back(id);
        }
    }
    for (const std::uint64_t id : over) {
        finish(id, Answer{false,
                          false,
                          {},
                          "the control group has no leader, or does not answer: whether this took "
                          "effect is not known"});
    }
    for (const std::uint64_t id : waiting) {
        try_proposal(id);
    }
}

// A command applied twice changes nothing the second time, so one whose fate is not known is
// proposed again.
void Control::try_proposal(std::uint64_t id) {
    const auto found = proposals_.find(id);
    if (found == proposals_.end()) {
        return;
    }
    Proposal& proposal = found->second;
    if (group_.serving()) {
        proposal.under_way = true;
        group_.propose(
            proposal.command, [this, id](const std::optional<control::Outcome>& outcome) {
                if (outcome) {
                    finish(id, answer_of(*outcome));
                } else if (const auto again = proposals_.find(id); again != proposals_.end()) {
                    again->second.under_way = false;
                }
            });
        return;
    }
    const NodeId to = leader();
    if (!to) {
        return;
    }
    proposal.under_way = true;
    calls_.call(to, "propose", control::encode(proposal.command), kAnswerMs * 2,
                [this, id](bool ok, std::string_view body) {
                    control::Outcome outcome;
                    const auto again = proposals_.find(id);
                    if (ok && decode_outcome(body, outcome)) {
                        finish(id, answer_of(outcome));
                    } else if (again != proposals_.end()) {
                        again->second.under_way = false;
                    }
                });
}

void Control::finish(std::uint64_t id, Answer answer) {
    auto proposal = proposals_.extract(id);
    if (proposal) {
        proposal.mapped().answered(std::move(answer));
    }
}

// --- steps -------------------------------------------------------------------------------------

// On the leader of the order's group.
void Control::perform(const Order& order, Answered answered) {
    Group* set = core_.group(order.step.group);
    replica::Replica* replica = order.step.group == control::kControlGroup
                                    ? group_.replica()
                                    : (set != nullptr ? &set->replica() : nullptr);
    if (replica == nullptr || !replica->raft().leads()) {
        answered(refuse("this node does not lead the set"));
        return;
    }
    const GroupReport report =
        report_of(order.step.group, *replica, [this](NodeId id) { return core_.hears(id); });
    answered(change(order, *replica, report));
}

Answer Control::change(const Order& order, replica::Replica& replica,
                       const GroupReport& report) const {
    if (order.step.kind == placement::StepKind::kTransfer) {
        if (order.step.node == options_.self) {
            return Answer{true, true, {}, "it leads already"};
        }
        const auto member =
            std::find_if(report.members.begin(), report.members.end(),
                         [&](const auto& one) { return one.id == order.step.node; });
        if (member == report.members.end() || !member->heard || !member->caught_up) {
            return refuse("the node is no voter of the set that is alive and close to its end");
        }
        return replica.transfer_leadership(order.step.node)
                   ? Answer{true, true, {}, "asked"}
                   : refuse("the node cannot take over now");
    }
    if (report.term != order.term || report.configuration_at != order.configuration_at) {
        return refuse("things have changed since");
    }
    const auto to = configuration_after(report, order.step);
    if (!to) {
        return refuse("after this change no majority of the set would be alive");
    }
    return replica.propose_configuration(*to) ? Answer{true, true, {}, "proposed"}
                                              : refuse("another change is under way");
}

void Control::transfer(GroupId group, NodeId to, Answered answered) {
    if (!model().groups.contains(group)) {
        answered(refuse(std::string(control::text_of(control::Code::kUnknownGroup))));
        return;
    }
    if (!model().nodes.contains(to)) {
        answered(refuse(std::string(control::text_of(control::Code::kUnknownNode))));
        return;
    }
    const NodeId leads = group == control::kControlGroup ? leader() : core_.leader_of(group).node;
    Order order{leads, {}, {}, {group, placement::StepKind::kTransfer, to}};
    if (!leads) {
        answered(refuse("the set has no leader now"));
    } else if (leads == options_.self) {
        perform(order, std::move(answered));
    } else {
        calls_.call(
            leads, "order", encode(order), kAnswerMs,
            [answered = std::move(answered)](bool ok, std::string_view body) mutable {
                const bool known = ok || !body.empty();
                answered(Answer{
                    ok, known, {}, known ? std::string(body) : "its leader does not answer"});
            });
    }
}

// --- the view ----------------------------------------------------------------------------------

void Control::view(absl::AnyInvocable<void(ClusterView)> take) {
    struct Gathering {
        ClusterView view;
        std::size_t missing = 1;
        absl::AnyInvocable<void(ClusterView)> take;
    };
    auto all = std::make_shared<Gathering>();
    all->take = std::move(take);
    all->view.self = options_.self;
    all->view.name = options_.cluster;
    all->view.reports.emplace(options_.self, own_report());
    const auto one_less = [this, all] {
        if (--all->missing != 0) {
            return;
        }
        ClusterView& view = all->view;
        view.model = model();
        view.control_leader = leader();
        for (const Order& order : steps(view.model, view.reports)) {
            view.under_way.push_back(order.step);
        }
        all->take(std::move(view));
    };
    for (const auto& [id, node] : model().nodes) {
        if (id == options_.self) {
            continue;
        }
        ++all->missing;
        calls_.call(id, "report", "", kAnswerMs,
                    [all, one_less, id = id](bool ok, std::string_view body) {
                        auto report = ok ? decode_report(body) : std::nullopt;
                        if (report && report->id == id) {
                            all->view.reports.emplace(id, std::move(*report));
                        }
                        one_less();
                    });
    }
    one_less();
}

// --- calls of other nodes ----------------------------------------------------------------------

void Control::reply(std::uint64_t connection, std::uint64_t id, const Answer& answer) {
    control_.reply(connection, wire::Reply{id, answer.ok, answer.message});
}

void Control::on_call(std::uint64_t connection, NodeId from, std::string_view name,
                      std::uint64_t uuid, const wire::Call& call) {
    if (!from) {
        if (call.method == "join") {
            on_join(connection, name, uuid, call);
        } else {
            reply(connection, call.id, refuse("a node that is no member may only join"));
        }
    } else if (!belongs(from, uuid)) {
        reply(connection, call.id, refuse("this node is another one by now"));
    } else if (call.method == "report") {
        control_.reply(connection, wire::Reply{call.id, true, encode(own_report())});
    } else if (call.method == "state") {
        control_.reply(connection, wire::Reply{call.id, true, group_.newest().snapshot()});
    } else if (call.method == "order") {
        const auto order = decode_order(call.body);
        const auto answered = [this, connection, id = call.id](const Answer& answer) {
            reply(connection, id, answer);
        };
        order ? perform(*order, answered) : answered(refuse("a malformed order"));
    } else if (call.method == "propose") {
        auto command = control::decode_command(call.body);
        if (!command || !group_.serving()) {
            reply(connection, call.id, refuse(command ? "not the leader" : "a malformed command"));
            return;
        }
        group_.propose(*command, [this, connection,
                                  id = call.id](const std::optional<control::Outcome>& outcome) {
            control_.reply(connection,
                           wire::Reply{id, outcome.has_value(),
                                       outcome ? encode_outcome(*outcome) : "not known"});
        });
    } else {
        reply(connection, call.id, refuse("no such method: " + call.method));
    }
}

// The certificate says the name, the handshake the data directory; the body may not differ.
void Control::on_join(std::uint64_t connection, std::string_view name, std::uint64_t uuid,
                      const wire::Call& call) {
    auto command = control::decode_command(call.body);
    const auto* add = command ? std::get_if<control::AddNode>(&*command) : nullptr;
    if (add == nullptr || add->node.name != name || add->node.uuid != uuid_text(uuid)) {
        reply(connection, call.id, refuse("it says another name than its certificate"));
        return;
    }
    propose(*command, [this, connection, id = call.id](const Answer& answer) {
        if (!answer.ok) {
            reply(connection, id, answer);
            return;
        }
        // What is known here may be from before the join: it serves to find the others by.
        control::FieldWriter out;
        out.number(1, answer.outcome.node.value());
        out.text(2, group_.newest().snapshot());
        control_.reply(connection, wire::Reply{id, true, out.take()});
    });
}

}  // namespace causeway::node
