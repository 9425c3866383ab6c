// Plays the whole life of a connection from a source of choices: a client that mostly keeps to the
// protocol, a core that answers as core/state would, a driver whose connections break. Shared by
// the property test (choices from a seed) and the fuzz target (choices from bytes).
//
// After each event it is checked, by CW_CHECK, that
//   - PUBACK, PUBREC, PUBCOMP, SUBACK and UNSUBACK with a success code follow from a result of the
//     core that was just given, but for the PUBREC of a repeated PUBLISH;
//   - PUBREL follows from the core's word, or for a session without an inbox from PUBREC;
//   - what the client has not finished with is within its Receive Maximum, no packet id twice, no
//     packet above its Maximum Packet Size;
//   - the core hears of each number's end once, and only after the client said so or the message
//     was too large;
//   - what device.h checks: every result is awaited, nothing happens after the end, counters
//   balance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "test/gateway/session/device.h"

namespace causeway::session::test {

class Events {
public:
    // A number in [0, bound).
    using Choose = std::function<std::uint64_t(std::uint64_t bound)>;
    // True: no choices are left; the connection is ended.
    using Exhausted = std::function<bool()>;
    Events(Choose choose, Exhausted exhausted);

    // Effect: one connection from accept until it is finished; returns how many events it had.
    std::size_t play(std::size_t events_max);

private:
    enum class Held : std::uint8_t { kPublish, kPubrec, kPubrel };
    struct Unfinished {
        std::uint64_t n = 0;  // 0: numbered by the connection
        std::uint8_t qos = 0;
        Held stage = Held::kPublish;
    };
    using Ack = std::pair<mqtt::PacketType, std::uint16_t>;

    bool one_in(std::uint64_t n) { return choose_(n) == 0; }
    void begin();
    void event();
    void client_event();
    void rare_event();

    void send_connect();
    void send_publish();
    void send_pubrel();
    void send_right_ack();
    void send_any_ack();
    void send_subscribe();
    void send_bytes();

    void answer();
    void answer_open();
    ResultCode answer_publish(const Publish& publish);
    void deliver();
    void resume();

    void check();
    void check_sent(const mqtt::Packet& packet, std::size_t bytes);
    void check_ack(mqtt::PacketType type, std::uint16_t packet_id, bool success);
    void check_publish(const mqtt::Publish& packet);
    void check_pubrel(const mqtt::Pubrel& packet);
    [[nodiscard]] std::size_t window() const;

    Choose choose_;
    Exhausted exhausted_;
    std::unique_ptr<Device> device_;
    bool connected_ = false;  // CONNECT was sent
    std::uint16_t receive_maximum_ = 65'535;
    std::uint32_t packet_bytes_max_ = 0;

    // The core.
    bool attached_ = false;
    bool inbox_ = false;
    std::uint64_t tail_ = 0;
    std::map<std::uint64_t, std::uint8_t> in_flight_;  // number -> QoS
    std::set<std::uint64_t> noted_;                    // numbers whose PUBREC was applied
    std::set<std::uint16_t> incoming_;

    // The client.
    std::map<std::uint16_t, Unfinished> unfinished_;
    std::set<std::uint16_t> received_;  // its QoS 2 packet ids between PUBREC and PUBREL

    // What this event may bring.
    std::multiset<Ack> acks_;
    std::set<std::uint16_t> pubrels_;
    std::set<std::uint64_t> done_;  // numbers the core may hear of
    std::uint64_t delivered_ = 0;   // the number of the delivery just given
    std::uint64_t dropped_before_ = 0;
};

}  // namespace causeway::session::test
