#include "gateway/causeway/api_server.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

#include "gateway/access/token.h"
#include "gateway/api/secrets.h"

namespace causeway::root {
namespace {

constexpr std::uint64_t kRefreshMs = 5'000;

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

certs::ServerTlsConfig tls_config(const std::string& certificate, const std::string& private_key,
                                  const std::string& client_ca) {
    certs::ServerTlsConfig tls;
    tls.certificate = certificate;
    tls.private_key = private_key;
    tls.client_ca = client_ca;
    tls.verify = client_ca.empty() ? certs::Verify::kNone : certs::Verify::kOptional;
    return tls;
}

// Whole or not at all, for its owner only.
bool write_secret(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return written && ::rename(fresh.c_str(), path.c_str()) == 0;
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::open(io::Loop& loop, const Config& config,
                                                   node::Node& node, net::Gateway& gateway,
                                                   const registry::Directory& directory,
                                                   api::MoreMetrics more,
                                                   api::EvaluatedRules rules) {
    std::unique_ptr<ApiServer> server(new ApiServer(loop, config));
    if (auto opened = server->open_log(); !opened) {
        return tl::unexpected(opened.error());
    }
    if (auto opened = server->open_tls(); !opened) {
        return tl::unexpected(opened.error());
    }
    api::ApiOptions options;
    options.host = config.api.host;
    options.port = config.api.port;
    // A payload as large as a packet, in base64, and the JSON around it.
    constexpr std::size_t kAround = 64U << 10;
    options.body_bytes_max = std::size_t{config.gateway.packet_bytes_max} / 3 * 4 + kAround;
    options.access.required = config.api_access.required;
    options.access.operators = config.api_access.operators;
    if (auto written = server->write_token(options.access); !written) {
        return tl::unexpected(written.error());
    }
    if (server->api_tls_) {
        options.tls = server->api_tls_->context();
    }
    if (config.registration.bind.port != 0 || config.registration.enabled) {
        api::RegisterOptions registration;
        registration.host = config.registration.bind.host;
        registration.port = config.registration.bind.port;
        registration.address_rate_max = config.registration.address_rate_max;
        if (server->registration_tls_) {
            registration.tls = server->registration_tls_->context();
        }
        options.registration = std::move(registration);
    }
    auto api = api::Api::open(loop, options, {node, gateway, directory, server->log_.get()},
                              std::move(more), std::move(rules));
    if (!api) {
        return tl::unexpected(api.error());
    }
    server->api_ = std::move(*api);
    if (server->api_tls_ || server->registration_tls_) {
        server->timer_.start(kRefreshMs, kRefreshMs);
    }
    return server;
}

Result<> ApiServer::open_log() {
    audit::LogOptions options;
    options.directory = config_.data_dir + "/audit";
    options.node = config_.node_id;
    options.file_bytes_max = config_.audit.file_bytes_max;
    options.files_max = config_.audit.files_max;
    auto log = audit::Log::open(options);
    if (!log) {
        return tl::unexpected(log.error());
    }
    log_ = std::move(*log);
    return {};
}

Result<> ApiServer::open_tls() {
    const ApiAccessConfig& api = config_.api_access;
    const auto nothing = [](certs::SslContext*) {};
    if (!api.certificate.empty()) {
        certs::ServerTlsConfig config =
            tls_config(api.certificate, api.private_key, api.client_ca);
        if (!api.crl.empty()) {
            config.crls.push_back(api.crl);
        }
        auto tls = certs::ServerTls::open(std::move(config), nothing, now_s());
        if (!tls) {
            return tl::unexpected(tls.error());
        }
        api_tls_ = std::move(*tls);
    }
    if (!config_.registration.certificate.empty()) {
        auto tls = certs::ServerTls::open(
            tls_config(config_.registration.certificate, config_.registration.private_key, ""),
            nothing, now_s());
        if (!tls) {
            return tl::unexpected(tls.error());
        }
        registration_tls_ = std::move(*tls);
    }
    return {};
}

// The first token of a cluster has to be made with something: who can read this file can read
// everything else the node has, too. It ends with the process.
Result<> ApiServer::write_token(api::AccessOptions& access) const {
    const std::string path = config_.data_dir + "/api-token";
    if (!access.required) {
        ::unlink(path.c_str());
        return {};
    }
    const std::string text = access::token_text(std::string(access::kTokenIdBytes, '0'),
                                                api::random_bytes(access::kTokenSecretBytes));
    if (!write_secret(path, text + "\n")) {
        return fail(path + ": cannot be written: " + std::generic_category().message(errno));
    }
    access.local_token_sha256 = access::hash_of(text);
    return {};
}

void ApiServer::refresh_tls(bool always) {
    const auto refresh = [&](std::optional<certs::ServerTls>& tls) {
        std::shared_ptr<certs::SslContext> fresh;
        if (tls) {
            const auto change = tls->refresh(now_s(), always);
            if (!change) {
                spdlog::error("the API's certificates: {}; those in force stay",
                              change.error().message);
            } else if (*change != certs::ServerTls::Change::kNone) {
                fresh = tls->context();
                spdlog::info("the API's certificates were read again");
            }
        }
        return fresh;
    };
    auto api = refresh(api_tls_);
    auto registration = refresh(registration_tls_);
    if (api || registration) {
        api_->set_tls(std::move(api), std::move(registration));
    }
}

}  // namespace causeway::root
