#include "test/core/state/sets.h"

#include <algorithm>
#include <set>

#include "core/message/topic.h"
#include "core/state/tables.h"

namespace causeway::state {

Sets::Sets(std::uint32_t count, Rig::Mode mode) : slots_(SlotMap::even(GroupId(1), count)) {
    for (std::uint32_t id = 1; id <= count; ++id) {
        auto set = std::make_unique<Set>();
        set->rig = std::make_unique<Rig>(mode);
        sets_.emplace(id, std::move(set));
    }
    for (auto& [id, set] : sets_) {
        EXPECT_EQ(lead(id, SetLayout{GroupId(id), slots_}).code, ResultCode::kOk);
        set->stream = set->rig->hello(1);
    }
}

std::string Sets::key_in(std::uint32_t set, int which) const {
    for (int i = 0;; ++i) {
        std::string key = "p/d" + std::to_string(i);
        if (home(key) == set && which-- == 0) {
            return key;
        }
    }
}

void Sets::note(std::uint32_t set) {
    made_.clear();
    for (const PeerStatus& peer : rig(set).machine().peers()) {
        made_[peer.set.value()] = peer.made;
    }
}

void Sets::applied(std::uint32_t set) {
    const Outputs& out = rig(set).out();
    for (const PeerStatus& peer : rig(set).machine().peers()) {
        // Whoever has something new is named.
        const std::uint64_t before = made_[peer.set.value()];
        if (rig(set).machine().read_peer(peer.set, before, 1).last != 0) {
            EXPECT_EQ(std::count(out.ready_peers.begin(), out.ready_peers.end(), peer.set), 1)
                << set << " to " << peer.set.value();
        }
    }
    if (on_outputs) {
        on_outputs(set, out);
    }
}

std::uint64_t Sets::open(std::string_view client, std::uint64_t nonce, std::uint32_t expiry_s) {
    Open command;
    command.client_id = client;
    command.nonce = nonce;
    command.session_expiry_interval_s = expiry_s;
    const CommandResult result = run(home(client), command);
    OpenAnswer answer;
    EXPECT_TRUE(decode(result.detail, answer));
    return answer.epoch;
}

CommandResult Sets::subscribe(std::string_view client, std::uint64_t epoch,
                              const std::vector<SubscriptionRequest>& requests) {
    Subscribe command;
    command.epoch = epoch;
    command.filters.assign(requests.begin(), requests.end());
    return run(home(client), command);
}

CommandResult Sets::subscribe(std::string_view client, std::uint64_t epoch, std::string_view filter,
                              std::uint8_t qos) {
    SubscriptionRequest request;
    request.filter = filter;
    request.qos = qos;
    return subscribe(client, epoch, {request});
}

CommandResult Sets::unsubscribe(std::string_view client, std::uint64_t epoch,
                                std::string_view filter) {
    Unsubscribe command;
    command.epoch = epoch;
    command.filters.push_back(filter);
    return run(home(client), command);
}

CommandResult Sets::publish(std::string_view client, std::uint64_t epoch, Publish command,
                            std::string_view payload) {
    const std::string body = make_body("", payload);
    command.client_id = client;
    command.epoch = epoch;
    command.body = body;
    return run(home(command.qos == 2 ? client : command.topic), command);
}

CommandResult Sets::publish(std::string_view client, std::uint64_t epoch, std::string_view topic,
                            std::string_view payload, std::uint8_t qos, bool retain) {
    Publish command;
    command.topic = topic;
    command.qos = qos;
    command.packet_id = 1;
    command.retain = retain;
    const CommandResult result = publish(client, epoch, command, payload);
    const bool accepted =
        result.code == ResultCode::kOk || result.code == ResultCode::kNoSubscribers;
    if (qos == 2 && epoch != 0 && accepted) {
        EXPECT_EQ(run(home(client), Release{epoch, 1}).code, ResultCode::kOk);
    }
    return result;
}

void Sets::limits(const StateLimits& limits) {
    for (auto& [id, set] : sets_) {
        lead(id, limits);
    }
}

void Sets::step(std::uint32_t set) {
    note(set);
    rig(set).step();
    applied(set);
}

void Sets::pass_ms(SetMs ms) {
    for (auto& [id, set] : sets_) {
        set->rig->pass_ms(ms);
    }
}

void Sets::pass_s(SetMs s) {
    pass_ms(s * 1000);
    for (auto& [id, set] : sets_) {
        step(id);
    }
}

void Sets::send() {
    for (auto& [from, set] : sets_) {
        for (const PeerStatus& peer : set->rig->machine().peers()) {
            const std::uint32_t to = peer.set.value();
            std::uint64_t& sent = set->sent[to];
            PeerBatch batch = set->rig->machine().read_peer(peer.set, sent, batch_bytes);
            if (batch.last != 0 && sets_.contains(to)) {
                sent = batch.last;
                network_.push_back(Packet{from, to, std::move(batch), false, 0});
            }
        }
    }
}

void Sets::take(const Packet& packet) {
    if (packet.is_ack) {
        Set& set = *sets_.at(packet.to);
        const CommandResult result =
            lead(packet.to, PeerAcked{GroupId(packet.from), packet.accepted});
        EXPECT_EQ(result.code, ResultCode::kOk);
        // What was sent beyond a gap is sent again once nothing of the stream is under way.
        const bool more = std::any_of(network_.begin(), network_.end(), [&](const Packet& other) {
            return !other.is_ack && other.from == packet.to && other.to == packet.from;
        });
        std::uint64_t& sent = set.sent[packet.from];
        sent = more ? sent : ByteReader(result.detail).varint();
        return;
    }
    const CommandResult result =
        lead(packet.to, PeerItems{GroupId(packet.from), packet.batch.first, packet.batch.items});
    EXPECT_TRUE(result.code == ResultCode::kOk || result.code == ResultCode::kResync);
    network_.push_back(
        Packet{packet.to, packet.from, {}, true, ByteReader(result.detail).varint()});
}

void Sets::deliver_any(Random& random) {
    if (network_.empty()) {
        return;
    }
    // Mostly in order.
    const std::size_t at = random.chance(2, 3) ? 0 : random.below(network_.size());
    const Packet packet = network_[at];
    if (!random.chance(1, 8)) {
        network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (!random.chance(1, 10)) {
        take(packet);
    } else if (!packet.is_ack) {
        // Lost with its connection: the leader sends again from what is acknowledged.
        sets_.at(packet.from)->sent[packet.to] = 0;
    }
}

void Sets::change_leader(std::uint32_t set) { sets_.at(set)->sent.clear(); }

void Sets::pump() {
    for (int round = 0; round < 100'000; ++round) {
        bool busy = false;
        for (auto& [id, set] : sets_) {
            for (int i = 0; set->rig->machine().has_work() && i < 1000; ++i) {
                step(id);
                busy = true;
            }
        }
        if (network_.empty()) {
            for (auto& [id, set] : sets_) {
                set->sent.clear();
            }
            send();
        }
        while (!network_.empty()) {
            busy = true;
            const Packet packet = network_.front();
            network_.erase(network_.begin());
            take(packet);
        }
        if (!busy) {
            return;
        }
    }
    ADD_FAILURE() << "the sets never come to rest";
}

std::string Sets::interests_differ() {
    using Pairs = std::set<std::pair<std::uint32_t, std::string>>;  // who wants it, filter
    std::map<std::uint32_t, Pairs> wanted;
    std::map<std::uint32_t, Pairs> held;
    for (auto& [id, set] : sets_) {
        for (const auto& [key, value] : set->rig->kv().committed()) {
            const auto number = [&] {
                return ByteReader(std::string_view(key).substr(1)).key_u64();
            };
            if (key[0] == static_cast<char>(Table::kInterest)) {
                held[id].emplace(static_cast<std::uint32_t>(number()), key.substr(9));
            }
            if (key[0] == static_cast<char>(Table::kSubscription)) {
                const std::string filter = key.substr(9);
                for (const auto& [other, unused] : sets_) {
                    const bool reaches =
                        has_wildcard(device_key(filter)) || home(device_key(filter)) == other;
                    if (other != id && reaches) {
                        wanted[other].emplace(id, filter);
                    }
                }
            }
        }
    }
    std::string text;
    for (const auto& [id, set] : sets_) {
        for (const auto& [who, filter] : wanted[id]) {
            text += held[id].contains({who, filter})
                        ? ""
                        : "set " + std::to_string(id) + " does not know that " +
                              std::to_string(who) + " wants " + filter + "\n";
        }
        for (const auto& [who, filter] : held[id]) {
            text += wanted[id].contains({who, filter})
                        ? ""
                        : "set " + std::to_string(id) + " thinks that " + std::to_string(who) +
                              " wants " + filter + "\n";
        }
    }
    return text;
}

}  // namespace causeway::state
