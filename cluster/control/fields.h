// Tagged fields, the one shape of everything the control group writes: varint tag, varint length,
// bytes. A number is its varint inside those bytes, so that a reader skips what it does not know.
// For cluster/control and the reports of cluster/node.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/encoding.h"

namespace causeway::control {

class FieldWriter {
public:
    void number(std::uint64_t tag, std::uint64_t value) {
        std::string bytes;
        ByteWriter(bytes).varint(value);
        text(tag, bytes);
    }
    void text(std::uint64_t tag, std::string_view bytes) {
        ByteWriter writer(out_);
        writer.varint(tag);
        writer.string(bytes);
    }
    // Fields that were read and not understood, as they came.
    void fields(std::string_view bytes) { out_.append(bytes); }
    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    std::string out_;
};

struct Field {
    std::uint64_t tag = 0;
    std::string_view bytes;

    // False: not exactly one number.
    [[nodiscard]] bool number(std::uint64_t& out) const {
        ByteReader reader(bytes);
        out = reader.varint();
        return reader.done();
    }
    // False also above what T holds.
    template <typename T>
    [[nodiscard]] bool integer(T& out) const {
        std::uint64_t wide = 0;
        if (!number(wide) || wide > static_cast<T>(~T{0})) {
            return false;
        }
        out = static_cast<T>(wide);
        return true;
    }
    [[nodiscard]] bool flag(bool& out) const {
        std::uint64_t value = 0;
        const bool sound = number(value) && value <= 1;
        out = value == 1;
        return sound;
    }
    template <typename Id>
    [[nodiscard]] bool id(Id& out) const {
        typename Id::rep value{};
        if (!integer(value)) {
            return false;
        }
        out = Id(value);
        return true;
    }
};

enum class Took : std::uint8_t { kYes, kUnknown, kBad };
constexpr Took took(bool sound) { return sound ? Took::kYes : Took::kBad; }

// Effect: calls take(field) for each field; what it does not know is appended to `extra` unless
// that is nullptr. False: damaged.
template <typename Take>
bool read_fields(std::string_view bytes, std::string* extra, Take take) {
    ByteReader reader(bytes);
    while (!reader.at_end()) {
        const std::string_view before = reader.rest();
        Field field;
        field.tag = reader.varint();
        field.bytes = reader.string();
        if (reader.failed()) {
            return false;
        }
        switch (take(static_cast<const Field&>(field))) {
            case Took::kYes:
                break;
            case Took::kUnknown:
                if (extra != nullptr) {
                    extra->append(before.substr(0, before.size() - reader.rest().size()));
                }
                break;
            case Took::kBad:
                return false;
        }
    }
    return !reader.failed();
}

}  // namespace causeway::control
