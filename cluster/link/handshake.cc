#include "cluster/link/handshake.h"

#include "core/io/tls.h"

namespace causeway::link {
namespace {

constexpr std::string_view kNodePrefix = "node:";

tl::unexpected<Refusal> refuse(std::string why) {
    return tl::unexpected(Refusal{false, std::move(why)});
}

}  // namespace

tl::expected<std::string, Refusal> certified_name(const io::TlsSession* tls) {
    const auto peer = tls != nullptr ? tls->peer() : std::nullopt;
    if (!peer || !peer->verified) {
        return tl::unexpected(Refusal{true, "it has shown no certificate of the cluster's CA"});
    }
    if (!peer->common_name.starts_with(kNodePrefix) ||
        peer->common_name.size() == kNodePrefix.size()) {
        return tl::unexpected(Refusal{true, "its certificate (" + peer->subject +
                                                ") is not a node's: the CN must be node:<name>"});
    }
    return peer->common_name.substr(kNodePrefix.size());
}

tl::expected<Remote, Refusal> check_hello(const LinkOptions& ours, std::string_view certified_name,
                                          std::string_view body) {
    auto hello = wire::decode_hello(body);
    if (!hello) {
        return refuse("its handshake is malformed");
    }
    const auto version = wire::negotiate(wire::kVersion, hello->version);
    if (!version) {
        return refuse("it speaks version " + std::to_string(hello->version) +
                      " of the frames and we from " + std::to_string(wire::kVersionMin) + " to " +
                      std::to_string(wire::kVersion));
    }
    if (hello->name != certified_name) {
        return refuse("it says another name than its certificate, which is " +
                      std::string(certified_name) + "'s");
    }
    if (hello->node_uuid == ours.node_uuid) {
        return refuse("it is this node itself, or has a copy of its data directory");
    }
    const bool joining = hello->cluster_id.empty() && hello->node_id == 0;
    if (!joining && !ours.cluster_id.empty() && hello->cluster_id != ours.cluster_id) {
        return refuse("it belongs to another cluster");
    }
    return Remote{
        NodeId(hello->node_id),    std::move(hello->name), hello->node_uuid, hello->boot, *version,
        std::move(hello->features)};
}

std::string hello_of(const LinkOptions& ours) {
    wire::Hello hello;
    hello.cluster_id = ours.cluster_id;
    hello.node_uuid = ours.node_uuid;
    hello.node_id = ours.self.value();
    hello.boot = ours.boot;
    hello.name = ours.name;
    std::string frame;
    append(hello, frame);
    return frame;
}

bool is_about_certificate(std::string_view tls_error) {
    return tls_error.find("certificate") != std::string_view::npos ||
           tls_error.find("unknown ca") != std::string_view::npos;
}

}  // namespace causeway::link
