// The upgrade by HttpParser, frames by libwslay: see websocket.h.
#include "core/io/websocket.h"

#include <openssl/evp.h>
#include <sys/types.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "core/io/http_message.h"
#include "core/io/http_parser.h"

namespace causeway::io {
namespace {

constexpr std::uint32_t kRequestBytesMax = 8 * 1024;
constexpr std::uint16_t kNormalClosure = 1000;
constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kUnsupportedData = 1003;
constexpr std::size_t kControlBytesMax = 125;
constexpr std::size_t kKeyBytes = 24;  // 16 random ones in base64
constexpr char kFin = '\x80';

// One of a comma-separated list of tokens.
bool lists(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        std::string_view item = list.substr(0, comma);
        list.remove_prefix(std::min(comma + 1, list.size()));
        while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) {
            item.remove_prefix(1);
        }
        while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) {
            item.remove_suffix(1);
        }
        if (equals_ignoring_case(item, token)) {
            return true;
        }
    }
    return false;
}

bool header_lists(const HttpRequest& request, std::string_view name, std::string_view token) {
    return std::any_of(request.headers.begin(), request.headers.end(), [&](const auto& header) {
        return equals_ignoring_case(header.first, name) && lists(header.second, token);
    });
}

// «RFC 6455» §4.2.2, step 5.4.
std::string accept_of(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CW_CHECK(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) == 1);
    unsigned char encoded[EVP_MAX_MD_SIZE * 2];
    const int length = EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
    return {reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length)};
}

void append_control(std::uint8_t opcode, std::string_view payload, std::string& out) {
    out.push_back(static_cast<char>(kFin | static_cast<char>(opcode)));
    out.push_back(static_cast<char>(payload.size()));
    out.append(payload);
}

}  // namespace

// libwslay's reader with the bytes of the call in progress behind it.
struct WebSocket::Frames {
    Frames() {
        wslay_frame_callbacks callbacks{};
        callbacks.recv_callback = [](std::uint8_t* to, std::size_t size, int,
                                     void* self) -> ssize_t {
            std::string_view& left = static_cast<Frames*>(self)->in;
            if (left.empty()) {
                return -1;
            }
            const std::size_t taken = std::min(size, left.size());
            std::memcpy(to, left.data(), taken);
            left.remove_prefix(taken);
            return static_cast<ssize_t>(taken);
        };
        CW_CHECK(wslay_frame_context_init(&context, &callbacks, this) == 0);
    }
    ~Frames() { wslay_frame_context_free(context); }
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    // The Close code a frame with this opcode asks for; 0: it may come.
    [[nodiscard]] std::uint16_t objection(std::uint8_t opcode) const {
        switch (opcode) {
            case WSLAY_CONTINUATION_FRAME:
                return in_message ? 0 : kProtocolError;
            case WSLAY_BINARY_FRAME:
                return in_message ? kProtocolError : 0;
            case WSLAY_TEXT_FRAME:
                return kUnsupportedData;  // [MQTT-6.0.0-1]
            case WSLAY_CONNECTION_CLOSE:
            case WSLAY_PING:
            case WSLAY_PONG:
                return 0;
            default:
                return kProtocolError;
        }
    }

    wslay_frame_context_ptr context = nullptr;
    std::string_view in;
    std::string control;            // the payload of a control frame so far
    std::uint64_t frame_bytes = 0;  // of the frame under way
    bool in_message = false;        // a continuation may follow
    bool in_frame = false;
};

WebSocket::WebSocket(std::span<const std::string_view> subprotocols)
    : subprotocols_(subprotocols) {}
WebSocket::~WebSocket() = default;

WebSocket::Status WebSocket::take(std::string_view bytes, std::string& payload,
                                  std::string& reply) {
    if (status_ == Status::kHandshaking) {
        handshake(bytes, reply);
        if (status_ != Status::kOpen) {
            return status_;
        }
        const std::string rest = std::exchange(request_, {});
        frames_->in = rest;
        take_frames(payload, reply);
    } else if (status_ == Status::kOpen) {
        frames_->in = bytes;
        take_frames(payload, reply);
    }
    return status_;
}

// The request is parsed from its beginning each time: it is one packet but for odd clients, and
// the parser itself would keep what it has seen of a body.
void WebSocket::handshake(std::string_view bytes, std::string& reply) {
    request_.append(bytes);
    std::string input = request_;
    HttpParser parser(HttpLimits{kRequestBytesMax, 0});
    switch (parser.parse(input)) {
        case HttpParser::Status::kNeedMore:
            if (request_.size() > kRequestBytesMax) {
                refuse(431, "the request is too large", reply);
            }
            break;
        case HttpParser::Status::kError:
            refuse(parser.error_status(), parser.error_text(), reply);
            break;
        case HttpParser::Status::kDone:
            request_ = std::move(input);
            upgrade(parser.take(), reply);
            break;
    }
}

// «RFC 6455» §4.2.1.
void WebSocket::upgrade(const HttpRequest& request, std::string& reply) {
    const auto key = request.header("Sec-WebSocket-Key");
    if (request.method != "GET" || !header_lists(request, "Upgrade", "websocket") ||
        !header_lists(request, "Connection", "upgrade")) {
        refuse(426, "only WebSocket is spoken here", reply);
        return;
    }
    if (request.header("Sec-WebSocket-Version") != "13") {
        refuse(426, "version 13 of WebSocket is spoken here", reply);
        return;
    }
    if (!key || key->size() != kKeyBytes) {
        refuse(400, "no Sec-WebSocket-Key", reply);
        return;
    }
    const auto chosen = std::find_if(subprotocols_.begin(), subprotocols_.end(), [&](auto one) {
        return header_lists(request, "Sec-WebSocket-Protocol", one);
    });
    if (chosen == subprotocols_.end()) {
        refuse(400, "the subprotocol " + std::string(subprotocols_.front()) + " is not offered",
               reply);
        return;
    }
    reply += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    reply += "Sec-WebSocket-Accept: " + accept_of(*key) + "\r\n";
    reply += "Sec-WebSocket-Protocol: " + std::string(*chosen) + "\r\n\r\n";  // [MQTT-6.0.0-4]
    frames_ = std::make_unique<Frames>();
    status_ = Status::kOpen;
}

void WebSocket::refuse(int code, std::string_view why, std::string& reply) {
    HttpResponse response;
    response.status = code;
    response.content_type = "text/plain";
    response.body = std::string(why) + "\n";
    response.close = true;
    if (code == 426) {
        response.headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}};
    }
    reply += http_response_head(response, false) + response.body;
    request_ = {};
    status_ = Status::kEnded;
}

void WebSocket::take_frames(std::string& payload, std::string& reply) {
    Frames& frames = *frames_;
    while (status_ == Status::kOpen) {
        wslay_frame_iocb frame{};
        const ssize_t size = wslay_frame_recv(frames.context, &frame);
        if (size == WSLAY_ERR_WANT_READ) {
            return;
        }
        // A client masks every frame, and nothing was agreed on for the reserved bits (§5.1, §5.2).
        if (size < 0 || frame.mask == 0 || frame.rsv != WSLAY_RSV_NONE) {
            end(kProtocolError, reply);
            return;
        }
        if (!std::exchange(frames.in_frame, true)) {
            frames.frame_bytes = 0;
            if (const std::uint16_t code = frames.objection(frame.opcode); code != 0) {
                end(code, reply);
                return;
            }
        }
        const bool control = wslay_is_ctrl_frame(frame.opcode) != 0;
        const std::string_view part(reinterpret_cast<const char*>(frame.data),
                                    static_cast<std::size_t>(size));
        (control ? frames.control : payload).append(part);  // [MQTT-6.0.0-2]
        frames.frame_bytes += part.size();
        if (frames.frame_bytes < frame.payload_length) {
            continue;
        }
        frames.in_frame = false;
        if (control) {
            control_frame(frame.opcode, reply);
        } else {
            frames.in_message = frame.fin == 0;
        }
    }
}

void WebSocket::control_frame(std::uint8_t opcode, std::string& reply) {
    const std::string held = std::exchange(frames_->control, {});
    if (opcode == WSLAY_PING) {
        append_control(WSLAY_PONG, held, reply);
    } else if (opcode == WSLAY_CONNECTION_CLOSE) {
        append_control(WSLAY_CONNECTION_CLOSE, held.substr(0, 2), reply);
        status_ = Status::kEnded;
    }
}

void WebSocket::end(std::uint16_t code, std::string& reply) {
    const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
    append_control(WSLAY_CONNECTION_CLOSE, {bytes, sizeof(bytes)}, reply);
    status_ = Status::kEnded;
}

void WebSocket::append_head(std::size_t size, std::string& out) {
    out.push_back(static_cast<char>(kFin | WSLAY_BINARY_FRAME));
    unsigned length_bytes = 0;
    if (size <= kControlBytesMax) {
        out.push_back(static_cast<char>(size));
    } else if (size <= 0xFFFF) {
        out.push_back(126);
        length_bytes = 2;
    } else {
        out.push_back(127);
        length_bytes = 8;
    }
    for (unsigned i = length_bytes; i-- > 0;) {
        out.push_back(static_cast<char>(static_cast<std::uint64_t>(size) >> (8 * i)));
    }
}

void WebSocket::append_close(std::string& out) {
    if (status_ == Status::kOpen) {
        end(kNormalClosure, out);
    }
}

}  // namespace causeway::io
