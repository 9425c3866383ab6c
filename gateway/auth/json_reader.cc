#include "gateway/auth/json_reader.h"

#include <algorithm>
#include <utility>

#include "gateway/auth/topic_template.h"

namespace causeway::auth {

using Json = nlohmann::json;

namespace {

constexpr std::uint64_t kSecondsMax = std::uint64_t{1} << 40;
constexpr std::size_t kSecretBytesMin = 16;
constexpr std::size_t kSecretBytesMax = 256;

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    });
}

std::string read_qos(ObjectReader& reader, std::uint8_t& out) {
    const Json* levels = reader.array("qos", 3);
    if (levels == nullptr) {
        return "";
    }
    out = 0;
    for (const Json& level : *levels) {
        if (!level.is_number_unsigned() || level.get<std::uint64_t>() > 2) {
            return reader.path("qos") + ": must be an array of 0, 1 and 2";
        }
        out = static_cast<std::uint8_t>(out | 1U << level.get<unsigned>());
    }
    return out == 0 ? reader.path("qos") + ": must name at least one" : "";
}

std::string read_topics(ObjectReader& reader, std::vector<std::string>& out) {
    const Json* topics = reader.array("topics", kPermissionTopicsMax);
    if (topics == nullptr) {
        return "";
    }
    for (const Json& topic : *topics) {
        const std::string path = reader.path("topics[" + std::to_string(out.size()) + "]");
        if (!topic.is_string()) {
            return path + ": must be a string";
        }
        std::string text = topic.get<std::string>();
        if (const std::string_view wrong = check_topic_template(text); !wrong.empty()) {
            return path + ": " + std::string(wrong);
        }
        out.push_back(std::move(text));
    }
    return out.empty() ? reader.path("topics") + ": must name at least one" : "";
}

std::string read_permission(const Json& json, const std::string& path, Permission& out) {
    ObjectReader reader(json, path);
    std::string effect;
    std::string action;
    reader.text("effect", 8, effect);
    reader.text("action", 16, action);
    reader.require("topics");
    out.allow = effect == "allow";
    if (!out.allow && effect != "deny") {
        reader.fault("effect", "must be \"allow\" or \"deny\"");
    }
    out.publish = action == "publish" || action == "both";
    out.subscribe = action == "subscribe" || action == "both";
    if (!out.publish && !out.subscribe) {
        reader.fault("action", "must be \"publish\", \"subscribe\" or \"both\"");
    }
    bool retain = false;
    if (reader.take("retain") != nullptr) {
        reader.flag("retain", retain);
        out.retain = retain;
    }
    reader.adopt(read_qos(reader, out.qos));
    reader.adopt(read_topics(reader, out.topics));
    return reader.done();
}

}  // namespace

ObjectReader::ObjectReader(const Json& json, std::string path)
    : json_(json), path_(std::move(path)) {
    if (!json.is_object()) {
        fault_ = (path_.empty() ? "" : path_ + ": ") + "must be an object";
    }
}

std::string ObjectReader::path(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
}

const Json* ObjectReader::take(const char* key) {
    known_.insert(key);
    if (!json_.is_object()) {
        return nullptr;
    }
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
}

void ObjectReader::require(const char* key) {
    if (take(key) == nullptr) {
        fault(key, "is missing");
    }
}

void ObjectReader::fault(const std::string& key, std::string_view what) {
    if (fault_.empty()) {
        fault_ = path(key) + ": " + std::string(what);
    }
}

void ObjectReader::adopt(const std::string& inner) {
    if (fault_.empty()) {
        fault_ = inner;
    }
}

std::string ObjectReader::done() {
    if (fault_.empty()) {
        for (const auto& [key, value] : json_.items()) {
            if (!known_.contains(key)) {
                // The key itself may be anything, a misplaced secret too.
                return (path_.empty() ? "" : path_ + ": ") +
                       "holds a key that is not known; docs/devices.md lists them";
            }
        }
    }
    return fault_;
}

void ObjectReader::flag(const char* key, bool& out) {
    const Json* value = take(key);
    if (value == nullptr) {
        return;
    }
    if (!value->is_boolean()) {
        fault(key, "must be true or false");
        return;
    }
    out = value->get<bool>();
}

void ObjectReader::number(const char* key, std::uint64_t max, std::uint64_t& out) {
    const Json* value = take(key);
    if (value == nullptr) {
        return;
    }
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > max) {
        fault(key, "must be a whole number from 0 to " + std::to_string(max));
        return;
    }
    out = value->get<std::uint64_t>();
}

void ObjectReader::number(const char* key, std::uint32_t& out) {
    std::uint64_t wide = out;
    number(key, 0xFFFF'FFFF, wide);
    out = static_cast<std::uint32_t>(wide);
}

void ObjectReader::text(const char* key, std::size_t bytes_max, std::string& out) {
    const Json* value = take(key);
    if (value == nullptr) {
        return;
    }
    if (!value->is_string() || value->get_ref<const std::string&>().size() > bytes_max ||
        has_control(value->get_ref<const std::string&>())) {
        fault(key, "must be a string of at most " + std::to_string(bytes_max) +
                       " bytes without control characters");
        return;
    }
    out = value->get<std::string>();
}

const Json* ObjectReader::array(const char* key, std::size_t count_max) {
    const Json* value = take(key);
    if (value == nullptr) {
        return nullptr;
    }
    if (!value->is_array() || value->size() > count_max) {
        fault(key, "must be an array of at most " + std::to_string(count_max));
        return nullptr;
    }
    return value;
}

std::string_view check_secret(std::string_view value) {
    const bool printable = std::all_of(value.begin(), value.end(), [](char c) {
        return c > 0x20 && c < 0x7F;
    });
    return printable && value.size() >= kSecretBytesMin && value.size() <= kSecretBytesMax
               ? ""
               : "must be 16 to 256 printable ASCII characters without spaces";
}

std::string read_credentials(ObjectReader& reader, const char* key, CredentialCheck check,
                             std::vector<Credential>& out) {
    const Json* list = reader.array(key, kLiveCredentialsMax);
    if (list == nullptr) {
        return "";
    }
    for (const Json& json : *list) {
        const std::string path = reader.path(key) + "[" + std::to_string(out.size()) + "]";
        Credential credential;
        if (json.is_string()) {
            credential.value = json.get<std::string>();
        } else {
            ObjectReader one(json, path);
            one.require("value");
            one.text("value", 512, credential.value);
            one.number("until", kSecondsMax, credential.until_s);
            if (std::string fault = one.done(); !fault.empty()) {
                return fault;
            }
        }
        if (const std::string_view wrong = check(credential.value); !wrong.empty()) {
            return path + ": " + std::string(wrong);
        }
        out.push_back(std::move(credential));
    }
    return "";
}

std::string read_permissions(const Json& json, const std::string& path,
                             std::vector<Permission>& out) {
    if (!json.is_array() || json.size() > kPermissionsMax) {
        return path + ": must be an array of at most " + std::to_string(kPermissionsMax);
    }
    for (const Json& one : json) {
        const std::string at = path + "[" + std::to_string(out.size()) + "]";
        if (std::string fault = read_permission(one, at, out.emplace_back()); !fault.empty()) {
            return fault;
        }
    }
    return "";
}

std::string read_device_limits(ObjectReader& reader, DeviceLimits& out) {
    reader.number("publish_rate_max", out.publish_rate_max);
    reader.number("publish_bytes_rate_max", out.publish_bytes_rate_max);
    return "";
}

Json json_of(const std::vector<Credential>& credentials, bool shown) {
    if (!shown) {
        return credentials.size();
    }
    Json list = Json::array();
    for (const Credential& credential : credentials) {
        if (credential.until_s == 0) {
            list.push_back(credential.value);
        } else {
            list.push_back({{"value", credential.value}, {"until", credential.until_s}});
        }
    }
    return list;
}

Json json_of(const std::vector<Permission>& permissions) {
    Json list = Json::array();
    for (const Permission& permission : permissions) {
        Json one;
        one["effect"] = permission.allow ? "allow" : "deny";
        one["action"] = !permission.publish     ? "subscribe"
                        : !permission.subscribe ? "publish"
                                                : "both";
        one["topics"] = permission.topics;
        if (permission.qos != 0b111) {
            one["qos"] = Json::array();
            for (unsigned qos = 0; qos < 3; ++qos) {
                if ((permission.qos >> qos & 1U) != 0) {
                    one["qos"].push_back(qos);
                }
            }
        }
        if (permission.retain) {
            one["retain"] = *permission.retain;
        }
        list.push_back(std::move(one));
    }
    return list;
}

}  // namespace causeway::auth
