#include "gateway/causeway/link_tls.h"

#include <utility>

#include <spdlog/spdlog.h>

namespace causeway::root {
namespace {

constexpr int kWarnDays = 14;

}  // namespace

certs::PeerTlsConfig peer_tls_config(const ClusterConfig& config) {
    return {config.certificate, config.private_key, config.ca, config.crl};
}

Result<> LinkTls::open(const ClusterConfig& config, node::NodeOptions& options) {
    if (config.certificate.empty()) {
        return {};
    }
    auto opened = certs::PeerTls::open(peer_tls_config(config));
    if (!opened) {
        return tl::unexpected(opened.error());
    }
    tls_.emplace(std::move(*opened));
    options.link_server = tls_->contexts().server;
    options.link_client = tls_->contexts().client;
    return {};
}

Result<> LinkTls::refresh(node::Node& node, bool always) {
    using Change = certs::PeerTls::Change;
    if (!tls_) {
        return {};
    }
    const auto change = tls_->refresh(always);
    const std::string error = change ? "" : change.error().message;
    if (error != error_ && !error.empty()) {
        spdlog::error("links between nodes: {}; they go on with what they have", error);
    }
    error_ = error;
    if (!change) {
        return tl::unexpected(change.error());
    }
    if (*change != Change::kNone) {
        node.set_link_contexts(tls_->contexts().server, tls_->contexts().client,
                               *change == Change::kTrust);
        spdlog::info("links between nodes: {} read again", *change == Change::kTrust
                                                               ? "the CA and revocation list were"
                                                               : "this node's certificate was");
    }
    return {};
}

void LinkTls::warn(std::int64_t now_s) const {
    for (const std::string& line :
         tls_ ? tls_->warnings(now_s, kWarnDays) : std::vector<std::string>{}) {
        spdlog::warn("links between nodes: {}", line);
    }
}

}  // namespace causeway::root
