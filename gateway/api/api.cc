#include "gateway/api/api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <system_error>
#include <utility>

#include "core/message/body.h"
#include "core/message/queue_name.h"
#include "core/message/topic.h"
#include "gateway/api/audit_api.h"
#include "gateway/api/cluster_api.h"
#include "gateway/api/devices_api.h"
#include "gateway/api/documents_api.h"
#include "gateway/api/json_body.h"
#include "gateway/api/memory.h"
#include "gateway/api/metrics.h"
#include "gateway/api/rules_api.h"

namespace causeway::api {
namespace {

Json sets_of(const node::NodeStatus& status) {
    Json sets = Json::array();
    for (const node::SetStatus& set : status.sets) {
        sets.push_back(Json{{"set", set.set.value()},
                            {"leader", set.leader.value()},
                            {"term", set.term},
                            {"commit_index", set.commit_index},
                            {"applied_index", set.applied_index},
                            {"last_index", set.last_index},
                            {"lacks_time", set.lacks_time},
                            {"receives_snapshot", set.receives_snapshot}});
    }
    return sets;
}

constexpr std::uint32_t kReceiveMax = 256;
constexpr std::uint32_t kWaitMaxS = 30;
constexpr std::uint32_t kVisibilityMaxS = 43'200;
constexpr std::uint32_t kDelayMaxS = 7 * 86'400;
constexpr std::size_t kReceiptsMax = 1'000;
constexpr MonoMs kLookAgainMs = 5'000;

struct Receipt {
    GroupId set;
    QueueReceipt receipt;
};

// "SET.N.LEASE"
std::optional<Receipt> parse_receipt(std::string_view text) {
    std::array<std::uint64_t, 3> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const std::size_t dot = text.find('.');
        const bool last = i + 1 == numbers.size();
        if (last != (dot == std::string_view::npos)) {
            return std::nullopt;
        }
        const std::string_view digits = text.substr(0, dot);
        const char* end = digits.data() + digits.size();
        const auto [at, fault] = std::from_chars(digits.data(), end, numbers[i]);
        if (fault != std::errc{} || at != end) {
            return std::nullopt;
        }
        text.remove_prefix(last ? text.size() : dot + 1);
    }
    if (numbers[0] > ~std::uint32_t{0}) {
        return std::nullopt;
    }
    return Receipt{GroupId(static_cast<std::uint32_t>(numbers[0])),
                   QueueReceipt{numbers[1], numbers[2]}};
}

io::HttpResponse refusal_of(ResultCode code) {
    switch (code) {
        case ResultCode::kQuotaExceeded:
            return error(507, "quota exceeded: the queue or the disk is full");
        case ResultCode::kNotFound:
            return error(404, "no such queue");
        default:
            return error(503, "the core did not take the request: try again");
    }
}

}  // namespace

Api::Api(io::Loop& loop, const ApiOptions& options, const ApiParts& parts, MoreMetrics more,
         EvaluatedRules rules)
    : loop_(loop),
      node_(parts.node),
      gateway_(parts.gateway),
      more_(std::move(more)),
      cluster_(std::make_unique<ClusterApi>(loop, parts.node)),
      rules_(std::make_unique<RulesApi>(loop, parts.node, std::move(rules))),
      log_(parts.log),
      guard_(loop, options.access, parts.directory, parts.log),
      documents_(std::make_unique<DocumentsApi>(loop, parts.node, parts.directory, records_)),
      devices_(std::make_unique<DevicesApi>(parts.directory, records_)),
      poll_timer_(loop, [this] { on_poll_timer(); }) {}

void Api::attach() {
    submitter_ = node_.link(loop_, *this);
    records_.attach(submitter_.get());
    hook_ = loop_.at_turn_end([this] { submitter_->flush(); });
    node_.watch_queues(
        loop_, waiters_,
        [this, alive = std::weak_ptr<bool>(alive_)](const std::vector<std::string>& queues) {
            if (alive.lock()) {
                wake(queues);
            }
        });
}

Api::~Api() = default;

Result<std::unique_ptr<Api>> Api::open(io::Loop& loop, const ApiOptions& options,
                                       const ApiParts& parts, MoreMetrics more,
                                       EvaluatedRules rules) {
    std::unique_ptr<Api> api(new Api(loop, options, parts, std::move(more), std::move(rules)));
    io::HttpServerOptions http;
    http.host = options.host;
    http.port = options.port;
    http.limits.body_bytes_max = options.body_bytes_max;
    http.tls = options.tls;
    auto server = io::HttpServer::listen(
        loop, http,
        [self = api.get()](io::HttpRequest request, io::HttpResponder responder,
                           std::string_view peer) {
            self->guard_.admit(std::move(request), std::move(responder), peer,
                               [self](io::HttpRequest admitted, io::HttpResponder to,
                                      const access::Principal& who) {
                                   self->handle(std::move(admitted), std::move(to), who);
                               });
        });
    if (!server) {
        return tl::unexpected(server.error());
    }
    api->server_ = std::move(*server);
    if (options.registration) {
        auto registration = RegisterApi::open(loop, *options.registration, parts.directory,
                                              api->records_, api->guard_);
        if (!registration) {
            return tl::unexpected(registration.error());
        }
        api->registration_ = std::move(*registration);
    }
    api->attach();
    return api;
}

std::uint16_t Api::registration_port() const {
    return registration_ ? registration_->port() : std::uint16_t{0};
}

void Api::set_tls(std::shared_ptr<ssl_ctx_st> api, std::shared_ptr<ssl_ctx_st> registration) {
    if (api) {
        server_->set_tls(std::move(api));
    }
    if (registration && registration_) {
        registration_->set_tls(std::move(registration));
    }
}

namespace {

bool below(std::string_view path, std::string_view root) {
    return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace

void Api::handle(io::HttpRequest request, io::HttpResponder responder,
                 const access::Principal& who) {
    std::string_view path = request.path;
    const bool get = request.method == "GET";
    if (path == "/healthz" || path == "/metrics" || path == "/v1/queues" || path == "/v1/memory") {
        if (!get) {
            responder.respond(error(405, "use GET"));
        } else if (path == "/healthz") {
            health(std::move(responder));
        } else if (path == "/metrics") {
            metrics(std::move(responder));
        } else if (path == "/v1/memory") {
            memory(std::move(responder));
        } else {
            list_queues(std::move(responder));
        }
        return;
    }
    if (path == "/v1/cluster" || path.starts_with("/v1/cluster/")) {
        cluster_->handle(request, std::move(responder));
        return;
    }
    if (path == "/v1/rules" || path.starts_with("/v1/rules/")) {
        rules_->handle(request, std::move(responder));
        return;
    }
    if (below(path, "/v1/products")) {
        documents_->products(request, std::move(responder));
        return;
    }
    if (below(path, "/v1/bans")) {
        documents_->bans(request, std::move(responder));
        return;
    }
    if (below(path, "/v1/tokens")) {
        documents_->tokens(request, std::move(responder));
        return;
    }
    if (below(path, "/v1/devices")) {
        devices_->handle(request, std::move(responder));
        return;
    }
    if (below(path, "/v1/audit") && get) {
        answer_audit(loop_, log_, request, std::move(responder));
        return;
    }
    if (path == "/v1/publish") {
        publish(request, std::move(responder), who);
        return;
    }
    constexpr std::string_view kQueues = "/v1/queues/";
    if (path.starts_with(kQueues)) {
        path.remove_prefix(kQueues.size());
        const std::size_t slash = path.find('/');
        const std::string queue(path.substr(0, slash));
        const std::string action(slash == std::string_view::npos ? "" : path.substr(slash + 1));
        handle_queue(queue, action, request, std::move(responder));
        return;
    }
    responder.respond(error(404, "no such resource; docs/api.md lists them"));
}

void Api::handle_queue(const std::string& queue, std::string_view action, io::HttpRequest& request,
                       io::HttpResponder responder) {
    if (!is_queue_name(queue)) {
        responder.respond(error(400, "a queue name is 1 to 128 of A-Z a-z 0-9 - _ ."));
        return;
    }
    if (action != "messages" && action != "receive" && action != "ack") {
        responder.respond(error(404, "use messages, receive or ack behind the queue's name"));
        return;
    }
    if (request.method != "POST") {
        responder.respond(error(405, "use POST"));
        return;
    }
    if (!accepts(queue, responder)) {
        return;
    }
    if (action == "messages") {
        send(queue, request, std::move(responder));
    } else if (action == "receive") {
        receive(queue, request, std::move(responder));
    } else {
        acknowledge(queue, request, std::move(responder));
    }
}

// A message of nobody's session: QoS 1, through the rules, answered when it is applied.
void Api::publish(io::HttpRequest& request, io::HttpResponder responder,
                  const access::Principal& who) {
    if (request.method != "POST") {
        responder.respond(error(405, "use POST"));
        return;
    }
    const Body body = parse_body(request, {"topic", "payload", "encoding", "retain"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto payload = payload_of(body.json);
    const Json topic = body.json.value("topic", Json());
    const Json retain = body.json.value("retain", Json(false));
    const std::string name = topic.is_string() ? topic.get<std::string>() : "";
    if (!payload || !retain.is_boolean() || !valid_topic_name(name) || name.starts_with('$')) {
        responder.respond(error(400,
                                "topic must be a topic's name without a leading $, payload a "
                                "string (with encoding utf8 or base64), retain a boolean"));
        return;
    }
    if (!access::may_publish(who, name)) {
        responder.respond(error(403, "the token's topics do not allow this one"));
        return;
    }
    if (!accepts(name, responder)) {
        return;
    }
    Publish command;
    command.topic = name;
    const std::string message = make_body({}, *payload);
    command.body = message;
    command.qos = 1;
    command.retain = retain.get<bool>();
    Pending pending(Kind::kPublish, std::move(responder), {});
    submit(Ask{add(std::move(pending)), submitter_->home(name), {}}, command);
}

bool Api::accepts(const std::string& queue, io::HttpResponder& responder) {
    if (may_ask(submitter_->home(queue))) {
        return true;
    }
    io::HttpResponse busy = error(503, "the core has no leader or no room: try again");
    busy.headers.emplace_back("Retry-After", "1");
    responder.respond(std::move(busy));
    return false;
}

std::uint64_t Api::add(Pending pending) {
    const std::uint64_t id = next_id_++;
    pending_.emplace(id, std::move(pending));
    waiters_->store(pending_.size());
    return id;
}

// Out of the table first: the answer lets the connection's next request in, which is added to it.
void Api::conclude(std::uint64_t id, io::HttpResponse response) {
    auto over = pending_.extract(id);
    waiters_->store(pending_.size());
    over.mapped().responder.respond(std::move(response));
}

template <typename Command>
void Api::submit(Ask ask, const Command& command) {
    scratch_.clear();
    encode(CommandHeader{}, command, scratch_);
    const GroupId set = ask.set;
    const std::uint64_t id = next_ask_++;
    asks_.emplace(id, std::move(ask));
    submitter_->submit_to(set, scratch_, CommandTag{0, 1, id});
}

void Api::send(const std::string& queue, io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"payload", "encoding", "key", "delay_s"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto payload = payload_of(body.json);
    const auto delay = number(body.json, "delay_s", 0, kDelayMaxS, 0);
    const Json key = body.json.value("key", Json(""));
    if (!payload || !delay || !key.is_string()) {
        responder.respond(error(400,
                                "payload must be a string (with encoding utf8 or base64), "
                                "key a string, delay_s a whole number up to 604800"));
        return;
    }
    QueueSend command;
    command.queue = queue;
    const std::string key_text = key.get<std::string>();
    command.key = key_text;
    const std::string message = make_body({}, *payload);
    command.body = message;
    command.delay_s = static_cast<std::uint32_t>(*delay);
    Pending pending(Kind::kSend, std::move(responder), queue);
    submit(Ask{add(std::move(pending)), submitter_->home(queue), {}}, command);
}

void Api::receive(const std::string& queue, io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"max", "visibility_timeout_s", "wait_s"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto max = number(body.json, "max", 1, kReceiveMax, 1);
    const auto visibility = number(body.json, "visibility_timeout_s", 1, kVisibilityMaxS, 0);
    const auto wait = number(body.json, "wait_s", 0, kWaitMaxS, 0);
    if (!max || !visibility || !wait) {
        responder.respond(error(400,
                                "max is 1 to 256, visibility_timeout_s 1 to 43200, "
                                "wait_s 0 to 30"));
        return;
    }
    Pending pending(Kind::kReceive, std::move(responder), queue);
    pending.max = static_cast<std::uint32_t>(*max);
    pending.visibility_timeout_s = static_cast<std::uint32_t>(*visibility);
    pending.wait_until = *wait == 0 ? 0 : loop_.now_ms() + *wait * 1000;
    submit_receive(add(std::move(pending)));
}

// Every set that can be reached is asked, one after the other, until one has something.
void Api::submit_receive(std::uint64_t id) {
    Pending& pending = pending_.at(id);
    pending.waiting = false;
    pending.woken = false;
    pending.asked = 0;
    pending.due_in = 0;
    ask_next(id);
}

void Api::ask_next(std::uint64_t id) {
    Pending& pending = pending_.at(id);
    const std::vector<GroupId>& sets = submitter_->sets();
    while (pending.asked < sets.size()) {
        const GroupId set = sets[(id + pending.asked) % sets.size()];
        ++pending.asked;
        if (may_ask(set)) {
            QueueReceive command;
            command.queue = pending.queue;
            command.max = pending.max;
            command.visibility_timeout_s = pending.visibility_timeout_s;
            submit(Ask{id, set, {}}, command);
            return;
        }
    }
    const MonoMs now = loop_.now_ms();
    if (pending.wait_until <= now || pending.responder.gone()) {
        conclude(id, ok(Json{{"messages", Json::array()}}));
        return;
    }
    pending.waiting = true;
    // What another node tells may be lost on the way.
    MonoMs again = pending.woken ? 0 : kLookAgainMs;
    if (pending.due_in != 0) {
        again = std::min(again, pending.due_in);
    }
    pending.retry_at = now + again;
    arm_poll_timer();
}

void Api::acknowledge(const std::string& queue, io::HttpRequest& request,
                      io::HttpResponder responder) {
    const Body body = parse_body(request, {"receipts"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto receipts = body.json.find("receipts");
    Pending pending(Kind::kAck, std::move(responder), queue);
    std::map<GroupId, Ask> by_set;
    std::map<GroupId, QueueAck> commands;
    bool good = receipts != body.json.end() && receipts->is_array() && !receipts->empty() &&
                receipts->size() <= kReceiptsMax;
    for (std::size_t i = 0; good && i < receipts->size(); ++i) {
        const Json& text = (*receipts)[i];
        const auto receipt =
            text.is_string() ? parse_receipt(text.get_ref<const std::string&>()) : std::nullopt;
        good = receipt.has_value();
        if (good) {
            QueueAck& command = commands[receipt->set];
            command.queue = queue;
            command.receipts.push_back(receipt->receipt);
            by_set[receipt->set].receipts.push_back(text.get<std::string>());
        }
    }
    if (!good) {
        pending.responder.respond(
            error(400, "receipts must be 1 to 1000 receipts as receive gave them"));
        return;
    }
    const std::vector<GroupId>& sets = submitter_->sets();
    for (const auto& [set, ask] : by_set) {
        if (std::find(sets.begin(), sets.end(), set) == sets.end()) {
            pending.responder.respond(error(400, "a receipt of a set there is not"));
            return;
        }
    }
    pending.asks = by_set.size();
    const std::uint64_t id = add(std::move(pending));
    for (auto& [set, ask] : by_set) {
        ask.pending = id;
        ask.set = set;
        submit(std::move(ask), commands[set]);
    }
}

void Api::on_room() { devices_->on_room(); }

void Api::on_result(const CommandTag& tag, ResultCode code, std::string_view detail) {
    if (tag.slot == RecordClient::kSlot) {
        records_.on_result(tag, code, detail);
        return;
    }
    const auto asked = asks_.extract(tag.token);
    if (!asked) {
        return;
    }
    const Ask& ask = asked.mapped();
    const auto found = pending_.find(ask.pending);
    if (found == pending_.end()) {
        return;
    }
    const Kind kind = found->second.kind;
    if (kind == Kind::kReceive) {
        answer_receive(ask, code, detail);
    } else if (kind == Kind::kAck) {
        answer_ack(ask, code, detail);
    } else if (kind == Kind::kPublish) {
        const bool taken = code == ResultCode::kOk || code == ResultCode::kNoSubscribers;
        conclude(ask.pending, taken ? ok(Json{{"subscribers", code == ResultCode::kOk}})
                                    : refusal_of(code));
    } else {
        ByteReader in(detail);
        conclude(ask.pending, code == ResultCode::kOk ? ok(Json{{"id", in.varint()}}, 201)
                                                      : refusal_of(code));
    }
}

void Api::answer_ack(const Ask& ask, ResultCode code, std::string_view detail) {
    Pending& pending = pending_.at(ask.pending);
    if (code != ResultCode::kOk) {
        conclude(ask.pending, refusal_of(code));
        return;
    }
    for (std::size_t i = 0; i < ask.receipts.size() && i < detail.size(); ++i) {
        if (detail[i] == static_cast<char>(ResultCode::kOk)) {
            ++pending.done;
        } else {
            pending.failed.push_back(ask.receipts[i]);
        }
    }
    if (--pending.asks == 0) {
        conclude(ask.pending,
                 ok(Json{{"acknowledged", pending.done}, {"failed", pending.failed}}));
    }
}

void Api::answer_receive(const Ask& ask, ResultCode code, std::string_view detail) {
    Pending& pending = pending_.at(ask.pending);
    // A queue nobody sent to yet is empty: a consumer may be there first.
    if (code != ResultCode::kOk && code != ResultCode::kNotFound) {
        conclude(ask.pending, refusal_of(code));
        return;
    }
    ByteReader in(detail);
    if (const MonoMs due_in = code == ResultCode::kOk ? in.varint() : 0; due_in != 0) {
        pending.due_in = pending.due_in == 0 ? due_in : std::min(pending.due_in, due_in);
    }
    Json messages = Json::array();
    QueueMessage message;
    while (next_queue_message(in, message)) {
        messages.push_back(to_json(message, ask.set));
    }
    if (messages.empty()) {
        ask_next(ask.pending);
        return;
    }
    conclude(ask.pending, ok(Json{{"messages", messages}}));
}

void Api::wake(const std::vector<std::string>& queues) {
    std::vector<std::uint64_t> woken;
    for (auto& [id, pending] : pending_) {
        if (!queues.empty() && !std::binary_search(queues.begin(), queues.end(), pending.queue)) {
            continue;
        }
        if (pending.waiting) {
            woken.push_back(id);
        } else {
            pending.woken = true;  // the answer on its way may be from before
        }
    }
    std::sort(woken.begin(), woken.end());  // who came first is served first
    for (const std::uint64_t id : woken) {
        submit_receive(id);
    }
    arm_poll_timer();
}

void Api::arm_poll_timer() {
    MonoMs next = 0;
    for (const auto& [id, pending] : pending_) {
        if (!pending.waiting) {
            continue;
        }
        for (const MonoMs at : {pending.wait_until, pending.retry_at}) {
            next = at != 0 && (next == 0 || at < next) ? at : next;
        }
    }
    if (next != 0) {
        const MonoMs now = loop_.now_ms();
        poll_timer_.start(next > now ? next - now : 0);
    }
}

void Api::on_poll_timer() {
    const MonoMs now = loop_.now_ms();
    std::vector<std::uint64_t> due;
    for (const auto& [id, pending] : pending_) {
        const bool over = pending.wait_until <= now || pending.responder.gone();
        const bool retry = pending.retry_at != 0 && pending.retry_at <= now;
        if (pending.waiting && (over || retry)) {
            due.push_back(id);
        }
    }
    std::sort(due.begin(), due.end());
    for (const std::uint64_t id : due) {
        Pending& pending = pending_.at(id);
        if (pending.wait_until <= now || pending.responder.gone()) {
            conclude(id, ok(Json{{"messages", Json::array()}}));
        } else {
            submit_receive(id);
        }
    }
    arm_poll_timer();
}

bool Api::may_ask(GroupId set) const {
    return submitter_->available(set) && submitter_->has_room(set);
}

void Api::on_result_lost(const CommandTag& tag, bool sent) {
    if (tag.slot == RecordClient::kSlot) {
        records_.on_lost(tag, sent);
        return;
    }
    const auto asked = asks_.extract(tag.token);
    auto lost = asked ? pending_.extract(asked.mapped().pending) : decltype(pending_)::node_type{};
    if (lost) {
        waiters_->store(pending_.size());
        lost.mapped().responder.respond(
            error(503, sent ? "the outcome is not known: the core was lost"
                            : "nothing was done: the set has no leader; try again"));
    }
}

void Api::list_queues(io::HttpResponder responder) {
    node_.status(loop_, [responder = std::move(responder)](node::NodeStatus status) mutable {
        Json queues = Json::array();
        for (const QueueStatus& queue : status.state.queues) {
            queues.push_back(Json{{"name", queue.name},
                                  {"messages", queue.messages},
                                  {"leased", queue.leased},
                                  {"bytes", queue.bytes},
                                  {"sent", queue.sent},
                                  {"acknowledged", queue.acknowledged},
                                  {"expired", queue.expired},
                                  {"dead_lettered", queue.dead_lettered}});
        }
        responder.respond(ok(Json{{"queues", queues}}));
    });
}

void Api::health(io::HttpResponder responder) {
    node_.status(loop_, [this, alive = std::weak_ptr<bool>(alive_),
                         responder = std::move(responder)](node::NodeStatus status) mutable {
        if (!alive.lock()) {
            return;
        }
        gateway_.status(loop_, [this, alive, status = std::move(status),
                                responder = std::move(responder)](net::ShardStatus shards) mutable {
            if (!alive.lock()) {
                return;
            }
            // The set serves, and every loop, this one too, has its stream to it.
            const bool serving =
                status.serving && shards.unavailable == 0 && submitter_->all_available();
            const bool healthy = serving && !status.disk_low;
            responder.respond(ok(Json{{"status", healthy ? "ok" : "degraded"},
                                      {"serving", serving},
                                      {"disk_low", status.disk_low},
                                      {"sets", sets_of(status)}},
                                 healthy ? 200 : 503));
        });
    });
}

void Api::metrics(io::HttpResponder responder) {
    node_.status(loop_, [this, alive = std::weak_ptr<bool>(alive_),
                         responder = std::move(responder)](node::NodeStatus node) mutable {
        if (!alive.lock()) {
            return;
        }
        gateway_.status(loop_, [this, alive, node = std::move(node),
                                responder = std::move(responder)](net::ShardStatus shards) mutable {
            if (!alive.lock()) {
                return;
            }
            io::HttpResponse response;
            response.content_type = "text/plain; version=0.0.4";
            response.body =
                render_metrics(node, shards) +
                render_access(guard_.refused(),
                              registration_ ? registration_->counters() : RegisterCounters{}) +
                (more_ ? more_() : std::string{});
            responder.respond(std::move(response));
        });
    });
}

void Api::memory(io::HttpResponder responder) {
    node_.status(loop_, [this, alive = std::weak_ptr<bool>(alive_),
                         responder = std::move(responder)](node::NodeStatus node) mutable {
        if (!alive.lock()) {
            return;
        }
        gateway_.status(loop_, [node = std::move(node), responder = std::move(responder)](
                                   const net::ShardStatus& shards) mutable {
            io::HttpResponse response;
            response.content_type = "application/json";
            response.body = memory_json(io::heap_status(), node, shards);
            responder.respond(std::move(response));
        });
    });
}

}  // namespace causeway::api
