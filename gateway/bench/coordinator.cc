// The coordinator; see the header.
#include "gateway/bench/coordinator.h"

#include <signal.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "certs/context.h"
#include "core/io/precise_timer.h"
#include "gateway/bench/channel.h"
#include "gateway/bench/progress.h"
#include "gateway/bench/worker.h"

namespace causeway::bench {
namespace {

constexpr double kSecondNs = 1e9;
constexpr int kPollMs = 20;
// From kGo to the begin of the warm-up: every worker has read kGo by then.
constexpr std::uint64_t kGoAheadNs = 50'000'000;
// A process needs this many files beside its connections.
constexpr std::uint64_t kOwnFiles = 64;

volatile sig_atomic_t interrupted = 0;

// Counts SIGINT and SIGTERM as an interruption while it lives.
class InterruptGuard {
public:
    InterruptGuard() {
        interrupted = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { interrupted = 1; };
        sigaction(SIGINT, &action, &old_int_);
        sigaction(SIGTERM, &action, &old_term_);
    }
    ~InterruptGuard() {
        sigaction(SIGINT, &old_int_, nullptr);
        sigaction(SIGTERM, &old_term_, nullptr);
    }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

private:
    struct sigaction old_int_ {};
    struct sigaction old_term_ {};
};

Result<> raise_file_limit(const Plan& plan) {
    const std::uint64_t needed = plan.clients() / plan.run.processes + 1 + kOwnFiles;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed) {
        return {};
    }
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, needed);
    if (limit.rlim_cur < needed || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return fail("a process needs " + std::to_string(needed) + " open files and may have " +
                    std::to_string(limit.rlim_max) + ": raise \"ulimit -n\" or use --processes");
    }
    return {};
}

Result<std::shared_ptr<ssl_ctx_st>> make_tls(const ClientOptions& client) {
    if (!client.tls) {
        return std::shared_ptr<ssl_ctx_st>();
    }
    certs::ClientTlsConfig config;
    config.ca = client.ca;
    config.certificate = client.certificate;
    config.private_key = client.private_key;
    config.insecure = client.insecure;
    return certs::make_client_context(config);
}

struct Child {
    pid_t pid = -1;
    Channel channel;
    Counters counters;  // The latest.
    bool ready = false;
    bool done = false;  // Its outcome is here, or it is gone.
};

class Coordinator {
public:
    Coordinator(const Plan& plan, const OnStep& on_step)
        : plan_(plan), on_step_(on_step), progress_(plan, io::PreciseTimer::now_ns()) {}
    ~Coordinator() {
        for (Child& child : children_) {
            child.channel = Channel();  // Tells one that still runs to end.
            waitpid(child.pid, nullptr, 0);
        }
    }
    Coordinator(const Coordinator&) = delete;
    Coordinator& operator=(const Coordinator&) = delete;

    Result<> spawn(const std::shared_ptr<ssl_ctx_st>& tls);
    Measured run();

private:
    enum class Phase : std::uint8_t { kConnecting, kMeasuring, kDraining, kStopping };

    void poll_once();
    void take(Child& child);
    void lost(Child& child);
    void advance(std::uint64_t now_ns);
    void advance_steps(std::uint64_t now_ns);
    void go(std::uint64_t now_ns);
    void stop(std::uint64_t now_ns);
    void send_all(FrameKind kind, std::uint64_t value);
    [[nodiscard]] bool drained(std::uint64_t now_ns) const;
    template <typename Test>
    [[nodiscard]] bool all(Test test) const {
        return std::all_of(children_.begin(), children_.end(), test);
    }

    const Plan& plan_;
    const OnStep& on_step_;
    Progress progress_;
    std::uint32_t step_ = 0;
    std::uint64_t settled_at_ns_ = 0;  // The step's clients are all there; 0: not yet.
    std::vector<Child> children_;
    Phase phase_ = Phase::kConnecting;
    Measured measured_;
    Counters total_;
    std::uint64_t window_begin_ns_ = 0;
    std::uint64_t window_end_ns_ = 0;
};

Result<> Coordinator::spawn(const std::shared_ptr<ssl_ctx_st>& tls) {
    children_.reserve(plan_.run.processes);
    std::fflush(nullptr);  // Or a child would write again what is still buffered.
    for (std::uint32_t i = 0; i < plan_.run.processes; ++i) {
        auto ends = Channel::make_pair();
        if (!ends) {
            return tl::unexpected(ends.error());
        }
        const pid_t pid = fork();
        if (pid < 0) {
            return fail(std::string("cannot start a process: ") + std::strerror(errno));
        }
        if (pid == 0) {
            // The coordinator decides when to end: a terminal sends Ctrl-C to all of us.
            signal(SIGINT, SIG_IGN);
            signal(SIGTERM, SIG_IGN);
            ends->first = Channel();
            children_.clear();  // The other processes' ends, or they would not see us go.
            Worker(plan_, i, tls, std::move(ends->second)).run();
            _exit(0);
        }
        Child& child = children_.emplace_back();
        child.pid = pid;
        child.channel = std::move(ends->first);
    }
    return {};
}

Measured Coordinator::run() {
    while (!all([](const Child& child) { return child.done; })) {
        poll_once();
        total_ = Counters();
        for (const Child& child : children_) {
            total_ += child.counters;
        }
        const std::uint64_t now_ns = io::PreciseTimer::now_ns();
        advance(now_ns);
        progress_.show(total_, now_ns);
    }
    return std::move(measured_);
}

void Coordinator::poll_once() {
    std::vector<pollfd> fds;
    for (const Child& child : children_) {
        if (!child.done) {
            fds.push_back({child.channel.fd(), POLLIN, 0});
        }
    }
    poll(fds.data(), fds.size(), kPollMs);
    for (Child& child : children_) {
        if (!child.done) {
            take(child);
        }
    }
}

void Coordinator::take(Child& child) {
    while (auto frame = child.channel.receive()) {
        if (frame->kind == FrameKind::kResult) {
            child.done = measured_.outcome.merge_encoded(frame->bytes);
            child.ready = true;
        } else if (decode_counters(frame->bytes, child.counters)) {
            child.ready = child.ready || frame->kind == FrameKind::kReady;
        }
    }
    if (child.channel.closed() && !child.done) {
        lost(child);
    }
}

void Coordinator::lost(Child& child) {
    child.done = child.ready = true;
    child.counters.publishing = child.counters.in_flight = 0;
    measured_.outcome.counters.broken += std::max<std::uint64_t>(child.counters.open, 1);
    measured_.outcome.reasons.add("a process of the generator died");
}

void Coordinator::advance(std::uint64_t now_ns) {
    if (interrupted != 0 && phase_ != Phase::kStopping) {
        measured_.interrupted = true;
        stop(now_ns);
    }
    switch (phase_) {
        case Phase::kConnecting:
            if (plan_.steps > 0) {
                advance_steps(now_ns);
            } else if (all([](const Child& child) { return child.ready; })) {
                total_.open > 0 ? go(now_ns) : stop(now_ns);
            }
            break;
        case Phase::kMeasuring:
            if (plan_.subscribe.expected > 0 && total_.received >= plan_.subscribe.expected) {
                stop(now_ns);
            } else if (now_ns >= window_end_ns_) {
                phase_ = Phase::kDraining;
            }
            break;
        case Phase::kDraining:
            if (drained(now_ns)) {
                stop(now_ns);
            }
            break;
        case Phase::kStopping:
            break;
    }
}

void Coordinator::send_all(FrameKind kind, std::uint64_t value) {
    std::string bytes(sizeof(value), '\0');
    std::memcpy(bytes.data(), &value, sizeof(value));
    for (Child& child : children_) {
        child.channel.send(kind, bytes);
    }
}

void Coordinator::advance_steps(std::uint64_t now_ns) {
    const std::uint64_t wanted = std::uint64_t{plan_.clients()} * step_ / plan_.steps;
    if (total_.connected + total_.refused < wanted) {
        return;
    }
    if (settled_at_ns_ == 0) {
        settled_at_ns_ = now_ns + static_cast<std::uint64_t>(plan_.settle_s * kSecondNs);
        progress_.say("connected", total_.open);
    }
    if (now_ns < settled_at_ns_) {
        return;
    }
    settled_at_ns_ = 0;
    if (!on_step_(total_.open) || step_ == plan_.steps) {
        stop(now_ns);
        return;
    }
    send_all(FrameKind::kConnect, std::uint64_t{plan_.clients()} * ++step_ / plan_.steps);
}

void Coordinator::go(std::uint64_t now_ns) {
    progress_.say("connected", total_.open);
    const std::uint64_t start_ns = now_ns + kGoAheadNs;
    send_all(FrameKind::kGo, start_ns);
    window_begin_ns_ = start_ns + static_cast<std::uint64_t>(plan_.run.warmup_s * kSecondNs);
    window_end_ns_ =
        window_begin_ns_ + static_cast<std::uint64_t>(plan_.run.duration_s * kSecondNs);
    phase_ = Phase::kMeasuring;
}

bool Coordinator::drained(std::uint64_t now_ns) const {
    const bool all_here = total_.publishing == 0 && total_.in_flight == 0 &&
                          total_.received >= total_.expected &&
                          total_.received >= plan_.subscribe.expected;
    const auto limit_ns = static_cast<std::uint64_t>(plan_.run.drain_s * kSecondNs);
    return all_here || now_ns >= window_end_ns_ + limit_ns;
}

void Coordinator::stop(std::uint64_t now_ns) {
    phase_ = Phase::kStopping;
    if (window_begin_ns_ != 0 && now_ns > window_begin_ns_) {
        measured_.window_s =
            static_cast<double>(std::min(now_ns, window_end_ns_) - window_begin_ns_) / kSecondNs;
    }
    for (Child& child : children_) {
        child.channel.send(FrameKind::kStop, {});
    }
}

}  // namespace

Result<Measured> carry_out(const Plan& plan, const OnStep& step) {
    if (const auto raised = raise_file_limit(plan); !raised) {
        return tl::unexpected(raised.error());
    }
    const auto tls = make_tls(plan.client);
    if (!tls) {
        return tl::unexpected(tls.error());
    }
    const InterruptGuard guard;
    Coordinator coordinator(plan, step);
    if (const auto spawned = coordinator.spawn(*tls); !spawned) {
        return tl::unexpected(spawned.error());
    }
    return coordinator.run();
}

}  // namespace causeway::bench
