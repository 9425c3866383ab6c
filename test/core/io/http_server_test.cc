#include "core/io/http_server.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "core/io/clock.h"
#include "test/core/io/support.h"

namespace causeway::io {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

class HttpServerTest : public testing::Test {
protected:
    // Answers «method target body», except /later, which is kept, and /lost, which is dropped.
    void serve(HttpServerOptions options = {}) {
        auto made = HttpServer::listen(
            loop_, std::move(options),
            [this](HttpRequest request, HttpResponder responder, std::string_view peer) {
                peer_ = peer;
                ++requests_;
                if (request.path == "/later") {
                    kept_.push_back(std::make_shared<HttpResponder>(std::move(responder)));
                    kept_.back()->on_gone([this] { ++gone_; });
                } else if (request.path == "/big") {
                    HttpResponse response;
                    response.body = std::string(1 << 20, 'b');
                    responder.respond(std::move(response));
                } else if (request.path != "/lost") {
                    HttpResponse response;
                    response.content_type = "text/plain";
                    response.body = request.method + " " + request.target + " " + request.body;
                    responder.respond(std::move(response));
                }
            });
        ASSERT_TRUE(made) << made.error().message;
        server_ = std::move(*made);
        client_.stream = connect(client_);
    }
    StreamPtr connect(Recorder& to) {
        return TcpStream::connect(loop_, {"127.0.0.1", server_->port(), nullptr, {}}, to);
    }
    void send(std::string_view text) { client_.stream->write(text); }
    bool wait(const std::string& part, std::size_t times = 1) {
        return run_until(loop_, [&] { return count(client_.received, part) >= times; });
    }
    bool closed() {
        return run_until(loop_, [&] { return client_.ends > 0; });
    }

    Loop loop_;
    std::unique_ptr<HttpServer> server_;
    Recorder client_;
    std::vector<std::shared_ptr<HttpResponder>> kept_;
    int requests_ = 0;
    int gone_ = 0;
    std::string peer_;
};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
    serve();
    send("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(wait("GET /a?b=c "));
    EXPECT_EQ(
        client_.received,
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nContent-Type: text/plain\r\n\r\nGET /a?b=c ");
    EXPECT_TRUE(peer_.starts_with("127.0.0.1:"));
    send("POST /two HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    ASSERT_TRUE(wait("POST /two abc"));
    EXPECT_EQ(server_->connections(), 1U);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
    serve();
    std::string text;
    std::string expected;
    for (int i = 0; i < 100; ++i) {
        text += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
        expected += "GET /" + std::to_string(i) + " \n";
    }
    send(text);
    ASSERT_TRUE(wait("HTTP/1.1 200", 100));
    std::size_t at = 0;
    for (int i = 0; i < 100; ++i) {
        at = client_.received.find("GET /" + std::to_string(i) + " ", at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST_F(HttpServerTest, TheNextRequestWaitsForALateAnswer) {
    serve();
    send("GET /later HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until(loop_, [&] { return requests_ == 1; }));
    for (int i = 0; i < 5; ++i) {
        loop_.again();
        loop_.turn();
    }
    EXPECT_EQ(requests_, 1);
    EXPECT_EQ(client_.received, "");
    HttpResponse response;
    response.body = "\"late\"";
    EXPECT_FALSE(kept_[0]->gone());
    kept_[0]->respond(response);
    kept_[0]->respond(response);  // No effect.
    EXPECT_TRUE(kept_[0]->gone());
    ASSERT_TRUE(wait("GET /after "));
    EXPECT_EQ(count(client_.received, "late"), 1U);
    EXPECT_LT(client_.received.find("late"), client_.received.find("/after"));
    EXPECT_EQ(gone_, 0);
}

TEST_F(HttpServerTest, ByteByByte) {
    serve();
    const std::string text = "POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
    ASSERT_TRUE(run_until(loop_, [&] { return client_.opened; }));
    for (const char byte : text) {
        send({&byte, 1});
        for (int i = 0; i < 3; ++i) {
            loop_.again();
            loop_.turn();
        }
    }
    EXPECT_TRUE(wait("POST /x hello"));
}

TEST_F(HttpServerTest, MalformedAndOversizeAreAnsweredAndClosed) {
    HttpServerOptions options;
    options.limits = {512, 100};
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nA: " + std::string(600, 'x'), "HTTP/1.1 431 "},
        {"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", "HTTP/1.1 413 "},
    };
    for (const auto& [text, answer] : cases) {
        SCOPED_TRACE(answer);
        client_ = Recorder();
        serve(options);
        send(text);
        ASSERT_TRUE(closed());
        EXPECT_TRUE(client_.received.starts_with(answer)) << client_.received;
        EXPECT_NE(client_.received.find("Connection: close"), std::string::npos);
        EXPECT_EQ(requests_, 0);
        EXPECT_EQ(server_->connections(), 0U);
    }
}

TEST_F(HttpServerTest, ClosesWhenAskedTo) {
    serve();
    send("GET /bye HTTP/1.1\r\nConnection: close\r\n\r\nGET /ignored HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(closed());
    EXPECT_EQ(count(client_.received, "HTTP/1.1 200"), 1U);
    EXPECT_EQ(requests_, 1);
}

TEST_F(HttpServerTest, AnswersAClientThatHasClosedItsSide) {
    serve();
    send("GET /half HTTP/1.1\r\n\r\n");
    client_.stream->finish();
    ASSERT_TRUE(closed());
    EXPECT_EQ(count(client_.received, "GET /half"), 1U);
}

TEST_F(HttpServerTest, ALateAnswerIsToldThatTheClientWent) {
    serve();
    send("GET /later HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until(loop_, [&] { return requests_ == 1; }));
    client_.stream.reset();
    ASSERT_TRUE(run_until(loop_, [&] { return gone_ == 1; }));
    EXPECT_TRUE(kept_[0]->gone());
    kept_[0]->respond({});
    EXPECT_TRUE(run_until(loop_, [&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, AResponderMayOutliveTheServerAndHoldItself) {
    serve();
    send("GET /later HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until(loop_, [&] { return requests_ == 1; }));
    kept_[0]->on_gone([self = kept_[0]] {});  // A cycle: must not leak.
    server_.reset();
    EXPECT_TRUE(kept_[0]->gone());
    kept_[0]->respond({});
    EXPECT_TRUE(closed());
    EXPECT_EQ(client_.received, "");
}

TEST_F(HttpServerTest, AResponderThatIsDroppedAnswers500) {
    serve();
    send("GET /lost HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(wait("HTTP/1.1 500 Internal Server Error"));
    send("GET /next HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(wait("GET /next"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
    serve();
    send("HEAD /h HTTP/1.1\r\n\r\nGET /g HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(wait("GET /g "));
    EXPECT_EQ(count(client_.received, "HEAD /h"), 0U);
    EXPECT_EQ(count(client_.received, "Content-Length: 8"), 1U);
}

TEST_F(HttpServerTest, ContinuesWhenTheClientWaits) {
    serve();
    send("POST /c HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    ASSERT_TRUE(wait("HTTP/1.1 100 Continue\r\n\r\n"));
    send("ok");
    EXPECT_TRUE(wait("POST /c ok"));
}

TEST_F(HttpServerTest, OneConnectionTooManyIsTurnedAway) {
    HttpServerOptions options;
    options.connections_max = 1;
    serve(options);
    ASSERT_TRUE(run_until(loop_, [&] { return server_->connections() == 1; }));
    Recorder second;
    second.stream = connect(second);
    ASSERT_TRUE(run_until(loop_, [&] { return second.ends > 0; }));
    EXPECT_TRUE(second.received.starts_with("HTTP/1.1 503 "));
    send("GET /still HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(wait("GET /still"));
}

TEST_F(HttpServerTest, ASlowRequestTimesOutAndAnIdleConnectionCloses) {
    HttpServerOptions options;
    options.request_timeout_ms = 1;
    options.idle_timeout_ms = 60'000;
    serve(options);
    send("GET /slow HTTP/1.1\r\n");
    ASSERT_TRUE(closed());
    EXPECT_TRUE(client_.received.starts_with("HTTP/1.1 408 ")) << client_.received;
    options.request_timeout_ms = 60'000;
    options.idle_timeout_ms = 1;
    client_ = Recorder();
    serve(options);
    ASSERT_TRUE(closed());
    EXPECT_EQ(client_.received, "");
    EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(HttpServerTest, ManyLargeAnswersPushBack) {
    serve();
    ASSERT_TRUE(run_until(loop_, [&] { return client_.opened; }));
    client_.stream->pause_reading();
    std::string text;
    for (int i = 0; i < 30; ++i) {
        text += "GET /big HTTP/1.1\r\n\r\n";
    }
    send(text);
    ASSERT_TRUE(run_until(loop_, [&] { return requests_ > 0; }));
    for (int i = 0; i < 50; ++i) {
        loop_.again();
        loop_.turn();
    }
    EXPECT_LT(requests_, 30);  // The rest waits until the client reads.
    client_.stream->resume_reading();
    ASSERT_TRUE(run_until(loop_, [&] { return client_.received.size() > (30U << 20); }));
    EXPECT_EQ(requests_, 30);
}

TEST_F(HttpServerTest, SpeaksTls) {
    HttpServerOptions options;
    options.tls = TestCerts::get().server();
    serve(options);
    Recorder client;
    client.stream = TcpStream::connect(
        loop_, {"127.0.0.1", server_->port(), TestCerts::get().client(), "localhost"}, client);
    client.stream->write("GET /secret HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until(loop_, [&] { return count(client.received, "GET /secret") == 1; }));
    // Plain HTTP on the TLS port is closed, and the server goes on.
    send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(closed());
    EXPECT_EQ(server_->connections(), 1U);
}

// On a connection that is there: the handshake would refuse it.
TEST_F(HttpServerTest, ACertificateThatHasEndedIsRefused) {
    HttpServerOptions options;
    options.tls = TestCerts::get().server(certs::Verify::kOptional);
    std::uint64_t later_ms = 0;
    options.wall_ms = [&] { return SystemClock().wall_ms() + later_ms; };
    serve(options);
    Recorder client;
    client.stream = TcpStream::connect(
        loop_,
        {"127.0.0.1", server_->port(), TestCerts::get().client("/devices/plant_dev7"), "localhost"},
        client);
    client.stream->write("GET /one HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until(loop_, [&] { return count(client.received, "GET /one") == 1; }));
    constexpr std::uint64_t kYearsMs = 4 * 365 * 86'400'000ULL;
    later_ms = kYearsMs;
    client.stream->write("GET /two HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until(loop_, [&] { return client.ends > 0; }));
    EXPECT_EQ(count(client.received, "HTTP/1.1 403 "), 1U);
    EXPECT_EQ(requests_, 1);
}

TEST_F(HttpServerTest, TheRequestsOfAllConnectionsHaveALimit) {
    HttpServerOptions options;
    options.requests_bytes_max = 10'000;
    serve(options);
    const auto post = [](std::size_t bytes) {
        return "POST /later HTTP/1.1\r\nContent-Length: 6000\r\n\r\n" + std::string(bytes, 'x');
    };
    // One that is being answered and one that is coming in.
    send(post(6'000));
    ASSERT_TRUE(run_until(loop_, [&] { return requests_ == 1; }));
    Recorder second;
    second.stream = connect(second);
    second.stream->write(post(2'000));
    Recorder third;
    third.stream = connect(third);
    third.stream->write(post(3'000));
    ASSERT_TRUE(run_until(loop_, [&] { return third.ends + second.ends > 0; }));
    EXPECT_EQ(count(second.received + third.received, "HTTP/1.1 503 "), 1U);
    EXPECT_EQ(count(second.received + third.received, "Retry-After: 1"), 1U);
    // Answered, it counts no more.
    kept_[0]->respond({});
    ASSERT_TRUE(wait("HTTP/1.1 200"));
    send(post(6'000));
    ASSERT_TRUE(run_until(loop_, [&] { return requests_ == 2; }));
    kept_[1]->respond({});
    EXPECT_TRUE(wait("HTTP/1.1 200", 2));
}

TEST_F(HttpServerTest, APortInUseIsOneLine) {
    serve();
    HttpServerOptions options;
    options.port = server_->port();
    const auto second = HttpServer::listen(loop_, options, [](auto, auto, auto) {});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("address already in use"), std::string::npos);
}

}  // namespace
}  // namespace causeway::io
