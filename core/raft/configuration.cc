// See configuration.h. Called by reconfigure.cc and by whoever stores or shows a configuration.
#include "core/raft/configuration.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "core/base/encoding.h"

namespace causeway::raft {
namespace {

constexpr std::uint8_t kVersion = 1;

void write_ids(ByteWriter& writer, const NodeIds& ids) {
    writer.varint(ids.size());
    for (const NodeId id : ids) {
        writer.u64(id.value());
    }
}

NodeIds read_ids(ByteReader& reader) {
    NodeIds ids;
    const std::uint64_t count = reader.varint();
    if (count > kMembersMax) {
        reader.fail();
        return ids;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        ids.push_back(NodeId(reader.u64()));
    }
    return ids;
}

bool ascends(const NodeIds& ids) {
    return std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end();
}

NodeIds difference(const NodeIds& a, const NodeIds& b) {
    NodeIds out;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
    return out;
}

}  // namespace

bool Configuration::has_voter(NodeId id) const {
    return std::binary_search(voters.begin(), voters.end(), id);
}

bool Configuration::has_learner(NodeId id) const {
    return std::binary_search(learners.begin(), learners.end(), id);
}

SharedBytes encode(const Configuration& configuration) {
    std::string out;
    ByteWriter writer(out);
    writer.u8(kVersion);
    write_ids(writer, configuration.voters);
    write_ids(writer, configuration.learners);
    return SharedBytes::copy(out);
}

std::optional<Configuration> decode_configuration(std::string_view bytes) {
    ByteReader reader(bytes);
    const std::uint8_t version = reader.u8();
    Configuration configuration;
    configuration.voters = read_ids(reader);
    configuration.learners = read_ids(reader);
    if (!reader.done() || version != kVersion || !well_formed(configuration)) {
        return std::nullopt;
    }
    return configuration;
}

bool well_formed(const Configuration& configuration) {
    const auto& [voters, learners] = configuration;
    const bool named = (voters.empty() || voters.front()) && (learners.empty() || learners.front());
    return !voters.empty() && voters.size() + learners.size() <= kMembersMax && ascends(voters) &&
           ascends(learners) && named && difference(learners, voters).size() == learners.size();
}

bool is_single_change(const Configuration& from, const Configuration& to) {
    if (!well_formed(to)) {
        return false;
    }
    const NodeIds voters_in = difference(to.voters, from.voters);
    const NodeIds voters_out = difference(from.voters, to.voters);
    const NodeIds learners_in = difference(to.learners, from.learners);
    const NodeIds learners_out = difference(from.learners, to.learners);
    if (voters_in.size() + voters_out.size() > 1 || learners_in.size() + learners_out.size() > 1) {
        return false;
    }
    if (!voters_in.empty()) {
        return learners_out == voters_in;
    }
    if (!voters_out.empty()) {
        return learners_out.empty() && (learners_in.empty() || learners_in == voters_out);
    }
    return learners_in.size() + learners_out.size() == 1;
}

}  // namespace causeway::raft
