// HttpSink against a server on the same loop.
#include "rules/sink/http_sink.h"

#include <gtest/gtest.h>

#include <optional>

#include "rules/sink/http_request.h"
#include "test/core/io/support.h"
#include "test/rules/sink/http_server.h"

namespace causeway::rules {
namespace {

SharedBytes request(HttpRequestView view) {
    std::string bytes;
    append_http_request(view, bytes);
    return SharedBytes::take(std::move(bytes));
}

struct HttpSinkTest : testing::Test {
    std::unique_ptr<HttpSink> make(const std::string& url,
                                   const std::function<void(HttpSinkOptions&)>& change = {}) {
        HttpSinkOptions options;
        options.url.text = url;
        if (change) {
            change(options);
        }
        auto sink = HttpSink::make(loop, options);
        EXPECT_TRUE(sink) << sink.error().message;
        return std::move(*sink);
    }
    DeliveryOutcome deliver(HttpSink& sink, HttpRequestView view = {"", "", {}, "{}"}) {
        std::optional<DeliveryOutcome> outcome;
        sink.deliver({"1/s/7", request(std::move(view))},
                     [&](DeliveryOutcome how) { outcome = std::move(how); });
        EXPECT_FALSE(outcome) << "completed from within deliver()";
        EXPECT_EQ(sink.in_flight(), 1U);
        EXPECT_TRUE(io::run_until(loop, [&] { return outcome.has_value(); }));
        EXPECT_EQ(sink.in_flight(), 0U);
        return outcome.value_or(DeliveryOutcome{});
    }

    io::Loop loop;
};

TEST_F(HttpSinkTest, SendsMethodPathHeadersBodyAndDeliveryId) {
    HttpServer server(loop, [](const auto&) { return answer(200, "ok"); });
    const auto sink = make(server.url() + "/base?k=v", [](HttpSinkOptions& options) {
        options.headers = {{"Authorization", {SecretSource::From::kText, "Bearer t"}},
                           {"X-A", {SecretSource::From::kText, "sink"}}};
    });
    const DeliveryOutcome outcome =
        deliver(*sink, {"PUT", "/hot/7", {{"x-a", "rule"}, {"X-Empty", ""}}, R"({"t":31})"});
    EXPECT_EQ(outcome.kind, OutcomeKind::kDelivered);
    EXPECT_EQ(outcome.reason, "");
    ASSERT_EQ(server.seen.size(), 1U);
    const SeenRequest& seen = server.seen[0];
    EXPECT_EQ(seen.first_line(), "PUT /base/hot/7?k=v HTTP/1.1");
    EXPECT_EQ(seen.header("Causeway-Delivery"), "1/s/7");
    EXPECT_EQ(seen.header("Authorization"), "Bearer t");
    EXPECT_EQ(seen.header("x-a"), "rule");
    EXPECT_EQ(seen.header("X-A"), "") << "the request's own header replaces the sink's";
    EXPECT_NE(seen.head.find("X-Empty:"), std::string::npos);
    EXPECT_EQ(seen.header("Content-Type"), "application/json");
    EXPECT_EQ(seen.head.find("Expect"), std::string::npos);
    EXPECT_EQ(seen.body, R"({"t":31})");
}

TEST_F(HttpSinkTest, GetHasNoBody) {
    HttpServer server(loop, [](const auto&) { return answer(204); });
    const auto sink = make(server.url());
    EXPECT_EQ(deliver(*sink, {"GET", "", {}, "x"}).kind, OutcomeKind::kDelivered);
    EXPECT_EQ(server.seen.at(0).first_line(), "GET / HTTP/1.1");
    EXPECT_EQ(server.seen.at(0).header("Content-Length"), "");
}

TEST_F(HttpSinkTest, ReusesItsConnection) {
    HttpServer server(loop, [](const auto&) { return answer(200, "fine"); });
    const auto sink = make(server.url());
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kDelivered);
    }
    EXPECT_EQ(server.seen.size(), 5U);
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(HttpSinkTest, ManyAtOnceStayWithinTheConnections) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = make(server.url(), [](auto& options) { options.connections_max = 4; });
    int delivered = 0;
    for (int i = 0; i < 100; ++i) {
        sink->deliver({"1/s/" + std::to_string(i), request({"", "", {}, "{}"})},
                      [&](const DeliveryOutcome& how) {
                          delivered += how.kind == OutcomeKind::kDelivered ? 1 : 0;
                      });
    }
    EXPECT_EQ(sink->in_flight(), 100U);
    EXPECT_TRUE(io::run_until(loop, [&] { return delivered == 100; }));
    EXPECT_LE(server.connections(), 4U);
}

TEST_F(HttpSinkTest, ACompletionMayDeliverAgain) {
    int left = 1;
    HttpServer server(loop, [&](const auto&) { return answer(left-- > 0 ? 500 : 200); });
    const auto sink = make(server.url());
    std::vector<OutcomeKind> kinds;
    std::function<void()> attempt = [&] {
        sink->deliver({"1/s/1", request({})}, [&](const DeliveryOutcome& how) {
            kinds.push_back(how.kind);
            if (how.kind == OutcomeKind::kRetry) {
                attempt();
            }
        });
    };
    attempt();
    EXPECT_TRUE(io::run_until(loop, [&] { return kinds.size() == 2; }));
    EXPECT_EQ(kinds, (std::vector{OutcomeKind::kRetry, OutcomeKind::kDelivered}));
}

TEST_F(HttpSinkTest, HonoursRetryAfter) {
    HttpServer server(loop, [](const auto&) { return answer(429, "", "retry-after: 7\r\n"); });
    const auto sink = make(server.url());
    const DeliveryOutcome outcome = deliver(*sink);
    EXPECT_EQ(outcome.kind, OutcomeKind::kRetry);
    EXPECT_EQ(outcome.after_ms, 7'000U);
    EXPECT_EQ(outcome.reason, "http 429");
}

TEST_F(HttpSinkTest, RedirectsAreNotFollowed) {
    HttpServer server(loop, [](const auto&) { return answer(302, "", "Location: /other\r\n"); });
    const auto sink = make(server.url());
    const DeliveryOutcome outcome = deliver(*sink);
    EXPECT_EQ(outcome.kind, OutcomeKind::kPermanent);
    EXPECT_EQ(outcome.reason, "http 302");
    EXPECT_EQ(server.seen.size(), 1U);
}

TEST_F(HttpSinkTest, ConnectionRefusedIsRetried) {
    std::string url;
    {
        HttpServer gone(loop, [](const auto&) { return answer(200); });
        url = gone.url();
    }
    const auto sink = make(url);
    const DeliveryOutcome outcome = deliver(*sink);
    EXPECT_EQ(outcome.kind, OutcomeKind::kRetry);
    EXPECT_EQ(outcome.reason.substr(0, 9), "connect: ") << outcome.reason;
}

TEST_F(HttpSinkTest, NoAnswerIsATimeout) {
    HttpServer server(loop, [](const auto&) { return std::string(); });
    const auto sink = make(server.url(), [](auto& options) { options.timeout_ms = 50; });
    const DeliveryOutcome outcome = deliver(*sink);
    EXPECT_EQ(outcome.kind, OutcomeKind::kRetry);
    EXPECT_EQ(outcome.reason.substr(0, 9), "timeout: ") << outcome.reason;
}

TEST_F(HttpSinkTest, AnAnswerThatIsNotHttpIsRetried) {
    HttpServer server(loop, [](const auto&) { return "nonsense\r\n\r\n"; });
    const auto sink = make(server.url());
    EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kRetry);
}

TEST_F(HttpSinkTest, OfAHugeAnswerTheStatusCounts) {
    const std::string huge(4 * 1024 * 1024, 'x');
    int status = 200;
    HttpServer server(loop, [&](const auto&) { return answer(status, huge); });
    const auto sink = make(server.url());
    EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kDelivered);
    status = 503;
    EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kRetry);
    EXPECT_EQ(server.connections(), 2U) << "a connection that was cut is not used again";
}

TEST_F(HttpSinkTest, AnEndlessHeadIsCut) {
    std::string headers;
    for (int i = 0; i < 2'000; ++i) {
        headers += "X-" + std::to_string(i) + ": " + std::string(80, 'x') + "\r\n";
    }
    HttpServer server(loop, [&](const auto&) { return "HTTP/1.1 100 X\r\n" + headers; });
    const auto sink = make(server.url());
    EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kRetry);
}

TEST_F(HttpSinkTest, ResolvesNames) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = make(server.url("http", "localhost"));
    EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kDelivered);
}

TEST_F(HttpSinkTest, ProxiesOfTheEnvironmentAreNotUsed) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    ASSERT_EQ(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    const auto sink = make(server.url());
    EXPECT_EQ(deliver(*sink).kind, OutcomeKind::kDelivered);
    ASSERT_EQ(unsetenv("http_proxy"), 0);
}

TEST_F(HttpSinkTest, TlsIsVerified) {
    io::TestCerts& certs = io::TestCerts::get();
    HttpServer server(
        loop, [](const auto&) { return answer(200); }, certs.server());
    const auto stranger = make(server.url("https"));
    const DeliveryOutcome refused = deliver(*stranger);
    EXPECT_EQ(refused.kind, OutcomeKind::kRetry);
    EXPECT_EQ(refused.reason.substr(0, 5), "tls: ") << refused.reason;
    EXPECT_TRUE(server.seen.empty()) << "nothing may be sent to a stranger";

    const auto friendly = make(server.url("https"), [&](HttpSinkOptions& options) {
        options.ca_file = certs.dir + "/ca.crt";
    });
    EXPECT_EQ(deliver(*friendly).kind, OutcomeKind::kDelivered);

    const auto careless =
        make(server.url("https"), [](HttpSinkOptions& options) { options.verify_tls = false; });
    EXPECT_EQ(deliver(*careless).kind, OutcomeKind::kDelivered);
}

TEST_F(HttpSinkTest, ACertificateOfAnotherCaIsRefused) {
    io::TestCerts& certs = io::TestCerts::get();
    HttpServer server(
        loop, [](const auto&) { return answer(200); }, certs.server());
    const auto sink = make(server.url("https"), [&](HttpSinkOptions& options) {
        options.ca_file = certs.dir + "/other/ca.crt";
    });
    EXPECT_EQ(deliver(*sink).reason.substr(0, 5), "tls: ");
    EXPECT_TRUE(server.seen.empty());
}

TEST_F(HttpSinkTest, WhatIsNoRequestIsPermanent) {
    const auto sink = make("http://127.0.0.1:1");
    std::optional<DeliveryOutcome> outcome;
    sink->deliver({"1/s/1", SharedBytes::copy("\xFF\xFF")},
                  [&](DeliveryOutcome how) { outcome = std::move(how); });
    EXPECT_FALSE(outcome);
    EXPECT_TRUE(io::run_until(loop, [&] { return outcome.has_value(); }));
    EXPECT_EQ(outcome->kind, OutcomeKind::kPermanent);
    EXPECT_EQ(outcome->reason, "request: not a request");
}

TEST_F(HttpSinkTest, CloseCutsWithoutACompletion) {
    HttpServer server(loop, [](const auto&) { return std::string(); });
    const auto sink = make(server.url());
    int completed = 0;
    sink->deliver({"1/s/1", request({})}, [&](const DeliveryOutcome&) { ++completed; });
    sink->deliver({"1/s/2", SharedBytes::copy("\xFF")},
                  [&](const DeliveryOutcome&) { ++completed; });
    sink->close();
    EXPECT_EQ(sink->in_flight(), 0U);
    bool later = false;
    loop.post([&] { later = true; });
    EXPECT_TRUE(io::run_until(loop, [&] { return later; }));
    EXPECT_EQ(completed, 0);
}

TEST_F(HttpSinkTest, CanBeDestroyedInFlight) {
    HttpServer server(loop, [](const auto&) { return std::string(); });
    auto sink = make(server.url());
    sink->deliver({"1/s/1", request({})}, [&](const DeliveryOutcome&) { ADD_FAILURE(); });
    EXPECT_TRUE(io::run_until(loop, [&] { return server.seen.size() == 1; }));
    sink.reset();
    loop.post([] {});
    loop.turn();
}

}  // namespace
}  // namespace causeway::rules
