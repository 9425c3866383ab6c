#include "gateway/causeway/config.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/io/loopback.h"
#include "gateway/auth/product.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;

// Reads the keys of one object. The first fault is kept; done() reports it, or a key nobody asked
// for.
class Section {
public:
    Section(const Json& json, std::string path) : json_(json), path_(std::move(path)) {
        if (!json.is_object()) {
            fault_ = at("") + "must be an object";
        }
    }

    template <typename T>
    void number(const char* key, T& out, std::uint64_t min, std::uint64_t max) {
        const Json* value = take(key);
        if (value == nullptr) {
            return;
        }
        if (!value->is_number_unsigned() || value->get<std::uint64_t>() < min ||
            value->get<std::uint64_t>() > max) {
            fault(key, "must be a whole number from " + std::to_string(min) + " to " +
                           std::to_string(max));
            return;
        }
        out = static_cast<T>(value->get<std::uint64_t>());
    }
    void text(const char* key, std::string& out) {
        const Json* value = take(key);
        if (value == nullptr) {
            return;
        }
        if (!value->is_string()) {
            fault(key, "must be a string");
            return;
        }
        out = value->get<std::string>();
    }
    void flag(const char* key, bool& out) {
        const Json* value = take(key);
        if (value == nullptr) {
            return;
        }
        if (!value->is_boolean()) {
            fault(key, "must be true or false");
            return;
        }
        out = value->get<bool>();
    }
    void endpoint(const char* key, Endpoint& out) {
        std::string spelled;
        text(key, spelled);
        if (spelled.empty()) {
            return;
        }
        auto parsed = parse_endpoint(spelled);
        if (!parsed) {
            fault(key, parsed.error().message);
            return;
        }
        out = *parsed;
    }
    // One of the words; `out` is its position.
    void word(const char* key, std::size_t& out, const std::vector<std::string>& words) {
        std::string spelled;
        text(key, spelled);
        if (spelled.empty()) {
            return;
        }
        for (std::size_t i = 0; i < words.size(); ++i) {
            if (words[i] == spelled) {
                out = i;
                return;
            }
        }
        std::string list;
        for (const std::string& other : words) {
            list += (list.empty() ? "" : ", ") + other;
        }
        fault(key, "must be one of: " + list);
    }
    const Json* take(const char* key) {
        known_.insert(key);
        const auto found = json_.is_object() ? json_.find(key) : json_.end();
        return json_.is_object() && found != json_.end() ? &*found : nullptr;
    }
    void fault(const std::string& key, const std::string& what) {
        if (fault_.empty()) {
            fault_ = at(key) + what;
        }
    }
    void adopt(const std::string& inner) {
        if (fault_.empty()) {
            fault_ = inner;
        }
    }
    // The fault, or an empty string.
    std::string done() {
        if (fault_.empty()) {
            for (const auto& [key, value] : json_.items()) {
                if (!known_.contains(key)) {
                    return at(key) + "no such key; docs/configuration.md lists them";
                }
            }
        }
        return fault_;
    }
    [[nodiscard]] std::string path(const std::string& key) const {
        return path_.empty() ? key : path_ + "." + key;
    }

private:
    [[nodiscard]] std::string at(const std::string& key) const {
        const std::string whole = key.empty() ? path_ : path(key);
        return whole.empty() ? "" : whole + ": ";
    }

    const Json& json_;
    std::string path_;
    std::string fault_;
    std::set<std::string> known_;
};

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
constexpr std::uint64_t kU32 = std::numeric_limits<std::uint32_t>::max();

void read_certificates(Section& section, std::vector<CertificateConfig>& out) {
    const Json* array = section.take("certificates");
    if (array == nullptr) {
        return;
    }
    for (std::size_t i = 0; array->is_array() && i < array->size(); ++i) {
        Section one((*array)[i], section.path("certificates[" + std::to_string(i) + "]"));
        CertificateConfig& files = out.emplace_back();
        one.text("certificate", files.certificate);
        one.text("private_key", files.private_key);
        if (files.certificate.empty() || files.private_key.empty()) {
            one.fault("certificate", "needs certificate and private_key (PEM files)");
        }
        section.adopt(one.done());
    }
    if (!array->is_array() || array->empty()) {
        section.fault("certificates", "must be an array of {certificate, private_key}");
    }
}

void read_listener_tls(Section& section, ListenerConfig& out) {
    section.text("certificate", out.certificate);
    section.text("private_key", out.private_key);
    read_certificates(section, out.certificates);
    section.text("client_ca", out.client_ca);
    section.text("crl", out.crl);
    section.flag("crl_required", out.crl_required);
    std::size_t tls_min = 0;
    section.word("tls_min", tls_min, {"1.2", "1.3"});
    out.tls13_only = tls_min == 1;
    section.text("ciphers", out.ciphers);
    section.text("ciphersuites", out.ciphersuites);
    section.text("psk_file", out.psk_file);
    std::size_t verify = 0;
    section.word("verify", verify, {"none", "optional", "required"});
    out.verify = static_cast<Verify>(verify);
}

// With the schemes of the listener known.
void check_listener_tls(Section& section, const ListenerConfig& out) {
    const bool tls_scheme = out.auth.has(auth::Scheme::kX509) || out.auth.has(auth::Scheme::kPsk);
    if (tls_scheme && !out.tls) {
        section.fault("auth", "x509 and psk belong to a listener of type tls or wss");
    }
    if (out.auth.has(auth::Scheme::kX509) && out.verify == Verify::kNone) {
        section.fault("verify", "x509 needs optional or required");
    }
    const bool shown = !out.certificate.empty() && !out.private_key.empty();
    const bool half = out.certificate.empty() != out.private_key.empty();
    if (out.tls && (half || (!shown && (!out.takes_psk() || !out.certificates.empty())))) {
        section.fault("certificate",
                      "a TLS listener needs certificate and private_key (PEM files; "
                      "causeway cert issue-server makes them)");
    }
    if (out.tls && !shown && out.verify != Verify::kNone) {
        section.fault("verify", "who shows no certificate cannot ask for one");
    }
    const bool any = shown || half || !out.client_ca.empty() || !out.crl.empty() ||
                     out.verify != Verify::kNone || !out.certificates.empty() || out.tls13_only ||
                     !out.ciphers.empty() || !out.ciphersuites.empty() || !out.psk_file.empty();
    if (!out.tls && any) {
        section.fault("type", "certificates belong to a listener of type tls or wss");
    }
    if (out.verify == Verify::kNone && (!out.crl.empty() || out.crl_required)) {
        section.fault("crl", "no client certificate is asked for: set verify");
    }
}

void read_listener_auth(Section& section, ListenerConfig& out) {
    if (const Json* schemes = section.take("auth")) {
        for (const Json& one : *schemes) {
            const auto scheme = one.is_string()
                                    ? auth::parse_scheme(one.get_ref<const std::string&>())
                                    : std::nullopt;
            if (!scheme) {
                section.fault("auth",
                              "must be an array of x509, psk, hmac, password, jwt, http, scram");
                return;
            }
            out.auth.add(*scheme);
        }
        if (!schemes->is_array() || out.auth.empty()) {
            section.fault("auth", "must be an array that names at least one scheme");
        }
    }
    if (const Json* permissions = section.take("permissions")) {
        auto parsed = auth::parse_permissions(permissions->dump());
        if (!parsed) {
            section.adopt(section.path(parsed.error().message));
            return;
        }
        out.permissions = std::make_shared<std::vector<auth::Permission>>(std::move(*parsed));
    }
}

std::string read_listener(const Json& json, const std::string& path, ListenerConfig& out) {
    Section section(json, path);
    std::size_t type = 0;
    section.word("type", type, {"tcp", "tls", "ws", "wss"});
    constexpr std::uint16_t kPorts[] = {1883, 8883, 8083, 8084};
    out.tls = type == 1 || type == 3;
    out.websocket = type >= 2;
    out.bind.port = kPorts[type];
    section.flag("proxy_protocol", out.proxy_protocol);
    section.endpoint("bind", out.bind);
    section.flag("anonymous", out.anonymous);
    section.flag("plaintext", out.plaintext);
    read_listener_auth(section, out);
    read_listener_tls(section, out);
    check_listener_tls(section, out);
    if (out.verify != Verify::kNone && out.client_ca.empty()) {
        section.fault("client_ca", "verifying clients needs the PEM file of their CA");
    }
    if (!out.tls && !out.bind.is_loopback() && !out.plaintext) {
        section.fault("bind",
                      "plaintext is for loopback: use type tls or wss, or say \"plaintext\": true");
    }
    if (!out.anonymous && out.verify != Verify::kRequired && out.auth.empty() &&
        out.psk_file.empty()) {
        section.fault("anonymous",
                      "nobody could be told apart here: set verify to required (type tls), "
                      "name the schemes of devices (auth), or \"anonymous\": true to let everyone in");
    }
    return section.done();
}

std::string read_node(const Json& json, Config& out) {
    Section section(json, "node");
    section.text("id", out.node_id);
    section.text("data_dir", out.data_dir);
    if (const Json* roles = section.take("roles")) {
        const auto has = [&](const char* role) {
            return roles->is_array() &&
                   std::find(roles->begin(), roles->end(), role) != roles->end();
        };
        out.gateway_role = has("gateway");
        out.core_role = has("core");
        const std::size_t known = (out.gateway_role ? 1U : 0U) + (out.core_role ? 1U : 0U);
        if (known == 0 || roles->size() != known) {
            section.fault("roles", "must be [\"gateway\"], [\"core\"] or both");
        }
    }
    return section.done();
}

std::string read_wal(const Json& json, WalConfig& out) {
    Section section(json, "wal");
    section.number("segment_bytes", out.segment_bytes, 8 * kMiB, 1024 * kMiB);
    section.number("bytes_max", out.bytes_max, 64 * kMiB, kTiB);
    section.number("sync_delay_us", out.sync_delay_us, 0, 1'000'000);
    section.number("sync_max_count", out.sync_max_count, 1, 1'000'000);
    section.number("sync_max_bytes", out.sync_max_bytes, 4096, 64 * kMiB);
    if (out.segment_bytes % 4096 != 0) {
        section.fault("segment_bytes", "must be a multiple of 4096");
    }
    if (out.bytes_max < 4 * out.segment_bytes) {
        section.fault("bytes_max", "must hold at least four segments");
    }
    return section.done();
}

std::string read_store(const Json& json, StoreConfig& out) {
    Section section(json, "store");
    section.number("cache_bytes", out.cache_bytes, kMiB, kTiB);
    section.number("write_buffer_bytes", out.write_buffer_bytes, kMiB, 4096 * kMiB);
    section.number("disk_reserve_bytes", out.disk_reserve_bytes, 0, kTiB);
    section.number("flush_bytes", out.flush_bytes, kMiB, kTiB);
    section.number("flush_interval_s", out.flush_interval_s, 1, 86'400);
    return section.done();
}

std::string read_limits(const Json& json, GatewayLimits& gateway, StateLimits& state) {
    Section section(json, "limits");
    section.number("loops", gateway.loops, 0, 256);
    section.number("connections_max", gateway.connections_max, 1, 100'000'000);
    section.number("packet_bytes_max", gateway.packet_bytes_max, 256, 4 * kMiB);
    section.number("topic_levels_max", gateway.topic_levels_max, 1, 32'768);
    section.number("topic_bytes_max", gateway.topic_bytes_max, 1, 65'535);
    section.number("topic_aliases_max", gateway.topic_aliases_max, 0, 65'535);
    section.number("publish_rate_max", gateway.publish_rate_max, 0, 1'000'000);
    section.number("publish_bytes_rate_max", gateway.publish_bytes_rate_max, 0, 1024 * kMiB);
    section.number("receive_maximum", gateway.receive_maximum, 1, 65'535);
    section.number("inflight_max", gateway.inflight_max, 1, 65'535);
    section.number("output_bytes_max", gateway.output_bytes_max, 64 << 10, 1024 * kMiB);
    section.number("connect_timeout_s", gateway.connect_timeout_s, 1, 3600);
    section.number("packet_timeout_s", gateway.packet_timeout_s, 0, 86'400);
    section.number("listen_backlog", gateway.listen_backlog, 1, 65'535);
    section.number("accept_rate_max", gateway.accept_rate_max, 0, 1'000'000);
    section.number("half_open_max", gateway.half_open_max, 1, 1'000'000);
    section.number("tls_handshakes_max", gateway.tls_handshakes_max, 1, 65'535);
    section.number("tls_handshakes_per_turn", gateway.tls_handshakes_per_turn, 1, 65'535);
    section.number("connects_in_flight_max", gateway.connects_in_flight_max, 1, 65'535);
    section.number("connect_queue_max", gateway.connect_queue_max, 0, 1'000'000);
    section.number("address_rate_max", gateway.address_rate_max, 0, 1'000'000);
    section.number("client_rate_max", gateway.client_rate_max, 0, 1'000'000);
    section.number("keep_alive_max_s", gateway.keep_alive_max_s, 0, 65'535);
    section.number("sessions_max", state.sessions_max, 1, 1'000'000'000);
    section.number("subscriptions_per_session_max", state.subscriptions_per_session_max, 1,
                   1'000'000);
    section.number("session_expiry_max_s", state.session_expiry_max_s, 0, kU32);
    section.number("inbox_messages_max", state.inbox_messages_max, 1, 1'000'000'000);
    section.number("inbox_bytes_max", state.inbox_bytes_max, 1024, kTiB);
    section.number("retained_messages_max", state.retained_messages_max, 0, 1'000'000'000);
    section.number("retained_bytes_max", state.retained_bytes_max, 0, kTiB);
    section.number("queue_messages_max", state.queue_messages_max, 1, 1'000'000'000'000);
    section.number("queue_bytes_max", state.queue_bytes_max, 1024, 1024 * kTiB);
    section.number("outbox_messages_max", state.outbox_messages_max, 1, 1'000'000'000'000);
    section.number("outbox_bytes_max", state.outbox_bytes_max, 1024, 1024 * kTiB);
    section.number("records_max", state.records_max, 0, 1'000'000'000);
    section.number("records_bytes_max", state.records_bytes_max, 0, 1024 * kTiB);
    return section.done();
}

std::string read_listeners(const Json& json, std::vector<ListenerConfig>& out) {
    if (!json.is_array()) {
        return "listeners: must be an array";
    }
    for (std::size_t i = 0; i < json.size(); ++i) {
        const std::string path = "listeners[" + std::to_string(i) + "]";
        if (std::string fault = read_listener(json[i], path, out.emplace_back()); !fault.empty()) {
            return fault;
        }
    }
    return "";
}

// {"alice": "admin", "*": "read-only"}
std::string read_operators(const Json& json, std::map<std::string, access::Role>& out) {
    if (!json.is_object()) {
        return "api.operators: must be an object of names and roles";
    }
    for (const auto& [name, role] : json.items()) {
        const auto parsed =
            access::parse_role(role.is_string() ? role.get<std::string>() : std::string());
        if (!parsed || *parsed == access::Role::kApp) {
            return "api.operators." + name + ": must be one of: read-only, operator, admin";
        }
        out[name] = *parsed;
    }
    return "";
}

std::string read_api(const Json& json, Config& out) {
    Section section(json, "api");
    ApiAccessConfig& access = out.api_access;
    bool plaintext = false;
    section.flag("enabled", out.api_enabled);
    section.flag("plaintext", plaintext);
    section.endpoint("bind", out.api);
    section.text("certificate", access.certificate);
    section.text("private_key", access.private_key);
    section.text("client_ca", access.client_ca);
    section.text("crl", access.crl);
    if (const Json* operators = section.take("operators")) {
        section.adopt(read_operators(*operators, access.operators));
    }
    std::size_t auth = out.api.is_loopback() ? 0 : 1;
    section.word("auth", auth, {"loopback", "required"});
    access.required = auth == 1;
    if (!out.api.is_loopback() && !plaintext && access.certificate.empty()) {
        section.fault("bind",
                      "tokens would cross the network in the clear: bind it to loopback, give it a "
                      "certificate, or say \"plaintext\": true");
    }
    if (!out.api.is_loopback() && !access.required) {
        section.fault("auth", "must be required: others than this machine reach the API");
    }
    if (access.certificate.empty() != access.private_key.empty()) {
        section.fault("private_key", "certificate and private_key: both or neither");
    }
    if (access.client_ca.empty() != access.operators.empty() ||
        (!access.client_ca.empty() && access.certificate.empty())) {
        section.fault("client_ca",
                      "operators' certificates need certificate, client_ca and operators (who has "
                      "which role)");
    }
    if (!access.crl.empty() && access.client_ca.empty()) {
        section.fault("crl", "no client certificate is asked for: set client_ca");
    }
    return section.done();
}

std::string read_registration(const Json& json, RegistrationConfig& out) {
    Section section(json, "registration");
    out.enabled = true;
    section.endpoint("bind", out.bind);
    section.text("certificate", out.certificate);
    section.text("private_key", out.private_key);
    section.number("address_rate_max", out.address_rate_max, 0, 1'000'000);
    if (out.certificate.empty() != out.private_key.empty()) {
        section.fault("private_key", "certificate and private_key: both or neither");
    }
    if (out.certificate.empty() && !out.bind.is_loopback()) {
        section.fault("certificate", "devices are told their secrets here: needs a certificate");
    }
    return section.done();
}

std::string read_audit(const Json& json, AuditConfig& out) {
    Section section(json, "audit");
    section.number("file_bytes_max", out.file_bytes_max, 64 << 10, 1024 * kMiB);
    section.number("files_max", out.files_max, 2, 10'000);
    return section.done();
}

std::string read_cluster_node(const Json& json, const std::string& path, ClusterNodeConfig& out) {
    constexpr std::uint64_t kFoundersMax = 7;
    Section section(json, path);
    section.number("id", out.id, 1, kFoundersMax);
    section.text("name", out.name);
    section.endpoint("address", out.address);
    if (out.id == 0 || out.name.empty() || out.address.port == 0) {
        section.fault("", "needs id (from 1), name and address (ADDRESS:PORT)");
    }
    return section.done();
}

std::string read_cluster_nodes(const Json& json, std::vector<ClusterNodeConfig>& out) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const std::string path = "cluster.nodes[" + std::to_string(i) + "]";
        ClusterNodeConfig& node = out.emplace_back();
        if (std::string fault = read_cluster_node(json[i], path, node); !fault.empty()) {
            return fault;
        }
        if (node.id != i + 1 || !names.insert(node.name).second) {
            return path + ": ids are 1, 2, 3 … in this order, and each name is its own";
        }
    }
    return "";
}

std::string read_cluster(const Json& json, ClusterConfig& out) {
    constexpr std::uint64_t kSetsMax = 64;
    constexpr std::uint64_t kReplicasMax = 7;
    Section section(json, "cluster");
    section.text("name", out.name);
    section.number("sets", out.sets, 1, kSetsMax);
    section.number("replicas", out.replicas, 1, kReplicasMax);
    section.number("balance_leaders_after_s", out.balance_leaders_after_s, 0, 86'400);
    section.number("kept_entries", out.kept_entries, 0, 100'000'000);
    section.endpoint("address", out.address);
    section.text("certificate", out.certificate);
    section.text("private_key", out.private_key);
    section.text("ca", out.ca);
    section.text("crl", out.crl);
    const Json* nodes = section.take("nodes");
    if (nodes != nullptr && nodes->is_array()) {
        section.adopt(read_cluster_nodes(*nodes, out.nodes));
    }
    const Json* seeds = section.take("seeds");
    if (seeds != nullptr && seeds->is_array()) {
        for (const Json& seed : *seeds) {
            auto endpoint = parse_endpoint(seed.is_string() ? seed.get<std::string>() : "");
            if (!endpoint) {
                section.fault("seeds", endpoint.error().message);
                break;
            }
            out.seeds.push_back(*endpoint);
        }
    }
    if (out.replicas % 2 == 0) {
        section.fault("replicas", "must be odd: an even number bears no more losses than one less");
    }
    if (out.name.empty() || (out.nodes.empty() && out.seeds.empty())) {
        section.fault("nodes",
                      "a cluster needs a name and its nodes, the same list on each; one that joins "
                      "needs seeds instead");
    }
    if (out.nodes.empty() && out.address.port == 0) {
        section.fault("address", "a node that joins says where others reach it");
    }
    if ((out.nodes.size() != 1 || !out.seeds.empty()) &&
        (out.certificate.empty() || out.private_key.empty() || out.ca.empty())) {
        section.fault("certificate",
                      "links between nodes need certificate, private_key and ca (PEM files; "
                      "causeway cert issue-node makes them)");
    }
    return section.done();
}

// Which of the cluster's nodes this one is.
std::string find_self(Config& config) {
    constexpr std::size_t kNameBytesMax = 64;
    const std::string& name = config.node_id;
    if (name.empty() || name.size() > kNameBytesMax ||
        !std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > ' '; })) {
        return "node.id: must be 1 to 64 characters without spaces";
    }
    const bool joins = config.cluster.nodes.empty() && !config.cluster.seeds.empty();
    if (!config.core_role && !joins) {
        return "node.roles: only a node that joins (cluster.seeds) may hold no sets";
    }
    if (config.cluster.nodes.empty()) {
        return "";
    }
    for (const ClusterNodeConfig& node : config.cluster.nodes) {
        if (node.name == name) {
            config.cluster.self = node.id;
            config.cluster.address = node.address;
            return "";
        }
    }
    return "node.id: \"" + name + "\" is not the name of any of cluster.nodes";
}

std::string read_auth(const Json& json, AuthConfig& out) {
    Section section(json, "auth");
    section.text("jwks_file", out.jwks_file);
    section.text("jwt_issuer", out.jwt_issuer);
    section.text("jwt_audience", out.jwt_audience);
    section.text("jwt_claim", out.jwt_claim);
    section.number("jwt_leeway_s", out.jwt_leeway_s, 0, 3600);
    section.number("jwt_lifetime_max_s", out.jwt_lifetime_max_s, 0, kU32);
    section.number("hmac_age_max_s", out.hmac_age_max_s, 0, kU32);
    section.number("password_threads", out.password_threads, 1, 64);
    section.number("password_queue_max", out.password_queue_max, 1, 65'536);
    section.number("address_failures_max", out.address_failures_max, 0, 1'000'000);
    section.number("identity_failures_max", out.identity_failures_max, 0, 1'000'000);
    section.number("failure_window_s", out.failure_window_s, 1, 86'400);
    section.number("failure_out_s", out.failure_out_s, 1, 86'400);
    section.number("flapping_max", out.flapping_max, 0, 1'000'000);
    section.number("flapping_window_s", out.flapping_window_s, 1, 86'400);
    section.number("flapping_out_s", out.flapping_out_s, 1, 86'400);
    section.text("http_url", out.http_url);
    section.number("http_timeout_ms", out.http_timeout_ms, 100, 30'000);
    section.number("http_cache_s", out.http_cache_s, 0, 3600);
    section.number("http_requests_max", out.http_requests_max, 1, 10'000);
    std::size_t denied = 0;
    section.word("on_denied", denied, {"close", "ignore"});
    out.close_denied = denied == 0;
    return section.done();
}

// With the listeners known: a scheme that lacks what it asks would refuse everybody.
void check_schemes(Section& section, const Config& config) {
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        const auth::SchemeSet& schemes = config.listeners[i].auth;
        const std::string at = "listeners[" + std::to_string(i) + "].auth: ";
        if (schemes.has(auth::Scheme::kJwt) && config.auth.jwks_file.empty()) {
            section.adopt(at + "jwt needs the keys of tokens: auth.jwks_file");
        }
        if (schemes.has(auth::Scheme::kHttp) && config.auth.http_url.empty()) {
            section.adopt(at + "http needs whom to ask: auth.http_url");
        }
    }
}

std::string read_sys(const Json& json, Config& out) {
    Section section(json, "sys");
    section.number("interval_s", out.sys_interval_s, 0, 86'400);
    return section.done();
}

std::string read_config(const Json& json, Config& out) {
    Section section(json, "");
    const auto inner = [&](const char* key, auto read) {
        if (const Json* value = section.take(key)) {
            section.adopt(read(*value));
        }
    };
    inner("node", [&](const Json& value) { return read_node(value, out); });
    inner("listeners", [&](const Json& value) { return read_listeners(value, out.listeners); });
    inner("auth", [&](const Json& value) { return read_auth(value, out.auth); });
    check_schemes(section, out);
    inner("api", [&](const Json& value) { return read_api(value, out); });
    inner("registration",
          [&](const Json& value) { return read_registration(value, out.registration); });
    inner("audit", [&](const Json& value) { return read_audit(value, out.audit); });
    inner("sys", [&](const Json& value) { return read_sys(value, out); });
    inner("cluster", [&](const Json& value) { return read_cluster(value, out.cluster); });
    section.adopt(find_self(out));
    inner("wal", [&](const Json& value) { return read_wal(value, out.wal); });
    inner("store", [&](const Json& value) { return read_store(value, out.store); });
    inner("limits", [&](const Json& value) { return read_limits(value, out.gateway, out.state); });
    // A batch of the log is at most half a segment; the largest entry is a collected one, a packet
    // and what rules make of it.
    if (out.wal.segment_bytes / 2 < out.gateway.packet_bytes_max + 2 * kMiB) {
        section.adopt(
            "wal.segment_bytes: must be at least twice (limits.packet_bytes_max + 2 MiB)");
    }
    section.text("rules_dir", out.rules_dir);
    std::size_t level = 2;
    const std::vector<std::string> levels = {"trace", "debug", "info", "warn", "error"};
    section.word("log_level", level, levels);
    out.log_level = levels[level];
    return section.done();
}

}  // namespace

bool Endpoint::is_loopback() const { return io::is_loopback(host); }

std::string Endpoint::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(const std::string& text) {
    const std::string wanted = "must be ADDRESS:PORT, for example 127.0.0.1:1883 or [::1]:1883";
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0) {
        return fail(wanted);
    }
    Endpoint endpoint;
    endpoint.host = text.substr(0, colon);
    if (endpoint.host.front() == '[' && endpoint.host.back() == ']') {
        endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
    }
    const std::string port = text.substr(colon + 1);
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != std::string::npos || std::stoul(port) > 65'535) {
        return fail(wanted);
    }
    endpoint.port = static_cast<std::uint16_t>(std::stoul(port));
    return endpoint;
}

Config default_config(const std::string& data_dir) {
    Config config;
    config.data_dir = data_dir;
    ListenerConfig plain;
    plain.anonymous = true;
    plain.bind = Endpoint{"127.0.0.1", 1883};
    config.listeners.push_back(plain);
    const std::filesystem::path certs = std::filesystem::path(data_dir) / "certs";
    if (std::filesystem::exists(certs / "server.crt")) {
        ListenerConfig tls;
        tls.tls = true;
        tls.anonymous = true;
        tls.bind = Endpoint{"127.0.0.1", 8883};
        tls.certificate = certs / "server.crt";
        tls.private_key = certs / "server.key";
        tls.client_ca = certs / "ca.crt";
        tls.verify = Verify::kOptional;
        if (std::filesystem::exists(certs / "ca.crl")) {
            tls.crl = certs / "ca.crl";
        }
        config.listeners.push_back(tls);
    }
    return config;
}

Result<Config> parse_config(const std::string& file, const std::string& text) {
    Json json;
    try {
        json = Json::parse(text);
    } catch (const Json::parse_error& error) {
        return fail(file + ": not JSON: " + error.what());
    }
    Config config;
    if (const std::string fault = read_config(json, config); !fault.empty()) {
        return fail(file + ": " + fault);
    }
    if (config.listeners.empty() && config.gateway_role) {
        return fail(file + ": listeners: at least one is needed");
    }
    if (!config.listeners.empty() && !config.gateway_role) {
        return fail(file + ": listeners: a node without the role gateway has none");
    }
    return config;
}

}  // namespace causeway::root
