// libcurl's multi interface driven by a Loop: its sockets are polled and its one timer runs on the
// loop, nothing blocks (names are resolved on libcurl's own threads). Internal to rules/sink.
// Source: curl_multi_socket_action(3).
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/io/loop.h"
#include "core/io/timer.h"

namespace causeway::rules {

// Made, used and destroyed on the loop's thread (or while the loop does not run), before the loop;
// destroyed after its transfers were removed.
class CurlMulti {
public:
    // A transfer ended; it has been removed. Never from within add() or remove(). It may add and
    // remove others, and must not destroy the CurlMulti.
    using Ended = absl::AnyInvocable<void(CURL* easy, CURLcode result)>;
    CurlMulti(io::Loop& loop, std::size_t connections_max, Ended ended);
    ~CurlMulti();
    CurlMulti(const CurlMulti&) = delete;
    CurlMulti& operator=(const CurlMulti&) = delete;

    // Effect: the transfer begins with the loop's next turn. False: libcurl refused it.
    [[nodiscard]] bool add(CURL* easy);
    // Effect: cuts the transfer; it will not be reported.
    void remove(CURL* easy);

private:
    struct Poll;
    static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* poll);
    static int on_timeout(CURLM* multi, long delay_ms, void* self);
    void watch(Poll& poll, int what);
    void act(curl_socket_t socket, int events);
    void collect();

    io::Loop& loop_;
    io::Timer timer_;
    CURLM* multi_;
    Ended ended_;
    std::vector<std::pair<CURL*, CURLcode>> done_;  // not yet reported
};

}  // namespace causeway::rules
