// The file of tokens' keys, read again when it is another.
#include "gateway/causeway/auth_setup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace causeway::root {
namespace {

class AuthSetupTest : public testing::Test {
protected:
    AuthSetupTest() {
        std::string name = testing::TempDir() + "/auth.XXXXXX";
        folder_ = ::mkdtemp(name.data());
        config_.jwks_file = folder_ + "/jwks.json";
        write("k1");
        EXPECT_TRUE(setup_.open(config_, directory_, options_));
    }
    ~AuthSetupTest() override { std::filesystem::remove_all(folder_); }

    // With the key of this name, renamed into place.
    void write(const std::string& kid) const {
        const std::string fresh = config_.jwks_file + ".new";
        std::ofstream(fresh) << R"({"keys":[{"kty":"oct","kid":")" << kid
                             << R"(","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]})";
        ::chmod(fresh.c_str(), 0600);
        std::filesystem::rename(fresh, config_.jwks_file);
    }

    std::string folder_;
    AuthConfig config_;
    registry::Directory directory_;
    net::AuthOptions options_;
    AuthSetup setup_;
};

TEST_F(AuthSetupTest, WhatFailedOnceIsTriedAgain) {
    EXPECT_EQ(setup_.read_again(), nullptr);
    write("k2");
    // Whoever this is may see the file and not read it: the file stays as it is.
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can be somebody else for a moment";
    }
    constexpr uid_t kNobody = 65'534;
    ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
    ASSERT_EQ(::seteuid(kNobody), 0);
    const auto failed = setup_.read_again();
    ASSERT_EQ(::seteuid(0), 0);
    EXPECT_EQ(failed, nullptr);
    EXPECT_NE(setup_.read_again(), nullptr);
    EXPECT_EQ(setup_.read_again(), nullptr);
}

TEST_F(AuthSetupTest, AnotherFileOfTheSameSizeAndDateIsAnother) {
    const auto date = std::filesystem::last_write_time(config_.jwks_file);
    write("k3");
    std::filesystem::last_write_time(config_.jwks_file, date);
    EXPECT_NE(setup_.read_again(), nullptr);
}

}  // namespace
}  // namespace causeway::root
