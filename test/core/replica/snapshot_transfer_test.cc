// The two machines of a snapshot transfer, step by step.
#include "core/replica/snapshot_transfer.h"

#include <gtest/gtest.h>

#include "core/replica/snapshot_receiver.h"
#include "test/sim/kv/memory_snapshot.h"

namespace causeway::replica {
namespace {

constexpr NodeId kLeader{1};
constexpr NodeId kFollower{2};

raft::SnapshotMeta meta_at(std::uint64_t index) {
    return raft::SnapshotMeta{Index(index), Term(3), raft::Configuration{{kLeader, kFollower}, {}}};
}

raft::Message install_of(const raft::SnapshotMeta& meta, Term term = Term(5)) {
    return raft::Message{kLeader, kFollower, term, raft::InstallSnapshot{meta}};
}

std::string chunk_bytes(std::uint64_t number, std::size_t size = 10) {
    std::string bytes;
    state::ChunkWriter writer(bytes, number, 1U << 20);
    writer.add("key" + std::to_string(number), std::string(size, 'v'));
    writer.seal();
    return bytes;
}

SnapshotChunk chunk(std::uint64_t number, bool last = false, TransferId transfer = 8,
                    std::size_t size = 10) {
    return SnapshotChunk{meta_at(40), transfer, number, last,
                         SharedBytes::take(chunk_bytes(number, size))};
}

// --- sender ------------------------------------------------------------------------------------

class SenderTest : public testing::Test {
protected:
    SenderTest() { restart({}); }
    void restart(const SnapshotSenderOptions& options) {
        sender_ = std::make_unique<SnapshotSender>(options, 8, install_of(meta_at(40)));
    }
    // Chunks the sender lets go now, of a table of `count` chunks.
    std::vector<std::uint64_t> sent(std::uint64_t count = 10) {
        std::vector<std::uint64_t> numbers;
        while (const auto at = sender_->next_read()) {
            EXPECT_EQ(at->key, at->number == 0 ? "" : "key" + std::to_string(at->number));
            const auto chunk = sender_->on_piece(piece(*at, count));
            if (chunk) {
                numbers.push_back(chunk->number);
                EXPECT_EQ(chunk->last, chunk->number + 1 == count);
                EXPECT_EQ(chunk->meta.index, Index(40));
            }
        }
        return numbers;
    }
    static SnapshotPiece piece(const state::SnapshotPosition& at, std::uint64_t count) {
        return SnapshotPiece{at,
                             {at.number + 1, "key" + std::to_string(at.number + 1)},
                             at.number + 1 == count,
                             SharedBytes::take(chunk_bytes(at.number))};
    }
    void ack(std::uint64_t next, bool refused = false) { sender_->on_ack({8, next, refused}); }

    std::unique_ptr<SnapshotSender> sender_;
    using Numbers = std::vector<std::uint64_t>;
};

TEST_F(SenderTest, SendsAWindowAndGoesOnWithEachAck) {
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    EXPECT_EQ(sent(), Numbers{});
    ack(1);
    EXPECT_EQ(sent(), Numbers{4});
    ack(4);
    EXPECT_EQ(sent(), (Numbers{5, 6, 7}));
    ack(8);
    EXPECT_EQ(sent(), (Numbers{8, 9}));
    ack(9);
    EXPECT_EQ(sender_->state(), TransferState::kSending);
    ack(10);
    EXPECT_EQ(sender_->state(), TransferState::kDelivered);
    EXPECT_EQ(sent(), Numbers{});
    EXPECT_EQ(sender_->install().to, kFollower);
}

TEST_F(SenderTest, ReadsOneChunkAtATime) {
    const auto at = sender_->next_read();
    ASSERT_TRUE(at);
    EXPECT_FALSE(sender_->next_read());
    EXPECT_TRUE(sender_->on_piece(piece(*at, 10)));
    EXPECT_TRUE(sender_->next_read());
}

TEST_F(SenderTest, GoesBackOncePerMissingChunk) {
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    ack(1);
    EXPECT_EQ(sent(), Numbers{4});
    ack(1);  // 1 is missing: 2, 3 and 4 each ask for it.
    EXPECT_EQ(sent(), (Numbers{1, 2, 3, 4}));
    ack(1);
    ack(1);
    EXPECT_EQ(sent(), Numbers{});
    ack(5);
    EXPECT_EQ(sent(), (Numbers{5, 6, 7, 8}));
    ack(5);
    EXPECT_EQ(sent(), (Numbers{5, 6, 7, 8}));
}

TEST_F(SenderTest, AfterAResetOneChunkAsksWhereToGoOn) {
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    ack(2);
    EXPECT_EQ(sent(), (Numbers{4, 5}));
    sender_->on_reset();
    EXPECT_EQ(sent(), Numbers{2});
    ack(4);  // More had arrived than was known.
    EXPECT_EQ(sent(), (Numbers{4, 5, 6, 7}));
    sender_->on_reset();
    EXPECT_EQ(sent(), Numbers{4});
    ack(0);  // The receiver has restarted.
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    EXPECT_EQ(sender_->acknowledged(), 0U);
}

TEST_F(SenderTest, AStaleAckChangesNothing) {
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    ack(3);
    EXPECT_EQ(sent(), (Numbers{4, 5, 6}));
    ack(0);
    ack(2);
    sender_->on_ack({9, 5, false});
    ack(8);  // Never sent.
    EXPECT_EQ(sent(), Numbers{});
    EXPECT_EQ(sender_->acknowledged(), 3U);
}

TEST_F(SenderTest, AsksAgainAndGivesUpByTicks) {
    restart({.window_chunks = 4, .retry_ticks = 10, .give_up_ticks = 25, .refusals_max = 3});
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    for (int i = 0; i < 10; ++i) {
        sender_->tick();
    }
    EXPECT_EQ(sent(), Numbers{0});
    ack(1);  // Progress: the time starts again.
    for (int i = 0; i < 24; ++i) {
        sender_->tick();
        EXPECT_EQ(sender_->state(), TransferState::kSending);
    }
    sender_->tick();
    EXPECT_EQ(sender_->state(), TransferState::kFailed);
    EXPECT_EQ(sent(), Numbers{});
}

TEST_F(SenderTest, ARefusedChunkIsSentAgainAFewTimes) {
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    ack(2);
    EXPECT_EQ(sent(), (Numbers{4, 5}));
    for (int i = 0; i < 3; ++i) {
        ack(3, true);
        EXPECT_EQ(sent().front(), 3U);
    }
    ack(3, true);
    EXPECT_EQ(sender_->state(), TransferState::kFailed);
}

TEST_F(SenderTest, APieceReadBeforeGoingBackIsNotSent) {
    EXPECT_EQ(sent(3), (Numbers{0, 1, 2}));
    restart({});
    ASSERT_TRUE(sender_->on_piece(piece(*sender_->next_read(), 10)));
    const auto at = sender_->next_read();
    ASSERT_EQ(at->number, 1U);
    sender_->on_reset();
    EXPECT_FALSE(sender_->next_read());
    EXPECT_FALSE(sender_->on_piece(piece(*at, 10)));
    EXPECT_EQ(sent(), Numbers{0});
}

TEST_F(SenderTest, NothingWantedIsDelivered) {
    EXPECT_EQ(sent(), (Numbers{0, 1, 2, 3}));
    ack(kNothingWanted);
    EXPECT_EQ(sender_->state(), TransferState::kDelivered);
}

TEST(TransferId, OfALaterTermIsHigher) {
    EXPECT_LT(transfer_id(Term(5), 0xFFFFF), transfer_id(Term(6), 0));
    EXPECT_LT(transfer_id(Term(5), 1), transfer_id(Term(5), 2));
}

// --- receiver ----------------------------------------------------------------------------------

class ReceiverTest : public testing::Test {
protected:
    // What the receiver answers: "begin", "add 3", "abandon", "ack 4", "refuse 4", each " of 8".
    std::vector<std::string> on(SnapshotChunk chunk) {
        SnapshotReceiver::Actions actions;
        receiver_.on_chunk(std::move(chunk), actions);
        return texts(actions);
    }
    std::vector<std::string> added(std::uint64_t number, bool ok = true, TransferId transfer = 8) {
        SnapshotReceiver::Actions actions;
        receiver_.on_added(transfer, number, ok, actions);
        return texts(actions);
    }
    std::vector<std::string> ticks(unsigned count) {
        SnapshotReceiver::Actions actions;
        while (count-- > 0) {
            receiver_.tick(actions);
        }
        return texts(actions);
    }
    static std::vector<std::string> texts(const SnapshotReceiver::Actions& actions) {
        std::vector<std::string> out;
        for (const auto& action : actions) {
            if (std::holds_alternative<SnapshotReceiver::Begin>(action)) {
                out.emplace_back("begin");
            } else if (const auto* add = std::get_if<SnapshotReceiver::Add>(&action)) {
                out.push_back("add " + std::to_string(add->number));
            } else if (const auto* ack = std::get_if<SnapshotAck>(&action)) {
                out.push_back((ack->refused ? "refuse " : "ack ") + std::to_string(ack->next) +
                              " of " + std::to_string(ack->transfer));
            } else {
                out.emplace_back("abandon");
            }
        }
        return out;
    }
    void take_all(std::uint64_t count, TransferId transfer = 8) {
        for (std::uint64_t number = 0; number < count; ++number) {
            on(chunk(number, number + 1 == count, transfer));
            added(number, true, transfer);
        }
    }

    using Texts = std::vector<std::string>;
    SnapshotReceiver receiver_{{.chunks_bytes_max = 1000, .give_up_ticks = 20}};
};

TEST_F(ReceiverTest, TakesChunksInOrderAndAcknowledgesWhatIsAdded) {
    EXPECT_FALSE(receiver_.busy());
    EXPECT_EQ(on(chunk(0)), (Texts{"begin", "add 0"}));
    EXPECT_TRUE(receiver_.busy());
    EXPECT_EQ(on(chunk(1)), Texts{});  // Waits.
    EXPECT_EQ(added(0), (Texts{"ack 1 of 8", "add 1"}));
    EXPECT_EQ(added(1), Texts{"ack 2 of 8"});
    EXPECT_FALSE(receiver_.holds(meta_at(40)));
    EXPECT_EQ(on(chunk(2, true)), Texts{"add 2"});
    EXPECT_FALSE(receiver_.holds(meta_at(40)));
    EXPECT_EQ(added(2), Texts{"ack 3 of 8"});
    EXPECT_TRUE(receiver_.holds(meta_at(40)));
    EXPECT_FALSE(receiver_.holds(meta_at(41)));
    receiver_.installed();
    EXPECT_FALSE(receiver_.holds(meta_at(40)));
    EXPECT_FALSE(receiver_.busy());
}

TEST_F(ReceiverTest, AnswersDuplicatesAndGapsWithWhatIsWanted) {
    EXPECT_EQ(on(chunk(1)), Texts{"ack 0 of 8"});  // Nothing began.
    EXPECT_FALSE(receiver_.busy());
    on(chunk(0));
    added(0);
    EXPECT_EQ(on(chunk(0)), Texts{"ack 1 of 8"});
    EXPECT_EQ(on(chunk(3)), Texts{"ack 1 of 8"});
    on(chunk(1));
    EXPECT_EQ(on(chunk(1)), Texts{});  // Its answer is on the way.
    EXPECT_EQ(added(1), Texts{"ack 2 of 8"});
    EXPECT_EQ(added(1), Texts{});
}

TEST_F(ReceiverTest, RefusesADamagedChunk) {
    on(chunk(0));
    added(0);
    for (std::size_t at = 0; at < chunk_bytes(1).size(); ++at) {
        SnapshotChunk damaged = chunk(1);
        std::string bytes(damaged.bytes.view());
        bytes[at] ^= 4;
        damaged.bytes = SharedBytes::take(std::move(bytes));
        EXPECT_EQ(on(damaged), Texts{"refuse 1 of 8"});
    }
    SnapshotChunk wrong = chunk(1);
    wrong.bytes = SharedBytes::take(chunk_bytes(2));
    EXPECT_EQ(on(wrong), Texts{"refuse 1 of 8"});
    wrong = chunk(1);
    wrong.meta.index = Index(41);
    EXPECT_EQ(on(wrong), Texts{"refuse 1 of 8"});
    EXPECT_EQ(on(chunk(1, false, 8, 2000)), Texts{"refuse 1 of 8"});
    EXPECT_EQ(on(chunk(1)), Texts{"add 1"});
    on(chunk(2, true));
    EXPECT_EQ(added(1, false), Texts{"refuse 1 of 8"});  // And what waited behind it is dropped.
    EXPECT_EQ(on(chunk(2, true)), Texts{"ack 1 of 8"});
    EXPECT_EQ(on(chunk(1)), Texts{"add 1"});
}

TEST_F(ReceiverTest, AMalformedConfigurationIsRefused) {
    SnapshotChunk bad = chunk(0);
    bad.meta.configuration.voters.clear();
    EXPECT_EQ(on(bad), Texts{"refuse 0 of 8"});
    EXPECT_FALSE(receiver_.busy());
}

TEST_F(ReceiverTest, HoldsBoundedBytes) {
    on(chunk(0));
    for (std::uint64_t number = 1; number < 4; ++number) {
        EXPECT_EQ(on(chunk(number, false, 8, 280)), Texts{});
    }
    EXPECT_EQ(on(chunk(4, false, 8, 280)), Texts{});  // Dropped.
    EXPECT_EQ(added(0), (Texts{"ack 1 of 8", "add 1"}));
    EXPECT_EQ(added(1), (Texts{"ack 2 of 8", "add 2"}));
    EXPECT_EQ(added(2), (Texts{"ack 3 of 8", "add 3"}));
    EXPECT_EQ(added(3), Texts{"ack 4 of 8"});
    EXPECT_EQ(on(chunk(4)), Texts{"add 4"});
}

TEST_F(ReceiverTest, ANewerTransferReplacesAnOlderOne) {
    on(chunk(0));
    EXPECT_EQ(on(chunk(1, false, 9)), Texts{"ack 0 of 9"});  // Begins with its first chunk.
    EXPECT_EQ(on(chunk(0, false, 9)), (Texts{"begin", "add 0"}));
    EXPECT_EQ(added(0, true, 8), Texts{});
    EXPECT_EQ(on(chunk(1, false, 8)), Texts{"refuse 0 of 8"});
    EXPECT_EQ(added(0, true, 9), Texts{"ack 1 of 9"});
}

TEST_F(ReceiverTest, WhatIsHereAlreadyIsNotSentAgain) {
    take_all(3);
    EXPECT_EQ(on(chunk(2, true)), (Texts{"ack " + std::to_string(kNothingWanted) + " of 8"}));
    EXPECT_EQ(on(chunk(0, false, 9)), (Texts{"ack " + std::to_string(kNothingWanted) + " of 9"}));
    EXPECT_TRUE(receiver_.holds(meta_at(40)));
    receiver_.installed();
    EXPECT_EQ(on(chunk(0, false, 9)), (Texts{"ack " + std::to_string(kNothingWanted) + " of 9"}));
    EXPECT_EQ(on(chunk(0, false, 10)), (Texts{"begin", "add 0"}));
}

TEST_F(ReceiverTest, AbandonsWhatNobodyGoesOnWith) {
    on(chunk(0));
    EXPECT_EQ(ticks(50), Texts{});  // The store is slow, not the sender.
    added(0);
    EXPECT_EQ(ticks(19), Texts{});
    EXPECT_EQ(on(chunk(1)), Texts{"add 1"});
    added(1);
    EXPECT_EQ(ticks(19), Texts{});
    EXPECT_EQ(ticks(30), Texts{"abandon"});
    EXPECT_FALSE(receiver_.busy());
    EXPECT_EQ(on(chunk(2)), Texts{"ack 0 of 8"});
    EXPECT_EQ(on(chunk(0)), (Texts{"begin", "add 0"}));
}

TEST_F(ReceiverTest, WhatRaftDidNotWantIsAbandoned) {
    take_all(2);
    SnapshotReceiver::Actions actions;
    receiver_.abandon(actions);
    receiver_.abandon(actions);
    EXPECT_EQ(texts(actions), Texts{"abandon"});
}

}  // namespace
}  // namespace causeway::replica
