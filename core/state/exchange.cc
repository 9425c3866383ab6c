#include "core/state/exchange.h"

#include <algorithm>
#include <utility>

namespace causeway::state {
namespace {

// Acknowledged items removed with the command itself; the rest goes to the work list.
constexpr std::uint32_t kTrimAtOnce = 1024;

}  // namespace

ResultCode Exchange::set_layout(const SetLayout& command) {
    if (context_.layout.set(command, context_.kv) && sessions_.size() != 0) {
        WorkItem fit;
        fit.kind = WorkItem::Kind::kFit;
        work_.add(std::move(fit));
    }
    return ResultCode::kOk;
}

ResultCode Exchange::accept(const PeerItems& command, std::string& answer) {
    Peer* peer = command.from == context_.layout.self() ? nullptr : peers_.open(command.from);
    if (peer == nullptr) {
        return ResultCode::kInvalid;
    }
    ResultCode code = ResultCode::kOk;
    if (command.first > peer->accepted + 1) {
        code = ResultCode::kResync;
    } else {
        ByteReader in(command.items);
        std::uint64_t n = 0;
        std::string_view item;
        while (next_peer_item(in, n, item)) {
            if (n > peer->accepted) {
                peer->accepted = n;
                ++context_.counters().peer_accepted;
                apply(command.from, item);
            }
        }
        code = in.failed() ? ResultCode::kInvalid : code;
        peers_.mark(*peer);
    }
    ByteWriter(answer).varint(peer->accepted);
    return code;
}

void Exchange::apply(GroupId from, std::string_view bytes) {
    PeerItem item;
    Counters& counters = context_.counters();
    if (!decode(bytes, item)) {
        ++counters.peer_invalid;
        return;
    }
    if (item.expires_at != 0 && item.expires_at <= context_.now()) {
        ++counters.peer_expired;
        return;
    }
    ++counters.peer_done;
    Outgoing message;
    message.topic = item.topic;
    message.body = item.body;
    message.client_id = item.client_id;
    message.expires_at = item.expires_at;
    message.publisher_epoch = item.publisher_epoch;
    message.qos = item.qos;
    message.retain = item.retain;
    message.from_event = item.from_event;
    switch (item.kind) {
        case PeerItemKind::kMessage:
            sessions_.deliver_here(message);
            break;
        case PeerItemKind::kPublish:
            publisher_.peer_publish(message, item.retain_only);
            break;
        case PeerItemKind::kInterestAdd:
            sessions_.add_interest(from, item.filter);
            break;
        case PeerItemKind::kInterestDrop:
            sessions_.drop_interest(from, item.filter);
            break;
        case PeerItemKind::kRetainedAsk: {
            WorkItem replay;
            replay.kind = WorkItem::Kind::kPeerReplay;
            replay.id = item.session;
            replay.set = from;
            replay.text = std::string(item.filter);
            work_.add(std::move(replay));
            break;
        }
        case PeerItemKind::kGroup:
            sessions_.deliver_to_group(item.filter, message);
            break;
        case PeerItemKind::kRetained:
            sessions_.deliver_retained_from_peer(item.session, item.filter, message);
            break;
    }
}

ResultCode Exchange::acknowledged(const PeerAcked& command, std::string& answer) {
    if (peers_.find(command.set) == nullptr) {
        return ResultCode::kNotFound;
    }
    Peer& peer = *peers_.open(command.set);
    if (command.upto > peer.tail) {
        return ResultCode::kInvalid;
    }
    if (command.upto > peer.acked) {
        const bool trimming = peer.trimmed < peer.acked;
        peer.acked = command.upto;
        bool more = trimming;
        if (!trimming) {
            peers_.trim(peer, kTrimAtOnce, more);
        }
        if (more && !trimming) {
            WorkItem trim;
            trim.kind = WorkItem::Kind::kTrim;
            trim.set = command.set;
            work_.add(std::move(trim));
        }
        peers_.mark(peer);
        sessions_.peer_applied(command.set, command.upto);
        wake(command.set);
    }
    ByteWriter(answer).varint(peer.acked);
    return ResultCode::kOk;
}

std::uint32_t Exchange::trim_slice(const WorkItem& item, std::uint32_t budget, bool& more) {
    more = false;
    if (peers_.find(item.set) == nullptr) {
        return 1;
    }
    const std::uint32_t done = peers_.trim(*peers_.open(item.set), budget, more);
    wake(item.set);
    return done;
}

// What waited for room in the stream goes on.
void Exchange::wake(GroupId set) {
    if (!peers_.crowded(set)) {
        work_.wake(set);
    }
}

}  // namespace causeway::state
