// Any bytes as a certificate: what is said of it stays within its limits, and two readings agree.
#include <algorithm>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "core/io/tls_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace causeway::io;
    const std::string_view der(reinterpret_cast<const char*>(data), size);
    const auto peer = parse_peer(der);
    if (!peer) {
        return 0;
    }
    CW_CHECK(!peer->verified && peer->psk_identity.empty());
    CW_CHECK(peer->common_name.size() <= kPeerNameBytesMax);
    CW_CHECK(peer->common_name.find('\0') == std::string::npos);
    CW_CHECK(peer->dns_names.size() + peer->uris.size() <= kPeerNamesMax);
    CW_CHECK(peer->fingerprint.size() == 64);
    for (const auto* names : {&peer->dns_names, &peer->uris}) {
        for (const std::string& name : *names) {
            CW_CHECK(!name.empty() && name.size() <= kPeerNameBytesMax);
            CW_CHECK(std::all_of(name.begin(), name.end(),
                                 [](unsigned char c) { return c > 0x20 && c < 0x7F; }));
        }
    }
    const auto again = parse_peer(peer->der);
    CW_CHECK(again && again->common_name == peer->common_name && again->uris == peer->uris);
    return 0;
}
