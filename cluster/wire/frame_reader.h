// A byte stream cut into frames. Belongs to one connection and its loop; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "cluster/wire/codec.h"
#include "core/base/bytes.h"

namespace causeway::wire {

// Memory: the part of one frame that has arrived; a body is one allocation whatever the pieces it
// came in, made when its head is read and then owned by whoever was handed it.
class FrameReader {
public:
    // Gets every whole frame; false ends the reading, as a malformed size does.
    using Sink = absl::FunctionRef<bool(std::uint8_t type, SharedBytes body)>;

    explicit FrameReader(std::size_t frame_bytes_max = kFrameBytesMax)
        : frame_bytes_max_(frame_bytes_max) {}

    // Effect: takes all of `bytes`, in pieces of any size, and hands out the frames that are whole.
    // False, for this and every later call: a size of 0 or above the limit, or the sink said so.
    bool feed(std::string_view bytes, Sink sink);

    // Type and fields of a frame; holds from the next frame on. May be called by the sink.
    void set_limit(std::size_t frame_bytes_max) { frame_bytes_max_ = frame_bytes_max; }

private:
    bool read_head(std::string_view& bytes);
    [[nodiscard]] bool in_body() const { return head_size_ == kFrameHeadBytes; }

    std::size_t frame_bytes_max_;
    char head_[kFrameHeadBytes] = {};
    std::size_t head_size_ = 0;
    std::size_t body_size_ = 0;  // Of the frame whose head is whole.
    std::string body_;           // What of it has arrived, if it did not come in one piece.
    bool ended_ = false;
};

}  // namespace causeway::wire
