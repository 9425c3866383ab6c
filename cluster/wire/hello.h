// The handshake: the first frame on a connection, both ways. Protobuf, so that later versions can
// add to it; what this version does not know is kept. Called by cluster/link; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::wire {

// The frames of docs/formats/wire.md. A node speaks every version from kVersionMin to kVersion.
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kVersionMin = 1;
// A larger first frame is no handshake.
inline constexpr std::size_t kHelloBytesMax = std::size_t{16} * 1024;

struct Hello {
    std::uint32_t version = kVersion;
    std::string cluster_id;       // empty: joining, not known yet
    std::uint64_t node_uuid = 0;  // random, made once per data directory
    std::uint64_t node_id = 0;    // 0: joining
    std::uint64_t boot = 0;
    std::string name;
    std::vector<std::string> features;
    std::string unknown_fields{};  // protobuf, as received; goes back out with append()

    bool operator==(const Hello&) const = default;
};

// Effect: appends the frame. Precondition: it stays within kHelloBytesMax.
void append(const Hello& hello, std::string& out);

// `body`: of a frame of type FrameType::kHello. Nothing if it is malformed or too large.
std::optional<Hello> decode_hello(std::string_view body);

// The version two nodes talk: the lower of both. Nothing if that is below kVersionMin: the
// connection is refused.
std::optional<std::uint32_t> negotiate(std::uint32_t ours, std::uint32_t theirs);

}  // namespace causeway::wire
