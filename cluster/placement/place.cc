// See place.h: who should hold what.
#include "cluster/placement/place.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/check.h"

namespace causeway::placement {
namespace {

bool contains(const std::vector<NodeId>& ids, NodeId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

class Planner {
public:
    explicit Planner(const control::Model& model) : model_(model) {
        for (const auto& [id, node] : model.nodes) {
            if (node.roles.core && !node.draining) {
                load_[id] = 0;
            }
        }
        wanted_ = std::min<std::size_t>(model.voters_per_set, load_.size());
    }

    Placement plan() {
        for (const auto& [group, members] : model_.groups) {
            auto& voters = placement_[group];
            for (const NodeId id : members.voters) {
                if (load_.empty()) {
                    voters.push_back(id);
                } else if (load_.contains(id)) {
                    voters.push_back(id);
                    ++load_[id];
                }
            }
        }
        if (!load_.empty()) {
            drop_surplus();
            fill();
            balance();
        }
        for (auto& [group, voters] : placement_) {
            std::sort(voters.begin(), voters.end());
        }
        return std::move(placement_);
    }

private:
    void drop_surplus() {
        for (auto& [group, voters] : placement_) {
            while (voters.size() > wanted_) {
                const auto most =
                    std::max_element(voters.begin(), voters.end(), [&](NodeId a, NodeId b) {
                        return std::tuple(load_.at(a), a) < std::tuple(load_.at(b), b);
                    });
                --load_[*most];
                voters.erase(most);
            }
        }
    }

    void fill() {
        for (auto& [group, voters] : placement_) {
            while (voters.size() < wanted_) {
                const NodeId id = least_loaded(group, voters);
                voters.push_back(id);
                ++load_[id];
            }
        }
    }

    // Among equals one that has begun to receive the group, so that no half-done move is dropped.
    NodeId least_loaded(GroupId group, const std::vector<NodeId>& voters) const {
        const auto& learners = model_.groups.at(group).learners;
        const auto rank = [&](NodeId id) {
            return std::tuple(load_.at(id), !contains(learners, id), id);
        };
        NodeId best;
        for (const auto& [id, load] : load_) {
            if (!contains(voters, id) && (!best || rank(id) < rank(best))) {
                best = id;
            }
        }
        CW_CHECK(best, "there are at least as many nodes as voters wanted");
        return best;
    }

    // Every move lowers the sum of the squares of the loads, so this ends.
    void balance() {
        for (;;) {
            const auto by_load = [](const auto& a, const auto& b) { return a.second < b.second; };
            const auto least = std::min_element(load_.begin(), load_.end(), by_load);
            const auto most = std::max_element(load_.begin(), load_.end(), by_load);
            if (most->second - least->second <= 1) {
                return;
            }
            move_one(most->first, least->first);
        }
    }

    // `from` holds two groups more than `to`, so at least one that `to` does not hold.
    void move_one(NodeId from, NodeId to) {
        std::vector<NodeId>* chosen = nullptr;
        for (auto& [group, voters] : placement_) {
            if (!contains(voters, from) || contains(voters, to)) {
                continue;
            }
            const bool begun = contains(model_.groups.at(group).learners, to);
            if (chosen == nullptr || begun) {
                chosen = &voters;
            }
            if (begun) {
                break;
            }
        }
        CW_CHECK(chosen != nullptr);
        *std::find(chosen->begin(), chosen->end(), from) = to;
        --load_[from];
        ++load_[to];
    }

    const control::Model& model_;
    std::size_t wanted_ = 0;
    std::map<NodeId, std::size_t> load_;  // Groups held by each node that may hold any.
    Placement placement_;
};

}  // namespace

Placement place(const control::Model& model) { return Planner(model).plan(); }

}  // namespace causeway::placement
