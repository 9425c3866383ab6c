#include "gateway/api/register_api.h"

#include <utility>

#include <absl/hash/hash.h>

#include "gateway/api/devices_api.h"
#include "gateway/api/json_body.h"
#include "gateway/api/secrets.h"

namespace causeway::api {
namespace {

constexpr std::string_view kPath = "/v1/register";
constexpr std::size_t kBodyBytesMax = 4'096;
constexpr std::size_t kConnectionsMax = 256;
constexpr std::uint32_t kTimeoutMs = 10'000;
constexpr std::size_t kAddresses = 16'384;

std::string_view host_of(std::string_view peer) { return peer.substr(0, peer.rfind(':')); }

// One text for every reason but the clock's: who has no secret learns nothing.
io::HttpResponse not_signed() {
    return error(401, "the signature is not that of a product that registers devices");
}

// "ProductId" and "DeviceName", as devices of others send them.
std::string text_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

RegisterApi::RegisterApi(io::Loop& loop, const RegisterOptions& options,
                         const registry::Directory& directory, RecordClient& records, Guard& guard)
    : loop_(loop),
      directory_(directory),
      records_(records),
      guard_(guard),
      rates_(options.address_rate_max, kAddresses) {}

Result<std::unique_ptr<RegisterApi>> RegisterApi::open(io::Loop& loop,
                                                       const RegisterOptions& options,
                                                       const registry::Directory& directory,
                                                       RecordClient& records, Guard& guard) {
    std::unique_ptr<RegisterApi> made(new RegisterApi(loop, options, directory, records, guard));
    io::HttpServerOptions http;
    http.host = options.host;
    http.port = options.port;
    http.tls = options.tls;
    http.limits.body_bytes_max = kBodyBytesMax;
    http.connections_max = kConnectionsMax;
    http.request_timeout_ms = kTimeoutMs;
    http.idle_timeout_ms = kTimeoutMs;
    auto server = io::HttpServer::listen(
        loop, http,
        [self = made.get()](io::HttpRequest request, io::HttpResponder responder,
                            std::string_view peer) {
            self->handle(std::move(request), std::move(responder), peer);
        });
    if (!server) {
        return tl::unexpected(server.error());
    }
    made->server_ = std::move(*server);
    return made;
}

void RegisterApi::handle(io::HttpRequest request, io::HttpResponder responder,
                         std::string_view peer) {
    if (request.path != kPath || request.method != "POST") {
        responder.respond(error(404, "use POST /v1/register"));
        return;
    }
    if (!rates_.admit(absl::HashOf(host_of(peer)), loop_.now_ms())) {
        ++counters_.limited;
        responder.respond(error(429, "too many requests from this address"));
        return;
    }
    const Json json = parse_json(request.body);
    if (!directory_.catalogue() || !json.is_object()) {
        responder.respond(directory_.catalogue()
                              ? error(400, "the body must be a JSON object")
                              : error(503, "the control group has not spoken yet: try again"));
        return;
    }
    access::SignedRequest asked;
    asked.method = request.method;
    asked.host = request.header("Host").value_or("");
    asked.uri = request.path;
    asked.query = request.query;
    asked.algorithm = request.header("X-TC-Algorithm").value_or("");
    asked.timestamp = request.header("X-TC-Timestamp").value_or("");
    asked.nonce = request.header("X-TC-Nonce").value_or("");
    asked.signature = request.header("X-TC-Signature").value_or("");
    asked.body = request.body;
    const auto product = directory_.catalogue()->product(text_of(json, "ProductId"));
    const std::string name = text_of(json, "DeviceName");
    if (!product || !product->enabled || !product->registration.enabled ||
        !access::signed_by(asked, *product, now_s())) {
        ++counters_.refused;
        responder.respond(not_signed());
        return;
    }
    const auto verdict = nonces_.admit(product->name, asked.timestamp, asked.nonce, now_s());
    if (verdict != access::Nonces::Verdict::kFresh) {
        const bool time = verdict == access::Nonces::Verdict::kTime;
        const bool full = verdict == access::Nonces::Verdict::kFull;
        ++counters_.refused;
        responder.respond(time   ? error(401, "the timestamp is more than 300 s off")
                          : full ? error(503, "too many registrations: try again")
                                 : error(401, "this request was used before"));
        return;
    }
    if (!auth::is_name(name)) {
        responder.respond(error(400, "DeviceName is 1 to 64 of A-Z a-z 0-9 _ . : -"));
        return;
    }
    access::Principal who;
    who.id = "product:" + product->name;
    request.target = std::string(kPath) + "?device=" + product->name + "/" + name;
    guard_.change(
        std::move(request), std::move(responder), who, peer,
        [this, product, name](const io::HttpRequest&, io::HttpResponder to,
                              const access::Principal&) { enrol(*product, name, std::move(to)); });
}

void RegisterApi::enrol(const auth::Product& product, const std::string& name,
                        io::HttpResponder responder) {
    auth::Device fresh;
    fresh.product = product.name;
    fresh.name = name;
    const std::string key = fresh.key();
    if (!records_.ready(key)) {
        responder.respond(error(503, "the device's set has no leader or no room: try again"));
        return;
    }
    records_.find(key, [this, fresh, create = product.registration.create,
                        responder = std::move(responder)](const RecordsFound* found) mutable {
        if (found == nullptr) {
            responder.respond(error(503, "the device's set has no leader: try again"));
            return;
        }
        const bool there = !found->records.empty();
        if (!there && !create) {
            responder.respond(error(404, "the product does not register devices it does not know"));
            return;
        }
        auth::Device device = fresh;
        if (there) {
            const Record& record = found->records.front();
            const auto known = auth::decode_device(record.key, record.value);
            if (!known || !known->enabled) {
                responder.respond(error(403, "the device is disabled"));
                return;
            }
            device = *known;
        }
        // Once: who has them must ask an operator for others.
        if (!device.secrets.empty() || !device.passwords.empty() || !device.certificates.empty()) {
            responder.respond(error(409, "the device has its credentials"));
            return;
        }
        const std::string secret = new_secret();
        device.secrets.push_back({secret, 0});
        store(device, there ? found->records.front().revision : kNoRecord, secret,
              std::move(responder));
    });
}

void RegisterApi::store(const auth::Device& device, std::uint64_t expected,
                        const std::string& secret, io::HttpResponder responder) {
    const std::string value = auth::encode(device);
    const std::string key = device.key();
    Json answer{{"ProductId", device.product}, {"DeviceName", device.name}, {"secret", secret}};
    records_.put({key, expected, value},
                 [this, answer = std::move(answer),
                  responder = std::move(responder)](const RecordClient::Outcome& outcome) mutable {
                     if (outcome.code == ResultCode::kOk) {
                         ++counters_.registered;
                         io::HttpResponse response = ok(answer, 201);
                         response.notes.emplace_back("secret", "was told");
                         responder.respond(std::move(response));
                     } else if (outcome.code == ResultCode::kConflict) {
                         responder.respond(error(409, "the device has its credentials"));
                     } else {
                         responder.respond(refusal_of(outcome));
                     }
                 });
}

}  // namespace causeway::api
