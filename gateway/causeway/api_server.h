// The HTTP API as `causeway serve` runs it: its listeners with their certificates, the audit log,
// and the token for whoever may read the data directory. Admin loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "certs/server_tls.h"
#include "core/io/timer.h"
#include "gateway/api/api.h"
#include "gateway/audit/log.h"
#include "gateway/causeway/config.h"

namespace causeway::root {

class ApiServer {
public:
    // Errors: one line that says what to fix. All must outlive it.
    static Result<std::unique_ptr<ApiServer>> open(io::Loop& loop, const Config& config,
                                                   node::Node& node, net::Gateway& gateway,
                                                   const registry::Directory& directory,
                                                   api::MoreMetrics more,
                                                   api::EvaluatedRules rules);

    [[nodiscard]] std::uint16_t port() const { return api_->port(); }
    // 0: there is no listener for devices that register.
    [[nodiscard]] std::uint16_t registration_port() const { return api_->registration_port(); }
    // Effect: certificates, CAs and revocation lists that changed, or all, are read again. An error
    // leaves those in force and is logged.
    void refresh_tls(bool always);

private:
    ApiServer(io::Loop& loop, const Config& config)
        : loop_(loop), config_(config), timer_(loop, [this] { refresh_tls(false); }) {}
    Result<> open_log();
    Result<> open_tls();
    Result<> write_token(api::AccessOptions& access) const;

    io::Loop& loop_;
    const Config& config_;
    std::unique_ptr<audit::Log> log_;
    std::optional<certs::ServerTls> api_tls_;
    std::optional<certs::ServerTls> registration_tls_;
    std::unique_ptr<api::Api> api_;
    io::Timer timer_;
};

}  // namespace causeway::root
