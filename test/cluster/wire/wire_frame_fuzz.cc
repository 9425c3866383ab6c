// Any bytes as a stream of frames, cut anywhere (byte 0 says how): whatever is decoded can be
// encoded and comes back the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cluster/wire/frame_reader.h"
#include "cluster/wire/hello.h"
#include "test/cluster/wire/frames.h"

namespace {

using namespace causeway;  // NOLINT(google-build-using-namespace)

bool comes_back(const wire::Frame& frame) {
    std::string bytes;
    wire::append(frame, bytes);
    wire::FrameReader reader;
    bool equal = false;
    reader.feed(bytes, [&](std::uint8_t type, const SharedBytes& body) {
        const auto back = wire::decode(type, body);
        equal = back && same(frame, *back);
        return true;
    });
    return equal;
}

bool take(std::uint8_t type, const SharedBytes& body) {
    if (type == static_cast<std::uint8_t>(wire::FrameType::kHello)) {
        static_cast<void>(wire::decode_hello(body.view()));
    }
    const auto frame = wire::decode(type, body);
    if (frame && !comes_back(*frame)) {
        std::abort();
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t step = data[0] + std::size_t{1};
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    wire::FrameReader reader(std::size_t{1} << 20);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        if (!reader.feed(bytes.substr(at, step), take)) {
            break;
        }
    }
    return 0;
}
