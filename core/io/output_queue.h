// Corked output of one stream: small owned pieces are appended to one contiguous buffer, large
// immutable bodies are kept by reference, and the whole is handed out in order as views for writev
// or for TLS. Pure; owned by one TcpStream.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

namespace causeway::io {

class OutputQueue {
public:
    // A body of at most this size is copied: cheaper than another iovec and a reference count.
    static constexpr std::size_t kCopyMax = 256;

    void append(std::string_view bytes);
    void append(SharedBytes body);

    // Effect: fills `views` with the next bytes in order; returns how many views it filled. The
    // views hold until the next append or consume.
    std::size_t gather(std::span<std::string_view> views) const;
    // The next min(max, size()) bytes as one view: into the queue when they lie together, otherwise
    // copied to `scratch`, which must hold `max` bytes.
    [[nodiscard]] std::string_view front(char* scratch, std::size_t max) const;
    // Effect: forgets the first `bytes` bytes. Precondition: bytes <= size().
    void consume(std::size_t bytes);
    // Effect: empty, and ready for another stream; keeps a small buffer.
    void reset();

    // Bytes not yet consumed.
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    // How many views gather() needs for all.
    [[nodiscard]] std::size_t piece_count() const { return pieces_.size() - first_; }

private:
    // Either a body, or (body empty) the next `size` bytes of heads_ from `offset`.
    struct Piece {
        SharedBytes body;
        std::size_t offset = 0;
        std::size_t size = 0;
    };
    [[nodiscard]] std::string_view view(const Piece& piece) const;
    void compact();

    std::string heads_;
    std::vector<Piece> pieces_;
    std::size_t first_ = 0;  // Pieces before this one are consumed.
    std::size_t size_ = 0;
};

}  // namespace causeway::io
