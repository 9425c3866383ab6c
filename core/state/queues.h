// Named queues of a set: operator queues, the outbox of each sink, and the set's stream to itself
// (wills and delayed messages). All on the item primitive (item.h).
//
// An operator queue is received with a visibility timeout: a received item is leased until then and
// comes back unless it is acknowledged with the receipt of that very lease. Fresh items come in
// order behind `cursor`; leased and delayed ones wait in the due table by the time they become
// visible, so memory does not grow with the number of messages. An outbox and the self stream are
// read in order by the leader and taken out when done.
//
// Not safe for concurrent use: apply thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include "core/state/item.h"

namespace causeway::state {

enum class QueueKind : char { kOperator = 'q', kOutbox = 'o', kSelf = 's' };

struct Queue {
    std::uint64_t id = 0;
    QueueKind kind{};
    std::string name;
    std::uint64_t tail = 0;    // number of the newest item
    std::uint64_t cursor = 0;  // items up to here were received, or are delayed
    std::uint64_t messages = 0;
    std::uint64_t leased = 0;  // leased or delayed
    std::uint64_t bytes = 0;
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t expired = 0;
    std::uint64_t dead_lettered = 0;
    // Declared; else the set's defaults.
    std::uint64_t messages_max = 0;
    std::uint64_t bytes_max = 0;
    std::uint32_t visibility_timeout_s = 30;
    std::uint32_t retention_s = 0;
    std::uint32_t receive_count_max = 0;
    std::string dead_letter;
    SetMs timer_at = 0;  // of the retention; 0: not armed
    bool dirty = false;
};

struct OutboxItem {
    std::uint64_t n = 0;
    SetMs sent_at = 0;
    std::string key;
    std::string request;
};

class Queues {
public:
    Queues(Context& context, Items& items) : context_(context), items_(items) {}

    // At start: reads the queue records. False: a record is damaged.
    bool load();
    // Writes the records that changed.
    void flush();

    Queue& open(QueueKind kind, std::string_view name);
    [[nodiscard]] Queue* find(QueueKind kind, std::string_view name);
    [[nodiscard]] Queue* find(std::uint64_t id);

    void declare(const QueueDeclare& command);

    // Whether `messages` more with `bytes` bytes fit.
    [[nodiscard]] bool has_room(QueueKind kind, std::string_view name, std::uint64_t messages,
                                std::uint64_t bytes) const;

    // Effect: appends an item and says to the leader that something is ready.
    std::uint64_t send(Queue& queue, Item item, std::uint32_t delay_s);
    // Effect: leases up to `command.max` items (at most 256) into `answer`, encoded QueueMessages
    // behind a varint: in how many ms the next leased or delayed item is due (0: none).
    ResultCode receive(const QueueReceive& command, std::string& answer);
    // `answer` gets one ResultCode byte a receipt.
    ResultCode acknowledge(const QueueAck& command, std::string& answer);
    // Effect: the event becomes an item of the self stream, if the rules ask for it; too many that
    // wait are dropped and counted.
    void emit(const Event& event);
    // An outbox item is done with.
    ResultCode outbox_done(const OutboxDone& command);

    // Effect: removes up to `budget` items older than the retention. Returns how many; sets the
    // queue's next timer.
    std::uint32_t expire(Queue& queue, std::uint32_t budget);

    // For the leader's dispatchers: items behind `after`, up to `bytes_max` (one at least).
    void read(const Queue& queue, std::uint64_t after, std::uint64_t bytes_max,
              absl::FunctionRef<void(std::uint64_t n, const Item& item)> visit) const;
    [[nodiscard]] bool get(const Queue& queue, std::uint64_t n, std::string& record,
                           Item& item) const {
        return items_.get(queue.id, n, record, item);
    }
    // Takes an item out for good.
    void remove(Queue& queue, std::uint64_t n, const Item& item);

    // Sorted by name.
    [[nodiscard]] std::vector<QueueStatus> status(QueueKind kind) const;

private:
    bool lease(Queue& queue, std::uint64_t n, std::uint32_t visibility_s, std::string& answer);
    // True: there may be more that was not looked at.
    bool take_fresh(Queue& queue, std::uint32_t max, std::uint32_t visibility_s,
                    std::string& messages);
    [[nodiscard]] SetMs next_due(const Queue& queue) const;
    void move_to_dead_letter(const Queue& from, std::string_view queue, const Item& item,
                             std::string_view reason);
    // Sets the timer by the oldest item, unless it is set.
    void arm_retention(Queue& queue, SetMs sent_at);
    void set_timer(Queue& queue, SetMs at);
    void mark(Queue& queue);

    Context& context_;
    Items& items_;
    // By kind and name, so that status and flush go in an order of content.
    absl::btree_map<std::string, std::unique_ptr<Queue>> by_name_;
    absl::flat_hash_map<std::uint64_t, Queue*> by_id_;
    std::vector<Queue*> dirty_;
};

}  // namespace causeway::state
