#include "core/raft/configuration.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "core/raft/quorum.h"

namespace causeway::raft {
namespace {

Configuration make(std::initializer_list<std::uint64_t> voters,
                   std::initializer_list<std::uint64_t> learners = {}) {
    Configuration out;
    for (const auto id : voters) {
        out.voters.push_back(NodeId(id));
    }
    for (const auto id : learners) {
        out.learners.push_back(NodeId(id));
    }
    return out;
}

TEST(Configuration, EncodingReturnsTheSame) {
    for (const auto& configuration : {make({1}), make({1, 2, 3}), make({1, 9, 500}, {2, 77})}) {
        EXPECT_EQ(decode_configuration(encode(configuration).view()), configuration);
    }
}

TEST(Configuration, DecodingRefusesEverythingElse) {
    const std::string good(encode(make({1, 2, 3}, {4})).view());
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_EQ(decode_configuration(good.substr(0, size)), std::nullopt) << size;
    }
    EXPECT_EQ(decode_configuration(good + "x"), std::nullopt);
    EXPECT_EQ(decode_configuration("\x02" + good.substr(1)), std::nullopt);
    for (const auto& bad : {make({}), make({}, {1}), make({2, 1}), make({1, 1}), make({0, 1}),
                            make({1}, {1}), make({1}, {3, 2})}) {
        EXPECT_EQ(decode_configuration(encode(bad).view()), std::nullopt);
    }
    Random random(7);
    for (int i = 0; i < 20'000; ++i) {
        std::string noise = good;
        noise[random.below(noise.size())] = static_cast<char>(random.next());
        const auto decoded = decode_configuration(noise);
        EXPECT_TRUE(!decoded || well_formed(*decoded));
    }
}

TEST(Configuration, OneServerAtATime) {
    const auto from = make({1, 2, 3}, {4, 5});
    EXPECT_TRUE(is_single_change(from, make({1, 2, 3}, {4, 5, 6})));
    EXPECT_TRUE(is_single_change(from, make({1, 2, 3}, {5})));
    EXPECT_TRUE(is_single_change(from, make({1, 2, 3, 4}, {5})));
    EXPECT_TRUE(is_single_change(from, make({1, 2}, {4, 5})));
    EXPECT_TRUE(is_single_change(from, make({1, 2}, {3, 4, 5})));

    EXPECT_FALSE(is_single_change(from, from));
    EXPECT_FALSE(is_single_change(from, make({1, 2, 3, 6}, {4, 5})));  // Comes as a voter.
    EXPECT_FALSE(is_single_change(from, make({1, 2, 3, 4, 5})));
    EXPECT_FALSE(is_single_change(from, make({1, 2, 4}, {5})));
    EXPECT_FALSE(is_single_change(from, make({1, 2, 3, 4}, {})));
    EXPECT_FALSE(is_single_change(from, make({1, 2}, {4})));
    EXPECT_FALSE(is_single_change(make({1}), make({})));
    EXPECT_FALSE(is_single_change(make({1}, {2}), make({2, 1}, {})));
}

// Every allowed change keeps every two majorities overlapping (I15), over all small configurations.
TEST(Configuration, MajoritiesOverlap) {
    const auto from_mask = [](unsigned voters, unsigned learners) {
        Configuration out;
        for (unsigned bit = 0; bit < 4; ++bit) {
            if (voters >> bit & 1U) {
                out.voters.push_back(NodeId(bit + 1));
            } else if (learners >> bit & 1U) {
                out.learners.push_back(NodeId(bit + 1));
            }
        }
        return out;
    };
    int allowed = 0;
    for (unsigned a = 1; a < 16; ++a) {
        for (unsigned b = 1; b < 16; ++b) {
            for (unsigned learners = 0; learners < 256; ++learners) {
                if (!is_single_change(from_mask(a, learners & 15U), from_mask(b, learners >> 4))) {
                    continue;
                }
                ++allowed;
                for (unsigned p = 1; p < 16; ++p) {
                    for (unsigned q = 1; q < 16; ++q) {
                        const auto count = [](unsigned mask) {
                            return static_cast<std::size_t>(std::popcount(mask));
                        };
                        const bool both = is_majority(count(p & a), count(a)) &&
                                          is_majority(count(q & b), count(b));
                        ASSERT_TRUE(!both || (p & q) != 0 || (p & ~a) != 0 || (q & ~b) != 0);
                    }
                }
            }
        }
    }
    EXPECT_GT(allowed, 100);
}

TEST(Quorum, IndexIsWhatAMajorityHas) {
    const auto of = [](std::initializer_list<std::uint64_t> list) {
        Matches matches;
        for (const auto i : list) {
            matches.push_back(Index(i));
        }
        return quorum_index(matches).value();
    };
    EXPECT_EQ(of({}), 0U);
    EXPECT_EQ(of({7}), 7U);
    EXPECT_EQ(of({7, 3}), 3U);
    EXPECT_EQ(of({9, 1, 5}), 5U);
    EXPECT_EQ(of({9, 1, 5, 5}), 5U);
    EXPECT_EQ(of({9, 8, 1, 2}), 2U);
    EXPECT_EQ(of({1, 2, 3, 4, 5}), 3U);
}

TEST(Quorum, IndexByDefinition) {
    Random random(3);
    for (int i = 0; i < 5000; ++i) {
        Matches matches;
        for (std::uint64_t n = 1 + random.below(9); n > 0; --n) {
            matches.push_back(Index(random.below(6)));
        }
        const Index index = quorum_index(matches);
        const auto having = [&](Index wanted) {
            return static_cast<std::size_t>(std::count_if(
                matches.begin(), matches.end(), [&](Index match) { return match >= wanted; }));
        };
        EXPECT_TRUE(is_majority(having(index), matches.size()));
        EXPECT_FALSE(is_majority(having(index.next()), matches.size()));
    }
}

TEST(Quorum, Votes) {
    EXPECT_EQ(count_votes(1, 1, 0), VoteResult::kWon);
    EXPECT_EQ(count_votes(3, 1, 1), VoteResult::kPending);
    EXPECT_EQ(count_votes(3, 2, 0), VoteResult::kWon);
    EXPECT_EQ(count_votes(3, 1, 2), VoteResult::kLost);
    EXPECT_EQ(count_votes(4, 2, 1), VoteResult::kPending);
    EXPECT_EQ(count_votes(4, 2, 2), VoteResult::kLost);
    EXPECT_EQ(count_votes(4, 3, 0), VoteResult::kWon);
}

}  // namespace
}  // namespace causeway::raft
