// What the leader of the control group does about the cluster, from what the nodes report: it
// records who holds what, brings replicas where placement wants them, one safe step at a time, and
// spreads leaderships. Nothing here is remembered but for how long all has been calm: another
// leader goes on from the same reports.
//
// Pure: time and reports are given.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "cluster/control/command.h"
#include "cluster/node/report.h"
#include "cluster/placement/place.h"
#include "core/base/time.h"

namespace causeway::node {

// The newest of each node that answered a moment ago.
using Reports = std::map<NodeId, NodeReport>;

// A step for a group's leader. It is void when the leader, its term or the configuration is another
// one by then.
struct Order {
    NodeId leader;
    Term term;
    Index configuration_at;
    placement::Step step;
    bool operator==(const Order&) const = default;
};
std::string encode(const Order& order);
std::optional<Order> decode_order(std::string_view bytes);

// What the group's leader reports: of two that say so the one of the later term; null: nobody does.
const GroupReport* leading(const Reports& reports, GroupId group);

// Every group of the model as placement wants to see it; alive is who reports and is heard by the
// group's leader too.
std::vector<placement::GroupStatus> statuses_of(const control::Model& model,
                                                const Reports& reports);

// The configuration `step` leads to; nullopt: it does not fit, or after it no majority of the
// voters would be alive and close to the leader's end. `report`: the group's leader's own, of now.
std::optional<raft::Configuration> configuration_after(const GroupReport& report,
                                                       const placement::Step& step);

// Configurations that were committed and that the control group has not been told of.
std::vector<control::SetMembers> to_record(const control::Model& model, const Reports& reports);

// Replicas towards placement. At most two groups take new ones at a time: they cost a copy.
std::vector<Order> steps(const control::Model& model, const Reports& reports);

// How leaderships are spread. A transfer costs its set some tens of milliseconds, so nothing is
// done for a difference of one, and nothing before all has been calm for a while.
class Balance {
public:
    // `calm_ms` 0: leaders stay where they are.
    explicit Balance(MonoMs calm_ms) : calm_ms_(calm_ms) {}
    // Effect: says which leadership moves, if any; then none for calm_ms.
    std::optional<Order> next(const control::Model& model, const Reports& reports, MonoMs now);

private:
    MonoMs calm_ms_;
    MonoMs calm_since_ = 0;  // 0: it is not calm
    std::map<GroupId, std::pair<NodeId, Term>> leaders_;
};

}  // namespace causeway::node
