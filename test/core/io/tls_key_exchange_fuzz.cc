// Any bytes as TLS records of a client: an identity that is found is one, and more bytes change
// nothing about it.
#include <algorithm>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "core/io/tls_psk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace causeway::io;
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    const KeyExchange read = read_key_exchange(bytes);
    if (read.status != KeyExchangeStatus::kFound) {
        CW_CHECK(read.identity.empty());
        return 0;
    }
    CW_CHECK(!read.identity.empty() && read.identity.size() <= kPskIdentityBytesMax);
    CW_CHECK(std::all_of(read.identity.begin(), read.identity.end(),
                         [](unsigned char c) { return c > 0x20 && c < 0x7F; }));
    const KeyExchange again = read_key_exchange(bytes + "tail");
    CW_CHECK(again.status == KeyExchangeStatus::kFound && again.identity == read.identity);
    return 0;
}
