// The TLS between nodes while its files change: what is made anew, and what goes on.
#include "certs/peer_tls.h"

#include <gmock/gmock.h>

#include <ctime>
#include <fstream>

#include "certs/issue.h"
#include "test/certs/support.h"

namespace causeway::certs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Change = PeerTls::Change;

class Links : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(init_ca(folder_.path()));
        ASSERT_TRUE(issue_node(folder_.path(), "n1", {}));
        ASSERT_TRUE(write_crl(folder_.path(), 30));
        config_ = {folder_ / "nodes/n1.crt", folder_ / "nodes/n1.key", folder_ / "ca.crt",
                   folder_ / "ca.crl"};
    }
    void issue_again(int days = 30) {
        IssueOptions options;
        options.force = true;
        options.days = days;
        ASSERT_TRUE(issue_node(folder_.path(), "n1", {}, options));
    }

    Folder folder_;
    PeerTlsConfig config_;
};

TEST_F(Links, AreReadAgainWhenAFileChanges) {
    auto tls = PeerTls::open(config_);
    ASSERT_TRUE(tls) << tls.error().message;
    const auto server = tls->contexts().server;
    EXPECT_EQ(tls->refresh(false), Change::kNone);
    EXPECT_EQ(tls->contexts().server, server);
    EXPECT_EQ(tls->refresh(true), Change::kContexts) << "asked for";
    issue_again();
    EXPECT_EQ(tls->refresh(false), Change::kContexts);
    EXPECT_NE(tls->contexts().server, server);
    EXPECT_EQ(tls->refresh(false), Change::kNone);
}

TEST_F(Links, ARevocationIsAnotherTrust) {
    auto tls = PeerTls::open(config_);
    ASSERT_TRUE(tls) << tls.error().message;
    ASSERT_TRUE(issue_node(folder_.path(), "n2", {}));
    EXPECT_EQ(tls->refresh(false), Change::kNone) << "another's";
    RevokeTarget target;
    target.serial = list_file(folder_ / "nodes/n2.crt", std::time(nullptr))->at(0).serial;
    ASSERT_TRUE(revoke(folder_.path(), target));
    EXPECT_EQ(tls->refresh(false), Change::kTrust);
}

TEST_F(Links, GoOnWithWhatTheyHaveWhenAFileIsBad) {
    auto tls = PeerTls::open(config_);
    ASSERT_TRUE(tls) << tls.error().message;
    const auto server = tls->contexts().server;
    std::ofstream(folder_ / "nodes/n1.crt") << "nothing of the kind";
    const auto bad = tls->refresh(false);
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message, HasSubstr("n1.crt"));
    EXPECT_EQ(tls->contexts().server, server);
    EXPECT_FALSE(tls->refresh(false)) << "tried again each time";
    issue_again();
    EXPECT_EQ(tls->refresh(false), Change::kContexts);
    config_.ca = folder_ / "none.crt";
    EXPECT_FALSE(PeerTls::open(config_));
}

TEST_F(Links, SayWhatEndsSoon) {
    issue_again(5);
    auto tls = PeerTls::open(config_);
    ASSERT_TRUE(tls) << tls.error().message;
    EXPECT_THAT(tls->warnings(std::time(nullptr), 3), IsEmpty());
    EXPECT_THAT(tls->warnings(std::time(nullptr), 14), ElementsAre(HasSubstr("ends within 14")));
    EXPECT_THAT(tls->warnings(std::time(nullptr) + std::int64_t{6} * 86'400, 3),
                ElementsAre(HasSubstr("has expired")));
    EXPECT_THAT(tls->warnings(std::time(nullptr) + std::int64_t{31} * 86'400, 3),
                ElementsAre(HasSubstr("has expired"), HasSubstr("should have been made anew")));
}

}  // namespace
}  // namespace causeway::certs
