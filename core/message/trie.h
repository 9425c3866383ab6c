// TopicTrie: which values were subscribed with a filter that matches a topic (MQTT 5.0 §4.7).
// Used by the gateways' routing tables and by the replicated state of a set. Pure; one owner, no
// lock.
//
// Shape. One node per distinct filter prefix, in one vector, linked by 32-bit indices. "+" and "#"
// children are fields of their parent; all other children of all nodes share one hash set keyed by
// (parent, level). A node is 40 bytes and about 8 more in the set, so 10^6 filters of the form
// "plant/devN/down" (two nodes each) take about 100 MB with their values. Values form a chain per
// node.
//
// Match. A node's depth fixes the level of the topic it is compared with, so each node is entered
// at most once per match and the work is at most the number of nodes on matching paths. The walk
// goes down "#", then "+", then the exact child, and comes back by parent links, which needs no
// stack: a filter of 32,768 levels costs time, not recursion.
//
// Order. Visits go by path: at every level "#" before "+" before the exact name, and a node before
// its descendants; values of one filter in the order of their insertion. So the order depends on
// the set of filters and on each filter's own history of inserts and erases, on nothing else: not
// on hash seeds, addresses, or the order in which different filters came and went.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/functional/function_ref.h>
#include <absl/hash/hash.h>

#include "core/base/check.h"

namespace causeway {

namespace trie_internal {

// A level's text in 16 bytes; up to 14 are held in place.
class LevelName {
public:
    LevelName() = default;
    // Precondition: at most 65,535 bytes.
    explicit LevelName(std::string_view text) : size_(static_cast<std::uint16_t>(text.size())) {
        char* to = in_place_;
        if (text.size() > sizeof(in_place_)) {
            to = new char[text.size()];
            std::memcpy(in_place_, &to, sizeof(to));
        }
        std::memcpy(to, text.data(), text.size());
    }
    LevelName(LevelName&& other) noexcept { swap(other); }
    LevelName& operator=(LevelName&& other) noexcept {
        LevelName moved(std::move(other));
        swap(moved);
        return *this;
    }
    ~LevelName() {
        if (heap_bytes() != 0) {
            delete[] text();
        }
    }
    [[nodiscard]] std::string_view view() const { return {text(), size_}; }
    [[nodiscard]] std::size_t heap_bytes() const { return size_ > sizeof(in_place_) ? size_ : 0; }

private:
    [[nodiscard]] const char* text() const {
        if (size_ <= sizeof(in_place_)) {
            return in_place_;
        }
        const char* heap = nullptr;
        std::memcpy(&heap, in_place_, sizeof(heap));
        return heap;
    }
    void swap(LevelName& other) noexcept {
        std::swap(size_, other.size_);
        std::swap(in_place_, other.in_place_);
    }

    std::uint16_t size_ = 0;
    char in_place_[14]{};
};

}  // namespace trie_internal

// T is movable and default-constructible; its own heap memory is not in memory_bytes().
// Invariants: every node but the root has a value or a child; the chain of a node holds its values
// in insertion order; edges_ holds exactly the nodes that are neither the root nor a "+" or "#"
// child.
template <typename T>
class TopicTrie {
public:
    TopicTrie() : edges_(0, EdgeHash{&nodes_}, EdgeEqual{&nodes_}) { nodes_.emplace_back(); }
    TopicTrie(const TopicTrie&) = delete;
    TopicTrie& operator=(const TopicTrie&) = delete;

    // Effect: adds a value under the filter, behind those already there (equal ones stay apart).
    // Precondition: valid_topic_filter(filter); fewer than 2^32 - 1 nodes and values.
    void insert(std::string_view filter, T value) {
        std::uint32_t node = kRoot;
        for (std::size_t at = 0; at <= filter.size(); at = level_end(filter, at) + 1) {
            node = child_or_new(node, level_at(filter, at));
        }
        append(node, std::move(value));
        ++size_;
    }

    // Effect: removes every value of exactly this filter that satisfies `pred`; the others keep
    // their order. Returns how many. Cost: the number of values of the filter.
    std::size_t erase(std::string_view filter, absl::FunctionRef<bool(const T&)> pred) {
        const std::uint32_t node = node_of(filter);
        if (node == kNone) {
            return 0;
        }
        std::size_t erased = 0;
        std::uint32_t previous = kNone;
        for (std::uint32_t at = nodes_[node].first_value; at != kNone;) {
            const std::uint32_t next = values_[at].next;
            if (pred(values_[at].value)) {
                unlink(node, previous, at);
                ++erased;
            } else {
                previous = at;
            }
            at = next;
        }
        size_ -= erased;
        prune(node);
        return erased;
    }

    // The first value of exactly this filter that satisfies `pred`, or null. Valid until the next
    // insert or erase.
    [[nodiscard]] T* find(std::string_view filter, absl::FunctionRef<bool(const T&)> pred) {
        const std::uint32_t node = node_of(filter);
        if (node == kNone) {
            return nullptr;
        }
        for (std::uint32_t at = nodes_[node].first_value; at != kNone; at = values_[at].next) {
            if (pred(values_[at].value)) {
                return &values_[at].value;
            }
        }
        return nullptr;
    }

    // Effect: calls `visit` for every value whose filter matches the topic, in the order of the
    // file head; does not allocate. A value is visited once per insertion. Precondition:
    // valid_topic_name(topic); `visit` does not change the trie.
    void match(std::string_view topic, absl::FunctionRef<void(const T&)> visit) const {
        // [MQTT-4.7.2-1]: the first level of "$..." meets no wildcard.
        const bool plain = !topic.starts_with('$');
        std::uint32_t node = kRoot;
        std::size_t at = 0;  // start of the level that children of `node` are compared with
        if (plain) {
            visit_values(nodes_[kRoot].hash_child, visit);
        }
        std::uint32_t next = plain ? nodes_[kRoot].plus_child : kNone;
        next = next != kNone ? next : exact_child(kRoot, level_at(topic, at));
        while (true) {
            if (next != kNone) {
                node = next;
                at = level_end(topic, at) + 1;
                next = enter(node, topic, at, visit);
                continue;
            }
            if (node == kRoot) {
                return;
            }
            // Back up one level; behind a "+" its exact sibling is still to come.
            at = previous_level(topic, at);
            const std::uint32_t parent = nodes_[node].parent;
            const bool was_plus = nodes_[parent].plus_child == node;
            node = parent;
            next = was_plus ? exact_child(parent, level_at(topic, at)) : kNone;
        }
    }

    // The number of values.
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    // An estimate of the heap held, in bytes.
    [[nodiscard]] std::size_t memory_bytes() const {
        return nodes_.capacity() * sizeof(Node) + values_.capacity() * sizeof(Value) +
               edges_.capacity() * (sizeof(std::uint32_t) + 1) + name_bytes_;
    }

private:
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint32_t kRoot = 0;

    struct Node {
        std::uint32_t parent = kNone;  // of a free node: the next free one
        std::uint32_t plus_child = kNone;
        std::uint32_t hash_child = kNone;
        std::uint32_t child_count = 0;  // all kinds
        std::uint32_t first_value = kNone;
        std::uint32_t last_value = kNone;
        trie_internal::LevelName name;
    };
    static_assert(sizeof(Node) == 40);
    struct Value {
        T value{};
        std::uint32_t next = kNone;
    };
    struct Edge {
        std::uint32_t parent;
        std::string_view name;
    };
    struct EdgeHash {
        using is_transparent = void;
        const std::vector<Node>* nodes = nullptr;
        std::size_t operator()(const Edge& edge) const {
            return absl::HashOf(edge.parent, edge.name);
        }
        std::size_t operator()(std::uint32_t node) const {
            return (*this)(Edge{(*nodes)[node].parent, (*nodes)[node].name.view()});
        }
    };
    struct EdgeEqual {
        using is_transparent = void;
        const std::vector<Node>* nodes = nullptr;
        bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
        bool operator()(const Edge& edge, std::uint32_t node) const {
            // [MQTT-4.7.3-4]
            return (*nodes)[node].parent == edge.parent && (*nodes)[node].name.view() == edge.name;
        }
        bool operator()(std::uint32_t node, const Edge& edge) const { return (*this)(edge, node); }
    };

    // The end of the level that starts at `at`; the end of the topic for its last level.
    static std::size_t level_end(std::string_view topic, std::size_t at) {
        const std::size_t slash = topic.find('/', at);
        return slash == std::string_view::npos ? topic.size() : slash;
    }
    static std::string_view level_at(std::string_view topic, std::size_t at) {
        return topic.substr(at, level_end(topic, at) - at);
    }
    // The start of the level before the one that starts at `at`, which is > 0.
    static std::size_t previous_level(std::string_view topic, std::size_t at) {
        if (at < 2) {
            return 0;
        }
        const std::size_t slash = topic.rfind('/', at - 2);
        return slash == std::string_view::npos ? 0 : slash + 1;
    }

    // Visits what `node` has to offer and names the child to go on with. `at` is beyond the topic's
    // end when its levels are used up.
    std::uint32_t enter(std::uint32_t node, std::string_view topic, std::size_t at,
                        absl::FunctionRef<void(const T&)> visit) const {
        visit_values(nodes_[node].hash_child, visit);
        if (at > topic.size()) {
            visit_values(node, visit);
            return kNone;
        }
        const std::uint32_t plus = nodes_[node].plus_child;
        return plus != kNone ? plus : exact_child(node, level_at(topic, at));
    }
    void visit_values(std::uint32_t node, absl::FunctionRef<void(const T&)> visit) const {
        if (node == kNone) {
            return;
        }
        for (std::uint32_t at = nodes_[node].first_value; at != kNone; at = values_[at].next) {
            visit(values_[at].value);
        }
    }
    std::uint32_t exact_child(std::uint32_t parent, std::string_view name) const {
        const auto found = edges_.find(Edge{parent, name});
        return found == edges_.end() ? kNone : *found;
    }
    std::uint32_t child(std::uint32_t parent, std::string_view name) const {
        if (name == "+") {
            return nodes_[parent].plus_child;
        }
        return name == "#" ? nodes_[parent].hash_child : exact_child(parent, name);
    }
    std::uint32_t node_of(std::string_view filter) const {
        std::uint32_t node = kRoot;
        for (std::size_t at = 0; at <= filter.size(); at = level_end(filter, at) + 1) {
            node = child(node, level_at(filter, at));
            if (node == kNone) {
                return kNone;
            }
        }
        return node;
    }

    std::uint32_t child_or_new(std::uint32_t parent, std::string_view name) {
        if (const std::uint32_t found = child(parent, name); found != kNone) {
            return found;
        }
        std::uint32_t node = free_node_;
        if (node != kNone) {
            free_node_ = nodes_[node].parent;
        } else {
            CW_CHECK(nodes_.size() < kNone);
            node = static_cast<std::uint32_t>(nodes_.size());
            nodes_.emplace_back();
        }
        nodes_[node].parent = parent;
        nodes_[node].name = trie_internal::LevelName(name);
        name_bytes_ += nodes_[node].name.heap_bytes();
        ++nodes_[parent].child_count;
        if (name == "+") {
            nodes_[parent].plus_child = node;
        } else if (name == "#") {
            nodes_[parent].hash_child = node;
        } else {
            edges_.insert(node);
        }
        return node;
    }
    void append(std::uint32_t node, T value) {
        std::uint32_t at = free_value_;
        if (at != kNone) {
            free_value_ = values_[at].next;
        } else {
            CW_CHECK(values_.size() < kNone);
            at = static_cast<std::uint32_t>(values_.size());
            values_.emplace_back();
        }
        values_[at].value = std::move(value);
        values_[at].next = kNone;
        Node& owner = nodes_[node];
        (owner.last_value == kNone ? owner.first_value : values_[owner.last_value].next) = at;
        owner.last_value = at;
    }
    void unlink(std::uint32_t node, std::uint32_t previous, std::uint32_t at) {
        Node& owner = nodes_[node];
        (previous == kNone ? owner.first_value : values_[previous].next) = values_[at].next;
        if (owner.last_value == at) {
            owner.last_value = previous;
        }
        values_[at].value = T{};
        values_[at].next = free_value_;
        free_value_ = at;
    }
    // Frees the node and its ancestors as far as they became useless.
    void prune(std::uint32_t node) {
        while (node != kRoot && nodes_[node].first_value == kNone &&
               nodes_[node].child_count == 0) {
            const std::uint32_t parent = nodes_[node].parent;
            if (nodes_[parent].plus_child == node) {
                nodes_[parent].plus_child = kNone;
            } else if (nodes_[parent].hash_child == node) {
                nodes_[parent].hash_child = kNone;
            } else {
                edges_.erase(node);
            }
            --nodes_[parent].child_count;
            name_bytes_ -= nodes_[node].name.heap_bytes();
            nodes_[node] = Node{};
            nodes_[node].parent = free_node_;
            free_node_ = node;
            node = parent;
        }
    }

    std::vector<Node> nodes_;
    std::vector<Value> values_;
    absl::flat_hash_set<std::uint32_t, EdgeHash, EdgeEqual> edges_;
    std::uint32_t free_node_ = kNone;
    std::uint32_t free_value_ = kNone;
    std::size_t size_ = 0;
    std::size_t name_bytes_ = 0;
};

}  // namespace causeway
