// libFuzzer: any bytes, as 3.1.1 and 5.0, from either side. What decodes must encode, and decode to
// the same value again; a stream of packets is walked to its end.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/check.h"
#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/encode.h"

namespace {

using namespace causeway::mqtt;  // NOLINT(google-build-using-namespace)

void walk(std::string_view bytes, const DecodeOptions& options) {
    while (!bytes.empty()) {
        const DecodeResult result = decode(bytes, options);
        if (const auto* more = std::get_if<NeedMore>(&result)) {
            CW_CHECK(more->bytes_min > bytes.size());
            return;
        }
        if (const auto* error = std::get_if<DecodeError>(&result)) {
            CW_CHECK(is_error(error->reason_code) && !error->statement.empty());
            return;
        }
        const auto& decoded = std::get<Decoded>(result);
        CW_CHECK(decoded.consumed > 0 && decoded.consumed <= bytes.size());
        std::string out;
        CW_CHECK(encode(decoded.packet, options.version, out));
        const DecodeResult again = decode(out, options);
        CW_CHECK(std::holds_alternative<Decoded>(again));
        CW_CHECK(std::get<Decoded>(again).packet == decoded.packet);
        CW_CHECK(std::get<Decoded>(again).consumed == out.size());
        bytes.remove_prefix(decoded.consumed);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const Version version : {Version::k31, Version::k311, Version::k5}) {
        for (const Sender sender : {Sender::kClient, Sender::kServer}) {
            walk(bytes, {.version = version, .sender = sender});
        }
    }
    return 0;
}
