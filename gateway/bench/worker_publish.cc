// A worker's publishing: closed loop, where an acknowledgement or room in the socket lets the next
// message go, and open loop, where the schedule does.
#include <algorithm>

#include "gateway/bench/worker.h"

namespace causeway::bench {
namespace {

constexpr double kSecondNs = 1e9;
// The shortest sleep of the open loop: what comes due within it goes out together.
constexpr std::uint64_t kNapNs = 50'000;

std::uint64_t to_ns(double seconds) { return static_cast<std::uint64_t>(seconds * kSecondNs); }

}  // namespace

void Worker::begin(std::uint64_t start_ns) {
    window_.begin_ns = start_ns + to_ns(plan_.run.warmup_s);
    window_.end_ns = window_.begin_ns + to_ns(plan_.run.duration_s);
    if (publishers_.empty()) {
        return;
    }
    if (plan_.publish.rate > 0) {
        // Each process takes its publishers' part, and its turn: the processes do not send in
        // chorus.
        const double rate = plan_.publish.rate * static_cast<double>(publishers_.size()) /
                            static_cast<double>(plan_.publishers);
        const std::uint64_t offset = to_ns(process_ / plan_.publish.rate);
        schedule_ =
            Schedule(start_ns + offset, rate, static_cast<std::uint32_t>(publishers_.size()));
    }
    due_timer_.start_at(start_ns);
}

void Worker::end_publishing() {
    due_timer_.stop();
    if (plan_.publish.rate > 0 && !publishers_.empty()) {
        // What was due before the end may still be sent: a healthy broker is not to look as if it
        // had kept the last messages of the plan from being sent.
        publishing_ = true;
        planned_ = schedule_.count_by(window_.end_ns - 1);
        const std::uint64_t now_ns = io::PreciseTimer::now_ns();
        bool behind = false;
        for (std::uint32_t i = 0; i < publishers_.size(); ++i) {
            pump_planned(i, now_ns);
            behind = behind || (publishers_[i].client().state() == Client::State::kOpen &&
                                publishers_[i].sent() < schedule_.count_of(i, planned_));
        }
        if (behind) {
            return;  // The next tick looks again.
        }
    }
    publishing_ = false;
    outcome_.counters.publishing = 0;
    for (Publisher& publisher : publishers_) {
        publisher.end();
    }
}

void Worker::publish_due() {
    const std::uint64_t now_ns = io::PreciseTimer::now_ns();
    if (outcome_.counters.publishing == 0) {
        return;
    }
    publishing_ = true;
    const auto count = static_cast<std::uint32_t>(publishers_.size());
    if (plan_.publish.rate == 0) {
        for (std::uint32_t i = 0; i < count; ++i) {
            pump_closed_loop(i, now_ns);
        }
        return;
    }
    const std::uint64_t before = planned_;
    planned_ = schedule_.count_by(std::min(now_ns, window_.end_ns - 1));
    const std::uint64_t turns = std::min<std::uint64_t>(planned_ - before, count);
    for (std::uint64_t k = before; k < before + turns; ++k) {
        pump_planned(static_cast<std::uint32_t>(k % count), now_ns);
    }
    const std::uint64_t next_ns = schedule_.due_ns(planned_);
    if (next_ns < window_.end_ns) {
        due_timer_.start_at(std::max(next_ns, now_ns + kNapNs));
    }
}

void Worker::on_room(Client& client) {
    if (client.place().role == Role::kPublisher) {
        pump(client.notes.of_role, io::PreciseTimer::now_ns());
    }
}

void Worker::pump(std::uint32_t publisher, std::uint64_t now_ns) {
    if (plan_.publish.rate > 0) {
        pump_planned(publisher, now_ns);
    } else {
        pump_closed_loop(publisher, now_ns);
    }
}

void Worker::pump_planned(std::uint32_t index, std::uint64_t now_ns) {
    Publisher& publisher = publishers_[index];
    if (!publishing_) {
        return;
    }
    const std::uint64_t planned = schedule_.count_of(index, planned_);
    while (publisher.sent() < planned && publisher.has_room()) {
        publisher.send(schedule_.due_ns_of(index, publisher.sent()), now_ns, window_);
    }
}

void Worker::pump_closed_loop(std::uint32_t index, std::uint64_t now_ns) {
    Publisher& publisher = publishers_[index];
    if (!publishing_ || now_ns >= window_.end_ns) {
        return;
    }
    while (publisher.has_room()) {
        publisher.send(now_ns, now_ns, window_);
    }
}

void Worker::count_unsent(std::uint64_t now_ns) {
    if (plan_.publish.rate == 0 || window_.end_ns == 0 || publishers_.empty()) {
        return;
    }
    // Also after an early stop: only what was due by then.
    const std::uint64_t planned = schedule_.count_by(std::min(now_ns, window_.end_ns - 1));
    for (std::uint32_t i = 0; i < publishers_.size(); ++i) {
        const std::uint64_t end = schedule_.count_of(i, planned);
        for (std::uint64_t j = publishers_[i].sent(); j < end; ++j) {
            const std::uint64_t due_ns = schedule_.due_ns_of(i, j);
            if (!window_.has(due_ns)) {
                continue;
            }
            ++outcome_.counters.unsent;
            if (plan_.publish.qos > 0) {
                outcome_.ack_ns.record(now_ns - due_ns);
            }
        }
    }
}

}  // namespace causeway::bench
