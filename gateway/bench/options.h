// What the three load generators are asked to do. Filled by cli.cc or a test; checked by the run_*
// functions (bench.h), which refuse what is out of range with one line.
//
// Templates: in topics, filters and client ids "%i" stands for the client's number. Publishers and
// plain connections count from `first`, subscribers too, each kind for itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/mqtt/types.h"

namespace causeway::bench {

inline constexpr std::uint32_t kConnectionsMax = 10'000'000;
inline constexpr std::uint32_t kProcessesMax = 256;
inline constexpr std::uint32_t kPayloadBytesMax = 64 * 1024 * 1024;

// How each client connects.
struct ClientOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 1883;
    bool tls = false;
    std::string ca;  // PEM files.
    std::string certificate;
    std::string private_key;
    bool insecure = false;  // Any server certificate will do.
    // Addresses to connect from: "a.b.c.d", "a.b.c.d/len" or several with commas; empty: any.
    std::string source_address;

    mqtt::Version version = mqtt::Version::k311;
    std::string client_id = "bench/%i";
    bool clean = true;
    // 5.0 only. Absent: 0 for clean sessions, one hour otherwise.
    std::optional<std::uint32_t> session_expiry_s;
    std::uint16_t keep_alive_s = 60;  // 0: none.
    std::string user_name;            // Empty: none.
    std::string password;
};

// How the run goes, whatever it measures.
struct RunOptions {
    std::uint32_t processes = 1;
    std::uint32_t first = 0;  // Number of the first client.
    double connect_rate = 0;  // Connections per second in all; 0: as fast as the broker answers.
    double connect_timeout_s = 30;
    bool at_once = false;       // All begin to connect at the same moment.
    std::uint32_t retries = 0;  // Of each client, when it is refused or not answered.
    double warmup_s = 1;        // Before the measurement; not counted.
    double duration_s = 10;     // Of the measurement.
    double drain_s = 5;         // For what is still under way at its end.
    bool json = false;          // The report, to standard output.
    bool quiet = false;         // No progress on standard error.
};

struct PublishOptions {
    std::uint32_t publishers = 1;
    std::string topic = "bench/%i";
    std::uint32_t payload_bytes = 64;
    std::string text;  // the payload of each message, without number and time; empty: made
    std::uint8_t qos = 1;
    std::uint16_t inflight = 1;  // Unacknowledged messages per publisher (QoS 1 and 2).
    // Messages per second of all publishers together; latency then counts from the planned time.
    // 0: closed loop, each acknowledgement is followed by the next message.
    double rate = 0;
};

struct SubscribeOptions {
    std::uint32_t subscribers = 1;
    std::string filter = "bench/#";
    std::string client_id = "bench-subscriber/%i";
    std::uint8_t qos = 1;
    // Messages to receive in all, when other programs publish; 0: unknown.
    std::uint64_t expected = 0;
};

struct ConnOptions {
    ClientOptions client;
    RunOptions run;  // duration_s: how long the connections are held.
    std::uint32_t connections = 1;
};

// Sessions that do nothing, each with one subscription, in equal steps; how much memory the broker
// holds after each.
struct MemOptions {
    ClientOptions client;  // client_id: of the sessions, as in subscribe
    RunOptions run;
    SubscribeOptions subscribe{
        .subscribers = 18'000, .filter = "bench/%i/down", .client_id = "bench/%i"};
    std::uint32_t steps = 3;
    double settle_s = 25;           // between the last SUBACK of a step and the look at the memory
    std::vector<std::string> apis;  // HTTP APIs of hubs: "http://127.0.0.1:8080"
    std::vector<std::uint32_t> pids;  // processes of any broker, on this machine
};

struct PubOptions {
    ClientOptions client;
    RunOptions run;
    PublishOptions publish;
};

struct SubOptions {
    ClientOptions client;  // client_id: of the publishers.
    RunOptions run;
    SubscribeOptions subscribe;
    PublishOptions publish;  // publishers = 0: others publish.
};

}  // namespace causeway::bench
