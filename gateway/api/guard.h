// At the door of the HTTP API: who asks, whether they may, and the audit log, in which a change is
// announced before it is made and its result noted before it is answered. Inside this module; the
// API's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/io/http_server.h"
#include "core/io/loop.h"
#include "core/io/timer.h"
#include "gateway/access/permit.h"
#include "gateway/api/refusals.h"
#include "gateway/audit/log.h"
#include "gateway/registry/directory.h"

namespace causeway::api {

struct AccessOptions {
    // Everybody must show who they are. False: who connects from this machine and shows nothing is
    // an admin; only where the API is bound to loopback.
    bool required = false;
    std::string local_token_sha256;  // of the token in the data directory; empty: none
    // By the name in the certificate («operator:NAME»); "*": any other.
    std::map<std::string, access::Role> operators;
};

struct RefusedCounters {
    std::uint64_t unknown = 0;    // 401
    std::uint64_t forbidden = 0;  // 403
    std::uint64_t foreign = 0;    // 403: a web page elsewhere, or another name of this machine
};

class Guard {
public:
    // `log` may be null: nothing is recorded. All must outlive it.
    Guard(io::Loop& loop, AccessOptions options, const registry::Directory& directory,
          audit::Log* log);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    // Effect: calls `go` with the request of somebody who may, at once or, for a change, when it is
    // in the audit log; else answers.
    using Go = std::function<void(io::HttpRequest, io::HttpResponder, const access::Principal&)>;
    void admit(io::HttpRequest request, io::HttpResponder responder, std::string_view peer, Go go);

    // Effect: the same for a change of somebody who is known otherwise and may.
    void change(io::HttpRequest request, io::HttpResponder responder, const access::Principal& who,
                std::string_view peer, Go go);

    [[nodiscard]] const RefusedCounters& refused() const { return refused_; }

private:
    struct Refusal {
        int status = 0;
        std::string text;
        std::string who;
        bool foreign = false;
    };
    struct Change;

    [[nodiscard]] tl::expected<access::Principal, Refusal> identify(const io::HttpRequest& request,
                                                                    std::string_view peer) const;
    [[nodiscard]] tl::expected<access::Principal, Refusal> by_certificate(
        const io::HttpRequest& request) const;
    [[nodiscard]] tl::expected<access::Principal, Refusal> by_token(std::string_view text) const;
    [[nodiscard]] tl::expected<access::Principal, Refusal> by_loopback(
        const io::HttpRequest& request, std::string_view peer) const;
    void refuse(const Refusal& refusal, const io::HttpRequest& request,
                io::HttpResponder& responder, std::string_view peer);
    void record_refusals(MonoMs now);
    void record(std::shared_ptr<Change> change);
    void note_result(audit::Event event, io::HttpResponse response, io::HttpResponder responder);

    io::Loop& loop_;
    AccessOptions options_;
    const registry::Directory& directory_;
    audit::Log* log_;
    RefusedCounters refused_;
    Refusals refusals_;
    io::Timer refusals_timer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace causeway::api
