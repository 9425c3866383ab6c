#include "test/gateway/net/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/base/check.h"
#include "test/gateway/mqtt/notation.h"

namespace causeway::net {
namespace {

constexpr int kPatienceS = 10;
constexpr std::string_view kMask = "\x01\x02\x03\x04";

}  // namespace

std::string packet(std::uint8_t first, std::string_view body) {
    return static_cast<char>(first) + mqtt::notation::varint(body.size()) + std::string(body);
}

std::string text(std::string_view value) { return mqtt::notation::string(value); }

Client::Client(std::uint16_t port, int receive_bytes) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (receive_bytes != 0) {
        setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    const timeval patience{kPatienceS, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CW_CHECK(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

Client::~Client() { ::close(socket_); }

void Client::begin_tls(ssl_ctx_st* context) { CW_CHECK(try_tls(context), tls_->error()); }

bool Client::try_tls(ssl_ctx_st* context) {
    auto session = io::TlsSession::client(context, {});
    CW_CHECK(session.has_value());
    std::string out;
    (*session)->feed(
        {}, [](std::string_view) { return true; }, out);
    send(out);
    tls_ = std::move(*session);
    while (tls_->status() == io::TlsStatus::kHandshaking && read_some()) {
    }
    return tls_->can_write();
}

void Client::begin_websocket() {
    send(
        "GET /mqtt HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    while (plain_.find("\r\n\r\n") == std::string::npos && read_some()) {
    }
    EXPECT_TRUE(plain_.starts_with("HTTP/1.1 101 ")) << plain_;
    plain_.erase(0, plain_.find("\r\n\r\n") + 4);
    websocket_ = true;
}

void Client::send(std::string_view bytes) {
    std::string cipher;
    if (tls_) {
        CW_CHECK(tls_->write(bytes, cipher));
        bytes = cipher;
    }
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::size_t Client::send_some(std::string_view bytes) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

void Client::send_frame(std::uint8_t opcode, std::string_view payload, bool fin) {
    std::string frame(1, static_cast<char>((fin ? 0x80 : 0) | opcode));
    if (payload.size() <= 125) {
        frame.push_back(static_cast<char>(0x80 | payload.size()));
    } else {
        frame.push_back(static_cast<char>(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8) {
            frame.push_back(static_cast<char>(std::uint64_t{payload.size()} >> shift));
        }
    }
    frame += kMask;
    for (std::size_t i = 0; i < payload.size(); ++i) {
        frame.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
    }
    send(frame);
}

void Client::send_mqtt(std::string_view bytes) { websocket_ ? send_frame(2, bytes) : send(bytes); }

bool Client::read_some() {
    char buffer[65536];
    const ssize_t size = ::recv(socket_, buffer, sizeof(buffer), 0);
    if (size <= 0) {
        return false;
    }
    const std::string_view bytes(buffer, static_cast<std::size_t>(size));
    if (!tls_) {
        plain_ += bytes;
        return true;
    }
    std::string out;
    const auto keep = [this](std::string_view plaintext) {
        plain_ += plaintext;
        return true;
    };
    tls_->feed(bytes, keep, out);
    for (std::string_view rest = out; !rest.empty();) {
        const ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void Client::take_frames() {
    while (websocket_ && plain_.size() >= 2) {
        const auto at = [this](std::size_t i) { return static_cast<std::uint8_t>(plain_[i]); };
        std::size_t head = 2;
        std::uint64_t size = at(1);
        if (size >= 126) {
            const std::size_t more = size == 126 ? 2 : 8;
            if (plain_.size() < head + more) {
                return;
            }
            size = 0;
            for (std::size_t i = 0; i < more; ++i) {
                size = size << 8 | at(head + i);
            }
            head += more;
        }
        if (plain_.size() < head + size) {
            return;
        }
        if ((at(0) & 0x0F) == 8) {
            close_code_ = static_cast<std::uint16_t>(at(head) << 8 | at(head + 1));
        } else if (at(0) == 0x82) {
            mqtt_ += plain_.substr(head, size);
        }
        plain_.erase(0, head + size);
    }
    if (!websocket_) {
        mqtt_ += plain_;
        plain_.clear();
    }
}

std::string Client::receive(std::size_t size) {
    take_frames();
    while (mqtt_.size() < size && read_some()) {
        take_frames();
    }
    const std::string taken = mqtt_.substr(0, size);
    mqtt_.erase(0, size);
    return taken;
}

std::string Client::receive_rest() {
    while (read_some()) {
    }
    take_frames();
    return std::exchange(mqtt_, {});
}

void Client::connect(std::string_view client_id, std::string_view will_topic) {
    const bool will = !will_topic.empty();
    std::string body = text("MQTT") + std::string{4, static_cast<char>(will ? 0x0E : 0x02), 0, 60};
    body += text(client_id);
    if (will) {
        body += text(will_topic) + text("gone");
    }
    send_mqtt(packet(0x10, body));
    EXPECT_EQ(mqtt::hex(receive(4)), "20 02 00 00 ");
}

void Client::subscribe(std::string_view filter, std::uint8_t qos) {
    send_mqtt(packet(0x82, std::string("\0\1", 2) + text(filter) + static_cast<char>(qos)));
    EXPECT_EQ(mqtt::hex(receive(5)),
              mqtt::hex(packet(0x90, std::string{0, 1, static_cast<char>(qos)})));
}

void Client::publish(std::string_view topic, std::string_view payload) {
    send_mqtt(packet(0x32, text(topic) + std::string("\0\7", 2) + std::string(payload)));
    EXPECT_EQ(mqtt::hex(receive(4)), "40 02 00 07 ");
}

}  // namespace causeway::net
