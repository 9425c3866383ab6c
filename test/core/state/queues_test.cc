// Operator queues and outboxes: leases, visibility, receipts, delay, dead letters, retention,
// quotas.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Got {
    std::uint64_t n = 0;
    std::uint64_t lease = 0;
    std::uint32_t receive_count = 0;
    std::string body;
    std::string key;
    std::string reason;
    SetMs visible_at = 0;
};

class QueueTest : public StateTest {
protected:
    std::uint64_t due_in = 0;  // ms

    void declare(QueueDeclare command = {}) {
        command.queue = "q";
        rig.run(0, command);
    }
    ResultCode send(std::string_view body, std::uint32_t delay_s = 0,
                    std::string_view queue = "q") {
        return rig.run(0, QueueSend{queue, "", body, delay_s}).code;
    }
    std::vector<Got> receive(std::uint32_t max, std::uint32_t visibility_s = 0,
                             std::string_view queue = "q") {
        const CommandResult result = rig.run(0, QueueReceive{queue, max, visibility_s});
        EXPECT_EQ(result.code, ResultCode::kOk);
        ByteReader in(result.detail);
        due_in = in.varint();
        std::vector<Got> all;
        QueueMessage message;
        while (next_queue_message(in, message)) {
            all.push_back(Got{message.n, message.lease, message.receive_count,
                              std::string(message.body), std::string(message.key),
                              std::string(message.reason), message.visible_at});
        }
        EXPECT_FALSE(in.failed());
        return all;
    }
    std::vector<std::string> bodies(const std::vector<Got>& all) {
        std::vector<std::string> texts;
        for (const Got& one : all) {
            texts.push_back(one.body);
        }
        return texts;
    }
    bool acknowledge(const Got& message) {
        const CommandResult result = rig.run(0, QueueAck{"q", {{message.n, message.lease}}});
        EXPECT_EQ(result.code, ResultCode::kOk);
        return result.detail == std::string(1, static_cast<char>(ResultCode::kOk));
    }
};

CAUSEWAY_STATE_TESTS_OF(OperatorQueue, QueueTest);
CAUSEWAY_STATE_TESTS_OF(Lease, QueueTest);
CAUSEWAY_STATE_TESTS_OF(Delay, QueueTest);
CAUSEWAY_STATE_TESTS_OF(DeadLetter, QueueTest);
CAUSEWAY_STATE_TESTS_OF(Retention, QueueTest);
CAUSEWAY_STATE_TESTS_OF(OutboxQueue, QueueTest);

TEST_P(OperatorQueue, IsFirstInFirstOut) {
    send("1");
    EXPECT_THAT(rig.out().ready_queues, ElementsAre("q"));
    send("2");
    send("3");
    EXPECT_THAT(bodies(receive(2)), ElementsAre("1", "2"));
    EXPECT_THAT(bodies(receive(9)), ElementsAre("3"));
    EXPECT_THAT(receive(9), IsEmpty());
}

TEST_P(OperatorQueue, UnknownOnesAreNotFound) {
    EXPECT_EQ(rig.run(0, QueueReceive{"nope", 1, 0}).code, ResultCode::kNotFound);
    EXPECT_EQ(rig.run(0, QueueAck{"nope", {{1, 1}}}).code, ResultCode::kNotFound);
    EXPECT_EQ(rig.run(0, OutboxDone{"nope", 1, true, "", ""}).code, ResultCode::kNotFound);
}

TEST_P(OperatorQueue, KeepsKeyAndSaysWhenItWasSent) {
    rig.run(0, QueueSend{"q", "key", "x", 0});
    const SetMs sent = rig.now();
    rig.pass_ms(500);
    const CommandResult result = rig.run(0, QueueReceive{"q", 1, 7});
    ByteReader in(result.detail);
    in.varint();
    QueueMessage message;
    ASSERT_TRUE(next_queue_message(in, message));
    EXPECT_EQ(message.key, "key");
    EXPECT_EQ(message.sent_at, sent);
    EXPECT_EQ(message.first_received_at, rig.now());
    EXPECT_EQ(message.visible_at, rig.now() + 7000);
    EXPECT_EQ(message.receive_count, 1U);
}

TEST_P(OperatorQueue, QuotasRefuseAndDoNothing) {
    QueueDeclare declared;
    declared.messages_max = 2;
    declared.bytes_max = 200;
    declare(declared);
    EXPECT_EQ(send(std::string(300, 'x')), ResultCode::kQuotaExceeded);
    EXPECT_EQ(send("1"), ResultCode::kOk);
    EXPECT_EQ(send("2"), ResultCode::kOk);
    EXPECT_EQ(send("3"), ResultCode::kQuotaExceeded);
    const auto got = receive(1);
    EXPECT_EQ(send("3"), ResultCode::kQuotaExceeded) << "leased messages count";
    acknowledge(got.at(0));
    EXPECT_EQ(send("3"), ResultCode::kOk);
    EXPECT_EQ(rig.counters().queue_made, 3U);
}

TEST_P(OperatorQueue, AnUndeclaredOneHasTheDefaultLimits) {
    StateLimits limits;
    limits.queue_messages_max = 1;
    rig.limits(limits);
    EXPECT_EQ(send("1"), ResultCode::kOk);
    EXPECT_EQ(send("2"), ResultCode::kQuotaExceeded);
}

TEST_P(OperatorQueue, AnAnswerIsBoundedInBytesAndCount) {
    std::vector<std::string> commands;
    const std::string large(300'000, 'x');
    for (int i = 0; i < 8; ++i) {
        commands.push_back(rig.numbered(0, QueueSend{"q", "", large, 0}));
    }
    rig.entry(commands);
    const auto got = receive(256);
    EXPECT_LT(got.size(), 8U);
    EXPECT_EQ(due_in, 1U) << "there is more, now";
    EXPECT_EQ(got.size() + receive(256).size(), 8U);
}

TEST_P(Lease, HidesUntilTheVisibilityTimeoutAndComesBackFirst) {
    QueueDeclare declared;
    declared.visibility_timeout_s = 10;
    declare(declared);
    send("1");
    send("2");
    EXPECT_THAT(bodies(receive(1)), ElementsAre("1"));
    EXPECT_EQ(due_in, 10'000U);
    rig.pass_ms(9'999);
    send("3");
    EXPECT_THAT(bodies(receive(1, 60)), ElementsAre("2"));
    rig.pass_ms(1);
    const auto again = receive(9, 60);
    EXPECT_THAT(bodies(again), ElementsAre("1", "3"));
    EXPECT_EQ(again[0].receive_count, 2U);
}

TEST_P(Lease, RedeliveriesComeInTheOrderTheyBecameVisible) {
    for (const char* body : {"1", "2", "3", "4"}) {
        send(body);
    }
    receive(1, 30);
    receive(1, 10);
    receive(2, 20);
    rig.pass_ms(30'000);
    EXPECT_THAT(bodies(receive(9)), ElementsAre("2", "3", "4", "1"));
}

TEST_P(Lease, OnlyTheReceiptOfTheLatestLeaseAcknowledges) {
    send("1");
    const Got first = receive(1, 5).at(0);
    rig.pass_ms(5000);
    EXPECT_FALSE(acknowledge(first)) << "run out";
    const Got second = receive(1, 5).at(0);
    EXPECT_EQ(second.n, first.n);
    EXPECT_NE(second.lease, first.lease);
    EXPECT_FALSE(acknowledge(first)) << "of an old lease";
    EXPECT_TRUE(acknowledge(second));
    EXPECT_FALSE(acknowledge(second)) << "gone";
    EXPECT_EQ(rig.counters().queue_acknowledged, 1U);
    EXPECT_EQ(rig.statistics().queues.at(0).messages, 0U);
}

TEST_P(Lease, ReceiptsAreAnsweredOneByOne) {
    send("1");
    send("2");
    const auto got = receive(2);
    const CommandResult result =
        rig.run(0, QueueAck{"q", {{got[1].n, got[1].lease}, {9, 9}, {got[0].n, got[0].lease}}});
    EXPECT_EQ(result.detail, std::string({static_cast<char>(ResultCode::kOk),
                                          static_cast<char>(ResultCode::kNotFound),
                                          static_cast<char>(ResultCode::kOk)}));
}

TEST_P(Delay, HidesAMessageUntilItIsOver) {
    send("late", 10);
    send("now");
    EXPECT_THAT(bodies(receive(9, 60)), ElementsAre("now"));
    EXPECT_EQ(due_in, 10'000U);
    rig.pass_ms(10'000);
    const auto got = receive(9, 60);
    EXPECT_THAT(bodies(got), ElementsAre("late"));
    EXPECT_EQ(got[0].receive_count, 1U);
}

TEST_P(Delay, ALeasedMessageThatWasDelayedIsNotHandedOutTwice) {
    send("late", 1);
    send("other");
    rig.pass_ms(1000);
    const auto got = receive(9, 60);
    EXPECT_THAT(bodies(got), ElementsAre("late", "other"));
    send("third");
    EXPECT_THAT(bodies(receive(9, 60)), ElementsAre("third"));
    EXPECT_TRUE(acknowledge(got[0])) << "its lease is the latest";
}

TEST_P(Delay, AMessageNeverReceivedHasNoReceipt) {
    send("late", 10);
    EXPECT_FALSE(acknowledge(Got{1, 0, 0, "", "", "", 0}));
    EXPECT_EQ(rig.counters().queue_acknowledged, 0U);
}

TEST_P(DeadLetter, AMessageReceivedTooOftenMovesAway) {
    QueueDeclare declared;
    declared.receive_count_max = 2;
    declared.dead_letter = "dead";
    declared.visibility_timeout_s = 1;
    declare(declared);
    rig.run(0, QueueSend{"q", "key", "poison", 0});
    for (int i = 0; i < 2; ++i) {
        EXPECT_THAT(receive(1), SizeIs(1));
        rig.pass_ms(1000);
    }
    EXPECT_THAT(receive(1), IsEmpty());
    EXPECT_THAT(rig.out().ready_queues, ElementsAre("dead"));
    EXPECT_EQ(rig.counters().queue_dead_lettered, 1U);
    const auto dead = receive(9, 0, "dead");
    ASSERT_THAT(bodies(dead), ElementsAre("poison"));
    EXPECT_EQ(dead[0].key, "key");
    EXPECT_FALSE(dead[0].reason.empty());
    EXPECT_EQ(dead[0].receive_count, 1U);
}

TEST_P(DeadLetter, WithoutOrWithAFullOneTheMessageIsCounted) {
    QueueDeclare declared;
    declared.receive_count_max = 1;
    declared.visibility_timeout_s = 1;
    declare(declared);
    send("1");
    receive(1);
    rig.pass_ms(1000);
    EXPECT_THAT(receive(1), IsEmpty());
    EXPECT_EQ(rig.counters().queue_dead_lettered, 1U);
    QueueDeclare full;
    full.queue = "full";
    full.messages_max = 1;
    rig.run(0, full);
    send("there", 0, "full");
    declared.dead_letter = "full";
    declare(declared);
    send("2");
    receive(1);
    rig.pass_ms(1000);
    EXPECT_THAT(receive(1), IsEmpty());
    EXPECT_EQ(rig.counters().queue_dead_lettered, 2U);
    EXPECT_EQ(rig.counters().queue_evicted, 1U);
}

TEST_P(Retention, EndsAMessageAfterItsTime) {
    QueueDeclare declared;
    declared.retention_s = 10;
    declare(declared);
    send("1");
    rig.pass_s(4);
    send("2");
    receive(1, 1000);
    rig.pass_s(6);
    EXPECT_EQ(rig.counters().queue_expired, 1U) << "leased or not";
    EXPECT_EQ(rig.machine().next_timer(), rig.now() + 4000);
    rig.pass_s(4);
    EXPECT_EQ(rig.counters().queue_expired, 2U);
    EXPECT_EQ(rig.machine().next_timer(), 0U);
}

TEST_P(Retention, DeclaredLaterHoldsForWhatIsThere) {
    send("1");
    rig.pass_ms(8000);
    QueueDeclare declared;
    declared.retention_s = 10;
    declare(declared);
    rig.step();
    EXPECT_EQ(rig.machine().next_timer(), rig.now() + 2000);
    declared.retention_s = 3;
    declare(declared);
    rig.step();
    EXPECT_EQ(rig.counters().queue_expired, 1U) << "shortened";
    send("2");
    declared.retention_s = 0;
    declare(declared);
    rig.pass_s(100);
    EXPECT_EQ(rig.counters().queue_expired, 1U) << "kept for good";
}

TEST_P(Retention, ManyEndInSlices) {
    QueueDeclare declared;
    declared.retention_s = 1;
    declare(declared);
    std::vector<std::string> commands;
    for (int i = 0; i < 600; ++i) {
        commands.push_back(rig.numbered(0, QueueSend{"q", "", "x", i % 2 == 0 ? 0U : 50U}));
    }
    rig.entry(commands);
    rig.pass_s(1);
    EXPECT_GT(rig.counters().queue_expired, 0U);
    EXPECT_LE(rig.counters().queue_expired, 256U);
    for (int i = 0; i < 5; ++i) {
        rig.step();
    }
    EXPECT_EQ(rig.counters().queue_expired, 600U);
}

TEST_P(OutboxQueue, IsReadInOrderAndEmptiedByTheRunner) {
    std::string outputs;
    for (const char* request : {"1", "2", "3"}) {
        RouteOutput output;
        output.kind = RouteKind::kSink;
        output.target = "http";
        output.key = "k";
        output.body = request;
        append_route_output(output, outputs);
    }
    Publish command;
    command.topic = "t";
    command.outputs = outputs;
    EXPECT_EQ(rig.publish(0, command, "x"), ResultCode::kOk);
    EXPECT_THAT(rig.out().ready_sinks, ::testing::Each("http"));
    EXPECT_FALSE(rig.out().ready_sinks.empty());
    const auto all = rig.machine().read_outbox("http", 0, 1 << 20);
    ASSERT_THAT(all, SizeIs(3));
    EXPECT_EQ(all[0].request, "1");
    EXPECT_EQ(all[0].key, "k");
    EXPECT_EQ(all[0].sent_at, rig.now());
    EXPECT_THAT(rig.machine().read_outbox("http", 0, 1), SizeIs(1)) << "one at least";
    EXPECT_THAT(rig.machine().read_outbox("http", all[1].n, 1 << 20), SizeIs(1));
    EXPECT_THAT(rig.machine().read_outbox("other", 0, 1 << 20), IsEmpty());
    EXPECT_EQ(rig.run(0, OutboxDone{"http", all[1].n, true, "", ""}).code, ResultCode::kOk);
    EXPECT_EQ(rig.run(0, OutboxDone{"http", all[1].n, true, "", ""}).code, ResultCode::kNotFound);
    rig.run(0, OutboxDone{"http", all[0].n, false, "HTTP 400", "dead"});
    rig.run(0, OutboxDone{"http", all[2].n, false, "HTTP 400", ""});
    EXPECT_EQ(rig.counters().sink_delivered, 1U);
    EXPECT_EQ(rig.counters().sink_dead_lettered, 2U);
    const auto dead = receive(9, 0, "dead");
    ASSERT_THAT(bodies(dead), ElementsAre("1"));
    EXPECT_EQ(dead[0].reason, "HTTP 400");
    EXPECT_THAT(rig.machine().read_outbox("http", 0, 1 << 20), IsEmpty());
}

}  // namespace
}  // namespace causeway::state
