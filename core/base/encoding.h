// Reading and writing the project's flat encodings: fixed little-endian integers, LEB128 varints
// and length-prefixed strings. ByteReader never reads past its input: after the first short or bad
// read it is `failed()`, every later read gives zero or empty, and the caller checks once at the
// end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace causeway {

static_assert(std::endian::native == std::endian::little, "the flat encodings are little-endian");

// Appends to a string owned by the caller.
class ByteWriter {
public:
    explicit ByteWriter(std::string& out) : out_(out) {}

    template <typename T>
    requires std::is_integral_v<T>
    void fixed(T value) {
        char raw[sizeof(T)];
        std::memcpy(raw, &value, sizeof(T));
        out_.append(raw, sizeof(T));
    }
    void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
    void u16(std::uint16_t value) { fixed(value); }
    void u32(std::uint32_t value) { fixed(value); }
    void u64(std::uint64_t value) { fixed(value); }
    // Unsigned LEB128, 1 to 10 bytes.
    void varint(std::uint64_t value) {
        char bytes[10];
        std::size_t size = 0;
        for (; value >= 0x80; value >>= 7) {
            bytes[size++] = static_cast<char>(value | 0x80);
        }
        bytes[size++] = static_cast<char>(value);
        out_.append(bytes, size);
    }
    void raw(std::string_view bytes) { out_.append(bytes); }
    // varint length, then the bytes.
    void string(std::string_view bytes) {
        varint(bytes.size());
        raw(bytes);
    }
    // Big-endian u64: keys that must sort by number.
    void key_u64(std::uint64_t value) {
        char bytes[8];
        for (int i = 0; i < 8; ++i) {
            bytes[i] = static_cast<char>(value >> (56 - 8 * i));
        }
        out_.append(bytes, sizeof(bytes));
    }
    [[nodiscard]] std::string& out() { return out_; }

private:
    std::string& out_;
};

class ByteReader {
public:
    explicit ByteReader(std::string_view in) : in_(in) {}

    template <typename T>
    requires std::is_integral_v<T> T fixed() {
        T value{};
        if (in_.size() < sizeof(T)) {
            fail();
            return value;
        }
        std::memcpy(&value, in_.data(), sizeof(T));
        in_.remove_prefix(sizeof(T));
        return value;
    }
    std::uint8_t u8() { return fixed<std::uint8_t>(); }
    std::uint16_t u16() { return fixed<std::uint16_t>(); }
    std::uint32_t u32() { return fixed<std::uint32_t>(); }
    std::uint64_t u64() { return fixed<std::uint64_t>(); }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const std::uint8_t byte = u8();
            if (failed_) {
                return 0;
            }
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if ((byte & 0x80) == 0) {
                return value;
            }
        }
        fail();
        return 0;
    }
    std::string_view raw(std::size_t size) {
        if (in_.size() < size) {
            fail();
            return {};
        }
        const std::string_view bytes = in_.substr(0, size);
        in_.remove_prefix(size);
        return bytes;
    }
    std::string_view string() {
        const std::uint64_t size = varint();
        return raw(size);
    }
    std::uint64_t key_u64() {
        std::uint64_t value = 0;
        for (int i = 0; i < 8; ++i) {
            value = value << 8 | u8();
        }
        return value;
    }
    [[nodiscard]] std::string_view rest() const { return in_; }
    [[nodiscard]] bool at_end() const { return in_.empty(); }
    [[nodiscard]] bool failed() const { return failed_; }
    // True when everything was read and nothing was short.
    [[nodiscard]] bool done() const { return in_.empty() && !failed_; }
    void fail() {
        failed_ = true;
        in_ = {};
    }

private:
    std::string_view in_;
    bool failed_ = false;
};

}  // namespace causeway
