// Chance for identities and seeds, from the system.
#pragma once

#include <cstdint>
#include <fstream>

namespace causeway::root {

inline std::uint64_t random_number() {
    std::uint64_t number = 0;
    std::ifstream("/dev/urandom", std::ios::binary)
        .read(reinterpret_cast<char*>(&number), sizeof(number));
    return number;
}

}  // namespace causeway::root
