// JSON lines become events and operations; what is wrong is an error that names the line.
#include "test/sim/history/json_lines.h"

#include <gtest/gtest.h>

#include <chrono>

#include "test/sim/history/delivery_check.h"

namespace causeway::sim {
namespace {

TEST(JsonLines, ReadsEveryField) {
    const auto history = read_json_lines(
        R"({"e":"delivered","t":12,"who":"app","topic":"a/b","qos":2,"id":7,"dup":true,"retain":true,"connection":3,"extra":[1]})"
        "\n\n"
        R"({"e":"subscribed","t":5,"who":"app","filter":"a/#","qos":1,"persistent":true})"
        "\r\n"
        R"({"e":"operation","key":"owner/app","who":"app","write":true,"value":9,"call":3,"return":4})");
    ASSERT_TRUE(history.has_value()) << history.error().message;
    ASSERT_EQ(history->events.size(), 2U);
    const Event& subscribed = history->events[0];
    EXPECT_EQ(subscribed.kind, EventKind::kSubscribed);
    EXPECT_EQ(history->names.text(subscribed.topic), "a/#");
    EXPECT_TRUE(subscribed.persistent);
    const Event& delivered = history->events[1];
    EXPECT_EQ(delivered.kind, EventKind::kDelivered);
    EXPECT_EQ(history->names.text(delivered.who), "app");
    EXPECT_EQ(history->names.text(delivered.topic), "a/b");
    EXPECT_EQ(delivered.qos, 2);
    EXPECT_EQ(delivered.id, 7U);
    EXPECT_EQ(delivered.connection, 3U);
    EXPECT_EQ(delivered.at_us, 12U);
    EXPECT_TRUE(delivered.dup && delivered.retain);
    ASSERT_EQ(history->operations.size(), 1U);
    EXPECT_EQ(history->operations[0].value, 9U);
    EXPECT_EQ(history->operations[0].return_us, 4U);
    EXPECT_TRUE(history->operations[0].write);
}

TEST(JsonLines, AnOperationWithoutReturnIsUnknown) {
    const auto history = read_json_lines(R"({"e":"operation","key":"k","write":true,"call":3})");
    ASSERT_TRUE(history.has_value());
    EXPECT_EQ(history->operations[0].return_us, Operation::kNever);
}

TEST(JsonLines, EqualTimesKeepTheirOrder) {
    const auto history = read_json_lines(
        "{\"e\":\"sent\",\"t\":1,\"id\":1}\n"
        "{\"e\":\"sent\",\"t\":1,\"id\":2}\n"
        "{\"e\":\"sent\",\"t\":0,\"id\":3}\n");
    ASSERT_TRUE(history.has_value());
    EXPECT_EQ(history->events[0].id, 3U);
    EXPECT_EQ(history->events[1].id, 1U);
    EXPECT_EQ(history->events[2].id, 2U);
}

TEST(JsonLines, ErrorsNameTheLine) {
    const auto error_of = [](std::string_view text) {
        const auto history = read_json_lines(text);
        return history ? std::string("none") : history.error().message;
    };
    EXPECT_EQ(error_of("{\"e\":\"sent\"}\nnonsense"), "line 2 is not a JSON object");
    EXPECT_EQ(error_of("[1]"), "line 1 is not a JSON object");
    EXPECT_EQ(error_of("{\"e\":\"sends\"}"), "line 1 has no known \"e\"");
    EXPECT_EQ(error_of("{}"), "line 1 has no known \"e\"");
    EXPECT_EQ(error_of("{\"e\":\"sent\",\"id\":\"7\"}"), "line 1 has a field of the wrong type");
    EXPECT_EQ(error_of("{\"e\":\"sent\",\"who\":7}"), "line 1 has a field of the wrong type");
    EXPECT_EQ(error_of("{\"e\":\"sent\",\"id\":-7}"), "line 1 has a field of the wrong type");
    EXPECT_EQ(error_of("{\"e\":\"sent\",\"qos\":3}"), "line 1 has a QoS above 2");
    EXPECT_EQ(error_of(R"({"e":"operation","key":"k","call":3,"return":2})"),
              "line 1 has a return before its call");
}

TEST(JsonLines, ThreeHundredThousandLinesTakeSeconds) {
    std::string text;
    for (int id = 1; id <= 100'000; ++id) {
        const std::string number = std::to_string(id);
        const std::string tail = R"(,"who":"dev1","topic":"plant/dev1/up","qos":1,"id":)" + number;
        text += R"({"e":"sent","t":)" + number + tail + "}\n";
        text += R"({"e":"acknowledged","t":)" + number + tail + "}\n";
        text += R"({"e":"delivered","t":)" + number + tail + "}\n";
    }
    const auto start = std::chrono::steady_clock::now();
    const auto history = read_json_lines(text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
    ASSERT_TRUE(history.has_value());
    EXPECT_TRUE(check_deliveries(*history).ok());
    EXPECT_EQ(check_deliveries(*history).totals.delivered, 100'000U);
}

}  // namespace
}  // namespace causeway::sim
