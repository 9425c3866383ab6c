#include "cluster/node/gateway_link.h"

#include <chrono>
#include <thread>
#include <utility>

namespace causeway::node {
namespace {

constexpr std::uint64_t kTickMs = 20;

}  // namespace

GatewayLink::GatewayLink(io::Loop& loop, const StreamsOptions& options, SubmitterEvents& events,
                         Send send)
    : Streams(options, events, std::move(send), loop.now_ms()),
      loop_(loop),
      mailbox_(loop, [this](std::vector<ToLoop>& messages) { receive(messages); }),
      timer_(loop, [this] { on_tick(loop_.now_ms()); }) {
    timer_.start(kTickMs, kTickMs);
}

void GatewayLink::flush() {
    give_up_silent(loop_.now_ms());
    Streams::flush();
}

void GatewayLink::deliver_news(LocalNews news, const std::atomic<bool>& stopping) {
    constexpr auto kLookAgain = std::chrono::microseconds(100);
    while (undelivered_.load(std::memory_order_relaxed) > kUndelivered &&
           !stopping.load(std::memory_order_relaxed)) {
        std::this_thread::sleep_for(kLookAgain);
    }
    if (news.outputs) {
        undelivered_.fetch_add(news.outputs->deliveries.size(), std::memory_order_relaxed);
    }
    mailbox_.push(std::move(news));
}

void GatewayLink::receive(std::vector<ToLoop>& messages) {
    for (const ToLoop& message : messages) {
        const auto* news = std::get_if<LocalNews>(&message);
        if (news != nullptr && news->outputs) {
            undelivered_.fetch_sub(news->outputs->deliveries.size(), std::memory_order_relaxed);
        }
    }
    take(messages, loop_.now_ms());
}

}  // namespace causeway::node
