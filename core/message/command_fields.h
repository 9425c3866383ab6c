// Fields that the encodings of all commands share. Private to core/message.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/encoding.h"
#include "core/message/command.h"

namespace causeway::command_fields {

// A list longer than this is not one of our makers': refuse before reserving memory.
inline constexpr std::uint64_t kListMax = 65536;

inline void put_header(CommandKind kind, const CommandHeader& header, std::string& out) {
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(kind));
    writer.varint(header.stream);
    writer.varint(header.seq);
    writer.varint(header.behind);
}

inline bool get_bool(ByteReader& in) { return in.u8() != 0; }

inline std::uint32_t get_u32(ByteReader& in) {
    const std::uint64_t value = in.varint();
    if (value > 0xFFFFFFFF) {
        in.fail();
    }
    return static_cast<std::uint32_t>(value);
}

// Reads a list's length; fails when the bytes left cannot hold that many items.
inline std::uint64_t get_count(ByteReader& in) {
    const std::uint64_t count = in.varint();
    if (count > kListMax || count > in.rest().size()) {
        in.fail();
        return 0;
    }
    return count;
}

}  // namespace causeway::command_fields
