// Objects: made, read, changed. What is changed is a copy; values inside are shared.
#include <algorithm>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

constexpr std::size_t kLevelsMax = 16;

Value map_new(Machine&, Args) { return Value::object({}); }

// map(x): an object as it is, or the object that a JSON text says.
Value to_map(Machine& machine, Args args) {
    if (args[0].is(Type::kObject)) {
        return args[0];
    }
    if (!args[0].text_like()) {
        return machine.fail_type("an object or JSON", args[0]);
    }
    bool ok = false;
    if (!machine.charge_bytes(args[0].text().size())) {
        return {};
    }
    const auto value = machine.document().decode(args[0].text(), machine.arena(), ok);
    if (ok && !value) {
        return out_of_memory(machine);
    }
    return ok && value->is(Type::kObject)
               ? *value
               : machine.fail(FailReason::kType, "the text is no JSON object");
}

// The next name of "a.b.c"; with kPath, else all of it.
template <bool kPath>
std::string_view next_key(std::string_view& rest, bool& last) {
    const std::size_t dot = kPath ? rest.find('.') : std::string_view::npos;
    const std::string_view key = rest.substr(0, dot);
    last = dot == std::string_view::npos;
    rest = last ? std::string_view{} : rest.substr(dot + 1);
    return key;
}

// map_get('a.b', object [, default]), mget('a.b' as one key, …)
template <bool kPath>
Value get(Machine& machine, Args args) {
    if (args[0].absent() || args[1].absent()) {
        return args.size() == 3 ? args[2] : Value{};
    }
    std::string_view rest = want_text(machine, args[0]);
    if (machine.failed() || !want_object(machine, args[1]) || !machine.charge_bytes(rest.size())) {
        return {};
    }
    Value at = args[1];
    bool last = false;
    while (!last) {
        at = at.member(next_key<kPath>(rest, last));
    }
    return at.undefined() && args.size() == 3 ? args[2] : at;
}

// A copy of `members` with one set, or one more.
Value with_member(Machine& machine, std::span<const Member> members, std::string_view key,
                  const Value& value) {
    Member* copy = machine.arena().make<Member>(members.size() + 1);
    if (copy == nullptr || !machine.charge(members.size() + 1)) {
        return out_of_memory(machine);
    }
    std::size_t at = members.size();
    for (std::size_t i = 0; i < members.size(); ++i) {
        copy[i] = members[i];
        if (at == members.size() && copy[i].key == key) {
            at = i;
        }
    }
    copy[at] = Member{key, value};
    return Value::object({copy, members.size() + (at == members.size() ? 1 : 0)});
}

template <bool kPath>
Value put_below(Machine& machine, std::string_view rest, const Value& value, const Value& object,
                std::size_t level) {
    bool last = false;
    const std::string_view key = next_key<kPath>(rest, last);
    if (level > kLevelsMax) {
        return machine.fail(FailReason::kType, "the path has more than 16 names");
    }
    const auto members = object.is(Type::kObject) ? object.members() : std::span<const Member>{};
    const Value below =
        last ? value : put_below<kPath>(machine, rest, value, object.member(key), level + 1);
    return machine.failed() ? Value{} : with_member(machine, members, key, below);
}

// map_put('a.b', value, object), mput('a.b' as one key, …). What is no object on the way becomes
// one. An undefined value changes nothing.
template <bool kPath>
Value put(Machine& machine, Args args) {
    if (args[0].absent() || args[2].absent()) {
        return args[0].undefined() || args[2].undefined() ? Value{} : Value::null();
    }
    const std::string_view path = want_text(machine, args[0]);
    if (machine.failed() || !want_object(machine, args[2])) {
        return {};
    }
    return args[1].undefined() ? args[2] : put_below<kPath>(machine, path, args[1], args[2], 1);
}

// [{"key": k, "value": v}, …]
Value to_entries(Machine& machine, Args args) {
    const auto members = want_object(machine, args[0]);
    if (!members) {
        return {};
    }
    Value* items = machine.arena().make<Value>(members->size());
    if (items == nullptr || !machine.charge(members->size())) {
        return out_of_memory(machine);
    }
    for (std::size_t i = 0; i < members->size(); ++i) {
        Member* entry = machine.arena().make<Member>(2);
        if (entry == nullptr) {
            return out_of_memory(machine);
        }
        entry[0] = {"key", Value::string((*members)[i].key)};
        entry[1] = {"value", (*members)[i].value};
        items[i] = Value::object({entry, 2});
    }
    return Value::array({items, members->size()});
}

Value size(Machine& machine, Args args) {
    const auto members = want_object(machine, args[0]);
    return members ? Value::integer(static_cast<std::int64_t>(members->size())) : Value{};
}

// map_merge(a, b, …): the members of all; the last one of a name counts.
Value merge(Machine& machine, Args args) {
    std::size_t size = 0;
    for (const Value& arg : args) {
        const auto members = want_object(machine, arg);
        size += members ? members->size() : 0;
    }
    if (machine.failed()) {
        return {};
    }
    Member* merged = machine.arena().make<Member>(size);
    if (merged == nullptr || !machine.charge(size + size * size / 16)) {
        return machine.failed() ? Value{} : out_of_memory(machine);
    }
    Member* end = merged;
    for (const Value& arg : args) {
        for (const Member& member : arg.members()) {
            Member* const at = std::find_if(
                merged, end, [&](const Member& other) { return other.key == member.key; });
            *at = member;
            end += at == end ? 1 : 0;
        }
    }
    return Value::object({merged, static_cast<std::size_t>(end - merged)});
}

// map_without(object, key, …)
Value without(Machine& machine, Args args) {
    const auto members = want_object(machine, args[0]);
    if (!members || !machine.charge(members->size() * args.size())) {
        return {};
    }
    Member* kept = machine.arena().make<Member>(members->size());
    if (kept == nullptr) {
        return out_of_memory(machine);
    }
    std::size_t count = 0;
    for (const Member& member : *members) {
        const bool named = std::any_of(args.begin() + 1, args.end(), [&](const Value& key) {
            return key.text_like() && key.text() == member.key;
        });
        if (!named) {
            kept[count++] = member;
        }
    }
    return Value::object({kept, count});
}

// AWS: transform('enrichArray', {attributes}, [objects]): the attributes in each object, which win.
Value transform(Machine& machine, Args args) {
    if (!args[0].text_like() || args[0].text() != "enrichArray") {
        return machine.fail(FailReason::kType, "transform() knows 'enrichArray'");
    }
    const auto attributes = want_object(machine, args[1]);
    const auto items = want_array(machine, args[2]);
    if (!attributes || !items) {
        return {};
    }
    Value* made = machine.arena().make<Value>(items->size());
    if (made == nullptr) {
        return out_of_memory(machine);
    }
    for (std::size_t i = 0; i < items->size(); ++i) {
        const Value both[] = {(*items)[i], args[1]};
        made[i] = merge(machine, both);
        if (machine.failed()) {
            return {};
        }
    }
    return Value::array({made, items->size()});
}

constexpr FunctionSpec kFunctions[] = {
    {"map_new", map_new, 0, 0},
    {"map", to_map, 1, 1},
    {"map_get", get<true>, 2, 3, Absent::kSeen},
    {"mget", get<false>, 2, 3, Absent::kSeen},
    {"map_put", put<true>, 3, 3, Absent::kSeen},
    {"mput", put<false>, 3, 3, Absent::kSeen},
    {"map_to_entries", to_entries, 1, 1},
    {"map_size", size, 1, 1},
    {"map_merge", merge, 1, kArgsMax},
    {"map_without", without, 2, kArgsMax},
    {"transform", transform, 3, 3},
};

}  // namespace

std::span<const FunctionSpec> map_functions() { return kFunctions; }

}  // namespace causeway::rules
