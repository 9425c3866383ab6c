// The groups of shared subscriptions (MQTT 5.0 §4.8.2): who belongs to each and whose turn it is. A
// member is a session of this set, or another set that has members of its own. Members are sorted,
// and the turn is the last member chosen, so that a replica that was restarted chooses alike. The
// choice itself is made by Sessions (share.cc). Apply thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>

#include "core/state/context.h"
#include "core/state/session.h"

namespace causeway::state {

struct Member {
    Session* session = nullptr;  // null: another set
    GroupId set;
    std::uint32_t identifier = 0;
    std::uint8_t qos = 0;
    bool retain_as_published = false;

    // Sessions by id, then sets by number.
    [[nodiscard]] std::uint64_t order() const {
        return session != nullptr ? session->id : std::uint64_t{1} << 63 | set.value();
    }
};

struct Group {
    std::string filter;  // "$share/name/filter"
    std::vector<Member> members;
    std::uint64_t last = 0;           // order() of the last one chosen
    std::uint64_t last_unlogged = 0;  // the same for QoS 0, which is not replicated
    bool dirty = false;
};

class Groups {
public:
    explicit Groups(Context& context) : context_(context) {}
    // Whose turn it was; before the members join again.
    bool load();
    void flush();

    // Effect: adds the member, or replaces it. True: it is the first one.
    bool join(std::string_view filter, const Member& member);
    // Effect: removes the member with this order(). True: it was the last one, and the group is
    // gone.
    bool leave(std::string_view filter, std::uint64_t order);
    // The number a group has while it exists, for the trie. Precondition: it exists.
    [[nodiscard]] std::uint32_t slot_of(std::string_view filter) const;
    [[nodiscard]] Group& at(std::uint32_t slot) { return *slots_[slot]; }
    [[nodiscard]] Group* find(std::string_view filter);
    // Effect: notes whose turn it was.
    void chose(Group& group, const Member& member, bool unlogged);

private:
    Context& context_;
    absl::btree_map<std::string, std::uint32_t, std::less<>> by_filter_;
    std::vector<std::unique_ptr<Group>> slots_;
    std::vector<std::uint32_t> free_;
    absl::btree_map<std::string, std::uint64_t, std::less<>> loaded_;  // until they join
    std::vector<std::string> dirty_;
};

}  // namespace causeway::state
