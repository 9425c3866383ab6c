// The values that SQL computes with. Internal to rules/engine. A Value is 16 bytes and owns
// nothing: text, elements and members lie in the message, the rule set, the JSON parser or the
// Arena of the evaluation, and are valid until that is reset.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::rules {

enum class Type : std::uint8_t {
    kUndefined,
    kNull,
    kBoolean,
    kInteger,
    kDecimal,
    kString,  // UTF-8
    kBytes,
    kArray,
    kObject,
};
[[nodiscard]] std::string_view name(Type type);

struct Member;

class Value {
public:
    Value() = default;
    static Value null() { return Value(Type::kNull, 0); }
    static Value boolean(bool b) {
        return Value(Type::kBoolean, 0).with([b](auto& u) { u.boolean = b; });
    }
    static Value integer(std::int64_t i) {
        return Value(Type::kInteger, 0).with([i](auto& u) { u.integer = i; });
    }
    static Value decimal(double d) {
        return Value(Type::kDecimal, 0).with([d](auto& u) { u.decimal = d; });
    }
    static Value string(std::string_view text) { return text_of(Type::kString, text); }
    static Value bytes(std::string_view text) { return text_of(Type::kBytes, text); }
    static Value array(std::span<const Value> items) {
        return Value(Type::kArray, items.size()).with([&](auto& u) { u.items = items.data(); });
    }
    static Value object(std::span<const Member> members);

    [[nodiscard]] Type type() const { return type_; }
    [[nodiscard]] bool is(Type type) const { return type_ == type; }
    [[nodiscard]] bool undefined() const { return type_ == Type::kUndefined; }
    // null or undefined.
    [[nodiscard]] bool absent() const { return type_ <= Type::kNull; }
    [[nodiscard]] bool number() const { return type_ == Type::kInteger || type_ == Type::kDecimal; }
    [[nodiscard]] bool text_like() const { return type_ == Type::kString || type_ == Type::kBytes; }
    [[nodiscard]] bool is_true() const { return type_ == Type::kBoolean && u_.boolean; }

    // Preconditions: the type fits.
    [[nodiscard]] bool as_boolean() const { return u_.boolean; }
    [[nodiscard]] std::int64_t as_integer() const { return u_.integer; }
    [[nodiscard]] double as_decimal() const {  // of either number
        return type_ == Type::kInteger ? static_cast<double>(u_.integer) : u_.decimal;
    }
    [[nodiscard]] std::string_view text() const { return {u_.text, size_}; }  // kString, kBytes
    [[nodiscard]] std::span<const Value> items() const { return {u_.items, size_}; }
    [[nodiscard]] std::span<const Member> members() const;

    // The member `key` of an object, element `index` (from 1, negative from the end) of an array;
    // undefined when there is none or the type is another.
    [[nodiscard]] Value member(std::string_view key) const;
    [[nodiscard]] Value element(std::int64_t index) const;

private:
    union Storage {
        bool boolean;
        std::int64_t integer = 0;
        double decimal;
        const char* text;
        const Value* items;
        const Member* members;
    };

    Value(Type type, std::size_t size) : size_(static_cast<std::uint32_t>(size)), type_(type) {}
    template <typename F>
    Value with(F&& set) && {
        set(u_);
        return *this;
    }
    static Value text_of(Type type, std::string_view text) {
        return Value(type, text.size()).with([&](auto& u) { u.text = text.data(); });
    }

    Storage u_;
    std::uint32_t size_ = 0;
    Type type_ = Type::kUndefined;
};

struct Member {
    std::string_view key;
    Value value;
};

inline std::span<const Member> Value::members() const { return {u_.members, size_}; }

inline Value Value::object(std::span<const Member> members) {
    return Value(Type::kObject, members.size()).with([&](auto& u) { u.members = members.data(); });
}

// Memory for the values of one evaluation: allocated by moving a pointer, freed all at once by
// reset(), which keeps the first block. Holds trivially destructible things only.
class Arena {
public:
    explicit Arena(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    // Aligned to 8; nullptr when the limit is reached.
    char* allocate(std::size_t bytes);
    // Copies the text; {nullptr, 0} sized view with data() == nullptr when the limit is reached.
    std::string_view copy(std::string_view text);
    template <typename T>
    T* make(std::size_t count) {
        static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 8);
        char* memory = allocate(count * sizeof(T));
        if (memory == nullptr) {
            return nullptr;
        }
        T* first = reinterpret_cast<T*>(memory);
        std::uninitialized_value_construct_n(first, count);
        return first;
    }
    void reset();

private:
    static constexpr std::size_t kBlockBytes = std::size_t{16} * 1024;
    struct Block {
        std::unique_ptr<char[]> memory;
        std::size_t size = 0;
    };
    std::vector<Block> blocks_;
    char* at_ = nullptr;
    std::size_t left_ = 0;
    std::size_t used_ = 0;
    std::size_t bytes_max_;
};

// Equal as SQL's `=`: numbers by value (exactly, also integer with decimal), string and bytes by
// their bytes, arrays and objects deeply (members in any order), other types never with one
// another. undefined equals nothing; null equals null.
[[nodiscard]] bool equal(const Value& a, const Value& b);

// Steps that comparing with `value` may take at most: what equal() and order() are charged before
// they run. 0 for short scalars.
[[nodiscard]] std::uint64_t comparison_cost(const Value& value);

// The order of two numbers, or of two texts by their bytes; unordered for anything else.
[[nodiscard]] std::partial_ordering order(const Value& a, const Value& b);

// Effect: appends JSON. Undefined members and elements are left out; bytes that are UTF-8 are a
// string, others base64 in a string. False when `out` has grown beyond `bytes_max`.
bool append_json(const Value& value, std::size_t bytes_max, std::string& out);

// Effect: appends what a template or a conversion to text shows: strings and bytes as they are,
// null as "null", undefined as nothing, the rest as JSON. Result as of append_json.
bool append_text(const Value& value, std::size_t bytes_max, std::string& out);

// Appends `text` as a JSON string with its quotes. Precondition: UTF-8.
void append_json_string(std::string_view text, std::string& out);

void append_base64(std::string_view bytes, std::string& out);

// RFC 4648, with or without padding. False: `text` is something else; `out` then holds a part.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& out);

}  // namespace causeway::rules
