#include "core/replica/snapshot_receiver.h"

#include <utility>

namespace causeway::replica {
namespace {

bool same(const raft::SnapshotMeta& a, const raft::SnapshotMeta& b) {
    return a.index == b.index && a.term == b.term && a.configuration == b.configuration;
}

}  // namespace

bool SnapshotReceiver::holds(const raft::SnapshotMeta& meta) const {
    return state_ == State::kAll && same(meta_, meta);
}

void SnapshotReceiver::on_chunk(SnapshotChunk chunk, Actions& out) {
    if (chunk.transfer < newest_ || !raft::well_formed(chunk.meta.configuration)) {
        out.emplace_back(SnapshotAck{chunk.transfer, 0, true});
        return;
    }
    const bool newer = chunk.transfer > newest_;
    const bool here_already =
        newer ? holds(chunk.meta) : state_ == State::kAll || state_ == State::kInstalled;
    if (here_already) {
        newest_ = chunk.transfer;
        out.emplace_back(SnapshotAck{chunk.transfer, kNothingWanted, false});
        return;
    }
    if (newer || state_ == State::kNone) {
        if (chunk.number != 0) {
            out.emplace_back(SnapshotAck{chunk.transfer, 0, false});
            return;
        }
        begin(chunk, out);
    }
    take(chunk, out);
}

void SnapshotReceiver::begin(const SnapshotChunk& chunk, Actions& out) {
    clear(State::kTaking);
    newest_ = chunk.transfer;
    meta_ = chunk.meta;
    out.emplace_back(Begin{meta_});
}

void SnapshotReceiver::take(SnapshotChunk& chunk, Actions& out) {
    idle_ticks_ = 0;
    if (chunk.number != accepted_ || count_) {
        if (waiting_.empty()) {  // Else the answers to what is being added are on their way.
            out.emplace_back(SnapshotAck{newest_, added_, false});
        }
        return;
    }
    const auto number = state::check_chunk(chunk.bytes.view());
    const std::size_t bytes = chunk.bytes.size();
    if (!number || *number != chunk.number || bytes > options_.chunks_bytes_max ||
        !same(chunk.meta, meta_)) {
        out.emplace_back(SnapshotAck{newest_, accepted_, true});
        return;
    }
    if (waiting_bytes_ + bytes > options_.chunks_bytes_max) {
        return;
    }
    waiting_.push_back(Waiting{chunk.number, std::move(chunk.bytes)});
    waiting_bytes_ += bytes;
    ++accepted_;
    if (chunk.last) {
        count_ = accepted_;
    }
    add_next(out);
}

void SnapshotReceiver::add_next(Actions& out) {
    if (!adding_ && !waiting_.empty()) {
        adding_ = true;
        out.emplace_back(Add{newest_, waiting_.front().number, waiting_.front().bytes});
    }
}

void SnapshotReceiver::on_added(TransferId transfer, std::uint64_t number, bool added,
                                Actions& out) {
    if (transfer != newest_ || !adding_ || number != added_) {
        return;  // Of what was replaced or abandoned meanwhile.
    }
    idle_ticks_ = 0;
    adding_ = false;
    if (!added) {
        waiting_.clear();
        waiting_bytes_ = 0;
        accepted_ = added_;
        count_.reset();
        out.emplace_back(SnapshotAck{newest_, added_, true});
        return;
    }
    waiting_bytes_ -= waiting_.front().bytes.size();
    waiting_.pop_front();
    ++added_;
    if (added_ == count_) {
        state_ = State::kAll;
    }
    out.emplace_back(SnapshotAck{newest_, added_, false});
    add_next(out);
}

void SnapshotReceiver::tick(Actions& out) {
    if (busy() && !adding_ && ++idle_ticks_ >= options_.give_up_ticks) {
        abandon(out);
    }
}

void SnapshotReceiver::installed() { clear(State::kInstalled); }

void SnapshotReceiver::abandon(Actions& out) {
    if (busy()) {
        clear(State::kNone);
        out.emplace_back(Abandon{});
    }
}

void SnapshotReceiver::clear(State state) {
    state_ = state;
    waiting_.clear();
    waiting_bytes_ = 0;
    adding_ = false;
    added_ = 0;
    accepted_ = 0;
    count_.reset();
    idle_ticks_ = 0;
}

}  // namespace causeway::replica
