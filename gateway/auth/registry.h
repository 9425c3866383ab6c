// The port through which a gateway loop knows devices and products. An instance belongs to one loop
// and is used on its thread; RegistryEvents come on that thread too, never from within a call.
// Implemented over cluster/node; tests have their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/functional/any_invocable.h>

#include "core/base/time.h"
#include "gateway/auth/device.h"
#include "gateway/auth/product.h"

namespace causeway::auth {

// What the registry says of a key. Immutable, shared by whoever asked.
struct DeviceLookup {
    enum class Status : std::uint8_t {
        kFound,
        kNone,         // there is no such device
        kUnavailable,  // nobody could say in time: refuse for now (0x88), decide nothing
    };
    Status status = Status::kUnavailable;
    std::shared_ptr<const Device> device;  // kFound
};

// Addresses, devices, products or client ids that are not let in. From the control documents.
struct Ban {
    enum class Kind : std::uint8_t { kAddress, kDevice, kProduct, kClientId };
    Kind kind{};
    std::string value;
    std::uint64_t until_s = 0;  // seconds since 1970; 0: no end

    friend bool operator==(const Ban&, const Ban&) = default;
};

// All products and bans at one time. Replaced as a whole when one changes.
struct Catalogue {
    absl::btree_map<std::string, std::shared_ptr<const Product>, std::less<>> products;
    std::vector<Ban> bans;

    [[nodiscard]] std::shared_ptr<const Product> product(std::string_view name) const {
        const auto found = products.find(name);
        return found == products.end() ? nullptr : found->second;
    }
};

class RegistryEvents {
public:
    virtual ~RegistryEvents() = default;
    // Devices were put or deleted; what was cached of them is gone. Late by no more than the cache's
    // age (4 s) if the word of it was lost.
    virtual void on_devices_changed(const std::vector<std::string>& keys) = 0;
    // Nobody knows which: look at all of them again.
    virtual void on_all_devices_changed() = 0;
    // catalogue() is another.
    virtual void on_catalogue_changed() = 0;
};

class Registry {
public:
    using Found = absl::AnyInvocable<void(const DeviceLookup&)>;

    virtual ~Registry() = default;
    // Null until the first word of the control group: refuse with 0x88.
    [[nodiscard]] virtual std::shared_ptr<const Catalogue> catalogue() const = 0;
    // What is known of the device without asking; nullopt: not cached. What it says is at most 4 s
    // old.
    [[nodiscard]] virtual std::optional<DeviceLookup> cached(std::string_view key) = 0;
    // Effect: asks. `found` is called once, later, at `deadline` at the latest. Bounded: when too
    // many are asked for it is answered kUnavailable.
    virtual void find(std::string_view key, MonoMs deadline, Found found) = 0;
    // Effect: the same, past the cache: for a recheck after a change.
    virtual void find_fresh(std::string_view key, MonoMs deadline, Found found) = 0;
    // Null: no events. Before the loop runs, or on it.
    virtual void set_events(RegistryEvents* events) = 0;
};

}  // namespace causeway::auth
