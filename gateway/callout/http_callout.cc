#include "gateway/callout/http_callout.h"

#include <curl/curl.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <nlohmann/json.hpp>

#include "core/base/check.h"
#include "core/base/encoding.h"
#include "gateway/auth/crypto.h"
#include "gateway/auth/device.h"
#include "rules/sink/curl_multi.h"

namespace causeway::callout {
namespace {

using auth::CalloutAnswer;
using auth::CalloutQuestion;
using Json = nlohmann::json;

constexpr std::size_t kAnswerBytesMax = std::size_t{16} * 1024;

std::string random_key() {
    std::string key(32, '\0');
    CW_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(key.data()),
                        static_cast<int>(key.size())) == 1);
    return key;
}

std::string body_of(const CalloutQuestion& question) {
    const Json json{{"client_id", question.client_id},
                    {"user_name", question.user_name},
                    {"password", question.password},
                    {"host", question.host},
                    {"certificate_name", question.certificate_name}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Anything but a clear yes or no is none.
CalloutAnswer read_answer(const std::string& body) {
    CalloutAnswer answer;
    const Json json = Json::parse(body, nullptr, false);
    if (!json.is_object() || !json.contains("result") || !json["result"].is_string()) {
        return answer;
    }
    const auto& result = json["result"].get_ref<const std::string&>();
    if (result == "deny") {
        answer.result = CalloutAnswer::Result::kDeny;
    } else if (result == "allow" && json.contains("device") && json["device"].is_string() &&
               auth::parse_device_key(json["device"].get_ref<const std::string&>())) {
        answer.result = CalloutAnswer::Result::kAllow;
        answer.device_key = json["device"].get<std::string>();
    }
    return answer;
}

class HttpCallout final : public auth::Callout {
public:
    HttpCallout(io::Loop& loop, HttpCalloutOptions options)
        : loop_(loop),
          options_(std::move(options)),
          key_(random_key()),
          headers_(curl_slist_append(nullptr, "Content-Type: application/json")),
          multi_(loop, options_.requests_max,
                 [this](CURL* easy, CURLcode result) { ended(easy, result); }) {}

    ~HttpCallout() override {
        for (const auto& [easy, request] : requests_) {
            multi_.remove(easy);
            curl_easy_cleanup(easy);
        }
        curl_slist_free_all(headers_);
    }

    std::optional<CalloutAnswer> cached(const CalloutQuestion& question) override {
        const std::string key = key_of(question);
        for (Generation* const generation : {&young_, &old_}) {
            const auto found = generation->find(key);
            if (found != generation->end() && found->second.until > loop_.now_ms()) {
                return found->second.answer;
            }
        }
        return std::nullopt;
    }

    void ask(CalloutQuestion question, Answered answered) override {
        auto request = std::make_unique<Request>();
        request->key = key_of(question);
        request->body = body_of(question);
        request->answered = std::move(answered);
        CURL* easy = requests_.size() < options_.requests_max ? curl_easy_init() : nullptr;
        if (easy != nullptr) {
            prepare(easy, *request);
        }
        if (easy == nullptr || !multi_.add(easy)) {
            curl_easy_cleanup(easy);
            loop_.post([given = std::move(request->answered)]() mutable { given(CalloutAnswer{}); });
            return;
        }
        requests_[easy] = std::move(request);
    }

private:
    struct Request {
        std::string key;
        std::string body;
        std::string answer;
        Answered answered;
    };
    struct Kept {
        CalloutAnswer answer;
        MonoMs until = 0;
    };
    using Generation = absl::flat_hash_map<std::string, Kept>;

    // What was asked, without keeping a password.
    [[nodiscard]] std::string key_of(const CalloutQuestion& question) const {
        std::string all;
        ByteWriter writer(all);
        for (const std::string* field :
             {&question.client_id, &question.user_name, &question.password, &question.host,
              &question.certificate_name}) {
            writer.string(*field);
        }
        return auth::hmac(auth::Digest::kSha256, key_, all);
    }

    void prepare(CURL* easy, Request& request) {
        curl_easy_setopt(easy, CURLOPT_URL, options_.url.c_str());
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout_ms));
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &request);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &HttpCallout::on_body);
    }

    static std::size_t on_body(char* data, std::size_t, std::size_t size, void* request) {
        std::string& answer = static_cast<Request*>(request)->answer;
        if (answer.size() + size > kAnswerBytesMax) {
            return 0;  // which fails the transfer
        }
        answer.append(data, size);
        return size;
    }

    void ended(CURL* easy, CURLcode result) {
        const auto found = requests_.find(easy);
        CW_CHECK(found != requests_.end());
        const std::unique_ptr<Request> request = std::move(found->second);
        requests_.erase(found);
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_cleanup(easy);
        CalloutAnswer answer;
        if (result == CURLE_OK && status == 200) {
            answer = read_answer(request->answer);
        }
        if (answer.result != CalloutAnswer::Result::kUnavailable && options_.cache_s != 0) {
            keep(request->key, answer);
        }
        request->answered(answer);
    }

    void keep(const std::string& key, const CalloutAnswer& answer) {
        if (young_.size() >= options_.cached_max / 2) {
            old_ = std::exchange(young_, {});
        }
        young_[key] = Kept{answer, loop_.now_ms() + std::uint64_t{options_.cache_s} * 1000};
    }

    io::Loop& loop_;
    HttpCalloutOptions options_;
    std::string key_;
    curl_slist* headers_;
    // Two halves: when the younger is full, the older is forgotten and the younger takes its place.
    Generation young_;
    Generation old_;
    absl::flat_hash_map<CURL*, std::unique_ptr<Request>> requests_;
    rules::CurlMulti multi_;
};

}  // namespace

std::unique_ptr<auth::Callout> make_http_callout(io::Loop& loop, HttpCalloutOptions options) {
    return std::make_unique<HttpCallout>(loop, std::move(options));
}

}  // namespace causeway::callout
