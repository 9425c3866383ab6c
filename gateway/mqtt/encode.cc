// The choice of the writer: see encode.h.
#include "gateway/mqtt/encode.h"

#include "gateway/mqtt/codec.h"

namespace causeway::mqtt {

bool encode(const Packet& packet, Version version, std::string& out) {
    Writer writer(out);
    std::visit([&](const auto& alternative) { write(writer, version, alternative); }, packet);
    return writer.finish();
}

}  // namespace causeway::mqtt
