// A simulated application behind a queue: it receives, works, and acknowledges most of what it got;
// the rest comes back when its lease is over. QueueCheck judges what all applications saw.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message/command.h"
#include "test/sim/cluster/device.h"
#include "test/sim/cluster/world.h"

namespace causeway::sim {

inline constexpr std::string_view kQueue = "q";

struct QueueTotals {
    std::uint64_t received = 0;  // first receipts
    std::uint64_t received_again = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t leases_lost = 0;  // acknowledgements that came too late
};

// What must hold of a queue, whoever receives from it:
//   an item is one message, for ever; it is leased to one receiver at a time; once its
//   acknowledgement was answered nobody who asks later gets it; a message published with QoS 2
//   becomes one item.
class QueueCheck {
public:
    QueueCheck(World& world, History& history) : world_(world), history_(history) {}

    struct Item {
        GroupId set;
        std::uint64_t n = 0;
        auto operator<=>(const Item&) const = default;
    };
    struct Lease {
        std::uint64_t begin = 0;  // set time
        std::uint64_t end = 0;
    };
    void received(const Item& item, std::uint64_t id, const Lease& lease, TimeUs asked_at);
    void acknowledged(const Item& item, bool found);
    // After the run.
    void finish();

    QueueTotals totals;

private:
    struct Known {
        std::uint64_t id = 0;
        TimeUs acknowledged_at = 0;
        std::vector<Lease> leases;
    };
    World& world_;
    History& history_;
    std::map<Item, Known> items_;
};

class SimApp {
public:
    SimApp(World& world, Fleet& fleet, QueueCheck& check, std::uint32_t sets)
        : world_(world), fleet_(fleet), check_(check), sets_(sets) {}

    void start() {
        world_.after(world_.random.below(500 * kMs), [this] { act(); });
    }

private:
    struct Receipt {
        QueueCheck::Item item;
        std::uint64_t lease = 0;
    };
    void act();
    void receive();
    void acknowledge();
    void take_messages(GroupId set, std::uint64_t visibility_ms, TimeUs asked_at,
                       std::string_view detail);
    // Effect: sends a command to a set through any gateway; `answer` may never be called.
    using Answer = absl::AnyInvocable<void(ResultCode code, std::string_view detail)>;
    void ask(GroupId set, std::string command, Answer answer);

    World& world_;
    Fleet& fleet_;
    QueueCheck& check_;
    std::uint32_t sets_;
    std::vector<Receipt> work_;
};

}  // namespace causeway::sim
