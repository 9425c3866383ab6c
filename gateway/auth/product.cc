#include "gateway/auth/product.h"

#include <array>
#include <utility>

#include "gateway/auth/json_reader.h"

namespace causeway::auth {

using Json = nlohmann::json;

namespace {

constexpr std::array<std::string_view, kSchemes> kSchemeNames = {"x509", "psk",  "hmac", "password",
                                                                 "jwt",  "http", "scram"};
constexpr std::size_t kDescriptionBytesMax = 1024;

std::string read_schemes(ObjectReader& reader, SchemeSet& out) {
    reader.require("auth");
    const Json* schemes = reader.array("auth", kSchemes);
    if (schemes == nullptr) {
        return "";
    }
    for (const Json& one : *schemes) {
        const auto scheme =
            one.is_string() ? parse_scheme(one.get_ref<const std::string&>()) : std::nullopt;
        if (!scheme) {
            return reader.path("auth") +
                   ": must name some of x509, psk, hmac, password, jwt, http, scram";
        }
        out.add(*scheme);
    }
    return out.empty() ? reader.path("auth") + ": must name at least one" : "";
}

std::string read_registration(const Json& json, Registration& out) {
    ObjectReader reader(json, "registration");
    reader.flag("enabled", out.enabled);
    reader.flag("create", out.create);
    reader.adopt(read_credentials(reader, "secrets", check_secret, out.secrets));
    if (out.enabled && out.secrets.empty()) {
        reader.fault("secrets", "registration needs a secret of the product");
    }
    return reader.done();
}

std::string read_limits(const Json& json, ProductLimits& out) {
    ObjectReader reader(json, "limits");
    reader.number("connections_max", out.connections_max);
    read_device_limits(reader, out.device);
    return reader.done();
}

}  // namespace

std::string_view name(Scheme scheme) { return kSchemeNames[static_cast<std::size_t>(scheme)]; }

std::optional<Scheme> parse_scheme(std::string_view text) {
    for (std::size_t i = 0; i < kSchemes; ++i) {
        if (kSchemeNames[i] == text) {
            return static_cast<Scheme>(i);
        }
    }
    return std::nullopt;
}

Result<Product> parse_product(std::string_view text) {
    if (text.size() > kProductJsonBytesMax) {
        return fail("a product is at most 64 KiB of JSON");
    }
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        return fail("is not JSON");
    }
    Product product;
    ObjectReader reader(json, "");
    reader.require("name");
    reader.text("name", kNameBytesMax, product.name);
    if (!is_name(product.name)) {
        reader.fault("name", "must be 1 to 64 of [A-Za-z0-9_.:-]");
    }
    reader.text("description", kDescriptionBytesMax, product.description);
    reader.flag("enabled", product.enabled);
    reader.adopt(read_schemes(reader, product.auth));
    reader.flag("any_client_id", product.any_client_id);
    if (const Json* permissions = reader.take("permissions")) {
        reader.adopt(read_permissions(*permissions, "permissions", product.permissions));
    }
    if (const Json* limits = reader.take("limits")) {
        reader.adopt(read_limits(*limits, product.limits));
    }
    if (const Json* registration = reader.take("registration")) {
        reader.adopt(read_registration(*registration, product.registration));
    }
    if (std::string fault = reader.done(); !fault.empty()) {
        return fail(std::move(fault));
    }
    return product;
}

std::string to_json(const Product& product, Secrets secrets) {
    Json json;
    json["name"] = product.name;
    json["enabled"] = product.enabled;
    if (!product.description.empty()) {
        json["description"] = product.description;
    }
    json["auth"] = Json::array();
    for (std::size_t i = 0; i < kSchemes; ++i) {
        if (product.auth.has(static_cast<Scheme>(i))) {
            json["auth"].push_back(kSchemeNames[i]);
        }
    }
    if (product.any_client_id) {
        json["any_client_id"] = true;
    }
    if (!product.permissions.empty()) {
        json["permissions"] = json_of(product.permissions);
    }
    if (product.limits != ProductLimits{}) {
        json["limits"] = {
            {"connections_max", product.limits.connections_max},
            {"publish_rate_max", product.limits.device.publish_rate_max},
            {"publish_bytes_rate_max", product.limits.device.publish_bytes_rate_max}};
    }
    if (product.registration != Registration{}) {
        json["registration"] = {
            {"enabled", product.registration.enabled},
            {"create", product.registration.create},
            {"secrets", json_of(product.registration.secrets, secrets == Secrets::kShown)}};
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<Permission>> parse_permissions(std::string_view text) {
    const Json json = text.size() > kProductJsonBytesMax ? Json(Json::value_t::discarded)
                                                         : Json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        return fail("permissions: is not JSON of at most 64 KiB");
    }
    std::vector<Permission> permissions;
    if (std::string fault = read_permissions(json, "permissions", permissions); !fault.empty()) {
        return fail(std::move(fault));
    }
    return permissions;
}

}  // namespace causeway::auth
