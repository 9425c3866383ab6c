#include "gateway/causeway/listeners_tls.h"

#include <utility>

#include <spdlog/spdlog.h>

#include "certs/watch.h"
#include "core/io/tls_psk.h"

namespace causeway::root {
namespace {

constexpr int kWarnDays = 14;

certs::ServerTlsConfig tls_config(const ListenerConfig& config) {
    certs::ServerTlsConfig tls;
    tls.certificate = config.certificate;
    tls.private_key = config.private_key;
    for (const CertificateConfig& one : config.certificates) {
        tls.more.push_back({one.certificate, one.private_key});
    }
    tls.client_ca = config.client_ca;
    tls.verify = static_cast<certs::Verify>(config.verify);
    tls.min_version = config.tls13_only ? certs::TlsVersion::kTls13 : certs::TlsVersion::kTls12;
    if (!config.crl.empty()) {
        tls.crls.push_back(config.crl);
    }
    tls.crl_required = config.crl_required;
    tls.ciphers = config.ciphers;
    tls.ciphersuites = config.ciphersuites;
    tls.psk = config.takes_psk();
    return tls;
}

}  // namespace

Result<> ListenersTls::open_one(const ListenerConfig& config, std::int64_t now_s, Listener& out) {
    auto tls = certs::ServerTls::open(tls_config(config),
                                      config.takes_psk() ? io::accept_psk : nullptr, now_s);
    if (!tls) {
        return tl::unexpected(tls.error());
    }
    out.tls.emplace(std::move(*tls));
    out.psk_file = config.psk_file;
    const auto read = refresh_psks(out, true);
    return read ? Result<>() : Result<>(tl::unexpected(read.error()));
}

Result<> ListenersTls::open(const std::vector<ListenerConfig>& listeners, std::int64_t now_s) {
    for (const ListenerConfig& config : listeners) {
        Listener& listener = listeners_.emplace_back();
        if (!config.tls) {
            continue;
        }
        if (auto opened = open_one(config, now_s, listener); !opened) {
            return opened;
        }
    }
    return {};
}

net::ListenerTls ListenersTls::of(std::size_t listener) const {
    const Listener& one = listeners_[listener];
    return {one.tls ? one.tls->context() : nullptr, one.psks};
}

Result<bool> ListenersTls::refresh_psks(Listener& listener, bool always) {
    std::string stamp = certs::stamps_of({&listener.psk_file, 1});
    if (listener.psk_file.empty() || (!always && stamp == listener.psk_stamp)) {
        return false;
    }
    auto psks = certs::PskTable::read(listener.psk_file);
    if (!psks) {
        return tl::unexpected(psks.error());
    }
    listener.psks = std::move(*psks);
    listener.psk_stamp = std::move(stamp);
    return true;
}

Result<> ListenersTls::refresh_one(net::Gateway& gateway, std::size_t at, std::int64_t now_s,
                                   bool always) {
    using Change = certs::ServerTls::Change;
    Listener& listener = listeners_[at];
    const auto psks = refresh_psks(listener, always);
    const auto change = listener.tls->refresh(now_s, always);
    const bool new_psks = psks && *psks;
    const bool new_trust = change && *change == Change::kTrust;
    if (new_psks || (change && *change != Change::kNone)) {
        gateway.set_tls(at, of(at), new_psks || new_trust);
        spdlog::info("listener {}: its {} were read again", at,
                     new_trust  ? "certificates, CAs and revocation lists"
                     : new_psks ? "pre-shared keys"
                                : "certificates");
    }
    if (!psks) {
        return tl::unexpected(psks.error());
    }
    return change ? Result<>() : Result<>(tl::unexpected(change.error()));
}

Result<> ListenersTls::refresh(net::Gateway& gateway, std::int64_t now_s, bool always) {
    Result<> first;
    for (std::size_t at = 0; at < listeners_.size(); ++at) {
        Listener& listener = listeners_[at];
        if (!listener.tls) {
            continue;
        }
        const auto refreshed = refresh_one(gateway, at, now_s, always);
        const std::string error = refreshed ? "" : refreshed.error().message;
        if (error != listener.error && !error.empty()) {
            spdlog::error("listener {}: {}; it goes on with what it has", at, error);
        }
        listener.error = error;
        if (first && !refreshed) {
            first = refreshed;
        }
    }
    return first;
}

void ListenersTls::warn(std::int64_t now_s) const {
    for (std::size_t at = 0; at < listeners_.size(); ++at) {
        if (!listeners_[at].tls) {
            continue;
        }
        for (const std::string& line : listeners_[at].tls->warnings(now_s, kWarnDays)) {
            spdlog::warn("listener {}: {}", at, line);
        }
    }
}

}  // namespace causeway::root
