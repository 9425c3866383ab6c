// HttpSink against a server on the same loop.
#include "rules/sink/http_sink.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/io/timer.h"
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

std::string unpacked(const std::string& bytes) {
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
    std::string out(100'000, '\0');
    std::string in = bytes;
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
}

TEST_F(HttpSinkTest, CompressesTheBody) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = make(server.url(), [](HttpSinkOptions& options) { options.gzip = true; });
    const std::string body = "{\"t\":\"" + std::string(5'000, 'x') + "\"}";
    EXPECT_EQ(deliver(*sink, {"", "", {}, body}).kind, OutcomeKind::kDelivered);
    ASSERT_EQ(server.seen.size(), 1U);
    EXPECT_EQ(server.seen[0].header("Content-Encoding"), "gzip");
    EXPECT_LT(server.seen[0].body.size(), 200U);
    EXPECT_EQ(unpacked(server.seen[0].body), body);
}

TEST_F(HttpSinkTest, SignsWhatItSends) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = make(server.url(), [](HttpSinkOptions& options) {
        options.signature.header = "X-Signature";
        options.signature.key = {SecretSource::From::kText, "secret"};
    });
    EXPECT_EQ(deliver(*sink, {"", "", {}, R"({"t":31})"}).kind, OutcomeKind::kDelivered);
    const std::string header = server.seen.at(0).header("X-Signature");
    ASSERT_TRUE(header.starts_with("t=")) << header;
    const std::uint64_t time = std::stoull(header.substr(2));
    EXPECT_EQ(header, signature(SignatureDigest::kSha256, "secret", time, R"({"t":31})").value());
    EXPECT_NE(header, signature(SignatureDigest::kSha256, "other", time, R"({"t":31})").value());
}

TEST_F(HttpSinkTest, ASigningKeyMustBeThere) {
    HttpSinkOptions options;
    options.url.text = "http://127.0.0.1:1";
    options.signature.header = "X-Signature";
    options.signature.key = {SecretSource::From::kEnv, "CAUSEWAY_NO_SUCH_VARIABLE"};
    const auto sink = HttpSink::make(loop, options);
    ASSERT_FALSE(sink);
    EXPECT_TRUE(sink.error().message.starts_with("signature: ")) << sink.error().message;
}

TEST_F(HttpSinkTest, ShowsItsCertificateToAServerThatAsks) {
    io::TestCerts& certs = io::TestCerts::get();
    HttpServer server(
        loop, [](const auto&) { return answer(200); }, certs.server(certs::Verify::kRequired));
    const auto bare = make(server.url("https"), [&](HttpSinkOptions& options) {
        options.ca_file = certs.dir + "/ca.crt";
    });
    EXPECT_EQ(deliver(*bare).kind, OutcomeKind::kRetry);
    EXPECT_TRUE(server.seen.empty());
    const auto known = make(server.url("https"), [&](HttpSinkOptions& options) {
        options.ca_file = certs.dir + "/ca.crt";
        options.cert_file = certs.dir + "/devices/plant_dev7.crt";
        options.key_file = certs.dir + "/devices/plant_dev7.key";
    });
    EXPECT_EQ(deliver(*known).kind, OutcomeKind::kDelivered);
}

struct Batching : HttpSinkTest {
    std::unique_ptr<HttpSink> batching(const std::string& url, std::size_t items,
                                       std::uint64_t wait_ms) {
        return make(url, [&](HttpSinkOptions& options) {
            options.batch = {items, wait_ms, 1'000};
        });
    }
    void add(HttpSink& sink, int n, const std::string& path = "") {
        sink.deliver({"1/s/" + std::to_string(n), request({"", path, {}, std::to_string(n)})},
                     [this, n](const DeliveryOutcome& how) { outcomes[n] = how.kind; });
    }
    bool wait_for(std::size_t count) {
        return io::run_until(loop, [&] { return outcomes.size() == count; });
    }
    std::map<int, OutcomeKind> outcomes;
};

TEST_F(Batching, AFullBatchGoesAtOnce) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = batching(server.url(), 3, 60'000);
    for (int n = 1; n <= 6; ++n) {
        add(*sink, n);
    }
    EXPECT_EQ(sink->in_flight(), 6U);
    EXPECT_TRUE(wait_for(6));
    EXPECT_EQ(sink->in_flight(), 0U);
    ASSERT_EQ(server.seen.size(), 2U);
    EXPECT_EQ(server.seen[0].body, "[1,2,3]");
    EXPECT_EQ(server.seen[0].header("Causeway-Delivery"), "1/s/1,1/s/2,1/s/3");
    EXPECT_EQ(server.seen[1].body, "[4,5,6]");
}

TEST_F(Batching, WhatIsNotFullGoesWhenItHasWaited) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = batching(server.url(), 100, 20);
    add(*sink, 1);
    add(*sink, 2, "/other");
    add(*sink, 3);
    EXPECT_EQ(sink->in_flight(), 3U);
    EXPECT_TRUE(wait_for(3));
    ASSERT_EQ(server.seen.size(), 2U) << "one for each place";
    std::vector<std::string> bodies = {server.seen[0].body, server.seen[1].body};
    std::sort(bodies.begin(), bodies.end());
    EXPECT_EQ(bodies, (std::vector<std::string>{"[1,3]", "[2]"}));
}

TEST_F(Batching, AFailureIsOneForEach) {
    HttpServer server(loop, [](const auto&) { return answer(503); });
    const auto sink = batching(server.url(), 2, 60'000);
    add(*sink, 1);
    add(*sink, 2);
    EXPECT_TRUE(wait_for(2));
    EXPECT_EQ(outcomes[1], OutcomeKind::kRetry);
    EXPECT_EQ(outcomes[2], OutcomeKind::kRetry);
    EXPECT_EQ(server.seen.size(), 1U);
}

TEST_F(Batching, OneBadDeliveryDoesNotDragTheOthersAlong) {
    HttpServer server(loop, [](const SeenRequest& request) {
        return answer(request.body.find('2') != std::string::npos ? 400 : 200);
    });
    const auto sink = batching(server.url(), 3, 60'000);
    for (int n = 1; n <= 3; ++n) {
        add(*sink, n);
    }
    EXPECT_TRUE(wait_for(3));
    EXPECT_EQ(outcomes[1], OutcomeKind::kDelivered);
    EXPECT_EQ(outcomes[2], OutcomeKind::kPermanent);
    EXPECT_EQ(outcomes[3], OutcomeKind::kDelivered);
    EXPECT_EQ(server.seen.size(), 4U);
}

TEST_F(Batching, CloseForgetsWhatWaits) {
    HttpServer server(loop, [](const auto&) { return answer(200); });
    const auto sink = batching(server.url(), 10, 1);
    add(*sink, 1);
    sink->close();
    EXPECT_EQ(sink->in_flight(), 0U);
    bool later = false;
    io::Timer timer(loop, [&] { later = true; });
    timer.start(20);
    EXPECT_TRUE(io::run_until(loop, [&] { return later; }));
    EXPECT_TRUE(outcomes.empty());
    EXPECT_TRUE(server.seen.empty());
}

}  // namespace
}  // namespace causeway::rules
