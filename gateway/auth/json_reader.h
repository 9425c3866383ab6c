// Reads the fields of one JSON object; the first fault is kept, with its path, and never holds a
// value. Internal to gateway/auth.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gateway/auth/device.h"
#include "gateway/auth/permission.h"

namespace causeway::auth {

class ObjectReader {
public:
    ObjectReader(const nlohmann::json& json, std::string path);

    void flag(const char* key, bool& out);
    void number(const char* key, std::uint64_t max, std::uint64_t& out);
    void number(const char* key, std::uint32_t& out);
    // Valid UTF-8 without control characters, at most `bytes_max`.
    void text(const char* key, std::size_t bytes_max, std::string& out);
    // Null: the key is not there.
    const nlohmann::json* take(const char* key);
    void require(const char* key);
    // An array of at most `count_max`; null: not there, or a fault.
    const nlohmann::json* array(const char* key, std::size_t count_max);
    void fault(const std::string& key, std::string_view what);
    void adopt(const std::string& inner);
    // The fault, also that of a key nobody asked for; empty: none.
    [[nodiscard]] std::string done();
    [[nodiscard]] std::string path(const std::string& key) const;

private:
    const nlohmann::json& json_;
    std::string path_;
    std::string fault_;
    std::set<std::string> known_;
};

// Each returns the fault, or an empty string.
using CredentialCheck = std::string_view (*)(std::string_view value);  // "" or what is wrong
std::string read_credentials(ObjectReader& reader, const char* key, CredentialCheck check,
                             std::vector<Credential>& out);
std::string read_permissions(const nlohmann::json& json, const std::string& path,
                             std::vector<Permission>& out);
std::string read_device_limits(ObjectReader& reader, DeviceLimits& out);
[[nodiscard]] std::string_view check_secret(std::string_view value);

nlohmann::json json_of(const std::vector<Credential>& credentials, bool shown);
nlohmann::json json_of(const std::vector<Permission>& permissions);

}  // namespace causeway::auth
