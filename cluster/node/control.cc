#include "cluster/node/control.h"

#include <algorithm>
#include <utility>

namespace causeway::node {
namespace {

constexpr MonoMs kAskMs = 500;
constexpr MonoMs kAnswerMs = 1'000;
// A node whose last report is older is not counted on.
constexpr MonoMs kReportMs = 2'000;
// An order, or a record, that had no effect is given again.
constexpr MonoMs kAgainMs = 1'000;
constexpr MonoMs kKeepMs = 5'000;

}  // namespace

std::string uuid_text(std::uint64_t uuid) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (int shift = 60; shift >= 0; shift -= 4) {
        text.push_back(kDigits[uuid >> shift & 0xF]);
    }
    return text;
}

Control::Control(const ControlOptions& options, Core& core, Clock& clock, Ports& ports,
                 ControlPorts& control)
    : options_(options),
      core_(core),
      clock_(clock),
      ports_(ports),
      control_(control),
      group_(options.self, clock, ports, control),
      calls_(ports, clock),
      balance_(options.balance_ms) {
    core.attach(*this);
}

void Control::begin() { on_changed(); }

bool Control::belongs(NodeId id, std::uint64_t uuid) const {
    if (model().cluster_id.empty()) {
        return true;  // nobody has led anything yet: see settle_elections()
    }
    const auto node = model().nodes.find(id);
    return node != model().nodes.end() && node->second.uuid == uuid_text(uuid);
}

// --- the turn ----------------------------------------------------------------------------------

void Control::on_tick() {
    group_.tick();
    calls_.on_tick();
    nudge();
    try_proposals();
    if (group_.serving()) {
        lead();
    } else {
        heard_.clear();
        recording_.clear();
        ordered_.clear();
        creating_ = false;
    }
    keep_own_entry();
}

void Control::end_turn() { group_.drain(); }

void Control::step(GroupId group, raft::Message message) {
    if (group == control::kControlGroup && group_.replica() != nullptr) {
        group_.step(std::move(message));
        return;
    }
    // Only a leader calls a replica to life: it knows who belongs to the group.
    const bool leads = std::holds_alternative<raft::AppendRequest>(message.body) ||
                       std::holds_alternative<raft::Heartbeat>(message.body);
    const bool known = group == control::kControlGroup || model().groups.contains(group);
    if (leads && known && options_.roles.core &&
        belongs(message.from, core_.uuid_of(message.from))) {
        control_.open_group(group);
    }
}

NodeId Control::leader() const {
    if (group_.serving()) {
        return options_.self;
    }
    return led_.node == options_.self ? NodeId{} : led_.node;
}

void Control::on_ping(NodeId from, const wire::Ping& ping) {
    for (const wire::Led& led : ping.led) {
        if (led.group != control::kControlGroup || led.term < led_.term) {
            continue;
        }
        led_ = LeaderIs{led.group, from, led.term};
        // A replica is told by its log; what it was not told since the ping before, it asks for.
        if (behind_.value() != 0 && model().applied < behind_) {
            fetch(from);
        }
        behind_ = model().applied < led.applied ? led.applied : Index{};
    }
}

void Control::add_led(wire::Ping& ping) const {
    if (group_.serving()) {
        ping.led.push_back(
            wire::Led{control::kControlGroup, group_.replica()->term(), group_.model().applied});
    }
}

void Control::on_connected(NodeId peer) { group_.on_peer_reset(peer); }

void Control::on_disconnected(NodeId peer) {
    calls_.on_disconnected(peer);
    if (led_.node == peer) {
        led_.node = NodeId{};
    }
}

// --- the state ---------------------------------------------------------------------------------

void Control::fetch(NodeId from) {
    if (std::exchange(fetching_, true)) {
        return;
    }
    calls_.call(from, "state", "", kAnswerMs, [this](bool ok, std::string_view body) {
        fetching_ = false;
        control::Machine machine;
        if (ok && machine.restore(body)) {
            group_.adopt(std::move(machine));
        }
    });
}

void Control::on_changed() {
    const auto cores = std::count_if(model().nodes.begin(), model().nodes.end(),
                                     [](const auto& node) { return node.second.roles.core; });
    if (cores != 0) {
        core_.set_nodes(static_cast<std::size_t>(cores));
    }
    settle_elections();
}

void Control::set_rules_active(std::uint64_t version) {
    rules_active_ = version;
    settle_elections();
}

// Nobody leads a set before all founders have met and the control group has written down their
// data directories: whoever comes with another one later is told apart from the start. Nor does a
// node whose router does not evaluate the active rules: what it led would be routed by others. And
// who is no member of a group any more has no reason to stand.
void Control::settle_elections() {
    const bool fit = !model().cluster_id.empty() && rules_active_ == model().active_rules;
    for (const auto& [id, group] : core_.groups()) {
        bool held = !fit;
        const auto known = model().groups.find(id);
        if (known != model().groups.end() && !known->second.voters.empty() &&
            known->second.at >= group->replica().raft().configuration_index()) {
            const auto& voters = known->second.voters;
            held = held || std::find(voters.begin(), voters.end(), options_.self) == voters.end();
        }
        group->hold(held);
    }
}

// After a change of who belongs, an entry behind it shows that the new majority holds all there is.
void Control::nudge() {
    if (now() - nudged_at_ < kAskMs) {
        return;
    }
    nudged_at_ = now();
    const auto waits = [](const replica::Replica& replica) {
        const raft::Raft& raft = replica.raft();
        return raft.leads() && raft.log().commit() == raft.configuration_index() &&
               raft.log().last() == raft.log().commit();
    };
    for (const auto& [id, group] : core_.groups()) {
        if (waits(group->replica())) {
            group->nudge();
        }
    }
    if (group_.serving() && waits(*group_.replica())) {
        (void)group_.replica()->propose(SharedBytes{});
    }
}

// Where others reach this node, as its configuration has it now.
void Control::keep_own_entry() {
    if (now() - kept_at_ < kKeepMs) {
        return;
    }
    kept_at_ = now();
    settle_elections();
    const auto self = model().nodes.find(options_.self);
    if (self != model().nodes.end() && !options_.address.empty() &&
        self->second.address != options_.address) {
        propose(control::UpdateNode{options_.self, options_.address}, [](const Answer&) {});
    }
}

// --- the leader --------------------------------------------------------------------------------

void Control::lead() {
    if (model().cluster_id.empty()) {
        create();
        return;
    }
    if (now() - asked_at_ < kAskMs) {
        return;
    }
    asked_at_ = now();
    Reports reports;
    heard_[options_.self] = Heard{own_report(), now()};
    for (const auto& [id, heard] : heard_) {
        if (now() - heard.at <= kReportMs && model().nodes.contains(id)) {
            reports.emplace(id, heard.report);
        }
    }
    ask_all();
    for (const control::SetMembers& members : to_record(model(), reports)) {
        if (now() - recording_[members.group] >= kAgainMs) {
            recording_[members.group] = now();
            propose(members, [](const Answer&) {});
        }
    }
    for (const Order& step : steps(model(), reports)) {
        if (now() - ordered_[step.step.group] >= kAgainMs) {
            ordered_[step.step.group] = now();
            order(step);
        }
    }
    if (const auto transfer = balance_.next(model(), reports, now())) {
        order(*transfer);
    }
}

void Control::ask_all() {
    for (const auto& [id, node] : model().nodes) {
        if (id == options_.self) {
            continue;
        }
        calls_.call(id, "report", "", kAnswerMs, [this, id = id](bool ok, std::string_view body) {
            auto report = ok ? decode_report(body) : std::nullopt;
            if (report && report->id == id) {
                heard_[id] = Heard{std::move(*report), now()};
            }
        });
    }
}

// When every founder was heard: from then on it is known by its data directory.
void Control::create() {
    control::CreateCluster command;
    command.cluster_id = options_.cluster.empty() ? "alone" : options_.cluster;
    command.sets = options_.sets;
    command.voters_per_set = options_.voters_per_set;
    std::uint64_t id = 0;
    for (const ControlOptions::Founder& founder : options_.founders) {
        const std::uint64_t uuid = core_.uuid_of(NodeId(++id));
        if (uuid == 0) {
            return;
        }
        command.founders.push_back(
            control::NewNode{uuid_text(uuid), founder.name, founder.address, founder.roles, ""});
    }
    if (!command.founders.empty() && !std::exchange(creating_, true)) {
        group_.propose(command,
                       [this](const std::optional<control::Outcome>&) { creating_ = false; });
    }
}

void Control::order(const Order& order) {
    if (order.leader == options_.self) {
        perform(order, [](const Answer&) {});
    } else {
        calls_.call(order.leader, "order", encode(order), kAnswerMs, [](bool, std::string_view) {});
    }
}

NodeReport Control::own_report() const {
    NodeReport report;
    report.id = options_.self;
    report.name = options_.name;
    report.version = options_.version;
    report.boot = options_.boot;
    report.disk_low = core_.view().disk_low;
    report.control_applied = model().applied;
    report.rules_active = rules_active_;
    const auto hears = [this](NodeId id) { return core_.hears(id); };
    if (group_.replica() != nullptr) {
        report.groups.push_back(report_of(control::kControlGroup, *group_.replica(), hears));
    }
    for (const auto& [id, group] : core_.groups()) {
        report.groups.push_back(report_of(id, group->replica(), hears));
    }
    return report;
}

}  // namespace causeway::node
