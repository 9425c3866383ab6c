#include "core/io/http_parser.h"

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace causeway::io {
namespace {

using Status = HttpParser::Status;

constexpr char kPost[] =
    "POST /queues/a%20b/messages?max=10&name=x+y%21&flag HTTP/1.1\r\n"
    "Host: hub\r\nContent-Type: application/json\r\nX-Twice: 1\r\nX-Twice: 2\r\n"
    "Content-Length: 11\r\n\r\nhello world";

constexpr char kChunked[] =
    "PUT /x HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: t\r\n\r\n";

TEST(HttpParser, ReadsARequest) {
    HttpParser parser({});
    std::string input = kPost;
    EXPECT_FALSE(parser.started());
    ASSERT_EQ(parser.parse(input), Status::kDone);
    EXPECT_EQ(input, "");
    const HttpRequest request = parser.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/queues/a%20b/messages");
    EXPECT_EQ(request.query, "max=10&name=x+y%21&flag");
    EXPECT_EQ(request.body, "hello world");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(request.header("content-TYPE"), "application/json");
    EXPECT_EQ(request.header("x-twice"), "1");
    EXPECT_FALSE(request.header("cookie"));
    EXPECT_EQ(request.query_value("max"), "10");
    EXPECT_EQ(request.query_value("name"), "x y!");
    EXPECT_EQ(request.query_value("flag"), "");
    EXPECT_FALSE(request.query_value("none"));
}

TEST(HttpParser, SplitAtEveryByteIsTheSame) {
    for (const std::string text : {kPost, kChunked}) {
        for (std::size_t at = 0; at <= text.size(); ++at) {
            SCOPED_TRACE(at);
            HttpParser parser({});
            std::string input = text.substr(0, at);
            const Status first = parser.parse(input);
            EXPECT_EQ(first, at == text.size() ? Status::kDone : Status::kNeedMore);
            input += text.substr(at);
            ASSERT_EQ(parser.parse(input), Status::kDone);
            EXPECT_EQ(input, "");
            EXPECT_EQ(parser.take().body, "hello world");
        }
    }
}

// Its head and the end of its trailer come at any time.
TEST(HttpParser, ALastChunkMayBeTheFirst) {
    const std::string text =
        "POST /x HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n";
    for (std::size_t at = 0; at <= text.size(); ++at) {
        SCOPED_TRACE(at);
        HttpParser parser({});
        std::string input = text.substr(0, at);
        (void)parser.parse(input);
        input += text.substr(at);
        EXPECT_EQ(parser.parse(input), Status::kDone);
        EXPECT_EQ(input, "");
        EXPECT_EQ(parser.take().body, "");
    }
}

TEST(HttpParser, ByteByByte) {
    for (const std::string text : {kPost, kChunked}) {
        HttpParser parser({});
        std::string input;
        for (const char byte : text) {
            input += byte;
            ASSERT_NE(parser.parse(input), Status::kError);
        }
        EXPECT_EQ(parser.take().body, "hello world");
    }
}

TEST(HttpParser, LeavesTheNextRequestInTheInput) {
    HttpParser parser({});
    std::string input = std::string(kPost) + "GET /next";
    ASSERT_EQ(parser.parse(input), Status::kDone);
    EXPECT_EQ(input, "GET /next");
    EXPECT_EQ(parser.parse(input), Status::kDone);  // No effect.
    EXPECT_EQ(input, "GET /next");
}

TEST(HttpParser, KeepAliveFollowsVersionAndHeader) {
    const auto keep = [](std::string text) {
        HttpParser parser({});
        EXPECT_EQ(parser.parse(text), Status::kDone);
        return parser.take().keep_alive;
    };
    EXPECT_TRUE(keep("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_FALSE(keep("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
    EXPECT_FALSE(keep("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(keep("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

int status_of(std::string text, HttpLimits limits = {}) {
    HttpParser parser(limits);
    const Status status = parser.parse(text);
    EXPECT_NE(status, Status::kDone) << text.substr(0, 50);
    if (status == Status::kError) {
        EXPECT_FALSE(parser.error_text().empty());
    }
    return status == Status::kError ? parser.error_status() : 0;
}

TEST(HttpParser, RefusesWhatIsMalformed) {
    EXPECT_EQ(status_of("\x16\x03\x01 this is TLS\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET  HTTP/1.1\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/9.9\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nbad header\r\n\r\n"), 400);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), 400);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400);
    // Two lengths, or a length and chunks: two readers could see two requests.
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
    EXPECT_EQ(
        status_of("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        400);
}

TEST(HttpParser, RefusesWhatIsTooLarge) {
    const HttpLimits limits{200, 10};
    EXPECT_EQ(status_of("GET /" + std::string(300, 'x'), limits), 431);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nA: " + std::string(300, 'x') + "\r\n\r\n", limits), 431);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", limits), 413);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n",
                        limits),
              413);
    // What has no end is not kept until it comes: the head of a chunk, the fields behind the last.
    const std::string chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(status_of(chunks + "1;" + std::string(400, 'x'), limits), 431);
    EXPECT_EQ(status_of(chunks + "0\r\n" + std::string(400, 'x'), limits), 431);
    EXPECT_EQ(status_of(chunks + "0\r\nA: " + std::string(400, 'x') + "\r\n", limits), 431);
    std::string fits = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n1234567890";
    HttpParser parser(limits);
    EXPECT_EQ(parser.parse(fits), Status::kDone);
}

TEST(HttpParser, TellsOnceThatTheClientWaits) {
    HttpParser parser({});
    std::string input = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    EXPECT_FALSE(parser.take_expects_continue());
    EXPECT_EQ(parser.parse(input), Status::kNeedMore);
    EXPECT_TRUE(parser.take_expects_continue());
    EXPECT_FALSE(parser.take_expects_continue());
    input = "ok";
    EXPECT_EQ(parser.parse(input), Status::kDone);
}

TEST(HttpParser, DamagedRequestsNeverCrash) {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        Random random(seed);
        std::string text = random.chance(1, 2) ? kPost : kChunked;
        for (std::uint64_t i = random.below(4) + 1; i > 0; --i) {
            text[random.below(text.size())] = static_cast<char>(random.next());
        }
        HttpParser parser({});
        const Status status = parser.parse(text);
        if (status == Status::kError) {
            EXPECT_GE(parser.error_status(), 400) << seed;
        } else if (status == Status::kDone) {
            EXPECT_LE(parser.take().body.size(), 200U) << seed;
        }
    }
}

TEST(HttpMessage, PercentDecoding) {
    EXPECT_EQ(percent_decode("a%2Fb%2f+"), "a/b/+");
    EXPECT_EQ(percent_decode("a+b", true), "a b");
    EXPECT_EQ(percent_decode("%41"), "A");
    EXPECT_FALSE(percent_decode("%4"));
    EXPECT_FALSE(percent_decode("%"));
    EXPECT_FALSE(percent_decode("%zz"));
}

TEST(HttpMessage, ResponseHeads) {
    HttpResponse response;
    response.body = "{}";
    EXPECT_EQ(http_response_head(response, true),
              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n");
    response.status = 204;
    response.headers = {{"X-Good", "1"}, {"X-Bad", "1\r\nX-Injected: 2"}};
    EXPECT_EQ(http_response_head(response, false),
              "HTTP/1.1 204 No Content\r\nConnection: close\r\nX-Good: 1\r\n\r\n");
}

}  // namespace
}  // namespace causeway::io
