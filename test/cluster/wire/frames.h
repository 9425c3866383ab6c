// Random frames, and whether two frames say the same; what the codec's tests and its fuzz target
// share.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

#include "cluster/wire/frames.h"
#include "core/base/random.h"

namespace causeway::wire {

// --- equality ----------------------------------------------------------------------------------

inline auto fields(const raft::Entry& e) {
    return std::tuple(e.term, e.index, e.kind, e.payload.view());
}
inline auto fields(const raft::SnapshotMeta& m) {
    return std::tie(m.index, m.term, m.configuration);
}
inline auto fields(const raft::VoteRequest& m) {
    return std::tie(m.last_index, m.last_term, m.pre, m.transfer);
}
inline auto fields(const raft::VoteResponse& m) { return std::tie(m.pre, m.granted); }
inline auto fields(const raft::AppendResponse& m) {
    return std::tie(m.index, m.rejected, m.hint_index, m.hint_term);
}
inline auto fields(const raft::Heartbeat&) { return std::tuple(); }
inline auto fields(const raft::HeartbeatResponse& m) { return std::tie(m.commit); }
inline auto fields(const raft::InstallSnapshot& m) { return fields(m.meta); }
inline auto fields(const raft::TimeoutNow&) { return std::tuple(); }
inline auto fields(const CommandResult& r) { return std::tie(r.seq, r.code, r.detail); }
inline auto fields(const Message& m) {
    return std::tuple(m.topic.view(), m.body.view(), m.expires_at);
}
inline auto fields(const Delivery& d) {
    return std::tie(d.nonce, d.epoch, d.n, d.message, d.qos, d.retain, d.dup, d.release,
                    d.subscription_ids);
}
inline auto fields(const Takeover& t) { return std::tie(t.nonce, t.epoch); }
inline auto fields(const Settled& s) { return std::tie(s.nonce, s.epoch, s.seq, s.detail); }
inline auto fields(const Led& l) { return std::tie(l.group, l.term, l.applied); }
inline auto fields(const SnapshotAck& f) {
    return std::tie(f.group, f.transfer, f.next, f.refused);
}
inline auto fields(const OpenStream& f) { return std::tie(f.set, f.loop, f.attachment); }
inline auto fields(const AttachStream& f) {
    return std::tie(f.set, f.loop, f.attachment, f.stream, f.received);
}
inline auto fields(const Commands& f) {
    return std::tie(f.set, f.loop, f.attachment, f.stream, f.frames, f.unlogged);
}
inline auto fields(const StreamOpened& f) {
    return std::tie(f.set, f.loop, f.attachment, f.stream, f.index);
}
inline auto fields(const Welcome& f) { return std::tie(f.set, f.loop, f.attachment, f.applied); }
inline auto fields(const StreamRefused& f) {
    return std::tie(f.set, f.loop, f.attachment, f.reason, f.leader);
}
inline auto fields(const PeerItems& f) { return std::tie(f.from, f.to, f.first, f.items, f.term); }
inline auto fields(const PeerItemsAck& f) { return std::tie(f.from, f.to, f.accepted); }
inline auto fields(const Call& f) { return std::tie(f.id, f.method, f.body); }
inline auto fields(const Reply& f) { return std::tie(f.id, f.ok, f.body); }
inline auto fields(const QueuesReady& f) { return std::tie(f.queues); }
inline auto fields(const ReadRecords& f) {
    return std::tie(f.set, f.loop, f.attachment, f.question, f.query);
}
inline auto fields(const RecordsRead& f) {
    return std::tie(f.set, f.loop, f.attachment, f.question, f.found);
}
inline auto fields(const RecordsChanged& f) { return std::tie(f.set, f.index, f.keys); }

template <typename T>
bool same(const T& a, const T& b) {
    return fields(a) == fields(b);
}
template <typename List>
bool same_all(const List& a, const List& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const auto& x, const auto& y) { return same(x, y); });
}
inline bool same(const raft::AppendRequest& a, const raft::AppendRequest& b) {
    return std::tie(a.prev_index, a.prev_term, a.commit) ==
               std::tie(b.prev_index, b.prev_term, b.commit) &&
           same_all(a.entries, b.entries);
}
inline bool same(const SnapshotChunk& a, const SnapshotChunk& b) {
    return std::tuple(a.group, a.transfer, a.number, a.last, a.bytes.view()) ==
               std::tuple(b.group, b.transfer, b.number, b.last, b.bytes.view()) &&
           same(a.meta, b.meta);
}
inline bool same(const StreamNews& a, const StreamNews& b) {
    const StreamOutputs& x = a.outputs;
    const StreamOutputs& y = b.outputs;
    return std::tie(a.set, a.loop, a.attachment, a.upto, a.unlogged_dropped) ==
               std::tie(b.set, b.loop, b.attachment, b.upto, b.unlogged_dropped) &&
           std::tie(x.stream, x.time, x.dead, x.unlogged_bytes_done) ==
               std::tie(y.stream, y.time, y.dead, y.unlogged_bytes_done) &&
           same_all(x.results, y.results) && same_all(x.messages, y.messages) &&
           same_all(x.deliveries, y.deliveries) && same_all(x.takeovers, y.takeovers) &&
           same_all(x.settled, y.settled);
}
inline bool same(const Ping& a, const Ping& b) {
    return a.wall_ms == b.wall_ms && same_all(a.led, b.led);
}
template <typename... Kinds>
bool same(const std::variant<Kinds...>& a, const std::variant<Kinds...>& b) {
    return a.index() == b.index() &&
           std::visit([&b]<typename T>(const T& one) { return same(one, *std::get_if<T>(&b)); }, a);
}
inline bool same(const RaftFrame& a, const RaftFrame& b) {
    return std::tie(a.group, a.message.from, a.message.to, a.message.term) ==
               std::tie(b.group, b.message.from, b.message.to, b.message.term) &&
           same(a.message.body, b.message.body);
}

// --- random frames -----------------------------------------------------------------------------

class Frames {
public:
    explicit Frames(std::uint64_t seed) : random_(seed) {}

    Frame next() { return make(random_.below(std::variant_size_v<Frame>)); }
    // The frame of the variant's alternative `kind`.
    Frame make(std::size_t kind) {
        switch (kind) {
            case 0:
                return RaftFrame{id<GroupId>(), message()};
            case 1:
                return SnapshotChunk{id<GroupId>(), meta(), number(), number(), coin(), bytes()};
            case 2:
                return SnapshotAck{id<GroupId>(), number(), number(), coin()};
            case 3:
                return OpenStream{id<GroupId>(), small(), number()};
            case 4:
                return AttachStream{id<GroupId>(), small(), number(), small(), id<Index>()};
            case 5:
                return Commands{id<GroupId>(), small(), number(), small(), text(), text()};
            case 6:
                return StreamOpened{id<GroupId>(), small(), number(), small(), id<Index>()};
            case 7:
                return Welcome{id<GroupId>(), small(), number(), number()};
            case 8:
                return StreamRefused{id<GroupId>(), small(), number(),
                                     static_cast<StreamRefused::Reason>(random_.below(3)),
                                     id<NodeId>()};
            case 9:
                return StreamNews{id<GroupId>(), small(),   number(),
                                  id<Index>(),   outputs(), number()};
            case 10:
                return ping();
            case 11:
                return PeerItems{id<GroupId>(), id<GroupId>(), number(), text(), id<Term>()};
            case 12:
                return PeerItemsAck{id<GroupId>(), id<GroupId>(), number()};
            case 13:
                return Call{number(), text(), text()};
            case 14:
                return QueuesReady{{text(), text()}};
            case 15:
                return ReadRecords{id<GroupId>(), small(), number(), number(),
                                   RecordQuery{text(), coin(), text(), small()}};
            case 16:
                return RecordsRead{
                    id<GroupId>(), small(), number(), number(),
                    RecordsFound{id<Index>(),
                                 coin(),
                                 {{text(), number(), text()}, {text(), number(), text()}}}};
            case 17:
                return RecordsChanged{id<GroupId>(), id<Index>(), {text(), text()}};
            default:
                return Reply{number(), coin(), text()};
        }
    }

    Random& random() { return random_; }

private:
    // Small numbers, round ones and the largest alike.
    std::uint64_t number() {
        const std::uint64_t value = random_.next() >> random_.below(64);
        return random_.chance(1, 20) ? 0 : random_.chance(1, 20) ? ~std::uint64_t{0} : value;
    }
    std::uint32_t small() { return static_cast<std::uint32_t>(number()); }
    bool coin() { return random_.chance(1, 2); }
    template <typename Id>
    Id id() {
        return Id(static_cast<typename Id::rep>(number()));
    }
    std::string text() {
        std::string made(random_.chance(1, 5) ? 0 : random_.below(300), 0);
        for (char& c : made) {
            c = static_cast<char>(random_.next());
        }
        return made;
    }
    SharedBytes bytes() { return SharedBytes::copy(text()); }
    raft::Configuration configuration() {
        raft::Configuration made;
        std::uint64_t last = 0;
        const std::uint64_t voters = random_.between(1, 6);
        for (std::uint64_t i = random_.below(4) + voters; i-- > 0;) {
            last += 1 + random_.below(1000);
            (made.voters.size() < voters ? made.voters : made.learners).push_back(NodeId(last));
        }
        return made;
    }
    raft::SnapshotMeta meta() { return {id<Index>(), id<Term>(), configuration()}; }
    raft::AppendRequest append_request() {
        raft::AppendRequest made{id<Index>(), id<Term>(), id<Index>(), {}};
        for (std::uint64_t i = random_.below(5); i > 0; --i) {
            made.entries.push_back(
                {id<Term>(), id<Index>(), static_cast<raft::EntryKind>(random_.below(3)), bytes()});
        }
        return made;
    }
    raft::Message message() {
        raft::Message made{id<NodeId>(), id<NodeId>(), id<Term>(), {}};
        switch (random_.below(8)) {
            case 0:
                made.body = raft::VoteRequest{id<Index>(), id<Term>(), coin(), coin()};
                break;
            case 1:
                made.body = raft::VoteResponse{coin(), coin()};
                break;
            case 2:
                made.body = append_request();
                break;
            case 3:
                made.body = raft::AppendResponse{id<Index>(), coin(), id<Index>(), id<Term>()};
                break;
            case 4:
                made.body = raft::Heartbeat{};
                break;
            case 5:
                made.body = raft::HeartbeatResponse{id<Index>()};
                break;
            case 6:
                made.body = raft::InstallSnapshot{meta()};
                break;
            default:
                made.body = raft::TimeoutNow{};
        }
        return made;
    }
    Delivery delivery(std::size_t messages) {
        Delivery made;
        made.nonce = number();
        made.epoch = number();
        made.n = number();
        made.release = messages == 0 || random_.chance(1, 5);
        made.message = made.release ? small() : static_cast<std::uint32_t>(random_.below(messages));
        made.qos = static_cast<std::uint8_t>(random_.below(3));
        made.retain = coin();
        made.dup = coin();
        for (std::uint64_t i = random_.below(4); i > 0; --i) {
            made.subscription_ids.push_back(small());
        }
        return made;
    }
    StreamOutputs outputs() {
        StreamOutputs made;
        made.stream = small();
        made.time = number();
        made.unlogged_bytes_done = number();
        made.dead = coin();
        for (std::uint64_t i = random_.below(6); i > 0; --i) {
            made.results.push_back({number(), static_cast<ResultCode>(random_.below(10)),
                                    random_.chance(1, 2) ? "" : text()});
        }
        for (std::uint64_t i = random_.below(4); i > 0; --i) {
            made.messages.push_back({bytes(), bytes(), number()});
        }
        for (std::uint64_t i = random_.below(6); i > 0; --i) {
            made.deliveries.push_back(delivery(made.messages.size()));
        }
        for (std::uint64_t i = random_.below(3); i > 0; --i) {
            made.takeovers.push_back({number(), number()});
        }
        for (std::uint64_t i = random_.below(3); i > 0; --i) {
            made.settled.push_back({number(), number(), number(), text()});
        }
        return made;
    }
    Ping ping() {
        Ping made{number(), {}};
        for (std::uint64_t i = random_.below(5); i > 0; --i) {
            made.led.push_back({id<GroupId>(), id<Term>(), id<Index>()});
        }
        return made;
    }

    Random random_;
};

}  // namespace causeway::wire
