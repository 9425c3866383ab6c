// Any bytes as a chunk of a snapshot: as they are, and with a checksum that holds, as a peer could
// send them. A chunk that is taken has ascending keys and says its number.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/encoding.h"
#include "core/base/hash.h"
#include "core/state/snapshot.h"

namespace {

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

void take(std::string_view chunk) {
    const auto number = causeway::state::check_chunk(chunk);
    causeway::state::ChunkSequence sequence;
    std::string last;
    std::size_t records = 0;
    const auto taken = sequence.take(chunk, [&](std::string_view key, std::string_view) {
        require(records++ == 0 || key > last);
        last = key;
    });
    require(!taken || (number && *number == 0));
    require(taken || records == 0);
    require(!taken || !sequence.take(chunk, [](auto, auto) {}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    take(bytes);
    std::string sealed;
    causeway::ByteWriter(sealed).u64(causeway::hash64(bytes));
    take(sealed.append(bytes));
    return 0;
}
