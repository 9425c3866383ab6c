#include "rules/sink/http_sink.h"

#include <curl/curl.h>

#include <string_view>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "core/io/clock.h"
#include "rules/sink/curl_multi.h"
#include "rules/sink/http_request.h"
#include "rules/sink/http_target.h"

namespace causeway::rules {
namespace {

constexpr std::string_view kDeliveryHeader = "Causeway-Delivery";
constexpr std::size_t kIdleHandlesMax = 64;

struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

// Everything that must live as long as libcurl works on one request.
struct Transfer {
    Delivery delivery;
    Sink::Completion completion;
    HeaderList headers;
    std::string retry_after;
    std::size_t body_bytes = 0;
    std::size_t head_bytes = 0;
    char error[CURL_ERROR_SIZE] = {};
};

bool append(HeaderList& list, const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) {
        return false;
    }
    static_cast<void>(list.release());
    list.reset(longer);
    return true;
}

// "Name;" is how libcurl is told of a header without a value.
std::string header_line(std::string_view name, std::string_view value) {
    std::string line(name);
    return value.empty() ? line + ";" : line.append(": ").append(value);
}

std::size_t on_body(char*, std::size_t, std::size_t bytes, void* transfer_of) {
    auto& transfer = *static_cast<Transfer*>(transfer_of);
    transfer.body_bytes += bytes;
    return transfer.body_bytes <= kResponseBytesMax ? bytes : 0;  // 0: cuts the transfer
}

std::size_t on_header(char* data, std::size_t, std::size_t bytes, void* transfer_of) {
    constexpr std::string_view kName = "retry-after:";
    auto& transfer = *static_cast<Transfer*>(transfer_of);
    transfer.head_bytes += bytes;
    if (transfer.head_bytes > kResponseBytesMax) {
        return 0;
    }
    const std::string_view line(data, bytes);
    if (line.starts_with("HTTP/")) {
        transfer.retry_after.clear();  // That of an interim answer does not count.
    } else if (begins_no_case(line, kName)) {
        transfer.retry_after = line.substr(kName.size());
    }
    return bytes;
}

}  // namespace

struct HttpSink::Impl {
    Impl(io::Loop& on, HttpTarget to, const HttpSinkOptions& with)
        : loop(on),
          target(std::move(to)),
          options(with),
          multi(on, with.connections_max,
                [this](CURL* easy, CURLcode code) { ended(easy, code); }) {}
    ~Impl() {
        close();
        for (CURL* easy : idle) {
            curl_easy_cleanup(easy);
        }
    }

    void deliver(Delivery delivery, Completion completion);
    void close();
    bool set_up(CURL* easy, const HttpCall& call, std::string_view body, Transfer& transfer) const;
    void ended(CURL* easy, CURLcode code);
    void give_back(CURL* easy);
    void complete_later(Completion completion, DeliveryOutcome outcome);

    io::Loop& loop;
    HttpTarget target;
    HttpSinkOptions options;
    CurlMulti multi;
    absl::flat_hash_map<CURL*, std::unique_ptr<Transfer>> transfers;
    std::vector<CURL*> idle;
    std::size_t failed_at_once = 0;  // completions still posted
    std::shared_ptr<bool> open = std::make_shared<bool>(true);
};

void HttpSink::Impl::deliver(Delivery delivery, Completion completion) {
    const auto request = parse_http_request(delivery.request.view());
    const Result<HttpCall> call = request ? target.call(*request) : fail("not a request");
    if (!call) {
        complete_later(
            std::move(completion),
            {OutcomeKind::kPermanent, 0, printable_reason("request: " + call.error().message)});
        return;
    }
    auto transfer = std::make_unique<Transfer>();
    const std::string_view body = request->body;  // In the bytes that the transfer now shares.
    transfer->delivery = std::move(delivery);
    CURL* easy = idle.empty() ? curl_easy_init() : idle.back();
    if (!idle.empty()) {
        idle.pop_back();
    }
    if (easy == nullptr || !set_up(easy, *call, body, *transfer) || !multi.add(easy)) {
        give_back(easy);
        complete_later(std::move(completion),
                       {OutcomeKind::kRetry, 0, "transport: libcurl refused the request"});
        return;
    }
    transfer->completion = std::move(completion);
    transfers.emplace(easy, std::move(transfer));
}

bool HttpSink::Impl::set_up(CURL* easy, const HttpCall& call, std::string_view body,
                            Transfer& transfer) const {
    bool good = append(transfer.headers, header_line(kDeliveryHeader, transfer.delivery.id)) &&
                append(transfer.headers, "Expect:");  // No waiting for «100 Continue».
    for (const auto& [name, value] : call.headers) {
        good = good && append(transfer.headers, header_line(name, value));
    }
    const auto set = [&](CURLoption option, auto value) {
        good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    set(CURLOPT_URL, call.url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, "");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L);  // A cut attempt does not wait for the resolver's thread.
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout_ms));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.timeout_ms));
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    set(CURLOPT_SSL_VERIFYPEER, options.verify_tls ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, options.verify_tls ? 2L : 0L);
    if (!options.ca_file.empty()) {
        set(CURLOPT_CAINFO, options.ca_file.c_str());
        set(CURLOPT_CAPATH, nullptr);
    }
    set(CURLOPT_USERAGENT, options.user_agent.c_str());
    set(CURLOPT_HTTPHEADER, transfer.headers.get());
    if (call.method == "GET") {
        set(CURLOPT_HTTPGET, 1L);
    } else {
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
        set(CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
        set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, &transfer);
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, &transfer);
    set(CURLOPT_ERRORBUFFER, transfer.error);
    return good;
}

void HttpSink::Impl::ended(CURL* easy, CURLcode code) {
    const auto at = transfers.find(easy);
    const std::unique_ptr<Transfer> transfer = std::move(at->second);
    transfers.erase(at);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    give_back(easy);
    // With a final status the receiver has decided, however the rest of its answer went.
    DeliveryOutcome outcome =
        status >= 200
            ? classify_status(static_cast<std::uint32_t>(status), transfer->retry_after,
                              options.retry, io::SystemClock().wall_ms() / 1000)
            : classify_transport(
                  code, transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    transfer->completion(std::move(outcome));
}

void HttpSink::Impl::give_back(CURL* easy) {
    if (easy == nullptr) {
        return;
    }
    if (idle.size() < kIdleHandlesMax) {
        curl_easy_reset(easy);
        idle.push_back(easy);
    } else {
        curl_easy_cleanup(easy);
    }
}

void HttpSink::Impl::complete_later(Completion completion, DeliveryOutcome outcome) {
    ++failed_at_once;
    loop.post([this, still = std::weak_ptr(open), done = std::move(completion),
               with = std::move(outcome)]() mutable {
        if (!still.expired()) {
            --failed_at_once;
            done(std::move(with));
        }
    });
}

void HttpSink::Impl::close() {
    open.reset();
    failed_at_once = 0;
    for (auto& [easy, transfer] : transfers) {
        multi.remove(easy);
        curl_easy_cleanup(easy);
    }
    transfers.clear();
}

HttpSink::HttpSink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpSink::~HttpSink() = default;

Result<std::unique_ptr<HttpSink>> HttpSink::make(io::Loop& loop, const HttpSinkOptions& options) {
    static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!ready) {
        return fail("libcurl cannot be initialised");
    }
    Result<HttpTarget> target = HttpTarget::make(options);
    if (!target) {
        return fail(target.error().message);
    }
    return std::unique_ptr<HttpSink>(
        new HttpSink(std::make_unique<Impl>(loop, std::move(*target), options)));
}

void HttpSink::deliver(Delivery delivery, Completion completion) {
    impl_->deliver(std::move(delivery), std::move(completion));
}

std::size_t HttpSink::in_flight() const { return impl_->transfers.size() + impl_->failed_at_once; }

void HttpSink::close() { impl_->close(); }

}  // namespace causeway::rules
