// JSON and records of devices and products: whatever is read can be written and read again, and no
// error repeats what it read.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "gateway/auth/product.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace causeway::auth;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto device = parse_device(bytes)) {
        const auto again = parse_device(to_json(*device, Secrets::kShown));
        CW_CHECK(again.has_value() && *again == *device);
        const auto stored = decode_device(device->key(), encode(*device));
        CW_CHECK(stored.has_value() && *stored == *device);
    } else {
        CW_CHECK(device.error().message.size() < 1024);
    }
    if (const auto product = parse_product(bytes)) {
        const auto again = parse_product(to_json(*product, Secrets::kShown));
        CW_CHECK(again.has_value() && *again == *product);
    }
    if (const auto device = decode_device("p/d", bytes)) {
        CW_CHECK(decode_device("p/d", encode(*device)) == *device);
    }
    return 0;
}
