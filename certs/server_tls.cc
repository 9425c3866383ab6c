#include "certs/server_tls.h"

#include <utility>

#include "certs/trust.h"
#include "certs/watch.h"

namespace causeway::certs {
namespace {

constexpr std::int64_t kTicketKeysLifetimeS = 12 * 3600;

}  // namespace

Result<ServerTls> ServerTls::open(ServerTlsConfig config, Prepare prepare, std::int64_t now_s) {
    ServerTls made(std::move(config), prepare);
    made.stamps_ = stamps_of(made.files());
    if (auto opened = made.make(now_s); !opened) {
        return tl::unexpected(opened.error());
    }
    return made;
}

std::vector<std::string> ServerTls::files() const {
    std::vector<std::string> all{config_.certificate, config_.private_key, config_.client_ca};
    for (const CertificateFiles& one : config_.more) {
        all.push_back(one.certificate);
        all.push_back(one.private_key);
    }
    all.insert(all.end(), config_.crls.begin(), config_.crls.end());
    std::erase(all, "");
    return all;
}

std::uint64_t ServerTls::trust_hash() const {
    std::vector<std::string> trusted = config_.crls;
    if (!config_.client_ca.empty()) {
        trusted.insert(trusted.begin(), config_.client_ca);
    }
    return hash_of(trusted);
}

Result<> ServerTls::make(std::int64_t now_s) {
    const std::uint64_t trust = trust_hash();
    auto context = make_server_context(config_);
    if (!context) {
        return tl::unexpected(context.error());
    }
    // Read twice: a change in between shows up at the next refresh, as another trust.
    if (trust != trust_ || now_s - ticket_keys_at_s_ >= kTicketKeysLifetimeS) {
        ticket_keys_ = random_ticket_keys();
        ticket_keys_at_s_ = now_s;
    }
    use_ticket_keys(context->get(), ticket_keys_);
    trust_ = trust;
    if (prepare_ != nullptr) {
        prepare_(context->get());
    }
    context_ = std::move(*context);
    return {};
}

Result<ServerTls::Change> ServerTls::refresh(std::int64_t now_s, bool always) {
    std::string stamps = stamps_of(files());
    if (!always && stamps == stamps_ && now_s - ticket_keys_at_s_ < kTicketKeysLifetimeS) {
        return Change::kNone;
    }
    const std::uint64_t before = trust_;
    if (auto made = make(now_s); !made) {
        return tl::unexpected(made.error());
    }
    stamps_ = std::move(stamps);
    return trust_ == before ? Change::kContext : Change::kTrust;
}

std::vector<std::string> ServerTls::warnings(std::int64_t now_s, int days) const {
    std::vector<std::string> lines = ending_within(files(), now_s, days);
    if (!config_.crls.empty()) {
        append_lists_due(context_.get(), now_s, lines);
    }
    return lines;
}

}  // namespace causeway::certs
