// The encoding of commands, entries, route outputs and answers: what goes in comes out, unknown
// tags are skipped, and bytes cut short anywhere are refused, never read past their end.
#include "core/message/command.h"

#include <deque>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/message/body.h"
#include "core/message/output.h"

namespace causeway {
namespace {

const CommandHeader kHeader{{}, 300, 70'000};

// Decodes one whole command; fails the test unless its header and every byte fit.
template <typename Command>
Command decoded(const std::string& bytes, CommandKind kind) {
    ByteReader in(bytes);
    CommandHeader header;
    EXPECT_TRUE(decode_header(in, header));
    EXPECT_EQ(header.kind, kind);
    EXPECT_EQ(header.stream, kHeader.stream);
    EXPECT_EQ(header.seq, kHeader.seq);
    Command command;
    EXPECT_TRUE(decode(in, command));
    EXPECT_TRUE(in.at_end());
    return command;
}

// Kept until the end of the program: what is decoded from it are views.
template <typename Command>
const std::string& encoded(const Command& command) {
    static std::deque<std::string> kept;
    encode(kHeader, command, kept.emplace_back());
    return kept.back();
}

// Every beginning of the command that is too short is refused. `optional` is where fields end that
// must be there (tags may be absent).
template <typename Command>
void expect_refused_when_cut(const std::string& bytes, std::size_t required) {
    for (std::size_t size = 0; size < required; ++size) {
        // A copy of its own, so that a sanitizer sees a read past the end.
        const std::vector<char> cut(bytes.begin(),
                                    bytes.begin() + static_cast<std::ptrdiff_t>(size));
        ByteReader in(std::string_view(cut.data(), cut.size()));
        CommandHeader header;
        Command command;
        EXPECT_FALSE(decode_header(in, header) && decode(in, command)) << "cut to " << size;
    }
}

template <typename Command>
void expect_refused_when_cut(const Command& command) {
    const std::string bytes = encoded(command);
    expect_refused_when_cut<Command>(bytes, bytes.size());
}

Open full_open() {
    Open open;
    open.client_id = "plant/dev7";
    open.username = "u";
    open.nonce = 0x1122334455667788;
    open.session_expiry_interval_s = kNeverExpires;
    open.receive_maximum = 513;
    open.clean_start = true;
    open.will = WillView{"will/topic", "will body", 5, 6, 2, true};
    return open;
}

Publish full_publish() {
    Publish publish;
    publish.epoch = 1'000'000'007;
    publish.client_id = "c";
    publish.topic = "a/b";
    publish.body = std::string_view("\x00payload", 8);
    publish.expiry_s = 0xFFFFFFFF;
    publish.packet_id = 65535;
    publish.qos = 2;
    publish.retain = true;
    publish.outputs_only = true;
    publish.outputs = "outputs";
    publish.rule_version = 300;
    publish.username = "user";
    publish.peer_host = "::1";
    return publish;
}

TEST(Command, HelloAndGatewayDown) {
    const Hello hello = decoded<Hello>(encoded(Hello{1, 2, 3, 4}), CommandKind::kHello);
    EXPECT_EQ(hello.node, 1U);
    EXPECT_EQ(hello.boot, 2U);
    EXPECT_EQ(hello.loop, 3U);
    EXPECT_EQ(hello.nonce, 4U);
    std::string bytes;
    encode_gateway_down(77, bytes);
    ByteReader in(bytes);
    CommandHeader header;
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_EQ(header.kind, CommandKind::kGatewayDown);
    EXPECT_EQ(header.stream, 0U);
    EXPECT_EQ(in.varint(), 77U);
}

TEST(Command, Open) {
    const std::string bytes = encoded(full_open());
    const Open open = decoded<Open>(bytes, CommandKind::kOpen);
    EXPECT_EQ(open.client_id, "plant/dev7");
    EXPECT_EQ(open.username, "u");
    EXPECT_EQ(open.nonce, 0x1122334455667788U);
    EXPECT_EQ(open.session_expiry_interval_s, kNeverExpires);
    EXPECT_EQ(open.receive_maximum, 513);
    EXPECT_TRUE(open.clean_start);
    ASSERT_TRUE(open.will.has_value());
    EXPECT_EQ(open.will->topic, "will/topic");
    EXPECT_EQ(open.will->body, "will body");
    EXPECT_EQ(open.will->delay_s, 5U);
    EXPECT_EQ(open.will->expiry_s, 6U);
    EXPECT_EQ(open.will->qos, 2);
    EXPECT_TRUE(open.will->retain);
    EXPECT_FALSE(decoded<Open>(encoded(Open{}), CommandKind::kOpen).will.has_value());
}

TEST(Command, Close) {
    for (const auto reason : {CloseReason::kNormal, CloseReason::kWithWill, CloseReason::kLost}) {
        const Close close =
            decoded<Close>(encoded(Close{9, reason, std::nullopt}), CommandKind::kClose);
        EXPECT_EQ(close.epoch, 9U);
        EXPECT_EQ(close.reason, reason);
        EXPECT_FALSE(close.session_expiry_interval_s.has_value());
    }
    const Close close =
        decoded<Close>(encoded(Close{9, CloseReason::kLost, 0}), CommandKind::kClose);
    EXPECT_EQ(close.session_expiry_interval_s, 0U);
    std::string bytes = encoded(Close{9, static_cast<CloseReason>(3), std::nullopt});
    ByteReader in(bytes);
    CommandHeader header;
    Close refused;
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_FALSE(decode(in, refused));
}

TEST(Command, Publish) {
    const Publish publish = decoded<Publish>(encoded(full_publish()), CommandKind::kPublish);
    EXPECT_EQ(publish.epoch, 1'000'000'007U);
    EXPECT_EQ(publish.client_id, "c");
    EXPECT_EQ(publish.topic, "a/b");
    EXPECT_EQ(publish.body, std::string_view("\x00payload", 8));
    EXPECT_EQ(publish.expiry_s, 0xFFFFFFFFU);
    EXPECT_EQ(publish.packet_id, 65535);
    EXPECT_EQ(publish.qos, 2);
    EXPECT_TRUE(publish.retain);
    EXPECT_TRUE(publish.outputs_only);
    EXPECT_EQ(publish.outputs, "outputs");
    EXPECT_EQ(publish.rule_version, 300U);
    EXPECT_EQ(publish.username, "user");
    EXPECT_EQ(publish.peer_host, "::1");
    const Publish empty = decoded<Publish>(encoded(Publish{}), CommandKind::kPublish);
    EXPECT_EQ(empty.qos, 1);
    EXPECT_FALSE(empty.retain);
    EXPECT_TRUE(empty.outputs.empty());
}

TEST(Command, APublishForAGroupKeepsTheRoutersContextLast) {
    Publish publish = full_publish();
    publish.group = "$share/g/a/b";
    const std::string bytes = encoded(publish);
    const Publish out = decoded<Publish>(bytes, CommandKind::kPublish);
    EXPECT_EQ(out.group, "$share/g/a/b");
    EXPECT_EQ(out.username, "user");
    std::string routed;
    append_routed_publish(bytes, {}, 0, routed);
    const Publish logged = decoded<Publish>(routed, CommandKind::kPublish);
    EXPECT_EQ(logged.group, "$share/g/a/b");
    EXPECT_EQ(logged.username, "");
}

TEST(Command, UnknownTagsAreSkipped) {
    std::string bytes = encoded(Publish{});
    ByteWriter writer(bytes);
    writer.u8(200);
    writer.string("from a newer version");
    writer.u8(1);
    writer.string("outputs");
    EXPECT_EQ(decoded<Publish>(bytes, CommandKind::kPublish).outputs, "outputs");
}

TEST(Command, QosThreeIsNoCommand) {
    Publish publish;
    publish.qos = 3;
    ByteReader in(std::string_view{});
    const std::string bytes = encoded(publish);
    in = ByteReader(bytes);
    CommandHeader header;
    Publish out;
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_FALSE(decode(in, out));
    Open open;
    open.will = WillView{"t", "b", 0, 0, 3, false};
    const std::string open_bytes = encoded(open);
    in = ByteReader(open_bytes);
    Open open_out;
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_FALSE(decode(in, open_out));
    for (const auto& [qos, handling] : {std::pair(3, 0), std::pair(0, 3)}) {
        Subscribe subscribe;
        subscribe.filters.push_back(SubscriptionRequest{"f", 0, static_cast<std::uint8_t>(qos),
                                                        false, false,
                                                        static_cast<std::uint8_t>(handling)});
        const std::string subscribe_bytes = encoded(subscribe);
        in = ByteReader(subscribe_bytes);
        Subscribe subscribe_out;
        ASSERT_TRUE(decode_header(in, header));
        EXPECT_FALSE(decode(in, subscribe_out));
    }
}

TEST(Command, RoutingAddsOutputsAndCutsTheRoutersContext) {
    Publish publish = full_publish();
    publish.outputs = {};
    publish.rule_version = 0;
    std::string routed;
    append_routed_publish(encoded(publish), "made by rules", 12, routed);
    const Publish out = decoded<Publish>(routed, CommandKind::kPublish);
    EXPECT_EQ(out.outputs, "made by rules");
    EXPECT_EQ(out.rule_version, 12U);
    EXPECT_TRUE(out.username.empty());
    EXPECT_TRUE(out.peer_host.empty());
    EXPECT_EQ(out.topic, "a/b");
    EXPECT_EQ(out.body, publish.body);
    EXPECT_EQ(routed.find("::1"), std::string::npos);
    std::string untouched;
    append_routed_publish(encoded(Publish{}), {}, 0, untouched);
    EXPECT_EQ(untouched, encoded(Publish{}));
}

TEST(Command, SubscribeAndUnsubscribe) {
    Subscribe subscribe;
    subscribe.epoch = 5;
    subscribe.filters.push_back(SubscriptionRequest{"a/+", 268'435'455, 2, true, true, 2});
    subscribe.filters.push_back(SubscriptionRequest{"#", 0, 0, false, false, 0});
    subscribe.filters.push_back(SubscriptionRequest{"b", 1, 1, false, true, 1});
    const Subscribe out = decoded<Subscribe>(encoded(subscribe), CommandKind::kSubscribe);
    EXPECT_EQ(out.epoch, 5U);
    ASSERT_EQ(out.filters.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(out.filters[i].filter, subscribe.filters[i].filter);
        EXPECT_EQ(out.filters[i].identifier, subscribe.filters[i].identifier);
        EXPECT_EQ(out.filters[i].qos, subscribe.filters[i].qos);
        EXPECT_EQ(out.filters[i].no_local, subscribe.filters[i].no_local);
        EXPECT_EQ(out.filters[i].retain_as_published, subscribe.filters[i].retain_as_published);
        EXPECT_EQ(out.filters[i].retain_handling, subscribe.filters[i].retain_handling);
    }
    Unsubscribe unsubscribe;
    unsubscribe.epoch = 6;
    unsubscribe.filters = {"a", ""};
    const Unsubscribe un_out =
        decoded<Unsubscribe>(encoded(unsubscribe), CommandKind::kUnsubscribe);
    EXPECT_EQ(un_out.epoch, 6U);
    EXPECT_EQ(un_out.filters, unsubscribe.filters);
}

TEST(Command, AcknowledgementsAndReleases) {
    const Ack ack =
        decoded<Ack>(encoded(Ack{{{1, 2, 3}, {4, 5, ~std::uint64_t{0}}}}), CommandKind::kAck);
    ASSERT_EQ(ack.ranges.size(), 2U);
    EXPECT_EQ(ack.ranges[1].epoch, 4U);
    EXPECT_EQ(ack.ranges[1].first, 5U);
    EXPECT_EQ(ack.ranges[1].last, ~std::uint64_t{0});
    const Received received = decoded<Received>(encoded(Received{7, 8}), CommandKind::kReceived);
    EXPECT_EQ(received.epoch, 7U);
    EXPECT_EQ(received.n, 8U);
    const Release release = decoded<Release>(encoded(Release{9, 10}), CommandKind::kRelease);
    EXPECT_EQ(release.epoch, 9U);
    EXPECT_EQ(release.packet_id, 10);
}

TEST(Command, Queues) {
    const QueueDeclare declare = decoded<QueueDeclare>(
        encoded(QueueDeclare{"q", 1, 2, 3, 4, 5, "dead"}), CommandKind::kQueueDeclare);
    EXPECT_EQ(declare.queue, "q");
    EXPECT_EQ(declare.messages_max, 1U);
    EXPECT_EQ(declare.bytes_max, 2U);
    EXPECT_EQ(declare.visibility_timeout_s, 3U);
    EXPECT_EQ(declare.retention_s, 4U);
    EXPECT_EQ(declare.receive_count_max, 5U);
    EXPECT_EQ(declare.dead_letter, "dead");
    const QueueSend send =
        decoded<QueueSend>(encoded(QueueSend{"q", "k", "b", 6}), CommandKind::kQueueSend);
    EXPECT_EQ(send.key, "k");
    EXPECT_EQ(send.body, "b");
    EXPECT_EQ(send.delay_s, 6U);
    const QueueReceive receive =
        decoded<QueueReceive>(encoded(QueueReceive{"q", 7, 8}), CommandKind::kQueueReceive);
    EXPECT_EQ(receive.max, 7U);
    EXPECT_EQ(receive.visibility_timeout_s, 8U);
    const QueueAck ack =
        decoded<QueueAck>(encoded(QueueAck{"q", {{1, 2}, {3, 4}}}), CommandKind::kQueueAck);
    ASSERT_EQ(ack.receipts.size(), 2U);
    EXPECT_EQ(ack.receipts[1].n, 3U);
    EXPECT_EQ(ack.receipts[1].lease, 4U);
    const OutboxDone done = decoded<OutboxDone>(encoded(OutboxDone{"s", 9, false, "why", "dead"}),
                                                CommandKind::kOutboxDone);
    EXPECT_EQ(done.sink, "s");
    EXPECT_EQ(done.n, 9U);
    EXPECT_FALSE(done.delivered);
    EXPECT_EQ(done.reason, "why");
    EXPECT_EQ(done.dead_letter, "dead");
    const SelfPublish self =
        decoded<SelfPublish>(encoded(SelfPublish{11, "o", 12}), CommandKind::kSelfPublish);
    EXPECT_EQ(self.n, 11U);
    EXPECT_EQ(self.outputs, "o");
    EXPECT_EQ(self.rule_version, 12U);
}

TEST(Command, Records) {
    const RecordPut put =
        decoded<RecordPut>(encoded(RecordPut{"p/d", 7, "value"}), CommandKind::kRecordPut);
    EXPECT_EQ(put.key, "p/d");
    EXPECT_EQ(put.expected, 7U);
    EXPECT_EQ(put.value, "value");
    const RecordDelete gone = decoded<RecordDelete>(encoded(RecordDelete{"p/d", kAnyRevision}),
                                                    CommandKind::kRecordDelete);
    EXPECT_EQ(gone.key, "p/d");
    EXPECT_EQ(gone.expected, kAnyRevision);
}

TEST(Command, LimitsAreAllThere) {
    StateLimits limits;
    limits.sessions_max = 1;
    limits.subscriptions_per_session_max = 2;
    limits.session_expiry_max_s = 3;
    limits.inbox_messages_max = 4;
    limits.inbox_bytes_max = 5;
    limits.retained_messages_max = 6;
    limits.retained_bytes_max = 7;
    limits.queue_messages_max = 8;
    limits.queue_bytes_max = 9;
    limits.outbox_messages_max = 10;
    limits.outbox_bytes_max = ~std::uint64_t{0};
    limits.peer_messages_max = 11;
    limits.peer_bytes_max = 12;
    limits.fences_max = 13;
    limits.waiting_subscribes_max = 14;
    limits.events = 15;
    limits.records_max = 16;
    limits.records_bytes_max = 17;
    EXPECT_EQ(decoded<StateLimits>(encoded(limits), CommandKind::kSetLimits), limits);
}

TEST(Command, StepAndRefused) {
    std::string bytes;
    encode_step(0, bytes);
    ByteReader in(bytes);
    CommandHeader header;
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_EQ(header.kind, CommandKind::kStep);
    EXPECT_TRUE(in.at_end());
    bytes.clear();
    encode({{}, 3, 4}, Refused{ResultCode::kQuotaExceeded}, bytes);
    in = ByteReader(bytes);
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_EQ(header.kind, CommandKind::kRefused);
    EXPECT_EQ(header.stream, 3U);
    EXPECT_EQ(header.seq, 4U);
    Refused refused;
    ASSERT_TRUE(decode(in, refused));
    EXPECT_EQ(refused.code, ResultCode::kQuotaExceeded);
    EXPECT_EQ(refused.packet_id, 0);
}

TEST(Command, ARefusedQos2PublishNamesItsPacketId) {
    std::string bytes;
    encode({{}, 3, 4}, Refused{ResultCode::kQuotaExceeded, 300, 7}, bytes);
    ByteReader in(bytes);
    CommandHeader header;
    ASSERT_TRUE(decode_header(in, header));
    Refused refused;
    ASSERT_TRUE(decode(in, refused));
    EXPECT_EQ(refused.epoch, 300U);
    EXPECT_EQ(refused.packet_id, 7);
    in = ByteReader(std::string_view(bytes).substr(0, bytes.size() - 1));
    ASSERT_TRUE(decode_header(in, header));
    EXPECT_FALSE(decode(in, refused));
}

TEST(Command, CutShortAnywhereIsRefused) {
    expect_refused_when_cut(Hello{1, 2, 3, 4});
    expect_refused_when_cut(full_open());
    expect_refused_when_cut(Close{9, CloseReason::kLost, 1000});
    expect_refused_when_cut(Release{9, 10});
    Subscribe subscribe;
    subscribe.filters.push_back(SubscriptionRequest{"a/+", 1, 2, true, true, 2});
    subscribe.filters.push_back(SubscriptionRequest{"b", 1, 2, true, true, 2});
    expect_refused_when_cut(subscribe);
    Unsubscribe unsubscribe;
    unsubscribe.filters = {"a", "bc"};
    expect_refused_when_cut(unsubscribe);
    expect_refused_when_cut(Ack{{{1, 2, 3}, {4, 5, 6000}}});
    expect_refused_when_cut(Received{7, 8000});
    expect_refused_when_cut(QueueDeclare{"q", 1, 2, 3, 4, 5, "dead"});
    expect_refused_when_cut(QueueSend{"q", "k", "b", 600});
    expect_refused_when_cut(QueueReceive{"q", 7, 800});
    expect_refused_when_cut(QueueAck{"q", {{1, 2}, {3, 4}}});
    expect_refused_when_cut(OutboxDone{"s", 9, false, "why", "dead"});
    expect_refused_when_cut(RecordPut{"p/d", 7, "value"});
    expect_refused_when_cut(RecordDelete{"p/d", 7});
    StateLimits small;
    small.peer_messages_max = small.peer_bytes_max = small.fences_max = 1;
    small.waiting_subscribes_max = 1;
    small.records_max = small.records_bytes_max = 1;
    const std::string limits = encoded(small);
    // Without the last seven, three or two it is what an older version wrote.
    expect_refused_when_cut<StateLimits>(limits, limits.size() - 7);
    for (const std::size_t size : {limits.size() - 6, limits.size() - 5, limits.size() - 4,
                                   limits.size() - 1}) {
        ByteReader in(std::string_view(limits).substr(0, size));
        CommandHeader header;
        StateLimits out;
        EXPECT_FALSE(decode_header(in, header) && decode(in, out)) << size;
    }
    Publish bare;
    bare.topic = "t";
    bare.body = "b";
    expect_refused_when_cut(bare);
    // With tags: cut between two of them it is a command with fewer; inside one it is none.
    Publish tagged = bare;
    tagged.outputs = "outputs";
    const std::string bytes = encoded(tagged);
    const std::size_t required = encoded(bare).size();
    expect_refused_when_cut<Publish>(bytes, required);
    for (std::size_t size = required + 1; size < bytes.size(); ++size) {
        ByteReader in(std::string_view(bytes).substr(0, size));
        CommandHeader header;
        Publish out;
        EXPECT_FALSE(decode_header(in, header) && decode(in, out)) << size;
    }
}

TEST(Command, ACountBeyondTheBytesReservesNothing) {
    std::string bytes;
    ByteWriter writer(bytes);
    writer.varint(1);                      // epoch
    writer.varint(~std::uint64_t{0} / 2);  // so many filters
    ByteReader in(bytes);
    Unsubscribe out;
    EXPECT_FALSE(decode(in, out));
    in = ByteReader(std::string_view(bytes).substr(1));
    Ack ack;
    EXPECT_FALSE(decode(in, ack));
}

template <typename... Commands>
void decode_all(std::string_view bytes) {
    const auto one = [&](auto command) {
        ByteReader in(bytes);
        return decode(in, command) ? 1 : 0;
    };
    [[maybe_unused]] const int decoded_count = (one(Commands{}) + ...);
}

TEST(Command, RandomBytesAreReadSafely) {
    Random random(1);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<char> bytes(random.below(40));
        for (char& byte : bytes) {
            byte = static_cast<char>(random.chance(1, 2) ? random.below(8) : random.next());
        }
        const std::string_view view(bytes.data(), bytes.size());
        decode_all<Hello, Open, Close, Publish, Release, Subscribe, Unsubscribe, Ack, Received,
                   QueueDeclare, QueueSend, QueueReceive, QueueAck, OutboxDone, SelfPublish,
                   StateLimits>(view);
        ByteReader outputs(view);
        RouteOutput output;
        while (next_route_output(outputs, output)) {
        }
        ByteReader messages(view);
        QueueMessage message;
        while (next_queue_message(messages, message)) {
        }
        ByteReader frames(view);
        std::string_view frame;
        while (next_frame(frames, frame)) {
        }
        std::string routed;
        append_routed_publish(view, "x", 1, routed);
        const BodyView body = parse_body(view);
        EXPECT_LE(body.both.size(), view.size());
    }
}

TEST(Entry, HoldsFramesInOrder) {
    std::string bytes;
    begin_entry(1234, bytes);
    EXPECT_EQ(bytes.size(), kEntryHeaderBytes);
    append_frame("one", bytes);
    append_frame("", bytes);
    append_frame("three", bytes);
    ByteReader in(bytes);
    EXPECT_EQ(in.u8(), kEntryVersion);
    EXPECT_EQ(in.u64(), 1234U);
    std::vector<std::string> frames;
    std::string_view frame;
    while (next_frame(in, frame)) {
        frames.emplace_back(frame);
    }
    EXPECT_FALSE(in.failed());
    EXPECT_EQ(frames, (std::vector<std::string>{"one", "", "three"}));
    for (std::size_t size = kEntryHeaderBytes + 1; size < kEntryHeaderBytes + 7; ++size) {
        ByteReader cut(std::string_view(bytes).substr(kEntryHeaderBytes, size - kEntryHeaderBytes));
        EXPECT_FALSE(next_frame(cut, frame));
        EXPECT_TRUE(cut.failed());
    }
}

TEST(RouteOutputs, ComeBackInOrderAndBadBytesFail) {
    std::string bytes;
    append_route_output(RouteOutput{RouteKind::kQueue, "q", "k", "b", 30, 0, false, "tags"}, bytes);
    append_route_output(RouteOutput{RouteKind::kRepublish, "t", "", "b", 0, 2, true, {}}, bytes);
    append_route_output(RouteOutput{RouteKind::kSink, "s", "", "r", 0, 0, false, {}}, bytes);
    ByteReader in(bytes);
    RouteOutput output;
    ASSERT_TRUE(next_route_output(in, output));
    EXPECT_EQ(output.kind, RouteKind::kQueue);
    EXPECT_EQ(output.target, "q");
    EXPECT_EQ(output.key, "k");
    EXPECT_EQ(output.delay_s, 30U);
    EXPECT_EQ(output.tags, "tags");
    ASSERT_TRUE(next_route_output(in, output));
    EXPECT_EQ(output.kind, RouteKind::kRepublish);
    EXPECT_EQ(output.qos, 2);
    EXPECT_TRUE(output.retain);
    EXPECT_EQ(output.tags, "");
    ASSERT_TRUE(next_route_output(in, output));
    EXPECT_EQ(output.kind, RouteKind::kSink);
    EXPECT_FALSE(next_route_output(in, output));
    EXPECT_FALSE(in.failed());
    for (const char kind : {'\0', '\x04', '\xFF'}) {
        std::string bad = bytes;
        bad[0] = kind;
        ByteReader bad_in(bad);
        EXPECT_FALSE(next_route_output(bad_in, output));
        EXPECT_TRUE(bad_in.failed());
    }
}

TEST(Answers, OfOpenAndReceive) {
    std::string bytes;
    encode(OpenAnswer{300, 60, true}, bytes);
    OpenAnswer answer;
    ASSERT_TRUE(decode(bytes, answer));
    EXPECT_EQ(answer.epoch, 300U);
    EXPECT_EQ(answer.session_expiry_interval_s, 60U);
    EXPECT_TRUE(answer.session_present);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size), answer));
    }
    QueueMessage message;
    message.n = 1;
    message.lease = 2;
    message.sent_at = 3;
    message.first_received_at = 4;
    message.visible_at = 5;
    message.receive_count = 6;
    message.key = "k";
    message.topic = "t";
    message.client_id = "c";
    message.reason = "r";
    message.tags = "\x01t";
    message.body = "b";
    std::string encoded_message;
    append_queue_message(message, encoded_message);
    ByteReader in(encoded_message);
    QueueMessage out;
    ASSERT_TRUE(next_queue_message(in, out));
    EXPECT_EQ(out.lease, 2U);
    EXPECT_EQ(out.visible_at, 5U);
    EXPECT_EQ(out.receive_count, 6U);
    EXPECT_EQ(out.client_id, "c");
    EXPECT_EQ(out.reason, "r");
    EXPECT_EQ(out.tags, "\x01t");
    EXPECT_EQ(out.body, "b");
    EXPECT_FALSE(next_queue_message(in, out));
    EXPECT_FALSE(in.failed());
}

TEST(PacketId, StaysInRangeAndRepeatsAfter65535) {
    EXPECT_EQ(packet_id_of(1), 1);
    EXPECT_EQ(packet_id_of(65535), 65535);
    EXPECT_EQ(packet_id_of(65536), 1);
    EXPECT_EQ(packet_id_of(131070), 65535);
}

TEST(Body, IsPropertiesAndPayload) {
    const std::string body = make_body("props", "payload");
    const BodyView view = parse_body(body);
    EXPECT_EQ(view.properties, "props");
    EXPECT_EQ(view.payload, "payload");
    EXPECT_EQ(view.both, "propspayload");
    EXPECT_EQ(parse_body("\x05zz").both, "");
    EXPECT_EQ(parse_body("").payload, "");
}

}  // namespace
}  // namespace causeway
