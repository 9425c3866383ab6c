// Corked output of one stream; see the header.
#include "core/io/output_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"

namespace causeway::io {
namespace {

constexpr std::size_t kKeptHeadBytesMax = std::size_t{16} * 1024;
constexpr std::size_t kKeptPiecesMax = 256;
// Consumed bytes and pieces are given back once they are this many and at least half, so that a
// queue which never runs empty does not grow, at an amortized constant cost per byte.
constexpr std::size_t kCompactBytes = 4096;
constexpr std::size_t kCompactPieces = 64;

}  // namespace

void OutputQueue::append(std::string_view bytes) {
    if (bytes.empty()) {
        return;
    }
    if (pieces_.size() > first_ && pieces_.back().body.empty()) {
        pieces_.back().size += bytes.size();
    } else {
        pieces_.push_back(Piece{{}, heads_.size(), bytes.size()});
    }
    heads_.append(bytes);
    size_ += bytes.size();
}

void OutputQueue::append(SharedBytes body) {
    if (body.size() <= kCopyMax) {
        append(body.view());
        return;
    }
    const std::size_t bytes = body.size();
    pieces_.push_back(Piece{std::move(body), 0, bytes});
    size_ += bytes;
}

std::string_view OutputQueue::view(const Piece& piece) const {
    return (piece.body.empty() ? std::string_view(heads_) : piece.body.view())
        .substr(piece.offset, piece.size);
}

std::size_t OutputQueue::gather(std::span<std::string_view> views) const {
    const std::size_t count = std::min(views.size(), piece_count());
    for (std::size_t i = 0; i < count; ++i) {
        views[i] = view(pieces_[first_ + i]);
    }
    return count;
}

std::string_view OutputQueue::front(char* scratch, std::size_t max) const {
    if (empty()) {
        return {};
    }
    const std::string_view head = view(pieces_[first_]);
    if (head.size() >= max || piece_count() == 1) {
        return head.substr(0, max);
    }
    std::size_t copied = 0;
    for (std::size_t i = first_; i < pieces_.size() && copied < max; ++i) {
        const std::string_view part = view(pieces_[i]).substr(0, max - copied);
        std::memcpy(scratch + copied, part.data(), part.size());
        copied += part.size();
    }
    return {scratch, copied};
}

void OutputQueue::consume(std::size_t bytes) {
    CW_CHECK(bytes <= size_);
    size_ -= bytes;
    while (bytes > 0) {
        Piece& piece = pieces_[first_];
        const std::size_t part = std::min(bytes, piece.size);
        piece.offset += part;
        piece.size -= part;
        bytes -= part;
        if (piece.size == 0) {
            piece.body = {};
            ++first_;
        }
    }
    if (size_ == 0) {
        heads_.clear();
        pieces_.clear();
        first_ = 0;
    } else {
        compact();
    }
}

void OutputQueue::compact() {
    if (first_ >= kCompactPieces && first_ * 2 >= pieces_.size()) {
        pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    const Piece& front = pieces_[first_];
    const std::size_t dead = front.body.empty() ? front.offset : 0;
    if (dead < kCompactBytes || dead * 2 < heads_.size()) {
        return;
    }
    heads_.erase(0, dead);
    for (std::size_t i = first_; i < pieces_.size(); ++i) {
        if (pieces_[i].body.empty()) {
            pieces_[i].offset -= dead;
        }
    }
}

void OutputQueue::reset() {
    heads_.clear();
    pieces_.clear();
    if (heads_.capacity() > kKeptHeadBytesMax) {
        std::string().swap(heads_);
    }
    if (pieces_.capacity() > kKeptPiecesMax) {
        std::vector<Piece>().swap(pieces_);
    }
    first_ = 0;
    size_ = 0;
}

}  // namespace causeway::io
