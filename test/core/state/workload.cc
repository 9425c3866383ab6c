#include "test/core/state/workload.h"

#include <algorithm>
#include <iterator>

#include "core/message/body.h"
#include "core/message/peer.h"

namespace causeway::state {
namespace {

const std::vector<std::string> kClients = {"a", "b", "c", "d", "e", "f"};
const std::vector<std::string> kTopics = {"t", "t/1", "t/2", "u/1/x", "$x/y"};
const std::vector<std::string> kFilters = {"t", "t/+", "t/#", "#", "+/1/x", "$x/#", "u/1/x"};
const std::vector<std::string> kQueues = {"q", "r"};
constexpr std::size_t kKeptMax = 64;

template <typename T>
void keep(std::vector<T>& all, T value) {
    all.push_back(std::move(value));
    if (all.size() > kKeptMax) {
        all.erase(all.begin());
    }
}

}  // namespace

Workload::Workload(std::uint64_t seed) : random_(seed) {
    large_ = random_.chance(1, 4);
    shared_ = random_.chance(1, 2);
}

std::string_view Workload::any(const std::vector<std::string>& texts) {
    return texts[random_.below(texts.size())];
}

StreamId Workload::any_stream() {
    if (streams_.empty()) {
        return 0;
    }
    // Mostly the newest ones: the others are likely dead.
    const std::size_t recent =
        std::min<std::size_t>(streams_.size(), random_.chance(1, 10) ? 9 : 3);
    return streams_[streams_.size() - 1 - random_.below(recent)];
}

Workload::Connection Workload::any_connection() {
    if (connections_.empty()) {
        return Connection{any_stream(), 1};
    }
    const std::size_t recent = std::min<std::size_t>(connections_.size(), 6);
    return connections_[connections_.size() - 1 - random_.below(recent)];
}

CommandHeader Workload::header(StreamId stream) {
    if (stream == 0) {
        return CommandHeader{{}, 0, 1 + random_.below(1000)};
    }
    std::uint64_t& seq = seqs_[stream];
    if (random_.chance(1, 60)) {
        return CommandHeader{{}, stream, seq + 2};
    }
    return CommandHeader{{}, stream, ++seq};
}

void Workload::hello(std::string& out) {
    boot_ += random_.chance(1, 4) ? 1 : 0;
    encode(header(0),
           Hello{1 + random_.below(2), boot_, static_cast<std::uint32_t>(random_.below(2)), 0},
           out);
}

void Workload::gateway_down(std::string& out) { encode_gateway_down(any_stream(), out); }

void Workload::open(std::string& out) {
    const std::string body = make_body("", "will");
    constexpr std::uint32_t kExpiries[] = {0, 5, 60, 3600};
    constexpr std::uint32_t kDelays[] = {0, 3, 100};
    Open command;
    command.client_id = any(kClients);
    command.nonce = random_.chance(1, 20) ? nonce_ : ++nonce_;
    command.session_expiry_interval_s = kExpiries[random_.below(4)];
    command.receive_maximum =
        static_cast<std::uint16_t>(random_.chance(1, 3) ? 65535 : random_.below(4));
    command.clean_start = random_.chance(1, 6);
    if (random_.chance(1, 2)) {
        WillView will;
        will.topic = any(kTopics);
        will.body = body;
        will.delay_s = kDelays[random_.below(3)];
        will.expiry_s = random_.chance(1, 2) ? 0 : 10;
        will.qos = static_cast<std::uint8_t>(random_.below(3));
        will.retain = random_.chance(1, 2);
        command.will = will;
    }
    encode(header(any_stream()), command, out);
}

void Workload::close(std::string& out) {
    const Connection connection = any_connection();
    Close command{connection.epoch, static_cast<CloseReason>(random_.below(3)), std::nullopt};
    if (random_.chance(1, 5)) {
        command.session_expiry_interval_s = static_cast<std::uint32_t>(random_.below(2) * 30);
    }
    encode(header(connection.stream), command, out);
}

std::string Workload::outputs() {
    std::string encoded;
    for (std::uint64_t i = random_.below(4); i != 0; --i) {
        const std::string body = make_body("", random_.chance(1, 5) ? "" : "output");
        RouteOutput output;
        output.kind = static_cast<RouteKind>(1 + random_.below(3));
        output.target = output.kind == RouteKind::kRepublish ? any(kTopics) : any(kQueues);
        output.key = "key";
        output.body = body;
        output.delay_s = static_cast<std::uint32_t>(random_.chance(1, 3) ? random_.below(20) : 0);
        output.qos = static_cast<std::uint8_t>(random_.below(3));
        output.retain = random_.chance(1, 2);
        append_route_output(output, encoded);
    }
    return encoded;
}

void Workload::publish(std::string& out) {
    const Connection connection = any_connection();
    const std::string body =
        make_body("", random_.chance(1, 8) ? "" : std::string(1 + random_.below(40), 'p'));
    const std::string routed = random_.chance(1, 4) ? outputs() : "";
    Publish command;
    command.epoch = random_.chance(1, 4) ? 0 : connection.epoch;
    command.client_id = any(kClients);
    command.topic = any(kTopics);
    command.body = body;
    command.expiry_s = static_cast<std::uint32_t>(random_.chance(1, 4) ? 1 + random_.below(30) : 0);
    command.packet_id = static_cast<std::uint16_t>(1 + random_.below(6));
    command.qos = static_cast<std::uint8_t>(random_.chance(1, 8) ? 0 : 1 + random_.below(2));
    command.retain = random_.chance(1, 4);
    command.outputs_only = command.qos == 0;
    command.outputs = routed;
    encode(header(connection.stream), command, out);
}

void Workload::subscribe(std::string& out) {
    const Connection connection = any_connection();
    Subscribe command;
    command.epoch = connection.epoch;
    for (std::uint64_t i = 1 + random_.below(2); i != 0; --i) {
        SubscriptionRequest request;
        request.filter = any(kFilters);
        request.identifier = static_cast<std::uint32_t>(random_.below(3));
        request.qos = static_cast<std::uint8_t>(random_.below(3));
        request.no_local = random_.chance(1, 4);
        request.retain_as_published = random_.chance(1, 2);
        request.retain_handling = static_cast<std::uint8_t>(random_.below(3));
        command.filters.push_back(request);
    }
    encode(header(connection.stream), command, out);
}

void Workload::unsubscribe(std::string& out) {
    const Connection connection = any_connection();
    Unsubscribe command;
    command.epoch = connection.epoch;
    command.filters.push_back(any(kFilters));
    encode(header(connection.stream), command, out);
}

void Workload::acknowledge(std::string& out) {
    Ack command;
    Connection connection = any_connection();
    if (!in_flight_.empty()) {
        const InFlight item = in_flight_[random_.below(in_flight_.size())];
        connection = item.connection;
        command.ranges.push_back(AckRange{connection.epoch, item.n, item.n + random_.below(3)});
    }
    if (random_.chance(1, 10)) {
        command.ranges.push_back(AckRange{any_connection().epoch, 0, ~std::uint64_t{0}});
    }
    encode(header(connection.stream), command, out);
}

void Workload::received(std::string& out) {
    InFlight item{any_connection(), random_.below(10), 2};
    for (const InFlight& one : in_flight_) {
        item = one.qos == 2 && random_.chance(1, 2) ? one : item;
    }
    encode(header(item.connection.stream), Received{item.connection.epoch, item.n}, out);
}

void Workload::release(std::string& out) {
    const Connection connection = any_connection();
    encode(header(connection.stream),
           Release{connection.epoch, static_cast<std::uint16_t>(1 + random_.below(6))}, out);
}

void Workload::declare(std::string& out) {
    QueueDeclare command;
    command.queue = any(kQueues);
    command.messages_max = random_.chance(1, 2) ? 0 : 3 + random_.below(8);
    command.visibility_timeout_s = static_cast<std::uint32_t>(1 + random_.below(20));
    command.retention_s =
        static_cast<std::uint32_t>(random_.chance(1, 2) ? 0 : 1 + random_.below(40));
    command.receive_count_max = static_cast<std::uint32_t>(random_.below(4));
    command.dead_letter = random_.chance(1, 3) ? std::string_view{} : any(kQueues);
    encode(header(0), command, out);
}

void Workload::send(std::string& out) {
    encode(header(any_stream()),
           QueueSend{any(kQueues), "k", "sent",
                     static_cast<std::uint32_t>(random_.chance(1, 3) ? random_.below(20) : 0)},
           out);
}

void Workload::receive(std::string& out) {
    encode(header(any_stream()),
           QueueReceive{any(kQueues), static_cast<std::uint32_t>(random_.below(5)),
                        static_cast<std::uint32_t>(random_.below(10))},
           out);
}

void Workload::queue_ack(std::string& out) {
    QueueAck command;
    command.queue = any(kQueues);
    for (int i = 0; i < 2 && !receipts_.empty(); ++i) {
        const auto& [n, lease] = receipts_[random_.below(receipts_.size())];
        command.receipts.push_back(QueueReceipt{n, lease});
    }
    encode(header(any_stream()), command, out);
}

void Workload::outbox_done(std::string& out) {
    const std::string sink(any(kQueues));
    const auto owed = machine_->read_outbox(sink, 0, 100);
    const std::uint64_t n = owed.empty() ? 1 : owed[random_.below(owed.size())].n;
    encode(header(0), OutboxDone{sink, n, random_.chance(1, 2), "why", any(kQueues)}, out);
}

void Workload::self_publish(std::string& out) {
    const std::string routed = random_.chance(1, 2) ? outputs() : "";
    const std::uint64_t n =
        self_items_.empty() ? 1 : self_items_[random_.below(self_items_.size())];
    encode(header(0), SelfPublish{n, routed, 1}, out);
}

void Workload::record(std::string& out) {
    const std::string key = "p/" + std::to_string(random_.below(6));
    const auto held = machine_->read_records({key, false, {}, 1}).records;
    const std::uint64_t revision = held.empty() ? kNoRecord : held.front().revision;
    const std::uint64_t expected = random_.chance(1, 3)   ? kAnyRevision
                                   : random_.chance(4, 5) ? revision
                                                          : random_.below(100);
    const StreamId stream = random_.chance(1, 2) ? any_stream() : 0;
    if (random_.chance(1, 4)) {
        encode(header(stream), RecordDelete{key, expected}, out);
    } else {
        encode(header(stream), RecordPut{key, expected, std::string(random_.below(40), 'v')}, out);
    }
}

void Workload::refused(std::string& out) {
    const StreamId stream = any_stream();
    encode(header(stream), Refused{ResultCode::kQuotaExceeded}, out);
}

void Workload::limits(std::string& out) {
    StateLimits command;
    if (!large_) {
        command.sessions_max = 4 + random_.below(4);
        command.subscriptions_per_session_max = 2 + random_.below(4);
        command.inbox_messages_max = 2 + random_.below(10);
        command.retained_messages_max = 1 + random_.below(4);
        command.queue_messages_max = 3 + random_.below(10);
        command.outbox_messages_max = 3 + random_.below(6);
        command.peer_messages_max = 3 + random_.below(20);
        command.fences_max = 1 + random_.below(4);
        command.waiting_subscribes_max = 1 + random_.below(6);
    }
    encode(header(0), command, out);
}

// This set is 1 of up to 3; slots move now and then.
void Workload::layout(std::string& out) {
    const std::uint32_t sets = shared_ ? 1 + static_cast<std::uint32_t>(random_.below(3)) : 1;
    encode(header(0), SetLayout{GroupId(1), SlotMap::even(GroupId(1), sets)}, out);
}

void Workload::peer_items(std::string& out) {
    const auto from = static_cast<std::uint32_t>(2 + random_.below(2));
    std::uint64_t& given = peer_items_[from];
    const std::uint64_t first = given + (random_.chance(1, 10) ? 2 : 1);
    given -= random_.chance(1, 6) ? std::min<std::uint64_t>(given, 2) : 0;  // some of them again
    const std::string body = make_body("", random_.chance(1, 6) ? "" : "of a peer");
    std::string items;
    for (std::uint64_t i = 1 + random_.below(4); i != 0; --i) {
        given += random_.chance(1, 10) ? 2 : 1;
        PeerItem item;
        item.kind = static_cast<PeerItemKind>(1 + random_.below(6));
        item.topic = any(kTopics);
        item.body = body;
        item.client_id = any(kClients);
        item.expires_at = random_.chance(1, 6) ? now_ + random_.below(5000) : 0;
        item.publisher_epoch = any_connection().epoch;
        item.qos = static_cast<std::uint8_t>(random_.below(3));
        item.retain = random_.chance(1, 3);
        item.retain_only = random_.chance(1, 6);
        item.filter = any(kFilters);
        item.session = 1 + random_.below(30);
        std::string bytes;
        encode(item, bytes);
        append_peer_item(given, random_.chance(1, 40) ? "\x55" : bytes, items);
    }
    encode(header(0), PeerItems{GroupId(from), first, items}, out);
}

void Workload::peer_acked(std::string& out) {
    const std::vector<PeerStatus> peers = machine_->peers();
    PeerAcked command{GroupId(2), 1};
    if (!peers.empty()) {
        const PeerStatus& peer = peers[random_.below(peers.size())];
        command.set = peer.set;
        command.upto = peer.acked + random_.below(peer.made - peer.acked + 2);
    }
    encode(header(0), command, out);
}

std::string Workload::command() {
    if (!sent_.empty() && random_.chance(1, 30)) {
        return sent_[random_.below(sent_.size())];
    }
    static constexpr std::pair<unsigned, Make> kKinds[] = {
        {4, &Workload::hello},        {1, &Workload::gateway_down}, {14, &Workload::open},
        {6, &Workload::close},        {40, &Workload::publish},     {16, &Workload::subscribe},
        {4, &Workload::unsubscribe},  {16, &Workload::acknowledge}, {10, &Workload::received},
        {6, &Workload::release},      {2, &Workload::declare},      {8, &Workload::send},
        {8, &Workload::receive},      {8, &Workload::queue_ack},    {4, &Workload::outbox_done},
        {4, &Workload::self_publish}, {6, &Workload::record},       {1, &Workload::refused},      {1, &Workload::limits},
        {1, &Workload::layout},       {8, &Workload::peer_items},   {8, &Workload::peer_acked},
    };
    unsigned total = 0;
    for (const auto& [weight, make] : kKinds) {
        total += weight;
    }
    auto chosen = static_cast<unsigned>(random_.below(total));
    std::string out;
    for (const auto& [weight, make] : kKinds) {
        if (chosen < weight) {
            (this->*make)(out);
            break;
        }
        chosen -= weight;
    }
    keep(sent_, out);
    return out;
}

// More than a slice of long work: messages for whoever is away, or retained topics.
void Workload::burst(std::string& entry) {
    const bool retain = random_.chance(1, 2);
    for (int i = 0; i < 300; ++i) {
        const std::string body = make_body("", "burst");
        const std::string topic = retain ? "t/" + std::to_string(i) : "t";
        Publish command;
        command.topic = topic;
        command.body = body;
        command.retain = retain;
        std::string bytes;
        encode(CommandHeader{}, command, bytes);
        append_frame(bytes, entry);
    }
}

std::string Workload::entry(Machine& machine) {
    machine_ = &machine;
    now_ += random_.below(random_.chance(1, 8) ? 40'000 : 1500);
    if (random_.chance(1, 50)) {
        return {};
    }
    std::string bytes;
    begin_entry(now_ - random_.below(100), bytes);
    if (machine.time() == 0) {
        std::string first;
        limits(first);
        append_frame(first, bytes);
    }
    const bool step =
        machine.has_work() || (machine.next_timer() != 0 && machine.next_timer() <= now_);
    if (step && random_.chance(3, 4)) {
        std::string bytes_of_step;
        encode_step(0, bytes_of_step);
        append_frame(bytes_of_step, bytes);
    }
    if (large_ && random_.chance(1, 20)) {
        burst(bytes);
    }
    for (std::uint64_t i = random_.below(8); i != 0; --i) {
        append_frame(command(), bytes);
    }
    return bytes;
}

void Workload::observe(const Outputs& outputs) {
    for (const CommandResult& result : outputs.leader) {
        // Whatever it was, some of them are stream ids.
        const auto id = static_cast<StreamId>(ByteReader(result.detail).varint());
        const bool is_new = std::find(streams_.begin(), streams_.end(), id) == streams_.end();
        if (id != 0 && id < 1000 && is_new) {
            keep(streams_, id);
        }
    }
    for (const StreamOutputs& stream : outputs.streams) {
        for (const CommandResult& result : stream.results) {
            OpenAnswer answer;
            if (result.detail.size() > 2 && decode(result.detail, answer) &&
                answer.epoch < 10'000) {
                keep(connections_, Connection{stream.stream, answer.epoch});
            }
            ByteReader in(result.detail);
            in.varint();
            QueueMessage message;
            while (next_queue_message(in, message)) {
                keep(receipts_, std::pair(message.n, message.lease));
            }
        }
        for (const Delivery& delivery : stream.deliveries) {
            if (delivery.n != 0) {
                keep(in_flight_,
                     InFlight{{stream.stream, delivery.epoch}, delivery.n, delivery.qos});
            }
        }
    }
    for (const SelfItem& item : outputs.self_items) {
        keep(self_items_, item.n);
    }
}

}  // namespace causeway::state
