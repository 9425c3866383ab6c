#include "gateway/causeway/auth_setup.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

#include "gateway/callout/http_callout.h"

namespace causeway::root {
namespace {

namespace fs = std::filesystem;

constexpr fs::perms kOthers = fs::perms::group_all | fs::perms::others_all;

}  // namespace

Result<std::shared_ptr<const auth::Settings>> AuthSetup::read() const {
    auto settings = std::make_shared<auth::Settings>();
    settings->hmac_age_max_s = config_.hmac_age_max_s;
    settings->jwt.issuer = config_.jwt_issuer;
    settings->jwt.audience = config_.jwt_audience;
    settings->jwt.claim = config_.jwt_claim;
    settings->jwt.leeway_s = config_.jwt_leeway_s;
    settings->jwt.lifetime_max_s = config_.jwt_lifetime_max_s;
    if (config_.jwks_file.empty()) {
        return settings;
    }
    std::ifstream in(config_.jwks_file, std::ios::binary);
    std::string text(auth::kJwksBytesMax + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (!in.is_open()) {
        return fail(config_.jwks_file + ": cannot be read");
    }
    auto jwks = auth::Jwks::parse(text);
    if (!jwks) {
        return fail(config_.jwks_file + ": " + jwks.error().message);
    }
    std::error_code error;
    const fs::perms mode = fs::status(config_.jwks_file, error).permissions();
    if ((*jwks)->holds_secrets() && (mode & kOthers) != fs::perms::none) {
        return fail(config_.jwks_file + ": holds keys that sign: make it readable for its owner "
                                        "only (chmod 600)");
    }
    settings->jwks = std::move(*jwks);
    return settings;
}

std::string AuthSetup::mark() const {
    struct stat file {};
    if (::stat(config_.jwks_file.c_str(), &file) != 0) {
        return "none";
    }
    // The change time moves where a tool keeps size and date as they were.
    return std::to_string(file.st_ino) + " " + std::to_string(file.st_size) + " " +
           std::to_string(file.st_mtim.tv_sec) + "." + std::to_string(file.st_mtim.tv_nsec) + " " +
           std::to_string(file.st_ctim.tv_sec) + "." + std::to_string(file.st_ctim.tv_nsec);
}

Result<> AuthSetup::open(const AuthConfig& config, registry::Directory& directory,
                         net::AuthOptions& out) {
    config_ = config;
    seen_ = config_.jwks_file.empty() ? "" : mark();
    auto settings = read();
    if (!settings) {
        return tl::unexpected(settings.error());
    }
    out.settings = std::move(*settings);
    const std::uint64_t window_ms = std::uint64_t{config.failure_window_s} * 1000;
    const std::uint64_t out_ms = std::uint64_t{config.failure_out_s} * 1000;
    out.address_failures = {config.address_failures_max, window_ms, out_ms};
    out.identity_failures = {config.identity_failures_max, window_ms, out_ms};
    out.flapping = {config.flapping_max, std::uint64_t{config.flapping_window_s} * 1000,
                    std::uint64_t{config.flapping_out_s} * 1000};
    out.slow_threads = config.password_threads;
    out.slow_queue_max = config.password_queue_max;
    out.make_registry = [&directory](io::Loop& loop, Submitter& submitter) {
        return directory.make(loop, *submitter.records());
    };
    if (config.http_url.empty()) {
        return {};
    }
    callout::HttpCalloutOptions http;
    http.url = config.http_url;
    http.timeout_ms = config.http_timeout_ms;
    http.cache_s = config.http_cache_s;
    http.requests_max = config.http_requests_max;
    out.make_callout = [http](io::Loop& loop) { return callout::make_http_callout(loop, http); };
    return {};
}

std::shared_ptr<const auth::Settings> AuthSetup::read_again() {
    if (config_.jwks_file.empty()) {
        return nullptr;
    }
    const std::string now = mark();
    if (now == seen_) {
        return nullptr;
    }
    auto settings = read();
    if (!settings) {
        // Tried again the next time: what failed may have been this process's, not the file's.
        if (settings.error().message != error_) {
            spdlog::error("{}; the keys before it stay", settings.error().message);
        }
        error_ = settings.error().message;
        return nullptr;
    }
    // As it was before it was read: a change in between shows up the next time.
    seen_ = now;
    error_.clear();
    spdlog::info("{}: read again", config_.jwks_file);
    return *settings;
}

void AuthSetup::refresh(net::Gateway& gateway) {
    if (auto settings = read_again()) {
        gateway.set_auth_settings(settings);
    }
}

}  // namespace causeway::root
