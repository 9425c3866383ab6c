#include "gateway/auth/hmac_login.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "gateway/auth/device.h"

namespace causeway::auth {
namespace {

constexpr std::size_t kPartBytesMax = 512;
constexpr std::size_t kTencentProductBytes = 10;

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

// "hmacsha256" and its like; nullopt: another.
std::optional<Digest> digest_of(std::string_view name) {
    if (name == "hmacsha256") {
        return Digest::kSha256;
    }
    if (name == "hmacsha1") {
        return Digest::kSha1;
    }
    return name == "hmacmd5" ? std::optional(Digest::kMd5) : std::nullopt;
}

std::optional<HmacLogin> parse_tencent(std::string_view client_id, std::string_view user_name,
                                       std::string_view password) {
    std::array<std::string_view, 4> fields;
    std::string_view rest = user_name;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::size_t end = rest.find(';');
        if ((end == std::string_view::npos) != (i == fields.size() - 1)) {
            return std::nullopt;
        }
        fields[i] = rest.substr(0, end);
        rest.remove_prefix(std::min(fields[i].size() + 1, rest.size()));
    }
    // The first field is the client id; that of a second session of the device has a tail.
    const std::string_view first = fields[0];
    const std::size_t tail = first.find('/', std::min(first.find('/'), first.size() - 1) + 1);
    std::string key = device_key_of(first.substr(0, tail));
    const auto expiry = number(fields[3]);
    if (key.empty() || !expiry || *expiry == 0) {
        return std::nullopt;
    }
    HmacLogin login;
    login.device_key = std::move(key);
    login.client_id = client_id;
    login.other_client_id = client_id != first && device_key_of(client_id) != login.device_key;
    login.message = user_name;
    login.signed_until_s = *expiry;
    login.base64_secret = true;
    const std::size_t semicolon = password.find(';');
    if (semicolon == std::string_view::npos) {
        return login;
    }
    const auto digest = digest_of(password.substr(semicolon + 1));
    if (digest && *digest != Digest::kMd5) {
        login.digest = *digest;
        login.signature = from_hex(password.substr(0, semicolon)).value_or(std::string());
    }
    return login;
}

struct AliyunClient {
    std::string_view id;
    std::optional<Digest> digest;
    std::optional<std::string_view> timestamp;
};

std::optional<AliyunClient> parse_aliyun_client(std::string_view client_id) {
    const std::size_t bar = client_id.find('|');
    if (bar == std::string_view::npos || !client_id.ends_with('|') ||
        bar == client_id.size() - 1) {
        return std::nullopt;
    }
    AliyunClient client;
    client.id = client_id.substr(0, bar);
    std::string_view rest = client_id.substr(bar + 1, client_id.size() - bar - 2);
    while (!rest.empty()) {
        const std::string_view field = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(field.size() + 1, rest.size()));
        const std::size_t equals = field.find('=');
        const std::string_view name = field.substr(0, equals);
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view{} : field.substr(equals + 1);
        if (name == "signmethod") {
            client.digest = digest_of(value);
        } else if (name == "timestamp") {
            client.timestamp = value;
        }
    }
    return client;
}

std::optional<HmacLogin> parse_aliyun(std::string_view client_id, std::string_view user_name,
                                      std::string_view password) {
    const std::size_t ampersand = user_name.find('&');
    const auto client = parse_aliyun_client(client_id);
    if (ampersand == std::string_view::npos || !client) {
        return std::nullopt;
    }
    const std::string_view device = user_name.substr(0, ampersand);
    const std::string_view product = user_name.substr(ampersand + 1);
    HmacLogin login;
    login.device_key = std::string(product) + "/" + std::string(device);
    if (!parse_device_key(login.device_key)) {
        return std::nullopt;
    }
    // The client id changes with every CONNECT; the session is the device's.
    login.client_id = login.device_key;
    login.message.append("clientId").append(client->id);
    login.message.append("deviceName").append(device);
    login.message.append("productKey").append(product);
    if (client->timestamp) {
        login.message.append("timestamp").append(*client->timestamp);
        login.signed_at_ms = number(*client->timestamp).value_or(0);
    }
    if (client->digest) {
        login.digest = *client->digest;
        login.signature = from_hex(password).value_or(std::string());
    }
    return login;
}

}  // namespace

std::string device_key_of(std::string_view name) {
    if (name.find('/') != std::string_view::npos) {
        return parse_device_key(name) ? std::string(name) : std::string();
    }
    if (name.size() <= kTencentProductBytes) {
        return {};
    }
    std::string key(name.substr(0, kTencentProductBytes));
    key += '/';
    key += name.substr(kTencentProductBytes);
    return parse_device_key(key) ? key : std::string();
}

std::optional<HmacLogin> parse_hmac_login(std::string_view client_id, std::string_view user_name,
                                          std::string_view password) {
    if (client_id.size() > kPartBytesMax || user_name.size() > kPartBytesMax ||
        password.size() > kPartBytesMax) {
        return std::nullopt;
    }
    if (user_name.find(';') != std::string_view::npos) {
        return parse_tencent(client_id, user_name, password);
    }
    return parse_aliyun(client_id, user_name, password);
}

bool verify_hmac_login(const HmacLogin& login, std::string_view secret) {
    if (!login.base64_secret) {
        return equal_secrets(hmac(login.digest, secret, login.message), login.signature);
    }
    const auto key = from_base64(secret);
    return key && !key->empty() &&
           equal_secrets(hmac(login.digest, *key, login.message), login.signature);
}

bool hmac_login_in_time(const HmacLogin& login, std::uint64_t now_s, std::uint64_t age_max_s) {
    if (login.signed_until_s != 0) {
        return now_s < login.signed_until_s &&
               (age_max_s == 0 || login.signed_until_s - now_s <= age_max_s);
    }
    if (age_max_s == 0) {
        return true;
    }
    const std::uint64_t at_s = login.signed_at_ms / 1000;
    return at_s != 0 && at_s <= now_s + age_max_s && now_s <= at_s + age_max_s;
}

}  // namespace causeway::auth
