#include "core/raft/progress.h"

#include <gtest/gtest.h>

namespace causeway::raft {
namespace {

constexpr WindowLimits kSmall{.count_max = 2, .bytes_max = 100};

Progress replicating(Index match) {
    Progress progress(match.next(), kSmall);
    progress.on_accepted(match);
    return progress;
}

TEST(Progress, ProbesOnceThenWaits) {
    Progress progress(Index(5), kSmall);
    EXPECT_EQ(progress.state(), ProgressState::kProbe);
    ASSERT_TRUE(progress.may_send());
    progress.on_sent(3, 30, Index(0));
    EXPECT_FALSE(progress.may_send());
    EXPECT_EQ(progress.next(), Index(5)) << "only the answer tells where to go on";
    progress.on_heartbeat_response(Index(0), Index(9));
    EXPECT_TRUE(progress.may_send());
}

TEST(Progress, AcceptedProbeOpensTheWindow) {
    Progress progress(Index(5), kSmall);
    progress.on_sent(3, 30, Index(0));
    EXPECT_TRUE(progress.on_accepted(Index(7)));
    EXPECT_EQ(progress.state(), ProgressState::kReplicate);
    EXPECT_EQ(progress.match(), Index(7));
    EXPECT_EQ(progress.next(), Index(8));
    EXPECT_FALSE(progress.on_accepted(Index(6))) << "an older answer is no news";
    EXPECT_EQ(progress.match(), Index(7));
}

TEST(Progress, WindowIsBoundedByCountAndBytes) {
    Progress progress = replicating(Index(1));
    progress.on_sent(1, 10, Index(0));
    progress.on_sent(1, 10, Index(0));
    EXPECT_TRUE(progress.window_full());
    EXPECT_EQ(progress.next(), Index(4));
    progress.on_accepted(Index(2));
    EXPECT_FALSE(progress.window_full());
    EXPECT_EQ(progress.window_left(), 90U);
    progress.on_sent(5, 90, Index(0));
    EXPECT_TRUE(progress.window_full());
    progress.on_accepted(Index(8));
    EXPECT_EQ(progress.window_count(), 0U);
    EXPECT_EQ(progress.window_bytes(), 0U);
    progress.on_sent(1, 5000, Index(0));  // One large message may go alone.
    EXPECT_TRUE(progress.window_full());
}

TEST(Progress, RefusalWhileReplicatingGoesBackToTheMatch) {
    Progress progress = replicating(Index(4));
    progress.on_sent(2, 20, Index(4));
    EXPECT_FALSE(progress.on_rejected(Index(3), Index(1))) << "overtaken by the answer for 4";
    EXPECT_TRUE(progress.on_rejected(Index(6), Index(4)));
    EXPECT_EQ(progress.state(), ProgressState::kProbe);
    EXPECT_EQ(progress.next(), Index(5));
    EXPECT_EQ(progress.window_bytes(), 0U);
}

TEST(Progress, RefusalWhileProbingFollowsTheHint) {
    Progress progress(Index(20), kSmall);
    progress.on_sent(0, 0, Index(0));
    EXPECT_FALSE(progress.on_rejected(Index(7), Index(2))) << "not the one that was asked";
    EXPECT_TRUE(progress.on_rejected(Index(19), Index(11)));
    EXPECT_EQ(progress.next(), Index(12));
    EXPECT_TRUE(progress.may_send());
    EXPECT_TRUE(progress.on_rejected(Index(11), Index(50))) << "a hint never leads forward";
    EXPECT_EQ(progress.next(), Index(11));
}

TEST(Progress, AnnouncesEachCommitOnce) {
    Progress progress = replicating(Index(4));
    EXPECT_TRUE(progress.wants_empty(Index(4)));
    progress.on_sent(0, 0, Index(4));
    EXPECT_FALSE(progress.wants_empty(Index(4)));
    progress.on_heartbeat_response(Index(4), Index(4));
    EXPECT_FALSE(progress.wants_empty(Index(4)));
    progress.on_heartbeat_response(Index(3), Index(4));  // It was lost.
    EXPECT_TRUE(progress.wants_empty(Index(4)));
}

TEST(Progress, HeartbeatAnswerOfOneBehindMakesTheLeaderAsk) {
    Progress progress = replicating(Index(4));
    progress.on_sent(1, 10, Index(0));
    EXPECT_FALSE(progress.wants_empty(Index(0)));
    progress.on_heartbeat_response(Index(0), Index(5));
    EXPECT_TRUE(progress.recently_active);
    EXPECT_TRUE(progress.wants_empty(Index(0)));
}

// Found by the simulation of whole clusters, seed 13: a new leader whose link to a follower was reset
// before the first answer asked for entries from 1 on, which were compacted.
TEST(Progress, AClosedConnectionKeepsThePlaceOfAProbe) {
    Progress progress(Index(9), kSmall);
    const Index next = progress.next();
    EXPECT_GT(next, Index(1));
    progress.become_probe();
    EXPECT_EQ(progress.next(), next);
    EXPECT_TRUE(progress.may_send());
}

TEST(Progress, SnapshotPausesUntilReported) {
    Progress progress(Index(2), kSmall);
    progress.on_snapshot_sent(Index(10));
    EXPECT_EQ(progress.state(), ProgressState::kSnapshot);
    EXPECT_FALSE(progress.may_send());
    EXPECT_FALSE(progress.on_rejected(Index(1), Index(0)));
    progress.become_probe();  // A closed connection does not end the stream by itself.
    EXPECT_EQ(progress.state(), ProgressState::kSnapshot);
    progress.on_snapshot_reported(true);
    EXPECT_EQ(progress.state(), ProgressState::kProbe);
    EXPECT_EQ(progress.next(), Index(11));
    EXPECT_FALSE(progress.may_send()) << "waits for a sign of life";
}

TEST(Progress, FailedSnapshotStartsAgain) {
    Progress progress(Index(2), kSmall);
    progress.on_snapshot_sent(Index(10));
    progress.on_snapshot_reported(false);
    EXPECT_EQ(progress.next(), Index(1));
    progress.on_heartbeat_response(Index(0), Index(20));
    EXPECT_TRUE(progress.may_send());
    progress.on_snapshot_reported(true);  // Late, of the one given up.
    EXPECT_EQ(progress.next(), Index(1));
}

TEST(Progress, InstalledSnapshotIsAnAcceptedIndex) {
    Progress progress(Index(2), kSmall);
    progress.on_snapshot_sent(Index(10));
    EXPECT_TRUE(progress.on_accepted(Index(10)));
    EXPECT_EQ(progress.match(), Index(10));
    EXPECT_EQ(progress.next(), Index(11));
    EXPECT_TRUE(progress.may_send());
}

}  // namespace
}  // namespace causeway::raft
