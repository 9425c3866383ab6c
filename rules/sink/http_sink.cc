#include "rules/sink/http_sink.h"

#include <curl/curl.h>

#include <string_view>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "core/io/clock.h"
#include "core/io/timer.h"
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
    HttpCall call;
    std::vector<BatchItem> items;
    std::string made;  // the body, unless it is an item's own
    std::string_view body;
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
          multi(on, with.connections_max, [this](CURL* easy, CURLcode code) { ended(easy, code); }),
          batcher(with.batch),
          batch_timer(on, [this] { send_due(); }) {}
    ~Impl() {
        close();
        for (CURL* easy : idle) {
            curl_easy_cleanup(easy);
        }
    }

    void deliver(Delivery delivery, Completion completion);
    void close();
    void send(Batch batch);
    void send_due();
    Result<> make_body(Transfer& transfer) const;
    bool set_up(CURL* easy, Transfer& transfer) const;
    void set_body(CURL* easy, const Transfer& transfer, bool& good) const;
    void ended(CURL* easy, CURLcode code);
    void complete(Transfer& transfer, const DeliveryOutcome& outcome);
    void give_back(CURL* easy);
    void complete_later(Completion completion, DeliveryOutcome outcome);

    io::Loop& loop;
    HttpTarget target;
    HttpSinkOptions options;
    std::string signing_key;
    CurlMulti multi;
    Batcher batcher;
    io::Timer batch_timer;
    absl::flat_hash_map<CURL*, std::unique_ptr<Transfer>> transfers;
    std::vector<CURL*> idle;
    std::size_t sending = 0;         // deliveries in transfers
    std::size_t failed_at_once = 0;  // completions still posted
    std::shared_ptr<bool> open = std::make_shared<bool>(true);
};

void HttpSink::Impl::deliver(Delivery delivery, Completion completion) {
    const auto request = parse_http_request(delivery.request.view());
    Result<HttpCall> call = request ? target.call(*request) : fail("not a request");
    if (!call) {
        return complete_later(
            std::move(completion),
            {OutcomeKind::kPermanent, 0, printable_reason("request: " + call.error().message)});
    }
    // In the bytes that the delivery shares.
    BatchItem item{std::move(delivery), request->body, std::move(completion)};
    if (options.batch.items_max <= 1) {
        Batch one{std::move(*call), {}, 0, 0};
        one.items.push_back(std::move(item));
        return send(std::move(one));
    }
    for (Batch& batch : batcher.add(std::move(*call), std::move(item), loop.now_ms())) {
        send(std::move(batch));
    }
    send_due();
}

void HttpSink::Impl::send_due() {
    for (Batch& batch : batcher.due(loop.now_ms())) {
        send(std::move(batch));
    }
    if (const auto next = batcher.next()) {
        const MonoMs now = loop.now_ms();
        batch_timer.start(*next > now ? *next - now : 0);
    } else {
        batch_timer.stop();
    }
}

void HttpSink::Impl::send(Batch batch) {
    auto transfer = std::make_unique<Transfer>();
    transfer->call = std::move(batch.call);
    transfer->items = std::move(batch.items);
    const Result<> made = make_body(*transfer);
    CURL* easy = nullptr;
    if (made) {
        easy = idle.empty() ? curl_easy_init() : idle.back();
        if (!idle.empty()) {
            idle.pop_back();
        }
    }
    if (easy == nullptr || !set_up(easy, *transfer) || !multi.add(easy)) {
        give_back(easy);
        const std::string reason =
            made ? "transport: libcurl refused the request" : made.error().message;
        for (BatchItem& item : transfer->items) {
            complete_later(std::move(item.completion),
                           {OutcomeKind::kRetry, 0, printable_reason(reason)});
        }
        return;
    }
    sending += transfer->items.size();
    transfers.emplace(easy, std::move(transfer));
}

Result<> HttpSink::Impl::make_body(Transfer& transfer) const {
    transfer.body = transfer.items[0].body;
    if (options.batch.items_max > 1) {
        std::vector<std::string_view> bodies;
        for (const BatchItem& item : transfer.items) {
            bodies.push_back(item.body);
        }
        append_json_array(bodies, transfer.made);
        transfer.body = transfer.made;
    }
    if (transfer.call.method == "GET") {
        transfer.body = {};
    }
    if (options.gzip && !transfer.body.empty()) {
        auto packed = gzip(transfer.body);
        if (!packed) {
            return fail(packed.error().message);
        }
        transfer.made = std::move(*packed);
        transfer.body = transfer.made;
        transfer.call.headers.emplace_back("Content-Encoding", "gzip");
    }
    if (!options.signature.header.empty()) {
        auto value = signature(options.signature.digest, signing_key,
                               io::SystemClock().wall_ms() / 1000, transfer.body);
        if (!value) {
            return fail(value.error().message);
        }
        transfer.call.headers.emplace_back(options.signature.header, std::move(*value));
    }
    return {};
}

bool HttpSink::Impl::set_up(CURL* easy, Transfer& transfer) const {
    std::string ids;
    for (const BatchItem& item : transfer.items) {
        ids.append(ids.empty() ? "" : ",").append(item.delivery.id);
    }
    bool good = append(transfer.headers, header_line(kDeliveryHeader, ids)) &&
                append(transfer.headers, "Expect:");  // No waiting for «100 Continue».
    for (const auto& [name, value] : transfer.call.headers) {
        good = good && append(transfer.headers, header_line(name, value));
    }
    const auto set = [&](CURLoption option, auto value) {
        good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    set(CURLOPT_URL, transfer.call.url.c_str());
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
    if (!options.cert_file.empty()) {
        set(CURLOPT_SSLCERT, options.cert_file.c_str());
        set(CURLOPT_SSLKEY, options.key_file.c_str());
    }
    set(CURLOPT_USERAGENT, options.user_agent.c_str());
    set(CURLOPT_HTTPHEADER, transfer.headers.get());
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, &transfer);
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, &transfer);
    set(CURLOPT_ERRORBUFFER, transfer.error);
    set_body(easy, transfer, good);
    return good;
}

void HttpSink::Impl::set_body(CURL* easy, const Transfer& transfer, bool& good) const {
    const auto set = [&](CURLoption option, auto value) {
        good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    if (transfer.call.method == "GET") {
        return set(CURLOPT_HTTPGET, 1L);
    }
    const std::string_view body = transfer.body;
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
    set(CURLOPT_CUSTOMREQUEST, transfer.call.method.c_str());
}

void HttpSink::Impl::ended(CURL* easy, CURLcode code) {
    const auto at = transfers.find(easy);
    const std::unique_ptr<Transfer> transfer = std::move(at->second);
    transfers.erase(at);
    sending -= transfer->items.size();
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    give_back(easy);
    // With a final status the receiver has decided, however the rest of its answer went.
    const DeliveryOutcome outcome =
        status >= 200
            ? classify_status(static_cast<std::uint32_t>(status), transfer->retry_after,
                              options.retry, io::SystemClock().wall_ms() / 1000)
            : classify_transport(
                  code, transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    complete(*transfer, outcome);
}

void HttpSink::Impl::complete(Transfer& transfer, const DeliveryOutcome& outcome) {
    const std::weak_ptr<bool> still = open;
    const bool alone = outcome.kind == OutcomeKind::kPermanent && transfer.items.size() > 1;
    for (BatchItem& item : transfer.items) {
        if (still.expired()) {
            return;  // A completion closed the sink.
        }
        if (!alone) {
            item.completion(outcome);
            continue;
        }
        const auto request = parse_http_request(item.delivery.request.view());
        Result<HttpCall> call = request ? target.call(*request) : fail("not a request");
        if (call) {
            Batch one{std::move(*call), {}, 0, 0};
            one.items.push_back(std::move(item));
            send(std::move(one));
        } else {
            item.completion(outcome);
        }
    }
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
    sending = 0;
    batcher.clear();
    batch_timer.stop();
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
    auto impl = std::make_unique<Impl>(loop, std::move(*target), options);
    if (!options.signature.header.empty()) {
        auto key = resolve(options.signature.key);
        if (!key) {
            return fail("signature: " + key.error().message);
        }
        impl->signing_key = std::move(*key);
    }
    return std::unique_ptr<HttpSink>(new HttpSink(std::move(impl)));
}

void HttpSink::deliver(Delivery delivery, Completion completion) {
    impl_->deliver(std::move(delivery), std::move(completion));
}

std::size_t HttpSink::in_flight() const {
    return impl_->sending + impl_->batcher.waiting() + impl_->failed_at_once;
}

void HttpSink::close() { impl_->close(); }

}  // namespace causeway::rules
