// A listener's TLS: its context, made anew when a file changes (a certificate, key, CA or revocation
// list), while connections go on. Called on the admin loop; reads files.
//
// Session tickets go on being good over such a change, unless it was one of whom we trust: then
// their keys are new, so that nobody comes back with a session from before without showing a
// certificate again. They are new in any case after 12 hours.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "certs/context.h"
#include "core/base/result.h"

namespace causeway::certs {

class ServerTls {
public:
    // Called with each new context before it is used.
    using Prepare = void (*)(SslContext*);
    // `now_s`: seconds since 1970.
    static Result<ServerTls> open(ServerTlsConfig config, Prepare prepare, std::int64_t now_s);

    [[nodiscard]] const std::shared_ptr<SslContext>& context() const { return context_; }

    enum class Change : std::uint8_t {
        kNone,
        kContext,  // for new connections
        kTrust,    // ... and sessions under way must be looked at: still_trusted()
    };
    // Effect: looks at the files' dates and sizes and, if they are others or `always`, makes
    // context() anew. On an error it stays as it was, and the next call tries again.
    Result<Change> refresh(std::int64_t now_s, bool always);

    // What an operator should know, a line each: lists that are due, CAs without one, certificates
    // that end within `days`.
    [[nodiscard]] std::vector<std::string> warnings(std::int64_t now_s, int days) const;

private:
    ServerTls(ServerTlsConfig config, Prepare prepare)
        : config_(std::move(config)), prepare_(prepare) {}
    Result<> make(std::int64_t now_s);
    [[nodiscard]] std::vector<std::string> files() const;
    [[nodiscard]] std::uint64_t trust_hash() const;

    ServerTlsConfig config_;
    Prepare prepare_;
    std::shared_ptr<SslContext> context_;
    std::string stamps_;
    std::uint64_t trust_ = 0;
    TicketKeys ticket_keys_;
    std::int64_t ticket_keys_at_s_ = 0;
};

}  // namespace causeway::certs
