#include "cluster/wire/hello.h"

#include <algorithm>

#include "cluster/wire/codec.h"
#include "cluster/wire/fields.h"
#include "cluster/wire/hello.pb.h"
#include "core/base/check.h"

namespace causeway::wire {

void append(const Hello& hello, std::string& out) {
    proto::Hello message;
    message.set_version(hello.version);
    message.set_cluster_id(hello.cluster_id);
    message.set_node_uuid(hello.node_uuid);
    message.set_node_id(hello.node_id);
    message.set_boot(hello.boot);
    message.set_name(hello.name);
    message.mutable_features()->Assign(hello.features.begin(), hello.features.end());
    // Concatenated encodings of a message are the encoding of both («Protocol Buffers, Encoding»).
    const std::string body = message.SerializeAsString() + hello.unknown_fields;
    CW_CHECK(body.size() <= kHelloBytesMax);
    const OpenFrame frame(FrameType::kHello, out);
    out += body;
}

std::optional<Hello> decode_hello(std::string_view body) {
    proto::Hello message;
    if (body.size() > kHelloBytesMax ||
        !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
        return std::nullopt;
    }
    Hello hello;
    hello.version = message.version();
    hello.cluster_id = message.cluster_id();
    hello.node_uuid = message.node_uuid();
    hello.node_id = message.node_id();
    hello.boot = message.boot();
    hello.name = message.name();
    hello.features.assign(message.features().begin(), message.features().end());
    const auto& unknown = message.GetReflection()->GetUnknownFields(message);
    if (!unknown.SerializeToString(&hello.unknown_fields)) {
        return std::nullopt;
    }
    return hello;
}

std::optional<std::uint32_t> negotiate(std::uint32_t ours, std::uint32_t theirs) {
    const std::uint32_t version = std::min(ours, theirs);
    return version < kVersionMin ? std::nullopt : std::optional(version);
}

}  // namespace causeway::wire
