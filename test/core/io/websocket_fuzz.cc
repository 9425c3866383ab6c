// Frames of any kind behind a good upgrade, cut anywhere: no crash, no more payload than was sent,
// and the same payload however the bytes were cut.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/io/proxy_header.h"
#include "core/io/websocket.h"

namespace {

using causeway::io::WebSocket;

constexpr std::string_view kMqtt[] = {"mqtt", "mqttv3.1"};

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
    "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

struct Played {
    std::string payload;
    std::string reply;
    WebSocket::Status status{};
};

Played play(std::string_view bytes, std::size_t step) {
    WebSocket socket(kMqtt);
    Played played;
    played.status = socket.take(kRequest, played.payload, played.reply);
    CW_CHECK(played.status == WebSocket::Status::kOpen);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        played.status = socket.take(bytes.substr(at, step), played.payload, played.reply);
    }
    return played;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view all(reinterpret_cast<const char*>(data), size);
    const std::string_view bytes = all.substr(1);
    const Played whole = play(bytes, bytes.size() + 1);
    const Played cut = play(bytes, data[0] % 16 + std::size_t{1});
    CW_CHECK(whole.payload == cut.payload && whole.reply == cut.reply);
    CW_CHECK(whole.status == cut.status && whole.payload.size() <= bytes.size());
    // The other bytes that come before MQTT: the upgrade itself and the PROXY header.
    WebSocket fresh(kMqtt);
    std::string payload;
    std::string reply;
    fresh.take(bytes, payload, reply);
    CW_CHECK(causeway::io::read_proxy_header(bytes).size <= bytes.size());
    return 0;
}
