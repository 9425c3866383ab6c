#include "certs/peer_tls.h"

#include <utility>

#include "certs/trust.h"
#include "certs/watch.h"

namespace causeway::certs {

Result<PeerTls> PeerTls::open(PeerTlsConfig config) {
    PeerTls made(std::move(config));
    made.stamps_ = stamps_of(made.files());
    if (auto opened = made.make(); !opened) {
        return tl::unexpected(opened.error());
    }
    return made;
}

std::vector<std::string> PeerTls::files() const {
    std::vector<std::string> all{config_.certificate, config_.private_key, config_.ca, config_.crl};
    std::erase(all, "");
    return all;
}

// The trust is read first: what changes meanwhile shows up at the next refresh.
Result<> PeerTls::make() {
    std::vector<std::string> trusted{config_.ca, config_.crl};
    std::erase(trusted, "");
    const std::uint64_t trust = hash_of(trusted);
    auto contexts = make_peer_contexts(config_);
    if (!contexts) {
        return tl::unexpected(contexts.error());
    }
    contexts_ = std::move(*contexts);
    trust_ = trust;
    return {};
}

Result<PeerTls::Change> PeerTls::refresh(bool always) {
    std::string stamps = stamps_of(files());
    if (!always && stamps == stamps_) {
        return Change::kNone;
    }
    const std::uint64_t before = trust_;
    if (auto made = make(); !made) {
        return tl::unexpected(made.error());
    }
    stamps_ = std::move(stamps);
    return trust_ == before ? Change::kContexts : Change::kTrust;
}

std::vector<std::string> PeerTls::warnings(std::int64_t now_s, int days) const {
    std::vector<std::string> lines = ending_within(files(), now_s, days);
    if (!config_.crl.empty()) {
        append_lists_due(contexts_.server.get(), now_s, lines);
    }
    return lines;
}

}  // namespace causeway::certs
