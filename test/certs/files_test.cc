#include "certs/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "test/certs/support.h"

namespace causeway::certs {
namespace {

TEST(AppendLines, ALineThatACrashHasTornTakesNoOtherWithIt) {
    const Folder folder;
    const std::string path = folder / "list";
    ASSERT_TRUE(append_lines(path, "one\n"));
    spill(path, slurp(path) + "tw");
    ASSERT_TRUE(append_lines(path, "three\nfour\n"));
    ASSERT_TRUE(append_lines(path, "five\n"));
    EXPECT_EQ(slurp(path), "one\ntw\nthree\nfour\nfive\n");
}

TEST(AppendLines, ADiskThatIsFullLeavesTheFileAsItWas) {
    const Folder folder;
    const std::string path = folder / "list";
    ASSERT_TRUE(append_lines(path, "one\n"));
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit small = limit;
    small.rlim_cur = 6;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto appended = append_lines(path, "three\n");
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, before);
    EXPECT_FALSE(appended);
    EXPECT_EQ(slurp(path), "one\n");
}

}  // namespace
}  // namespace causeway::certs
