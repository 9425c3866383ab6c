// The HTTP API of a node: queues for cloud apps, health and metrics. JSON in, JSON out
// (docs/api.md). Runs on the admin loop; reaches the core through a Submitter of its own, like a
// gateway loop. Made and destroyed while the loop does not run, or on its thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "cluster/node/node.h"
#include "core/base/result.h"
#include "core/io/http_server.h"
#include "core/io/timer.h"
#include "core/message/submitter.h"
#include "gateway/api/guard.h"
#include "gateway/api/record_client.h"
#include "gateway/api/register_api.h"
#include "gateway/net/gateway.h"
#include "rules/engine/rule_set.h"

namespace causeway::api {

struct ApiOptions {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080;
    std::size_t body_bytes_max = 2U << 20;  // of a request
    std::shared_ptr<ssl_ctx_st> tls;        // null: in the clear
    AccessOptions access;
    std::optional<RegisterOptions> registration;  // none: devices cannot register
};

// Adds what the root knows beyond the core and the gateway (rules, sinks) to GET /metrics, in the
// Prometheus text format. Admin loop.
using MoreMetrics = std::function<std::string()>;

// The rules this node evaluates. Both are called on the admin loop.
struct EvaluatedRules {
    std::function<std::shared_ptr<const rules::RuleSet>()> active;  // null: none
    std::function<std::vector<rules::RuleStatistics>()> statistics;
};

class ClusterApi;
class RulesApi;
class DocumentsApi;
class DevicesApi;

// What the API works on. All must outlive it; `log` may be null: nothing is recorded.
struct ApiParts {
    node::Node& node;
    net::Gateway& gateway;
    const registry::Directory& directory;
    audit::Log* log = nullptr;
};

class Api final : public SubmitterEvents {
public:
    // Errors: the address cannot be bound. All must outlive the API.
    static Result<std::unique_ptr<Api>> open(io::Loop& loop, const ApiOptions& options,
                                             const ApiParts& parts, MoreMetrics more,
                                             EvaluatedRules rules);
    ~Api() override;

    [[nodiscard]] std::uint16_t port() const { return server_->port(); }
    // Of the listener devices register at; 0: there is none.
    [[nodiscard]] std::uint16_t registration_port() const;
    // Effect: new connections get these; those that are there end. Null: as it was.
    void set_tls(std::shared_ptr<ssl_ctx_st> api, std::shared_ptr<ssl_ctx_st> registration);

    // SubmitterEvents.
    void on_result(const CommandTag& tag, ResultCode code, std::string_view detail) override;
    void on_result_lost(const CommandTag& tag, bool sent) override;
    void on_outputs(const StreamOutputs&) override {}
    void on_room() override;
    void on_home_lost(GroupId) override {}

private:
    enum class Kind : std::uint8_t { kSend, kReceive, kAck, kPublish };
    // A request the core has not answered, or a long poll that waits for messages.
    struct Pending {
        Pending(Kind of, io::HttpResponder to, std::string name)
            : kind(of), responder(std::move(to)), queue(std::move(name)) {}
        Kind kind{};
        io::HttpResponder responder;
        std::string queue;
        std::uint32_t max = 1;
        std::uint32_t visibility_timeout_s = 0;
        MonoMs wait_until = 0;  // 0: no long poll
        MonoMs retry_at = 0;    // a leased or delayed message is due then
        bool waiting = false;   // not in the core: waits for a message or a time
        bool woken = false;     // something came while the question was in the core
        std::size_t asked = 0;  // receive: sets asked in this round
        MonoMs due_in = 0;      // receive: a leased or delayed message of some set is; 0: none
        std::size_t asks = 0;   // ack: sets that have not answered
        std::size_t done = 0;
        std::vector<std::string> failed;
    };
    // A question in the core. A queue has a partition in every set.
    struct Ask {
        std::uint64_t pending = 0;
        GroupId set;
        std::vector<std::string> receipts;  // ack: as they were spelled
    };

    Api(io::Loop& loop, const ApiOptions& options, const ApiParts& parts, MoreMetrics more,
        EvaluatedRules rules);
    // Last: from here on the core sends to this object until it has stopped.
    void attach();
    void handle(io::HttpRequest request, io::HttpResponder responder, const access::Principal& who);
    void publish(io::HttpRequest& request, io::HttpResponder responder,
                 const access::Principal& who);
    void handle_queue(const std::string& queue, std::string_view action, io::HttpRequest& request,
                      io::HttpResponder responder);
    void send(const std::string& queue, io::HttpRequest& request, io::HttpResponder responder);
    void receive(const std::string& queue, io::HttpRequest& request, io::HttpResponder responder);
    void acknowledge(const std::string& queue, io::HttpRequest& request,
                     io::HttpResponder responder);
    void list_queues(io::HttpResponder responder);
    void health(io::HttpResponder responder);
    void metrics(io::HttpResponder responder);
    void memory(io::HttpResponder responder);

    bool accepts(const std::string& queue, io::HttpResponder& responder);
    [[nodiscard]] bool may_ask(GroupId set) const;
    std::uint64_t add(Pending pending);
    void conclude(std::uint64_t id, io::HttpResponse response);
    template <typename Command>
    void submit(Ask ask, const Command& command);
    void submit_receive(std::uint64_t id);
    void ask_next(std::uint64_t id);
    void answer_receive(const Ask& ask, ResultCode code, std::string_view detail);
    void answer_ack(const Ask& ask, ResultCode code, std::string_view detail);
    void wake(const std::vector<std::string>& queues);
    void on_poll_timer();
    void arm_poll_timer();

    io::Loop& loop_;
    node::Node& node_;
    net::Gateway& gateway_;
    MoreMetrics more_;
    std::unique_ptr<ClusterApi> cluster_;
    std::unique_ptr<RulesApi> rules_;
    audit::Log* log_;
    Guard guard_;
    RecordClient records_;
    std::unique_ptr<DocumentsApi> documents_;
    std::unique_ptr<DevicesApi> devices_;
    std::unique_ptr<Submitter> submitter_;
    io::Timer poll_timer_;
    io::TurnHook hook_;
    std::unique_ptr<RegisterApi> registration_;
    std::unique_ptr<io::HttpServer> server_;
    absl::flat_hash_map<std::uint64_t, Pending> pending_;  // bounded by the server's connections
    // Their number, for the core: with none, nobody waits for a queue.
    std::shared_ptr<std::atomic<std::size_t>> waiters_ =
        std::make_shared<std::atomic<std::size_t>>(0);
    absl::flat_hash_map<std::uint64_t, Ask> asks_;
    std::uint64_t next_id_ = 1;
    std::uint64_t next_ask_ = 1;
    std::string scratch_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace causeway::api
