#include "gateway/causeway/http_client.h"

#include <curl/curl.h>

#include <iostream>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

namespace causeway::root {
namespace {

std::size_t collect(char* bytes, std::size_t size, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(bytes, size * count);
    return size * count;
}

}  // namespace

HttpAnswer request(const std::string& url, const std::optional<std::string>& body, bool put) {
    HttpAnswer answer;
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
    const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
        curl_slist_append(nullptr, "Content-Type: application/json"), curl_slist_free_all);
    constexpr long kTimeoutS = 60;
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kTimeoutS);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
    if (body) {
        curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
        curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
        curl_easy_setopt(curl.get(), CURLOPT_COPYPOSTFIELDS, body->c_str());
        if (put) {
            curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, "PUT");
        }
    }
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK) {
        answer.error =
            url + ": " + curl_easy_strerror(code) + "; is `causeway serve` running there?";
        return answer;
    }
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

Result<std::string> fetch(const std::string& url) {
    HttpAnswer answer = request(url, std::nullopt);
    if (!answer.error.empty()) {
        return fail(std::move(answer.error));
    }
    if (answer.status != 200) {
        return fail(url + ": HTTP " + std::to_string(answer.status));
    }
    return std::move(answer.body);
}

std::optional<std::string> good(const HttpAnswer& answer) {
    if (!answer.error.empty()) {
        std::cerr << answer.error << "\n";
        return std::nullopt;
    }
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    if (answer.status >= 300 || json.is_discarded()) {
        const bool told = json.is_object() && json.contains("error");
        std::cerr << "HTTP " << answer.status << ": "
                  << (told ? json["error"].get<std::string>() : answer.body) << "\n";
        return std::nullopt;
    }
    return answer.body;
}

}  // namespace causeway::root
