// The clients of one gateway loop that consume operator queues (`$queue/NAME`): leases messages for
// each in every set, one question at a time, as many as the client has room for, and removes what
// was acknowledged.
//
// A queue with nothing to receive is not asked again before somebody says that it has (wake), a
// leased or delayed message of it is due, or half a minute has passed. Then some of its consumers
// ask, in turn, and one more whenever one got all it asked for: a question is an entry of the log,
// and thousands may consume one queue.
//
// No clock or socket of its own; the loop's thread only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include "core/base/time.h"
#include "core/message/output.h"
#include "gateway/session/types.h"

namespace causeway::net {

class QueueConsumers {
public:
    class Host {
    public:
        virtual ~Host() = default;
        [[nodiscard]] virtual const std::vector<GroupId>& sets() const = 0;
        // The set can be reached, and takes another command.
        [[nodiscard]] virtual bool may_ask(GroupId set) const = 0;
        // `token` comes back with the result; 0: nobody waits for it.
        virtual void ask(GroupId set, std::string_view command, std::uint64_t token) = 0;
        // So many messages the client can be sent now.
        [[nodiscard]] virtual std::uint32_t room(std::uint64_t nonce) = 0;
        virtual void deliver(std::uint64_t nonce, std::string_view queue, GroupId set,
                             const QueueMessage& message) = 0;
    };
    // `waiters` counts the consumers of all loops: up before one asks for the first time.
    QueueConsumers(Host& host, std::atomic<std::size_t>& waiters)
        : host_(host), waiters_(waiters) {}

    // Effect: the connection consumes exactly these; none: it is gone.
    void set_queues(std::uint64_t nonce, std::span<const session::QueueSubscription> queues,
                    MonoMs now);
    // The connection may have room again.
    void on_room(std::uint64_t nonce, MonoMs now);
    // The core may have room again.
    void on_core_room(MonoMs now);
    // Sorted names of queues that got something; none: any may have.
    void wake(const std::vector<std::string>& queues, MonoMs now);
    void on_result(std::uint64_t token, ResultCode code, std::string_view detail, MonoMs now);
    void on_result_lost(std::uint64_t token, MonoMs now);
    void on_timer(MonoMs now);
    // When on_timer() is wanted; 0: never.
    [[nodiscard]] MonoMs deadline() const { return due_.empty() ? 0 : due_.begin()->first; }

    // Effect: the message is removed from its queue. Sent at flush(), many in one command.
    void acknowledge(session::QueueDelivery delivery);
    void flush();

    [[nodiscard]] std::size_t size() const { return consumers_.size(); }

private:
    using Id = std::uint64_t;
    enum class State : std::uint8_t {
        kIdle,     // there was nothing: until it is woken
        kFull,     // the client has no room
        kBlocked,  // no set could be asked
        kAsking,
    };
    struct Consumer {
        std::uint64_t nonce = 0;
        std::string queue;
        State state = State::kIdle;
        bool woken = false;           // since its round began
        bool blocked = false;         // some set could not be asked in this round
        std::size_t next = 0;         // the set to ask next
        std::size_t asked = 0;        // sets that had nothing in this round
        GroupId set;                  // that is asked
        std::uint32_t asked_for = 0;  // messages, while it asks
        std::uint64_t asked_at = 0;   // when it asked last, in numbers of questions
        MonoMs due_in = 0;            // of what is leased or delayed; 0: none
        MonoMs look_at = 0;           // in due_; 0: not there
    };

    void begin_round(Id id, Consumer& consumer, MonoMs now);
    void go_on(Id id, Consumer& consumer, MonoMs now);
    void look_at(Id id, Consumer& consumer, MonoMs at);
    void end(Id id);
    // What the connection can be sent, without what was asked for it already, shared with those of
    // its queues that wait for room.
    [[nodiscard]] std::uint32_t share_of(const Consumer& consumer);
    void start_full(std::uint64_t nonce, MonoMs now);
    // Up to `count` of those that found nothing look again, and those that look do so once more.
    void wake_queue(const std::string& queue, std::size_t count, MonoMs now);

    Host& host_;
    std::atomic<std::size_t>& waiters_;
    Id last_id_ = 0;
    absl::flat_hash_map<Id, Consumer> consumers_;
    absl::btree_map<std::pair<std::uint64_t, std::string>, Id> by_connection_;
    absl::btree_map<std::string, std::vector<Id>> by_queue_;
    absl::btree_set<std::pair<MonoMs, Id>> due_;
    std::size_t turn_ = 0;  // who of a queue is woken first
    std::uint64_t asks_ = 0;
    std::map<std::pair<GroupId, std::string>, std::vector<QueueReceipt>> done_;
};

}  // namespace causeway::net
