// The project's one hash and checksum: XXH3, 64 bits. Stable across machines and versions (it is in
// files and decides slots), not for secrets.
#pragma once

#include <cstdint>
#include <string_view>

namespace causeway {

std::uint64_t hash64(std::string_view bytes);
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed);

}  // namespace causeway
