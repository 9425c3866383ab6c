// Random faults, one seed per run: messages lost, doubled, reordered and partitioned, nodes that
// crash and lose what they had not fsynced, slow disks, snapshots, transfers, membership changes.
// Safety is checked all the time; after the faults end the group must come to one leader and one
// state.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "core/base/random.h"
#include "test/core/raft/network.h"

namespace causeway::raft::test {
namespace {

struct Totals {
    std::uint64_t leaders = 0;
    std::uint64_t applied = 0;
    std::uint64_t crashes = 0;
    std::uint64_t truncations = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t changes = 0;
};

Options small_limits(Random& random, std::uint64_t seed) {
    Options options;
    options.seed = seed;
    options.heartbeat_ticks = 2;
    options.election_ticks_min = 8;
    options.election_ticks_max = 16;
    options.hurried_ticks_min = 1;
    options.hurried_ticks_max = 4;
    options.window = {.count_max = 1 + random.below(4), .bytes_max = 60 + random.below(400)};
    options.message_bytes_max = 40 + random.below(200);
    options.entry_bytes_max = 100;
    options.unapplied_bytes_max = 500 + random.below(2000);
    options.committed_bytes_max = 40 + random.below(200);
    options.cache_bytes_max = random.below(200);
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
        network_.fixed_voters = membership ? 0 : voters;
        loss_ = random_.below(20);
        faults_ = random_.below(4);
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
    void heal() {
        cut_.clear();
        for (auto& [id, node] : network_.nodes()) {
            if (!node.raft) {
                network_.start(id);
            }
            node.log.busy = false;
            node.raft->hold_elections(false);
        }
        bool proposed = false;
        for (int round = 0; round < 400 && ok(); ++round) {
            for (auto& [id, node] : network_.nodes()) {
                node.raft->tick();
                network_.drain(id);
            }
            ASSERT_TRUE(network_.settle());
            const auto leader = network_.leader();
            if (!proposed && leader && round > 20) {
                proposed = network_.raft(*leader).propose(SharedBytes::copy("last")).has_value();
                network_.drain(*leader);
            }
            if (proposed && converged()) {
                return;
            }
        }
        network_.checker.logs_match(network_.nodes());
        EXPECT_TRUE(proposed) << "no leader took a command";
        EXPECT_TRUE(converged()) << "states differ" << describe();
    }

    bool ok() const { return network_.checker.failure.empty(); }
    const std::string& failure() const { return network_.checker.failure; }
    void add_to(Totals& totals) {
        totals.leaders += network_.checker.leaders();
        totals.applied += network_.checker.applied_count();
        totals.crashes += crashes_;
        totals.changes += changes_;
        for (auto& [id, node] : network_.nodes()) {
            totals.truncations += node.raft->counters().truncations;
            totals.snapshots += node.raft->counters().snapshots_sent;
            EXPECT_EQ(node.raft->counters().malformed, 0U) << "honest peers sent something wrong";
        }
    }

private:
    NodeId any() { return NodeId(1 + random_.below(nodes_)); }

    std::string describe() {
        std::string out;
        for (auto& [id, node] : network_.nodes()) {
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
            if (alive) {
                network_.raft(id).tick();
            }
        } else if (dice < 970) {
            propose(id);
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
                network_.crash(id);
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
    std::uint64_t commands_ = 0;
    std::uint64_t crashes_ = 0;
    std::uint64_t changes_ = 0;
    std::set<std::pair<NodeId, NodeId>> cut_;
};

// CAUSEWAY_RAFT_SEEDS=<first>:<count> hunts elsewhere, or replays one seed.
Totals run_seeds(std::uint64_t from, std::uint64_t count, bool membership) {
    Totals totals;
    if (const char* wanted = std::getenv("CAUSEWAY_RAFT_SEEDS")) {
        char* rest = nullptr;
        from = std::strtoull(wanted, &rest, 10);
        count = *rest == ':' ? std::strtoull(rest + 1, nullptr, 10) : 1;
    }
    for (std::uint64_t seed = from; seed < from + count; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Run run(seed, membership);
        run.faulty_phase(6000);
        EXPECT_TRUE(run.ok()) << run.failure();
        run.heal();
        EXPECT_TRUE(run.ok()) << run.failure();
        run.add_to(totals);
        if (testing::Test::HasFailure()) {
            break;
        }
    }
    std::printf(
        "seeds %llu: leaders %llu, applied %llu, crashes %llu, truncations %llu, "
        "snapshots %llu, changes %llu\n",
        static_cast<unsigned long long>(count), static_cast<unsigned long long>(totals.leaders),
        static_cast<unsigned long long>(totals.applied),
        static_cast<unsigned long long>(totals.crashes),
        static_cast<unsigned long long>(totals.truncations),
        static_cast<unsigned long long>(totals.snapshots),
        static_cast<unsigned long long>(totals.changes));
    return totals;
}

TEST(RaftProperty, FixedMembers) {
    const Totals totals = run_seeds(1, 150, false);
    EXPECT_GT(totals.leaders, 300U);
    EXPECT_GT(totals.applied, 5000U);
    EXPECT_GT(totals.crashes, 500U);
    EXPECT_GT(totals.truncations, 30U);
    EXPECT_GT(totals.snapshots, 100U);
}

TEST(RaftProperty, MembersComeAndGo) {
    const Totals totals = run_seeds(1000, 150, true);
    EXPECT_GT(totals.changes, 100U);
    EXPECT_GT(totals.leaders, 250U);
}

}  // namespace
}  // namespace causeway::raft::test
