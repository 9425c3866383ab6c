// glibc's malloc and /proc; see the header.
#include "core/io/heap.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace causeway::io {
namespace {

std::atomic<std::uint64_t> trims = 0;
std::atomic<std::uint64_t> tls_bytes = 0;

// With the header of malloc's chunk.
std::uint64_t chunk_bytes(void* memory) {
    return memory == nullptr ? 0 : ::malloc_usable_size(memory) + sizeof(std::size_t);
}

void* tls_allocate(std::size_t size, const char*, int) {
    void* const memory = std::malloc(size);
    tls_bytes.fetch_add(chunk_bytes(memory), std::memory_order_relaxed);
    return memory;
}

void tls_free(void* memory, const char*, int) {
    tls_bytes.fetch_sub(chunk_bytes(memory), std::memory_order_relaxed);
    std::free(memory);
}

void* tls_reallocate(void* memory, std::size_t size, const char*, int) {
    const std::uint64_t before = chunk_bytes(memory);
    void* const larger = std::realloc(memory, size);
    if (larger != nullptr) {
        tls_bytes.fetch_add(chunk_bytes(larger) - before, std::memory_order_relaxed);
    }
    return larger;
}

std::uint64_t resident_bytes() {
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (file == nullptr) {
        return 0;
    }
    unsigned long size = 0;
    unsigned long resident = 0;
    const int read = std::fscanf(file, "%lu %lu", &size, &resident);
    std::fclose(file);
    return read == 2 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

HeapStatus heap_status() {
    const struct mallinfo2 heap = ::mallinfo2();
    return HeapStatus{.resident_bytes = resident_bytes(),
                      .used_bytes = heap.uordblks + heap.hblkhd,
                      .free_bytes = heap.fordblks,
                      .tls_bytes = tls_bytes.load(std::memory_order_relaxed),
                      .trims = trims.load(std::memory_order_relaxed)};
}

void count_tls_heap() { ::CRYPTO_set_mem_functions(tls_allocate, tls_reallocate, tls_free); }

void trim_heap() {
    ::malloc_trim(0);
    trims.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace causeway::io
