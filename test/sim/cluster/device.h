// A simulated device: an MQTT client as the specification wants one, over bytes. It keeps the
// client's half of a session across connections, sends again what is not acknowledged, checks what
// the hub says about its session, and writes down what it sees for the judges of histories.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mqtt/encode.h"
#include "gateway/mqtt/packet.h"
#include "test/sim/cluster/checker.h"
#include "test/sim/cluster/gateway.h"
#include "test/sim/cluster/world.h"
#include "test/sim/history/event.h"

namespace causeway::sim {

// Where devices find gateways, and what they share.
class Fleet {
public:
    virtual ~Fleet() = default;
    struct Gateway {
        SimGateway* gateway = nullptr;
        GatewayHost* host = nullptr;
    };
    // Any living gateway; nothing when there is none.
    virtual Gateway pick_gateway() = 0;
    // A will with a delay was delivered.
    virtual void will_delivered(std::uint64_t id) = 0;
    History history;
    std::uint64_t next_id = 1;
    bool finishing = false;  // nothing new is begun
};

struct DeviceTotals {
    std::uint64_t connects = 0;
    std::uint64_t resumed = 0;
    std::uint64_t takeovers = 0;
    std::uint64_t takeovers_qos2 = 0;  // with a QoS 2 publish under way
    std::uint64_t drops = 0;
    std::uint64_t wills = 0;
    std::uint64_t wills_due = 0;
    std::uint64_t refused = 0;
    std::uint64_t away = 0;           // left for longer on purpose
    std::uint64_t identities = 0;     // given up, since a clean start of theirs was not answered
    std::uint64_t expiring_kept = 0;  // sessions with an expiry found again within it
    std::uint64_t wills_delayed = 0;  // delivered
    std::uint64_t retained_written = 0;
    std::uint64_t retained_read = 0;
};

struct DeviceOptions {
    std::string name;
    mqtt::Version version = mqtt::Version::k311;
    bool persistent = true;
    bool will = false;
    std::uint32_t will_delay_s = 0;  // 5.0 only, as the next
    std::uint32_t expiry_s = ~0U;    // of a persistent session
    bool reader = false;   // connects again and again to see what is retained, with one filter
    std::string retained;  // a topic to publish retained messages to; empty: none
    std::uint16_t receive_maximum = 20;
    TimeUs read_delay = 0;
    TimeUs act_every = 100 * kMs;
    std::vector<std::string> topics;  // to publish to; none: it does not publish
    std::vector<std::uint8_t> qos;    // of publishes
    struct Filter {
        std::string filter;
        std::uint8_t qos = 1;
    };
    std::vector<Filter> filters;
};

class SimDevice final : public SocketOwner {
public:
    SimDevice(World& world, Fleet& fleet, ClusterChecker& checker, DeviceTotals& totals,
              DeviceOptions options);
    ~SimDevice() override;

    void start();
    // Nothing of it waits, and if its session outlives connections, it is connected to take it.
    [[nodiscard]] bool quiet() const;
    // After the run: wills that must have been published count as acknowledged. One whose CONNECT
    // was not answered has no place among the others: nobody knows when it was performed.
    void settle_wills();
    // A will was delivered to somebody: it must not be early.
    void will_delivered(std::uint64_t id);
    [[nodiscard]] const DeviceOptions& options() const { return options_; }
    [[nodiscard]] std::string describe() const;

    // SocketOwner.
    void on_bytes(std::uint64_t connection, std::string_view bytes) override;
    void on_closed(std::uint64_t connection) override;

private:
    enum class Stage : std::uint8_t { kPublish, kRelease };
    struct Outgoing {
        std::uint64_t id = 0;
        std::string topic;
        std::uint8_t qos = 1;
        std::uint16_t packet_id = 0;
        Stage stage = Stage::kPublish;
        bool sent_before = false;
        TimeUs sent_at = 0;
        bool retain = false;
        std::size_t operation = 0;  // in the history, of the last time it was sent, if retained
    };
    enum class Wish : std::uint8_t { kWanted, kAsked, kActive, kRemoving };
    struct Subscription {
        DeviceOptions::Filter filter;
        Wish wish = Wish::kWanted;
        std::uint16_t packet_id = 0;
    };
    struct WillRecord {
        std::uint64_t id = 0;
        std::size_t event = 0;  // where the history has it
        bool accepted = false;  // CONNACK came
        bool normal = false;    // DISCONNECT was sent, or the connection still stands
        bool at_once = false;   // its session was asked to end since
        TimeUs known_at = 0;    // the last answer of the core on this connection
    };

    void act();
    void act_online();
    void connect();
    bool open_socket();
    void begin_identity();
    void end_abandoned();
    void drop(bool tell);
    void disconnect();
    void leave();
    void publish();
    void read_retained(std::uint64_t id);
    void send_publish(Outgoing& out);
    void subscribe_wanted();
    void unsubscribe_one();
    void send(const mqtt::Packet& packet);
    void note(EventKind kind, std::uint64_t id, std::uint8_t qos, std::string_view topic,
              bool persistent = false, bool dup = false, bool retain = false);
    std::uint16_t free_packet_id();
    Outgoing* find(std::uint16_t packet_id, std::uint8_t qos);
    void forget(std::uint16_t packet_id, std::uint8_t qos);
    void session_gone();
    void heard_of_core(TimeUs asked_at);

    void take(const mqtt::Connack& packet);
    void take(const mqtt::Publish& packet);
    void take(const mqtt::Puback& packet);
    void take(const mqtt::Pubrec& packet);
    void take(const mqtt::Pubrel& packet);
    void take(const mqtt::Pubcomp& packet);
    void take(const mqtt::Suback& packet);
    void take(const mqtt::Unsuback& packet);
    void take(const mqtt::Disconnect& packet);
    template <typename Other>
    void take(const Other&) {}

    World& world_;
    Fleet& fleet_;
    ClusterChecker& checker_;
    DeviceTotals& totals_;
    DeviceOptions options_;
    std::string client_id_;
    Name who_;  // client_id_

    // The client's half of the session.
    std::deque<Outgoing> outgoing_;
    std::set<std::uint16_t> received_;  // QoS 2 packet ids taken over and not released
    std::vector<Subscription> subscriptions_;
    bool has_session_ = false;   // a CONNACK said so, and nothing has ended it since
    bool unsure_ = false;        // a CONNECT was sent and not answered
    bool wiping_ = false;        // a clean start was asked for and not answered
    bool open_unknown_ = false;  // not even by a refusal
    std::uint64_t identities_ = 0;
    std::vector<std::string> abandoned_;  // client ids whose session may still be there
    bool ending_abandoned_ = false;       // what this connection is for
    std::vector<WillRecord> wills_;

    // The connection.
    SocketPtr socket_;
    bool online_ = false;
    std::uint64_t connection_ = 0;
    bool clean_ = false;  // what this CONNECT asked for
    bool expected_ = false;
    bool certain_ = false;
    bool may_have_expired_ = false;
    std::string bytes_;
    TimeUs connected_at_ = 0;
    TimeUs heard_at_ = 0;
    TimeUs said_at_ = 0;
    TimeUs waiting_since_ = 0;  // an answer is due since; 0: none
    TimeUs subscribed_at_ = 0;  // of a reader; 0: it has read
    TimeUs away_until_ = 0;
    TimeUs known_at_ = 0;  // the last time the core was heard of, on any connection
};

}  // namespace causeway::sim
