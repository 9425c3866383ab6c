// What the leader of a set does with commands before they become an entry: it admits the stream
// they come by, routes publishes through the rules, refuses what the disk has no room for, and adds
// commands of its own.
#include <utility>

#include "cluster/node/group.h"

namespace causeway::node {

// --- streams -----------------------------------------------------------------------------------

void Group::refuse(const Speaker& from, wire::LoopId loop, wire::Attachment attachment) {
    wire::StreamRefused refused;
    refused.set = id();
    refused.loop = loop;
    refused.attachment = attachment;
    refused.leader = replica_.leader();
    if (from.node == view_.self) {
        view_.ports.tell_loop(loop, refused);
    } else {
        view_.ports.send(from.node, refused);
    }
}

void Group::take(const Speaker& from, const wire::OpenStream& open) {
    if (!serving_) {
        refuse(from, open.loop, open.attachment);
        return;
    }
    const std::uint64_t seq = next_seq_++;
    std::string command;
    encode(CommandHeader{CommandKind::kHello, 0, seq},
           Hello{from.uuid, from.boot, open.loop, open.attachment}, command);
    waiting_[seq] = [this, from, open](const CommandResult& result) {
        if (result.code != ResultCode::kOk) {
            return;
        }
        const auto stream = static_cast<StreamId>(ByteReader(result.detail).varint());
        Attached& attached = attached_[{from.node, open.loop}];
        if (attached.newer_than(from, open.attachment)) {
            return;
        }
        attached = Attached{from.uuid, from.boot, open.attachment, stream};
        // The applied side answers, so that what it sends afterwards comes afterwards.
        const replica::Route route{{from.node, open.loop}, open.attachment};
        view_.ports.apply(id(), replica::OpenRoute{route, stream});
    };
    propose(command);
}

void Group::take(const Speaker& from, const wire::AttachStream& attach) {
    if (!serving_) {
        refuse(from, attach.loop, attach.attachment);
        return;
    }
    Attached& attached = attached_[{from.node, attach.loop}];
    if (attached.newer_than(from, attach.attachment)) {
        return;
    }
    attached = Attached{from.uuid, from.boot, attach.attachment, attach.stream};
    const replica::Route route{{from.node, attach.loop}, attach.attachment};
    view_.ports.apply(id(), replica::AttachRoute{route, attach.stream, attach.received});
}

void Group::take(const Speaker& from, wire::Commands& commands) {
    if (!serving_) {
        refuse(from, commands.loop, commands.attachment);
        return;
    }
    const auto attached = attached_.find({from.node, commands.loop});
    if (attached == attached_.end() || attached->second.attachment != commands.attachment ||
        attached->second.stream != commands.stream) {
        ++counters_.detached_commands;
        if (attached == attached_.end()) {
            refuse(from, commands.loop, commands.attachment);
        }
        return;
    }
    ByteReader in(commands.frames);
    std::string_view command;
    while (next_frame(in, command)) {
        take_command(command, commands.stream);
    }
    take_unlogged(commands);
}

void Group::take(const Speaker& from, wire::ReadRecords& read) {
    const auto attached = attached_.find({from.node, read.loop});
    if (!serving_ || attached == attached_.end()) {
        refuse(from, read.loop, read.attachment);
        return;
    }
    if (attached->second.attachment == read.attachment) {
        const replica::Route route{{from.node, read.loop}, read.attachment};
        view_.ports.apply(id(), replica::ReadRecords{route, read.question, std::move(read.query)});
    }
}

// --- commands ----------------------------------------------------------------------------------

void Group::take_command(std::string_view command, StreamId stream) {
    ByteReader in(command);
    CommandHeader header;
    // A gateway speaks for its own stream only.
    if (!decode_header(in, header) || header.stream != stream) {
        return;
    }
    ++counters_.commands;
    const bool publish = header.kind == CommandKind::kPublish;
    if (view_.disk_low && (publish || header.kind == CommandKind::kQueueSend ||
                           header.kind == CommandKind::kRecordPut)) {
        ++counters_.refused_disk;
        Refused refused{ResultCode::kQuotaExceeded};
        Publish fields;
        if (publish && decode(in, fields)) {
            refused.publisher = publisher_of(fields);
            refused.epoch = fields.epoch;
            refused.packet_id = fields.qos == 2 ? fields.packet_id : std::uint16_t{0};
        }
        scratch_.clear();
        encode(header, refused, scratch_);
        append_frame(scratch_, replica_.open_entry(now()));
        return;
    }
    std::string& entry = replica_.open_entry(now());
    if (!publish) {
        append_frame(command, entry);
        return;
    }
    ++counters_.publishes;
    Publish fields;
    outputs_.clear();
    std::uint64_t version = 0;
    if (decode(in, fields) && view_.router.interested(fields.topic)) {
        version = view_.router.route(fields, now(), outputs_);
    }
    scratch_.clear();
    append_routed_publish(command, outputs_, version, scratch_);
    append_frame(scratch_, entry);
}

void Group::take_unlogged(wire::Commands& commands) {
    if (commands.unlogged.empty()) {
        return;
    }
    ByteReader in(commands.unlogged);
    std::string_view command;
    while (next_frame(in, command)) {
        ++counters_.unlogged;
        route_unlogged(command);
    }
    view_.ports.apply(id(), replica::ApplyUnlogged{commands.stream,
                                                   SharedBytes::take(std::move(commands.unlogged)),
                                                   replica_.term()});
}

// What is retained or owed to a queue or sink is logged; subscribers do not wait for that.
void Group::route_unlogged(std::string_view command) {
    ByteReader fields(command);
    CommandHeader header;
    Publish publish;
    if (!decode_header(fields, header) || !decode(fields, publish)) {
        return;
    }
    outputs_.clear();
    if (view_.router.interested(publish.topic)) {
        publish.rule_version = view_.router.route(publish, now(), outputs_);
    }
    if (outputs_.empty() && !publish.retain) {
        return;
    }
    if (view_.disk_low) {
        ++counters_.refused_disk;
        return;
    }
    publish.outputs = outputs_;
    publish.outputs_only = true;
    publish.epoch = 0;
    publish.username = {};
    publish.peer_host = {};
    scratch_.clear();
    encode(CommandHeader{}, publish, scratch_);
    append_frame(scratch_, replica_.open_entry(now()));
}

// --- the leader's own --------------------------------------------------------------------------

void Group::propose(std::string_view command) {
    if (serving_) {
        append_frame(command, replica_.open_entry(now()));
    }
}

void Group::propose_step() {
    if (!serving_ || step_under_way_) {
        return;
    }
    step_under_way_ = true;
    step_at_ = 0;
    const std::uint64_t seq = next_seq_++;
    scratch_.clear();
    encode_step(seq, scratch_);
    waiting_[seq] = [this](const CommandResult&) { step_under_way_ = false; };
    propose(scratch_);
}

// Some a turn: a new leader may find tens of thousands, and each may be evaluated by the rules.
void Group::propose_selves() {
    constexpr std::size_t kTurn = 256;
    for (std::size_t count = 0; serving_ && count < kTurn && !self_items_.empty(); ++count) {
        propose_self(self_items_.front());
        self_items_.pop_front();
    }
}

void Group::propose_self(const state::SelfItem& item) {
    SelfPublish command;
    command.n = item.n;
    outputs_.clear();
    command.rule_version = item.event.empty() ? route_self(item) : route_event(item);
    command.outputs = outputs_;
    scratch_.clear();
    encode(CommandHeader{}, command, scratch_);
    propose(scratch_);
}

// The version of the rules that were asked; 0: none.
std::uint64_t Group::route_event(const state::SelfItem& item) {
    Event event;
    if (!decode(item.event, event)) {
        return 0;  // of a newer version: nothing is made of it
    }
    event.at = item.at;
    event.client_id = item.client_id;
    event.topic = item.topic;
    event.body = item.body;
    return view_.router.route_event(event, now(), outputs_);
}

std::uint64_t Group::route_self(const state::SelfItem& item) {
    Publish publish;
    publish.client_id = item.client_id;
    publish.topic = item.topic;
    publish.body = item.body;
    publish.qos = item.qos;
    publish.retain = item.retain;
    return view_.router.interested(item.topic) ? view_.router.route(publish, now(), outputs_) : 0;
}

void Group::declare_dead(StreamId stream) {
    if (!serving_) {
        return;
    }
    ++counters_.gateways_down;
    scratch_.clear();
    encode_gateway_down(stream, scratch_);
    propose(scratch_);
}

void Group::propose_limits() {
    StateLimits wanted = view_.limits;
    wanted.events = view_.router.events();
    if (wanted == proposed_limits_.value_or(applied_limits_)) {
        return;
    }
    proposed_limits_ = wanted;
    scratch_.clear();
    encode(CommandHeader{}, wanted, scratch_);
    propose(scratch_);
}

void Group::propose_queues() {
    if (!serving_) {
        return;
    }
    for (const QueueDeclaration& queue : view_.queues) {
        QueueDeclare command;
        command.queue = queue.name;
        command.messages_max = queue.messages_max;
        command.bytes_max = queue.bytes_max;
        command.visibility_timeout_s = queue.visibility_timeout_s;
        command.retention_s = queue.retention_s;
        command.receive_count_max = queue.receive_count_max;
        command.dead_letter = queue.dead_letter;
        scratch_.clear();
        encode(CommandHeader{}, command, scratch_);
        propose(scratch_);
    }
}

}  // namespace causeway::node
