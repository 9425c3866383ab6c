// A connection under test: the session machine with everything around it played by the test. The
// bytes of the client go through the codec as the driver sends them, what comes back is decoded as
// a client would, and the commands for the core wait here until the test answers them. Every step
// checks what holds after all of them (settle()).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/message/body.h"
#include "core/message/output.h"
#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"
#include "gateway/session/session.h"

namespace causeway::session::test {

// A packet sent to the client. The views of `packet` point into `bytes`.
struct Sent {
    std::string bytes;
    mqtt::Packet packet;
};

// A command submitted to the core and not answered yet.
struct Asked {
    std::uint64_t token = 0;
    std::string topic;  // the key, when it is one
    std::string bytes;
    CommandHeader header;

    [[nodiscard]] CommandKind kind() const { return header.kind; }
    // The command; its views live as long as this.
    template <typename T>
    [[nodiscard]] T as() const {
        ByteReader in(bytes);
        CommandHeader again;
        T command;
        CW_CHECK(decode_header(in, again) && decode(in, command));
        return command;
    }
};

// A QoS 0 publish.
struct Unlogged {
    std::string topic;
    std::string body;
    bool retain = false;
};

class Device {
public:
    explicit Device(const Limits& limits = {}, session::Peer who = {"192.0.2.1", true});

    // --- the client ---------------------------------------------------------------------------
    void bytes(std::string_view bytes);
    // Encoded in `version`, CONNECT in its own.
    void packet(const mqtt::Packet& packet);
    void connect(const mqtt::Connect& packet);
    // CONNECT and a kOk answer to its OPEN: online, CONNACK taken out of `sent`.
    void online(mqtt::Version version, mqtt::ConnectProperties properties = {},
                bool clean_start = true);
    void publish(std::string_view topic, std::uint8_t qos, std::uint16_t packet_id,
                 std::string_view payload = "x");

    // --- the core -----------------------------------------------------------------------------
    // Answers the oldest command.
    void answer(ResultCode code = ResultCode::kOk, std::string_view detail = {});
    void answer_open(const OpenAnswer& answer);
    void deliver(std::string_view topic, std::uint8_t qos, std::uint64_t n = 0,
                 std::string_view payload = "x");
    void deliver(const Delivery& delivery, const Message& message);
    void release(std::uint64_t n);
    void queue_message(std::string_view queue, GroupId set, const QueueMessage& message);
    void takeover(std::uint64_t epoch);
    void stream_lost();

    // --- the driver ---------------------------------------------------------------------------
    void advance(std::uint64_t ms);  // and the timer fires if it is due
    void unread();      // it is not read ...
    void read_again();  // ... and is
    void closed();
    void shutdown(mqtt::ReasonCode code);

    // --- what came of it ----------------------------------------------------------------------
    // The next packet to the client as T; aborts when it is another or none.
    template <typename T>
    T take() {
        CW_CHECK(!sent.empty(), "nothing was sent");
        taken_ = std::move(sent.front());
        sent.pop_front();
        redecode(taken_);
        const T* packet = std::get_if<T>(&taken_.packet);
        CW_CHECK(packet != nullptr, mqtt::name(mqtt::type_of(taken_.packet)));
        return *packet;
    }
    // The numbers acknowledged to the core since the last call.
    std::vector<std::uint64_t> take_acknowledged();
    [[nodiscard]] bool quiet() const { return sent.empty() && asked.empty(); }
    [[nodiscard]] bool balanced() const;

    Limits limits;
    Counters counters;
    mqtt::Version version = mqtt::Version::k311;
    std::uint64_t epoch = 77;
    MonoMs now = 1'000'000;
    SetMs set_now = 1'800'000'000'000;
    std::vector<QueueDelivery> queue_done;
    bool queue_room_told = false;
    bool core_available = true;
    bool commands_sent = true;  // those asked: false: they wait for somebody to lead
    bool output_full = false;

    std::deque<Sent> sent;
    std::deque<Asked> asked;
    std::vector<Unlogged> unlogged;
    std::vector<Effects::Acknowledged> acknowledged;
    std::string kept;  // bytes of the client the driver holds back
    bool is_unread = false;
    End end = End::kNone;
    std::string why;

    Session session;

private:
    void settle();
    void redecode(Sent& packet) const;
    void take_kept();

    Effects effects_;
    Sent taken_{{}, mqtt::Pingresp{}};
};

inline constexpr mqtt::Version kVersions[] = {mqtt::Version::k31, mqtt::Version::k311,
                                              mqtt::Version::k5};

// For the names of tests.
template <typename Info>
std::string version_name(const Info& info) {
    constexpr const char* kNames[] = {"v31", "v311", "v5"};
    return kNames[static_cast<int>(info.param) - 3];
}

[[nodiscard]] Message message_of(std::string_view topic, std::string_view payload,
                                 std::string_view properties = {}, SetMs expires_at = 0);

}  // namespace causeway::session::test
