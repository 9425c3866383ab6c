#include "gateway/api/documents_api.h"

#include <charconv>
#include <utility>

#include "gateway/api/json_body.h"
#include "gateway/api/secrets.h"
#include "gateway/auth/crypto.h"
#include "gateway/registry/ban.h"

namespace causeway::api {
namespace {

constexpr std::string_view kProducts = "/v1/products";
constexpr std::string_view kTokens = "/v1/tokens";

// ?revision=N: what is replaced must have it; nullopt: not a number.
std::optional<std::uint64_t> expected_of(const io::HttpRequest& request) {
    const auto text = request.query_value("revision");
    if (!text) {
        return control::kAnyDocument;
    }
    std::uint64_t number = 0;
    const char* end = text->data() + text->size();
    const auto [at, fault] = std::from_chars(text->data(), end, number);
    return fault == std::errc{} && at == end ? std::optional(number) : std::nullopt;
}

io::HttpResponse refusal_of(const node::Answer& answer) {
    switch (answer.outcome.code) {
        case control::Code::kStale:
            return error(409, "somebody else was faster: read it again; its revision is " +
                                  std::to_string(answer.outcome.version));
        case control::Code::kTooMany:
            return error(507, "the cluster has as many products, tokens and bans as it can");
        case control::Code::kInvalid:
            return error(413, "too large: a document is at most 64 KiB");
        default:
            return error(503, answer.known ? answer.message
                                           : "whether it was done is not known: " + answer.message);
    }
}

Json product_json(const control::Document& document) {
    auto product = auth::parse_product(document.text);
    if (!product) {
        return Json{{"name", document.name}, {"problem", product.error().message}};
    }
    Json json = Json::parse(auth::to_json(*product, auth::Secrets::kHidden));
    json["revision"] = document.revision;
    return json;
}

// Effect: a product without registration secrets gets those it has. True: it did.
bool keep_secrets(const Json& before, Json& product) {
    constexpr const char* kRegistration = "registration";
    constexpr const char* kSecrets = "secrets";
    const auto had = before.find(kRegistration);
    const auto wanted = product.find(kRegistration);
    const bool says =
        wanted != product.end() && (!wanted->is_object() || wanted->contains(kSecrets));
    if (had == before.end() || !had->contains(kSecrets) || says) {
        return false;
    }
    product[kRegistration][kSecrets] = (*had)[kSecrets];
    return true;
}

}  // namespace

const control::Document* DocumentsApi::find(std::string_view kind, const std::string& name) const {
    const auto& all = *directory_.documents();
    const auto found = all.find({std::string(kind), name});
    return found == all.end() ? nullptr : &found->second;
}

void DocumentsApi::propose(control::Command command, io::HttpResponder responder,
                           io::HttpResponse answer) {
    node_.propose(loop_, std::move(command),
                  [responder = std::move(responder),
                   answer = std::move(answer)](const node::Answer& done) mutable {
                      responder.respond(done.ok ? std::move(answer) : refusal_of(done));
                  });
}

// --- products ----------------------------------------------------------------------------------

void DocumentsApi::products(const io::HttpRequest& request, io::HttpResponder responder) {
    constexpr std::string_view kRotate = "/rotate";
    if (!directory_.documents()) {
        responder.respond(error(503, "the control group has not spoken yet: try again"));
        return;
    }
    std::string_view rest = std::string_view(request.path).substr(kProducts.size());
    if (rest.empty() || rest == "/") {
        if (request.method == "GET") {
            list_products(std::move(responder));
        } else {
            responder.respond(error(405, "use GET, or PUT /v1/products/NAME"));
        }
        return;
    }
    rest.remove_prefix(1);
    const bool rotating = rest.ends_with(kRotate);
    const std::string name(rotating ? rest.substr(0, rest.size() - kRotate.size()) : rest);
    if (!auth::is_name(name)) {
        responder.respond(error(400, "a product's name is 1 to 64 of A-Z a-z 0-9 _ . : -"));
    } else if (rotating && request.method == "POST") {
        rotate_product(name, request, std::move(responder));
    } else if (!rotating && request.method == "GET") {
        show_product(name, std::move(responder));
    } else if (!rotating && request.method == "PUT") {
        put_product(name, request, std::move(responder));
    } else if (!rotating && request.method == "DELETE") {
        delete_product(name, request, std::move(responder));
    } else {
        responder.respond(error(405, "use GET, PUT or DELETE, or POST …/rotate"));
    }
}

void DocumentsApi::list_products(io::HttpResponder responder) {
    Json all = Json::array();
    for (const auto& [key, document] : *directory_.documents()) {
        if (key.first == registry::kProductDocuments) {
            all.push_back(product_json(document));
        }
    }
    responder.respond(ok(Json{{"products", all}}));
}

void DocumentsApi::show_product(const std::string& name, io::HttpResponder responder) {
    const control::Document* document = find(registry::kProductDocuments, name);
    responder.respond(document == nullptr ? error(404, "no such product")
                                          : ok(product_json(*document)));
}

// A product without registration secrets keeps those it has: nobody can read them to send them
// again.
void DocumentsApi::put_product(const std::string& name, const io::HttpRequest& request,
                               io::HttpResponder responder) {
    const auto expected = expected_of(request);
    Json json = parse_json(request.body);
    if (!json.is_object() || !expected) {
        responder.respond(
            error(400, expected ? "the body must be a JSON object" : "revision must be a number"));
        return;
    }
    if (!json.contains("name")) {
        json["name"] = name;
    }
    const control::Document* held = find(registry::kProductDocuments, name);
    const bool kept = held != nullptr && keep_secrets(parse_json(held->text), json);
    auto product = auth::parse_product(json.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!product || product->name != name) {
        responder.respond(
            error(400, product ? "name: is not the one in the path" : product.error().message));
        return;
    }
    // Secrets that are kept must still be the ones it has.
    const std::uint64_t replaces =
        kept && *expected == control::kAnyDocument ? held->revision : *expected;
    io::HttpResponse answer = ok(Json::parse(auth::to_json(*product, auth::Secrets::kHidden)),
                                 held == nullptr ? 201 : 200);
    propose(control::PutDocument{std::string(registry::kProductDocuments), name, replaces,
                                 auth::to_json(*product, auth::Secrets::kShown)},
            std::move(responder), std::move(answer));
}

void DocumentsApi::rotate_product(const std::string& name, const io::HttpRequest& request,
                                  io::HttpResponder responder) {
    const Body body = parse_body(request, {"grace_s"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto grace = number(body.json, "grace_s", 0, kGraceMaxS, kGraceS);
    const control::Document* held = find(registry::kProductDocuments, name);
    auto product = held == nullptr ? tl::unexpected(Error{}) : auth::parse_product(held->text);
    if (!grace || !product) {
        responder.respond(grace ? error(404, "no such product")
                                : error(400, "grace_s: seconds, at most 2592000"));
        return;
    }
    const std::string secret = new_secret();
    rotate(product->registration.secrets, secret, *grace, now_s());
    io::HttpResponse answer = ok(Json{{"product", name}, {"secret", secret}});
    answer.notes.emplace_back("secret", "a new one was told");
    propose(control::PutDocument{std::string(registry::kProductDocuments), name, held->revision,
                                 auth::to_json(*product, auth::Secrets::kShown)},
            std::move(responder), std::move(answer));
}

void DocumentsApi::delete_product(const std::string& name, const io::HttpRequest& request,
                                  io::HttpResponder responder) {
    const auto expected = expected_of(request);
    if (!expected || find(registry::kProductDocuments, name) == nullptr) {
        responder.respond(expected ? error(404, "no such product")
                                   : error(400, "revision must be a number"));
        return;
    }
    look_for_devices(name + "/", 0, std::move(responder),
                     {std::string(registry::kProductDocuments), name, *expected});
}

void DocumentsApi::look_for_devices(const std::string& prefix, std::size_t at,
                                    io::HttpResponder responder, control::DeleteDocument command) {
    if (at == records_.sets().size()) {
        propose(std::move(command), std::move(responder),
                ok(Json{{"deleted", prefix.substr(0, prefix.size() - 1)}}));
        return;
    }
    records_.scan(
        records_.sets()[at], RecordQuery{prefix, true, {}, 1},
        [this, prefix, at, responder = std::move(responder),
         command = std::move(command)](const RecordsFound* found) mutable {
            if (found == nullptr) {
                responder.respond(error(503, "a set has no leader: try again"));
            } else if (!found->records.empty()) {
                responder.respond(error(409, "the product has devices: delete them first, " +
                                                 found->records.front().key + " for one"));
            } else {
                look_for_devices(prefix, at + 1, std::move(responder), std::move(command));
            }
        });
}

// --- bans --------------------------------------------------------------------------------------

void DocumentsApi::bans(const io::HttpRequest& request, io::HttpResponder responder) {
    const bool known = request.path == "/v1/bans" && directory_.documents() != nullptr;
    const bool change = request.method == "POST" || request.method == "DELETE";
    if (!known || (!change && request.method != "GET")) {
        responder.respond(error(known ? 405 : 404, "use GET, POST or DELETE /v1/bans"));
        return;
    }
    if (!change) {
        Json all = Json::array();
        for (const auto& [key, document] : *directory_.documents()) {
            if (key.first == registry::kBanDocuments) {
                all.push_back(Json::parse(document.text, nullptr, false));
            }
        }
        responder.respond(ok(Json{{"bans", all}}));
        return;
    }
    auto ban = registry::parse_ban(request.body);
    if (!ban) {
        responder.respond(error(400, ban.error().message));
        return;
    }
    const std::string name = registry::name_of(ban->ban);
    const std::string text = registry::to_json(*ban);
    const std::string kind(registry::kBanDocuments);
    io::HttpResponse answer = ok(Json::parse(text));
    answer.notes.emplace_back("ban", text);
    if (request.method == "DELETE") {
        if (find(kind, name) == nullptr) {
            responder.respond(error(404, "no such ban"));
            return;
        }
        propose(control::DeleteDocument{kind, name, control::kAnyDocument}, std::move(responder),
                std::move(answer));
        return;
    }
    propose(control::PutDocument{kind, name, control::kAnyDocument, text}, std::move(responder),
            std::move(answer));
}

// --- tokens ------------------------------------------------------------------------------------

void DocumentsApi::tokens(const io::HttpRequest& request, io::HttpResponder responder) {
    if (!directory_.documents()) {
        responder.respond(error(503, "the control group has not spoken yet: try again"));
        return;
    }
    if (request.path == kTokens && request.method == "GET") {
        std::map<std::string, Json> sorted;
        for (const auto& [id, token] : directory_.tokens().all()) {
            sorted[id] = Json::parse(access::to_json(token, false));
        }
        Json all = Json::array();
        for (auto& [id, json] : sorted) {
            json["expired"] =
                json.contains("expires_s") && json["expires_s"].get<std::uint64_t>() <= now_s();
            all.push_back(std::move(json));
        }
        responder.respond(ok(Json{{"tokens", all}}));
    } else if (request.path == kTokens && request.method == "POST") {
        make_token(request, std::move(responder));
    } else if (request.path.size() > kTokens.size() + 1 && request.method == "DELETE") {
        const std::string id = request.path.substr(kTokens.size() + 1);
        if (find(access::kTokenDocuments, id) == nullptr) {
            responder.respond(error(404, "no such token"));
            return;
        }
        propose(control::DeleteDocument{std::string(access::kTokenDocuments), id,
                                        control::kAnyDocument},
                std::move(responder), ok(Json{{"revoked", id}}));
    } else {
        responder.respond(error(405, "use GET or POST /v1/tokens, DELETE /v1/tokens/ID"));
    }
}

void DocumentsApi::make_token(const io::HttpRequest& request, io::HttpResponder responder) {
    constexpr std::uint64_t kExpiryMaxS = 10ULL * 366 * 86'400;
    const Body body =
        parse_body(request, {"role", "description", "expires_in_s", "queues", "topics"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto expires_in = number(body.json, "expires_in_s", 1, kExpiryMaxS, 0);
    if (!expires_in) {
        responder.respond(error(400, "expires_in_s: seconds, at most ten years"));
        return;
    }
    if (directory_.tokens().all().size() >= access::kTokensMax) {
        responder.respond(error(507, "there are 2048 tokens: revoke some"));
        return;
    }
    Json json = body.json;
    json.erase("expires_in_s");
    constexpr std::size_t kIdHalf = access::kTokenIdBytes / 2;
    const std::string id = auth::to_hex(random_bytes(kIdHalf));
    const std::string text = access::token_text(id, random_bytes(access::kTokenSecretBytes));
    json["id"] = id;
    json["sha256"] = access::hash_of(text);
    json["created_s"] = now_s();
    if (*expires_in != 0) {
        json["expires_s"] = now_s() + *expires_in;
    }
    auto token = access::parse_token(json.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!token) {
        responder.respond(
            error(400, token.error().message + "; role is read-only, app, operator or admin"));
        return;
    }
    Json shown = Json::parse(access::to_json(*token, false));
    shown["token"] = text;
    io::HttpResponse answer = ok(shown, 201);
    answer.notes.emplace_back("token", access::to_json(*token, false));
    propose(control::PutDocument{std::string(access::kTokenDocuments), id, 0,
                                 access::to_json(*token, true)},
            std::move(responder), std::move(answer));
}

}  // namespace causeway::api
