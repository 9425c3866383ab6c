// The test of the tests: with each planted bug (core/base/seeded_bug.h) the random runs must report
// a violation within 300 seeds; without one they must be silent. A bug may also end the process by
// one of the machine's own checks, so each hunt is a process of its own that leaves its last words
// in shared memory and its standard error in a file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "core/base/check.h"
#include "core/base/seeded_bug.h"
#include "test/core/raft/random_run.h"

namespace causeway::raft::test {
namespace {

constexpr std::uint64_t kSeedsMax = 300;

struct Named {
    SeededBug bug;
    const char* name;
};

constexpr Named kBugs[] = {
    {SeededBug::kCommitOldTermByCounting, "CommitOldTermByCounting"},
    {SeededBug::kEchoLastIndex, "EchoLastIndex"},
    {SeededBug::kAcknowledgeByIndexOnly, "AcknowledgeByIndexOnly"},
    {SeededBug::kClearVoteAtStepDown, "ClearVoteAtStepDown"},
    {SeededBug::kTruncateOnDuplicate, "TruncateOnDuplicate"},
    {SeededBug::kAcknowledgeBeforeFsync, "AcknowledgeBeforeFsync"},
    {SeededBug::kOwnVoteBeforeFsync, "OwnVoteBeforeFsync"},
    {SeededBug::kCommitBeyondVerified, "CommitBeyondVerified"},
    {SeededBug::kVoteBeforeDurable, "VoteBeforeDurable"},
    {SeededBug::kNextNotAboveMatch, "NextNotAboveMatch"},
    {SeededBug::kSnapshotKeepsConfiguration, "SnapshotKeepsConfiguration"},
    {SeededBug::kPreVoteResetsTimer, "PreVoteResetsTimer"},
    {SeededBug::kChangeBeforeOwnTerm, "ChangeBeforeOwnTerm"},
};

// What the hunting process leaves behind.
struct Words {
    std::uint64_t seed;
    bool membership;
    char text[2000];
};

struct Found {
    bool found = false;
    std::uint64_t seed = 0;
    bool membership = false;
    std::string text;
};

// Runs in the child. Odd seeds have a fixed membership, even ones a changing one.
[[noreturn]] void hunt_in_child(SeededBug bug, std::uint64_t seeds, Words& words) {
    seeded_bug = bug;
    RunTotals totals;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        words.seed = seed;
        words.membership = seed % 2 == 0;
        const std::string failure =
            random_run({.seed = seed, .membership = words.membership}, totals);
        if (!failure.empty()) {
            std::strncpy(words.text, failure.c_str(), sizeof words.text - 1);
            std::_Exit(1);
        }
    }
    std::_Exit(0);
}

std::string read_all(std::FILE* file) {
    std::string text(2000, '\0');
    std::rewind(file);
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
}

Found hunt(SeededBug bug, std::uint64_t seeds) {
    void* memory =
        mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CW_CHECK(memory != MAP_FAILED);
    Words& words = *new (memory) Words{};
    std::FILE* errors = std::tmpfile();
    CW_CHECK(errors != nullptr);
    std::fflush(nullptr);
    const pid_t child = fork();
    CW_CHECK(child >= 0);
    if (child == 0) {
        dup2(fileno(errors), STDERR_FILENO);
        hunt_in_child(bug, seeds, words);
    }
    int status = 0;
    CW_CHECK(waitpid(child, &status, 0) == child);
    Found found{.found = !WIFEXITED(status) || WEXITSTATUS(status) != 0,
                .seed = words.seed,
                .membership = words.membership,
                .text = words.text};
    if (found.text.empty()) {
        found.text = read_all(errors);
    }
    std::fclose(errors);
    munmap(memory, sizeof(Words));
    return found;
}

class SeededBugs : public testing::TestWithParam<Named> {};

TEST_P(SeededBugs, IsFound) {
    const Found found = hunt(GetParam().bug, kSeedsMax);
    ASSERT_TRUE(found.found) << GetParam().name << " was not found in " << kSeedsMax << " seeds";
    // A violation of an invariant, by a checker or by the machine's own check: not any crash.
    EXPECT_THAT(found.text, testing::ContainsRegex("I[0-9]+"));
    const std::string line = found.text.substr(0, found.text.find('\n'));
    std::printf("%s: seed %llu (%s): %s\n", GetParam().name,
                static_cast<unsigned long long>(found.seed),
                found.membership ? "membership" : "fixed", line.c_str());
}

INSTANTIATE_TEST_SUITE_P(Raft, SeededBugs, testing::ValuesIn(kBugs),
                         [](const auto& bug) { return std::string(bug.param.name); });

TEST(NoSeededBug, NothingIsFound) {
    const Found found = hunt(SeededBug::kNone, kSeedsMax);
    EXPECT_FALSE(found.found) << "seed " << found.seed << ": " << found.text;
}

}  // namespace
}  // namespace causeway::raft::test
