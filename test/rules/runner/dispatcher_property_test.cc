// Dispatcher against a model of the outbox, driven by chance: deliveries arrive and end in any way,
// time passes, ends get lost in the log, configurations and leaders change. Whatever happens: the
// window holds, the order of a key holds, memory is bounded, and in the end everything owed has
// ended once.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "rules/runner/dispatcher.h"

namespace causeway::rules {
namespace {

struct Chaos {
    bool losses = false;  // ends are lost, the leader changes
    bool reconfigure = false;
    bool ordered = true;
};

class World {
public:
    World(std::uint64_t seed, Chaos chaos)
        : random_(seed), chaos_(chaos), dispatcher_(seed, limits()) {
        policy_ = random_policy();
        dispatcher_.configure(policy_, now_);
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            act();
        }
        finish();
    }

private:
    struct Item {
        std::string key;
        SetMs sent_at = 0;
        std::size_t size = 0;
        bool delivered = false;  // some attempt was answered so
        bool refused = false;
        int ends = 0;
        std::string reason;  // of the first end
    };

    static DispatchLimits limits() {
        DispatchLimits limits;
        limits.read_bytes = 300;
        limits.ahead_bytes = 1'000;
        limits.ahead_items = 30;
        limits.settled_soft = 8;
        limits.settled_hard = 16;
        return limits;
    }
    SinkPolicy random_policy() {
        SinkPolicy policy;
        policy.max_in_flight = static_cast<std::uint32_t>(1 + random_.below(8));
        policy.ordered_by_key = chaos_.ordered && (!chaos_.reconfigure || random_.chance(1, 2));
        policy.backoff_initial_ms = 1 + random_.below(500);
        policy.backoff_max_ms = policy.backoff_initial_ms + random_.below(3'000);
        policy.attempts_max = random_.chance(1, 2) ? 0 : 1 + random_.below(6);
        policy.age_max_ms = random_.chance(1, 2) ? 0 : 1'000 + random_.below(100'000);
        policy.dead_letter = "lost";
        policy.breaker.failures = static_cast<std::uint32_t>(random_.below(6));
        return policy;
    }
    SetMs set_now() const { return kSetStart + now_; }

    void step() {
        switch (random_.below(chaos_.losses ? 12 : chaos_.reconfigure ? 10 : 9)) {
            case 0:
            case 1:
                return add();
            case 2:
            case 3:
            case 4:
                return end_one(true);
            case 5:
                return answer_read();
            case 6:
            case 7:
                return apply_ends(chaos_.losses);
            case 8:
                now_ += random_.chance(1, 4) ? random_.below(5'000) : random_.below(50);
                return;
            case 9:
                return reconfigure();
            case 10:
                return lead(random_.chance(2, 3));
            default:
                return elsewhere();
        }
    }
    void add() {
        const std::uint64_t n = next_ += 1 + random_.below(2);
        Item item;
        item.key =
            random_.chance(1, 5) ? "" : std::string(1, static_cast<char>('a' + random_.below(4)));
        item.sent_at = set_now();
        item.size = 1 + random_.below(random_.chance(1, 20) ? 2'000 : 60);
        all_[n] = item;
        owed_.insert(n);
        dispatcher_.ready();
    }
    void end_one(bool may_fail) {
        if (in_flight_.empty()) {
            return;
        }
        auto at = in_flight_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_.below(in_flight_.size())));
        const std::uint64_t n = *at;
        in_flight_.erase(at);
        DeliveryOutcome outcome{OutcomeKind::kDelivered, 0, {}};
        if (may_fail && random_.chance(1, 2)) {
            outcome = {OutcomeKind::kRetry, random_.chance(1, 8) ? random_.below(2'000) : 0, "503"};
        } else if (may_fail && random_.chance(1, 8)) {
            outcome = {OutcomeKind::kPermanent, 0, "404"};
        }
        all_[n].delivered |= outcome.kind == OutcomeKind::kDelivered;
        all_[n].refused |= outcome.kind == OutcomeKind::kPermanent;
        dispatcher_.ended(n, outcome, now_);
    }
    // The snapshot is of the moment of the answer; what arrives after it is told by ready().
    void answer_read() {
        if (!read_) {
            return;
        }
        std::vector<OwedDelivery> answer;
        std::uint64_t bytes = 0;
        for (auto at = leading_ ? owed_.upper_bound(read_->after) : owed_.end();
             at != owed_.end() && (answer.empty() || bytes < read_->bytes_max); ++at) {
            const Item& item = all_[*at];
            answer.push_back({*at, item.sent_at, item.key, std::string(item.size, 'r')});
            bytes += item.size;
        }
        const ReadOutbox read = *read_;
        read_.reset();
        dispatcher_.taken(read.id, std::move(answer), set_now(), now_);
    }
    void apply_ends(bool may_lose) {
        while (!proposed_.empty() && random_.chance(3, 4)) {
            const EndDelivery end = proposed_.front();
            proposed_.pop_front();
            if (leading_ && !(may_lose && random_.chance(1, 5))) {
                owed_.erase(end.n);
            }
        }
    }
    void reconfigure() {
        const bool absent = random_.chance(1, 3);
        policy_ = absent ? std::nullopt : std::optional(random_policy());
        dispatcher_.configure(policy_, now_);
    }
    void lead(bool leading) {
        if (leading && !leading_) {
            proposed_.clear();
        }
        leading_ = leading;
        dispatcher_.lead(leading);
        if (leading) {
            dispatcher_.ready();
        }
    }
    // Another leader ends something, or the outbox evicts it.
    void elsewhere() {
        if (!owed_.empty()) {
            const std::uint64_t n = *owed_.begin();
            owed_.erase(n);
            taken_elsewhere_.insert(n);
        }
    }

    // Effect: does what the dispatcher says, and checks every promise.
    DispatchActions act() {
        DispatchActions actions = dispatcher_.poll(now_);
        for (const EndDelivery& end : actions.ended) {
            check_end(end);
            proposed_.push_back(end);
        }
        for (const StartDelivery& start : actions.started) {
            check_start(start);
            in_flight_.insert(start.n);
        }
        if (!actions.started.empty()) {
            EXPECT_LE(in_flight_.size(), policy_->max_in_flight);
        }
        if (actions.read) {
            EXPECT_TRUE(policy_ && leading_);
            read_ = actions.read;  // One that was given up may still be answered; it is not here.
        }
        if (actions.wake_at) {
            EXPECT_GT(*actions.wake_at, now_);
        }
        check_bounds();
        const DispatchActions again = dispatcher_.poll(now_);
        EXPECT_TRUE(again.ended.empty() && again.started.empty() && !again.read);
        EXPECT_EQ(again.wake_at, actions.wake_at);
        return actions;
    }
    void check_start(const StartDelivery& start) {
        const auto at = all_.find(start.n);
        ASSERT_NE(at, all_.end());
        EXPECT_TRUE(policy_ && leading_);
        EXPECT_FALSE(in_flight_.contains(start.n)) << "begun twice: " << start.n;
        EXPECT_EQ(start.request.size(), at->second.size);
        if (!chaos_.losses) {
            EXPECT_EQ(at->second.ends, 0) << "begun after its end: " << start.n;
        }
        if (!policy_->ordered_by_key || at->second.key.empty()) {
            return;
        }
        for (const std::uint64_t other : in_flight_) {
            EXPECT_NE(all_[other].key, at->second.key) << start.n << " beside " << other;
        }
        for (const std::uint64_t other : owed_) {
            if (other < start.n && all_[other].key == at->second.key) {
                EXPECT_GT(all_[other].ends, 0) << start.n << " before " << other;
            }
        }
    }
    void check_end(const EndDelivery& end) {
        Item& item = all_[end.n];
        if (++item.ends == 1) {
            item.reason = end.reason;
            ++ended_;
        }
        ++ends_;
        EXPECT_FALSE(in_flight_.contains(end.n));
        if (end.delivered) {
            EXPECT_TRUE(item.delivered) << "said to be delivered: " << end.n;
        } else {
            EXPECT_FALSE(end.reason.empty());
            EXPECT_EQ(end.dead_letter, "lost");
        }
        if (!chaos_.losses) {
            EXPECT_EQ(item.delivered, end.delivered) << end.n;
            EXPECT_EQ(item.reason, end.reason) << end.n;
        }
    }
    void check_bounds() {
        const DispatchCounters& c = dispatcher_.counters();
        EXPECT_EQ(c.sent, c.delivered + c.retried + c.refused + c.attempts_exceeded +
                              dispatcher_.in_flight());
        EXPECT_EQ(dispatcher_.in_flight(), in_flight_.size());
        if (!chaos_.losses) {
            // Only an end that the log is slow to apply is said again.
            EXPECT_EQ(ends_, ended_ + c.ends_repeated);
        }
        EXPECT_LE(dispatcher_.held(), 30U + 2 * 8U);
        EXPECT_LE(dispatcher_.settled(), 16U + 30U + 8U);
        EXPECT_LE(dispatcher_.held_bytes(), 1'000U + (2 * 8U + 1) * 2'001U);
    }

    // No more faults: everything must end, in bounded time, by itself.
    void finish() {
        if (!leading_) {
            lead(true);
        }
        dispatcher_.configure(policy_ = random_policy(), now_);
        DispatchActions last = act();
        for (int i = 0; i < 20'000 && !testing::Test::HasFailure(); ++i) {
            end_one(i % 4 == 0);
            answer_read();
            apply_ends(false);
            last = act();
            if (in_flight_.empty() && !read_ && proposed_.empty()) {
                if (owed_.empty() && dispatcher_.held() == 0 && dispatcher_.settled() == 0 &&
                    !last.wake_at) {
                    return check_all();
                }
                if (last.wake_at) {
                    now_ = *last.wake_at;
                } else {
                    ASSERT_TRUE(owed_.empty()) << "stuck: " << owed_.size() << " owed, asleep";
                }
            }
        }
        EXPECT_TRUE(owed_.empty()) << owed_.size() << " still owed, first " << *owed_.begin();
    }
    void check_all() {
        for (const auto& [n, item] : all_) {
            if (!taken_elsewhere_.contains(n)) {
                EXPECT_GE(item.ends, 1) << n;
            }
        }
    }

    static constexpr SetMs kSetStart = 1'700'000'000'000;

    Random random_;
    Chaos chaos_;
    Dispatcher dispatcher_;
    std::optional<SinkPolicy> policy_;
    bool leading_ = true;
    MonoMs now_ = 1;
    std::uint64_t next_ = 0;
    std::uint64_t ends_ = 0;   // said to the outbox
    std::uint64_t ended_ = 0;  // different ones
    std::map<std::uint64_t, Item> all_;
    std::set<std::uint64_t> owed_;  // what the outbox has
    std::set<std::uint64_t> taken_elsewhere_;
    std::set<std::uint64_t> in_flight_;
    std::deque<EndDelivery> proposed_;
    std::optional<ReadOutbox> read_;
};

void check(Chaos chaos, std::uint64_t seeds) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World(seed, chaos).run(500);
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

TEST(DispatcherProperty, EachEndsOnceInTheOrderOfItsKey) { check({false, false, true}, 40); }
TEST(DispatcherProperty, EachEndsOnceWithoutOrder) { check({false, false, false}, 25); }
TEST(DispatcherProperty, ReconfiguringLosesAndDoublesNothing) { check({false, true, true}, 40); }
TEST(DispatcherProperty, LostEndsAndLeadersLoseNothing) { check({true, true, true}, 40); }

}  // namespace
}  // namespace causeway::rules
