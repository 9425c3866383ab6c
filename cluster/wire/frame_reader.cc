#include "cluster/wire/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace causeway::wire {

// False: the head is not whole yet, or it is malformed (ended_).
bool FrameReader::read_head(std::string_view& bytes) {
    const std::size_t part = std::min(kFrameHeadBytes - head_size_, bytes.size());
    bytes.copy(head_ + head_size_, part);
    head_size_ += part;
    bytes.remove_prefix(part);
    if (!in_body()) {
        return false;
    }
    std::uint32_t size = 0;
    std::memcpy(&size, head_, sizeof(size));
    ended_ = size == 0 || size > frame_bytes_max_;
    body_size_ = size - 1;
    return !ended_;
}

bool FrameReader::feed(std::string_view bytes, Sink sink) {
    while (!ended_) {
        if (!in_body() && !read_head(bytes)) {
            break;
        }
        SharedBytes body;
        if (body_.empty() && bytes.size() >= body_size_) {
            body = SharedBytes::copy(bytes.substr(0, body_size_));
            bytes.remove_prefix(body_size_);
        } else if (bytes.empty()) {
            break;
        } else {
            body_.reserve(body_size_);
            const std::size_t part = std::min(body_size_ - body_.size(), bytes.size());
            body_.append(bytes.substr(0, part));
            bytes.remove_prefix(part);
            if (body_.size() < body_size_) {
                break;
            }
            body = SharedBytes::take(std::exchange(body_, {}));
        }
        head_size_ = 0;
        ended_ = !sink(static_cast<std::uint8_t>(head_[sizeof(std::uint32_t)]), std::move(body));
    }
    return !ended_;
}

}  // namespace causeway::wire
