// Random traffic across two to four sets whose streams are delayed, repeated, reordered, cut and
// sent again by new leaders. Every message reaches each subscriber at most once and in the order of
// its publisher, topic and QoS; whoever had its SUBACK before the publish gets it (promises 2, 4, 6
// and 7). At rest the sets agree about interests and the streams are empty. A replica that restarts
// after every entry has the same tables. CAUSEWAY_SEEDS sets how many seeds.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/message/topic.h"
#include "test/core/state/sets.h"

namespace causeway::state {
namespace {

std::uint64_t seeds() {
    const char* text = std::getenv("CAUSEWAY_SEEDS");
    return text == nullptr ? 24 : std::strtoull(text, nullptr, 10);
}

struct Held {
    std::uint64_t asked = 0;  // the newest SUBSCRIBE for it
    bool granted = false;     // its SUBACK came
};

struct Device {
    std::string client;
    std::uint64_t nonce = 0;
    std::uint64_t epoch = 0;
    bool connected = false;
    std::uint16_t packet_id = 0;
    std::map<std::string, Held> filters;
    std::set<std::string> expected;  // payloads that must still come
    std::set<std::string> seen;
    std::map<std::string, std::uint64_t> last;  // by publisher, topic and QoS
};

struct Asked {
    std::size_t device = 0;
    std::uint64_t epoch = 0;
    std::vector<std::string> filters;
};

class World {
public:
    World(std::uint64_t seed, Rig::Mode mode)
        : random_(seed),
          limited_(seed % 3 == 0),
          sets_(static_cast<std::uint32_t>(2 + seed % 3), mode) {
        sets_.on_outputs = [this](std::uint32_t set, const Outputs& out) { observe(set, out); };
        if (limited_) {
            StateLimits limits;
            limits.peer_messages_max = 2 + random_.below(6);
            sets_.limits(limits);
        }
        for (std::uint32_t i = 0; i < 6; ++i) {
            const std::string key = sets_.key_in(1 + i % sets_.count(), static_cast<int>(i));
            devices_.emplace_back().client = key;
            topics_.push_back(key + "/t");
            filters_.push_back(key + "/#");
        }
        topics_.emplace_back("x");
        for (const char* filter : {"#", "p/+/t", "x", "+"}) {
            filters_.emplace_back(filter);
        }
    }

    void run(int actions) {
        for (int i = 0; i < actions && !::testing::Test::HasFailure(); ++i) {
            act();
            acknowledge();
            for (std::uint64_t n = random_.below(4); n != 0; --n) {
                sets_.deliver_any(random_);
                acknowledge();
            }
        }
        rest();
    }

    std::uint64_t seen = 0;
    std::uint64_t late = 0;
    std::uint64_t refused_late = 0;
    std::uint64_t evicted = 0;
    [[nodiscard]] sim::MemoryKv::Table table(std::uint32_t set) {
        return sets_.rig(set).kv().committed();
    }
    [[nodiscard]] std::uint32_t sets() const { return sets_.count(); }

private:
    void act() {
        const std::size_t which = random_.below(devices_.size());
        Device& device = devices_[which];
        const std::uint64_t kind = random_.below(24);
        if (kind < 12) {
            publish(which);
        } else if (kind < 15) {
            subscribe(which);
        } else if (kind == 15) {
            unsubscribe(device);
        } else if (kind < 18) {
            connect(device);
        } else if (kind == 18) {
            sets_.change_leader(static_cast<std::uint32_t>(1 + random_.below(sets_.count())));
        } else if (kind == 19) {
            sets_.pass_ms(random_.below(random_.chance(1, 4) ? 8000 : 500));
            for (std::uint32_t set = 1; set <= sets_.count(); ++set) {
                sets_.step(set);
            }
        } else {
            sets_.send();
        }
    }

    void connect(Device& device) {
        if (device.connected && random_.chance(1, 2)) {
            device.connected = false;
            sets_.run(sets_.home(device.client),
                      Close{device.epoch, CloseReason::kLost, std::nullopt});
            return;
        }
        device.nonce = ++nonce_;
        device.connected = true;
        device.epoch = sets_.open(device.client, device.nonce, 86'400);
        device.packet_id = 0;
    }

    void publish(std::size_t which) {
        Device& device = devices_[which];
        if (!device.connected) {
            return;
        }
        const std::size_t topic = random_.below(topics_.size());
        const auto qos = static_cast<std::uint8_t>(1 + random_.below(2));
        const std::string flow =
            std::to_string(which) + ":" + std::to_string(topic) + ":" + std::to_string(qos) + ":";
        const std::string payload = flow + std::to_string(++published_[flow]);
        std::vector<Device*> to;
        for (Device& other : devices_) {
            for (const auto& [filter, held] : other.filters) {
                if (held.granted && topic_matches(filter, topics_[topic])) {
                    to.push_back(&other);
                    break;
                }
            }
        }
        for (Device* other : to) {
            other->expected.insert(payload);
        }
        const ResultCode code =
            sets_.publish(device.client, device.epoch, topics_[topic], payload, qos).code;
        if (code == ResultCode::kQuotaExceeded) {
            EXPECT_TRUE(limited_ && qos == 2);
            for (Device* other : to) {
                other->expected.erase(payload);
            }
            return;
        }
        EXPECT_TRUE(code == ResultCode::kOk || code == ResultCode::kNoSubscribers);
    }

    void subscribe(std::size_t which) {
        Device& device = devices_[which];
        if (!device.connected) {
            return;
        }
        Asked asked{which, device.epoch, {}};
        std::vector<SubscriptionRequest> requests(1 + random_.below(2));
        while (asked.filters.size() < requests.size()) {
            asked.filters.push_back(filters_[random_.below(filters_.size())]);
        }
        for (std::size_t i = 0; i < requests.size(); ++i) {
            requests[i].filter = asked.filters[i];
            requests[i].qos = 2;
        }
        const CommandResult result = sets_.subscribe(device.client, device.epoch, requests);
        for (std::size_t i = 0; i < requests.size(); ++i) {
            if (result.detail[i] == '\x97') {
                EXPECT_TRUE(limited_);
            } else {
                device.filters[asked.filters[i]].asked = result.seq;
            }
        }
        if (result.code == ResultCode::kLater) {
            ++late;
            asked_[{sets_.home(device.client), result.seq}] = asked;
        } else {
            EXPECT_EQ(result.code, ResultCode::kOk);
            granted(asked, result.seq, result.detail);
        }
    }

    void granted(const Asked& asked, std::uint64_t seq, const std::string& detail) {
        Device& device = devices_[asked.device];
        for (std::size_t i = 0; i < asked.filters.size(); ++i) {
            const auto held = device.filters.find(asked.filters[i]);
            if (held == device.filters.end() || held->second.asked != seq) {
                continue;  // a newer SUBSCRIBE or an UNSUBSCRIBE decides
            }
            if (detail[i] == '\2') {
                held->second.granted = true;
            } else if (detail[i] == '\x80') {
                ++refused_late;
                EXPECT_FALSE(held->second.granted) << "what was granted is not taken back";
                device.filters.erase(held);
            }
        }
    }

    void unsubscribe(Device& device) {
        if (!device.connected || device.filters.empty()) {
            return;
        }
        auto at = device.filters.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_.below(device.filters.size())));
        const std::string filter = at->first;
        device.filters.erase(at);
        // What is under way may still come or not.
        std::erase_if(device.expected, [&](const std::string& payload) {
            return topic_matches(filter, topics_[topic_of(payload)]);
        });
        EXPECT_EQ(sets_.unsubscribe(device.client, device.epoch, filter).detail,
                  std::string(1, '\0'));
    }

    static std::size_t topic_of(const std::string& payload) {
        return static_cast<std::size_t>(payload[payload.find(':') + 1] - '0');
    }

    void observe(std::uint32_t set, const Outputs& out) {
        for (const StreamOutputs& stream : out.streams) {
            for (const Settled& settled : stream.settled) {
                const auto found = asked_.find({set, settled.seq});
                ASSERT_NE(found, asked_.end());
                const Asked asked = found->second;
                asked_.erase(found);
                EXPECT_EQ(asked.epoch, settled.epoch);
                EXPECT_EQ(devices_[asked.device].epoch, settled.epoch) << "its connection lives";
                granted(asked, settled.seq, settled.detail);
            }
            for (const Delivery& delivery : stream.deliveries) {
                for (Device& device : devices_) {
                    if (device.connected && device.nonce == delivery.nonce) {
                        arrive(device, stream, delivery);
                        acks_.push_back(Ack_{set, delivery.epoch, delivery.n});
                    }
                }
            }
        }
    }

    void arrive(Device& device, const StreamOutputs& stream, const Delivery& delivery) {
        if (delivery.release) {
            return;
        }
        const Message& message = stream.messages.at(delivery.message);
        const std::string payload = payload_of(message.body.view());
        EXPECT_EQ(std::string(message.topic.view()), topics_[topic_of(payload)]);
        if (delivery.dup) {
            return;
        }
        EXPECT_TRUE(device.seen.insert(payload).second) << device.client << " twice: " << payload;
        device.expected.erase(payload);
        const std::size_t end = payload.rfind(':') + 1;
        std::uint64_t& last = device.last[payload.substr(0, end)];
        const std::uint64_t n = std::strtoull(payload.c_str() + end, nullptr, 10);
        EXPECT_LT(last, n) << device.client << " out of order: " << payload;
        last = n;
        ++seen;
    }

    void acknowledge() {
        while (!acks_.empty()) {
            const Ack_ ack = acks_.front();
            acks_.pop_front();
            sets_.run(ack.set, Ack{{AckRange{ack.epoch, ack.n, ack.n}}});
        }
    }

    void rest() {
        sets_.pump();
        acknowledge();
        for (Device& device : devices_) {
            if (!device.connected) {
                device.nonce = ++nonce_;
                device.connected = true;
                device.epoch = sets_.open(device.client, device.nonce, 86'400);
            }
            acknowledge();
        }
        sets_.pump();
        acknowledge();
        EXPECT_EQ(sets_.interests_differ(), "");
        for (std::uint32_t id = 1; id <= sets_.count(); ++id) {
            const Statistics all = sets_.rig(id).statistics();
            evicted += all.counters.peer_evicted;
            EXPECT_EQ(all.waiting_subscribes, 0U);
            EXPECT_EQ(all.counters.inbox_evicted, 0U);
            EXPECT_EQ(all.counters.peer_invalid + all.counters.peer_expired, 0U);
            for (const PeerStatus& peer : all.peers) {
                EXPECT_EQ(peer.messages, 0U);
                for (const PeerStatus& back : sets_.rig(peer.set.value()).machine().peers()) {
                    if (back.set == GroupId(id)) {
                        EXPECT_LE(back.accepted, peer.made);
                        EXPECT_TRUE(limited_ || back.accepted == peer.made);
                    }
                }
            }
        }
        std::uint64_t missing = 0;
        for (const Device& device : devices_) {
            missing += device.expected.size();
        }
        // An item that is evicted may have had several readers behind it.
        EXPECT_LE(missing, evicted * devices_.size());
        EXPECT_TRUE(limited_ || evicted == 0);
    }

    struct Ack_ {
        std::uint32_t set = 0;
        std::uint64_t epoch = 0;
        std::uint64_t n = 0;
    };
    Random random_;
    bool limited_;
    Sets sets_;
    std::vector<Device> devices_;
    std::vector<std::string> topics_;
    std::vector<std::string> filters_;
    std::map<std::string, std::uint64_t> published_;
    std::map<std::pair<std::uint32_t, std::uint64_t>, Asked> asked_;  // by home and seq
    std::deque<Ack_> acks_;
    std::uint64_t nonce_ = 0;
};

TEST(World, EveryMessageOnceInOrderAndToWhoeverWasSubscribed) {
    std::uint64_t seen = 0;
    std::uint64_t late = 0;
    std::uint64_t refused_late = 0;
    std::uint64_t evicted = 0;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(seed, Rig::Mode::kLive);
        world.run(250);
        if (HasFailure()) {
            return;
        }
        seen += world.seen;
        late += world.late;
        refused_late += world.refused_late;
        evicted += world.evicted;
    }
    EXPECT_GT(seen, seeds() * 50);
    EXPECT_GT(late, seeds());
    EXPECT_GT(refused_late, 0U);
    EXPECT_GT(evicted, 0U);
}

TEST(World, AReplicaThatRestartsAfterEveryEntryHasTheSameTables) {
    for (std::uint64_t seed = 2; seed <= 2 + seeds() / 3; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World live(seed, Rig::Mode::kLive);
        live.run(100);
        World restarting(seed, Rig::Mode::kRestarting);
        restarting.run(100);
        for (std::uint32_t set = 1; set <= live.sets(); ++set) {
            EXPECT_TRUE(live.table(set) == restarting.table(set)) << "set " << set;
        }
        if (HasFailure()) {
            return;
        }
    }
}

TEST(World, RetainedMessagesComeOnceForEachSubscribe) {
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        Sets sets(static_cast<std::uint32_t>(2 + seed % 3), Rig::Mode::kLive);
        std::map<std::string, std::map<std::string, int>> got;       // client, topic
        std::map<std::string, std::map<std::string, int>> expected;  // the same
        std::vector<std::string> clients;
        std::vector<std::string> topics;
        for (std::uint32_t set = 1; set <= sets.count(); ++set) {
            clients.push_back(sets.key_in(set));
            topics.push_back(sets.key_in(set) + "/r");
            topics.push_back(sets.key_in(set, 1) + "/r");
            topics.push_back(sets.key_in(set, 1) + "/s");
        }
        for (const std::string& topic : topics) {
            sets.publish("", 0, topic, "kept", 1, true);
        }
        sets.on_outputs = [&](std::uint32_t, const Outputs& out) {
            for (const StreamOutputs& stream : out.streams) {
                for (const Delivery& delivery : stream.deliveries) {
                    EXPECT_TRUE(delivery.retain);
                    const Message& message = stream.messages.at(delivery.message);
                    ++got[clients[delivery.nonce - 1]][std::string(message.topic.view())];
                }
            }
        };
        std::vector<std::uint64_t> epochs;
        for (std::size_t i = 0; i < clients.size(); ++i) {
            epochs.push_back(sets.open(clients[i], i + 1));
        }
        for (int i = 0; i < 60; ++i) {
            if (random.chance(1, 3)) {
                const std::size_t which = random.below(clients.size());
                const std::string& topic = topics[random.below(topics.size())];
                const std::string filters[] = {topic, "#", "+/+/r", "p/#"};
                const std::string& filter = filters[random.below(4)];
                sets.subscribe(clients[which], epochs[which], filter, 1);
                for (const std::string& one : topics) {
                    if (topic_matches(filter, one)) {
                        ++expected[clients[which]][one];
                    }
                }
            } else if (random.chance(1, 10)) {
                sets.change_leader(static_cast<std::uint32_t>(1 + random.below(sets.count())));
            } else {
                sets.send();
                sets.deliver_any(random);
            }
        }
        sets.pump();
        EXPECT_EQ(got, expected);
        if (HasFailure()) {
            return;
        }
    }
}

}  // namespace
}  // namespace causeway::state
