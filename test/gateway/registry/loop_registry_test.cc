// A loop's registry over records that a test answers: what is cached and for how long, what a change
// drops, deadlines, and what the documents make of the catalogue.
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/io/loop.h"
#include "gateway/registry/ban.h"
#include "gateway/registry/directory.h"
#include "gateway/registry/loop_registry.h"

namespace causeway::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Status = auth::DeviceLookup::Status;

// Questions wait until the test answers them.
class HeldRecords final : public Records {
public:
    void find(std::string_view key, Take take) override {
        asked.emplace_back(std::string(key), std::move(take));
    }
    void read(GroupId, const RecordQuery&, Take) override {}
    void watch(Changed changed) override { changed_ = std::move(changed); }

    void answer(const std::optional<auth::Device>& device) {
        auto [key, take] = std::move(asked.front());
        asked.pop_front();
        RecordsFound found;
        if (device) {
            found.records.push_back({key, 1, auth::encode(*device)});
        }
        take(&found);
    }
    void give_up() {
        auto take = std::move(asked.front().second);
        asked.pop_front();
        take(nullptr);
    }
    void change(const std::vector<std::string>& keys) { changed_(GroupId(1), keys); }

    std::deque<std::pair<std::string, Take>> asked;

private:
    Changed changed_;
};

class Heard final : public auth::RegistryEvents {
public:
    void on_devices_changed(const std::vector<std::string>& keys) override {
        for (const std::string& key : keys) {
            log.push_back(key);
        }
    }
    void on_all_devices_changed() override { log.emplace_back("all"); }
    void on_catalogue_changed() override { log.emplace_back("catalogue"); }
    std::vector<std::string> log;
};

auth::Device device(const std::string& name) {
    auth::Device made;
    made.product = "p";
    made.name = name;
    return made;
}

class LoopRegistryTest : public ::testing::Test {
protected:
    explicit LoopRegistryTest(LoopRegistryOptions options = {})
        : registry(std::make_unique<LoopRegistry>(loop, records, options)) {
        registry->set_events(&events);
    }
    void find(const std::string& key, MonoMs in = 60'000) {
        registry->find(key, loop.now_ms() + in, [this, key](const auth::DeviceLookup& lookup) {
            answers.push_back(key + " " +
                              (lookup.status == Status::kFound  ? lookup.device->name
                               : lookup.status == Status::kNone ? "none"
                                                                : "unavailable"));
        });
    }
    void turns_until(std::size_t count) {
        while (answers.size() < count) {
            loop.turn();
        }
    }

    io::Loop loop;
    HeldRecords records;
    Heard events;
    std::unique_ptr<LoopRegistry> registry;
    std::vector<std::string> answers;
};

TEST_F(LoopRegistryTest, AsksOnceAndRemembers) {
    find("p/a");
    ASSERT_EQ(records.asked.size(), 1U);
    EXPECT_THAT(answers, IsEmpty());
    EXPECT_EQ(registry->cached("p/a"), std::nullopt);
    records.answer(device("a"));
    EXPECT_THAT(answers, ElementsAre("p/a a"));
    ASSERT_TRUE(registry->cached("p/a"));
    find("p/a");
    EXPECT_THAT(records.asked, IsEmpty());
    EXPECT_EQ(answers.size(), 1U) << "never from within";
    turns_until(2);
    EXPECT_THAT(answers, ElementsAre("p/a a", "p/a a"));
}

TEST_F(LoopRegistryTest, WhatIsNotThereIsAskedForAgain) {
    find("p/a");
    records.answer(std::nullopt);
    find("p/a");
    EXPECT_EQ(records.asked.size(), 1U);
    records.give_up();
    EXPECT_THAT(answers, ElementsAre("p/a none", "p/a unavailable"));
}

TEST_F(LoopRegistryTest, AChangeDropsWhatIsCached) {
    for (const char* name : {"a", "b"}) {
        find(std::string("p/") + name);
        records.answer(device(name));
    }
    records.change({"p/a", "p/z"});
    EXPECT_EQ(registry->cached("p/a"), std::nullopt);
    EXPECT_TRUE(registry->cached("p/b"));
    records.change({});
    EXPECT_EQ(registry->cached("p/b"), std::nullopt);
    EXPECT_THAT(events.log, ElementsAre("p/a", "p/z", "all"));
}

TEST_F(LoopRegistryTest, AChangeBeforeACachedAnswerIsToldIsNotMissed) {
    find("p/a");
    records.answer(device("a"));
    find("p/a");
    records.change({"p/a"});
    while (records.asked.empty()) {
        loop.turn();
    }
    EXPECT_EQ(answers.size(), 1U);
    records.answer(device("a"));
    EXPECT_EQ(answers.size(), 2U);
}

TEST_F(LoopRegistryTest, TheDeadlineIsKept) {
    find("p/a", 1);
    turns_until(1);
    EXPECT_THAT(answers, ElementsAre("p/a unavailable"));
    records.answer(device("a"));
    EXPECT_EQ(answers.size(), 1U) << "once";
}

TEST_F(LoopRegistryTest, ARecordItCannotReadIsNeitherFoundNorNone) {
    find("p/a");
    auto take = std::move(records.asked.front().second);
    RecordsFound found;
    found.records.push_back({"p/a", 1, "\x7f of tomorrow"});
    take(&found);
    EXPECT_THAT(answers, ElementsAre("p/a unavailable"));
}

TEST_F(LoopRegistryTest, AnswersAfterItsEndAreNobodys) {
    find("p/a");
    registry.reset();
    records.answer(device("a"));
    records.change({"p/a"});
    EXPECT_THAT(answers, IsEmpty());
}

class SmallRegistryTest : public LoopRegistryTest {
protected:
    SmallRegistryTest() : LoopRegistryTest({.cached_max = 8, .age_max_ms = 0}) {}
};

TEST_F(SmallRegistryTest, WhatIsOldIsNotSaid) {
    find("p/a");
    records.answer(device("a"));
    EXPECT_EQ(registry->cached("p/a"), std::nullopt);
}

class BoundedRegistryTest : public LoopRegistryTest {
protected:
    BoundedRegistryTest() : LoopRegistryTest({.cached_max = 8, .age_max_ms = 60'000}) {}
};

TEST_F(BoundedRegistryTest, TheCacheIsBounded) {
    for (int i = 0; i < 100; ++i) {
        find("p/" + std::to_string(i));
        records.answer(device(std::to_string(i)));
    }
    int cached = 0;
    for (int i = 0; i < 100; ++i) {
        cached += registry->cached("p/" + std::to_string(i)) ? 1 : 0;
    }
    EXPECT_LE(cached, 8);
    EXPECT_GE(cached, 4);
    EXPECT_TRUE(registry->cached("p/99"));
}

// --- documents -----------------------------------------------------------------------------------

control::Documents documents(
    const std::vector<std::tuple<std::string, std::string, std::string>>& all) {
    control::Documents made;
    std::uint64_t revision = 0;
    for (const auto& [kind, name, text] : all) {
        made[{kind, name}] = {kind, name, ++revision, text, ""};
    }
    return made;
}

TEST(DirectoryTest, TellsEveryRegistryOfTheCatalogue) {
    io::Loop loop;
    HeldRecords records;
    Heard events;
    Directory directory;
    auto registry = directory.make(loop, records);
    registry->set_events(&events);
    EXPECT_EQ(registry->catalogue(), nullptr);
    auth::Product product;
    product.name = "pump";
    product.auth.add(auth::Scheme::kHmac);
    const auto first = std::make_shared<const control::Documents>(
        documents({{"product", "pump", auth::to_json(product, auth::Secrets::kShown)},
                   {"product", "odd", "of tomorrow"},
                   {"ban", "x", R"({"kind":"address","value":"192.0.2.1"})"},
                   {"other", "x", "of tomorrow"}}));
    EXPECT_EQ(directory.update(first).size(), 1U) << "one cannot be read";
    while (events.log.empty()) {
        loop.turn();
    }
    ASSERT_NE(registry->catalogue(), nullptr);
    EXPECT_NE(registry->catalogue()->product("pump"), nullptr);
    EXPECT_EQ(registry->catalogue()->product("odd"), nullptr);
    ASSERT_EQ(registry->catalogue()->bans.size(), 1U);
    EXPECT_EQ(registry->catalogue()->bans[0].value, "192.0.2.1");
    const auto pump = registry->catalogue()->product("pump");
    directory.update(first);
    EXPECT_EQ(directory.catalogue()->product("pump"), pump) << "read once";
    registry.reset();
    directory.update(std::make_shared<const control::Documents>());
    EXPECT_TRUE(directory.catalogue()->products.empty());
}

TEST(Ban, ComesBackAndIsChecked) {
    const std::string text =
        R"({"kind":"device","reason":"stolen","until_s":7,"value":"pump/p7"})";
    const auto ban = parse_ban(text);
    ASSERT_TRUE(ban) << ban.error().message;
    EXPECT_EQ(to_json(*ban), text);
    EXPECT_EQ(name_of(ban->ban), name_of(parse_ban(to_json(*ban))->ban));
    EXPECT_LE(name_of(ban->ban).size(), control::kNameBytesMax);
    for (const char* bad :
         {"", "[]", "{}", R"({"kind":"device"})", R"({"kind":"device","value":"pump"})",
          R"({"kind":"moon","value":"x"})", R"({"kind":"address","value":""})",
          R"({"kind":"address","value":"10.0.0.0/8"})",
          R"({"kind":"address","value":7})", R"({"kind":"address","value":"x","until_s":-1})",
          R"({"kind":"product","value":"a/b"})", R"({"kind":"address","value":"x","more":1})"}) {
        EXPECT_FALSE(parse_ban(bad)) << bad;
    }
}

}  // namespace
}  // namespace causeway::registry
