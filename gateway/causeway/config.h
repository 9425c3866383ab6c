// The configuration of `causeway serve`: one JSON object, every key optional, documented in
// docs/configuration.md. Unknown keys, wrong types and values out of bounds are refused with the
// path of the key ("listeners[0].bind"). Read once at start, on the main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/message/command.h"
#include "gateway/auth/admit.h"
#include "gateway/access/token.h"

namespace causeway::root {

struct Endpoint {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free one

    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] std::string text() const;
};

enum class Verify : std::uint8_t { kNone, kOptional, kRequired };

struct CertificateConfig {
    std::string certificate;  // PEM files
    std::string private_key;
};

struct ListenerConfig {
    bool tls = false;
    bool websocket = false;
    bool proxy_protocol = false;  // a load balancer stands in front and says who the client is
    Endpoint bind;
    bool anonymous = false;   // accept clients that show no certificate
    bool plaintext = false;   // an unencrypted listener beyond loopback was asked for by name
    std::string certificate;  // PEM files
    std::string private_key;
    std::string client_ca;
    Verify verify = Verify::kNone;
    std::vector<CertificateConfig> certificates;  // further ones, chosen by the name asked for
    std::string crl;                              // PEM file of revocation lists
    bool crl_required = false;
    bool tls13_only = false;
    std::string ciphers;       // TLS 1.2; empty: ours
    std::string ciphersuites;  // TLS 1.3
    std::string psk_file;      // pre-shared keys of devices that are in no registry
    auth::SchemeSet auth;  // how devices prove themselves; empty: there are none here
    std::shared_ptr<const std::vector<auth::Permission>> permissions;  // null: see ListenerPolicy

    [[nodiscard]] bool takes_psk() const {
        return auth.has(auth::Scheme::kPsk) || !psk_file.empty();
    }
};

struct AuthConfig {
    std::string jwks_file;  // keys of tokens; empty: none are taken
    std::string jwt_issuer;
    std::string jwt_audience;
    std::string jwt_claim = "sub";
    std::uint32_t jwt_leeway_s = 30;
    std::uint32_t jwt_lifetime_max_s = 0;
    std::uint32_t hmac_age_max_s = 0;
    std::uint32_t password_threads = 1;
    std::uint32_t password_queue_max = 256;
    std::uint32_t address_failures_max = 300;  // within failure_window_s; 0: any number
    std::uint32_t identity_failures_max = 10;
    std::uint32_t failure_window_s = 60;
    std::uint32_t failure_out_s = 60;
    std::uint32_t flapping_max = 0;
    std::uint32_t flapping_window_s = 60;
    std::uint32_t flapping_out_s = 300;
    bool close_denied = true;
    std::string http_url;  // of the callback; empty: none
    std::uint32_t http_timeout_ms = 3'000;
    std::uint32_t http_cache_s = 10;
    std::uint32_t http_requests_max = 64;
};

struct WalConfig {
    std::uint64_t segment_bytes = 64U << 20;
    std::uint64_t bytes_max = 1U << 30;
    std::uint64_t sync_delay_us = 0;
    std::uint32_t sync_max_count = 4096;
    std::uint64_t sync_max_bytes = 8U << 20;
};

struct GatewayLimits {
    std::uint32_t loops = 0;  // 0: one per core
    std::uint32_t connections_max = 1'000'000;
    std::uint32_t packet_bytes_max = 1U << 20;
    std::uint32_t topic_levels_max = 128;
    std::uint32_t topic_bytes_max = 65'535;
    std::uint16_t topic_aliases_max = 16;  // both ways
    std::uint32_t publish_rate_max = 0;    // of one client, a second; 0: any
    std::uint32_t publish_bytes_rate_max = 0;
    std::uint16_t receive_maximum = 1'024;  // QoS 1 and 2 publishes of a client not yet answered
    std::uint16_t inflight_max = 1'024;     // ours to a client that names no Receive Maximum
    std::uint32_t output_bytes_max = 8U << 20;  // waiting for a slow client
    std::uint32_t connect_timeout_s = 10;
    std::uint32_t packet_timeout_s = 300;  // from a packet's first byte to its last; 0: any
    std::uint16_t keep_alive_max_s = 0;    // 0: the client's own is taken
    // When many come at once.
    std::uint32_t listen_backlog = 4096;
    std::uint32_t accept_rate_max = 0;
    std::uint32_t half_open_max = 2048;
    std::uint32_t tls_handshakes_max = 64;
    std::uint32_t tls_handshakes_per_turn = 4;
    std::uint32_t connects_in_flight_max = 256;
    std::uint32_t connect_queue_max = 16'384;
    std::uint32_t address_rate_max = 0;
    std::uint32_t client_rate_max = 0;
};

struct StoreConfig {
    std::uint64_t cache_bytes = 32U << 20;
    std::uint64_t write_buffer_bytes = 32U << 20;
    std::uint64_t disk_reserve_bytes = 256U << 20;
    std::uint64_t flush_bytes = 256U << 20;
    std::uint32_t flush_interval_s = 20;
};

struct ClusterNodeConfig {
    std::uint64_t id = 0;  // from 1
    std::string name;
    Endpoint address;  // for other nodes
};
// The same on every node, but for the files and the address.
struct ClusterConfig {
    std::string name;  // empty: a node alone
    std::uint32_t sets = 1;
    std::uint32_t replicas = 3;  // voters of a set
    std::uint32_t balance_leaders_after_s = 30;
    std::uint64_t kept_entries = 20'000;
    std::vector<ClusterNodeConfig> nodes;  // that the cluster begins with, the same list on each
    std::vector<Endpoint> seeds;           // members, for a node that joins
    Endpoint address;         // of this node, for other nodes; in `nodes` if it is there
    std::uint64_t self = 1;   // the id of the node whose name is node.id
    std::string certificate;  // PEM files; causeway cert issue-node makes them
    std::string private_key;
    std::string ca;
    std::string crl;  // empty: none
};

// Who may use the HTTP API, and by what certificate it shows itself.
struct ApiAccessConfig {
    bool required = false;    // also who connects from this machine says who it is
    std::string certificate;  // PEM files; empty: in the clear
    std::string private_key;
    std::string client_ca;  // of operators' certificates
    std::string crl;        // PEM file of revocation lists
    std::map<std::string, access::Role> operators;  // by name; "*": any other
};

// The listener at which devices ask for credentials.
struct RegistrationConfig {
    bool enabled = false;
    Endpoint bind;
    std::string certificate;  // PEM files
    std::string private_key;
    std::uint32_t address_rate_max = 10;  // requests a second of one address; 0: any
};

struct AuditConfig {
    std::uint64_t file_bytes_max = 64U << 20;
    std::uint32_t files_max = 16;
};

struct Config {
    std::string node_id = "node1";
    std::string data_dir = "data";
    bool gateway_role = true;  // it serves clients
    bool core_role = true;     // it holds sets
    std::vector<ListenerConfig> listeners;
    bool api_enabled = true;
    Endpoint api{"127.0.0.1", 8080};
    ApiAccessConfig api_access;
    RegistrationConfig registration;
    AuditConfig audit;
    std::string rules_dir;  // empty: no rules
    std::string log_level = "info";
    std::uint32_t sys_interval_s = 10;  // between messages under $SYS; 0: none
    WalConfig wal;
    StoreConfig store;
    GatewayLimits gateway;
    AuthConfig auth;
    StateLimits state;
    ClusterConfig cluster;
};

// What `causeway serve` runs with when no file is given: plaintext and, when `data_dir`/certs holds
// a server certificate, TLS, both on loopback and open to everyone on this machine.
Config default_config(const std::string& data_dir);

// Effect: parses and checks. The error is one line: "FILE: path.of.key: what is wrong and what to
// do".
Result<Config> parse_config(const std::string& file, const std::string& text);

// "127.0.0.1:1883", "[::1]:1883".
Result<Endpoint> parse_endpoint(const std::string& text);

}  // namespace causeway::root
