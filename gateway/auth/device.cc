#include "gateway/auth/device.h"

#include <algorithm>
#include <utility>

#include "core/base/encoding.h"
#include "gateway/auth/json_reader.h"
#include "gateway/auth/password.h"

namespace causeway::auth {

using Json = nlohmann::json;

namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::size_t kTagKeyBytesMax = 64;
constexpr std::size_t kTagValueBytesMax = 256;
constexpr std::size_t kSubjectBytesMax = 1024;
constexpr std::size_t kClientIdBytesMax = 256;

std::string_view check_fingerprint(std::string_view value) {
    const bool hex = std::all_of(value.begin(), value.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    return hex && value.size() == 64
               ? ""
               : "must be a SHA-256 fingerprint, 64 lower-case hexadecimal digits";
}

std::string_view check_password(std::string_view value) {
    return parse_password_hash(value)
               ? ""
               : "must be a scrypt hash ($scrypt$ln=14,r=8,p=1$SALT$HASH), never a password";
}

std::string read_tags(ObjectReader& reader, Device& out) {
    const Json* tags = reader.take("tags");
    if (tags == nullptr) {
        return "";
    }
    if (!tags->is_object() || tags->size() > kTagsMax) {
        return "tags: must be an object of at most " + std::to_string(kTagsMax) + " strings";
    }
    ObjectReader each(*tags, "tags");
    for (const auto& [key, ignored] : tags->items()) {
        if (key.empty() || key.size() > kTagKeyBytesMax || !is_name(key)) {
            return "tags: a key must be 1 to 64 of [A-Za-z0-9_.:-]";
        }
        if (!ignored.is_string()) {
            return "tags." + key + ": must be a string";
        }
        std::string value;
        each.text(key.c_str(), kTagValueBytesMax, value);
        out.tags.emplace_back(key, std::move(value));
    }
    return each.done();
}

void put(ByteWriter& writer, const std::vector<Credential>& credentials) {
    writer.varint(credentials.size());
    for (const Credential& credential : credentials) {
        writer.string(credential.value);
        writer.varint(credential.until_s);
    }
}

void get(ByteReader& reader, std::vector<Credential>& out) {
    const std::uint64_t count = reader.varint();
    if (count > kLiveCredentialsMax) {
        reader.fail();
    }
    for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
        Credential credential;
        credential.value = reader.string();
        credential.until_s = reader.varint();
        out.push_back(std::move(credential));
    }
}

enum Flag : std::uint8_t { kAllow = 1, kPublish = 2, kSubscribe = 4, kHasRetain = 8, kRetain = 16 };

void put(ByteWriter& writer, const std::vector<Permission>& permissions) {
    writer.varint(permissions.size());
    for (const Permission& one : permissions) {
        writer.u8(static_cast<std::uint8_t>(
            (one.allow ? kAllow : 0) | (one.publish ? kPublish : 0) |
            (one.subscribe ? kSubscribe : 0) | (one.retain ? kHasRetain : 0) |
            (one.retain.value_or(false) ? kRetain : 0)));
        writer.u8(one.qos);
        writer.varint(one.topics.size());
        for (const std::string& topic : one.topics) {
            writer.string(topic);
        }
    }
}

void get(ByteReader& reader, std::vector<Permission>& out) {
    const std::uint64_t count = reader.varint();
    if (count > kPermissionsMax) {
        reader.fail();
    }
    for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
        Permission one;
        const std::uint8_t flags = reader.u8();
        one.allow = (flags & kAllow) != 0;
        one.publish = (flags & kPublish) != 0;
        one.subscribe = (flags & kSubscribe) != 0;
        if ((flags & kHasRetain) != 0) {
            one.retain = (flags & kRetain) != 0;
        }
        one.qos = reader.u8();
        const std::uint64_t topics = reader.varint();
        if (topics > kPermissionTopicsMax) {
            reader.fail();
        }
        for (std::uint64_t n = 0; n < topics && !reader.failed(); ++n) {
            one.topics.emplace_back(reader.string());
        }
        out.push_back(std::move(one));
    }
}

}  // namespace

Result<Device> parse_device(std::string_view text) {
    if (text.size() > kDeviceJsonBytesMax) {
        return fail("a device is at most 64 KiB of JSON");
    }
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        return fail("is not JSON");
    }
    Device device;
    ObjectReader reader(json, "");
    reader.require("product");
    reader.require("name");
    reader.text("product", kNameBytesMax, device.product);
    reader.text("name", kNameBytesMax, device.name);
    if (!is_name(device.product)) {
        reader.fault("product", "must be 1 to 64 of [A-Za-z0-9_.:-]");
    }
    if (!is_name(device.name)) {
        reader.fault("name", "must be 1 to 64 of [A-Za-z0-9_.:-]");
    }
    reader.flag("enabled", device.enabled);
    reader.adopt(read_credentials(reader, "secrets", check_secret, device.secrets));
    reader.adopt(read_credentials(reader, "passwords", check_password, device.passwords));
    reader.adopt(read_credentials(reader, "certificates", check_fingerprint, device.certificates));
    reader.text("subject", kSubjectBytesMax, device.subject);
    reader.text("client_id", kClientIdBytesMax, device.client_id);
    if (const Json* permissions = reader.take("permissions")) {
        reader.adopt(read_permissions(*permissions, "permissions", device.permissions));
    }
    if (const Json* limits = reader.take("limits")) {
        ObjectReader inner(*limits, "limits");
        read_device_limits(inner, device.limits);
        reader.adopt(inner.done());
    }
    reader.adopt(read_tags(reader, device));
    if (std::string fault = reader.done(); !fault.empty()) {
        return fail(std::move(fault));
    }
    return device;
}

std::string to_json(const Device& device, Secrets secrets) {
    const bool shown = secrets == Secrets::kShown;
    Json json;
    json["product"] = device.product;
    json["name"] = device.name;
    json["enabled"] = device.enabled;
    if (!device.secrets.empty()) {
        json["secrets"] = json_of(device.secrets, shown);
    }
    if (!device.passwords.empty()) {
        json["passwords"] = json_of(device.passwords, shown);
    }
    if (!device.certificates.empty()) {
        json["certificates"] = json_of(device.certificates, true);
    }
    if (!device.subject.empty()) {
        json["subject"] = device.subject;
    }
    if (!device.client_id.empty()) {
        json["client_id"] = device.client_id;
    }
    if (!device.permissions.empty()) {
        json["permissions"] = json_of(device.permissions);
    }
    if (device.limits != DeviceLimits{}) {
        json["limits"] = {{"publish_rate_max", device.limits.publish_rate_max},
                          {"publish_bytes_rate_max", device.limits.publish_bytes_rate_max}};
    }
    for (const auto& [key, value] : device.tags) {
        json["tags"][key] = value;
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string encode(const Device& device) {
    std::string out;
    ByteWriter writer(out);
    writer.u8(kRecordVersion);
    writer.u8(device.enabled ? 1 : 0);
    put(writer, device.secrets);
    put(writer, device.passwords);
    put(writer, device.certificates);
    writer.string(device.subject);
    writer.string(device.client_id);
    put(writer, device.permissions);
    writer.varint(device.limits.publish_rate_max);
    writer.varint(device.limits.publish_bytes_rate_max);
    writer.varint(device.tags.size());
    for (const auto& [key, value] : device.tags) {
        writer.string(key);
        writer.string(value);
    }
    return out;
}

std::optional<Device> decode_device(std::string_view key, std::string_view value) {
    const auto parts = parse_device_key(key);
    ByteReader reader(value);
    if (!parts || reader.u8() != kRecordVersion) {
        return std::nullopt;
    }
    Device device;
    device.product = parts->product;
    device.name = parts->name;
    device.enabled = reader.u8() == 1;
    get(reader, device.secrets);
    get(reader, device.passwords);
    get(reader, device.certificates);
    device.subject = reader.string();
    device.client_id = reader.string();
    get(reader, device.permissions);
    device.limits.publish_rate_max = static_cast<std::uint32_t>(reader.varint());
    device.limits.publish_bytes_rate_max = static_cast<std::uint32_t>(reader.varint());
    const std::uint64_t tags = reader.varint();
    if (tags > kTagsMax) {
        reader.fail();
    }
    for (std::uint64_t i = 0; i < tags && !reader.failed(); ++i) {
        std::string tag(reader.string());
        device.tags.emplace_back(std::move(tag), reader.string());
    }
    return reader.done() ? std::optional(std::move(device)) : std::nullopt;
}

}  // namespace causeway::auth
