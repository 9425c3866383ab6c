// A queue that operators declare: proposed to every set by its leader.
#pragma once

#include <cstdint>
#include <string>

namespace causeway::node {

struct QueueDeclaration {
    std::string name;
    std::uint64_t messages_max = 0;  // 0: the set's default
    std::uint64_t bytes_max = 0;
    std::uint32_t visibility_timeout_s = 30;
    std::uint32_t retention_s = 0;
    std::uint32_t receive_count_max = 0;
    std::string dead_letter;
};

}  // namespace causeway::node
