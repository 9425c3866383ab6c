// What the codec's files share: the frame around fields, and a reader whose numbers, counts and
// slices are checked. Internal to cluster/wire.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "cluster/wire/codec.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/encoding.h"
#include "core/base/tagged.h"

namespace causeway::wire {

// Appends a frame's head; its end fills in the size.
class OpenFrame {
public:
    OpenFrame(FrameType type, std::string& out) : out_(out), start_(out.size()) {
        ByteWriter writer(out);
        writer.u32(0);
        writer.u8(static_cast<std::uint8_t>(type));
    }
    ~OpenFrame() {
        const std::size_t size = out_.size() - start_ - sizeof(std::uint32_t);
        CW_CHECK(size <= kFrameBytesMax);
        const auto size32 = static_cast<std::uint32_t>(size);
        std::memcpy(out_.data() + start_, &size32, sizeof(size32));
    }
    OpenFrame(const OpenFrame&) = delete;
    OpenFrame& operator=(const OpenFrame&) = delete;

private:
    std::string& out_;
    std::size_t start_;
};

// A ByteReader over one frame's fields. Like it, it fails once and then gives zeros.
class FieldReader {
public:
    explicit FieldReader(const SharedBytes& body) : body_(body), in_(body.view()) {}

    // A varint that must fit its type.
    template <typename T>
    void number(T& value) {
        const std::uint64_t wide = in_.varint();
        if (wide > std::numeric_limits<T>::max()) {
            in_.fail();
        }
        value = static_cast<T>(wide);
    }
    template <typename Tag, typename Rep>
    void number(Tagged<Tag, Rep>& value) {
        Rep raw = 0;
        number(raw);
        value = Tagged<Tag, Rep>(raw);
    }
    void fixed(std::uint64_t& value) { value = in_.u64(); }
    std::uint8_t byte() { return in_.u8(); }
    void flag(bool& value) {
        const std::uint8_t raw = in_.u8();
        if (raw > 1) {
            in_.fail();
        }
        value = raw == 1;
    }
    template <typename Enum>
    void enumerator(Enum& value, Enum last) {
        const std::uint8_t raw = in_.u8();
        if (raw > static_cast<std::uint8_t>(last)) {
            in_.fail();
        }
        value = static_cast<Enum>(raw);
    }
    void text(std::string& value) { value = in_.string(); }
    std::string_view view() { return in_.string(); }
    // A slice that keeps the frame alive.
    void shared(SharedBytes& value) {
        const std::string_view part = in_.string();
        value = part.empty() ? SharedBytes() : body_.slice_of(part);
    }
    // How many items follow. Fails when the bytes left cannot hold so many of `item_bytes_min`, so
    // that a count is never a reason to allocate.
    std::size_t count(std::size_t item_bytes_min) {
        const std::uint64_t items = in_.varint();
        if (items > in_.rest().size() / item_bytes_min) {
            in_.fail();
            return 0;
        }
        return items;
    }
    void fail() { in_.fail(); }
    [[nodiscard]] bool failed() const { return in_.failed(); }

private:
    const SharedBytes& body_;
    ByteReader in_;
};

// codec_raft.cc
void write_fields(const RaftFrame& frame, ByteWriter& out);
void read_fields(FieldReader& in, RaftFrame& frame);
void write_meta(const raft::SnapshotMeta& meta, ByteWriter& out);
void read_meta(FieldReader& in, raft::SnapshotMeta& meta);

}  // namespace causeway::wire
