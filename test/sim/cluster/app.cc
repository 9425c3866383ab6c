#include "test/sim/cluster/app.h"

#include <algorithm>
#include <memory>

#include "core/message/body.h"
#include "core/message/output.h"

namespace causeway::sim {

// --- the check ---------------------------------------------------------------------------------

void QueueCheck::received(const Item& item, std::uint64_t id, const Lease& lease, TimeUs asked_at) {
    Known& known = items_[item];
    const std::string name =
        "queue item " + std::to_string(item.n) + " of set " + std::to_string(item.set.value());
    if (known.leases.empty()) {
        ++totals.received;
        known.id = id;
        Event event;
        event.kind = EventKind::kDrained;
        event.who = history_.names.intern(kQueue);
        event.id = id;
        event.at_us = world_.now();
        history_.events.push_back(event);
    } else {
        ++totals.received_again;
    }
    if (known.id != id) {
        world_.fail("queue: " + name + " is another message now");
    }
    if (known.acknowledged_at != 0 && known.acknowledged_at < asked_at) {
        world_.fail("queue: " + name + " came back after its acknowledgement");
    }
    for (const Lease& other : known.leases) {
        if (lease.begin < other.end && other.begin < lease.end) {
            world_.fail("queue: " + name + " is leased twice at once");
        }
    }
    known.leases.push_back(lease);
}

void QueueCheck::acknowledged(const Item& item, bool found) {
    if (!found) {
        ++totals.leases_lost;
        return;
    }
    ++totals.acknowledged;
    items_[item].acknowledged_at = world_.now();
}

void QueueCheck::finish() {
    std::map<std::uint64_t, std::size_t> items_of;
    for (const auto& [item, known] : items_) {
        ++items_of[known.id];
    }
    for (const Event& event : history_.events) {
        if (event.kind == EventKind::kSent && event.qos == 2 && items_of[event.id] > 1) {
            world_.fail("queue: message " + std::to_string(event.id) +
                        " of QoS 2 became more than one item");
        }
    }
}

// --- the application ---------------------------------------------------------------------------

void SimApp::act() {
    world_.after(world_.delay(20 * kMs, 300 * kMs), [this] { act(); });
    if (!work_.empty() && world_.random.chance(2, 3)) {
        acknowledge();
    } else {
        receive();
    }
}

void SimApp::ask(GroupId set, std::string command, Answer answer) {
    const Fleet::Gateway to = fleet_.pick_gateway();
    if (to.gateway == nullptr) {
        return;
    }
    to.host->soon(world_.delay(100, 3 * kMs), [this, gateway = to.gateway, set,
                                               command = std::move(command),
                                               answer = std::move(answer)]() mutable {
        gateway->ask(
            set, command,
            [this, answer = std::move(answer)](ResultCode code, std::string_view detail) mutable {
                world_.after(world_.delay(100, 3 * kMs),
                             [answer = std::move(answer), code,
                              kept = std::string(detail)]() mutable { answer(code, kept); });
            });
    });
}

void SimApp::receive() {
    const GroupId set(static_cast<std::uint32_t>(1 + world_.random.below(sets_)));
    QueueReceive command;
    command.queue = kQueue;
    command.max = static_cast<std::uint32_t>(1 + world_.random.below(16));
    command.visibility_timeout_s = static_cast<std::uint32_t>(1 + world_.random.below(4));
    std::string bytes;
    encode({}, command, bytes);
    ask(set, std::move(bytes),
        [this, set, visibility_ms = command.visibility_timeout_s * std::uint64_t{1000},
         asked_at = world_.now()](ResultCode code, std::string_view detail) {
            if (code == ResultCode::kOk) {
                take_messages(set, visibility_ms, asked_at, detail);
            }
        });
}

void SimApp::take_messages(GroupId set, std::uint64_t visibility_ms, TimeUs asked_at,
                           std::string_view detail) {
    ByteReader in(detail);
    in.varint();  // when the next one is due
    QueueMessage message;
    while (next_queue_message(in, message)) {
        const QueueCheck::Item item{set, message.n};
        check_.received(item, id_of(parse_body(message.body).payload),
                        {message.visible_at - visibility_ms, message.visible_at}, asked_at);
        // Sometimes the application dies with it.
        if (!world_.random.chance(1, 12)) {
            work_.push_back(Receipt{item, message.lease});
        }
    }
}

void SimApp::acknowledge() {
    const GroupId set = work_.front().item.set;
    QueueAck command;
    command.queue = kQueue;
    std::vector<QueueCheck::Item> items;
    std::erase_if(work_, [&](const Receipt& receipt) {
        if (receipt.item.set != set || items.size() == 8) {
            return false;
        }
        command.receipts.push_back(QueueReceipt{receipt.item.n, receipt.lease});
        items.push_back(receipt.item);
        return true;
    });
    std::string bytes;
    encode({}, command, bytes);
    ask(set, std::move(bytes),
        [this, items = std::move(items)](ResultCode code, std::string_view detail) {
            if (code != ResultCode::kOk) {
                return;
            }
            for (std::size_t i = 0; i < items.size() && i < detail.size(); ++i) {
                check_.acknowledged(items[i],
                                    static_cast<ResultCode>(detail[i]) == ResultCode::kOk);
            }
        });
}

}  // namespace causeway::sim
