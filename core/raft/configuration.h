// Who belongs to a group, and which change of it is safe. One server at a time («Raft thesis §4.1»,
// with the correction of 2015: not before an entry of the leader's own term is committed).
//
// A change acts when it is known to be committed, not when it is appended. Why that is safe: a
// leader proposes change k+1 only when change k is committed, so whoever holds entry k+1 may take
// entry k as committed (Raft::append does, also after a restart that forgot its commit index). So a
// candidate that still acts on configuration k-1 lacks entry k+1; every committed entry k+1 is on a
// majority of configuration k, which overlaps each majority of k-1; so some voter of that candidate
// refuses it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <absl/container/inlined_vector.h>

#include "core/base/bytes.h"
#include "core/base/tagged.h"

namespace causeway::raft {

using NodeIds = absl::InlinedVector<NodeId, 4>;

inline constexpr std::size_t kMembersMax = 32;

// Both lists ascend and share no id. A learner receives the log and neither votes nor is counted.
struct Configuration {
    NodeIds voters;
    NodeIds learners;

    [[nodiscard]] bool has_voter(NodeId id) const;
    [[nodiscard]] bool has_learner(NodeId id) const;
    bool operator==(const Configuration&) const = default;
};

// Flat little-endian: version byte 1, then both lists as varint count and u64 ids.
SharedBytes encode(const Configuration& configuration);

// Returns nullopt on anything but an exact encoding of a well-formed configuration (ascending,
// disjoint, no id 0, at least one voter, at most kMembersMax members).
std::optional<Configuration> decode_configuration(std::string_view bytes);

[[nodiscard]] bool well_formed(const Configuration& configuration);

// True if every majority of `from` overlaps every majority of `to` and only one server changes its
// part: a learner comes or goes, a learner becomes a voter, a voter becomes a learner or goes.
// A server never comes as a voter: it would stall commits until it has caught up («thesis §4.2.1»).
[[nodiscard]] bool is_single_change(const Configuration& from, const Configuration& to);

}  // namespace causeway::raft
