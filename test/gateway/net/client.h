// A client on a blocking socket, in the hands of the test; in the clear, under TLS, or as
// WebSocket.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/io/tls.h"

namespace causeway::net {

class Client {
public:
    // `receive_bytes`: the kernel holds about as much for it; 0: what it likes.
    explicit Client(std::uint16_t port, int receive_bytes = 0);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Effect: what follows goes under TLS; after `first` in the clear.
    void begin_tls(ssl_ctx_st* context);
    // False: the handshake failed.
    [[nodiscard]] bool try_tls(ssl_ctx_st* context);
    // Effect: upgrades; MQTT then goes in frames.
    void begin_websocket();

    void send(std::string_view bytes);  // as they are
    void send_frame(std::uint8_t opcode, std::string_view payload, bool fin = true);
    void send_mqtt(std::string_view bytes);
    // As many of them as the kernel takes now; returns how many.
    std::size_t send_some(std::string_view bytes);
    // The next `size` bytes of MQTT; fewer when the connection ended, or nothing came for 10 s.
    std::string receive(std::size_t size);
    // All that comes until the connection ends.
    std::string receive_rest();
    // The code of the Close frame that came; 0: none.
    [[nodiscard]] std::uint16_t close_code() const { return close_code_; }

    // CONNECT of 3.1.1, CONNACK and perhaps SUBSCRIBE, SUBACK.
    void connect(std::string_view client_id, std::string_view will_topic = {});
    void subscribe(std::string_view filter, std::uint8_t qos);
    // A PUBLISH at QoS 1 and its PUBACK.
    void publish(std::string_view topic, std::string_view payload);

private:
    bool read_some();
    void take_frames();

    int socket_ = -1;
    bool websocket_ = false;
    std::unique_ptr<io::TlsSession> tls_;
    std::string plain_;  // below WebSocket
    std::string mqtt_;
    std::uint16_t close_code_ = 0;
};

// A packet with its length.
[[nodiscard]] std::string packet(std::uint8_t first, std::string_view body);
[[nodiscard]] std::string text(std::string_view value);

}  // namespace causeway::net
