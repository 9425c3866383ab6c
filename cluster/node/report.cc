#include "cluster/node/report.h"

#include "cluster/control/fields.h"

namespace causeway::node {
namespace {

using control::Field;
using control::FieldWriter;
using control::took;
using control::Took;

// Tags are for ever (docs/formats/control.md).
enum NodeTag : std::uint64_t {
    kId = 1,
    kName = 2,
    kVersion = 3,
    kBoot = 4,
    kDiskLow = 5,
    kControlApplied = 6,
    kRulesActive = 7,
    kGroup = 8,
};
enum GroupTag : std::uint64_t {
    kGroupId = 1,
    kLeads = 2,
    kLeader = 3,
    kTerm = 4,
    kCommit = 5,
    kApplied = 6,
    kLast = 7,
    kConfigurationAt = 8,
    kSettled = 9,
    kVoter = 10,
    kLearner = 11,
    kMember = 12,
};
enum MemberTag : std::uint64_t {
    kMemberId = 1,
    kMatch = 2,
    kCaughtUp = 3,
    kRefilled = 4,
    kHeard = 5,
};

// Of one node: far more than placement ever makes.
constexpr std::size_t kGroupsMax = control::kSetsMax + 1;

bool take_text(const Field& field, std::string& out) {
    out = field.bytes;
    return true;
}

std::string encode(const MemberReport& member) {
    FieldWriter out;
    out.number(kMemberId, member.id.value());
    out.number(kMatch, member.match.value());
    out.number(kCaughtUp, member.caught_up);
    out.number(kRefilled, member.refilled);
    out.number(kHeard, member.heard);
    return out.take();
}

bool decode(std::string_view bytes, MemberReport& out) {
    return control::read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case kMemberId:
                return took(field.id(out.id));
            case kMatch:
                return took(field.id(out.match));
            case kCaughtUp:
                return took(field.flag(out.caught_up));
            case kRefilled:
                return took(field.flag(out.refilled));
            case kHeard:
                return took(field.flag(out.heard));
            default:
                return Took::kUnknown;
        }
    });
}

std::string encode(const GroupReport& group) {
    FieldWriter out;
    out.number(kGroupId, group.group.value());
    out.number(kLeads, group.leads);
    out.number(kLeader, group.leader.value());
    out.number(kTerm, group.term.value());
    out.number(kCommit, group.commit.value());
    out.number(kApplied, group.applied.value());
    out.number(kLast, group.last.value());
    out.number(kConfigurationAt, group.configuration_at.value());
    out.number(kSettled, group.settled);
    for (const NodeId id : group.voters) {
        out.number(kVoter, id.value());
    }
    for (const NodeId id : group.learners) {
        out.number(kLearner, id.value());
    }
    for (const MemberReport& member : group.members) {
        out.text(kMember, encode(member));
    }
    return out.take();
}

bool take_member_id(const Field& field, std::vector<NodeId>& out) {
    return out.size() < raft::kMembersMax && field.id(out.emplace_back());
}

Took take_list(const Field& field, GroupReport& out) {
    switch (field.tag) {
        case kVoter:
            return took(take_member_id(field, out.voters));
        case kLearner:
            return took(take_member_id(field, out.learners));
        case kMember:
            return took(out.members.size() <= raft::kMembersMax &&
                        decode(field.bytes, out.members.emplace_back()));
        default:
            return Took::kUnknown;
    }
}

bool decode(std::string_view bytes, GroupReport& out) {
    return control::read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case kGroupId:
                return took(field.id(out.group));
            case kLeads:
                return took(field.flag(out.leads));
            case kLeader:
                return took(field.id(out.leader));
            case kTerm:
                return took(field.id(out.term));
            case kCommit:
                return took(field.id(out.commit));
            case kApplied:
                return took(field.id(out.applied));
            case kLast:
                return took(field.id(out.last));
            case kConfigurationAt:
                return took(field.id(out.configuration_at));
            case kSettled:
                return took(field.flag(out.settled));
            default:
                return take_list(field, out);
        }
    });
}

}  // namespace

std::string encode(const NodeReport& report) {
    FieldWriter out;
    out.number(kId, report.id.value());
    out.text(kName, report.name);
    out.text(kVersion, report.version);
    out.number(kBoot, report.boot);
    out.number(kDiskLow, report.disk_low);
    out.number(kControlApplied, report.control_applied.value());
    out.number(kRulesActive, report.rules_active);
    for (const GroupReport& group : report.groups) {
        out.text(kGroup, encode(group));
    }
    return out.take();
}

std::optional<NodeReport> decode_report(std::string_view bytes) {
    NodeReport out;
    const bool sound = control::read_fields(bytes, nullptr, [&](const Field& field) {
        switch (field.tag) {
            case kId:
                return took(field.id(out.id));
            case kName:
                return took(take_text(field, out.name));
            case kVersion:
                return took(take_text(field, out.version));
            case kBoot:
                return took(field.number(out.boot));
            case kDiskLow:
                return took(field.flag(out.disk_low));
            case kControlApplied:
                return took(field.id(out.control_applied));
            case kRulesActive:
                return took(field.number(out.rules_active));
            case kGroup:
                return took(out.groups.size() < kGroupsMax &&
                            decode(field.bytes, out.groups.emplace_back()));
            default:
                return Took::kUnknown;
        }
    });
    return sound ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace causeway::node
