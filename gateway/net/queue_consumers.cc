#include "gateway/net/queue_consumers.h"

#include <algorithm>

namespace causeway::net {
namespace {

constexpr MonoMs kLookAgainMs = 30'000;
// A client at QoS 0 whose output was full says nothing when it is not.
constexpr MonoMs kFullAgainMs = 1'000;
constexpr MonoMs kLostAgainMs = 500;  // after a question whose answer is lost
constexpr std::size_t kReceiptsMax = 256;
constexpr std::size_t kWokenMax = 4;  // of a queue's consumers that found nothing

}  // namespace

void QueueConsumers::set_queues(std::uint64_t nonce,
                                std::span<const session::QueueSubscription> queues, MonoMs now) {
    std::vector<Id> over;
    for (auto at = by_connection_.lower_bound({nonce, {}});
         at != by_connection_.end() && at->first.first == nonce; ++at) {
        const bool kept = std::any_of(queues.begin(), queues.end(), [&at](const auto& queue) {
            return queue.queue == at->first.second;
        });
        if (!kept) {
            over.push_back(at->second);
        }
    }
    for (const Id id : over) {
        const Consumer& consumer = consumers_.at(id);
        const std::string queue = consumer.queue;
        const bool looked = consumer.state != State::kIdle;
        end(id);
        if (looked) {
            wake_queue(queue, 1, now);  // what it was woken for may be there still
        }
    }
    for (const session::QueueSubscription& queue : queues) {
        const auto [known, first] = by_connection_.try_emplace({nonce, queue.queue}, last_id_ + 1);
        if (!first) {
            continue;
        }
        const Id id = ++last_id_;
        by_queue_[queue.queue].push_back(id);
        Consumer& consumer = consumers_[id];
        waiters_.fetch_add(1);
        consumer.nonce = nonce;
        consumer.queue = queue.queue;
        consumer.next = id;  // not all begin with the same set
        begin_round(id, consumer, now);
    }
}

void QueueConsumers::end(Id id) {
    const auto found = consumers_.find(id);
    Consumer& consumer = found->second;
    look_at(id, consumer, 0);
    by_connection_.erase({consumer.nonce, consumer.queue});
    const auto queue = by_queue_.find(consumer.queue);
    std::erase(queue->second, id);
    if (queue->second.empty()) {
        by_queue_.erase(queue);
    }
    consumers_.erase(found);
    waiters_.fetch_sub(1);
}

void QueueConsumers::look_at(Id id, Consumer& consumer, MonoMs at) {
    if (consumer.look_at != 0) {
        due_.erase({consumer.look_at, id});
    }
    consumer.look_at = at;
    if (at != 0) {
        due_.insert({at, id});
    }
}

// --- asking ------------------------------------------------------------------------------------

void QueueConsumers::begin_round(Id id, Consumer& consumer, MonoMs now) {
    look_at(id, consumer, 0);
    consumer.asked = 0;
    consumer.due_in = 0;
    consumer.woken = false;
    consumer.blocked = false;
    go_on(id, consumer, now);
}

std::uint32_t QueueConsumers::share_of(const Consumer& consumer) {
    std::uint32_t room = host_.room(consumer.nonce);
    std::uint32_t sharers = 1;
    for (auto at = by_connection_.lower_bound({consumer.nonce, {}});
         room != 0 && at != by_connection_.end() && at->first.first == consumer.nonce; ++at) {
        const Consumer& other = consumers_.at(at->second);
        room -= std::min(room, other.asked_for);
        sharers += &other != &consumer && other.state == State::kFull ? 1 : 0;
    }
    return room == 0 ? 0 : std::max(room / sharers, 1U);
}

// Asks the next set, if there is one and room for what it may give.
void QueueConsumers::go_on(Id id, Consumer& consumer, MonoMs now) {
    const std::uint32_t room = share_of(consumer);
    if (room == 0) {
        consumer.state = State::kFull;
        look_at(id, consumer, now + kFullAgainMs);
        return;
    }
    const std::vector<GroupId>& sets = host_.sets();
    while (consumer.asked < sets.size()) {
        consumer.set = sets[consumer.next % sets.size()];
        ++consumer.asked;
        if (!host_.may_ask(consumer.set)) {
            consumer.blocked = true;
            ++consumer.next;
            continue;
        }
        consumer.state = State::kAsking;
        consumer.asked_at = ++asks_;
        QueueReceive command;
        command.queue = consumer.queue;
        command.max = consumer.asked_for = room;
        std::string bytes;
        encode(CommandHeader{}, command, bytes);
        host_.ask(consumer.set, bytes, id);
        return;
    }
    if (consumer.woken) {  // the answers may be from before
        begin_round(id, consumer, now);
        return;
    }
    consumer.state = consumer.blocked ? State::kBlocked : State::kIdle;
    MonoMs again = consumer.blocked ? kLostAgainMs : kLookAgainMs;
    if (consumer.due_in != 0) {
        again = std::min(again, consumer.due_in);
    }
    look_at(id, consumer, now + again);
}

void QueueConsumers::on_result(std::uint64_t token, ResultCode code, std::string_view detail,
                               MonoMs now) {
    const auto found = consumers_.find(token);
    if (found == consumers_.end()) {
        return;  // gone meanwhile: what was leased comes back by itself
    }
    ++found->second.next;
    const std::uint32_t asked_for = std::exchange(found->second.asked_for, 0);
    const std::uint64_t nonce = found->second.nonce;
    const std::string queue = found->second.queue;
    const GroupId set = found->second.set;
    std::uint32_t count = 0;
    // A queue nobody sent to yet is not there: the consumer may be first.
    if (code == ResultCode::kOk) {
        ByteReader in(detail);
        const MonoMs due_in = in.varint();
        MonoMs& soonest = found->second.due_in;
        if (due_in != 0) {
            soonest = soonest == 0 ? due_in : std::min(soonest, due_in);
        }
        QueueMessage message;
        while (next_queue_message(in, message)) {
            ++count;
            host_.deliver(nonce, queue, set, message);  // may end this consumer
        }
    }
    if (count != 0 && count >= asked_for) {
        wake_queue(queue, 1, now);  // there may be more than one can take
    }
    start_full(nonce, now);  // first: what it left free is for the client's other queues, too
    const auto still = consumers_.find(token);
    if (still == consumers_.end()) {
        return;
    }
    if (count != 0) {
        begin_round(token, still->second, now);
    } else {
        go_on(token, still->second, now);
    }
}

void QueueConsumers::on_result_lost(std::uint64_t token, MonoMs now) {
    const auto found = consumers_.find(token);
    if (found != consumers_.end()) {
        found->second.state = State::kBlocked;
        found->second.asked_for = 0;
        look_at(token, found->second, now + kLostAgainMs);
    }
}

void QueueConsumers::on_room(std::uint64_t nonce, MonoMs now) { start_full(nonce, now); }

// Who asked longest ago is first: room for one message is not always the same queue's.
void QueueConsumers::start_full(std::uint64_t nonce, MonoMs now) {
    std::vector<Id> full;
    for (auto at = by_connection_.lower_bound({nonce, {}});
         at != by_connection_.end() && at->first.first == nonce; ++at) {
        if (consumers_.at(at->second).state == State::kFull) {
            full.push_back(at->second);
        }
    }
    std::sort(full.begin(), full.end(),
              [this](Id a, Id b) { return consumers_.at(a).asked_at < consumers_.at(b).asked_at; });
    for (const Id id : full) {
        look_at(id, consumers_.at(id), 0);
        go_on(id, consumers_.at(id), now);  // not from the start: two queues could do so for ever
    }
}

void QueueConsumers::on_core_room(MonoMs now) {
    std::vector<Id> blocked;
    for (const auto& [id, consumer] : consumers_) {
        if (consumer.state == State::kBlocked) {
            blocked.push_back(id);
        }
    }
    std::sort(blocked.begin(), blocked.end());
    for (const Id id : blocked) {
        begin_round(id, consumers_.at(id), now);
    }
}

void QueueConsumers::wake(const std::vector<std::string>& queues, MonoMs now) {
    if (queues.empty()) {
        for (const auto& [name, ids] : by_queue_) {
            wake_queue(name, kWokenMax, now);
        }
    }
    for (const std::string& queue : queues) {
        wake_queue(queue, kWokenMax, now);
    }
}

void QueueConsumers::wake_queue(const std::string& queue, std::size_t count, MonoMs now) {
    const auto found = by_queue_.find(queue);
    if (found == by_queue_.end()) {
        return;
    }
    const std::vector<Id>& ids = found->second;
    ++turn_;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const Id id = ids[(turn_ + i) % ids.size()];
        Consumer& consumer = consumers_.at(id);
        if (consumer.state != State::kIdle) {
            consumer.woken = true;  // and looks once more when it is through
        } else if (count-- != 0) {
            begin_round(id, consumer, now);
        } else {
            return;
        }
    }
}

void QueueConsumers::on_timer(MonoMs now) {
    while (!due_.empty() && due_.begin()->first <= now) {
        const Id id = due_.begin()->second;
        begin_round(id, consumers_.at(id), now);
    }
}

// --- acknowledging -----------------------------------------------------------------------------

void QueueConsumers::acknowledge(session::QueueDelivery delivery) {
    done_[{delivery.set, std::move(delivery.queue)}].push_back(delivery.receipt);
}

void QueueConsumers::flush() {
    for (auto& [to, receipts] : done_) {
        for (std::size_t at = 0; at < receipts.size(); at += kReceiptsMax) {
            QueueAck command;
            command.queue = to.second;
            const std::size_t upto = std::min(receipts.size(), at + kReceiptsMax);
            command.receipts.assign(receipts.begin() + static_cast<std::ptrdiff_t>(at),
                                    receipts.begin() + static_cast<std::ptrdiff_t>(upto));
            std::string bytes;
            encode(CommandHeader{}, command, bytes);
            host_.ask(to.first, bytes, 0);
        }
    }
    done_.clear();
}

}  // namespace causeway::net
