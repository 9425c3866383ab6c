// Random commands, many of them nonsense: replicas agree, restored machines go on alike, a command
// proposed twice changes nothing the second time, and ids are given once.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "core/base/random.h"
#include "test/cluster/control/support.h"

namespace causeway::control::test {
namespace {

class Commands {
public:
    explicit Commands(std::uint64_t seed) : random_(seed) {}

    Command next(const Model& model) {
        switch (random_.below(12)) {
            case 0:
                return create(1 + random_.below(4), random_.chance(1, 8) ? 4 : 3);
            case 1:
            case 2: {
                NewNode made = node(random_.below(12), {random_.chance(1, 2), true});
                if (random_.chance(1, 4)) {
                    made.uuid = uuid(random_.below(40));
                }
                return AddNode{made};
            }
            case 3:
                return UpdateNode{any_node(), random_.chance(1, 8) ? "" : "host:1"};
            case 4:
                return DrainNode{any_node(), random_.chance(1, 2)};
            case 5:
                return RemoveNode{any_node()};
            case 6:
                return any_members();
            case 7: {
                const std::uint64_t newest = model.rules.empty() ? 0 : model.rules.back().version;
                return rules(newest + random_.below(3), std::to_string(random_.below(3)));
            }
            case 8:
                return ActivateRules{random_.below(30)};
            case 9:
            case 10: {
                const std::string name = "d" + std::to_string(random_.below(4));
                const auto held = model.documents.find({"kind", name});
                const std::uint64_t revision =
                    held == model.documents.end() ? 0 : held->second.revision;
                const std::uint64_t expected =
                    random_.chance(1, 3) ? kAnyDocument : revision + random_.below(2);
                if (random_.chance(1, 3)) {
                    return DeleteDocument{"kind", name, expected};
                }
                return PutDocument{"kind", name, expected, std::to_string(random_.below(5))};
            }
            default:
                return DeclareQueues{{queue("q" + std::to_string(random_.below(5)))},
                                     {"q" + std::to_string(random_.below(5))}};
        }
    }

    Random& random() { return random_; }

private:
    NodeId any_node() { return NodeId(random_.below(16)); }
    Command any_members() {
        std::set<NodeId> voters;
        for (std::uint64_t i = random_.below(4); i > 0; --i) {
            voters.insert(any_node());
        }
        return members(static_cast<std::uint32_t>(random_.below(5)), random_.below(100),
                       {voters.begin(), voters.end()});
    }

    Random random_;
};

Model without_applied(Model model) {
    model.applied = Index(0);
    return model;
}

class Replicas {
public:
    explicit Replicas(std::uint64_t seed) : commands_(seed) {}

    void step() {
        const std::string bytes = encode(commands_.next(first_.model()));
        const Model before = first_.model();
        const Outcome outcome = apply(bytes);
        if (outcome.code != Code::kOk) {
            EXPECT_EQ(without_applied(first_.model()), without_applied(before));
        }
        ++outcomes[outcome.code];
        check_ids();
        if (outcome.code == Code::kOk) {
            const Model done = first_.model();
            EXPECT_EQ(apply(bytes).code, Code::kOk) << "proposed twice";
            EXPECT_EQ(without_applied(first_.model()), without_applied(done));
        }
        if (commands_.random().chance(1, 10)) {
            Machine fresh;
            ASSERT_TRUE(fresh.restore(second_.snapshot()));
            second_ = std::move(fresh);
        }
    }

    std::map<Code, int> outcomes;

private:
    Outcome apply(const std::string& bytes) {
        const Index index(++last_);
        const Outcome outcome = first_.apply(index, bytes);
        EXPECT_EQ(second_.apply(index, bytes), outcome);
        EXPECT_EQ(second_.model(), first_.model());
        return outcome;
    }

    void check_ids() {
        std::set<std::string> names;
        for (const auto& [id, known] : first_.model().nodes) {
            EXPECT_LT(id, first_.model().next_node);
            EXPECT_TRUE(names.insert(known.name).second);
            EXPECT_EQ(owners_.try_emplace(id, known.uuid).first->second, known.uuid)
                << "an id given twice";
        }
        EXPECT_LE(first_.model().rules.size(), kRuleVersionsMax);
        for (const auto& [group, of] : first_.model().groups) {
            for (const NodeId voter : of.voters) {
                EXPECT_TRUE(first_.model().nodes.contains(voter));
            }
        }
    }

    Commands commands_;
    Machine first_;
    Machine second_;
    std::uint64_t last_ = 0;
    std::map<NodeId, std::string> owners_;
};

TEST(ControlProperty, RandomCommands) {
    const char* wanted = std::getenv("CAUSEWAY_CONTROL_SEEDS");
    const std::uint64_t seeds = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 40;
    std::map<Code, int> outcomes;
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Replicas run(seed);
        for (int i = 0; i < 250 && !testing::Test::HasFailure(); ++i) {
            run.step();
        }
        for (const auto& [code, count] : run.outcomes) {
            outcomes[code] += count;
        }
    }
    for (const Code code :
         {Code::kOk, Code::kInvalid, Code::kNotCreated, Code::kAlreadyCreated, Code::kNameTaken,
          Code::kNodeRemoved, Code::kUnknownNode, Code::kUnknownGroup, Code::kStillMember,
          Code::kUnknownVersion, Code::kStale}) {
        EXPECT_GT(outcomes[code], 10) << text_of(code);
    }
}

}  // namespace
}  // namespace causeway::control::test
