#include "test/core/state/audit.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "core/state/item.h"
#include "core/state/tables.h"
#include "core/state/work.h"

namespace causeway::state {
namespace {

struct Tally {
    std::uint64_t items = 0;
    std::uint64_t due = 0;
};

struct Found {
    std::map<std::uint64_t, Tally> by_queue;
    std::set<std::uint64_t> referenced;
    std::set<std::uint64_t> bodies;
    std::set<std::pair<std::uint64_t, std::uint64_t>> due_items;  // queue, n: by their record
    std::set<std::uint64_t> purging;                              // inboxes of ended sessions
    std::uint64_t retained = 0;
    std::uint64_t damaged = 0;
};

void scan_table(Kv& kv, Table table, Kv::Visitor visitor) {
    const std::string prefix = key_of(table);
    kv.scan(prefix, after_prefix(prefix), visitor);
}

Found read_tables(Kv& kv) {
    Found found;
    scan_table(kv, Table::kItem, [&](std::string_view key, std::string_view value) {
        ByteReader reader(key.substr(1));
        const std::uint64_t queue = reader.key_u64();
        const std::uint64_t n = reader.key_u64();
        Item item;
        found.damaged += decode(value, item) ? 0 : 1;
        ++found.by_queue[queue].items;
        if (item.body_id != 0) {
            found.referenced.insert(item.body_id);
        }
        if (item.visible_at != 0) {
            found.due_items.emplace(queue, n);
        }
        return true;
    });
    scan_table(kv, Table::kDue, [&](std::string_view key, std::string_view) {
        ByteReader reader(key.substr(1));
        const std::uint64_t queue = reader.key_u64();
        reader.key_u64();
        ++found.by_queue[queue].due;
        found.damaged += found.due_items.contains({queue, reader.key_u64()}) ? 0 : 1;
        return true;
    });
    scan_table(kv, Table::kBody, [&](std::string_view key, std::string_view) {
        found.bodies.insert(ByteReader(key.substr(1)).key_u64());
        return true;
    });
    scan_table(kv, Table::kWork, [&](std::string_view, std::string_view value) {
        ByteReader reader(value);
        if (reader.u8() == static_cast<std::uint8_t>(WorkItem::Kind::kPurge)) {
            found.purging.insert(reader.varint());
        }
        return true;
    });
    scan_table(kv, Table::kRetained, [&](std::string_view, std::string_view) {
        ++found.retained;
        return true;
    });
    return found;
}

class Report {
public:
    void equal(std::string_view what, std::uint64_t a, std::uint64_t b) {
        if (a != b) {
            text_ += std::string(what) + ": " + std::to_string(a) + " is not " + std::to_string(b) +
                     "\n";
        }
    }
    [[nodiscard]] std::string text() const { return text_; }

private:
    std::string text_;
};

}  // namespace

std::string audit(Kv& kv, const Machine& machine) {
    const Found found = read_tables(kv);
    const Statistics all = machine.statistics();
    const Counters& c = all.counters;
    Report report;
    report.equal("records that do not decode or fit together", found.damaged, 0);
    std::uint64_t queued = 0;
    std::uint64_t leased = 0;
    for (const QueueStatus& queue : all.queues) {
        queued += queue.messages;
        leased += queue.leased;
    }
    std::uint64_t owed = 0;
    for (const QueueStatus& outbox : all.outboxes) {
        owed += outbox.messages;
    }
    report.equal("inbox copies made",
                 c.inbox_acknowledged + c.inbox_expired + c.inbox_evicted + c.inbox_session_ended +
                     c.inbox_handed_over + all.inbox_messages,
                 c.inbox_made);
    report.equal(
        "queue copies made",
        c.queue_acknowledged + c.queue_expired + c.queue_dead_lettered + c.queue_evicted + queued,
        c.queue_made);
    report.equal("sink copies made",
                 c.sink_delivered + c.sink_dead_lettered + c.sink_evicted + owed, c.sink_made);
    std::uint64_t items = 0;
    std::uint64_t due = 0;
    for (const auto& [queue, tally] : found.by_queue) {
        // What is left of an ended session waits for its purge and belongs to nobody.
        items += found.purging.contains(queue) ? 0 : tally.items;
        due += tally.due;
    }
    std::uint64_t for_peers = 0;
    for (const PeerStatus& peer : all.peers) {
        for_peers += peer.messages;
    }
    report.equal("items for other sets", c.peer_acknowledged + c.peer_evicted + for_peers,
                 c.peer_made);
    report.equal("items of other sets", c.peer_done + c.peer_expired + c.peer_invalid,
                 c.peer_accepted);
    report.equal("item records", items,
                 queued + owed + all.inbox_messages + (c.self_made - c.self_done) + for_peers);
    report.equal("due records", due, leased);
    report.equal("items that are due", found.due_items.size(), leased);
    report.equal("body records", found.bodies.size(), all.bodies);
    report.equal("retained records", found.retained, all.retained_messages);
    if (found.bodies != found.referenced) {
        report.equal("bodies with and without references", found.bodies.size(),
                     found.referenced.size());
        report.equal("bodies are the ones referenced", 0, 1);
    }
    return report.text();
}

}  // namespace causeway::state
