// Commands: what gateways, the API and the leader itself ask the state machine of a set to do. Each
// is encoded once by its maker and travels as bytes through mailboxes, links and the log:
//
//   frame   := u32 size, command                    (size: of what follows)
//   command := u8 kind, varint stream, varint seq, fields, { u8 tag, varint size, bytes }
//   entry   := u8 version (1), u64 set time in ms, { frame }
//
// `stream` and `seq` number the commands of one gateway loop to one set (docs/formats/commands.md);
// stream 0 carries what has no stream: HELLO and the leader's own commands. Unknown tags are
// skipped. Structs here hold views: they live as long as the bytes they were decoded from. Pure;
// any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "core/base/encoding.h"
#include "core/base/time.h"
#include "core/message/event.h"

namespace causeway {

using StreamId = std::uint32_t;

enum class CommandKind : std::uint8_t {
    kHello = 1,    // a gateway loop asks for a stream
    kGatewayDown,  // the leader declares a stream dead
    kOpen,         // CONNECT
    kClose,        // the end of a connection
    kPublish,      // PUBLISH, QoS 1 and 2; for QoS 0 only what is retained or rules made of it
    kRelease,      // PUBREL from a client
    kSubscribe,
    kUnsubscribe,
    kAck,          // PUBACK and PUBCOMP from clients, in ranges
    kReceived,     // PUBREC from a client
    kStep,         // the leader lets time pass: due timers and bounded slices of long work
    kSelfPublish,  // a will or a delayed message leaves the set's stream to itself
    kQueueDeclare,
    kQueueSend,
    kQueueReceive,
    kQueueAck,
    kOutboxDone,  // a sink delivery ended
    kRefused,     // stands for a command the leader could not take, or a gateway withdrew
    kSetLimits,   // the limits apply decides by: in the log, so that a replay decides the same
    kSetLayout,   // which set this is and who owns each slot (peer.h)
    kPeerItems,   // items of another set's stream to this one (peer.h)
    kPeerAcked,   // another set has applied items of this set's stream to it (peer.h)
    kRecordPut,
    kRecordDelete,
};

// What apply decided. The gateway maps it to an MQTT reason code, the API to an HTTP status.
enum class ResultCode : std::uint8_t {
    kOk = 0,
    kNoSubscribers,  // accepted; nobody was interested («MQTT 5.0 §3.4.2.1» 0x10)
    kDuplicate,      // this stream's command was applied before
    kStale,          // the session epoch is not the owner's: close without acknowledging
    kDead,           // the stream was declared dead: say HELLO again
    kResync,         // seq skipped: re-send from the stream's applied + 1
    kQuotaExceeded,  // a limit of the set, a full queue or a full disk: nothing was done
    kNotFound,       // no such packet id, queue or receipt
    kInvalid,        // bytes that are no command (our own fault, or a newer version's)
    kLater,          // kSubscribe: other sets must apply it first; StreamOutputs::settled follows
    kConflict,       // a record has another revision than expected: nothing was done
};

struct CommandHeader {
    CommandKind kind{};
    StreamId stream = 0;
    std::uint64_t seq = 0;
    // How many numbers before this one had no answer when it was given to the stream.
    std::uint64_t behind = 0;
};

struct Hello {
    std::uint64_t node = 0;  // random, made once per data directory
    std::uint64_t boot = 0;  // larger at each start of the node
    std::uint32_t loop = 0;
    std::uint64_t nonce = 0;  // comes back in the answer
};

struct WillView {
    std::string_view topic;
    std::string_view body;
    std::uint32_t delay_s = 0;
    std::uint32_t expiry_s = 0;  // message expiry interval; 0: none
    std::uint8_t qos = 0;
    bool retain = false;
};

inline constexpr std::uint32_t kNeverExpires = 0xFFFFFFFF;

struct Open {
    std::string_view client_id;
    std::string_view username;
    std::uint64_t nonce =
        0;  // names the connection inside its gateway loop; comes back in deliveries
    std::uint32_t session_expiry_interval_s = 0;
    std::uint16_t receive_maximum = 65535;
    bool clean_start = false;
    std::optional<WillView> will;
};

// The answer to kOpen, in CommandResult::detail.
struct OpenAnswer {
    std::uint64_t epoch = 0;
    std::uint32_t session_expiry_interval_s = 0;
    bool session_present = false;
};

enum class CloseReason : std::uint8_t { kNormal, kWithWill, kLost };

struct Close {
    std::uint64_t epoch = 0;
    CloseReason reason = CloseReason::kLost;
    std::optional<std::uint32_t> session_expiry_interval_s;  // a 5.0 DISCONNECT may change it
};

struct Publish {
    std::uint64_t epoch = 0;  // of the publishing session; 0: no device (the API, a rule)
    std::string_view client_id;
    std::string_view topic;
    std::string_view body;
    std::uint32_t expiry_s = 0;   // message expiry interval; 0: none
    std::uint16_t packet_id = 0;  // QoS 2 only
    std::uint8_t qos = 1;
    bool retain = false;
    bool outputs_only = false;  // QoS 0: subscribers have it already; retain and outputs remain
    // Tagged fields.
    std::string_view outputs;  // what rules made of it: encoded RouteOutput list
    std::uint64_t rule_version = 0;
    std::string_view group;  // QoS 0 between sets: for one member of this shared subscription only
    // For the router only; cut off before the command is logged. Always the last field.
    std::string_view username;
    std::string_view peer_host;
};

// Who publishes on which connection, as a hash that every node computes alike; 0: no device.
[[nodiscard]] std::uint64_t publisher_of(const Publish& publish);

struct Release {
    std::uint64_t epoch = 0;
    std::uint16_t packet_id = 0;
};

struct SubscriptionRequest {
    std::string_view filter;
    std::uint32_t identifier = 0;  // 0: none
    std::uint8_t qos = 0;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint8_t retain_handling = 0;
};

struct Subscribe {
    std::uint64_t epoch = 0;
    absl::InlinedVector<SubscriptionRequest, 4> filters;
};
// Answer in detail: one byte a filter, the granted QoS, 0x97 (quota exceeded) or, in a late answer,
// 0x80 (another set did not apply it in time).

struct Unsubscribe {
    std::uint64_t epoch = 0;
    absl::InlinedVector<std::string_view, 4> filters;
};
// Answer in detail: one byte a filter, 0x00 or 0x11 (no subscription existed).

struct AckRange {
    std::uint64_t epoch = 0;
    std::uint64_t first = 0;  // inbox numbers, both inclusive
    std::uint64_t last = 0;
};

struct Ack {
    std::vector<AckRange> ranges;
};

struct Received {
    std::uint64_t epoch = 0;
    std::uint64_t n = 0;
};

struct QueueDeclare {
    std::string_view queue;
    std::uint64_t messages_max = 0;
    std::uint64_t bytes_max = 0;
    std::uint32_t visibility_timeout_s = 30;
    std::uint32_t retention_s = 0;        // 0: kept until acknowledged
    std::uint32_t receive_count_max = 0;  // 0: no dead letter by count
    std::string_view dead_letter;         // a queue
};

struct QueueSend {
    std::string_view queue;
    std::string_view key;
    std::string_view body;
    std::uint32_t delay_s = 0;
};

struct QueueReceive {
    std::string_view queue;
    std::uint32_t max = 1;
    std::uint32_t visibility_timeout_s = 0;  // 0: the queue's own
};

struct QueueReceipt {
    std::uint64_t n = 0;
    std::uint64_t lease = 0;
};

struct QueueAck {
    std::string_view queue;
    std::vector<QueueReceipt> receipts;
};
// Answer in detail: one byte a receipt, a ResultCode (kOk or kNotFound).

struct OutboxDone {
    std::string_view sink;
    std::uint64_t n = 0;
    bool delivered = true;
    std::string_view reason;       // why not, when not delivered
    std::string_view dead_letter;  // queue that gets it then; empty: counted and dropped
};

// Stands for a command the leader could not take (kQuotaExceeded) or a gateway withdrew (kStale).
struct Refused {
    ResultCode code{};
    // Of a QoS 2 publish: sent again, it may have been accepted the first time. 0: none.
    std::uint64_t epoch = 0;
    std::uint16_t packet_id = 0;
    std::uint64_t publisher = 0;  // of a publish: publisher_of()
};

// A record is a key with a value that the core does not look into: what is known of a device
// (gateway/auth). `expected` is its revision before the command, kNoRecord or kAnyRevision; with
// another one nothing is done (kConflict). Answer of a put in detail: varint, its new revision,
// which no record of the set ever had. A put of the value that is there changes nothing and answers
// the revision that is there, so that a put whose outcome was lost can be repeated.
inline constexpr std::uint64_t kNoRecord = 0;
inline constexpr std::uint64_t kAnyRevision = ~std::uint64_t{0};
inline constexpr std::size_t kRecordKeyBytesMax = 256;
inline constexpr std::size_t kRecordValueBytesMax = 16U << 10;

struct RecordPut {
    std::string_view key;
    std::uint64_t expected = kAnyRevision;
    std::string_view value;
};
// kNotFound: there is none, whatever was expected.
struct RecordDelete {
    std::string_view key;
    std::uint64_t expected = kAnyRevision;
};

struct SelfPublish {
    std::uint64_t n = 0;  // the item of the set's stream to itself
    std::string_view outputs;
    std::uint64_t rule_version = 0;
};

// What apply decides by. Part of the replicated state.
struct StateLimits {
    std::uint64_t sessions_max = 1'000'000;
    std::uint64_t subscriptions_per_session_max = 1'000;
    std::uint32_t session_expiry_max_s = 7 * 86'400;
    std::uint64_t inbox_messages_max = 1'000;
    std::uint64_t inbox_bytes_max = 16U << 20;
    std::uint64_t retained_messages_max = 1'000'000;
    std::uint64_t retained_bytes_max = 1U << 30;
    std::uint64_t queue_messages_max = 1'000'000;  // of a queue nobody declared
    std::uint64_t queue_bytes_max = 1U << 30;
    std::uint64_t outbox_messages_max = 100'000;
    std::uint64_t outbox_bytes_max = 256U << 20;
    std::uint64_t peer_messages_max = 100'000;  // of the stream to one other set
    std::uint64_t peer_bytes_max = 256U << 20;
    std::uint64_t fences_max = 65'536;  // clients of other sets whose epoch is remembered
    std::uint64_t waiting_subscribes_max = 16'384;
    std::uint64_t records_max = 10'000'000;
    std::uint64_t records_bytes_max = 8ULL << 30;
    EventMask events = 0;  // no limit, but decided with them: the events that are made

    friend bool operator==(const StateLimits&, const StateLimits&) = default;
};

// Each appends one command, without frame; the header's kind is set by the function.
void encode(const CommandHeader& header, const Hello& command, std::string& out);
void encode_gateway_down(StreamId dead, std::string& out);
void encode(const CommandHeader& header, const Open& command, std::string& out);
void encode(const CommandHeader& header, const Close& command, std::string& out);
void encode(const CommandHeader& header, const Publish& command, std::string& out);
void encode(const CommandHeader& header, const Release& command, std::string& out);
void encode(const CommandHeader& header, const Subscribe& command, std::string& out);
void encode(const CommandHeader& header, const Unsubscribe& command, std::string& out);
void encode(const CommandHeader& header, const Ack& command, std::string& out);
void encode(const CommandHeader& header, const Received& command, std::string& out);
// `seq` comes back in the leader's results.
void encode_step(std::uint64_t seq, std::string& out);
void encode(const CommandHeader& header, const QueueDeclare& command, std::string& out);
void encode(const CommandHeader& header, const QueueSend& command, std::string& out);
void encode(const CommandHeader& header, const QueueReceive& command, std::string& out);
void encode(const CommandHeader& header, const QueueAck& command, std::string& out);
void encode(const CommandHeader& header, const OutboxDone& command, std::string& out);
void encode(const CommandHeader& header, const RecordPut& command, std::string& out);
void encode(const CommandHeader& header, const RecordDelete& command, std::string& out);
void encode(const CommandHeader& header, const SelfPublish& command, std::string& out);
void encode(const CommandHeader& header, const StateLimits& command, std::string& out);
void encode(const CommandHeader& header, const Refused& command, std::string& out);

// Each reads the fields behind the header; false: the bytes are no such command.
bool decode_header(ByteReader& in, CommandHeader& out);
bool decode(ByteReader& in, Hello& out);
bool decode(ByteReader& in, Open& out);
bool decode(ByteReader& in, Close& out);
bool decode(ByteReader& in, Publish& out);
bool decode(ByteReader& in, Release& out);
bool decode(ByteReader& in, Subscribe& out);
bool decode(ByteReader& in, Unsubscribe& out);
bool decode(ByteReader& in, Ack& out);
bool decode(ByteReader& in, Received& out);
bool decode(ByteReader& in, QueueDeclare& out);
bool decode(ByteReader& in, QueueSend& out);
bool decode(ByteReader& in, QueueReceive& out);
bool decode(ByteReader& in, QueueAck& out);
bool decode(ByteReader& in, OutboxDone& out);
bool decode(ByteReader& in, RecordPut& out);
bool decode(ByteReader& in, RecordDelete& out);
bool decode(ByteReader& in, SelfPublish& out);
bool decode(ByteReader& in, Refused& out);
bool decode(ByteReader& in, StateLimits& out);

// For the leader: a Publish as its gateway encoded it -> as it is logged: without the router's
// context, with `outputs` (may be empty). `command` is one whole kPublish command.
void append_routed_publish(std::string_view command, std::string_view outputs,
                           std::uint64_t rule_version, std::string& out);

void encode(const OpenAnswer& answer, std::string& out);
bool decode(std::string_view in, OpenAnswer& out);

// What a rule made of a message. A Publish carries a list of them; apply performs all or none.
enum class RouteKind : std::uint8_t { kQueue = 1, kRepublish, kSink };

struct RouteOutput {
    RouteKind kind{};
    std::string_view target;    // queue, topic or sink
    std::string_view key;       // queue and sink: ordering key, may be empty
    std::string_view body;      // queue and republish: a body (body.h); sink: an encoded request
    std::uint32_t delay_s = 0;  // queue
    std::uint8_t qos = 0;       // republish
    bool retain = false;        // republish
    std::string_view tags;      // queue: { string }
};

void append_route_output(const RouteOutput& output, std::string& out);
// Takes one off the front; false at the end or on bad bytes (then in.failed()).
bool next_route_output(ByteReader& in, RouteOutput& out);

// Entries.
inline constexpr std::uint8_t kEntryVersion = 1;
inline constexpr std::size_t kEntryHeaderBytes = 9;
void begin_entry(SetMs time, std::string& out);
// Appends `command` with its frame.
void append_frame(std::string_view command, std::string& out);
// Takes one frame off the front; false at the end or on bad bytes (then in.failed()).
bool next_frame(ByteReader& in, std::string_view& command);

}  // namespace causeway
