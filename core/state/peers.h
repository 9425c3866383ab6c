// The streams between this set and each other set (session protocol, rule 16): what this set has
// for them, numbered and kept until they have applied it, and how far their streams to this set
// were applied here. Together with the number that rides in each item that is "exactly once".
//
// Bounds (StateLimits::peer_*): a message to subscribers evicts the oldest such message when the
// stream is full; what is owed (publishes) is refused before it is accepted, see has_room(); what
// keeps sets agreed about interests is always taken, and its makers ask has_room_for_control().
// Evicted numbers stay holes. Apply thread only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/message/peer.h"
#include "core/state/item.h"

namespace causeway::state {

// What is sent to another set, and what came from it.
struct Peer {
    GroupId set;
    std::uint64_t queue = 0;  // of its items
    std::uint64_t tail = 0;   // number of the newest item
    std::uint64_t acked = 0;  // applied there; the items are gone, or a work item removes them
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint64_t evictable = 0;  // of `messages`, those that may be evicted
    std::uint64_t passed = 0;     // no evictable item up to here
    std::uint64_t trimmed = 0;    // no item at all up to here
    std::uint64_t accepted = 0;   // the last item of its stream that was applied here
    bool dirty = false;
};

// Items behind `after` as the other set's leader proposes them.
struct PeerBatch {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // 0: there is nothing
    std::string items;
};

class Peers {
public:
    Peers(Context& context, Items& items) : context_(context), items_(items) {}
    bool load();
    void flush();

    // Effect: the peer, made if new. Null: more sets than there are slots.
    Peer* open(GroupId set);
    [[nodiscard]] const Peer* find(GroupId set) const;

    // Whether so many more items of so many bytes (peer_item_bytes_max) fit without evicting.
    [[nodiscard]] bool has_room(GroupId set, std::uint64_t messages, std::uint64_t bytes) const;
    [[nodiscard]] bool has_room_for_control(GroupId set) const;
    // The stream to `set` is so full that what can wait should.
    [[nodiscard]] bool crowded(GroupId set) const;

    // Effect: appends the item; an item that may be evicted, or that meets a full stream, is
    // counted as evicted if nothing makes way. Returns its number.
    std::uint64_t append(GroupId set, const PeerItem& item);

    // Effect: items up to `upto` are done with. Up to `budget` of them are removed; `more`: not
    // all.
    std::uint32_t trim(Peer& peer, std::uint32_t budget, bool& more);
    void mark(Peer& peer);

    // At most `bytes_max` bytes (one item at least), 1,024 items.
    [[nodiscard]] PeerBatch read(const Peer& peer, std::uint64_t after,
                                 std::uint64_t bytes_max) const;
    [[nodiscard]] const std::map<GroupId, Peer>& all() const { return peers_; }
    [[nodiscard]] bool acknowledged(GroupId set, std::uint64_t n) const {
        const Peer* peer = find(set);
        return peer != nullptr && n <= peer->acked;
    }

private:
    bool make_room(Peer& peer, std::uint64_t bytes);
    void remove(Peer& peer, std::uint64_t n, const Item& item);

    Context& context_;
    Items& items_;
    std::map<GroupId, Peer> peers_;
    std::vector<GroupId> dirty_;
    std::string scratch_;
};

}  // namespace causeway::state
