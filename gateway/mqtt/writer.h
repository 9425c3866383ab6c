// Writes the data types of MQTT (§1.5), in the codec only: Writer appends, ByteCounter only counts,
// and both take the same calls so that sizes and bytes come from one description.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

class ByteCounter {
public:
    void u8(std::uint8_t) { size_ += 1; }
    void u16(std::uint16_t) { size_ += 2; }
    void u32(std::uint32_t) { size_ += 4; }
    void varint(std::uint32_t value) { size_ += varint_size(value); }
    void binary(std::string_view bytes) { size_ += 2 + bytes.size(); }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    std::size_t size_ = 0;
};

// Invariant: until finish(), everything beyond the size `out` had at the start is this packet's.
class Writer {
public:
    explicit Writer(std::string& out) : out_(out), start_(out.size()) {}

    void u8(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
    void u16(std::uint16_t value) {
        const char raw[] = {static_cast<char>(value >> 8), static_cast<char>(value)};
        out_.append(raw, sizeof(raw));
    }
    void u32(std::uint32_t value) {
        u16(static_cast<std::uint16_t>(value >> 16));
        u16(static_cast<std::uint16_t>(value));
    }
    void varint(std::uint32_t value) {
        char raw[4];
        out_.append(raw, put_varint(value, raw));
    }
    void raw(std::string_view bytes) { out_.append(bytes); }
    void binary(std::string_view bytes) {
        if (bytes.size() > kStringBytesMax) {
            failed_ = true;
            return;
        }
        u16(static_cast<std::uint16_t>(bytes.size()));
        raw(bytes);
    }

    // What is written between open_length and close_length(the mark) gets its length put in front.
    [[nodiscard]] std::size_t open_length() const { return out_.size(); }
    void close_length(std::size_t mark) {
        const std::size_t size = out_.size() - mark;
        if (size > kVarintMax) {
            failed_ = true;
            return;
        }
        char raw[4];
        out_.insert(mark, raw, put_varint(static_cast<std::uint32_t>(size), raw));
    }

    void fail() { failed_ = true; }
    // False when a write failed; `out` is then as it was at the start.
    [[nodiscard]] bool finish() {
        if (failed_) {
            out_.resize(start_);
        }
        return !failed_;
    }

private:
    static std::size_t put_varint(std::uint32_t value, char (&raw)[4]) {
        if (value > kVarintMax) {
            value = kVarintMax;  // Only subscription identifiers of our own making could be.
        }
        std::size_t size = 0;
        while (value >= 0x80) {
            raw[size++] = static_cast<char>(value | 0x80);
            value >>= 7;
        }
        raw[size++] = static_cast<char>(value);
        return size;
    }

    std::string& out_;
    std::size_t start_;
    bool failed_ = false;
};

}  // namespace causeway::mqtt
