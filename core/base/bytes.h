// Byte strings. A view of bytes is a std::string_view and an owned buffer a std::string everywhere
// in this project (RocksDB slices, xxhash, simdjson and OpenSSL all take them without a copy);
// bytes that outlive their maker and are never changed again are SharedBytes.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace causeway {

// Immutable, reference-counted bytes; a slice shares the allocation. 32 bytes, one allocation for
// the count and the bytes together. Safe to copy between threads; the bytes are never written
// again.
class SharedBytes {
public:
    SharedBytes() = default;

    // Effect: copies `bytes` into a new allocation.
    static SharedBytes copy(std::string_view bytes) {
        if (bytes.empty()) {
            return {};
        }
        auto memory = std::make_shared_for_overwrite<char[]>(bytes.size());
        std::memcpy(memory.get(), bytes.data(), bytes.size());
        const std::string_view view(memory.get(), bytes.size());
        return SharedBytes(std::move(memory), view);
    }

    // Effect: takes the string over without copying its heap block.
    static SharedBytes take(std::string&& bytes) {
        auto owner = std::make_shared<const std::string>(std::move(bytes));
        const std::string_view view = *owner;
        return SharedBytes(std::shared_ptr<const char[]>(std::move(owner), view.data()), view);
    }

    // A slice [offset, offset + size) that keeps the whole allocation alive. Clamped to the bytes.
    [[nodiscard]] SharedBytes slice(std::size_t offset,
                                    std::size_t size = std::string_view::npos) const {
        return SharedBytes(owner_,
                           view_.substr(offset < view_.size() ? offset : view_.size(), size));
    }
    // A slice named by a view into these bytes. Precondition: `part` lies inside view().
    [[nodiscard]] SharedBytes slice_of(std::string_view part) const {
        return SharedBytes(owner_, part);
    }

    [[nodiscard]] std::string_view view() const { return view_; }
    [[nodiscard]] std::size_t size() const { return view_.size(); }
    [[nodiscard]] bool empty() const { return view_.empty(); }

private:
    SharedBytes(std::shared_ptr<const char[]> owner, std::string_view view)
        : owner_(std::move(owner)), view_(view) {}

    std::shared_ptr<const char[]> owner_;
    std::string_view view_;
};

}  // namespace causeway
