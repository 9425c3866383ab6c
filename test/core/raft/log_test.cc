#include "core/raft/log.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/random.h"
#include "test/core/raft/network.h"

namespace causeway::raft::test {
namespace {

Entry entry(std::uint64_t index, std::uint64_t term, std::string text = "0123456789") {
    return {.term = Term(term),
            .index = Index(index),
            .kind = EntryKind::kCommand,
            .payload = SharedBytes::take(std::move(text))};
}

std::vector<std::uint64_t> indexes(const std::vector<Entry>& entries) {
    std::vector<std::uint64_t> out;
    for (const Entry& e : entries) {
        out.push_back(e.index.value());
    }
    return out;
}

using Numbers = std::vector<std::uint64_t>;
constexpr std::size_t kEach = 10 + kEntryOverhead;

TEST(Ring, QueuesAcrossItsEndAndGrows) {
    Ring<int> ring;
    Random random(5);
    std::deque<int> model;
    for (int i = 0; i < 20'000; ++i) {
        const auto dice = random.below(10);
        if (dice < 5) {
            ring.push_back(i);
            model.push_back(i);
        } else if (!model.empty() && dice < 8) {
            ring.pop_front();
            model.pop_front();
        } else if (!model.empty()) {
            ring.pop_back();
            model.pop_back();
        }
        ASSERT_EQ(ring.size(), model.size());
        if (!model.empty()) {
            const std::size_t at = random.below(model.size());
            ASSERT_EQ(ring[at], model[at]);
            ASSERT_EQ(ring.front(), model.front());
            ASSERT_EQ(ring.back(), model.back());
        }
    }
}

TEST(TermRuns, AgreeWithAPlainList) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        TermRuns runs(Index(0), Term(0));
        std::vector<std::uint64_t> terms{0};
        std::size_t first = 0;
        for (int i = 0; i < 300; ++i) {
            const auto dice = random.below(12);
            if (dice < 9) {
                terms.push_back(terms.back() + (random.chance(1, 4) ? random.below(3) : 0));
                runs.extend(Index(terms.size() - 1), Term(terms.back()));
            } else if (dice == 9 && terms.size() - 1 > first) {
                const std::size_t at = random.between(first + 1, terms.size());
                terms.resize(at);
                runs.truncate_from(Index(at));
            } else if (dice == 10) {
                first = random.between(first, terms.size());
                runs.compact(Index(first));
            }
            ASSERT_EQ(runs.first(), Index(first));
            ASSERT_EQ(runs.last(), Index(terms.size() - 1));
            const std::size_t at = random.between(first, terms.size());
            ASSERT_EQ(runs.at(Index(at)), Term(terms[at]));
            const std::uint64_t wanted = random.below(terms.back() + 2);
            std::size_t best = at;
            while (best > first && terms[best] > wanted) {
                --best;
            }
            ASSERT_EQ(runs.last_at_or_below(Index(at), Term(wanted)), Index(best));
        }
    }
}

class LogTest : public testing::Test {
protected:
    // A log of `count` entries, some on the disk before the start.
    Log load(std::uint64_t on_disk, std::size_t cache = 1U << 20) {
        for (std::uint64_t i = 1; i <= on_disk; ++i) {
            disk_.append({entry(i, 1 + i / 4)});
        }
        return Log(disk_, Index(0), Index(0), cache);
    }
    // Hands everything to the disk and returns the sequence number.
    std::uint64_t hand(Log& log) {
        std::vector<Entry> out;
        const auto cut = log.take_unhanded(out);
        if (cut) {
            disk_.truncate_from(*cut);
        }
        disk_.append(out);
        return log.fence();
    }
    std::vector<Entry> take(Log& log, std::size_t bytes = 1U << 20) {
        std::vector<Entry> out;
        log.take_committed(bytes, out);
        return out;
    }
    MemoryLog disk_;
};

TEST_F(LogTest, LoadsTheTermsOfTheDisk) {
    const Log log = load(20);
    EXPECT_EQ(log.last(), Index(20));
    EXPECT_EQ(log.durable(), Index(20));
    for (std::uint64_t i = 1; i <= 20; ++i) {
        EXPECT_EQ(log.term_at(Index(i)), Term(1 + i / 4));
    }
    EXPECT_EQ(log.term_at(Index(0)), Term(0));
    EXPECT_EQ(log.term_at(Index(21)), std::nullopt);
    EXPECT_TRUE(log.is_covered_by(Index(1), Term(7)));
    EXPECT_TRUE(log.is_covered_by(Index(20), Term(6)));
    EXPECT_FALSE(log.is_covered_by(Index(19), Term(6)));
    EXPECT_FALSE(log.is_covered_by(Index(99), Term(5)));
}

TEST_F(LogTest, NothingIsAppliedThatIsNotDurable) {
    Log log = load(0);
    log.append(entry(1, 1));
    log.append(entry(2, 1));
    log.commit_to(Index(2));
    EXPECT_FALSE(log.has_committed());
    const auto seq = hand(log);
    EXPECT_TRUE(take(log).empty());
    log.on_append_done(seq);
    EXPECT_EQ(indexes(take(log)), (Numbers{1, 2}));
    EXPECT_FALSE(log.has_committed());
}

TEST_F(LogTest, NothingIsAppliedThatIsNotCommitted) {
    Log log = load(0);
    log.append(entry(1, 1));
    log.on_append_done(hand(log));
    EXPECT_TRUE(take(log).empty());
}

TEST_F(LogTest, ALateAcknowledgementDoesNotSpeakForRewrittenEntries) {
    Log log = load(0);
    for (std::uint64_t i = 1; i <= 5; ++i) {
        log.append(entry(i, 1));
    }
    const auto old_append = hand(log);
    log.truncate_from(Index(3));
    log.append(entry(3, 2));
    log.append(entry(4, 2));
    const auto new_append = hand(log);
    log.on_append_done(old_append);
    EXPECT_EQ(log.durable(), Index(2)) << "3 and 4 are other entries now";
    log.on_append_done(new_append);
    EXPECT_EQ(log.durable(), Index(4));
    EXPECT_EQ(disk_.term_at(Index(3)), Term(2));
}

TEST_F(LogTest, ACutBeforeTheHandOverNeedsNoTruncation) {
    Log log = load(2);
    log.append(entry(3, 2));
    log.append(entry(4, 2));
    log.truncate_from(Index(3));
    log.append(entry(3, 3));
    std::vector<Entry> out;
    EXPECT_EQ(log.take_unhanded(out), std::nullopt);
    EXPECT_EQ(indexes(out), (Numbers{3}));
    EXPECT_FALSE(log.has_unhanded());
}

TEST_F(LogTest, ACutIntoTheDiskIsNamedOnce) {
    Log log = load(6);
    log.truncate_from(Index(5));
    log.truncate_from(Index(3));
    EXPECT_TRUE(log.has_unhanded());
    std::vector<Entry> out;
    EXPECT_EQ(log.take_unhanded(out), Index(3));
    EXPECT_EQ(log.take_unhanded(out), std::nullopt);
    EXPECT_EQ(log.last(), Index(2));
    EXPECT_EQ(log.durable(), Index(2));
}

TEST_F(LogTest, CommittedEntriesAreBoundedByBytes) {
    Log log = load(0);
    for (std::uint64_t i = 1; i <= 5; ++i) {
        log.append(entry(i, 1));
    }
    log.on_append_done(hand(log));
    log.commit_to(Index(5));
    EXPECT_EQ(indexes(take(log, 2 * kEach)), (Numbers{1, 2}));
    EXPECT_EQ(indexes(take(log, 1)), (Numbers{3})) << "at least one";
    EXPECT_EQ(indexes(take(log)), (Numbers{4, 5}));
}

TEST_F(LogTest, ReadsTheDiskBelowTheCacheAndNeverWhatWasCut) {
    Log log = load(6);
    log.truncate_from(Index(5));  // The disk does not know yet.
    log.append(entry(5, 9));
    std::vector<Entry> out;
    log.read(Index(3), 1U << 20, true, out);
    EXPECT_EQ(indexes(out), (Numbers{3, 4}));
    out.clear();
    log.read(Index(5), 1U << 20, true, out);
    ASSERT_EQ(indexes(out), (Numbers{5}));
    EXPECT_EQ(out[0].term, Term(9));
    out.clear();
    log.read(Index(3), 1, false, out);
    EXPECT_TRUE(out.empty());
    log.read(Index(3), 1, true, out);
    EXPECT_EQ(indexes(out), (Numbers{3}));
}

TEST_F(LogTest, AReadThatIsNotNowIsAskedAgain) {
    Log log = load(3);
    log.commit_to(Index(3));
    disk_.busy = true;
    EXPECT_TRUE(take(log).empty());
    EXPECT_FALSE(log.has_committed()) << "or a driver that loops over has_ready() would spin";
    disk_.busy = false;
    log.retry_reads();
    EXPECT_EQ(indexes(take(log)), (Numbers{1, 2, 3}));
}

TEST_F(LogTest, TheCacheKeepsWhatIsNotSettledAndIsBoundedBesides) {
    Log log = load(0, 2 * kEach);
    for (std::uint64_t i = 1; i <= 6; ++i) {
        log.append(entry(i, 1));
    }
    EXPECT_EQ(log.unapplied_bytes(), 6 * kEach);
    const auto seq = hand(log);
    log.on_append_done(seq);
    EXPECT_EQ(log.cached_count(), 6U) << "not applied";
    log.commit_to(Index(6));
    take(log);
    log.on_apply_done(Index(3));
    EXPECT_EQ(log.unapplied_bytes(), 3 * kEach);
    EXPECT_EQ(log.cached_count(), 3U);
    log.on_apply_done(Index(6));
    EXPECT_EQ(log.unapplied_bytes(), 0U);
    EXPECT_EQ(log.cached_count(), 2U);
    log.compact(Index(5));
    EXPECT_EQ(log.cached_count(), 1U);
    EXPECT_EQ(log.term_at(Index(4)), std::nullopt);
    EXPECT_EQ(log.term_at(Index(5)), Term(1));
}

TEST_F(LogTest, ASnapshotReplacesTheLogWhenTheDiskHasIt) {
    Log log = load(4);
    log.commit_to(Index(2));
    EXPECT_EQ(indexes(take(log)), (Numbers{1, 2}));
    log.append(entry(5, 2));
    const auto before_it = hand(log);
    log.install({Index(10), Term(4), {}});
    EXPECT_EQ(log.last(), Index(10));
    EXPECT_EQ(log.last_term(), Term(4));
    EXPECT_TRUE(log.installing());
    const auto seq = log.fence();
    log.append(entry(11, 4));
    log.commit_to(Index(11));
    const auto later = log.fence();  // Nothing new was taken: the entry is not in it.
    log.on_append_done(before_it);
    EXPECT_TRUE(log.installing());
    log.on_apply_done(Index(2));  // Late, of the old state.
    EXPECT_EQ(log.applied(), Index(2));
    log.on_append_done(seq);
    EXPECT_FALSE(log.installing());
    EXPECT_EQ(log.applied(), Index(10));
    log.on_append_done(later);
    EXPECT_EQ(log.durable(), Index(10));
    EXPECT_TRUE(take(log).empty());
    std::vector<Entry> out;
    log.take_unhanded(out);
    log.on_append_done(log.fence());
    EXPECT_EQ(indexes(take(log)), (Numbers{11}));
}

TEST_F(LogTest, OurOwnMistakesStopTheProcess) {
    Log log = load(4);
    log.commit_to(Index(3));
    EXPECT_DEATH(log.truncate_from(Index(3)), "I12");
    EXPECT_DEATH(log.commit_to(Index(5)), "I7");
    EXPECT_DEATH(log.append(entry(6, 2)), "I2");
    EXPECT_DEATH(log.append(entry(5, 1)), "I2");
    EXPECT_DEATH(log.on_append_done(1), "never handed out");
    EXPECT_DEATH(log.on_apply_done(Index(1)), "I7");
    EXPECT_DEATH(log.compact(Index(1)), "I7");
}

}  // namespace
}  // namespace causeway::raft::test
