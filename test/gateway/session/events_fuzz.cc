// libFuzzer: bytes as choices of events.h; what must hold is checked there.
#include <cstddef>
#include <cstdint>

#include "test/gateway/session/events.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::size_t at = 0;
    const auto choose = [&](std::uint64_t bound) {
        std::uint64_t value = 0;
        for (std::uint64_t room = 1; room < bound && at < size; room <<= 8) {
            value = value << 8 | data[at++];
        }
        return value % bound;
    };
    causeway::session::test::Events events(choose, [&] { return at >= size; });
    events.play(4'096);
    return 0;
}
