// HTTP/1.1 requests out of bytes, with limits; over Boost.Beast's parser, without I/O. Used by
// HttpServer and by whoever takes a WebSocket upgrade. Pure; one parser per connection and request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/io/http_message.h"

namespace causeway::io {

struct HttpLimits {
    std::uint32_t header_bytes_max = 16 * 1024;
    std::uint64_t body_bytes_max = std::uint64_t{1024} * 1024;
};

class HttpParser {
public:
    enum class Status : std::uint8_t {
        kNeedMore,
        kDone,   // request() holds it; bytes after it are left in the input.
        kError,  // error_status() says what to answer; the connection must be closed then.
    };

    explicit HttpParser(HttpLimits limits);
    ~HttpParser();
    HttpParser(HttpParser&&) noexcept;
    HttpParser& operator=(HttpParser&&) noexcept;

    // Effect: takes from the front of `input` what it understands. What is incomplete of a
    // header, a chunk's head or a trailer is left there (header_bytes_max, else 431); body bytes
    // are taken. After kDone or kError: no effect.
    Status parse(std::string& input);
    // The request. Precondition: parse() said kDone; once.
    HttpRequest take();
    // 400 (malformed), 413 (body too large), 431 (headers too large).
    [[nodiscard]] int error_status() const;
    // One line for the response and the log.
    [[nodiscard]] std::string error_text() const;
    // True once per request: the header is complete and the peer waits for «100 Continue» before it
    // sends the body.
    bool take_expects_continue();
    // Some bytes of a request have come.
    [[nodiscard]] bool started() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace causeway::io
