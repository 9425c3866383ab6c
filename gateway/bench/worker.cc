// A worker's life: connecting its clients, listening to the coordinator, and the end.
#include "gateway/bench/worker.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "gateway/bench/stamp.h"

namespace causeway::bench {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kTickMs = 10;
constexpr std::uint32_t kTicksPerProgress = 5;
// Connections under way at once, in all processes: fewer than the 100 that mosquitto lets wait, for
// a SYN beyond that is dropped and comes again a second later. A rate asked for is kept all the
// same.
constexpr std::uint32_t kConnectingMax = 64;
constexpr std::uint32_t kConnectingAtRateMax = 4096;

std::uint64_t cpu_ns() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto ns = [](const timeval& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * kSecondNs +
               static_cast<std::uint64_t>(time.tv_usec) * 1000;
    };
    return ns(usage.ru_utime) + ns(usage.ru_stime);
}

std::uint64_t to_ms(double seconds) { return static_cast<std::uint64_t>(seconds * 1000); }

}  // namespace

Worker::Worker(const Plan& plan, std::uint32_t process, std::shared_ptr<ssl_ctx_st> tls,
               Channel channel)
    : plan_(plan),
      process_(process),
      channel_(std::move(channel)),
      setup_{&plan, std::move(tls)},
      timers_(loop_, {.resolution_ms = 50, .buckets = 2048},
              [this](std::uint64_t client) { timer_fired(client); }),
      tick_timer_(loop_, [this] { tick(); }),
      due_timer_(loop_, [this] { publish_due(); }),
      turn_hook_(loop_.at_turn_end([this] { turn_end(); })) {
    const std::size_t filler = plan.publish.payload_bytes - (plan.stamped() ? kStampBytes : 0);
    filler_ = SharedBytes::take(plan.publish.text.empty()
                                    ? std::string(plan.publishers > 0 ? filler : 0, 'x')
                                    : std::string(plan.publish.text));
    make_clients();
    connect_limit_ = plan.steps > 0 ? 0 : connect_limit_;
    random_ += process;
}

void Worker::make_clients() {
    for (std::uint32_t i = process_; i < plan_.clients(); i += plan_.run.processes) {
        Client& client = clients_.emplace_back(setup_, *this, place_of(plan_, i));
        client.notes.client = static_cast<std::uint32_t>(clients_.size() - 1);
        if (client.place().role == Role::kPublisher) {
            client.notes.of_role = static_cast<std::uint32_t>(publishers_.size());
            publishers_.emplace_back(plan_, client, filler_, outcome_);
        } else if (client.place().role == Role::kSubscriber) {
            client.notes.of_role = static_cast<std::uint32_t>(subscribers_.size());
            subscribers_.emplace_back(plan_, client, outcome_);
        }
    }
}

void Worker::run() {
    outcome_.counters.publishing = 1;
    connect_begin_ns_ = io::PreciseTimer::now_ns();
    tick_timer_.start(0, kTickMs);
    while (!stopped_) {
        loop_.turn();
    }
    finish();
}

void Worker::turn_end() {
    if (next_to_connect_ < clients_.size()) {
        connect_more();
    }
}

void Worker::connect_more() {
    const std::uint64_t now_ns = io::PreciseTimer::now_ns();
    std::uint64_t allowed = std::min<std::uint64_t>(clients_.size(), connect_limit_);
    if (plan_.run.connect_rate > 0) {
        const double rate = plan_.run.connect_rate / plan_.run.processes;
        const double passed_s = static_cast<double>(now_ns - connect_begin_ns_) / kSecondNs;
        allowed = std::min<std::uint64_t>(allowed, static_cast<std::uint64_t>(passed_s * rate) + 1);
    }
    const std::uint32_t connecting_max = plan_.run.at_once ? kConnectionsMax
                                         : plan_.run.connect_rate > 0
                                             ? kConnectingAtRateMax
                                             : std::max(kConnectingMax / plan_.run.processes, 1U);
    while (next_to_connect_ < allowed && connecting_ < connecting_max) {
        Client& client = clients_[next_to_connect_++];
        ++connecting_;
        outcome_.first_connect_ns = std::min(outcome_.first_connect_ns, now_ns);
        // At once: from when it would have begun, had they not taken turns here.
        client.notes.first_connect_ns = plan_.run.at_once ? connect_begin_ns_ : now_ns;
        connect(client);
    }
}

void Worker::connect(Client& client) {
    ++client.notes.tries;
    client.notes.timer = timers_.arm_after(to_ms(plan_.run.connect_timeout_s), client.notes.client);
    const std::uint64_t global =
        std::uint64_t{client.notes.client} * plan_.run.processes + process_;
    client.connect(loop_, plan_.sources.of(static_cast<std::uint32_t>(global)));
}

bool Worker::try_again(Client& client) {
    if (client.notes.tries > plan_.run.retries) {
        return false;
    }
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t said_ms = std::uint64_t{client.retry_after_s()} * 1000;
    const std::uint64_t wait_ms = said_ms + (said_ms == 0 ? 500 : 0) + (random_ >> 33) % 2000;
    client.notes.timer = timers_.arm_after(wait_ms, client.notes.client);
    return true;
}

void Worker::on_connack(Client& client, const mqtt::Connack& connack, std::uint64_t now_ns) {
    outcome_.connect_ns.record(now_ns - client.notes.first_connect_ns);
    outcome_.last_connack_ns = std::max(outcome_.last_connack_ns, now_ns);
    if (client.place().role == Role::kSubscriber) {
        subscribers_[client.notes.of_role].subscribe();
        return;
    }
    std::string_view why;
    if (client.place().role == Role::kPublisher &&
        !publishers_[client.notes.of_role].accept(connack, why)) {
        client.fail(why);
        return;
    }
    ready(client, now_ns);
}

void Worker::ready(Client& client, std::uint64_t now_ns) {
    client.notes.ready = true;
    ++outcome_.counters.connected;
    ++outcome_.counters.open;
    timers_.cancel(client.notes.timer);
    if (plan_.client.keep_alive_s > 0) {
        client.notes.timer =
            timers_.arm_after(plan_.client.keep_alive_s * 750ULL, client.notes.client);
    }
    settled();
    if (publishing_ && client.place().role == Role::kPublisher) {
        pump(client.notes.of_role, now_ns);
    }
}

void Worker::settled() {
    --connecting_;
    if (++settled_ == clients_.size()) {
        channel_.send(FrameKind::kReady, encode_counters(outcome_.counters));
    }
}

void Worker::on_packet(Client& client, const mqtt::Packet& packet, std::uint64_t now_ns) {
    if (client.place().role == Role::kPublisher) {
        if (!publishers_[client.notes.of_role].on_ack(packet, now_ns, window_)) {
            client.fail("the broker acknowledged what was not sent");
        } else {
            pump(client.notes.of_role, now_ns);
        }
        return;
    }
    if (client.place().role != Role::kSubscriber) {
        return;  // What a persistent session still owes.
    }
    Subscriber& subscriber = subscribers_[client.notes.of_role];
    if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
        subscriber.on_publish(*publish, now_ns, window_);
    } else if (const auto* pubrel = std::get_if<mqtt::Pubrel>(&packet)) {
        subscriber.on_pubrel(*pubrel);
    } else if (const auto* suback = std::get_if<mqtt::Suback>(&packet);
               suback != nullptr && !client.notes.ready) {
        std::string_view why;
        if (subscriber.accept(*suback, why)) {
            ready(client, now_ns);
        } else {
            client.fail(why);
        }
    }
}

void Worker::on_gone(Client& client, std::string_view why) {
    timers_.cancel(client.notes.timer);
    outcome_.reasons.add(why);
    if (!client.notes.ready) {
        if (try_again(client)) {
            return;
        }
        ++outcome_.counters.refused;
        settled();
        return;
    }
    ++outcome_.counters.broken;
    --outcome_.counters.open;
    if (client.place().role == Role::kPublisher) {
        publishers_[client.notes.of_role].give_up(io::PreciseTimer::now_ns(), window_);
    }
}

void Worker::timer_fired(std::uint64_t index) {
    Client& client = clients_[index];
    if (client.state() == Client::State::kGone) {
        connect(client);
        return;
    }
    if (!client.notes.ready) {
        client.fail("no CONNACK in time");
        return;
    }
    client.notes.timer = timers_.arm_after(plan_.client.keep_alive_s * 750ULL, client.notes.client);
    const bool publisher = client.place().role == Role::kPublisher;
    if (publisher && publishing_ && plan_.publish.qos == 0 && plan_.publish.rate == 0) {
        return;  // Its batches keep it alive.
    }
    if (client.pings_pending() > 0) {
        client.fail("no PINGRESP");
    } else {
        client.ping(publisher ? publishers_[client.notes.of_role].sent() : 0);
    }
}

void Worker::on_pingresp(Client& client, std::uint64_t mark, std::uint64_t now_ns) {
    if (client.place().role == Role::kPublisher) {
        publishers_[client.notes.of_role].on_pingresp(mark, now_ns, window_);
        pump(client.notes.of_role, now_ns);
    }
}

void Worker::tick() {
    take_commands();
    if (window_.end_ns != 0 && outcome_.counters.publishing != 0 &&
        io::PreciseTimer::now_ns() >= window_.end_ns) {
        end_publishing();
    }
    if (++ticks_ % kTicksPerProgress == 0) {
        channel_.send(FrameKind::kProgress, encode_counters(outcome_.counters));
    }
}

void Worker::take_commands() {
    while (const auto frame = channel_.receive()) {
        if (frame->kind == FrameKind::kGo && frame->bytes.size() == sizeof(std::uint64_t)) {
            std::uint64_t start_ns = 0;
            std::memcpy(&start_ns, frame->bytes.data(), sizeof(start_ns));
            begin(start_ns);
        } else if (frame->kind == FrameKind::kConnect &&
                   frame->bytes.size() == sizeof(std::uint64_t)) {
            std::uint64_t of_all = 0;
            std::memcpy(&of_all, frame->bytes.data(), sizeof(of_all));
            const std::uint64_t processes = plan_.run.processes;
            connect_limit_ = (of_all + processes - 1 - process_) / processes;
        } else if (frame->kind == FrameKind::kStop) {
            stopped_ = true;
        }
    }
    stopped_ = stopped_ || channel_.closed();
}

void Worker::finish() {
    const std::uint64_t now_ns = io::PreciseTimer::now_ns();
    publishing_ = false;
    outcome_.counters.publishing = 0;
    count_unsent(now_ns);
    for (Publisher& publisher : publishers_) {
        publisher.give_up(now_ns, window_);
    }
    for (Subscriber& subscriber : subscribers_) {
        subscriber.count_gaps();
    }
    for (Client& client : clients_) {
        client.disconnect();
    }
    for (std::size_t flushed = 0; flushed <= clients_.size(); flushed += io::kFlushesPerTurn) {
        loop_.again();
        loop_.turn();  // Its end flushes the DISCONNECTs.
    }
    outcome_.cpu_ns = cpu_ns();
    std::string bytes;
    outcome_.encode(bytes);
    channel_.send(FrameKind::kResult, bytes);
}

}  // namespace causeway::bench
