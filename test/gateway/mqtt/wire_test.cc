// Every packet and property, both ways, and what truncation and corruption make of them.
#include <memory>
#include <string>
#include <variant>

#include <gtest/gtest.h>

#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"
#include "test/gateway/mqtt/wire_cases.h"

namespace causeway::mqtt {
namespace {

DecodeOptions options_of(const WireCase& c) { return {.version = c.version, .sender = c.sender}; }

// A copy in a block of its own, so that the address sanitizer sees every read beyond it.
class Exact {
public:
    explicit Exact(std::string_view bytes)
        : memory_(std::make_unique<char[]>(bytes.size())), view_(memory_.get(), bytes.size()) {
        bytes.copy(memory_.get(), bytes.size());
    }
    [[nodiscard]] std::string_view view() const { return view_; }

private:
    std::unique_ptr<char[]> memory_;
    std::string_view view_;
};

std::string describe(const DecodeResult& result) {
    if (const auto* error = std::get_if<DecodeError>(&result)) {
        return std::string(name(error->reason_code)) + ": " + std::string(error->statement);
    }
    if (const auto* more = std::get_if<NeedMore>(&result)) {
        return "need " + std::to_string(more->bytes_min);
    }
    return std::string(name(type_of(std::get<Decoded>(result).packet)));
}

TEST(Wire, DecodesToTheValue) {
    for (const WireCase& c : all_cases()) {
        SCOPED_TRACE(std::string(c.name) + " " + std::string(name(type_of(c.packet))));
        const Exact bytes(wire(c.notation));
        const DecodeResult result = decode(bytes.view(), options_of(c));
        const auto* decoded = std::get_if<Decoded>(&result);
        ASSERT_NE(decoded, nullptr) << describe(result);
        EXPECT_EQ(decoded->consumed, bytes.view().size());
        EXPECT_TRUE(decoded->packet == c.packet);
    }
}

TEST(Wire, EncodesToTheBytes) {
    for (const WireCase& c : all_cases()) {
        SCOPED_TRACE(std::string(c.name) + " " + std::string(name(type_of(c.packet))));
        std::string out = "before";
        ASSERT_TRUE(encode(c.packet, c.version, out));
        const std::string encoded = out.substr(6);
        EXPECT_EQ(hex(encoded) == hex(wire(c.notation)), c.canonical) << hex(encoded);
        const DecodeResult again = decode(encoded, options_of(c));
        const auto* decoded = std::get_if<Decoded>(&again);
        ASSERT_NE(decoded, nullptr) << describe(again);
        EXPECT_TRUE(decoded->packet == c.packet);
        EXPECT_EQ(decoded->consumed, encoded.size());
    }
}

TEST(Wire, LeavesTheNextPacketAlone) {
    for (const WireCase& c : all_cases()) {
        const std::string bytes = wire(c.notation);
        const std::string two = bytes + "\xFF";
        const DecodeResult result = decode(two, options_of(c));
        ASSERT_TRUE(std::holds_alternative<Decoded>(result)) << c.name;
        EXPECT_EQ(std::get<Decoded>(result).consumed, bytes.size()) << c.name;
    }
}

TEST(Wire, EveryTruncationNeedsMore) {
    for (const WireCase& c : all_cases()) {
        const std::string whole = wire(c.notation);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const Exact bytes(whole.substr(0, size));
            const DecodeResult result = decode(bytes.view(), options_of(c));
            ASSERT_TRUE(std::holds_alternative<NeedMore>(result))
                << c.name << " cut at " << size << ": " << describe(result);
            const std::size_t need = std::get<NeedMore>(result).bytes_min;
            EXPECT_GT(need, size) << c.name;
            EXPECT_LE(need, whole.size()) << c.name;
            // One length byte, and it is there: the whole size is known.
            if (size >= 2 && (static_cast<unsigned char>(whole[1]) & 0x80) == 0) {
                EXPECT_EQ(need, whole.size()) << c.name;
            }
        }
    }
}

// What decodes after damage must still encode, and to the same value; nothing may crash.
void survive(std::string_view damaged, const WireCase& c) {
    const Exact bytes(damaged);
    const DecodeResult result = decode(bytes.view(), options_of(c));
    if (const auto* decoded = std::get_if<Decoded>(&result)) {
        std::string out;
        ASSERT_TRUE(encode(decoded->packet, c.version, out)) << c.name << " " << hex(damaged);
        // A damaged CONNECT may speak another version; it is decoded by its own.
        const DecodeResult again = decode(out, options_of(c));
        ASSERT_TRUE(std::holds_alternative<Decoded>(again)) << c.name << " " << hex(damaged);
        EXPECT_TRUE(std::get<Decoded>(again).packet == decoded->packet)
            << c.name << " " << hex(damaged);
    } else if (const auto* error = std::get_if<DecodeError>(&result)) {
        EXPECT_TRUE(is_error(error->reason_code)) << hex(damaged);
        EXPECT_FALSE(error->statement.empty()) << hex(damaged);
    } else {
        EXPECT_GT(std::get<NeedMore>(result).bytes_min, damaged.size()) << hex(damaged);
    }
}

TEST(Wire, EverySingleByteCorruptionIsSurvived) {
    for (const WireCase& c : all_cases()) {
        const std::string whole = wire(c.notation);
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (unsigned value = 0; value < 256; ++value) {
                std::string damaged = whole;
                damaged[at] = static_cast<char>(value);
                survive(damaged, c);
                if (HasFatalFailure()) {
                    return;
                }
            }
        }
    }
}

TEST(Wire, EveryDroppedOrDoubledByteIsSurvived) {
    for (const WireCase& c : all_cases()) {
        const std::string whole = wire(c.notation);
        for (std::size_t at = 0; at < whole.size(); ++at) {
            survive(std::string(whole).erase(at, 1), c);
            survive(std::string(whole).insert(at, 1, whole[at]), c);
            if (HasFatalFailure()) {
                return;
            }
        }
    }
}

}  // namespace
}  // namespace causeway::mqtt
