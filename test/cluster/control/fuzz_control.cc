// Any bytes as a command and as a snapshot: never a crash, and what is read is written alike.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cluster/control/machine.h"
#include "core/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using causeway::control::Machine;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto command = causeway::control::decode_command(bytes)) {
        const auto again = causeway::control::decode_command(encode(*command));
        CW_CHECK(again.has_value() && encode(*again) == encode(*command));
    }
    Machine machine;
    machine.apply(causeway::Index(1), bytes);
    Machine other;
    if (other.restore(bytes)) {
        const std::string snapshot = other.snapshot();
        Machine third;
        CW_CHECK(third.restore(snapshot) && third.snapshot() == snapshot);
    }
    return 0;
}
