#include "gateway/api/guard.h"

#include <chrono>
#include <utility>

#include "core/io/loopback.h"
#include "gateway/api/json_body.h"
#include "gateway/auth/crypto.h"

namespace causeway::api {
namespace {

constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kOperator = "operator:";

std::uint64_t now_s() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

// "host:port" or "[host]:port" -> host; without a port, all of it.
std::string_view host_of(std::string_view authority) {
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
    }
    return authority.substr(0, authority.rfind(':'));
}

// From a page of elsewhere, which a browser lets send what it shows for its user.
bool is_cross_origin(const io::HttpRequest& request) {
    const auto origin = request.header("Origin");
    if (!origin) {
        return false;
    }
    const auto host = request.header("Host");
    const std::size_t scheme = origin->find("://");
    return scheme == std::string_view::npos || !host || origin->substr(scheme + 3) != *host;
}

// A page from elsewhere in a browser of this machine reaches loopback too: by its own name that
// resolves to it, or with its own origin.
bool is_foreign(const io::HttpRequest& request) {
    const auto host = request.header("Host");
    const bool by_other_name = host && !host->empty() && !io::is_loopback(host_of(*host));
    return by_other_name || is_cross_origin(request);
}

audit::Event event_of(const io::HttpRequest& request, std::string who, std::string_view peer) {
    audit::Event event;
    event.who = std::move(who);
    event.from = peer;
    // The query of some requests names what is changed; none holds a secret.
    event.action = request.method + " " + request.target;
    return event;
}

}  // namespace

struct Guard::Change {
    io::HttpRequest request;
    io::HttpResponder responder;
    access::Principal who;
    std::string peer;
    Go go;
};

Guard::Guard(io::Loop& loop, AccessOptions options, const registry::Directory& directory,
             audit::Log* log)
    : loop_(loop),
      options_(std::move(options)),
      directory_(directory),
      log_(log),
      refusals_timer_(loop, [this] { record_refusals(loop_.now_ms()); }) {}

// What was counted is not lost with the process.
Guard::~Guard() { record_refusals(loop_.now_ms() + Refusals::kEveryMs); }

tl::expected<access::Principal, Guard::Refusal> Guard::by_certificate(
    const io::HttpRequest& request) const {
    const std::string known = request.client_name.substr(kOperator.size());
    if (is_cross_origin(request)) {
        return tl::unexpected(Refusal{403, "from a page of another origin", "cert:" + known, true});
    }
    auto role = options_.operators.find(known);
    if (role == options_.operators.end()) {
        role = options_.operators.find("*");
    }
    if (role == options_.operators.end()) {
        return tl::unexpected(
            Refusal{403, "this operator has no role here: api.operators in the configuration",
                    "cert:" + known});
    }
    return access::Principal{"cert:" + known, role->second, {}, {}};
}

tl::expected<access::Principal, Guard::Refusal> Guard::by_token(std::string_view text) const {
    if (!options_.local_token_sha256.empty() &&
        auth::equal_secrets(access::hash_of(text), options_.local_token_sha256)) {
        return access::Principal{"local", access::Role::kAdmin, {}, {}};
    }
    if (const access::Token* token = directory_.tokens().find(text, now_s())) {
        return access::principal_of(*token);
    }
    return tl::unexpected(Refusal{401, "the token is not known, revoked or expired", ""});
}

tl::expected<access::Principal, Guard::Refusal> Guard::by_loopback(const io::HttpRequest& request,
                                                                   std::string_view peer) const {
    if (options_.required || !io::is_loopback(host_of(peer))) {
        return tl::unexpected(
            Refusal{401, "say who you are: a token, or an operator's certificate", ""});
    }
    if (is_foreign(request)) {
        return tl::unexpected(
            Refusal{403, "from a page of another origin, or by another name than localhost", "",
                    true});
    }
    return access::Principal{"loopback", access::Role::kAdmin, {}, {}};
}

tl::expected<access::Principal, Guard::Refusal> Guard::identify(const io::HttpRequest& request,
                                                                std::string_view peer) const {
    // What is shown counts, also where nothing would have to be.
    if (const auto header = request.header("Authorization")) {
        if (header->size() > kBearer.size() &&
            io::equals_ignoring_case(header->substr(0, kBearer.size()), kBearer)) {
            return by_token(header->substr(kBearer.size()));
        }
        return tl::unexpected(Refusal{401, "use Authorization: Bearer TOKEN", ""});
    }
    if (request.client_name.starts_with(kOperator)) {
        return by_certificate(request);
    }
    return by_loopback(request, peer);
}

void Guard::admit(io::HttpRequest request, io::HttpResponder responder, std::string_view peer,
                  Go go) {
    const access::RequestNeed need = access::need_of(request.method, request.path);
    if (need.need == access::Need::kNothing) {
        go(std::move(request), std::move(responder), {});
        return;
    }
    const auto who = identify(request, peer);
    if (!who) {
        refuse(who.error(), request, responder, peer);
        return;
    }
    if (!access::may(*who, need)) {
        refuse(
            {403, "the role " + std::string(access::name(who->role)) + " may not do this", who->id},
            request, responder, peer);
        return;
    }
    if (need.change) {
        change(std::move(request), std::move(responder), *who, peer, std::move(go));
    } else {
        go(std::move(request), std::move(responder), *who);
    }
}

void Guard::change(io::HttpRequest request, io::HttpResponder responder,
                   const access::Principal& who, std::string_view peer, Go go) {
    if (log_ == nullptr) {
        go(std::move(request), std::move(responder), who);
        return;
    }
    record(std::make_shared<Change>(
        Change{std::move(request), std::move(responder), who, std::string(peer), std::move(go)}));
}

void Guard::refuse(const Refusal& refusal, const io::HttpRequest& request,
                   io::HttpResponder& responder, std::string_view peer) {
    ++(refusal.status == 401 ? refused_.unknown
                             : (refusal.foreign ? refused_.foreign : refused_.forbidden));
    if (log_ != nullptr) {
        audit::Event event = event_of(request, refusal.who, peer);
        event.status = refusal.status;
        event.details.emplace_back("refused", refusal.text);
        if (auto first = refusals_.note(std::move(event), loop_.now_ms())) {
            log_->append(std::move(*first), [](std::uint64_t) {});
        }
        if (!refusals_timer_.active()) {
            refusals_timer_.start(Refusals::kEveryMs, Refusals::kEveryMs);
        }
    }
    io::HttpResponse response = error(refusal.status, refusal.text);
    if (refusal.status == 401) {
        response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"causeway\"");
    }
    responder.respond(std::move(response));
}

void Guard::record_refusals(MonoMs now) {
    for (audit::Event& event : refusals_.due(now)) {
        log_->append(std::move(event), [](std::uint64_t) {});
    }
    if (refusals_.empty()) {
        refusals_timer_.stop();
    }
}

void Guard::record(std::shared_ptr<Change> change) {
    const audit::Event event = event_of(change->request, change->who.id, change->peer);
    log_->append(event, [this, &loop = loop_, alive = std::weak_ptr<bool>(alive_), change,
                         event](std::uint64_t seq) mutable {
        // The log's thread, which may outlive this object.
        loop.post(
            [this, alive, change = std::move(change), event = std::move(event), seq]() mutable {
                if (!alive.lock()) {
                    return;
                }
                if (seq == 0) {
                    change->responder.respond(
                        error(503, "nothing was done: the audit log cannot be written"));
                    return;
                }
                event.of = seq;
                change->responder.filter([this, alive, event = std::move(event)](
                                             io::HttpResponse response,
                                             io::HttpResponder responder) mutable {
                    if (alive.lock()) {
                        note_result(std::move(event), std::move(response), std::move(responder));
                    }
                });
                change->go(std::move(change->request), std::move(change->responder), change->who);
            });
    });
}

// An answer whose record failed is given all the same: the announcement is in the log, and the
// change is made.
void Guard::note_result(audit::Event event, io::HttpResponse response,
                        io::HttpResponder responder) {
    event.status = response.status;
    event.details = std::move(response.notes);
    struct Answer {
        io::HttpResponse response;
        io::HttpResponder responder;
    };
    auto answer = std::make_shared<Answer>(Answer{std::move(response), std::move(responder)});
    log_->append(std::move(event), [&loop = loop_, answer](std::uint64_t) {
        loop.post([answer] { answer->responder.respond(std::move(answer->response)); });
    });
}

}  // namespace causeway::api
