// Compression. What is unpacked is bounded like every text that a function makes, so a payload of a
// kilobyte that would become a gigabyte fails the rule and costs no more than its bound.
#include <zlib.h>

#include <array>

#include "rules/engine/functions.h"

namespace causeway::rules {
namespace {

using Args = std::span<const Value>;

// windowBits of deflateInit2() and inflateInit2().
constexpr int kGzip = 15 + 16;
constexpr int kZlib = 15;
constexpr int kRaw = -15;

bool charge(Machine& machine, std::string_view bytes) {
    return !machine.failed() && machine.charge(64 + bytes.size() / 8);
}

template <int kWindowBits>
Value pack(Machine& machine, Args args) {
    const std::string_view bytes = want_bytes(machine, args[0]);
    if (!charge(machine, bytes)) {
        return {};
    }
    z_stream stream{};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return out_of_memory(machine);
    }
    std::string& out = machine.scratch();
    out.resize(deflateBound(&stream, static_cast<uLong>(bytes.size())));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // Only read.
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return result == Z_STREAM_END ? machine.new_bytes(out) : out_of_memory(machine);
}

template <int kWindowBits>
Value unpack(Machine& machine, Args args) {
    if (!args[0].text_like()) {
        return machine.fail_type("a text", args[0]);
    }
    const std::string_view bytes = args[0].text();
    z_stream stream{};
    if (!charge(machine, bytes) || inflateInit2(&stream, kWindowBits) != Z_OK) {
        return machine.failed() ? Value{} : out_of_memory(machine);
    }
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // Only read.
    stream.avail_in = static_cast<uInt>(bytes.size());
    std::string& out = machine.scratch();
    std::array<char, 4096> buffer{};
    int result = Z_OK;
    while (result == Z_OK && out.size() <= kTextMax && machine.charge(16)) {
        stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
        stream.avail_out = buffer.size();
        result = inflate(&stream, Z_NO_FLUSH);
        out.append(buffer.data(), buffer.size() - stream.avail_out);
    }
    const bool whole = result == Z_STREAM_END && stream.avail_in == 0;
    inflateEnd(&stream);
    if (machine.failed()) {
        return {};
    }
    if (out.size() > kTextMax) {
        return too_long(machine);
    }
    return whole ? machine.new_bytes(out)
                 : machine.fail(FailReason::kType, "the bytes are not so compressed");
}

Value checksum(Machine& machine, Args args) {
    const std::string_view bytes = want_bytes(machine, args[0]);
    if (machine.failed() || !machine.charge_bytes(bytes.size())) {
        return {};
    }
    return Value::integer(static_cast<std::int64_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()))));
}

constexpr FunctionSpec kFunctions[] = {
    {"gzip", pack<kGzip>, 1, 1},         {"gunzip", unpack<kGzip>, 1, 1},
    {"zip", pack<kRaw>, 1, 1},           {"unzip", unpack<kRaw>, 1, 1},
    {"zip_compress", pack<kZlib>, 1, 1}, {"zip_uncompress", unpack<kZlib>, 1, 1},
    {"crc32", checksum, 1, 1},
};

}  // namespace

std::span<const FunctionSpec> compress_functions() { return kFunctions; }

}  // namespace causeway::rules
