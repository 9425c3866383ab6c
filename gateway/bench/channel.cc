// Channel over a Unix socket pair.
#include "gateway/bench/channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace causeway::bench {
namespace {

constexpr std::size_t kHeadBytes = 5;  // u32 length of the bytes, u8 kind

}  // namespace

Result<std::pair<Channel, Channel>> Channel::make_pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return fail(std::string("cannot make a socket pair: ") + std::strerror(errno));
    }
    return std::pair(Channel(fds[0]), Channel(fds[1]));
}

Channel::Channel(Channel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      closed_(other.closed_),
      buffer_(std::move(other.buffer_)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(closed_, other.closed_);
    std::swap(buffer_, other.buffer_);
    return *this;
}

Channel::~Channel() {
    if (fd_ >= 0) {
        close(fd_);
    }
}

void Channel::send(FrameKind kind, std::string_view bytes) {
    std::string frame(kHeadBytes, '\0');
    const auto size = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(frame.data(), &size, sizeof(size));
    frame[4] = static_cast<char>(kind);
    frame += bytes;
    std::string_view left = frame;
    while (!left.empty()) {
        const ssize_t taken = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
        if (taken < 0 && errno != EINTR) {
            return;  // The other end is gone; receive() says so.
        }
        left.remove_prefix(taken > 0 ? static_cast<std::size_t>(taken) : 0);
    }
}

std::optional<Frame> Channel::receive() {
    while (!closed_) {
        if (auto frame = take_frame()) {
            return frame;
        }
        char bytes[16 * 1024];
        const ssize_t size = recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (size > 0) {
            buffer_.append(bytes, static_cast<std::size_t>(size));
        } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return std::nullopt;
        } else {
            closed_ = true;
        }
    }
    return take_frame();
}

std::optional<Frame> Channel::take_frame() {
    if (buffer_.size() < kHeadBytes) {
        return std::nullopt;
    }
    std::uint32_t size = 0;
    std::memcpy(&size, buffer_.data(), sizeof(size));
    if (size > kFrameBytesMax) {
        closed_ = true;
        buffer_.clear();
        return std::nullopt;
    }
    if (buffer_.size() - kHeadBytes < size) {
        return std::nullopt;
    }
    Frame frame{static_cast<FrameKind>(buffer_[4]), buffer_.substr(kHeadBytes, size)};
    buffer_.erase(0, kHeadBytes + size);
    return frame;
}

}  // namespace causeway::bench
