// Random sessions against a reference model: every message of QoS 1 or 2 to a subscribed session
// with an inbox is delivered in order, or still stored, or counted as evicted or ended (promises 2,
// 4 and 6). The devices check what MQTT promises them: the window, packet ids, DUP, PUBREL.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/message/topic.h"
#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

constexpr SetMs kExpiryS = 100;
const std::vector<std::string> kTopics = {"t/0", "t/1", "u"};
const std::vector<std::string> kFilters = {"t/0", "t/1", "t/+", "#"};

struct Sent {
    std::string payload;
    std::uint8_t qos = 0;
};

// What a device has of a message on its way to it.
struct Arriving {
    std::string payload;
    std::uint8_t qos = 0;
    bool released = false;  // PUBREC was sent
};

struct Device {
    std::string client;
    StreamId stream = 0;
    std::uint64_t epoch = 0;
    std::uint64_t nonce = 0;
    std::uint16_t receive_maximum = 0;
    bool connected = false;
    // The session, as the model has it.
    bool exists = false;
    SetMs expires_at = 0;
    std::map<std::string, std::uint8_t> subscriptions;
    std::vector<Sent> expected;  // in order of publishing
    // What arrived: number to payload; in flight on this connection.
    std::map<std::uint64_t, std::string> seen;
    std::set<std::uint64_t> completed;
    std::map<std::uint64_t, Arriving> in_flight;
    std::set<std::uint64_t> received;  // QoS 2: PUBREC was applied
};

class World {
public:
    World(std::uint64_t seed, bool limited) : random_(seed), limited_(limited) {
        StateLimits limits;
        limits.inbox_messages_max = limited ? 2 + random_.below(6) : 100'000;
        rig_.limits(limits);
        for (int i = 0; i < 2; ++i) {
            streams_.push_back(rig_.hello(static_cast<std::uint64_t>(i) + 1, boot_));
        }
        for (const char* client : {"a", "b", "c", "d"}) {
            devices_.emplace_back().client = client;
        }
    }

    void run(int actions) {
        for (int i = 0; i < actions && !::testing::Test::HasFailure(); ++i) {
            act();
            if (random_.chance(1, 10)) {
                rig_.restart();
            }
        }
        drain();
    }
    [[nodiscard]] std::uint64_t first_deliveries() const { return first_deliveries_; }
    [[nodiscard]] Counters counters() const { return rig_.counters(); }

private:
    void act() {
        Device& device = devices_[random_.below(devices_.size())];
        const std::uint64_t kind = random_.below(20);
        if (kind < 8) {
            publish(kTopics[random_.below(kTopics.size())]);
        } else if (kind < 13) {
            acknowledge(device);
        } else if (kind < 15 && device.connected) {
            subscribe(device);
        } else if (kind == 15 && device.connected) {
            unsubscribe(device);
        } else if (kind == 16 && device.connected) {
            disconnect(device);
        } else if (kind == 17 && random_.chance(1, 4)) {
            lose_gateway();
        } else if (kind == 18) {
            rig_.pass_s(random_.chance(1, 10) ? kExpiryS : random_.below(20));
            after_entry();
        } else if (!device.connected || random_.chance(1, 10)) {
            connect(device, random_.chance(1, 8));
        }
    }

    // Set time decides, whether or not a step came.
    void expire(Device& device) {
        if (device.exists && !device.connected && device.expires_at <= rig_.now()) {
            forget(device);
        }
    }
    void forget(Device& device) {
        Device fresh;
        fresh.client = device.client;
        device = fresh;
    }

    void connect(Device& device, bool clean) {
        expire(device);
        if (clean) {
            forget(device);
        }
        const bool present = device.exists;
        Open command;
        command.client_id = device.client;
        command.nonce = ++nonce_;
        command.session_expiry_interval_s = kExpiryS;
        command.clean_start = clean;
        command.receive_maximum =
            static_cast<std::uint16_t>(random_.chance(1, 3) ? 65535 : 1 + random_.below(4));
        device.stream = streams_[random_.below(streams_.size())];
        device.nonce = nonce_;
        device.receive_maximum = command.receive_maximum;
        device.connected = true;
        device.exists = true;
        device.in_flight.clear();
        const CommandResult result = rig_.run(device.stream, command);
        OpenAnswer answer;
        ASSERT_TRUE(decode(result.detail, answer));
        EXPECT_EQ(answer.session_present, present) << device.client;
        device.epoch = answer.epoch;
        after_entry();
    }

    void disconnect(Device& device) {
        EXPECT_EQ(rig_.close(device.stream, device.epoch), ResultCode::kOk);
        gone(device);
        after_entry();
    }
    void gone(Device& device) {
        device.connected = false;
        device.expires_at = rig_.now() + kExpiryS * 1000;
        device.in_flight.clear();
    }
    void lose_gateway() {
        const std::size_t which = random_.below(streams_.size());
        const StreamId old = streams_[which];
        for (Device& device : devices_) {
            if (device.connected && device.stream == old) {
                gone(device);
            }
        }
        if (random_.chance(1, 2)) {
            rig_.gateway_down(old);
        }
        streams_[which] = rig_.hello(which + 1, ++boot_);
        after_entry();
    }

    void subscribe(Device& device) {
        const std::string& filter = kFilters[random_.below(kFilters.size())];
        const auto qos = static_cast<std::uint8_t>(random_.below(3));
        device.subscriptions[filter] = qos;
        rig_.subscribe(device.stream, device.epoch, filter, qos);
        after_entry();
    }
    void unsubscribe(Device& device) {
        const std::string& filter = kFilters[random_.below(kFilters.size())];
        const bool had = device.subscriptions.erase(filter) != 0;
        EXPECT_EQ(rig_.unsubscribe(device.stream, device.epoch, filter),
                  std::string(1, had ? '\0' : '\x11'));
        after_entry();
    }

    void publish(const std::string& topic) {
        const auto qos = static_cast<std::uint8_t>(random_.below(3));
        const std::string payload = std::to_string(++published_);
        for (Device& device : devices_) {
            std::uint8_t granted = 0;
            for (const auto& [filter, most] : device.subscriptions) {
                granted = topic_matches(filter, topic) ? std::max(granted, most) : granted;
            }
            if (std::min(granted, qos) != 0) {
                device.expected.push_back(Sent{payload, std::min(granted, qos)});
                ++made_;
            }
        }
        rig_.publish(topic, payload, qos);
        after_entry();
    }

    void acknowledge(Device& device) {
        if (device.in_flight.empty()) {
            return;
        }
        auto at = device.in_flight.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_.below(device.in_flight.size())));
        const std::uint64_t n = at->first;
        if (at->second.qos == 2 && !at->second.released) {
            at->second.released = true;
            device.received.insert(n);
            EXPECT_EQ(rig_.run(device.stream, Received{device.epoch, n}).code, ResultCode::kOk);
        } else {
            device.in_flight.erase(at);
            device.received.erase(n);
            device.completed.insert(n);
            ++acknowledged_;
            rig_.ack(device.stream, {{device.epoch, n, n}});
        }
        after_entry();
    }

    // Every delivery of the last entry, as its device sees it.
    void after_entry() {
        for (const StreamOutputs& stream : rig_.out().streams) {
            for (const Delivery& delivery : stream.deliveries) {
                for (Device& device : devices_) {
                    if (device.connected && device.nonce == delivery.nonce) {
                        arrive(device, stream, delivery);
                    }
                }
            }
        }
        EXPECT_EQ(rig_.counters().inbox_acknowledged, acknowledged_);
    }

    void arrive(Device& device, const StreamOutputs& stream, const Delivery& delivery) {
        EXPECT_EQ(delivery.epoch, device.epoch);
        EXPECT_EQ(stream.stream, device.stream);
        if (delivery.n == 0) {
            EXPECT_EQ(delivery.qos, 0);
            return;
        }
        const std::uint64_t n = delivery.n;
        EXPECT_FALSE(device.completed.contains(n)) << "acknowledged, yet sent again";
        if (delivery.release) {
            EXPECT_TRUE(device.received.contains(n)) << "PUBREL without an applied PUBREC";
            device.in_flight[n] = Arriving{device.seen[n], 2, true};
            return;
        }
        EXPECT_FALSE(device.received.contains(n)) << "the message of an applied PUBREC again";
        EXPECT_FALSE(device.in_flight.contains(n)) << "twice on one connection";
        const std::string payload = payload_of(stream.messages.at(delivery.message).body.view());
        EXPECT_EQ(delivery.dup, device.seen.contains(n)) << device.client << " n" << n;
        if (delivery.dup) {
            EXPECT_EQ(payload, device.seen[n]);
        } else {
            EXPECT_TRUE(device.seen.empty() || device.seen.rbegin()->first < n) << "out of order";
            ++first_deliveries_;
        }
        device.seen[n] = payload;
        for (const auto& [other, arriving] : device.in_flight) {
            EXPECT_NE(packet_id_of(other), packet_id_of(n));
        }
        device.in_flight[n] = Arriving{payload, delivery.qos, false};
        EXPECT_LE(device.in_flight.size(), device.receive_maximum);
        if (!limited_) {
            ASSERT_LE(n, device.expected.size());
            EXPECT_EQ(payload, device.expected[n - 1].payload) << device.client << " n" << n;
            EXPECT_EQ(delivery.qos, device.expected[n - 1].qos);
        }
    }

    void take_all(Device& device) {
        device.receive_maximum = 65535;
        while (!::testing::Test::HasFailure()) {
            while (rig_.machine().has_work()) {
                rig_.step();
                after_entry();
            }
            if (device.in_flight.empty()) {
                return;
            }
            acknowledge(device);
        }
    }

    void drain() {
        std::uint64_t missing = 0;
        for (Device& device : devices_) {
            if (::testing::Test::HasFailure()) {
                return;
            }
            if (!device.connected) {
                connect(device, false);
            }
            take_all(device);
            // What arrived is a part of what was published, in that order.
            std::size_t at = 0;
            for (const auto& [n, payload] : device.seen) {
                while (at < device.expected.size() && device.expected[at].payload != payload) {
                    ++at;
                    ++missing;
                }
                EXPECT_LT(at, device.expected.size()) << "never sent: " << payload;
                ++at;
            }
            missing += device.expected.size() - std::min(at, device.expected.size());
        }
        const Statistics all = rig_.statistics();
        EXPECT_EQ(all.inbox_messages, 0U);
        EXPECT_EQ(all.bodies, 0U);
        EXPECT_EQ(all.counters.inbox_expired, 0U);
        EXPECT_LE(missing, all.counters.inbox_evicted);
        EXPECT_EQ(all.counters.inbox_made,
                  acknowledged_ + all.counters.inbox_evicted + all.counters.inbox_session_ended);
        EXPECT_LE(all.counters.inbox_made, made_);
        if (!limited_) {
            EXPECT_EQ(missing, 0U);
        }
    }

    Random random_;
    bool limited_;
    Rig rig_{Rig::Mode::kLive};
    std::vector<StreamId> streams_;
    std::vector<Device> devices_;
    std::uint64_t boot_ = 1;
    std::uint64_t nonce_ = 0;
    std::uint64_t published_ = 0;
    std::uint64_t made_ = 0;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t first_deliveries_ = 0;
};

TEST(Model, EveryMessageIsDeliveredInOrderOrAccountedFor) {
    std::uint64_t deliveries = 0;
    std::uint64_t evicted = 0;
    std::uint64_t ended = 0;
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(seed, seed % 3 == 0);
        world.run(250);
        if (HasFailure()) {
            return;
        }
        deliveries += world.first_deliveries();
        evicted += world.counters().inbox_evicted;
        ended += world.counters().inbox_session_ended;
    }
    EXPECT_GT(deliveries, 500U);
    EXPECT_GT(evicted, 0U);
    EXPECT_GT(ended, 0U);
}

}  // namespace
}  // namespace causeway::state
