// Runner on a loop: with an outbox in memory, sinks of the test, and HTTP end to end.
#include "rules/runner/runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "rules/sink/http_request.h"
#include "test/core/io/support.h"
#include "test/rules/sink/http_server.h"

namespace causeway::rules {
namespace {

class MemoryOutbox final : public Outbox {
public:
    explicit MemoryOutbox(io::Loop& loop) : loop_(loop) {}

    void add(const std::string& sink, std::uint64_t n, std::string key = {},
             std::string request = "r") {
        owed[sink][n] = {n, kSetNow, std::move(key), std::move(request)};
        if (ready_) {
            loop_.post([this, sink] { ready_(sink); });
        }
    }
    void read(std::string_view sink, std::uint64_t after, std::uint64_t, Take take) override {
        loop_.post([this, sink = std::string(sink), after, take = std::move(take)]() mutable {
            std::vector<OwedDelivery> behind;
            for (auto at = owed[sink].upper_bound(after); at != owed[sink].end(); ++at) {
                behind.push_back(at->second);
            }
            take(std::move(behind), kSetNow);
        });
    }
    void done(std::string_view sink, std::uint64_t n, bool delivered, std::string_view reason,
              std::string_view dead_letter) override {
        ended.push_back(std::string(sink) + "/" + std::to_string(n) +
                        (delivered
                             ? " delivered"
                             : " " + std::string(reason) + " -> " + std::string(dead_letter)));
        loop_.post([this, sink = std::string(sink), n] { owed[sink].erase(n); });
    }
    void on_ready(absl::AnyInvocable<void(std::string_view)> ready) override {
        ready_ = std::move(ready);
    }

    static constexpr SetMs kSetNow = 1'700'000'000'000;
    std::map<std::string, std::map<std::uint64_t, OwedDelivery>> owed;
    std::vector<std::string> ended;

private:
    io::Loop& loop_;
    absl::AnyInvocable<void(std::string_view)> ready_;
};

// What a sink of the test was given; outlives the sink.
struct Attempts {
    std::vector<std::string> ids;
    std::vector<Sink::Completion> open;
    int made = 0;
    int destroyed = 0;
};

class HeldSink final : public Sink {
public:
    explicit HeldSink(Attempts& attempts) : attempts_(attempts) { ++attempts_.made; }
    ~HeldSink() override { ++attempts_.destroyed; }
    void deliver(Delivery delivery, Completion completion) override {
        attempts_.ids.push_back(delivery.id);
        ++*in_flight_;
        attempts_.open.emplace_back(
            [count = in_flight_, done = std::move(completion)](DeliveryOutcome outcome) mutable {
                --*count;
                done(std::move(outcome));
            });
    }
    [[nodiscard]] std::size_t in_flight() const override { return *in_flight_; }
    void close() override { closed = true; }

    bool closed = false;

private:
    Attempts& attempts_;
    std::shared_ptr<std::size_t> in_flight_ = std::make_shared<std::size_t>(0);
};

SinkConfig config(const std::string& id, const std::string& url = "http://127.0.0.1:1") {
    SinkConfig sink;
    sink.id = id;
    sink.url.text = url;
    sink.retry.initial_ms = 1;
    sink.retry.max_ms = 2;
    sink.dead_letter = "lost";
    return sink;
}

struct RunnerTest : testing::Test {
    Runner make(MakeSink make_sink) {
        return Runner(loop, outbox, std::move(make_sink), {GroupId(3), 1, {}});
    }
    MakeSink held() {
        return [this](const SinkConfig&) -> Result<std::unique_ptr<Sink>> {
            return std::make_unique<HeldSink>(attempts);
        };
    }
    bool until(const std::function<bool()>& done) { return io::run_until(loop, done); }
    // Lets everything posted so far, and what follows from it, happen.
    void settle() {
        for (int i = 0; i < 10; ++i) {
            loop.again();
            loop.turn();
        }
    }
    static SinkStatus status_of(const Runner& runner, const std::string& sink) {
        for (const SinkStatus& status : runner.status()) {
            if (status.sink == sink) {
                return status;
            }
        }
        return {};
    }
    void complete(OutcomeKind kind, std::string reason = {}) {
        Sink::Completion first = std::move(attempts.open.front());
        attempts.open.erase(attempts.open.begin());
        first({kind, 0, std::move(reason)});
    }

    io::Loop loop;
    MemoryOutbox outbox{loop};
    Attempts attempts;
};

TEST_F(RunnerTest, DeliversOverHttpAndRetries) {
    int failures = 2;
    HttpServer server(loop, [&](const auto&) { return answer(failures-- > 0 ? 500 : 200); });
    Runner runner = make(all_sinks(loop, {}, [](std::string_view) {}));
    std::string request;
    append_http_request({"PUT", "/hot", {{"X-A", "1"}}, "{}"}, request);
    outbox.add("hook", 7, "k", request);
    const std::vector sinks{config("hook", server.url())};
    EXPECT_TRUE(runner.apply(sinks).empty());
    EXPECT_TRUE(until([&] { return outbox.owed["hook"].empty(); }));
    EXPECT_EQ(outbox.ended, std::vector<std::string>{"hook/7 delivered"});
    ASSERT_EQ(server.seen.size(), 3U);
    EXPECT_EQ(server.seen[2].header("Causeway-Delivery"), "3/hook/7");
    EXPECT_EQ(server.seen[2].first_line(), "PUT /hot HTTP/1.1");
    const SinkStatus status = status_of(runner, "hook");
    EXPECT_EQ(status.counters.sent, 3U);
    EXPECT_EQ(status.counters.retried, 2U);
    EXPECT_EQ(status.counters.delivered, 1U);
}

TEST_F(RunnerTest, RefusedGoesToTheDeadLetterQueue) {
    HttpServer server(loop, [&](const auto&) { return answer(404); });
    Runner runner = make(all_sinks(loop, {}, [](std::string_view) {}));
    std::string request;
    append_http_request({}, request);
    const std::vector sinks{config("hook", server.url())};
    runner.apply(sinks);
    outbox.add("hook", 1, "", request);
    outbox.add("hook", 2, "", "\xFF");
    EXPECT_TRUE(until([&] { return outbox.ended.size() == 2; }));
    std::sort(outbox.ended.begin(), outbox.ended.end());
    EXPECT_EQ(outbox.ended[0], "hook/1 http 404 -> lost");
    EXPECT_EQ(outbox.ended[1], "hook/2 request: not a request -> lost");
}

TEST_F(RunnerTest, ASinkThatIsNotNamedKeepsItsItemsAndIsReported) {
    Runner runner = make(held());
    runner.apply({});
    outbox.add("old", 1);
    settle();
    EXPECT_TRUE(attempts.ids.empty());
    ASSERT_EQ(runner.status().size(), 1U);
    EXPECT_EQ(runner.status()[0].sink, "old");
    EXPECT_FALSE(runner.status()[0].configured);
    const std::vector sinks{config("old")};
    runner.apply(sinks);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 1; }));
    EXPECT_EQ(attempts.ids[0], "3/old/1");
}

TEST_F(RunnerTest, ReloadLosesAndDoublesNothingInFlight) {
    Runner runner = make(held());
    const std::vector sinks{config("hook")};
    runner.apply(sinks);
    outbox.add("hook", 1);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 1; }));
    runner.apply(sinks);
    settle();
    EXPECT_EQ(attempts.made, 2);
    EXPECT_EQ(attempts.destroyed, 0) << "the first still has one in flight";
    EXPECT_EQ(attempts.ids.size(), 1U) << "not begun again";
    complete(OutcomeKind::kDelivered);
    EXPECT_TRUE(until([&] { return outbox.owed["hook"].empty(); }));
    EXPECT_EQ(outbox.ended, std::vector<std::string>{"hook/1 delivered"});
    EXPECT_TRUE(until([&] { return attempts.destroyed == 1; }));
}

TEST_F(RunnerTest, ARemovedSinkEndsWhatIsInFlightAndComesBack) {
    Runner runner = make(held());
    std::vector sinks{config("hook")};
    sinks[0].max_in_flight = 1;
    runner.apply(sinks);
    outbox.add("hook", 1);
    outbox.add("hook", 2);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 1; }));
    runner.apply({});
    complete(OutcomeKind::kDelivered);
    EXPECT_TRUE(until([&] { return outbox.owed["hook"].size() == 1; }));
    settle();
    EXPECT_EQ(attempts.ids.size(), 1U);
    EXPECT_FALSE(status_of(runner, "hook").configured);
    runner.apply(sinks);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 2; }));
    EXPECT_EQ(attempts.ids[1], "3/hook/2");
}

TEST_F(RunnerTest, AConfigurationThatCannotBeUsedLeavesTheOneBefore) {
    bool broken = false;
    Runner runner = make([&](const SinkConfig&) -> Result<std::unique_ptr<Sink>> {
        if (broken) {
            return fail("url: the environment variable T is not set");
        }
        return std::make_unique<HeldSink>(attempts);
    });
    const std::vector sinks{config("hook")};
    runner.apply(sinks);
    broken = true;
    const std::vector both{config("hook"), config("new")};
    const auto problems = runner.apply(both);
    ASSERT_EQ(problems.size(), 2U);
    EXPECT_EQ(problems[0].sink, "hook");
    EXPECT_EQ(problems[0].message, "url: the environment variable T is not set");
    outbox.add("hook", 1);
    outbox.add("new", 1);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 1; }));
    settle();
    EXPECT_EQ(attempts.ids, std::vector<std::string>{"3/hook/1"});
}

TEST_F(RunnerTest, BeginsNothingWhileItDoesNotLead) {
    Runner runner = make(held());
    const std::vector sinks{config("hook")};
    runner.apply(sinks);
    runner.lead(false);
    outbox.add("hook", 1);
    settle();
    EXPECT_TRUE(attempts.ids.empty());
    runner.lead(true);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 1; }));
}

TEST_F(RunnerTest, CallbacksUnderWayAreHarmlessAfterIt) {
    auto runner = std::make_unique<Runner>(loop, outbox, held(), RunnerOptions{GroupId(3), 1, {}});
    const std::vector sinks{config("hook")};
    runner->apply(sinks);
    outbox.add("hook", 1);
    EXPECT_TRUE(until([&] { return attempts.ids.size() == 1; }));
    outbox.add("hook", 2);  // Its ready() and the read's answer come after the runner's end.
    loop.turn();
    runner.reset();
    EXPECT_EQ(attempts.destroyed, 1);
    settle();
    EXPECT_TRUE(outbox.ended.empty());
}

TEST_F(RunnerTest, KeepsTheOrderOfAKeyOverHttp) {
    std::map<std::string, int> tries;
    HttpServer server(loop, [&](const SeenRequest& request) {
        return answer(++tries[request.body] % 3 == 0 ? 200 : 503);
    });
    Runner runner = make(all_sinks(loop, {}, [](std::string_view) {}));
    std::vector sinks{config("hook", server.url())};
    sinks[0].ordered_by_key = true;
    sinks[0].max_in_flight = 4;
    runner.apply(sinks);
    for (std::uint64_t n = 1; n <= 30; ++n) {
        std::string request;
        append_http_request({"", "", {}, std::to_string(n)}, request);
        outbox.add("hook", n, n % 2 == 0 ? "even" : "odd", request);
    }
    EXPECT_TRUE(until([&] { return outbox.ended.size() == 30; }));
    int last[2] = {0, 0};
    for (const SeenRequest& request : server.seen) {
        const int n = std::stoi(request.body);
        EXPECT_GE(n, last[n % 2]);
        last[n % 2] = n;
    }
    EXPECT_EQ(server.seen.size(), 90U);
}

TEST(PolicyOf, TakesWhatTheRuleSetSays) {
    SinkConfig sink = config("hook");
    sink.retry = {10, 20, 3, 4};
    sink.ordered_by_key = true;
    const SinkPolicy policy = policy_of(sink);
    EXPECT_EQ(policy.backoff_initial_ms, 10U);
    EXPECT_EQ(policy.backoff_max_ms, 20U);
    EXPECT_EQ(policy.attempts_max, 3U);
    EXPECT_EQ(policy.age_max_ms, 4'000U);
    EXPECT_EQ(policy.dead_letter, "lost");
    EXPECT_TRUE(policy.ordered_by_key);
}

}  // namespace
}  // namespace causeway::rules
