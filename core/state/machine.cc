#include "core/state/machine.h"

#include <algorithm>
#include <utility>

#include "core/base/seeded_bug.h"
#include "core/state/exchange.h"
#include "core/state/fences.h"
#include "core/state/groups.h"
#include "core/state/interests.h"
#include "core/state/item.h"
#include "core/state/peers.h"
#include "core/state/publish.h"
#include "core/state/records.h"
#include "core/state/retained.h"
#include "core/state/sessions.h"
#include "core/state/streams.h"
#include "core/state/tables.h"
#include "core/state/work.h"

namespace causeway::state {
namespace {

// Units of long work in one kStep.
constexpr std::uint32_t kStepBudget = 256;

}  // namespace

struct Machine::Parts {
    explicit Parts(Kv& kv)
        : context{kv, {}, nullptr, nullptr, false, false, {}, {}},
          items(context),
          queues(context, items),
          streams(context),
          work(context),
          peers(context, items),
          interests(context, peers),
          fences(context),
          groups(context),
          sessions(context, {items, queues, streams, work, peers, interests, groups}),
          retained(context, sessions, peers),
          records(context),
          publisher(context, {queues, sessions, retained, peers, fences}),
          exchange(context, peers, sessions, publisher, work) {}

    Context context;
    Items items;
    Queues queues;
    Streams streams;
    WorkList work;
    Peers peers;
    Interests interests;
    Fences fences;
    Groups groups;
    Sessions sessions;
    Retained retained;
    Records records;
    Publisher publisher;
    Exchange exchange;
    Index applied;

    void apply_command(std::string_view command);
    CommandResult perform_in_order(const CommandHeader& header, ByteReader& in,
                                   const Stream& stream, std::uint64_t& refused_of);
    CommandResult perform(const CommandHeader& header, ByteReader& in);
    ResultCode perform_session(const CommandHeader& header, ByteReader& in, std::string& detail);
    ResultCode perform_queue(const CommandHeader& header, ByteReader& in, std::string& detail);
    ResultCode perform_peer(const CommandHeader& header, ByteReader& in, std::string& detail);
    ResultCode hello(const Hello& command, std::string& detail);
    void publish_unlogged(const Publish& publish, const SharedBytes& owner, Outputs& out,
                          bool from_peer);
    void gateway_down(StreamId stream);
    std::uint32_t work_slice(std::uint32_t budget);
    void step();

    template <typename Command, typename Perform>
    static ResultCode with(ByteReader& in, Perform perform) {
        Command command;
        return decode(in, command) ? perform(command) : ResultCode::kInvalid;
    }
};

Machine::Machine(Kv& kv) : parts_(std::make_unique<Parts>(kv)) {}
Machine::~Machine() = default;

Result<> Machine::load() {
    Parts& p = *parts_;
    p.applied = p.context.kv.applied();
    std::string record;
    if (p.context.kv.get(key_of(Table::kMeta), record) && !decode(record, p.context.meta)) {
        return fail(
            "the state's first record is damaged: refill this node from its peers or a backup");
    }
    const bool ok = p.context.layout.load(p.context.kv) && p.streams.load() && p.queues.load() &&
                    p.work.load() && p.peers.load() && p.interests.load() && p.fences.load() &&
                    p.groups.load() && p.sessions.load() && p.records.load();
    if (!ok) {
        return fail(
            "a record of the state is damaged: refill this node from its peers or a backup");
    }
    return {};
}

void Machine::apply(Index index, const SharedBytes& entry, Outputs& out) {
    Parts& p = *parts_;
    p.applied = index;
    ByteReader in(entry.view());
    if (in.at_end()) {
        p.fences.new_leader();  // or a change of the configuration, which does no harm
        return;
    }
    p.context.out = &out;
    p.context.entry = &entry;
    p.context.logged = true;
    const std::uint8_t version = in.u8();
    const SetMs time = in.u64();
    if (version == kEntryVersion && !in.failed()) {
        p.context.meta.time = std::max(p.context.meta.time, time);
        std::string_view command;
        while (next_frame(in, command)) {
            p.apply_command(command);
        }
    }
    for (StreamOutputs& stream : out.streams) {
        stream.time = p.context.now();
    }
    p.context.out = nullptr;
    p.context.entry = nullptr;
    p.context.logged = false;
}

void Machine::Parts::apply_command(std::string_view command) {
    ByteReader in(command);
    CommandHeader header;
    if (!decode_header(in, header)) {
        return;
    }
    if (header.stream == 0) {
        CommandResult result = perform(header, in);
        result.seq = header.seq;
        if (header.seq != 0) {
            context.out->leader.push_back(std::move(result));
        }
        return;
    }
    Stream* stream = streams.find(header.stream);
    const ResultCode admitted =
        stream == nullptr ? ResultCode::kDead : streams.admit(*stream, header.seq);
    CommandResult result;
    if (admitted == ResultCode::kOk) {
        std::uint64_t refused_of = 0;
        result = perform_in_order(header, in, *stream, refused_of);
        // The command itself may have moved or removed the records of streams.
        stream = streams.find(header.stream);
        if (stream != nullptr) {
            streams.applied(*stream, header.seq, result.code, refused_of);
        }
    } else if (admitted == ResultCode::kDuplicate) {
        for (const Stream::NotOk& one : stream->not_ok) {
            result.code = one.seq == header.seq ? one.code : result.code;
        }
    } else {
        result.code = admitted;
    }
    result.seq = header.seq;
    context.out->stream(header.stream).results.push_back(std::move(result));
}

// Rule 4: a publish behind a refused one is refused too, unless the gateway knew of the refusal:
// the client may have lost its answer, and would send both again in an order that nobody has seen.
// `refused_of`: whose publish was refused for a reason of its own.
CommandResult Machine::Parts::perform_in_order(const CommandHeader& header, ByteReader& in,
                                               const Stream& stream, std::uint64_t& refused_of) {
    const std::string_view fields = in.rest();
    Publish publish;
    const auto read = [&] {
        ByteReader again(fields);
        return header.kind == CommandKind::kPublish && decode(again, publish);
    };
    if (header.behind != 0 && !stream.not_ok.empty() && !CAUSEWAY_BUG(kAcceptBehindRefused) &&
        read()) {
        if (const std::uint64_t who = publisher_of(publish);
            who != 0 && Streams::follows_refusal(stream, header, who)) {
            CommandResult result;
            const std::uint16_t packet_id = publish.qos == 2 ? publish.packet_id : std::uint16_t{0};
            result.code = publisher.refuse({ResultCode::kQuotaExceeded, publish.epoch, packet_id},
                                           header.stream);
            return result;
        }
    }
    CommandResult result = perform(header, in);
    if (result.code != ResultCode::kQuotaExceeded) {
        return result;
    }
    if (read()) {
        refused_of = publisher_of(publish);
    } else if (header.kind == CommandKind::kRefused) {
        ByteReader again(fields);
        Refused refused;
        refused_of = decode(again, refused) ? refused.publisher : 0;
    }
    return result;
}

CommandResult Machine::Parts::perform(const CommandHeader& header, ByteReader& in) {
    CommandResult result;
    switch (header.kind) {
        case CommandKind::kHello:
            result.code = with<Hello>(
                in, [&](const Hello& command) { return hello(command, result.detail); });
            break;
        case CommandKind::kGatewayDown: {
            const auto id = static_cast<StreamId>(in.varint());
            if (!in.failed() && streams.declare_dead(id)) {
                gateway_down(id);
            }
            break;
        }
        case CommandKind::kPublish:
            result.code = with<Publish>(in, [&](const Publish& command) {
                return publisher.publish(command, header.stream);
            });
            break;
        case CommandKind::kSelfPublish:
            result.code = with<SelfPublish>(
                in, [&](const SelfPublish& command) { return publisher.self_publish(command); });
            break;
        case CommandKind::kStep:
            step();
            break;
        case CommandKind::kRefused:
            result.code = with<Refused>(in, [&](const Refused& command) {
                return publisher.refuse(command, header.stream);
            });
            break;
        case CommandKind::kSetLimits:
            result.code = with<StateLimits>(in, [&](const StateLimits& limits) {
                context.meta.limits = limits;
                return ResultCode::kOk;
            });
            break;
        case CommandKind::kRecordPut:
            result.code = with<RecordPut>(
                in, [&](const RecordPut& command) { return records.put(command, result.detail); });
            break;
        case CommandKind::kRecordDelete:
            result.code = with<RecordDelete>(
                in, [&](const RecordDelete& command) { return records.erase(command); });
            break;
        case CommandKind::kQueueDeclare:
        case CommandKind::kQueueSend:
        case CommandKind::kQueueReceive:
        case CommandKind::kQueueAck:
        case CommandKind::kOutboxDone:
            result.code = perform_queue(header, in, result.detail);
            break;
        case CommandKind::kSetLayout:
        case CommandKind::kPeerItems:
        case CommandKind::kPeerAcked:
            result.code = perform_peer(header, in, result.detail);
            break;
        default:
            result.code = perform_session(header, in, result.detail);
            break;
    }
    return result;
}

ResultCode Machine::Parts::perform_session(const CommandHeader& header, ByteReader& in,
                                           std::string& detail) {
    const StreamId stream = header.stream;
    switch (header.kind) {
        case CommandKind::kOpen:
            return with<Open>(in, [&](const Open& c) { return sessions.open(c, stream, detail); });
        case CommandKind::kClose:
            return with<Close>(in, [&](const Close& c) { return sessions.close(c, stream); });
        case CommandKind::kSubscribe:
            return with<Subscribe>(in, [&](const Subscribe& c) {
                const bool idle = work.empty();
                const ResultCode code = sessions.subscribe(c, header, detail);
                // Retained messages of the usual subscription come with its own entry.
                std::uint32_t left = idle ? kStepBudget : 0;
                while (left != 0 && !work.empty()) {
                    left -= std::min(left, work_slice(left));
                }
                return code;
            });
        case CommandKind::kUnsubscribe:
            return with<Unsubscribe>(
                in, [&](const Unsubscribe& c) { return sessions.unsubscribe(c, stream, detail); });
        case CommandKind::kAck:
            return with<Ack>(in, [&](const Ack& c) { return sessions.acknowledge(c, stream); });
        case CommandKind::kReceived:
            return with<Received>(in,
                                  [&](const Received& c) { return sessions.received(c, stream); });
        case CommandKind::kRelease:
            return with<Release>(in, [&](const Release& c) { return sessions.release(c, stream); });
        default:
            return ResultCode::kInvalid;
    }
}

ResultCode Machine::Parts::perform_queue(const CommandHeader& header, ByteReader& in,
                                         std::string& detail) {
    switch (header.kind) {
        case CommandKind::kQueueDeclare:
            return with<QueueDeclare>(in, [&](const QueueDeclare& c) {
                queues.declare(c);
                return ResultCode::kOk;
            });
        case CommandKind::kQueueSend:
            return with<QueueSend>(in, [&](const QueueSend& c) {
                Item item;
                item.message.body = c.body;
                item.key = c.key;
                if (!queues.has_room(QueueKind::kOperator, c.queue, 1, item.bytes())) {
                    return ResultCode::kQuotaExceeded;
                }
                Queue& queue = queues.open(QueueKind::kOperator, c.queue);
                ByteWriter(detail).varint(queues.send(queue, item, c.delay_s));
                return ResultCode::kOk;
            });
        case CommandKind::kQueueReceive:
            return with<QueueReceive>(
                in, [&](const QueueReceive& c) { return queues.receive(c, detail); });
        case CommandKind::kQueueAck:
            return with<QueueAck>(in,
                                  [&](const QueueAck& c) { return queues.acknowledge(c, detail); });
        case CommandKind::kOutboxDone:
            return with<OutboxDone>(in, [&](const OutboxDone& c) { return queues.outbox_done(c); });
        default:
            return ResultCode::kInvalid;
    }
}

ResultCode Machine::Parts::perform_peer(const CommandHeader& header, ByteReader& in,
                                        std::string& detail) {
    switch (header.kind) {
        case CommandKind::kSetLayout:
            return with<SetLayout>(in, [&](const SetLayout& c) { return exchange.set_layout(c); });
        case CommandKind::kPeerItems:
            return with<PeerItems>(in,
                                   [&](const PeerItems& c) { return exchange.accept(c, detail); });
        case CommandKind::kPeerAcked:
            return with<PeerAcked>(
                in, [&](const PeerAcked& c) { return exchange.acknowledged(c, detail); });
        default:
            return ResultCode::kInvalid;
    }
}

ResultCode Machine::Parts::hello(const Hello& command, std::string& detail) {
    std::vector<StreamId> died;
    const StreamId next = context.meta.next_stream;
    const Stream& stream = streams.hello(command, died);
    ByteWriter(detail).varint(stream.id);
    if (stream.id == next) {
        context.out->opened.push_back(LiveStream{stream.id, stream.node, stream.boot, stream.loop});
    }
    for (const StreamId id : died) {
        gateway_down(id);
    }
    return ResultCode::kOk;
}

// Rule 9: from now on the stream's sessions count as detached; the work list gets them one by one.
void Machine::Parts::gateway_down(StreamId stream) {
    context.out->stream(stream).dead = true;
    context.out->closed.push_back(stream);
    WorkItem detach;
    detach.kind = WorkItem::Kind::kDetach;
    detach.id = stream;
    work.add(std::move(detach));
}

std::uint32_t Machine::Parts::work_slice(std::uint32_t budget) {
    WorkItem item = work.front();
    bool more = false;
    std::uint32_t done = 0;
    switch (item.kind) {
        case WorkItem::Kind::kDetach:
            done = sessions.detach_slice(item, budget, more);
            break;
        case WorkItem::Kind::kPump:
            done = sessions.pump_slice(item, budget, more);
            break;
        case WorkItem::Kind::kReplay:
            done = retained.replay_slice(item, budget, more);
            break;
        case WorkItem::Kind::kPurge:
            done = sessions.purge_slice(item, budget, more);
            break;
        case WorkItem::Kind::kPeerReplay:
            if (peers.crowded(item.set)) {
                work.park(std::move(item));
                return 1;
            }
            done = retained.peer_replay_slice(item, budget, more);
            break;
        case WorkItem::Kind::kTrim:
            done = exchange.trim_slice(item, budget, more);
            break;
        case WorkItem::Kind::kFit:
            done = sessions.fit_slice(item, budget, more);
            break;
        case WorkItem::Kind::kRegroup:
            done = sessions.regroup_slice(item, budget, more);
            break;
    }
    if (more) {
        work.again(std::move(item));
    } else {
        work.pop();
    }
    return std::max<std::uint32_t>(done, 1);
}

void Machine::Parts::step() {
    std::uint32_t left = kStepBudget;
    while (left != 0 && !context.timers.empty() && context.timers.begin()->at <= context.now()) {
        const Timer timer = *context.timers.begin();
        context.timers.erase(context.timers.begin());
        std::uint32_t done = 1;
        if (timer.kind == Timer::Kind::kSession) {
            sessions.on_timer(timer.id);
        } else if (timer.kind == Timer::Kind::kSubscribe) {
            sessions.on_subscribe_timer(timer.id);
        } else if (Queue* queue = queues.find(timer.id)) {
            done += queues.expire(*queue, left);
        }
        left -= std::min(left, done);
    }
    while (left != 0 && !work.empty()) {
        left -= std::min(left, work_slice(left));
    }
}

void Machine::Parts::publish_unlogged(const Publish& publish, const SharedBytes& owner,
                                      Outputs& out, bool from_peer) {
    context.out = &out;
    context.entry = &owner;
    Outgoing message;
    message.topic = publish.topic;
    message.body = publish.body;
    message.client_id = publish.client_id;
    message.publisher_epoch = publish.epoch;
    message.retain = publish.retain;
    message.expires_at =
        publish.expiry_s == 0 ? 0 : context.now() + std::uint64_t{publish.expiry_s} * 1000;
    Publish bare = publish;
    bare.outputs = {};
    bare.rule_version = 0;
    bare.username = {};
    bare.peer_host = {};
    const auto name = [&](std::vector<GroupId> sets) {
        UnloggedPeers& named = out.unlogged_peers.emplace_back();
        named.sets = std::move(sets);
        encode(CommandHeader{}, bare, named.frame);
    };
    if (!from_peer) {
        Sessions::Elsewhere elsewhere = sessions.deliver_unlogged(message);
        if (!elsewhere.sets.empty()) {
            name(std::move(elsewhere.sets));
        }
        for (const auto& [set, filter] : elsewhere.groups) {
            bare.group = filter;
            name({set});
        }
    } else if (publish.group.empty()) {
        sessions.deliver_unlogged_here(message);
    } else {
        sessions.deliver_unlogged_to_group(publish.group, message);
    }
    for (StreamOutputs& stream : out.streams) {
        stream.time = context.now();
    }
    context.out = nullptr;
    context.entry = nullptr;
}

void Machine::publish_unlogged(const Publish& publish, const SharedBytes& owner, Outputs& out) {
    parts_->publish_unlogged(publish, owner, out, false);
}

void Machine::publish_unlogged_from_peer(const Publish& publish, const SharedBytes& owner,
                                         Outputs& out) {
    parts_->publish_unlogged(publish, owner, out, true);
}

void Machine::commit() {
    Parts& p = *parts_;
    if (p.applied <= p.context.kv.applied()) {
        return;
    }
    p.sessions.flush();
    p.groups.flush();
    p.queues.flush();
    p.streams.flush();
    p.peers.flush();
    p.records.flush();
    std::string record;
    encode(p.context.meta, record);
    p.context.kv.put(key_of(Table::kMeta), record);
    p.context.kv.commit(p.applied);
}

Index Machine::applied() const { return parts_->applied; }
SetMs Machine::time() const { return parts_->context.now(); }
const StateLimits& Machine::limits() const { return parts_->context.meta.limits; }

SetMs Machine::next_timer() const {
    const auto& timers = parts_->context.timers;
    return timers.empty() ? 0 : timers.begin()->at;
}

bool Machine::has_work() const { return !parts_->work.empty(); }

std::optional<std::uint64_t> Machine::stream_position(StreamId id) const {
    const Stream* stream = parts_->streams.find(id);
    return stream == nullptr || stream->died_at != 0 ? std::nullopt
                                                     : std::optional(stream->applied);
}

std::vector<LiveStream> Machine::live_streams() const {
    std::vector<LiveStream> live;
    for (const auto& [id, stream] : parts_->streams.all()) {
        if (stream.died_at == 0) {
            live.push_back(LiveStream{id, stream.node, stream.boot, stream.loop});
        }
    }
    return live;
}

std::vector<OutboxItem> Machine::read_outbox(std::string_view sink, std::uint64_t after,
                                             std::uint64_t bytes_max) {
    std::vector<OutboxItem> items;
    if (const Queue* queue = parts_->queues.find(QueueKind::kOutbox, sink)) {
        parts_->queues.read(*queue, after, bytes_max, [&](std::uint64_t n, const Item& item) {
            items.push_back(
                OutboxItem{n, item.sent_at, std::string(item.key), std::string(item.message.body)});
        });
    }
    return items;
}

std::vector<SelfItem> Machine::read_self(std::uint64_t after, std::uint64_t bytes_max) {
    std::vector<SelfItem> items;
    if (const Queue* queue = parts_->queues.find(QueueKind::kSelf, "self")) {
        parts_->queues.read(*queue, after, bytes_max, [&](std::uint64_t n, const Item& item) {
            items.push_back(SelfItem{n, std::string(item.message.topic),
                                     std::string(item.message.body),
                                     std::string(item.message.client_id), item.qos, item.retain,
                                     std::string(item.event), item.sent_at});
        });
    }
    return items;
}

PeerBatch Machine::read_peer(GroupId set, std::uint64_t after, std::uint64_t bytes_max) const {
    const Peer* peer = parts_->peers.find(set);
    return peer == nullptr ? PeerBatch{} : parts_->peers.read(*peer, after, bytes_max);
}

RecordsFound Machine::read_records(const RecordQuery& query) const {
    RecordsFound found = parts_->records.read(query);
    found.index = parts_->applied;
    return found;
}

std::vector<PeerStatus> Machine::peers() const {
    std::vector<PeerStatus> all;
    for (const auto& [set, peer] : parts_->peers.all()) {
        all.push_back(
            PeerStatus{set, peer.tail, peer.acked, peer.accepted, peer.messages, peer.bytes});
    }
    return all;
}

Statistics Machine::statistics() const {
    const Parts& p = *parts_;
    Statistics all;
    all.sessions = p.sessions.size();
    all.attached = p.sessions.attached();
    all.subscriptions = p.sessions.subscriptions();
    all.inbox_messages = p.sessions.inbox_messages();
    all.retained_messages = p.context.meta.retained_messages;
    all.retained_bytes = p.context.meta.retained_bytes;
    all.bodies = p.items.bodies();
    all.records = p.records.count();
    all.records_bytes = p.records.bytes();
    all.counters = p.context.meta.counters;
    all.queues = p.queues.status(QueueKind::kOperator);
    all.outboxes = p.queues.status(QueueKind::kOutbox);
    all.held_interests = p.sessions.held_interests();
    all.asked_interests = p.interests.asked();
    all.waiting_subscribes = p.interests.waiting();
    all.fences = p.fences.size();
    all.parked_work = p.work.parked();
    all.peers = peers();
    all.memory = p.sessions.memory();
    return all;
}

Memory& Memory::operator+=(const Memory& other) {
    sessions += other.sessions;
    indexes += other.indexes;
    subscriptions += other.subscriptions;
    trie += other.trie;
    return *this;
}

}  // namespace causeway::state
