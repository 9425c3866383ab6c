// Encodings and digests. A text argument is taken by its bytes.
#include <array>
#include <string>
#include <utility>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

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
        return too_long(machine);
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
    return value ? *value : out_of_memory(machine);
}

const EVP_MD* algorithm_of(Machine& machine, const Value& value) {
    constexpr std::pair<std::string_view, const EVP_MD* (*)()> kAlgorithms[] = {
        {"md5", EVP_md5},       {"sha", EVP_sha1},      {"sha1", EVP_sha1},
        {"sha224", EVP_sha224}, {"sha256", EVP_sha256}, {"sha384", EVP_sha384},
        {"sha512", EVP_sha512},
    };
    std::string name(value.text_like() ? value.text() : std::string_view{});
    for (char& c : name) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    for (const auto& [known, algorithm] : kAlgorithms) {
        if (name == known) {
            return algorithm();
        }
    }
    machine.fail(FailReason::kType,
                 "the digest must be md5, sha1, sha224, sha256, sha384 or sha512");
    return nullptr;
}

// hash('sha256', x); with kLast, crypto(x, 'SHA256').
template <bool kLast>
Value named_digest(Machine& machine, Args args) {
    const EVP_MD* algorithm = algorithm_of(machine, args[kLast ? 1 : 0]);
    const std::string_view bytes =
        algorithm == nullptr ? std::string_view{} : want_bytes(machine, args[kLast ? 0 : 1]);
    if (machine.failed() || !machine.charge(8 + bytes.size() / 16)) {
        return {};
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, algorithm, nullptr) != 1) {
        return machine.fail(FailReason::kType, "the digest is not available");
    }
    return hex(machine, {reinterpret_cast<const char*>(sum.data()), size});
}

// hmac('sha256', key, x)
Value hmac(Machine& machine, Args args) {
    const EVP_MD* algorithm = algorithm_of(machine, args[0]);
    const std::string_view key =
        algorithm == nullptr ? std::string_view{} : want_bytes(machine, args[1]);
    const std::string_view bytes =
        machine.failed() ? std::string_view{} : want_bytes(machine, args[2]);
    if (machine.failed() || !machine.charge(16 + bytes.size() / 16)) {
        return {};
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned int size = 0;
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    if (HMAC(algorithm, key.data(), static_cast<int>(key.size()), data, bytes.size(), sum.data(),
             &size) == nullptr) {
        return machine.fail(FailReason::kType, "the digest is not available");
    }
    return hex(machine, {reinterpret_cast<const char*>(sum.data()), size});
}

// RFC 3986: all but letters, digits and -._~ becomes %XX.
Value url_encode(Machine& machine, Args args) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const std::string_view bytes = want_bytes(machine, args[0]);
    if (machine.failed()) {
        return {};
    }
    std::string& out = machine.scratch();
    for (const char c : bytes) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
            out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
        }
    }
    return machine.new_string(out);
}

Value url_decode(Machine& machine, Args args) {
    const std::string_view text = want_text(machine, args[0]);
    if (machine.failed()) {
        return {};
    }
    std::string& out = machine.scratch();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        const int high = i + 2 <= text.size() - 1 ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 <= text.size() - 1 ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return machine.fail(FailReason::kType, "'%' needs two hexadecimal digits");
        }
        out.push_back(static_cast<char>(high << 4 | low));
        i += 2;
    }
    return machine.new_bytes(out);
}

constexpr FunctionSpec kFunctions[] = {
    {"md5", digest<EVP_md5>, 1, 1},
    {"sha", digest<EVP_sha1>, 1, 1},
    {"sha1", digest<EVP_sha1>, 1, 1},
    {"sha256", digest<EVP_sha256>, 1, 1},
    {"sha224", digest<EVP_sha224>, 1, 1},
    {"sha384", digest<EVP_sha384>, 1, 1},
    {"sha512", digest<EVP_sha512>, 1, 1},
    {"hash", named_digest<false>, 2, 2},
    {"crypto", named_digest<true>, 2, 2},
    {"hmac", hmac, 3, 3},
    {"to_hex", to_hex, 1, 1},
    {"url_encode", url_encode, 1, 1},
    {"url_decode", url_decode, 1, 1},
    {"bin2hexstr", to_hex, 1, 1},
    {"hexstr2bin", from_hex, 1, 1},
    {"base64_encode", base64_encode, 1, 1},
    {"base64_decode", base64_decode, 1, 1},
    {"encode", named_codec<base64_encode>, 2, 2},
    {"decode", named_codec<base64_decode>, 2, 2},
    {"json_encode", json_encode, 1, 1, Absent::kSeen},
    {"json_decode", json_decode, 1, 1},
};

}  // namespace

std::span<const FunctionSpec> codec_functions() { return kFunctions; }

}  // namespace causeway::rules
