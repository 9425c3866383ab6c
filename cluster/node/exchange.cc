// The stream of this set to each other one, as its leader moves it: read what is owed, send it to
// whoever leads there, and when that set has applied it, have it deleted here. The two state
// machines number and deduplicate; here anything may be lost or sent twice.
#include <utility>

#include "cluster/node/group.h"
#include "core/message/peer.h"

namespace causeway::node {
namespace {

constexpr std::uint64_t kBatchBytes = 256U << 10;
constexpr MonoMs kRetryMs = 300;

}  // namespace

void Group::propose_layout() {
    if (view_.leaders.size() < 2) {
        return;  // one set owns every topic, which is what a state without a layout does
    }
    std::string command;
    encode(CommandHeader{}, SetLayout{id(), view_.slots}, command);
    propose(command);
}

void Group::pump(GroupId set) {
    Exchange& exchange = exchanges_[set];
    if (!serving_ || exchange.reading || !exchange.more || exchange.sent > exchange.acked) {
        return;
    }
    exchange.reading = true;
    exchange.more = false;
    view_.ports.apply(id(), replica::ReadPeer{set, exchange.acked, kBatchBytes});
}

void Group::send_items(replica::PeerRead& read) {
    Exchange& exchange = exchanges_[read.set];
    exchange.reading = false;
    if (read.batch.last == 0) {
        pump(read.set);
        return;
    }
    exchange.more = true;  // there may be more behind this batch
    exchange.sent = read.batch.last;
    exchange.sent_at = view_.clock.mono_ms();
    const auto leader = view_.leaders.find(read.set);
    if (leader != view_.leaders.end() && leader->second.node) {
        view_.ports.send(leader->second.node, wire::PeerItems{id(), read.set, read.batch.first,
                                                              std::move(read.batch.items),
                                                              replica_.term()});
    }
}

void Group::retry_exchanges(MonoMs now_ms) {
    if (!serving_) {
        return;
    }
    for (auto& [set, exchange] : exchanges_) {
        if (exchange.sent > exchange.acked && now_ms - exchange.sent_at >= kRetryMs) {
            exchange.sent = exchange.acked;
            exchange.more = true;
            pump(set);
        }
    }
}

void Group::take(const wire::PeerItemsAck& ack) {
    if (!serving_) {
        return;
    }
    Exchange& exchange = exchanges_[ack.to];
    if (ack.accepted <= exchange.acked) {
        return;
    }
    exchange.acked = ack.accepted;
    std::string command;
    encode(CommandHeader{}, PeerAcked{ack.to, ack.accepted}, command);
    propose(command);
    pump(ack.to);
}

void Group::take(const Speaker& from, wire::PeerItems& items) {
    if (!serving_) {
        return;  // sent again, to whoever leads then
    }
    if (items.first == 0) {
        // Of a leader that was frozen or cut off: behind what its successor sent meanwhile.
        const auto leader = view_.leaders.find(items.from);
        if (leader != view_.leaders.end() && items.term < leader->second.term) {
            return;
        }
        view_.ports.apply(id(),
                          replica::UnloggedFromPeer{SharedBytes::take(std::move(items.items))});
        return;
    }
    const std::uint64_t seq = next_seq_++;
    std::string command;
    encode(CommandHeader{CommandKind::kPeerItems, 0, seq},
           PeerItems{items.from, items.first, items.items}, command);
    waiting_[seq] = [this, node = from.node, set = items.from](const CommandResult& result) {
        const std::uint64_t accepted = ByteReader(result.detail).varint();
        view_.ports.send(node, wire::PeerItemsAck{set, id(), accepted});
    };
    propose(command);
}

void Group::send_unlogged(std::vector<state::UnloggedPeers>& all) {
    std::map<GroupId, std::string> frames;
    for (const state::UnloggedPeers& one : all) {
        if (one.term != replica_.term()) {
            continue;  // apply stood still, and another led meanwhile
        }
        for (const GroupId set : one.sets) {
            append_frame(one.frame, frames[set]);
        }
    }
    for (auto& [set, bytes] : frames) {
        const auto leader = view_.leaders.find(set);
        if (leader != view_.leaders.end() && leader->second.node) {
            view_.ports.send(leader->second.node, wire::PeerItems{id(), set, 0, std::move(bytes),
                                                               replica_.term()});
        }
    }
}

}  // namespace causeway::node
