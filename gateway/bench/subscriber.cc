// What a subscriber does with what it gets.
#include "gateway/bench/subscriber.h"

#include "core/message/topic.h"
#include "gateway/bench/stamp.h"
#include "gateway/mqtt/encode.h"

namespace causeway::bench {
namespace {

constexpr unsigned kPubackByte = 0x40;
constexpr unsigned kPubrecByte = 0x50;
constexpr unsigned kPubcompByte = 0x70;
// A stamp older than this, or from the future, was made by another machine's clock.
constexpr std::uint64_t kPlausibleNs = 3'600'000'000'000;

}  // namespace

Subscriber::Subscriber(const Plan& plan, Client& client, Outcome& outcome)
    : plan_(plan),
      client_(client),
      outcome_(outcome),
      shared_(is_shared_filter(plan.subscribe.filter)) {}

void Subscriber::subscribe() {
    const std::string filter = expand(plan_.subscribe.filter, client_.place().number);
    mqtt::Subscribe subscribe;
    subscribe.packet_id = 1;
    subscribe.subscriptions.push_back({.filter = filter, .qos = plan_.subscribe.qos});
    std::string packet;
    if (mqtt::encode(subscribe, plan_.client.version, packet)) {
        client_.write(packet);
    }
}

bool Subscriber::accept(const mqtt::Suback& suback, std::string_view& why) const {
    if (suback.reason_codes.size() != 1 || mqtt::is_error(suback.reason_codes[0])) {
        why = suback.reason_codes.size() == 1
                  ? mqtt::name(suback.reason_codes[0], mqtt::PacketType::kSuback)
                  : "SUBACK with another number of reason codes than filters";
        return false;
    }
    if (static_cast<unsigned>(suback.reason_codes[0]) < plan_.subscribe.qos) {
        why = "the broker granted a lower QoS";
        return false;
    }
    return true;
}

void Subscriber::on_publish(const mqtt::Publish& publish, std::uint64_t now_ns,
                            const Window& window) {
    measure(publish, now_ns, window);
    if (publish.qos == 1) {
        write_ack(kPubackByte, publish.packet_id);
    } else if (publish.qos == 2) {
        write_ack(kPubrecByte, publish.packet_id);
    }
}

void Subscriber::measure(const mqtt::Publish& publish, std::uint64_t now_ns, const Window& window) {
    Counters& counters = outcome_.counters;
    const auto stamp = read_stamp(publish.payload);
    if (!stamp || (plan_.publishers > 0 && stamp->run != plan_.run_id)) {
        ++counters.foreign;
        return;
    }
    const std::uint64_t publisher = std::uint64_t{stamp->run} << 32 | stamp->publisher;
    switch (trackers_[publisher].observe(stamp->sequence)) {
        case Arrival::kDuplicate:
            ++counters.duplicates;
            return;
        case Arrival::kLate:
            ++counters.late;
            break;
        case Arrival::kInOrder:
            break;
    }
    ++counters.received;
    counters.received_window += window.has(now_ns) ? 1 : 0;
    if (window.has(stamp->due_ns) && now_ns >= stamp->due_ns &&
        now_ns - stamp->due_ns < kPlausibleNs) {
        outcome_.deliver_ns.record(now_ns - stamp->due_ns);
    }
}

void Subscriber::on_pubrel(const mqtt::Pubrel& pubrel) {
    write_ack(kPubcompByte, pubrel.packet_id);
}

void Subscriber::write_ack(unsigned first_byte, std::uint16_t packet_id) {
    const char ack[] = {static_cast<char>(first_byte), 0x02, static_cast<char>(packet_id >> 8),
                        static_cast<char>(packet_id)};
    client_.write(std::string_view(ack, sizeof(ack)));
}

void Subscriber::count_gaps() {
    for (const auto& [publisher, tracker] : trackers_) {
        outcome_.counters.missing += shared_ ? 0 : tracker.missing();
    }
}

}  // namespace causeway::bench
