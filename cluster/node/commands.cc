// What the leader does with commands before they become an entry: it routes publishes through the
// rules, refuses what the disk has no room for, and adds commands of its own.
#include <algorithm>
#include <utility>

#include "cluster/node/core.h"

namespace causeway::node {

void Node::Core::on_role(GroupId, bool serving) {
    serving_ = serving;
    for (auto& [id, link] : links_) {
        link->deliver(Availability{serving});
    }
    if (serving) {
        begin_serving();
    } else {
        leader_waiting_.clear();
        step_under_way_ = false;
    }
}

void Node::Core::begin_serving() {
    propose_limits();
    propose_queues();
    // Wills and delayed messages that were waiting, and long work.
    apply_thread_.ask(kSet, [this](state::Machine& machine) {
        AppliedNews news;
        constexpr std::uint64_t kAll = 64U << 20;
        news.self_items = machine.read_self(0, kAll);
        news.applied = Applied{kSet,
                               machine.applied(),
                               machine.time(),
                               machine.next_timer(),
                               machine.has_work(),
                               machine.limits()};
        news_->push(std::move(news));
    });
    for (const std::string& command : std::exchange(own_backlog_, {})) {
        append_own(command);
    }
    for (FromGateway& batch : std::exchange(backlog_, {})) {
        take(std::move(batch));
    }
}

void Node::Core::take(FromGateway batch) {
    if (!serving_) {
        if (!batch.unlogged.empty()) {
            take_unlogged(batch);
        }
        backlog_.push_back(std::move(batch));
        return;
    }
    if (batch.stream == 0) {
        say_hello(batch.link);
        return;
    }
    take_commands(batch);
    take_unlogged(batch);
}

void Node::Core::say_hello(LinkId id) {
    const std::uint64_t seq = next_leader_seq_++;
    scratch_.clear();
    encode(CommandHeader{CommandKind::kHello, 0, seq},
           Hello{identity_.id, identity_.boot, id, seq}, scratch_);
    append_own(scratch_);
    leader_waiting_[seq] = [this, id](const CommandResult& result) {
        const auto found = links_.find(id);
        if (found == links_.end()) {
            return;
        }
        const auto stream = static_cast<StreamId>(ByteReader(result.detail).varint());
        Link* link = found->second;
        // The apply thread must know where the stream's outputs go before its first command comes.
        apply_thread_.ask(kSet, [this, stream, link](state::Machine&) {
            streams_[stream] = link;
            link->deliver(StreamOpened{stream});
        });
    };
}

void Node::Core::take_commands(const FromGateway& batch) {
    ByteReader in(batch.frames);
    std::string_view command;
    while (next_frame(in, command)) {
        take_command(command);
    }
}

void Node::Core::take_command(std::string_view command) {
    ByteReader in(command);
    CommandHeader header;
    if (!decode_header(in, header)) {
        return;
    }
    ++counts_.commands;
    const bool publish = header.kind == CommandKind::kPublish;
    if (disk_low_ && (publish || header.kind == CommandKind::kQueueSend)) {
        ++counts_.refused_disk;
        scratch_.clear();
        encode_refused(header.stream, header.seq, ResultCode::kQuotaExceeded, scratch_);
        append_frame(scratch_, replica_->open_entry(now()));
        return;
    }
    std::string& entry = replica_->open_entry(now());
    if (!publish) {
        append_frame(command, entry);
        return;
    }
    ++counts_.publishes;
    Publish fields;
    outputs_.clear();
    std::uint64_t version = 0;
    if (decode(in, fields) && router_.interested(fields.topic)) {
        version = router_.route(fields, now(), outputs_);
    }
    scratch_.clear();
    append_routed_publish(command, outputs_, version, scratch_);
    append_frame(scratch_, entry);
}

void Node::Core::take_unlogged(FromGateway& batch) {
    if (batch.unlogged.empty()) {
        return;
    }
    const auto found = links_.find(batch.link);
    if (!serving_) {
        std::uint64_t messages = 0;
        ByteReader in(batch.unlogged);
        std::string_view command;
        while (next_frame(in, command)) {
            ++messages;
        }
        counts_.unlogged_dropped += messages;
        if (found != links_.end()) {
            found->second->deliver(UnloggedDropped{batch.unlogged.size(), messages});
        }
        batch.unlogged.clear();
        return;
    }
    ByteReader in(batch.unlogged);
    std::string_view command;
    while (next_frame(in, command)) {
        ++counts_.unlogged;
        ByteReader fields(command);
        CommandHeader header;
        Publish publish;
        if (!decode_header(fields, header) || !decode(fields, publish)) {
            continue;
        }
        outputs_.clear();
        if (router_.interested(publish.topic)) {
            publish.rule_version = router_.route(publish, now(), outputs_);
        }
        if (outputs_.empty() && !publish.retain) {
            continue;
        }
        if (disk_low_) {
            ++counts_.refused_disk;
            continue;
        }
        // What is retained or owed to a queue or sink is logged; subscribers do not wait for that.
        publish.outputs = outputs_;
        publish.outputs_only = true;
        publish.epoch = 0;
        publish.username = {};
        publish.peer_host = {};
        scratch_.clear();
        encode(CommandHeader{}, publish, scratch_);
        append_frame(scratch_, replica_->open_entry(now()));
    }
    apply_thread_.publish_unlogged(kSet, batch.stream,
                                   SharedBytes::take(std::move(batch.unlogged)));
}

void Node::Core::append_own(std::string_view command) {
    if (!serving_) {
        own_backlog_.emplace_back(command);
        return;
    }
    append_frame(command, replica_->open_entry(now()));
    loop_.again();
}

void Node::Core::propose_step() {
    if (!serving_ || step_under_way_) {
        return;
    }
    step_under_way_ = true;
    step_at_ = 0;
    const std::uint64_t seq = next_leader_seq_++;
    scratch_.clear();
    encode_step(seq, scratch_);
    append_own(scratch_);
    leader_waiting_[seq] = [this](const CommandResult&) { step_under_way_ = false; };
}

void Node::Core::propose_self(const state::SelfItem& item) {
    Publish publish;
    publish.client_id = item.client_id;
    publish.topic = item.topic;
    publish.body = item.body;
    publish.qos = item.qos;
    publish.retain = item.retain;
    outputs_.clear();
    SelfPublish command;
    command.n = item.n;
    if (router_.interested(item.topic)) {
        command.rule_version = router_.route(publish, now(), outputs_);
    }
    command.outputs = outputs_;
    scratch_.clear();
    encode(CommandHeader{}, command, scratch_);
    append_own(scratch_);
}

void Node::Core::propose_limits() {
    if (applied_limits_ == options_.limits) {
        return;
    }
    scratch_.clear();
    encode(CommandHeader{}, options_.limits, scratch_);
    append_own(scratch_);
}

void Node::Core::propose_queues() {
    for (const QueueDeclaration& queue : queues_) {
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
        append_own(scratch_);
    }
}

}  // namespace causeway::node
