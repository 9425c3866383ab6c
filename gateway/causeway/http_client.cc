#include "gateway/causeway/http_client.h"

#include "gateway/causeway/api_json.h"

#include <curl/curl.h>
#include <sys/stat.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace causeway::root {
namespace {

// What the command line says of who asks; read by every request, written before the first.
struct Access {
    std::string token;  // or @FILE
    std::string ca;
    std::string certificate;
    std::string key;
};
Access& access() {
    static Access given;
    return given;
}

std::size_t collect(char* bytes, std::size_t size, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(bytes, size * count);
    return size * count;
}

// The token itself, or what went wrong with its file.
Result<std::string> token_text(const std::string& given) {
    if (!given.starts_with('@')) {
        return given;
    }
    const std::string path = given.substr(1);
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0) {
        return fail(path + ": the token's file cannot be read");
    }
    if ((file.st_mode & 077) != 0) {
        return fail(path + ": others may read this token: chmod 600 " + path);
    }
    std::ifstream in(path);
    std::string text;
    std::getline(in, text);
    if (text.empty()) {
        return fail(path + ": the token's file cannot be read, or is empty");
    }
    return text;
}

}  // namespace

void add_access_options(CLI::App& app) {
    app.add_option("--token", access().token,
                   "Token for the HTTP API, or @FILE with it (mode 600); better than here in the "
                   "environment, where ps does not show it")
        ->envname("CAUSEWAY_TOKEN");
    app.add_option("--api-ca", access().ca, "PEM file of the CA of the API's certificate")
        ->envname("CAUSEWAY_API_CA");
    app.add_option("--api-cert", access().certificate,
                   "PEM file of the operator's certificate to show the API")
        ->envname("CAUSEWAY_API_CERT");
    app.add_option("--api-key", access().key, "PEM file of its key [the .key beside the .crt]")
        ->envname("CAUSEWAY_API_KEY");
}

struct HttpClient::Handle {
    std::unique_ptr<CURL, void (*)(CURL*)> curl{curl_easy_init(), curl_easy_cleanup};
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers{nullptr, curl_slist_free_all};
    std::string fault;

    void add_header(const std::string& line) {
        headers.reset(curl_slist_append(headers.release(), line.c_str()));
    }
};

HttpClient::HttpClient() : handle_(std::make_unique<Handle>()) {
    CURL* curl = handle_->curl.get();
    constexpr long kTimeoutS = 60;
    handle_->add_header("Content-Type: application/json");
    // A large body is sent at once, without asking first.
    handle_->add_header("Expect:");
    const Access& given = access();
    if (!given.token.empty()) {
        const auto token = token_text(given.token);
        if (token) {
            handle_->add_header("Authorization: Bearer " + *token);
        } else {
            handle_->fault = token.error().message;
        }
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, handle_->headers.get());
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kTimeoutS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    if (!given.ca.empty()) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, given.ca.c_str());
    }
    if (!given.certificate.empty()) {
        std::string key = given.key;
        if (key.empty()) {
            key = given.certificate.substr(0, given.certificate.rfind('.')) + ".key";
        }
        curl_easy_setopt(curl, CURLOPT_SSLCERT, given.certificate.c_str());
        curl_easy_setopt(curl, CURLOPT_SSLKEY, key.c_str());
    }
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::request(const std::string& method, const std::string& url,
                               const std::optional<std::string>& body) {
    HttpAnswer answer;
    if (!handle_->fault.empty()) {
        answer.error = handle_->fault;
        return answer;
    }
    CURL* curl = handle_->curl.get();
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(body->size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());
    const CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        answer.error =
            url + ": " + curl_easy_strerror(code) + "; is `causeway serve` running there?";
        return answer;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

HttpAnswer send_request(const std::string& method, const std::string& url,
                   const std::optional<std::string>& body) {
    HttpClient client;
    return client.request(method, url, body);
}

HttpAnswer request(const std::string& url, const std::optional<std::string>& body, bool put) {
    return send_request(body ? (put ? "PUT" : "POST") : "GET", url, body);
}

std::string escape_url(const std::string& text) {
    const std::unique_ptr<char, void (*)(void*)> escaped(
        curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())), curl_free);
    return escaped ? std::string(escaped.get()) : std::string();
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
        if (answer.status == 401) {
            std::cerr << "Use --token, CAUSEWAY_TOKEN or --api-cert; on the hub's own machine "
                         "--token @DATA/api-token\n";
        }
        return std::nullopt;
    }
    return answer.body;
}

}  // namespace causeway::root
