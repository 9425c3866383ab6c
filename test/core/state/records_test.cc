// Records: what a put and a delete do by the revision they expect, what a read sees, the limits;
// and random ones against a map.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RecordTest : public StateTest {
protected:
    CommandResult put(std::string_view key, std::string_view value,
                      std::uint64_t expected = kAnyRevision) {
        return rig.run(0, RecordPut{key, expected, value});
    }
    ResultCode erase(std::string_view key, std::uint64_t expected = kAnyRevision) {
        return rig.run(0, RecordDelete{key, expected}).code;
    }
    static std::uint64_t revision_of(const CommandResult& result) {
        EXPECT_EQ(result.code, ResultCode::kOk);
        return ByteReader(result.detail).varint();
    }
    std::optional<Record> find(const std::string& key) {
        const RecordsFound found = rig.machine().read_records({key, false, {}, 1});
        EXPECT_LE(found.records.size(), 1U);
        return found.records.empty() ? std::nullopt : std::optional(found.records.front());
    }
    std::vector<std::string> keys(const RecordQuery& query, bool* more = nullptr) {
        const RecordsFound found = rig.machine().read_records(query);
        std::vector<std::string> all;
        for (const Record& record : found.records) {
            all.push_back(record.key);
        }
        if (more != nullptr) {
            *more = found.more;
        }
        return all;
    }
};
CAUSEWAY_STATE_TESTS_OF(Records_, RecordTest);

TEST_P(Records_, AreReadAsTheyWerePut) {
    const std::uint64_t revision = revision_of(put("p/a", "one", kNoRecord));
    EXPECT_THAT(rig.out().changed_records, ElementsAre("p/a"));
    EXPECT_EQ(find("p/a"), (Record{"p/a", revision, "one"}));
    EXPECT_EQ(find("p/"), std::nullopt) << "a key is not a prefix";
    EXPECT_EQ(find("p/aa"), std::nullopt);
    EXPECT_EQ(rig.statistics().records, 1U);
}

TEST_P(Records_, APutIsDoneOnlyOnTheRevisionItExpects) {
    const std::uint64_t first = revision_of(put("p/a", "one", kNoRecord));
    EXPECT_EQ(put("p/a", "two", kNoRecord).code, ResultCode::kConflict);
    EXPECT_THAT(rig.out().changed_records, IsEmpty());
    const std::uint64_t second = revision_of(put("p/a", "two", first));
    EXPECT_GT(second, first);
    EXPECT_EQ(put("p/a", "three", first).code, ResultCode::kConflict);
    EXPECT_EQ(find("p/a")->value, "two");
    EXPECT_GT(revision_of(put("p/a", "three")), second);
    EXPECT_EQ(put("p/b", "one", second).code, ResultCode::kConflict);
}

TEST_P(Records_, APutThatIsRepeatedChangesNothing) {
    const std::uint64_t revision = revision_of(put("p/a", "one", kNoRecord));
    EXPECT_EQ(revision_of(put("p/a", "one", kNoRecord)), revision);
    EXPECT_THAT(rig.out().changed_records, IsEmpty());
}

TEST_P(Records_, ARevisionIsNeverGivenTwice) {
    const std::uint64_t first = revision_of(put("p/a", "one"));
    EXPECT_EQ(erase("p/a", first), ResultCode::kOk);
    EXPECT_THAT(rig.out().changed_records, ElementsAre("p/a"));
    EXPECT_EQ(find("p/a"), std::nullopt);
    EXPECT_GT(revision_of(put("p/a", "one")), first);
    EXPECT_EQ(erase("p/a", first), ResultCode::kConflict);
    EXPECT_EQ(erase("p/b"), ResultCode::kNotFound);
    EXPECT_EQ(erase("p/a"), ResultCode::kOk);
    EXPECT_EQ(rig.statistics().records, 0U);
    EXPECT_EQ(rig.statistics().records_bytes, 0U);
}

TEST_P(Records_, AScanGivesPagesInOrder) {
    for (const char* key : {"p/c", "p/a", "q/a", "p/b", "o/z", "p"}) {
        put(key, "v");
    }
    bool more = false;
    EXPECT_THAT(keys({"p/", true, {}, 2}, &more), ElementsAre("p/a", "p/b"));
    EXPECT_TRUE(more);
    EXPECT_THAT(keys({"p/", true, "p/b", 2}, &more), ElementsAre("p/c"));
    EXPECT_FALSE(more);
    EXPECT_THAT(keys({"", true, {}, 100}, &more),
                ElementsAre("o/z", "p", "p/a", "p/b", "p/c", "q/a"));
    EXPECT_FALSE(more);
    EXPECT_THAT(keys({"p/", true, "z", 100}), IsEmpty());
}

TEST_P(Records_, AScanEndsBehindItsBytes) {
    for (int i = 0; i < 40; ++i) {
        put("p/" + std::to_string(100 + i), std::string(kRecordValueBytesMax, 'v'));
    }
    bool more = false;
    const auto page = keys({"p/", true, {}, kRecordScanMax}, &more);
    EXPECT_TRUE(more);
    EXPECT_LE(page.size() * kRecordValueBytesMax, kRecordScanBytes + kRecordValueBytesMax);
    EXPECT_EQ(page.size() + keys({"p/", true, page.back(), kRecordScanMax}).size(), 32U)
        << "the second page is full, too";
}

TEST_P(Records_, HaveLimits) {
    EXPECT_EQ(put("", "v").code, ResultCode::kInvalid);
    EXPECT_EQ(put(std::string(kRecordKeyBytesMax + 1, 'k'), "v").code, ResultCode::kInvalid);
    EXPECT_EQ(put("k", std::string(kRecordValueBytesMax + 1, 'v')).code, ResultCode::kInvalid);
    StateLimits limits;
    limits.records_max = 2;
    limits.records_bytes_max = 100;
    rig.limits(limits);
    EXPECT_EQ(put("p/a", "v").code, ResultCode::kOk);
    EXPECT_EQ(put("p/b", std::string(90, 'v')).code, ResultCode::kQuotaExceeded);
    EXPECT_EQ(put("p/b", "v").code, ResultCode::kOk);
    EXPECT_EQ(put("p/c", "v").code, ResultCode::kQuotaExceeded);
    EXPECT_EQ(put("p/b", "w").code, ResultCode::kOk) << "one that is there may change";
    EXPECT_EQ(erase("p/a"), ResultCode::kOk);
    EXPECT_EQ(put("p/c", "v").code, ResultCode::kOk);
}

// Against a map: what a command answers, what a read finds, across restarts.
TEST_P(Records_, RandomOnesAreThoseOfAMap) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Rig fresh(GetParam());
        Random random(seed);
        std::map<std::string, std::pair<std::uint64_t, std::string>> model;
        std::uint64_t newest = 0;
        for (int i = 0; i < 300; ++i) {
            const std::string key = "p/" + std::to_string(random.below(8));
            const auto held = model.find(key);
            const std::uint64_t revision = held == model.end() ? 0 : held->second.first;
            const std::uint64_t expected = random.chance(1, 3)   ? kAnyRevision
                                           : random.chance(1, 2) ? revision
                                                                 : random.below(newest + 1);
            const bool fits = expected == kAnyRevision || expected == revision;
            if (random.chance(1, 4)) {
                const ResultCode code = fresh.run(0, RecordDelete{key, expected}).code;
                EXPECT_EQ(code, revision == 0 ? ResultCode::kNotFound
                                : fits        ? ResultCode::kOk
                                              : ResultCode::kConflict);
                if (code == ResultCode::kOk) {
                    model.erase(held);
                }
                continue;
            }
            const std::string value(random.below(3), 'v');
            const CommandResult result = fresh.run(0, RecordPut{key, expected, value});
            const bool same = revision != 0 && held->second.second == value;
            ASSERT_EQ(result.code, same || fits ? ResultCode::kOk : ResultCode::kConflict);
            if (result.code == ResultCode::kOk && !same) {
                const std::uint64_t given = ByteReader(result.detail).varint();
                EXPECT_GT(given, newest);
                newest = given;
                model[key] = {given, value};
            }
        }
        std::map<std::string, std::pair<std::uint64_t, std::string>> found;
        for (const Record& record :
             fresh.machine().read_records({"", true, {}, kRecordScanMax}).records) {
            found[record.key] = {record.revision, record.value};
        }
        EXPECT_EQ(found, model);
        EXPECT_EQ(fresh.statistics().records, model.size());
    }
}

}  // namespace
}  // namespace causeway::state
