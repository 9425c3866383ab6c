// See random_run.h.
#include "test/core/raft/random_run.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "test/core/raft/network.h"

namespace causeway::raft::test {
namespace {

// Two seconds of the default options' ticks of 10 ms.
constexpr int kLeaderTicksMax = 200;
// In phase 1 time passes in strides, so that few events make an election.
constexpr int kTicksPerEvent = 5;

Options small_limits(Random& random, std::uint64_t seed) {
    Options options;
    options.seed = seed;
    options.window = {.count_max = 1 + random.below(4), .bytes_max = 60 + random.below(400)};
    options.message_bytes_max = 40 + random.below(200);
    options.entry_bytes_max = 100;
    options.unapplied_bytes_max = 500 + random.below(2000);
    options.committed_bytes_max = 40 + random.below(200);
    options.cache_bytes_max = random.below(200);
    options.announce_commit_at_tick = seed % 4 < 2;
    return options;
}

class Run {
public:
    Run(std::uint64_t seed, bool membership)
        : random_(seed), network_(small_limits(random_, seed)), membership_(membership) {
        const std::uint64_t voters = membership ? 3 : 3 + 2 * random_.below(2);
        Configuration bootstrap;
        for (std::uint64_t id = 1; id <= voters; ++id) {
            bootstrap.voters.push_back(NodeId(id));
        }
        nodes_ = membership ? 5 : voters;
        for (std::uint64_t id = 1; id <= nodes_; ++id) {
            network_.add_node(NodeId(id), id <= voters ? bootstrap : Configuration{});
        }
        loss_ = random_.below(20);
        faults_ = random_.below(4);
        restless_ = membership && random_.chance(1, 2);
    }

    void faulty_phase(int events) {
        for (int i = 0; i < events && ok(); ++i) {
            event();
            if (i % 100 == 0) {
                network_.checker.logs_match(network_.nodes());
            }
        }
    }

    // Everybody is back and nothing is lost: a leader, all proposals resolve, all states are equal.
    // Then twice more after the death of the leader.
    void heal() {
        cut_.clear();
        revive();
        demand_service();
        for (int deaths = 0; deaths < 2 && ok(); ++deaths) {
            const NodeId leader = *network_.leader();
            if (network_.raft(leader).configuration().voters.size() < 3) {
                break;
            }
            crash(leader);
            demand_leader();
            revive();
            demand_service();
        }
        network_.checker.logs_match(network_.nodes());
    }

    bool ok() const { return network_.checker.failure.empty(); }
    const std::string& failure() const { return network_.checker.failure; }
    void add_to(RunTotals& totals) {
        totals.leaders += network_.checker.leaders();
        totals.applied += network_.checker.applied_count();
        totals.crashes += crashes_;
        totals.changes += changes_;
        totals.truncations += truncations_;
        totals.snapshots += snapshots_;
        for (auto& [id, node] : network_.nodes()) {
            totals.truncations += node.raft->counters().truncations;
            totals.snapshots += node.raft->counters().snapshots_sent;
            if (node.raft->counters().malformed > 0) {
                network_.checker.fail("an honest peer sent something malformed");
            }
        }
    }

private:
    void crash(NodeId id) {
        truncations_ += network_.raft(id).counters().truncations;
        snapshots_ += network_.raft(id).counters().snapshots_sent;
        network_.crash(id);
    }

    void revive() {
        for (auto& [id, node] : network_.nodes()) {
            if (!node.raft) {
                network_.start(id);
            }
            node.log.busy = false;
            node.raft->hold_elections(false);
        }
    }

    // One tick for everybody, and all that follows from it.
    void round() {
        for (auto& [id, node] : network_.nodes()) {
            if (node.raft) {
                node.raft->tick();
                network_.drain(id);
            }
        }
        if (!network_.settle()) {
            network_.checker.fail("I20: the group never comes to rest");
        }
    }

    void demand_leader() {
        for (int ticks = 0; ticks < kLeaderTicksMax && ok(); ++ticks) {
            round();
            const auto leader = network_.leader();
            if (leader && network_.raft(*leader).takes_commands()) {
                return;
            }
        }
        if (ok()) {
            network_.checker.fail("I20: no leader within two seconds" + describe());
        }
    }

    void demand_service() {
        demand_leader();
        bool proposed = false;
        for (int ticks = 0; ticks < 10 * kLeaderTicksMax && ok(); ++ticks) {
            round();
            const auto leader = network_.leader();
            if (!proposed && leader) {
                proposed = network_.raft(*leader).propose(SharedBytes::copy("last")).has_value();
                network_.drain(*leader);
            }
            if (proposed && converged()) {
                return;
            }
        }
        if (ok()) {
            network_.checker.fail(
                (proposed ? "I20: states differ" : "I20: no leader takes a command") + describe());
        }
    }

    NodeId any() { return NodeId(1 + random_.below(nodes_)); }

    std::string describe() {
        std::string out;
        for (auto& [id, node] : network_.nodes()) {
            if (!node.raft) {
                continue;
            }
            const Status status = node.raft->status();
            const auto number = [](auto value) { return std::to_string(value.value()) + " "; };
            out += "\n" + number(id) + "term " + number(status.term) + "role " +
                   std::to_string(static_cast<int>(status.soft_state.role)) + " leader " +
                   number(status.soft_state.leader) + "compacted " + number(status.compacted) +
                   "applied " + number(status.applied) + "commit " + number(status.commit) +
                   "durable " + number(status.durable) + "last " + number(status.last) + "voters ";
            for (const NodeId voter : status.configuration.voters) {
                out += number(voter);
            }
            out += "learners ";
            for (const NodeId learner : status.configuration.learners) {
                out += number(learner);
            }
            for (const PeerStatus& peer : status.peers) {
                out += "| " + number(peer.id) + std::to_string(static_cast<int>(peer.state)) +
                       " match " + number(peer.match) + "next " + number(peer.next);
            }
        }
        return out;
    }

    bool converged() {
        const auto leader = network_.leader();
        if (!leader) {
            return false;
        }
        const Node& best = network_.node(*leader);
        const Configuration& members = network_.raft(*leader).configuration();
        return std::all_of(network_.nodes().begin(), network_.nodes().end(), [&](const auto& item) {
            const auto& [id, node] = item;
            return !(members.has_voter(id) || members.has_learner(id)) ||
                   (node.state.applied == best.raft->log().last() &&
                    node.state.chain == best.state.chain);
        });
    }

    void event() {
        const NodeId id = any();
        const bool alive = network_.alive(id);
        const std::uint64_t dice = random_.below(1000);
        if (dice < 560) {
            move_message();
        } else if (dice < 730) {
            network_.fsync(id);
        } else if (dice < 820) {
            network_.apply(id, 1 + random_.below(4));
        } else if (dice < 900) {
            for (int ticks = 0; alive && ticks < kTicksPerEvent; ++ticks) {
                network_.raft(id).tick();
            }
        } else if (dice < 970) {
            if (alive && restless_ && random_.chance(1, 6)) {
                change_membership(id);
            } else {
                propose(id);
            }
        } else {
            rare(id, alive, random_.below(100));
        }
        if (network_.alive(id)) {
            network_.drain(id);
        }
    }

    void move_message() {
        auto& flying = network_.in_flight();
        if (flying.empty()) {
            return;
        }
        // Mostly in order, sometimes not at all.
        const std::size_t place =
            random_.chance(3, 4) ? 0 : static_cast<std::size_t>(random_.below(flying.size()));
        if (cut_.contains({flying[place].from, flying[place].to}) || random_.below(100) < loss_) {
            if (std::holds_alternative<InstallSnapshot>(flying[place].body) &&
                network_.alive(flying[place].from)) {
                network_.raft(flying[place].from).report_snapshot(flying[place].to, false);
            }
            flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(place));
            return;
        }
        if (flying.size() < 500 && random_.chance(1, 20)) {
            flying.push_back(flying[place]);
        }
        network_.deliver(place);
    }

    void propose(NodeId id) {
        if (!network_.alive(id)) {
            return;
        }
        std::vector<SharedBytes> batch;
        for (std::uint64_t i = 0; i <= random_.below(3); ++i) {
            batch.push_back(SharedBytes::copy(std::to_string(++commands_)));
        }
        (void)network_.raft(id).propose(absl::MakeSpan(batch));
    }

    void rare(NodeId id, bool alive, std::uint64_t dice) {
        if (dice < 2 + faults_ * 3) {
            if (alive) {
                crash(id);
                ++crashes_;
            }
        } else if (dice < 45) {
            if (!alive) {
                network_.start(id);
            }
        } else if (dice < 52) {
            cut_.insert({id, any()});  // One way.
        } else if (dice < 57) {
            for (std::uint64_t other = 1; other <= nodes_; ++other) {
                cut_.insert({id, NodeId(other)});
                cut_.insert({NodeId(other), id});
            }
        } else if (dice < 66) {
            cut_.clear();
        } else if (!alive) {
            return;
        } else if (dice < 72) {
            network_.compact(id);
        } else if (dice < 75) {
            network_.node(id).log.busy = !network_.node(id).log.busy;
        } else if (dice < 80) {
            network_.raft(id).report_disconnected(any());
        } else if (dice < 85) {
            network_.raft(id).transfer_leadership(any());
        } else if (dice < 88) {
            network_.raft(id).hold_elections(random_.chance(1, 4));
        } else if (dice < 90) {
            network_.raft(id).campaign();
        } else if (membership_) {
            change_membership(id);
        }
    }

    void change_membership(NodeId id) {
        Configuration to = network_.raft(id).configuration();
        const NodeId who = any();
        const auto remove = [&](NodeIds& from) {
            from.erase(std::remove(from.begin(), from.end(), who), from.end());
        };
        const auto insert = [&](NodeIds& into) {
            into.insert(std::lower_bound(into.begin(), into.end(), who), who);
        };
        if (to.has_voter(who)) {
            remove(to.voters);
            if (random_.chance(1, 2)) {
                insert(to.learners);
            }
        } else if (to.has_learner(who)) {
            remove(to.learners);
            if (random_.chance(2, 3)) {
                insert(to.voters);
            }
        } else {
            insert(to.learners);
        }
        changes_ += network_.raft(id).propose_configuration(to).has_value();
    }

    Random random_;
    Network network_;
    bool membership_;
    std::uint64_t nodes_ = 0;
    std::uint64_t loss_ = 0;
    std::uint64_t faults_ = 0;
    bool restless_ = false;  // The membership changes all the time.
    std::uint64_t commands_ = 0;
    std::uint64_t crashes_ = 0;
    std::uint64_t truncations_ = 0;
    std::uint64_t snapshots_ = 0;
    std::uint64_t changes_ = 0;
    std::set<std::pair<NodeId, NodeId>> cut_;
};

}  // namespace

std::string random_run(const RunOptions& options, RunTotals& totals) {
    Run run(options.seed, options.membership);
    run.faulty_phase(options.events);
    if (run.ok()) {
        run.heal();
    }
    if (run.ok()) {
        run.add_to(totals);
    }
    return run.failure();
}

}  // namespace causeway::raft::test
