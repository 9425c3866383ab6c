#include "rules/sink/http_response.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace causeway::rules {
namespace {

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && blank(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && blank(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

bool all_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_retried(std::uint32_t status, const RetryClasses& classes) {
    return (status >= 500 && status <= 599) ||
           std::find(classes.statuses.begin(), classes.statuses.end(), status) !=
               classes.statuses.end();
}

}  // namespace

std::optional<std::uint64_t> parse_retry_after(std::string_view value, std::uint64_t now_s) {
    constexpr std::uint64_t kSecondsMax = 1'000'000'000;
    value = trimmed(value);
    if (all_digits(value)) {
        std::uint64_t seconds = 0;
        const auto parsed = std::from_chars(value.data(), value.data() + value.size(), seconds);
        return (parsed.ec == std::errc() ? std::min(seconds, kSecondsMax) : kSecondsMax) * 1000;
    }
    // curl_getdate takes more than HTTP dates; all of those begin with the name of a day.
    if (value.size() < 8 || value.size() > 40 || value.front() < 'A' || value.front() > 'Z') {
        return std::nullopt;
    }
    const std::time_t date = curl_getdate(std::string(value).c_str(), nullptr);
    if (date < 0) {
        return std::nullopt;
    }
    const auto at_s = static_cast<std::uint64_t>(date);
    return at_s > now_s ? std::min(at_s - now_s, kSecondsMax) * 1000 : 0;
}

DeliveryOutcome classify_status(std::uint32_t status, std::string_view retry_after,
                                const RetryClasses& classes, std::uint64_t now_s) {
    if (status >= 200 && status <= 299) {
        return {OutcomeKind::kDelivered, 0, {}};
    }
    std::string reason = "http " + std::to_string(status);
    if (!is_retried(status, classes)) {
        return {OutcomeKind::kPermanent, 0, std::move(reason)};
    }
    const std::uint64_t after = parse_retry_after(retry_after, now_s).value_or(0);
    return {OutcomeKind::kRetry, std::min(after, classes.after_max_ms), std::move(reason)};
}

DeliveryOutcome classify_transport(int code, std::string_view why) {
    const auto with = [&](OutcomeKind kind, std::string_view group) {
        return DeliveryOutcome{kind, 0, printable_reason(std::string(group) + std::string(why))};
    };
    switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
            return with(OutcomeKind::kRetry, "timeout: ");
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
            return with(OutcomeKind::kRetry, "connect: ");
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CIPHER:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
            return with(OutcomeKind::kRetry, "tls: ");
        case CURLE_URL_MALFORMAT:
            return with(OutcomeKind::kPermanent, "request: ");
        default:
            return with(OutcomeKind::kRetry, "transport: ");
    }
}

std::string printable_reason(std::string_view text) {
    std::string out(trimmed(text).substr(0, kReasonBytesMax));
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7E; }, '?');
    return out;
}

}  // namespace causeway::rules
