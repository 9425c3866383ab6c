// Encodings and digests. A text argument is taken by its bytes.
#include <array>
#include <memory>

#include <openssl/evp.h>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

constexpr std::size_t kTextMax = std::size_t{1024} * 1024;

// The bytes of a text, or what str() would make of another value.
std::string_view want_bytes(Machine& machine, const Value& value) {
    if (value.text_like()) {
        return value.text();
    }
    std::string& out = machine.scratch();
    if (!append_text(value, kTextMax, out)) {
        machine.fail(FailReason::kBudget, "the text is too long");
    }
    return machine.new_string(out).text();
}

Value hex(Machine& machine, std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string& out = machine.scratch();
    for (const char c : bytes) {
        out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
        out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
    }
    return machine.new_string(out);
}

template <const EVP_MD* (*kAlgorithm)()>
Value digest(Machine& machine, Args args) {
    const std::string_view bytes = want_bytes(machine, args[0]);
    if (machine.failed() || !machine.charge(8 + bytes.size() / 16)) {
        return {};
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, kAlgorithm(), nullptr) != 1) {
        return machine.fail(FailReason::kType, "the digest is not available");
    }
    return hex(machine, {reinterpret_cast<const char*>(sum.data()), size});
}

Value to_hex(Machine& machine, Args args) {
    const std::string_view bytes = want_bytes(machine, args[0]);
    return machine.failed() ? Value{} : hex(machine, bytes);
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const int letter = c | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

Value from_hex(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    std::string& out = machine.scratch();
    bool good = text.size() % 2 == 0;
    for (std::size_t i = 0; good && i < text.size(); i += 2) {
        const int high = hex_digit(text[i]);
        const int low = hex_digit(text[i + 1]);
        good = high >= 0 && low >= 0;
        out.push_back(static_cast<char>((high & 15) << 4 | (low & 15)));
    }
    return good ? machine.new_bytes(out)
                : machine.fail(FailReason::kType, "the text is not hexadecimal");
}

Value base64_encode(Machine& machine, Args args) {
    const std::string_view bytes = want_bytes(machine, args[0]);
    if (machine.failed()) {
        return {};
    }
    std::string& out = machine.scratch();
    append_base64(bytes, out);
    return machine.new_string(out);
}

Value base64_decode(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    std::string& out = machine.scratch();
    if (machine.failed() || !machine.charge_bytes(text.size())) {
        return {};
    }
    return decode_base64(text, out) ? machine.new_bytes(out)
                                    : machine.fail(FailReason::kType, "the text is not base64");
}

// encode(x, 'base64') and decode(x, 'base64'), as in AWS.
template <Function kRun>
Value named_codec(Machine& machine, Args args) {
    if (!args[1].text_like() || args[1].text() != "base64") {
        return machine.fail(FailReason::kType, "the encoding must be 'base64'");
    }
    return kRun(machine, args.first(1));
}

Value json_encode(Machine& machine, Args args) {
    if (args[0].undefined()) {
        return {};
    }
    std::string& out = machine.scratch();
    if (!append_json(args[0], kTextMax, out)) {
        return machine.fail(FailReason::kBudget, "the text is too long");
    }
    return machine.new_string(out);
}

Value json_decode(Machine& machine, Args args) {
    if (!args[0].text_like()) {
        return machine.fail_type("a text", args[0]);
    }
    if (!machine.charge_bytes(args[0].text().size())) {
        return {};
    }
    bool ok = false;
    const auto value = machine.document().decode(args[0].text(), machine.arena(), ok);
    if (!ok) {
        return machine.fail(FailReason::kType, "the text is not JSON");
    }
    return value ? *value
                 : machine.fail(FailReason::kBudget, "the evaluation took too much memory");
}

constexpr FunctionSpec kFunctions[] = {
    {"md5", 1, 1, digest<EVP_md5>},
    {"sha", 1, 1, digest<EVP_sha1>},
    {"sha1", 1, 1, digest<EVP_sha1>},
    {"sha256", 1, 1, digest<EVP_sha256>},
    {"sha512", 1, 1, digest<EVP_sha512>},
    {"bin2hexstr", 1, 1, to_hex},
    {"hexstr2bin", 1, 1, from_hex},
    {"base64_encode", 1, 1, base64_encode},
    {"base64_decode", 1, 1, base64_decode},
    {"encode", 2, 2, named_codec<base64_encode>},
    {"decode", 2, 2, named_codec<base64_decode>},
    {"json_encode", 1, 1, json_encode, Absent::kSeen},
    {"json_decode", 1, 1, json_decode},
};

}  // namespace

std::span<const FunctionSpec> codec_functions() { return kFunctions; }

}  // namespace causeway::rules
