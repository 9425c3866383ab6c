// The server's side of a WebSocket («RFC 6455») as a transform: bytes of the stream in, bytes of
// the subprotocol out, and the answers the protocol itself asks for. Frames are libwslay's, which
// hands payload out as it comes: no frame is ever held whole. Made for MQTT: binary frames only.
// Used by gateway/net; one per connection, on its loop's thread. Touches no socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace causeway::io {

struct HttpRequest;

class WebSocket {
public:
    enum class Status : std::uint8_t {
        kHandshaking,
        kOpen,
        kEnded,  // what take() appended to `reply` is the last; close the stream behind it
    };

    // The first of these that the client offers is chosen; static storage.
    explicit WebSocket(std::span<const std::string_view> subprotocols);
    ~WebSocket();
    WebSocket(const WebSocket&) = delete;
    WebSocket& operator=(const WebSocket&) = delete;

    // Effect: takes all of `bytes`; appends what the subprotocol gets to `payload` and what the
    // client must be sent (the handshake's answer, pongs, Close) to `reply`. After kEnded: none.
    // Ends with 400, 426 or 431 when the request is no upgrade to the subprotocol, and with Close
    // 1002 (not RFC 6455), 1003 (not binary) or the client's own code. Bounds: 8 KiB of request
    // headers and 125 bytes of a control frame are held, nothing else.
    Status take(std::string_view bytes, std::string& payload, std::string& reply);
    [[nodiscard]] Status status() const { return status_; }

    // Effect: appends the head of one binary frame; `size` bytes of payload must follow.
    static void append_head(std::size_t size, std::string& out);
    // Effect: appends Close 1000, once, if the handshake is done.
    void append_close(std::string& out);

private:
    struct Frames;

    void handshake(std::string_view bytes, std::string& reply);
    void upgrade(const HttpRequest& request, std::string& reply);
    void refuse(int code, std::string_view why, std::string& reply);
    void take_frames(std::string& payload, std::string& reply);
    void control_frame(std::uint8_t opcode, std::string& reply);
    void end(std::uint16_t code, std::string& reply);

    std::span<const std::string_view> subprotocols_;
    std::string request_;  // of the handshake, until it is complete
    std::unique_ptr<Frames> frames_;
    Status status_ = Status::kHandshaking;
};

}  // namespace causeway::io
