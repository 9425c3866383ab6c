#include "rules/runner/runner.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/base/hash.h"
#include "core/io/timer.h"

namespace causeway::rules {
namespace {

// A name that no rule set has comes from an outbox of the replicated state; this bounds what a
// mistake there costs here.
constexpr std::size_t kSinksMax = 10'000;

}  // namespace

struct Runner::Impl : std::enable_shared_from_this<Runner::Impl> {
    struct One {
        One(std::uint64_t seed, const DispatchLimits& limits) : dispatcher(seed, limits) {}
        Dispatcher dispatcher;
        std::shared_ptr<Sink> sink;                   // null: not configured
        std::vector<std::shared_ptr<Sink>> replaced;  // until what is in flight on them has ended
        bool marked = false;
        std::optional<MonoMs> wake_at;
    };
    using Sinks = std::map<std::string, One, std::less<>>;

    Impl(io::Loop& on, Outbox& from, MakeSink make, const RunnerOptions& with)
        : loop(on),
          outbox(from),
          make_sink(std::move(make)),
          options(with),
          timer(on, [this] { wake(); }),
          turn_end(on.at_turn_end([this] { step(); })) {}

    One* find_or_add(std::string_view name);
    void mark(Sinks::value_type& entry);
    void step();
    void step(const std::string& name, One& one);
    void start(const std::string& name, One& one, StartDelivery what);
    void read(const std::string& name, const ReadOutbox& what);
    void wake();
    void arm();
    void replace(One& one, std::shared_ptr<Sink> sink);

    io::Loop& loop;
    Outbox& outbox;
    MakeSink make_sink;
    RunnerOptions options;
    bool leading = true;
    Sinks sinks;  // Entries stay: callbacks find theirs by name.
    std::vector<Sinks::value_type*> marked;
    std::vector<Sinks::value_type*> stepping;
    io::Timer timer;
    std::optional<MonoMs> timer_at;
    io::TurnHook turn_end;
};

Runner::Impl::One* Runner::Impl::find_or_add(std::string_view name) {
    auto at = sinks.find(name);
    if (at == sinks.end()) {
        if (sinks.size() >= kSinksMax) {
            return nullptr;
        }
        at = sinks.try_emplace(std::string(name), hash64(name, options.seed), options.limits).first;
        at->second.dispatcher.lead(leading);
    }
    mark(*at);
    return &at->second;
}

void Runner::Impl::mark(Sinks::value_type& entry) {
    if (!std::exchange(entry.second.marked, true)) {
        marked.push_back(&entry);
        loop.again();
    }
}

void Runner::Impl::step() {
    if (marked.empty()) {
        return;
    }
    stepping.swap(marked);
    for (Sinks::value_type* entry : stepping) {
        entry->second.marked = false;
        step(entry->first, entry->second);
    }
    stepping.clear();
    arm();
}

void Runner::Impl::step(const std::string& name, One& one) {
    std::erase_if(one.replaced, [](const auto& sink) { return sink->in_flight() == 0; });
    DispatchActions actions = one.dispatcher.poll(loop.now_ms());
    for (const EndDelivery& end : actions.ended) {
        outbox.done(name, end.n, end.delivered, end.reason, end.dead_letter);
    }
    for (StartDelivery& begin : actions.started) {
        start(name, one, std::move(begin));
    }
    if (actions.read) {
        read(name, *actions.read);
    }
    one.wake_at = actions.wake_at;
}

void Runner::Impl::start(const std::string& name, One& one, StartDelivery what) {
    std::string id =
        std::to_string(options.set.value()) + "/" + name + "/" + std::to_string(what.n);
    one.sink->deliver({std::move(id), std::move(what.request)},
                      [self = weak_from_this(), name, n = what.n](const DeliveryOutcome& outcome) {
                          if (const auto impl = self.lock()) {
                              const auto at = impl->sinks.find(name);
                              at->second.dispatcher.ended(n, outcome, impl->loop.now_ms());
                              impl->mark(*at);
                          }
                      });
}

void Runner::Impl::read(const std::string& name, const ReadOutbox& what) {
    outbox.read(
        name, what.after, what.bytes_max,
        [self = weak_from_this(), name, id = what.id](std::vector<OwedDelivery> owed, SetMs now) {
            if (const auto impl = self.lock()) {
                const auto at = impl->sinks.find(name);
                at->second.dispatcher.taken(id, std::move(owed), now, impl->loop.now_ms());
                impl->mark(*at);
            }
        });
}

void Runner::Impl::wake() {
    timer_at.reset();
    const MonoMs now = loop.now_ms();
    for (auto& entry : sinks) {
        if (entry.second.wake_at && *entry.second.wake_at <= now) {
            mark(entry);
        }
    }
    if (marked.empty()) {
        arm();
    }
}

void Runner::Impl::arm() {
    std::optional<MonoMs> first;
    for (const auto& [name, one] : sinks) {
        if (one.wake_at && (!first || *one.wake_at < *first)) {
            first = one.wake_at;
        }
    }
    if (first == timer_at) {
        return;
    }
    timer_at = first;
    if (!first) {
        timer.stop();
        return;
    }
    const MonoMs now = loop.now_ms();
    timer.start(*first > now ? *first - now : 0);
}

void Runner::Impl::replace(One& one, std::shared_ptr<Sink> sink) {
    if (one.sink != nullptr) {
        one.replaced.push_back(std::move(one.sink));
    }
    one.sink = std::move(sink);
}

Runner::Runner(io::Loop& loop, Outbox& outbox, MakeSink make_sink, const RunnerOptions& options)
    : impl_(std::make_shared<Impl>(loop, outbox, std::move(make_sink), options)) {
    outbox.on_ready([self = std::weak_ptr(impl_)](std::string_view sink) {
        if (const auto impl = self.lock()) {
            if (Impl::One* one = impl->find_or_add(sink)) {
                one->dispatcher.ready();
            }
        }
    });
}

Runner::~Runner() {
    for (auto& [name, one] : impl_->sinks) {
        impl_->replace(one, nullptr);
        for (const auto& sink : one.replaced) {
            sink->close();
        }
    }
}

std::vector<SinkProblem> Runner::apply(std::span<const SinkConfig> sinks) {
    std::vector<SinkProblem> problems;
    const MonoMs now = impl_->loop.now_ms();
    for (const SinkConfig& config : sinks) {
        auto sink = impl_->make_sink(config);
        if (!sink) {
            problems.push_back({config.id, sink.error().message});
            continue;
        }
        if (Impl::One* one = impl_->find_or_add(config.id)) {
            impl_->replace(*one, std::move(*sink));
            one->dispatcher.configure(policy_of(config), now);
        } else {
            problems.push_back({config.id, "there are too many sinks"});
        }
    }
    for (auto& entry : impl_->sinks) {
        const bool named = std::any_of(sinks.begin(), sinks.end(), [&](const SinkConfig& config) {
            return config.id == entry.first;
        });
        if (!named && entry.second.dispatcher.configured()) {
            impl_->replace(entry.second, nullptr);
            entry.second.dispatcher.configure(std::nullopt, now);
            impl_->mark(entry);
        }
    }
    return problems;
}

void Runner::lead(bool leading) {
    impl_->leading = leading;
    for (auto& entry : impl_->sinks) {
        entry.second.dispatcher.lead(leading);
        impl_->mark(entry);
    }
}

std::vector<SinkStatus> Runner::status() const {
    std::vector<SinkStatus> all;
    for (const auto& [name, one] : impl_->sinks) {
        const Dispatcher& dispatcher = one.dispatcher;
        all.push_back({name, dispatcher.configured(), dispatcher.breaker(), dispatcher.in_flight(),
                       dispatcher.held() - dispatcher.in_flight(), dispatcher.held_bytes(),
                       dispatcher.counters()});
    }
    return all;
}

}  // namespace causeway::rules
