// TopicTrie against a naive list of filters: same matches, the documented order, under inserts and
// erases.
#include "core/message/trie.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/message/topic.h"

namespace causeway {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int> matches(const TopicTrie<int>& trie, std::string_view topic) {
    std::vector<int> found;
    trie.match(topic, [&](const int& value) { found.push_back(value); });
    return found;
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> levels(1);
    for (const char c : text) {
        if (c == '/') {
            levels.emplace_back();
        } else {
            levels.back().push_back(c);
        }
    }
    return levels;
}

// The order of the header: "#" before "+" before exact names; the caller's stable sort keeps the
// insertion order within a filter. Only filters that match one topic are compared, so two exact
// names at one level are equal.
std::vector<int> kinds(std::string_view filter) {
    std::vector<int> out;
    for (const std::string& level : split(filter)) {
        out.push_back(level == "#" ? 0 : level == "+" ? 2 : 3);
    }
    out.push_back(1);  // The end of a filter stands between "a/#" and "a/+".
    return out;
}

struct Entry {
    std::string filter;
    int value;
};

std::vector<int> naive(const std::vector<Entry>& entries, std::string_view topic) {
    std::vector<Entry> found;
    for (const Entry& entry : entries) {
        if (topic_matches(entry.filter, topic)) {
            found.push_back(entry);
        }
    }
    std::stable_sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) {
        return kinds(a.filter) < kinds(b.filter);
    });
    std::vector<int> values;
    for (const Entry& entry : found) {
        values.push_back(entry.value);
    }
    return values;
}

TEST(TopicTrie, EmptyMatchesNothing) {
    const TopicTrie<int> trie;
    EXPECT_THAT(matches(trie, "a/b"), IsEmpty());
    EXPECT_TRUE(trie.empty());
}

TEST(TopicTrie, VisitsHashThenPlusThenExactThenInsertionOrder) {
    TopicTrie<int> trie;
    trie.insert("a/b", 1);
    trie.insert("a/+", 2);
    trie.insert("+/b", 3);
    trie.insert("a/b", 4);
    trie.insert("#", 5);
    trie.insert("a/b/#", 6);
    trie.insert("+/+", 7);
    trie.insert("a/#", 8);
    trie.insert("a", 9);
    trie.insert("b/b", 10);
    EXPECT_THAT(matches(trie, "a/b"), ElementsAre(5, 7, 3, 8, 2, 6, 1, 4));
    EXPECT_EQ(trie.size(), 10U);
}

TEST(TopicTrie, DollarTopicsMeetNoFirstLevelWildcard) {  // [MQTT-4.7.2-1]
    TopicTrie<int> trie;
    trie.insert("#", 1);
    trie.insert("+/x", 2);
    trie.insert("$SYS/#", 3);
    trie.insert("$SYS/+", 4);
    EXPECT_THAT(matches(trie, "$SYS/x"), ElementsAre(3, 4));
    EXPECT_THAT(matches(trie, "$SYS"), ElementsAre(3));
}

TEST(TopicTrie, EraseKeepsOrderAndGivesNodesBack) {
    TopicTrie<int> trie;
    for (int value = 0; value < 6; ++value) {
        trie.insert("a/b", value);
    }
    EXPECT_EQ(trie.erase("a/b", [](int value) { return value % 2 == 1; }), 3U);
    EXPECT_THAT(matches(trie, "a/b"), ElementsAre(0, 2, 4));
    trie.insert("a/b", 9);
    EXPECT_THAT(matches(trie, "a/b"), ElementsAre(0, 2, 4, 9));
    EXPECT_EQ(trie.erase("a/c", [](int) { return true; }), 0U);
    EXPECT_EQ(trie.erase("a", [](int) { return true; }), 0U);
    EXPECT_EQ(trie.erase("a/b", [](int) { return true; }), 4U);
    EXPECT_TRUE(trie.empty());
    EXPECT_THAT(matches(trie, "a/b"), IsEmpty());

    const std::size_t before = trie.memory_bytes();
    for (int round = 0; round < 1000; ++round) {
        const std::string filter = "x" + std::to_string(round) + "/+";
        trie.insert(filter, round);
        EXPECT_EQ(trie.erase(filter, [](int) { return true; }), 1U);
    }
    EXPECT_LT(trie.memory_bytes(), before + 1000);
}

TEST(TopicTrie, FindGivesTheFirstThatSatisfies) {
    TopicTrie<int> trie;
    trie.insert("a/+", 1);
    trie.insert("a/+", 2);
    int* found = trie.find("a/+", [](int value) { return value > 1; });
    ASSERT_NE(found, nullptr);
    *found = 5;
    EXPECT_THAT(matches(trie, "a/x"), ElementsAre(1, 5));
    EXPECT_EQ(trie.find("a/+", [](int value) { return value == 2; }), nullptr);
    EXPECT_EQ(trie.find("a/x", [](int) { return true; }), nullptr);
}

TEST(TopicTrie, LongLevelsAndTheirMemory) {
    TopicTrie<int> trie;
    const std::string name14(14, 'n');
    const std::string name15(15, 'n');
    const std::string name_max(65'000, 'm');
    trie.insert(name14 + "/" + name15, 1);
    const std::size_t small = trie.memory_bytes();
    trie.insert(name_max, 2);
    EXPECT_GE(trie.memory_bytes(), small + name_max.size());
    EXPECT_THAT(matches(trie, name14 + "/" + name15), ElementsAre(1));
    EXPECT_THAT(matches(trie, name14 + "/" + name14), IsEmpty());
    EXPECT_THAT(matches(trie, name_max), ElementsAre(2));
    EXPECT_EQ(trie.erase(name_max, [](int) { return true; }), 1U);
    EXPECT_LT(trie.memory_bytes(), small + 1000);
}

TEST(TopicTrie, DeepestFilterNeedsNoStack) {
    std::string filter = "+";
    std::string topic;
    while (filter.size() + 2 <= kTopicBytesMax) {
        filter += "/+";
        topic += "/";
    }
    TopicTrie<int> trie;
    trie.insert(filter, 1);
    trie.insert(filter.substr(0, filter.size() - 1) + "#", 2);
    EXPECT_THAT(matches(trie, topic), ElementsAre(2, 1));
    EXPECT_THAT(matches(trie, topic + "/"), ElementsAre(2));
    EXPECT_EQ(trie.erase(filter, [](int) { return true; }), 1U);
}

TEST(TopicTrie, ValuesThatOwnMemory) {
    TopicTrie<std::string> trie;
    trie.insert("a", std::string(100, 'x'));
    trie.insert("a", std::string(100, 'y'));
    EXPECT_EQ(trie.erase("a", [](const std::string& value) { return value[0] == 'x'; }), 1U);
    std::string seen;
    trie.match("a", [&](const std::string& value) { seen += value; });
    EXPECT_EQ(seen, std::string(100, 'y'));
}

std::string random_path(Random& random, std::string_view alphabet) {
    std::string path;
    for (std::uint64_t levels = random.below(5) + 1; levels > 0; --levels) {
        const char c = alphabet[random.below(alphabet.size())];
        if (c != '_') {
            path.push_back(c);  // "_" stands for the empty level.
        }
        if (c == '#') {
            return path;
        }
        if (levels > 1) {
            path.push_back('/');
        }
    }
    return path.empty() ? "/" : path;
}

class TrieProperty : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TrieProperty, AgreesWithTheNaiveMatcher) {  // [MQTT-4.7.3-4]
    Random random(GetParam());
    TopicTrie<int> trie;
    std::vector<Entry> entries;
    std::size_t found = 0;
    for (int step = 0; step < 1500; ++step) {
        if (random.chance(3, 5)) {
            std::string filter = random_path(random, "aab$_++#");
            ASSERT_TRUE(valid_topic_filter(filter)) << filter;
            trie.insert(filter, step);
            entries.push_back({std::move(filter), step});
        } else if (!entries.empty()) {
            const std::string filter = entries[random.below(entries.size())].filter;
            const auto modulus = static_cast<int>(random.below(3) + 1);
            const auto gone = [&](int value) { return value % modulus == 0; };
            const std::size_t erased = std::erase_if(
                entries, [&](const Entry& e) { return e.filter == filter && gone(e.value); });
            ASSERT_EQ(trie.erase(filter, gone), erased);
        }
        const std::string topic = random_path(random, "aab$_c");
        const std::vector<int> expected = naive(entries, topic);
        ASSERT_EQ(matches(trie, topic), expected) << topic << " at step " << step;
        ASSERT_EQ(trie.size(), entries.size());
        found += expected.size();
    }
    EXPECT_GT(found, 1000U);
}

// Two histories with the same order within each filter visit in the same order.
TEST_P(TrieProperty, OrderDependsOnEachFiltersOwnHistoryOnly) {
    Random random(GetParam());
    std::vector<Entry> entries;
    for (int i = 0; i < 300; ++i) {
        entries.push_back({random_path(random, "ab_+#"), i});
    }
    std::vector<Entry> by_filter = entries;
    std::stable_sort(by_filter.begin(), by_filter.end(),
                     [](const Entry& a, const Entry& b) { return a.filter > b.filter; });
    TopicTrie<int> one;
    TopicTrie<int> two;
    two.insert("only/here", -1);
    for (std::size_t i = 0; i < entries.size(); ++i) {
        one.insert(entries[i].filter, entries[i].value);
        two.insert(by_filter[i].filter, by_filter[i].value);
    }
    EXPECT_EQ(two.erase("only/here", [](int) { return true; }), 1U);
    for (int i = 0; i < 200; ++i) {
        const std::string topic = random_path(random, "ab_");
        EXPECT_EQ(matches(one, topic), matches(two, topic)) << topic;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TrieProperty, testing::Values(1, 2, 3, 4));

TEST(TopicTrie, ManyDevicesStayCompact) {
    TopicTrie<std::uint64_t> trie;
    constexpr int kDevices = 100'000;
    for (int i = 0; i < kDevices; ++i) {
        trie.insert("plant/dev" + std::to_string(i) + "/down", static_cast<std::uint64_t>(i));
    }
    // Vectors may be half empty: 2 nodes of 48 bytes and one value of 16, twice.
    EXPECT_LT(trie.memory_bytes() / kDevices, 2U * (2 * 48 + 16));
    std::uint64_t found = 0;
    trie.match("plant/dev4711/down", [&](const std::uint64_t& value) { found += value; });
    EXPECT_EQ(found, 4711U);
}

}  // namespace
}  // namespace causeway
