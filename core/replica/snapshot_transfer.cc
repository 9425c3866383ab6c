#include "core/replica/snapshot_transfer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/check.h"

namespace causeway::replica {

SnapshotPiece read_piece(state::SnapshotReader& reader, const state::SnapshotPosition& at,
                         std::size_t bytes_max) {
    reader.seek(at);
    std::string chunk;
    const bool more = reader.next(chunk, bytes_max);
    return SnapshotPiece{at, reader.position(), !more, SharedBytes::take(std::move(chunk))};
}

SnapshotSender::SnapshotSender(const SnapshotSenderOptions& options, TransferId transfer,
                               raft::Message install)
    : options_(options), transfer_(transfer), install_(std::move(install)), positions_(1) {
    CW_CHECK(std::holds_alternative<raft::InstallSnapshot>(install_.body));
    CW_CHECK(options_.window_chunks > 0);
}

const raft::SnapshotMeta& SnapshotSender::meta() const {
    return std::get<raft::InstallSnapshot>(install_.body).meta;
}

std::optional<state::SnapshotPosition> SnapshotSender::next_read() {
    const std::uint64_t window = resyncing_ ? 1 : options_.window_chunks;
    const bool all_sent = cursor_ == count_;
    if (state_ != TransferState::kSending || reading_ || all_sent || cursor_ >= acked_ + window) {
        return std::nullopt;
    }
    reading_ = cursor_;
    return positions_[cursor_];
}

std::optional<SnapshotChunk> SnapshotSender::on_piece(const SnapshotPiece& piece) {
    const std::uint64_t number = piece.at.number;
    CW_CHECK(reading_ == number);
    reading_.reset();
    if (piece.last) {
        count_ = number + 1;
    } else if (positions_.size() == number + 1) {
        positions_.push_back(piece.next);
    }
    if (state_ != TransferState::kSending || number != cursor_) {
        return std::nullopt;
    }
    ++cursor_;
    return SnapshotChunk{meta(), transfer_, number, piece.last, piece.bytes};
}

void SnapshotSender::on_ack(const SnapshotAck& ack) {
    if (ack.transfer != transfer_ || state_ != TransferState::kSending) {
        return;
    }
    if (ack.refused && ++refusals_ > options_.refusals_max) {
        state_ = TransferState::kFailed;
        return;
    }
    if (ack.next == kNothingWanted || ack.next == count_) {
        state_ = TransferState::kDelivered;
        return;
    }
    if (ack.next >= positions_.size()) {
        return;  // Beyond what was ever sent.
    }
    if (ack.next > acked_ || resyncing_) {
        // The receiver may be behind, if it has restarted, or ahead of where we asked.
        if (ack.next != acked_) {
            idle_ticks_ = 0;
        }
        cursor_ = resyncing_ ? ack.next : std::max(cursor_, ack.next);
        acked_ = ack.next;
        resyncing_ = false;
        retry_elapsed_ = 0;
        went_back_.reset();
    } else if (ack.next == acked_ && cursor_ > acked_ && went_back_ != acked_) {
        went_back_ = acked_;  // Once: each chunk behind the missing one asks for it.
        cursor_ = acked_;
    }
    if (ack.refused) {
        cursor_ = std::min(cursor_, ack.next);
    }
}

void SnapshotSender::on_reset() { resync(); }

void SnapshotSender::resync() {
    resyncing_ = true;
    went_back_.reset();
    retry_elapsed_ = 0;
    cursor_ = acked_;
}

void SnapshotSender::tick() {
    if (state_ != TransferState::kSending) {
        return;
    }
    ++idle_ticks_;
    if (idle_ticks_ >= options_.give_up_ticks) {
        state_ = TransferState::kFailed;
        return;
    }
    if (++retry_elapsed_ >= options_.retry_ticks) {
        resync();
    }
}

}  // namespace causeway::replica
