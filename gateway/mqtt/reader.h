// Reads the data types of MQTT (§1.5) from one packet, in the codec only. After the first error it
// is empty, every further read gives zero or nothing, and the error stays: callers check once at
// the end.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/message/topic.h"
#include "gateway/mqtt/reason_code.h"
#include "gateway/mqtt/types.h"

namespace causeway::mqtt {

class Reader {
public:
    Reader(std::string_view in, std::uint32_t items_max) : in_(in), items_left_(items_max) {}

    std::uint8_t u8() {
        const std::string_view byte = raw(1);
        return byte.empty() ? 0 : static_cast<std::uint8_t>(byte[0]);
    }
    std::uint16_t u16() {
        const std::uint32_t high = u8();
        return static_cast<std::uint16_t>(high << 8 | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    // A Variable Byte Integer in its shortest form [MQTT-1.5.5-1].
    std::uint32_t varint() {
        std::uint32_t value = 0;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            const std::uint8_t byte = u8();
            value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
            if ((byte & 0x80) == 0) {
                if (byte == 0 && shift > 0) {
                    malformed("MQTT-1.5.5-1");
                }
                return failed() ? 0 : value;
            }
        }
        malformed("§1.5.5");
        return 0;
    }
    std::string_view raw(std::size_t size) {
        if (size > in_.size()) {
            malformed("§1.5: the packet ends inside a field");
            return {};
        }
        const std::string_view bytes = in_.substr(0, size);
        in_.remove_prefix(size);
        return bytes;
    }
    std::string_view binary() { return raw(u16()); }
    std::string_view string() {
        const std::string_view text = binary();
        if (!valid_utf8(text)) {
            malformed("MQTT-1.5.4-1");
            return {};
        }
        return text;
    }
    std::string_view rest() { return raw(in_.size()); }

    // Effect: takes one from the budget of list items; false and an error when it is used up.
    bool take_item() {
        if (items_left_ == 0) {
            fail(ReasonCode::kQuotaExceeded, "limit: items in one packet");
            return false;
        }
        --items_left_;
        return true;
    }

    // The next `size` bytes as a reader of their own, to be given back with join().
    Reader split(std::size_t size) {
        const std::string_view part = raw(size);
        return Reader(part, items_left_);
    }
    void join(const Reader& part) {
        items_left_ = part.items_left_;
        if (part.failed()) {
            fail(part.reason_code_, part.statement_);
        }
    }

    // `statement` has static lifetime. Only the first error counts.
    void fail(ReasonCode reason_code, std::string_view statement) {
        if (!failed()) {
            reason_code_ = reason_code;
            statement_ = statement;
        }
        in_ = {};
    }
    void malformed(std::string_view statement) { fail(ReasonCode::kMalformedPacket, statement); }
    void protocol_error(std::string_view statement) { fail(ReasonCode::kProtocolError, statement); }

    [[nodiscard]] bool at_end() const { return in_.empty(); }
    [[nodiscard]] const char* position() const { return in_.data(); }
    [[nodiscard]] bool failed() const { return reason_code_ != ReasonCode::kSuccess; }
    [[nodiscard]] ReasonCode reason_code() const { return reason_code_; }
    [[nodiscard]] std::string_view statement() const { return statement_; }

private:
    std::string_view in_;
    std::uint32_t items_left_;
    ReasonCode reason_code_ = ReasonCode::kSuccess;
    std::string_view statement_;
};

}  // namespace causeway::mqtt
