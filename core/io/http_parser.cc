// HTTP/1.1 requests out of bytes, over Boost.Beast's parser.
#include "core/io/http_parser.h"

// Beast (1.74) asserts that at least five bytes are there when it goes on with a last chunk,
// counting the end of a chunk before it; where there is none, four are right. Without the check it
// reads no byte that is not there.
#define BOOST_DISABLE_ASSERTS
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "core/base/check.h"

namespace causeway::io {
namespace {

namespace http = boost::beast::http;

std::string to_string(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpParser::State {
    std::size_t header_bytes_max = 0;
    http::request_parser<http::string_body> beast;
    boost::beast::error_code error;
    Status status = Status::kNeedMore;
    bool continue_told = false;
    bool started = false;
};

HttpParser::HttpParser(HttpLimits limits) : state_(std::make_unique<State>()) {
    state_->header_bytes_max = limits.header_bytes_max;
    state_->beast.header_limit(limits.header_bytes_max);
    state_->beast.body_limit(limits.body_bytes_max);
    state_->beast.eager(true);
}

HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;

HttpParser::Status HttpParser::parse(std::string& input) {
    State& state = *state_;
    std::size_t used = 0;
    // put() stops at each boundary inside a message; it is called until it takes nothing.
    while (state.status == Status::kNeedMore && used < input.size()) {
        state.started = true;
        boost::beast::error_code error;
        const std::size_t taken =
            state.beast.put(boost::asio::buffer(input.data() + used, input.size() - used), error);
        used += taken;
        if (error && error != http::error::need_more) {
            state.error = error;
            state.status = Status::kError;
        } else if (state.beast.is_done()) {
            state.status = Status::kDone;
        } else if (error == http::error::need_more || taken == 0) {
            break;
        }
    }
    input.erase(0, used);
    // Beast bounds the header, but not the head of a chunk and the fields behind the last one.
    if (state.status == Status::kNeedMore && input.size() > state.header_bytes_max) {
        state.error = http::error::header_limit;
        state.status = Status::kError;
    }
    return state.status;
}

HttpRequest HttpParser::take() {
    CW_CHECK(state_->status == Status::kDone);
    auto message = state_->beast.release();
    HttpRequest request;
    request.keep_alive = message.keep_alive();
    request.method = to_string(message.method_string());
    request.target = to_string(message.target());
    const std::size_t mark = request.target.find('?');
    request.path = request.target.substr(0, mark);
    if (mark != std::string::npos) {
        request.query = request.target.substr(mark + 1);
    }
    for (const auto& field : message) {
        request.headers.emplace_back(to_string(field.name_string()), to_string(field.value()));
    }
    request.body = std::move(message.body());
    return request;
}

int HttpParser::error_status() const {
    if (state_->error == http::error::body_limit) {
        return 413;
    }
    return state_->error == http::error::header_limit ? 431 : 400;
}

std::string HttpParser::error_text() const { return state_->error.message(); }

bool HttpParser::take_expects_continue() {
    State& state = *state_;
    if (state.continue_told || !state.beast.is_header_done() || state.beast.is_done()) {
        return false;
    }
    state.continue_told = true;
    const auto expect = state.beast.get()[http::field::expect];
    return equals_ignoring_case(std::string_view(expect.data(), expect.size()), "100-continue");
}

bool HttpParser::started() const { return state_->started; }

}  // namespace causeway::io
