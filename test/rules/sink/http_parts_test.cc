// The pure parts of rules/sink: the request's encoding, secrets, the target, answers.
#include <curl/curl.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "core/base/random.h"
#include "core/message/body.h"
#include "core/message/topic.h"
#include "rules/sink/http_request.h"
#include "rules/sink/http_response.h"
#include "rules/sink/http_sink.h"
#include "rules/sink/http_target.h"
#include "rules/sink/secret.h"

namespace causeway::rules {
namespace {

std::string encoded(const HttpRequestView& request) {
    std::string bytes;
    append_http_request(request, bytes);
    return bytes;
}

TEST(HttpRequest, ComesBackAsItWas) {
    for (const HttpRequestView& request : std::vector<HttpRequestView>{
             {},
             {"POST", "/a/b%20c?x=1", {{"X-A", "1"}, {"X-A", "2"}, {"Empty", ""}}, "body"},
             {"", "", {}, std::string_view("\0\xFF", 2)},
             {"", "/", {}, ""}}) {
        const std::string bytes = encoded(request);
        EXPECT_EQ(parse_http_request(bytes), request);
    }
}

TEST(HttpRequest, IsAMessageBody) {
    const std::string bytes = encoded({"PUT", "/p", {{"H", "v"}}, "payload"});
    const BodyView body = parse_body(bytes);
    EXPECT_EQ(body.payload, "payload");
    EXPECT_EQ(body.properties, std::string_view("\x26\0\7:method\0\3PUT"
                                                "\x26\0\5:path\0\2/p"
                                                "\x26\0\1H\0\1v",
                                                34));
}

TEST(HttpRequest, PropertiesAreValidForMqtt) {
    const std::string long_value(70'000, 'v');
    const std::string bytes = encoded({"", "", {{"A", "x\xFFy"}, {"B", long_value}}, ""});
    const auto request = parse_http_request(bytes);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->headers[0].value, "x?y");
    EXPECT_EQ(request->headers[1].value.size(), 65'535U);
    EXPECT_TRUE(valid_utf8(request->headers[0].value));
}

TEST(HttpRequest, EveryShortOrDamagedEncodingIsRefusedOrRead) {
    const std::string bytes = encoded({"PUT", "/p", {{"H", "v"}}, ""});
    for (std::size_t size = 0; size + 1 < bytes.size(); ++size) {
        EXPECT_FALSE(parse_http_request(std::string_view(bytes).substr(0, size))) << size;
    }
    Random random(1);
    for (int i = 0; i < 20'000; ++i) {
        std::string damaged = bytes;
        damaged[random.below(damaged.size())] = static_cast<char>(random.next());
        if (const auto request = parse_http_request(damaged)) {
            EXPECT_LE(request->headers.size(), 3U);
        }
    }
}

TEST(RetryAfter, SecondsAndDates) {
    constexpr std::uint64_t kNow = 1'700'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
    EXPECT_EQ(parse_retry_after("120", kNow), 120'000U);
    EXPECT_EQ(parse_retry_after(" 0\r\n", kNow), 0U);
    EXPECT_EQ(parse_retry_after("99999999999999999999999", kNow), 1'000'000'000'000U);
    EXPECT_EQ(parse_retry_after("Tue, 14 Nov 2023 22:13:50 GMT", kNow), 30'000U);
    EXPECT_EQ(parse_retry_after("Tuesday, 14-Nov-23 22:13:50 GMT", kNow), 30'000U);
    EXPECT_EQ(parse_retry_after("Tue Nov 14 22:13:50 2023", kNow), 30'000U);
    EXPECT_EQ(parse_retry_after("Tue, 14 Nov 2023 22:13:00 GMT", kNow), 0U) << "in the past";
    for (const char* nonsense : {"", "-1", "1.5", "soon", "Soonish, tomorrow", "12 s"}) {
        EXPECT_EQ(parse_retry_after(nonsense, kNow), std::nullopt) << nonsense;
    }
}

TEST(Classify, EveryStatus) {
    const RetryClasses classes;
    for (std::uint32_t status = 200; status < 1000; ++status) {
        const DeliveryOutcome outcome = classify_status(status, "", classes, 0);
        const bool retried =
            status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600);
        EXPECT_EQ(outcome.kind, status < 300 ? OutcomeKind::kDelivered
                                : retried    ? OutcomeKind::kRetry
                                             : OutcomeKind::kPermanent)
            << status;
        EXPECT_EQ(outcome.reason, status < 300 ? "" : "http " + std::to_string(status));
    }
}

TEST(Classify, TheClassesCanBeChanged) {
    const RetryClasses classes{{404}, 1'000};
    EXPECT_EQ(classify_status(404, "", classes, 0).kind, OutcomeKind::kRetry);
    EXPECT_EQ(classify_status(429, "", classes, 0).kind, OutcomeKind::kPermanent);
    EXPECT_EQ(classify_status(503, "3600", classes, 0).after_ms, 1'000U) << "capped";
}

TEST(Classify, Transport) {
    EXPECT_EQ(classify_transport(CURLE_COULDNT_CONNECT, "no").reason, "connect: no");
    EXPECT_EQ(classify_transport(CURLE_OPERATION_TIMEDOUT, "x").kind, OutcomeKind::kRetry);
    EXPECT_EQ(classify_transport(CURLE_URL_MALFORMAT, "x").kind, OutcomeKind::kPermanent);
    EXPECT_EQ(classify_transport(CURLE_RECV_ERROR, "a\nb\xFF").reason, "transport: a?b?");
    EXPECT_EQ(classify_transport(CURLE_RECV_ERROR, std::string(999, 'x')).reason.size(),
              kReasonBytesMax);
}

TEST(Secret, FromTheEnvironment) {
    ASSERT_EQ(setenv("CAUSEWAY_TEST_SECRET", "s3cret", 1), 0);
    EXPECT_EQ(resolve({SecretSource::From::kEnv, "CAUSEWAY_TEST_SECRET"}).value(), "s3cret");
    ASSERT_EQ(setenv("CAUSEWAY_TEST_SECRET", "s3cret\n", 1), 0);
    EXPECT_EQ(resolve({SecretSource::From::kEnv, "CAUSEWAY_TEST_SECRET"}).error().message,
              "the environment variable CAUSEWAY_TEST_SECRET holds a control character");
    ASSERT_EQ(unsetenv("CAUSEWAY_TEST_SECRET"), 0);
    EXPECT_EQ(resolve({SecretSource::From::kEnv, "CAUSEWAY_TEST_SECRET"}).error().message,
              "the environment variable CAUSEWAY_TEST_SECRET is not set");
}

TEST(Secret, FromAFile) {
    const std::string path = testing::TempDir() + "/causeway_secret_" + std::to_string(getpid());
    const auto with = [&](std::string_view text) {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
        return resolve({SecretSource::From::kFile, path});
    };
    EXPECT_EQ(with("token").value(), "token");
    EXPECT_EQ(with("token\r\n").value(), "token");
    EXPECT_EQ(with("").error().message, path + " is empty");
    EXPECT_EQ(with("a\nb").error().message, path + " holds a control character");
    EXPECT_EQ(with(std::string(kSecretBytesMax + 1, 'x')).error().message,
              path + " is larger than 64 KiB");
    ASSERT_EQ(remove(path.c_str()), 0);
    EXPECT_EQ(resolve({SecretSource::From::kFile, path}).error().message,
              "cannot read " + path + ": No such file or directory");
}

HttpTarget target(const std::string& url) {
    HttpSinkOptions options;
    options.url.text = url;
    return HttpTarget::make(options).value();
}

TEST(Target, JoinsPathAndQuery) {
    const auto url = [](const std::string& base, std::string_view path) {
        return target(base).call({"", path, {}, ""}).value().url;
    };
    EXPECT_EQ(url("http://h", ""), "http://h");
    EXPECT_EQ(url("http://h/a/", ""), "http://h/a/");
    EXPECT_EQ(url("http://h/a", ""), "http://h/a");
    EXPECT_EQ(url("http://h/a", "/b"), "http://h/a/b");
    EXPECT_EQ(url("http://h/a/", "/b"), "http://h/a/b");
    EXPECT_EQ(url("http://h/a?k=v", "/b"), "http://h/a/b?k=v");
    EXPECT_EQ(url("http://h/a?k=v", "/b?x=1"), "http://h/a/b?x=1&k=v");
    EXPECT_EQ(url("http://h/a", "?x=1"), "http://h/a?x=1");
    EXPECT_EQ(url("http://h", "/\xC3\xA9"), "http://h/%C3%A9");
}

TEST(Target, RefusesPathsThatLeaveTheSink) {
    const HttpTarget to = target("http://h/base");
    for (const std::string_view path :
         {"@evil.example/", "a", ".evil.example", "/..", "/a/../b", "/a/./b", "/%2e%2E/x", "/.%2e",
          "/a b", "/a#b", "/a\r\nX: y", "/a\x7F"}) {
        EXPECT_FALSE(to.call({"", path, {}, ""})) << path;
    }
    for (const std::string_view path :
         {"/...", "/a..b", "/..a", "/a?x=/../", "/a..", "/%2e%2e%2e"}) {
        EXPECT_TRUE(to.call({"", path, {}, ""})) << path;
    }
}

TEST(Target, RefusesHeadersThatFrameTheRequest) {
    const HttpTarget to = target("http://h");
    for (const auto& [name, value] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"Content-Length", "0"},
             {"transfer-encoding", "chunked"},
             {"Causeway-Delivery", "forged"},
             {"Host", "other"},
             {"", "x"},
             {"a b", "x"},
             {"a:b", "x"},
             {"x", "a\r\nb"}}) {
        EXPECT_FALSE(to.call({"", "", {{name, value}}, ""})) << name;
    }
    EXPECT_FALSE(to.call({"GET / HTTP/1.1", "", {}, ""}));
}

TEST(Target, ContentTypeIsOnlyADefault) {
    const HttpTarget to = target("http://h");
    using Headers = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(to.call({"", "", {}, ""}).value().headers, Headers{});
    EXPECT_EQ(to.call({"", "", {}, "b"}).value().headers,
              (Headers{{"Content-Type", "application/json"}}));
    EXPECT_EQ(to.call({"", "", {{"content-type", "text/plain"}}, "b"}).value().headers,
              (Headers{{"content-type", "text/plain"}}));
}

TEST(Target, ErrorsSayWhatToFixAndShowNoSecret) {
    const auto error = [](const HttpSinkOptions& options) {
        return HttpTarget::make(options).error().message;
    };
    HttpSinkOptions options;
    options.url = {SecretSource::From::kEnv, "CAUSEWAY_TEST_NONE"};
    EXPECT_EQ(error(options), "url: the environment variable CAUSEWAY_TEST_NONE is not set");
    for (const char* bad : {"", "ftp://user:secret@h/", "http://", "https://secret host/"}) {
        options.url = {SecretSource::From::kText, bad};
        EXPECT_EQ(error(options).find("secret"), std::string::npos) << bad;
        EXPECT_EQ(error(options).substr(0, 5), "url: ") << bad;
    }
    options.url.text = "http://h";
    options.ca_file = "/nonexistent/ca.pem";
    EXPECT_EQ(error(options),
              "ca_file: cannot read /nonexistent/ca.pem: No such file or directory");
    options.ca_file.clear();
    options.headers = {{"Authorization", {SecretSource::From::kFile, "/nonexistent/token"}}};
    EXPECT_EQ(error(options),
              "header 'Authorization': cannot read /nonexistent/token: No such file or directory");
}

}  // namespace
}  // namespace causeway::rules
