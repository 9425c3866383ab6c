// The heap of this process: what it holds and what the kernel sees, and giving back what a storm of
// connections left behind. Any thread.
#pragma once

#include <cstdint>

namespace causeway::io {

struct HeapStatus {
    std::uint64_t resident_bytes = 0;  // of the whole process, as the kernel counts
    std::uint64_t used_bytes = 0;      // handed out by malloc
    std::uint64_t free_bytes = 0;      // kept by malloc for later
    std::uint64_t tls_bytes = 0;       // of the used ones: OpenSSL's, see count_tls_heap()
    std::uint64_t trims = 0;           // calls of trim_heap()
};

[[nodiscard]] HeapStatus heap_status();

// Effect: from now on OpenSSL's allocations are counted. Before anything uses OpenSSL, or it has no
// effect.
void count_tls_heap();

// Effect: gives whole free pages of the heap back to the kernel. Takes milliseconds when there is
// much to give, and other threads may wait for their arena meanwhile: not on a message's way.
void trim_heap();

}  // namespace causeway::io
