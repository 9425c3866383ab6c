// Who is let in to the API, by what it shows and where it comes from.
#include "gateway/api/guard.h"

#include <gtest/gtest.h>

#include "core/io/http_connection.h"

namespace causeway::api {
namespace {

class GuardTest : public testing::Test {
protected:
    using Headers = std::vector<std::pair<std::string, std::string>>;

    explicit GuardTest(bool required = false) {
        options_.required = required;
        options_.operators = {{"ann", access::Role::kAdmin}};
    }
    // What GET /v1/queues is answered; 200: it was let in.
    int ask(Headers headers, const std::string& operator_name = "",
            std::string_view peer = "127.0.0.1:9") {
        Guard guard(loop_, options_, directory_, nullptr);
        io::HttpRequest request;
        request.method = "GET";
        request.target = request.path = "/v1/queues";
        request.headers = std::move(headers);
        request.client_name = operator_name;
        int status = 0;
        io::HttpResponder responder(std::make_shared<io::HttpExchange>());
        responder.filter([&](const io::HttpResponse& response, const io::HttpResponder&) {
            status = response.status;
        });
        guard.admit(std::move(request), std::move(responder), peer,
                    [&](const io::HttpRequest&, io::HttpResponder to, const access::Principal&) {
                        to.respond({});
                    });
        foreign_ += guard.refused().foreign;
        return status;
    }

    io::Loop loop_;
    AccessOptions options_;
    registry::Directory directory_;
    std::uint64_t foreign_ = 0;
};

TEST_F(GuardTest, WhoIsOnThisMachineIsAnAdminByItsNames) {
    EXPECT_EQ(ask({}), 200);
    EXPECT_EQ(ask({{"Host", "localhost:8080"}}), 200);
    EXPECT_EQ(ask({{"Host", "127.0.0.1"}, {"Origin", "http://127.0.0.1"}}), 200);
    EXPECT_EQ(ask({{"Host", "[::1]:8080"}}, "", "[::1]:9"), 200);
    EXPECT_EQ(ask({}, "", "10.0.0.7:9"), 401);
}

TEST_F(GuardTest, APageOfAnotherOriginIsNot) {
    EXPECT_EQ(ask({{"Host", "127.evil.example:8080"}}), 403);
    EXPECT_EQ(ask({{"Host", "127.0.0.1.evil.example"}}), 403);
    EXPECT_EQ(ask({{"Host", "evil.example"}}), 403);
    EXPECT_EQ(ask({{"Host", "localhost:8080"}, {"Origin", "http://evil.example"}}), 403);
    EXPECT_EQ(ask({{"Host", "localhost:8080"}, {"Origin", "http://localhost:3000"}}), 403);
    EXPECT_EQ(ask({{"Host", "localhost:8080"}, {"Origin", "null"}}), 403);
    EXPECT_EQ(foreign_, 6U);
}

// A browser shows an operator's certificate for whatever page asks it to.
TEST_F(GuardTest, NorWithTheCertificateOfAnOperator) {
    const std::string host = "hub.example:8443";
    EXPECT_EQ(ask({{"Host", host}}, "operator:ann", "10.0.0.7:9"), 200);
    EXPECT_EQ(ask({{"Host", host}, {"Origin", "https://" + host}}, "operator:ann", "10.0.0.7:9"),
              200);
    EXPECT_EQ(ask({{"Host", host}, {"Origin", "https://evil.example"}}, "operator:ann"), 403);
    EXPECT_EQ(ask({{"Host", host}, {"Origin", "null"}}, "operator:ann"), 403);
    EXPECT_EQ(foreign_, 2U);
    EXPECT_EQ(ask({{"Host", host}}, "operator:eve"), 403);
    EXPECT_EQ(foreign_, 2U);
}

}  // namespace
}  // namespace causeway::api
