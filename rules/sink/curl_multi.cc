#include "rules/sink/curl_multi.h"

#include <uv.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/io/loop_state.h"

namespace causeway::rules {

// One socket of libcurl's. Freed in its close callback.
struct CurlMulti::Poll {
    uv_poll_t handle{};
    CurlMulti* owner = nullptr;
    curl_socket_t socket = CURL_SOCKET_BAD;

    static void on_event(uv_poll_t* handle, int status, int events) {
        const auto* poll = static_cast<Poll*>(handle->data);
        int what = status < 0 ? CURL_CSELECT_ERR : 0;
        what |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
        what |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
        poll->owner->act(poll->socket, what);
    }
    void close() {
        uv_poll_stop(&handle);
        uv_close(reinterpret_cast<uv_handle_t*>(&handle),
                 [](uv_handle_t* closed) { delete static_cast<Poll*>(closed->data); });
    }
};

CurlMulti::CurlMulti(io::Loop& loop, std::size_t connections_max, Ended ended)
    : loop_(loop),
      timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }),
      multi_(curl_multi_init()),
      ended_(std::move(ended)) {
    CW_CHECK(multi_ != nullptr);
    const long connections = static_cast<long>(std::clamp<std::size_t>(connections_max, 1, 10'000));
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timeout);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, long{CURLPIPE_MULTIPLEX});
}

CurlMulti::~CurlMulti() {
    curl_multi_cleanup(multi_);  // Closes the idle connections, through on_socket.
}

bool CurlMulti::add(CURL* easy) { return curl_multi_add_handle(multi_, easy) == CURLM_OK; }

void CurlMulti::remove(CURL* easy) {
    std::erase_if(done_, [easy](const auto& one) { return one.first == easy; });
    curl_multi_remove_handle(multi_, easy);
}

int CurlMulti::on_socket(CURL*, curl_socket_t socket, int what, void* self, void* poll_of) {
    auto& multi = *static_cast<CurlMulti*>(self);
    auto* poll = static_cast<Poll*>(poll_of);
    if (what == CURL_POLL_REMOVE) {
        if (poll != nullptr) {
            curl_multi_assign(multi.multi_, socket, nullptr);
            poll->close();
        }
        return 0;
    }
    if (poll == nullptr) {
        poll = new Poll;
        if (uv_poll_init_socket(&multi.loop_.state().uv, &poll->handle, socket) != 0) {
            delete poll;
            return -1;
        }
        poll->handle.data = poll;
        poll->owner = &multi;
        poll->socket = socket;
        curl_multi_assign(multi.multi_, socket, poll);
    }
    multi.watch(*poll, what);
    return 0;
}

void CurlMulti::watch(Poll& poll, int what) {
    const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                       ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    CW_CHECK(uv_poll_start(&poll.handle, events, &Poll::on_event) == 0);
}

int CurlMulti::on_timeout(CURLM*, long delay_ms, void* self) {
    auto& multi = *static_cast<CurlMulti*>(self);
    if (delay_ms < 0) {
        multi.timer_.stop();
    } else {
        multi.timer_.start(static_cast<std::uint64_t>(delay_ms));
    }
    return 0;
}

void CurlMulti::act(curl_socket_t socket, int events) {
    int running = 0;
    curl_multi_socket_action(multi_, socket, events, &running);
    collect();
    while (!done_.empty()) {
        const auto [easy, result] = done_.back();
        done_.pop_back();
        ended_(easy, result);
    }
}

void CurlMulti::collect() {
    int left = 0;
    const std::size_t first = done_.size();
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg == CURLMSG_DONE) {
            done_.emplace_back(message->easy_handle, message->data.result);
        }
    }
    for (std::size_t i = first; i < done_.size(); ++i) {
        curl_multi_remove_handle(multi_, done_[i].first);
    }
    std::reverse(done_.begin() + static_cast<std::ptrdiff_t>(first), done_.end());
}

}  // namespace causeway::rules
