#include "test/core/state/rig.h"

#include <utility>

#include "test/core/state/audit.h"

namespace causeway::state {

std::string payload_of(std::string_view body) { return std::string(parse_body(body).payload); }

std::string to_text(const StreamOutputs& outputs, const Delivery& delivery) {
    std::string text = std::to_string(delivery.nonce) + " n" + std::to_string(delivery.n);
    if (delivery.release) {
        return text + " release";
    }
    const Message& message = outputs.messages.at(delivery.message);
    text += " q" + std::to_string(delivery.qos) + " " + std::string(message.topic.view()) + "=" +
            payload_of(message.body.view());
    text += delivery.dup ? " dup" : "";
    text += delivery.retain ? " retain" : "";
    for (std::size_t i = 0; i < delivery.subscription_ids.size(); ++i) {
        text += (i == 0 ? " ids " : ",") + std::to_string(delivery.subscription_ids[i]);
    }
    return text;
}

namespace {

std::string to_text(const CommandResult& result) {
    return "result " + std::to_string(result.seq) + " " +
           std::to_string(static_cast<int>(result.code)) + " " + result.detail + "\n";
}

}  // namespace

std::string to_text(const Outputs& outputs) {
    std::string text;
    for (const StreamOutputs& stream : outputs.streams) {
        text += "stream " + std::to_string(stream.stream) + " at " + std::to_string(stream.time) +
                (stream.dead ? " dead\n" : "\n");
        for (const CommandResult& result : stream.results) {
            text += to_text(result);
        }
        for (const Message& message : stream.messages) {
            text += "message " + std::string(message.topic.view()) + " " +
                    std::string(message.body.view()) + " " + std::to_string(message.expires_at) +
                    "\n";
        }
        for (const Delivery& delivery : stream.deliveries) {
            text += to_text(stream, delivery) + " e" + std::to_string(delivery.epoch) + " m" +
                    std::to_string(delivery.message) + "\n";
        }
        for (const Settled& settled : stream.settled) {
            text += "settled " + std::to_string(settled.nonce) + " e" +
                    std::to_string(settled.epoch) + " " + std::to_string(settled.seq) + " " +
                    settled.detail + "\n";
        }
        for (const Takeover& takeover : stream.takeovers) {
            text += "takeover " + std::to_string(takeover.nonce) + " " +
                    std::to_string(takeover.epoch) + "\n";
        }
    }
    for (const CommandResult& result : outputs.leader) {
        text += "leader " + to_text(result);
    }
    for (const SelfItem& item : outputs.self_items) {
        text += "self " + std::to_string(item.n) + " " + item.topic + " " + item.body + " " +
                item.client_id + " " + std::to_string(item.qos) +
                (item.retain ? " retain\n" : "\n");
    }
    for (const std::string& queue : outputs.ready_queues) {
        text += "ready queue " + queue + "\n";
    }
    for (const std::string& sink : outputs.ready_sinks) {
        text += "ready sink " + sink + "\n";
    }
    for (const GroupId set : outputs.ready_peers) {
        text += "ready peer " + std::to_string(set.value()) + "\n";
    }
    for (const std::string& key : outputs.changed_records) {
        text += "changed " + key + "\n";
    }
    for (const LiveStream& stream : outputs.opened) {
        text += "opened " + std::to_string(stream.stream) + "\n";
    }
    for (const StreamId stream : outputs.closed) {
        text += "closed " + std::to_string(stream) + "\n";
    }
    return text;
}

std::string to_text(const Statistics& all) {
    std::string text;
    const Counters& c = all.counters;
    for (const std::uint64_t number :
         {all.sessions,           all.attached,         all.subscriptions,   all.inbox_messages,
          all.retained_messages,  all.retained_bytes,   all.bodies,          c.inbox_made,
          c.inbox_acknowledged,   c.inbox_expired,      c.inbox_evicted,     c.inbox_session_ended,
          c.queue_made,           c.queue_acknowledged, c.queue_expired,     c.queue_dead_lettered,
          c.queue_evicted,        c.sink_made,          c.sink_delivered,    c.sink_dead_lettered,
          c.sink_evicted,         c.self_made,          c.self_done,         c.publishes,
          c.publishes_refused,    c.peer_made,          c.peer_acknowledged, c.peer_evicted,
          c.peer_accepted,        c.peer_done,          c.peer_expired,      c.peer_invalid,
          c.subscribes_timed_out, c.fences_evicted,     all.held_interests,  all.asked_interests,
          all.waiting_subscribes, all.fences,           all.parked_work,     all.records,
          all.records_bytes}) {
        text += std::to_string(number) + " ";
    }
    for (const PeerStatus& peer : all.peers) {
        for (const std::uint64_t number : {std::uint64_t{peer.set.value()}, peer.made, peer.acked,
                                           peer.accepted, peer.messages, peer.bytes}) {
            text += std::to_string(number) + " ";
        }
    }
    for (const auto* queues : {&all.queues, &all.outboxes}) {
        for (const QueueStatus& q : *queues) {
            text += "\n" + q.name;
            for (const std::uint64_t number : {q.messages, q.leased, q.bytes, q.sent,
                                               q.acknowledged, q.expired, q.dead_lettered}) {
                text += " " + std::to_string(number);
            }
        }
    }
    return text;
}

Rig::Rig(Mode mode) : mode_(mode), machine_(std::make_unique<Machine>(kv_)) {
    EXPECT_TRUE(machine_->load().has_value());
}

void Rig::entry(const std::vector<std::string>& commands) {
    std::string bytes;
    begin_entry(now_, bytes);
    for (const std::string& command : commands) {
        append_frame(command, bytes);
    }
    apply(SharedBytes::copy(bytes));
}

void Rig::new_leader() { apply(SharedBytes{}); }

void Rig::apply(const SharedBytes& entry) {
    index_ = index_.next();
    out_.clear();
    machine_->apply(index_, entry, out_);
    machine_->commit();
    EXPECT_EQ(audit(kv_, *machine_), "");
    if (mode_ == Mode::kRestarting) {
        restart();
    }
}

void Rig::restart() {
    const std::string before = to_text(machine_->statistics());
    const SetMs timer = machine_->next_timer();
    const bool work = machine_->has_work();
    machine_ = std::make_unique<Machine>(kv_);
    ASSERT_TRUE(machine_->load().has_value());
    EXPECT_EQ(to_text(machine_->statistics()), before);
    EXPECT_EQ(machine_->next_timer(), timer);
    EXPECT_EQ(machine_->has_work(), work);
    EXPECT_EQ(machine_->applied(), index_);
    EXPECT_EQ(audit(kv_, *machine_), "");
}

CommandResult Rig::last_result(StreamId stream) const {
    if (stream == 0) {
        return out_.leader.empty() ? CommandResult{} : out_.leader.back();
    }
    const StreamOutputs& found = outputs(stream);
    EXPECT_FALSE(found.results.empty()) << "no result for stream " << stream;
    return found.results.empty() ? CommandResult{0, ResultCode::kInvalid, {}}
                                 : found.results.back();
}

const StreamOutputs& Rig::outputs(StreamId stream) const {
    static const StreamOutputs kNone;
    for (const StreamOutputs& one : out_.streams) {
        if (one.stream == stream) {
            return one;
        }
    }
    return kNone;
}

std::vector<std::string> Rig::delivered(StreamId stream) const {
    const StreamOutputs& one = outputs(stream);
    std::vector<std::string> texts;
    for (const Delivery& delivery : one.deliveries) {
        texts.push_back(to_text(one, delivery));
    }
    return texts;
}

StreamId Rig::hello(std::uint64_t node, std::uint64_t boot, std::uint32_t loop,
                    std::uint64_t nonce) {
    const CommandResult result = run(0, Hello{node, boot, loop, nonce});
    EXPECT_EQ(result.code, ResultCode::kOk);
    return static_cast<StreamId>(ByteReader(result.detail).varint());
}

void Rig::gateway_down(StreamId stream) {
    std::string bytes;
    encode_gateway_down(stream, bytes);
    entry({bytes});
}

OpenAnswer Rig::open(StreamId stream, const Open& command) {
    const CommandResult result = run(stream, command);
    EXPECT_EQ(result.code, ResultCode::kOk);
    OpenAnswer answer;
    EXPECT_TRUE(decode(result.detail, answer));
    return answer;
}

std::uint64_t Rig::open(StreamId stream, std::string_view client, std::uint64_t nonce) {
    Open command;
    command.client_id = client;
    command.nonce = nonce;
    command.session_expiry_interval_s = 3600;
    return open(stream, command).epoch;
}

ResultCode Rig::close(StreamId stream, std::uint64_t epoch, CloseReason reason) {
    return run(stream, Close{epoch, reason, std::nullopt}).code;
}

std::string Rig::subscribe(StreamId stream, std::uint64_t epoch,
                           const SubscriptionRequest& request) {
    Subscribe command;
    command.epoch = epoch;
    command.filters.push_back(request);
    const CommandResult result = run(stream, command);
    EXPECT_EQ(result.code, ResultCode::kOk);
    return result.detail;
}

std::string Rig::subscribe(StreamId stream, std::uint64_t epoch, std::string_view filter,
                           std::uint8_t qos) {
    SubscriptionRequest request;
    request.filter = filter;
    request.qos = qos;
    return subscribe(stream, epoch, request);
}

std::string Rig::unsubscribe(StreamId stream, std::uint64_t epoch, std::string_view filter) {
    Unsubscribe command;
    command.epoch = epoch;
    command.filters.push_back(filter);
    const CommandResult result = run(stream, command);
    EXPECT_EQ(result.code, ResultCode::kOk);
    return result.detail;
}

ResultCode Rig::ack(StreamId stream, std::vector<AckRange> ranges) {
    return run(stream, Ack{std::move(ranges)}).code;
}

ResultCode Rig::publish(std::string_view topic, std::string_view payload, std::uint8_t qos,
                        bool retain) {
    Publish command;
    command.topic = topic;
    command.qos = qos;
    command.retain = retain;
    return publish(0, command, payload);
}

ResultCode Rig::publish(StreamId stream, Publish command, std::string_view payload) {
    const std::string body = make_body("", payload);
    command.body = body;
    return run(stream, command).code;
}

std::string Rig::publish_command(std::string_view topic, std::string_view payload,
                                 std::uint8_t qos) {
    const std::string body = make_body("", payload);
    Publish command;
    command.topic = topic;
    command.body = body;
    command.qos = qos;
    return numbered(0, command);
}

void Rig::step() {
    std::string bytes;
    encode_step(0, bytes);
    entry({bytes});
}

void Rig::settle() {
    for (int i = 0; machine_->has_work() && i < 100'000; ++i) {
        step();
    }
    EXPECT_FALSE(machine_->has_work());
}

void Rig::limits(const StateLimits& limits) { run(0, limits); }

void Rig::pass_s(SetMs s) {
    pass_ms(s * 1000);
    step();
}

}  // namespace causeway::state
