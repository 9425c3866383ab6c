#include "gateway/registry/ban.h"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/io/address.h"
#include "core/message/topic.h"
#include "gateway/auth/crypto.h"

namespace causeway::registry {
namespace {

using Json = nlohmann::json;
using Kind = auth::Ban::Kind;

constexpr std::size_t kValueBytesMax = 256;

constexpr std::array<std::pair<Kind, std::string_view>, 4> kKinds{{
    {Kind::kAddress, "address"},
    {Kind::kDevice, "device"},
    {Kind::kProduct, "product"},
    {Kind::kClientId, "client_id"},
}};

std::string_view text_of(Kind kind) {
    for (const auto& [known, text] : kKinds) {
        if (known == kind) {
            return text;
        }
    }
    return "";
}

bool check_value(const auth::Ban& ban) {
    switch (ban.kind) {
        case Kind::kDevice:
            return auth::parse_device_key(ban.value).has_value();
        case Kind::kProduct:
            return auth::is_name(ban.value);
        case Kind::kAddress:
            return io::normal_address(ban.value).has_value();
        case Kind::kClientId:
            return !ban.value.empty() && ban.value.size() <= kValueBytesMax &&
                   valid_utf8(ban.value);
    }
    return false;
}

}  // namespace

Result<BanDocument> parse_ban(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return fail("a ban must be a JSON object");
    }
    BanDocument made;
    bool kind = false;
    for (const auto& [key, value] : json.items()) {
        if (key == "kind" && value.is_string()) {
            for (const auto& [known, word] : kKinds) {
                if (value.get_ref<const std::string&>() == word) {
                    made.ban.kind = known;
                    kind = true;
                }
            }
        } else if (key == "value" && value.is_string()) {
            made.ban.value = value.get<std::string>();
        } else if (key == "until_s" && value.is_number_unsigned()) {
            made.ban.until_s = value.get<std::uint64_t>();
        } else if (key == "reason" && value.is_string() &&
                   value.get_ref<const std::string&>().size() <= kBanReasonBytesMax) {
            made.reason = value.get<std::string>();
        } else {
            return fail(
                "a ban has kind, value, until_s (seconds since 1970) and reason (at most "
                "256 bytes)");
        }
    }
    if (!kind) {
        return fail("kind: must be address, device, product or client_id");
    }
    if (!check_value(made.ban)) {
        return fail(
            "value: must be one IPv4 or IPv6 address, PRODUCT/DEVICE, a product's name or a client "
            "id");
    }
    if (made.ban.kind == Kind::kAddress) {
        made.ban.value = *io::normal_address(made.ban.value);  // as clients' hosts are written
    }
    return made;
}

std::string to_json(const BanDocument& ban) {
    Json json{{"kind", text_of(ban.ban.kind)}, {"value", ban.ban.value}};
    if (ban.ban.until_s != 0) {
        json["until_s"] = ban.ban.until_s;
    }
    if (!ban.reason.empty()) {
        json["reason"] = ban.reason;
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string name_of(const auth::Ban& ban) {
    constexpr std::size_t kDigits = 32;
    const std::string kind(text_of(ban.kind));
    return kind + "-" + auth::to_hex(auth::sha256(kind + "/" + ban.value)).substr(0, kDigits);
}

}  // namespace causeway::registry
