// Who is asked for messages of a queue, when, and for how many: sets and clients by hand.
#include "gateway/net/queue_consumers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "core/base/check.h"

namespace causeway::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ConsumersTest : public testing::Test, public QueueConsumers::Host {
protected:
    struct Asked {
        GroupId set;
        std::uint64_t token = 0;
        std::uint32_t max = 0;
        std::string queue;
    };
    void consume(std::uint64_t nonce, std::initializer_list<std::string_view> names) {
        std::vector<session::QueueSubscription> queues;
        for (const std::string_view name : names) {
            queues.emplace_back().queue = name;
        }
        consumers.set_queues(nonce, queues, now);
    }
    // Answers the oldest question with so many messages.
    void answer(std::uint64_t messages, MonoMs due_in = 0) {
        std::string detail;
        ByteWriter(detail).varint(due_in);
        for (std::uint64_t i = 0; i < messages; ++i) {
            QueueMessage message;
            message.n = ++last_n_;
            append_queue_message(message, detail);
        }
        const Asked asked = take();
        consumers.on_result(asked.token, ResultCode::kOk, detail, now);
    }
    Asked take() {
        CW_CHECK(!asked_.empty());
        const Asked first = asked_.front();
        asked_.erase(asked_.begin());
        return first;
    }
    std::vector<std::uint64_t> asked_sets() {
        std::vector<std::uint64_t> all;
        for (const Asked& one : asked_) {
            all.push_back(one.set.value());
        }
        return all;
    }
    // All sets are empty.
    void run_dry(MonoMs due_in = 0) {
        while (!asked_.empty()) {
            answer(0, due_in);
        }
    }

    [[nodiscard]] const std::vector<GroupId>& sets() const override { return sets_; }
    [[nodiscard]] bool may_ask(GroupId set) const override { return set != unreachable_; }
    void ask(GroupId set, std::string_view command, std::uint64_t token) override {
        ByteReader in(command);
        CommandHeader header;
        CW_CHECK(decode_header(in, header));
        if (header.kind == CommandKind::kQueueAck) {
            QueueAck ack;
            CW_CHECK(decode(in, ack) && token == 0);
            removed_.push_back(std::string(ack.queue) + "@" + std::to_string(set.value()) + ":" +
                               std::to_string(ack.receipts.size()));
            return;
        }
        QueueReceive receive;
        CW_CHECK(decode(in, receive) && token != 0);
        if (waiters_when_asked_ == 0) {
            waiters_when_asked_ = waiters;  // of the first question
        }
        asked_.push_back(Asked{set, token, receive.max, std::string(receive.queue)});
    }
    [[nodiscard]] std::uint32_t room(std::uint64_t nonce) override { return rooms_[nonce]; }
    void deliver(std::uint64_t nonce, std::string_view, GroupId, const QueueMessage&) override {
        ++delivered_[nonce];
        rooms_[nonce] -= rooms_[nonce] == 0 ? 0 : 1;
        if (leaves_ == nonce) {
            consumers.set_queues(nonce, {}, now);
        }
    }

    MonoMs now = 1'000;
    std::vector<GroupId> sets_{GroupId(1), GroupId(2), GroupId(3)};
    GroupId unreachable_;
    std::vector<Asked> asked_;
    std::vector<std::string> removed_;
    std::map<std::uint64_t, std::uint32_t> rooms_{{7, 10}, {8, 10}};
    std::map<std::uint64_t, int> delivered_;
    std::uint64_t leaves_ = 0;
    std::uint64_t last_n_ = 0;
    std::size_t waiters_when_asked_ = 0;
    std::atomic<std::size_t> waiters{0};
    QueueConsumers consumers{*this, waiters};
};

TEST_F(ConsumersTest, AsksEverySetOnceAndThenWaits) {
    consume(7, {"q"});
    std::vector<std::uint64_t> seen;
    while (!asked_.empty()) {
        seen.push_back(asked_.front().set.value());
        EXPECT_EQ(asked_.size(), 1U) << "one question at a time";
        EXPECT_EQ(asked_.front().max, 10U);
        answer(0);
    }
    EXPECT_THAT(seen, testing::UnorderedElementsAre(1, 2, 3));
    EXPECT_EQ(consumers.deadline(), now + 30'000);
    consumers.wake({"other"}, now);
    EXPECT_THAT(asked_, IsEmpty());
    consumers.wake({"q"}, now);
    EXPECT_EQ(asked_.size(), 1U);
}

// With none on any loop the core tells nobody.
TEST_F(ConsumersTest, AreCountedBeforeTheyAsk) {
    consume(7, {"q", "r"});
    consume(8, {"q"});
    EXPECT_EQ(waiters, 3U);
    EXPECT_EQ(waiters_when_asked_, 1U);
    consume(7, {"r"});
    EXPECT_EQ(waiters, 2U);
    consume(7, {});
    consume(8, {});
    EXPECT_EQ(waiters, 0U);
}

TEST_F(ConsumersTest, AsksOnlyForWhatTheClientHasRoomFor) {
    rooms_[7] = 2;
    consume(7, {"q"});
    EXPECT_EQ(asked_[0].max, 2U);
    answer(2);
    EXPECT_THAT(asked_, IsEmpty());
    consumers.wake({"q"}, now);
    EXPECT_THAT(asked_, IsEmpty());
    EXPECT_EQ(consumers.deadline(), now + 1'000) << "it may not say when it has";
    rooms_[7] = 1;
    consumers.on_room(7, now);
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_EQ(asked_[0].max, 1U);
    answer(1);
    rooms_[7] = 5;
    now += 1'000;
    consumers.on_timer(now);
    EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(ConsumersTest, AQueueThatGivesIsAskedOn) {
    consume(7, {"q"});
    const GroupId first = asked_[0].set;
    answer(4);
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_NE(asked_[0].set, first) << "the others are not starved";
    EXPECT_EQ(delivered_[7], 4);
}

TEST_F(ConsumersTest, WhatCameWhileItAskedIsAskedForAgain) {
    consume(7, {"q"});
    answer(0);
    consumers.wake({"q"}, now);  // it may be in the first set
    answer(0);
    answer(0);
    EXPECT_EQ(asked_.size(), 1U);
    run_dry();
    EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(ConsumersTest, LooksAgainWhenALeasedMessageIsDue) {
    consume(7, {"q"});
    answer(0, 5'000);
    answer(0, 900);
    answer(0);
    EXPECT_EQ(consumers.deadline(), now + 900);
    now += 899;
    consumers.on_timer(now);
    EXPECT_THAT(asked_, IsEmpty());
    now += 1;
    consumers.on_timer(now);
    EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(ConsumersTest, ASetThatCannotBeAskedIsAskedLater) {
    unreachable_ = GroupId(2);
    consume(7, {"q"});
    answer(0);
    answer(0);
    EXPECT_THAT(asked_, IsEmpty());
    EXPECT_EQ(consumers.deadline(), now + 500);
    unreachable_ = {};
    consumers.on_core_room(now);
    EXPECT_EQ(asked_.size(), 1U);
    const Asked lost = take();
    consumers.on_result_lost(lost.token, now);
    now += 500;
    consumers.on_timer(now);
    EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(ConsumersTest, ConsumersOfAQueueAreWokenInTurn) {
    consume(7, {"q"});
    run_dry();
    consume(8, {"q"});
    run_dry();
    consumers.wake({"q"}, now);
    ASSERT_EQ(asked_.size(), 2U);
    const std::uint64_t first = asked_[0].token;
    run_dry();
    consumers.wake({"q"}, now);
    ASSERT_EQ(asked_.size(), 2U);
    EXPECT_NE(asked_[0].token, first);
}

TEST_F(ConsumersTest, EveryQueueIsLookedAtWhenNobodyKnowsWhich) {
    consume(7, {"a", "b"});
    run_dry();
    consumers.wake({}, now);
    std::set<std::string> looked_at;
    while (!asked_.empty()) {
        looked_at.insert(asked_.front().queue);
        answer(0);
    }
    EXPECT_THAT(looked_at, ElementsAre("a", "b"));
}

TEST_F(ConsumersTest, SeveralQueuesAreNotLeasedMoreThanTheClientHasRoomFor) {
    consume(7, {"a", "b", "c"});
    std::map<std::string, int> leased;
    for (int i = 0; i < 100; ++i) {
        std::uint32_t asked = 0;
        for (const Asked& one : asked_) {
            asked += one.max;
        }
        ASSERT_LE(asked, rooms_[7]);
        if (asked_.empty()) {
            ++rooms_[7];  // the client acknowledged one
            consumers.on_room(7, now);
            ASSERT_EQ(asked_.size(), 1U);
        }
        const Asked& next = asked_.front();
        leased[next.queue] += static_cast<int>(next.max);
        answer(next.max);
    }
    EXPECT_EQ(leased.size(), 3U);
    for (const auto& [queue, count] : leased) {
        EXPECT_GT(count, 15) << queue << " waits for the others";
    }
}

TEST_F(ConsumersTest, SomeOfManyConsumersAreWokenAndMoreWhenThereIsMore) {
    for (std::uint64_t nonce = 1; nonce <= 50; ++nonce) {
        rooms_[nonce] = 2;
        consume(nonce, {"q"});
        run_dry();
    }
    consumers.wake({"q"}, now);
    EXPECT_EQ(asked_.size(), 4U);
    const auto woken = asked_.size();
    answer(1);
    EXPECT_EQ(asked_.size(), woken) << "it had room for more than there was";
    answer(2);
    EXPECT_EQ(asked_.size(), woken) << "one is full, another was woken";
    answer(2);
    EXPECT_EQ(asked_.size(), woken);
    std::set<std::uint64_t> tokens;
    for (const Asked& one : asked_) {
        tokens.insert(one.token);
    }
    EXPECT_EQ(tokens.size(), woken);
}

TEST_F(ConsumersTest, AnotherLooksWhenTheWokenOneLeaves) {
    for (std::uint64_t nonce = 1; nonce <= 9; ++nonce) {
        rooms_[nonce] = 2;
        consume(nonce, {"q"});
        run_dry();
    }
    consumers.wake({"q"}, now);
    ASSERT_EQ(asked_.size(), 4U);
    consumers.set_queues(asked_[0].token, {}, now);  // tokens and nonces are the same here
    EXPECT_EQ(asked_.size(), 5U);
}

TEST_F(ConsumersTest, AConnectionThatEndsIsForgotten) {
    leaves_ = 7;
    consume(7, {"q"});
    consume(8, {"q"});
    consumers.acknowledge({1, GroupId(2), "q", {5, 6}});
    answer(3);  // it ends with the first of them
    EXPECT_EQ(consumers.size(), 1U);
    consumers.set_queues(8, {}, now);
    EXPECT_EQ(consumers.size(), 0U);
    answer(1);  // to nobody
    consumers.wake({}, now);
    EXPECT_THAT(asked_, IsEmpty());
    EXPECT_EQ(consumers.deadline(), 0U);
    consumers.flush();
    EXPECT_THAT(removed_, ElementsAre("q@2:1")) << "what it acknowledged is removed all the same";
}

TEST_F(ConsumersTest, AcknowledgementsGoTogether) {
    for (std::uint64_t n = 1; n <= 300; ++n) {
        consumers.acknowledge({n, GroupId(1), "a", {n, 1}});
    }
    consumers.acknowledge({1, GroupId(2), "a", {1, 1}});
    consumers.acknowledge({1, GroupId(1), "b", {1, 1}});
    consumers.flush();
    EXPECT_THAT(removed_, ElementsAre("a@1:256", "a@1:44", "b@1:1", "a@2:1"));
    removed_.clear();
    consumers.flush();
    EXPECT_THAT(removed_, IsEmpty());
}

TEST_F(ConsumersTest, UnsubscribingKeepsTheOthers) {
    consume(7, {"a", "b"});
    run_dry();
    consume(7, {"b", "c"});
    EXPECT_EQ(asked_.size(), 1U) << "only the new one";
    EXPECT_EQ(consumers.size(), 2U);
    run_dry();
    consumers.wake({"a"}, now);
    EXPECT_THAT(asked_, IsEmpty());
}

}  // namespace
}  // namespace causeway::net
