// What strangers and operators send to the API's door, as any bytes: documents of tokens and bans,
// presented tokens, paths, signed requests, lines of the audit log. Nothing that is read may be
// beyond its limits, and what is printed must be read again as it was.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "gateway/access/permit.h"
#include "gateway/access/registration.h"
#include "gateway/access/token.h"
#include "gateway/audit/record.h"
#include "gateway/registry/ban.h"

namespace {

using namespace causeway;

void tokens(std::string_view text) {
    if (const auto token = access::parse_token(text)) {
        CW_CHECK(token->queues.size() <= access::kTokenNamesMax);
        const auto again = access::parse_token(access::to_json(*token, true));
        CW_CHECK(again.has_value());
        CW_CHECK(*again == *token);
        access::Tokens all;
        all.add(*token);
        CW_CHECK(all.find(text, 0) == nullptr, "a document is no token");
    }
    access::Tokens all;
    access::Token known;
    known.id = "0a1b2c3d4e5f";
    known.role = access::Role::kAdmin;
    known.sha256 = access::hash_of(access::token_text(known.id, "a secret no input holds .......!"));
    all.add(known);
    CW_CHECK(all.find(text, 0) == nullptr);
}

void paths(std::string_view text) {
    const std::size_t space = text.find(' ');
    const std::string_view method = text.substr(0, space);
    const std::string_view path =
        space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
    const access::RequestNeed need = access::need_of(method, path);
    const access::Principal app{"token:x", access::Role::kApp, {"alarms"}, {"plant/+/cmd"}};
    const access::Principal reader{"token:y", access::Role::kReadOnly, {}, {}};
    if (need.change) {
        CW_CHECK(!access::may(app, need) && !access::may(reader, need));
    }
    if (need.need == access::Need::kNothing) {
        CW_CHECK(path == "/healthz");
    }
    if (access::may(app, need) && need.need == access::Need::kQueue) {
        CW_CHECK(need.queue == "alarms");
    }
}

void registrations(std::string_view text) {
    auth::Product product;
    product.name = "p";
    product.registration.enabled = true;
    product.registration.secrets = {{"a secret that no input holds", 0}};
    access::SignedRequest request;
    request.algorithm = access::kRegistrationAlgorithm;
    request.signature = text.substr(0, text.size() / 2);
    request.nonce = "1";
    request.body = text;
    CW_CHECK(!access::signed_by(request, product, 0));
    access::Nonces nonces(4);
    const auto first = nonces.admit("p", text, "1", 1'000);
    CW_CHECK(first != access::Nonces::Verdict::kFresh ||
             nonces.admit("p", text, "1", 1'000) == access::Nonces::Verdict::kReplayed);
}

void bans(std::string_view text) {
    if (const auto ban = registry::parse_ban(text)) {
        const auto again = registry::parse_ban(registry::to_json(*ban));
        CW_CHECK(again.has_value());
        CW_CHECK(again->ban == ban->ban);
    }
}

void records(std::string_view text) {
    (void)audit::check_line(text);
    audit::Event event;
    event.who = text.substr(0, text.size() / 3);
    event.from = text.substr(text.size() / 3);
    event.action = text;
    event.details.emplace_back(text, text);
    audit::Head head;
    std::string line = audit::append_line(event, 7, text.substr(0, 64), head);
    CW_CHECK(line.size() <= audit::kLineBytesMax && line.find('\n') == line.size() - 1);
    line.pop_back();
    const auto read = audit::check_line(line, {});
    CW_CHECK(read.has_value() && read->seq == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0:
            tokens(text);
            break;
        case 1:
            paths(text);
            break;
        case 2:
            registrations(text);
            break;
        case 3:
            bans(text);
            break;
        default:
            records(text);
            break;
    }
    return 0;
}
