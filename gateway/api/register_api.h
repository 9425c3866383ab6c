// Dynamic registration (POST /v1/register), on a listener of its own that devices reach: nothing
// else of the API is there. Inside this module; the API's loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/io/http_server.h"
#include "gateway/access/registration.h"
#include "gateway/api/guard.h"
#include "gateway/api/record_client.h"
#include "gateway/net/rate_table.h"
#include "gateway/registry/directory.h"

namespace causeway::api {

struct RegisterOptions {
    std::string host;
    std::uint16_t port = 0;
    std::shared_ptr<ssl_ctx_st> tls;      // null: only on loopback
    std::uint32_t address_rate_max = 10;  // requests a second of one address; 0: any
};

struct RegisterCounters {
    std::uint64_t registered = 0;
    std::uint64_t refused = 0;  // signature, time, replayed
    std::uint64_t limited = 0;  // too many of one address
};

class RegisterApi {
public:
    // Errors: the address cannot be bound. All must outlive it.
    static Result<std::unique_ptr<RegisterApi>> open(io::Loop& loop, const RegisterOptions& options,
                                                     const registry::Directory& directory,
                                                     RecordClient& records, Guard& guard);

    [[nodiscard]] std::uint16_t port() const { return server_->port(); }
    void set_tls(std::shared_ptr<ssl_ctx_st> tls) { server_->set_tls(std::move(tls)); }
    [[nodiscard]] const RegisterCounters& counters() const { return counters_; }

private:
    RegisterApi(io::Loop& loop, const RegisterOptions& options,
                const registry::Directory& directory, RecordClient& records, Guard& guard);
    void handle(io::HttpRequest request, io::HttpResponder responder, std::string_view peer);
    void enrol(const auth::Product& product, const std::string& name, io::HttpResponder responder);
    void store(const auth::Device& device, std::uint64_t expected, const std::string& secret,
               io::HttpResponder responder);

    io::Loop& loop_;
    const registry::Directory& directory_;
    RecordClient& records_;
    Guard& guard_;
    net::RateTable rates_;
    access::Nonces nonces_;
    RegisterCounters counters_;
    std::unique_ptr<io::HttpServer> server_;
};

}  // namespace causeway::api
