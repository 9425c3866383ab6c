// Functions that read the message itself, whatever the SELECT's aliases are, and unique ids.
#include <array>
#include <cstdio>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

template <Field kField>
Value field(Machine& machine, Args) {
    return machine.field(kField, {});
}

// topic(): all of it; topic(n): level n, from 1, negative from the end; undefined when there is
// none.
Value topic(Machine& machine, Args args) {
    const std::string_view topic = machine.message().topic;
    if (args.empty()) {
        return Value::string(topic);
    }
    const auto wanted = want_integer(machine, args[0]);
    if (!wanted || *wanted == 0) {
        return {};
    }
    std::int64_t n = *wanted;
    if (n < 0) {
        std::int64_t levels = 1;
        for (const char c : topic) {
            levels += c == '/' ? 1 : 0;
        }
        n = levels + 1 + n;
    }
    std::size_t at = 0;
    while (n > 1 && at != std::string_view::npos) {
        at = topic.find('/', at);
        at = at == std::string_view::npos ? at : at + 1;
        --n;
    }
    if (n < 1 || at == std::string_view::npos) {
        return {};
    }
    return Value::string(topic.substr(at, topic.find('/', at) - at));
}

Value trace_id(Machine& machine, Args) { return Value::string(machine.message().trace_id); }

// {"retain": …, "dup": …}; flag('retain').
Value flags(Machine& machine, Args) {
    Member* members = machine.arena().make<Member>(2);
    if (members == nullptr) {
        return out_of_memory(machine);
    }
    members[0] = {"retain", Value::boolean(machine.message().retain)};
    members[1] = {"dup", Value::boolean(machine.message().dup)};
    return Value::object({members, 2});
}

Value flag(Machine& machine, Args args) {
    return args[0].text_like() ? flags(machine, {}).member(args[0].text())
                               : machine.fail_type("a string", args[0]);
}

Value payload_size(Machine& machine, Args) {
    return Value::integer(static_cast<std::int64_t>(machine.message().payload.size()));
}

// RFC 9562 version 4, from the context's random numbers.
template <bool kHyphens>
Value uuid(Machine& machine, Args) {
    Random& random = machine.context().random;
    const std::uint64_t high = (random.next() & ~0xF000ULL) | 0x4000ULL;
    const std::uint64_t low = (random.next() >> 2) | 0x8000'0000'0000'0000ULL;
    std::array<char, 40> text{};
    const int size = std::snprintf(
        text.data(), text.size(),
        kHyphens ? "%08llx-%04llx-%04llx-%04llx-%012llx" : "%08llx%04llx%04llx%04llx%012llx",
        static_cast<unsigned long long>(high >> 32),
        static_cast<unsigned long long>(high >> 16 & 0xFFFF),
        static_cast<unsigned long long>(high & 0xFFFF), static_cast<unsigned long long>(low >> 48),
        static_cast<unsigned long long>(low & 0xFFFF'FFFF'FFFFULL));
    return machine.new_string({text.data(), static_cast<std::size_t>(size)});
}

constexpr FunctionSpec kFunctions[] = {
    {"topic", topic, 0, 1},
    {"clientid", field<Field::kClientid>, 0, 0},
    {"username", field<Field::kUsername>, 0, 0},
    {"qos", field<Field::kQos>, 0, 0},
    {"payload", field<Field::kPayload>, 0, 0},
    {"timestamp", field<Field::kTimestamp>, 0, 0},
    {"msgid", field<Field::kId>, 0, 0},
    {"peerhost", field<Field::kPeerhost>, 0, 0},
    {"clientip", field<Field::kPeerhost>, 0, 0},
    {"retain", field<Field::kRetain>, 0, 0},
    {"dup", field<Field::kDup>, 0, 0},
    {"flags", flags, 0, 0},
    {"flag", flag, 1, 1},
    {"payloadlen", payload_size, 0, 0},
    {"productid", field<Field::kProduct>, 0, 0},
    {"devicename", field<Field::kDevice>, 0, 0},
    {"traceid", trace_id, 0, 0},
    {"requestid", trace_id, 0, 0},
    {"uuid_v4", uuid<true>, 0, 0},
    {"newuuid", uuid<true>, 0, 0},
    {"uuid_v4_no_hyphen", uuid<false>, 0, 0},
};

}  // namespace

std::span<const FunctionSpec> message_functions() { return kFunctions; }

}  // namespace causeway::rules
