#include "rules/engine/document.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include <simdjson.h>

namespace causeway::rules {
namespace {

namespace dom = simdjson::dom;

Value range_of(const Value& value, std::int64_t first, std::int64_t last) {
    if (!value.is(Type::kArray) || first == 0 || last == 0) {
        return {};
    }
    const auto items = value.items();
    const auto size = static_cast<std::int64_t>(items.size());
    // Clamped first, so that no sum can overflow.
    first = std::clamp(first, -size - 1, size + 1);
    last = std::clamp(last, -size - 1, size + 1);
    const std::int64_t from = std::max<std::int64_t>(first > 0 ? first - 1 : size + first, 0);
    const std::int64_t to = std::min(last > 0 ? last : size + last + 1, size);
    if (from >= to) {
        return Value::array({});
    }
    return Value::array(
        items.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
}

// Strings point into the parser; with `copy_text` into the arena. Recursion is bounded by the
// parser's depth limit.
std::optional<Value> convert(dom::element element, Arena& arena, bool copy_text);

std::optional<std::string_view> text_of(std::string_view text, Arena& arena, bool copy_text) {
    if (!copy_text) {
        return text;
    }
    const std::string_view copy = arena.copy(text);
    if (copy.data() == nullptr) {
        return std::nullopt;
    }
    return copy;
}

std::optional<Value> convert_array(dom::array array, Arena& arena, bool copy_text) {
    // size() saturates at 0xFFFFFF, so count where it did.
    std::size_t size = array.size();
    if (size == 0xFFFFFF) {
        size = static_cast<std::size_t>(std::distance(array.begin(), array.end()));
    }
    Value* items = arena.make<Value>(size);
    if (items == nullptr) {
        return std::nullopt;
    }
    std::size_t at = 0;
    for (const dom::element child : array) {
        const auto value = convert(child, arena, copy_text);
        if (!value) {
            return std::nullopt;
        }
        items[at++] = *value;
    }
    return Value::array({items, size});
}

std::optional<Value> convert_object(dom::object object, Arena& arena, bool copy_text) {
    std::size_t size = object.size();
    if (size == 0xFFFFFF) {
        size = static_cast<std::size_t>(std::distance(object.begin(), object.end()));
    }
    Member* members = arena.make<Member>(size);
    if (members == nullptr) {
        return std::nullopt;
    }
    std::size_t at = 0;
    for (const auto& field : object) {
        const auto key = text_of(field.key, arena, copy_text);
        const auto value = convert(field.value, arena, copy_text);
        if (!key || !value) {
            return std::nullopt;
        }
        members[at++] = Member{*key, *value};
    }
    return Value::object({members, size});
}

// The type has been asked for, so the getters cannot fail.
std::optional<Value> convert(dom::element element, Arena& arena, bool copy_text) {
    switch (element.type()) {
        case dom::element_type::ARRAY:
            return convert_array(element.get_array().value_unsafe(), arena, copy_text);
        case dom::element_type::OBJECT:
            return convert_object(element.get_object().value_unsafe(), arena, copy_text);
        case dom::element_type::INT64:
            return Value::integer(element.get_int64().value_unsafe());
        case dom::element_type::UINT64:
            return Value::decimal(static_cast<double>(element.get_uint64().value_unsafe()));
        case dom::element_type::DOUBLE:
            return Value::decimal(element.get_double().value_unsafe());
        case dom::element_type::BOOL:
            return Value::boolean(element.get_bool().value_unsafe());
        case dom::element_type::NULL_VALUE:
            return Value::null();
        case dom::element_type::STRING: {
            const auto text = text_of(element.get_string().value_unsafe(), arena, copy_text);
            return text ? std::optional(Value::string(*text)) : std::nullopt;
        }
    }
    return Value{};
}

// One step that needs no conversion: a member, or an element by index. False: there is no such.
bool step(dom::element& element, const sql::Segment& segment) {
    if (segment.kind == sql::Segment::Kind::kName) {
        dom::object object;
        return element.get(object) == simdjson::SUCCESS &&
               object.at_key(segment.name).get(element) == simdjson::SUCCESS;
    }
    dom::array array;
    if (element.get(array) != simdjson::SUCCESS || segment.first == 0) {
        return false;
    }
    std::int64_t at = segment.first - 1;
    if (segment.first < 0) {
        const auto size = static_cast<std::int64_t>(std::distance(array.begin(), array.end()));
        if (segment.first < -size) {
            return false;
        }
        at = size + segment.first;
    }
    return array.at(static_cast<std::size_t>(at)).get(element) == simdjson::SUCCESS;
}

}  // namespace

struct Document::Impl {
    enum class State : std::uint8_t { kUnknown, kJson, kOther };

    explicit Impl(std::size_t bytes, std::size_t depth) : bytes_max(bytes), depth_max(depth) {}

    // simdjson reads up to SIMDJSON_PADDING bytes beyond the end.
    bool parse(dom::parser& parser, std::string& padded, std::string_view text,
               dom::element& root) const {
        if (text.empty() || text.size() > bytes_max) {
            return false;
        }
        if (parser.capacity() < text.size() || parser.max_depth() != depth_max) {
            const std::size_t capacity = std::max<std::size_t>(text.size(), 4096);
            if (parser.allocate(capacity, depth_max) != simdjson::SUCCESS) {
                return false;
            }
        }
        if (padded.size() < text.size() + simdjson::SIMDJSON_PADDING) {
            padded.resize(text.size() + simdjson::SIMDJSON_PADDING);
        }
        std::memcpy(padded.data(), text.data(), text.size());
        std::memset(padded.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
        return parser.parse(padded.data(), text.size(), false).get(root) == simdjson::SUCCESS;
    }

    // Where a path led in the payload: rules of one topic ask for the same few fields.
    struct Found {
        std::uint64_t text = 0;  // the payload it was looked for in, by number
        std::span<const sql::Segment> path;
        dom::element element;
        std::size_t steps = 0;  // of the path that it took: up to a range
        bool there = false;
    };
    static constexpr std::size_t kLately = 32;

    static std::size_t place_of(std::span<const sql::Segment> path) {
        std::size_t mixed = path.size();
        for (const sql::Segment& segment : path) {
            mixed = mixed * 31 + segment.name.size();
            if (!segment.name.empty()) {
                mixed = mixed * 31 +
                        std::size_t{7} * static_cast<unsigned char>(segment.name.front()) +
                        static_cast<unsigned char>(segment.name.back());
            }
        }
        return mixed % kLately;
    }
    const Found& find(std::span<const sql::Segment> path);

    std::size_t bytes_max;
    std::size_t depth_max;
    std::uint64_t texts = 0;  // payloads so far
    std::array<Found, kLately> lately;
    std::string_view payload;
    State state = State::kUnknown;
    dom::parser payload_parser;
    dom::element payload_root;
    std::string payload_padded;
    dom::parser other_parser;
    std::string other_padded;
};

Value walk(Value value, std::span<const sql::Segment> path) {
    for (const sql::Segment& segment : path) {
        switch (segment.kind) {
            case sql::Segment::Kind::kName:
                value = value.member(segment.name);
                break;
            case sql::Segment::Kind::kIndex:
                value = value.element(segment.first);
                break;
            case sql::Segment::Kind::kRange:
                value = range_of(value, segment.first, segment.last);
                break;
        }
    }
    return value;
}

Document::Document(std::size_t bytes_max, std::size_t depth_max)
    : impl_(std::make_unique<Impl>(bytes_max, depth_max)) {}
Document::~Document() = default;

void Document::set(std::string_view payload) {
    ++impl_->texts;
    impl_->payload = payload;
    impl_->state = Impl::State::kUnknown;
}

bool Document::is_json() {
    if (impl_->state == Impl::State::kUnknown) {
        const bool ok = impl_->parse(impl_->payload_parser, impl_->payload_padded, impl_->payload,
                                     impl_->payload_root);
        impl_->state = ok ? Impl::State::kJson : Impl::State::kOther;
    }
    return impl_->state == Impl::State::kJson;
}

const Document::Impl::Found& Document::Impl::find(std::span<const sql::Segment> path) {
    Found& found = lately[place_of(path)];
    if (found.text == texts && std::ranges::equal(found.path, path)) {
        return found;
    }
    found = {texts, path, payload_root, 0, true};
    while (found.steps < path.size() && path[found.steps].kind != sql::Segment::Kind::kRange) {
        if (!step(found.element, path[found.steps])) {
            found.there = false;
            break;
        }
        ++found.steps;
    }
    return found;
}

std::optional<Value> Document::at(std::span<const sql::Segment> path, Arena& arena) {
    const Impl::Found& found = impl_->find(path);
    if (!found.there) {
        return Value{};
    }
    auto value = convert(found.element, arena, false);
    if (value && found.steps < path.size()) {
        value = walk(*value, path.subspan(found.steps));
    }
    return value;
}

std::optional<Value> Document::decode(std::string_view text, Arena& arena, bool& ok) {
    dom::element root;
    ok = impl_->parse(impl_->other_parser, impl_->other_padded, text, root);
    return ok ? convert(root, arena, true) : Value{};
}

}  // namespace causeway::rules
