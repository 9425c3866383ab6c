#include "core/state/peers.h"

#include <algorithm>
#include <utility>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr std::uint64_t kBatchItemsMax = 1024;

bool evictable(std::string_view item) {
    const auto kind = static_cast<PeerItemKind>(ByteReader(item).u8());
    return kind == PeerItemKind::kMessage || kind == PeerItemKind::kRetained ||
           kind == PeerItemKind::kGroup;
}

bool control(PeerItemKind kind) {
    return kind == PeerItemKind::kInterestAdd || kind == PeerItemKind::kInterestDrop ||
           kind == PeerItemKind::kRetainedAsk;
}

// As it counts against the limit, given the size of the encoded item.
constexpr std::uint64_t kItemBytes = 32;

}  // namespace

bool Peers::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kPeer);
    context_.kv.scan(
        prefix, after_prefix(prefix), [&](std::string_view key, std::string_view value) {
            Peer peer;
            peer.set = GroupId(static_cast<std::uint32_t>(ByteReader(key.substr(1)).key_u64()));
            ByteReader reader(value);
            for (std::uint64_t* number :
                 {&peer.queue, &peer.tail, &peer.acked, &peer.messages, &peer.bytes,
                  &peer.evictable, &peer.passed, &peer.trimmed, &peer.accepted}) {
                *number = reader.varint();
            }
            ok = !reader.failed();
            peers_.emplace(peer.set, peer);
            return ok;
        });
    return ok;
}

void Peers::flush() {
    std::string value;
    for (const GroupId set : dirty_) {
        Peer& peer = peers_.at(set);
        value.clear();
        ByteWriter writer(value);
        for (const std::uint64_t number :
             {peer.queue, peer.tail, peer.acked, peer.messages, peer.bytes, peer.evictable,
              peer.passed, peer.trimmed, peer.accepted}) {
            writer.varint(number);
        }
        context_.kv.put(key_of(Table::kPeer, set.value()), value);
        peer.dirty = false;
    }
    dirty_.clear();
}

void Peers::mark(Peer& peer) {
    if (!peer.dirty) {
        peer.dirty = true;
        dirty_.push_back(peer.set);
    }
}

Peer* Peers::open(GroupId set) {
    const auto found = peers_.find(set);
    if (found != peers_.end()) {
        return &found->second;
    }
    if (peers_.size() >= kSlots) {
        return nullptr;
    }
    Peer& peer = peers_[set];
    peer.set = set;
    peer.queue = context_.meta.next_id++;
    mark(peer);
    return &peer;
}

const Peer* Peers::find(GroupId set) const {
    const auto found = peers_.find(set);
    return found == peers_.end() ? nullptr : &found->second;
}

bool Peers::has_room(GroupId set, std::uint64_t messages, std::uint64_t bytes) const {
    const StateLimits& limits = context_.meta.limits;
    static const Peer kEmpty;
    const Peer* peer = find(set);
    if (peer == nullptr) {
        peer = &kEmpty;
    }
    return peer->messages + messages <= limits.peer_messages_max &&
           peer->bytes + bytes + messages * kItemBytes <= limits.peer_bytes_max;
}

bool Peers::has_room_for_control(GroupId set) const {
    const Peer* peer = find(set);
    return peer == nullptr ||
           peer->messages - peer->evictable < context_.meta.limits.peer_messages_max;
}

bool Peers::crowded(GroupId set) const {
    const StateLimits& limits = context_.meta.limits;
    const Peer* peer = find(set);
    return peer != nullptr && (peer->messages > limits.peer_messages_max / 2 ||
                               peer->bytes > limits.peer_bytes_max / 2);
}

std::uint64_t Peers::append(GroupId set, const PeerItem& item) {
    Peer* peer = open(set);
    if (peer == nullptr) {
        return 0;
    }
    scratch_.clear();
    encode(item, scratch_);
    Item stored;
    stored.message.body = scratch_;
    auto& counters = context_.counters();
    ++counters.peer_made;
    mark(*peer);
    const std::uint64_t n = ++peer->tail;
    if (!control(item.kind) && !make_room(*peer, stored.bytes())) {
        ++counters.peer_evicted;
        return n;
    }
    items_.put(peer->queue, n, stored);
    ++peer->messages;
    peer->bytes += stored.bytes();
    peer->evictable += evictable(scratch_) ? 1 : 0;
    auto& ready = context_.out->ready_peers;
    if (std::find(ready.begin(), ready.end(), set) == ready.end()) {
        ready.push_back(set);
    }
    return n;
}

bool Peers::make_room(Peer& peer, std::uint64_t bytes) {
    const StateLimits& limits = context_.meta.limits;
    while (peer.messages + 1 > limits.peer_messages_max ||
           peer.bytes + bytes > limits.peer_bytes_max) {
        if (peer.evictable == 0) {
            return false;
        }
        std::uint64_t oldest = 0;
        std::string record;
        items_.scan(peer.queue, std::max(peer.passed, peer.acked) + 1, peer.tail,
                    [&](std::uint64_t n, std::string_view value) {
                        Item item;
                        peer.passed = n;
                        if (!decode(value, item) || !evictable(item.message.body)) {
                            return true;
                        }
                        oldest = n;
                        record = std::string(value);
                        return false;
                    });
        Item item;
        if (oldest == 0 || !decode(record, item)) {
            return false;  // what may be evicted was applied already and waits to be removed
        }
        remove(peer, oldest, item);
        ++context_.counters().peer_evicted;
    }
    return true;
}

void Peers::remove(Peer& peer, std::uint64_t n, const Item& item) {
    items_.erase(peer.queue, n);
    --peer.messages;
    peer.bytes -= std::min(peer.bytes, item.bytes());
    peer.evictable -= evictable(item.message.body) ? 1 : 0;
    mark(peer);
}

std::uint32_t Peers::trim(Peer& peer, std::uint32_t budget, bool& more) {
    std::vector<std::pair<std::uint64_t, std::string>> done;
    items_.scan(peer.queue, peer.trimmed + 1, peer.acked,
                [&](std::uint64_t n, std::string_view record) {
                    done.emplace_back(n, record);
                    return done.size() < budget;
                });
    for (const auto& [n, record] : done) {
        Item item;
        if (decode(record, item)) {
            remove(peer, n, item);
            ++context_.counters().peer_acknowledged;
        }
    }
    more = done.size() == budget;
    peer.trimmed = more ? done.back().first : peer.acked;
    mark(peer);
    return static_cast<std::uint32_t>(done.size());
}

PeerBatch Peers::read(const Peer& peer, std::uint64_t after, std::uint64_t bytes_max) const {
    PeerBatch batch;
    batch.first = std::max(after, peer.acked) + 1;
    std::uint64_t items = 0;
    items_.scan(peer.queue, batch.first, peer.tail, [&](std::uint64_t n, std::string_view record) {
        Item item;
        if (!decode(record, item)) {
            return true;
        }
        if (items != 0 && batch.items.size() + item.message.body.size() > bytes_max) {
            return false;
        }
        append_peer_item(n, item.message.body, batch.items);
        batch.last = n;
        return ++items < kBatchItemsMax && batch.items.size() < bytes_max;
    });
    return batch;
}

}  // namespace causeway::state
