#include "gateway/api/memory.h"

#include <algorithm>
#include <cstdint>

#include <nlohmann/json.hpp>

namespace causeway::api {

std::string memory_json(const io::HeapStatus& heap, const node::NodeStatus& node,
                        const net::ShardStatus& gateway) {
    using Json = nlohmann::ordered_json;
    Json parts = Json::array();
    std::uint64_t known = 0;
    const auto add = [&](const char* name, std::uint64_t count, std::uint64_t bytes) {
        parts.push_back(Json{{"part", name}, {"count", count}, {"bytes", bytes}});
        known += bytes;
    };
    const state::Statistics& state = node.state;
    add("connections", gateway.connections, gateway.connection_bytes);
    add("tables of connections", gateway.connections, gateway.table_bytes);
    add("tls", gateway.connections, heap.tls_bytes);
    add("sessions", state.sessions, state.memory.sessions);
    add("indexes of sessions", state.sessions, state.memory.indexes);
    add("subscriptions", state.subscriptions, state.memory.subscriptions);
    add("trie of subscriptions", state.subscriptions, state.memory.trie);
    add("outputs kept for gateways", node.sets.size(), node.ring_bytes);
    add("store: unflushed writes", 1, node.store.unflushed_bytes);
    add("store: block cache", 1, node.store.cache_bytes);
    add("store: readers", 1, node.store.reader_bytes);
    // Not all that malloc keeps is resident.
    const auto rest = [&] { return heap.resident_bytes - std::min(heap.resident_bytes, known); };
    add("heap kept free", 1, std::min(heap.free_bytes, rest()));
    const std::uint64_t other = rest();
    add("other", 1, other);
    const Json json = {{"resident_bytes", heap.resident_bytes},
                       {"heap_used_bytes", heap.used_bytes},
                       {"heap_free_bytes", heap.free_bytes},
                       {"heap_trims", heap.trims},
                       {"connections", gateway.connections},
                       {"online", gateway.online},
                       {"sessions", state.sessions},
                       {"subscriptions", state.subscriptions},
                       {"parts", parts}};
    return json.dump();
}

}  // namespace causeway::api
