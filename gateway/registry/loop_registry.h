// A gateway loop's registry over the records of the sets: a cache that is never older than 4 s and
// drops what the core says has changed. Loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "core/base/hash.h"
#include "core/io/loop.h"
#include "core/io/timer.h"
#include "core/message/records.h"
#include "gateway/auth/registry.h"

namespace causeway::registry {

struct LoopRegistryOptions {
    std::size_t cached_max = 32'768;  // devices
    MonoMs age_max_ms = 4'000;
};

class LoopRegistry final : public auth::Registry {
public:
    // `records` must outlive it; it becomes its watcher.
    LoopRegistry(io::Loop& loop, Records& records, const LoopRegistryOptions& options);
    ~LoopRegistry() override;

    [[nodiscard]] std::shared_ptr<const auth::Catalogue> catalogue() const override {
        return catalogue_;
    }
    [[nodiscard]] std::optional<auth::DeviceLookup> cached(std::string_view key) override;
    void find(std::string_view key, MonoMs deadline, Found found) override;
    void find_fresh(std::string_view key, MonoMs deadline, Found found) override;
    void set_events(auth::RegistryEvents* events) override { events_ = events; }

    void set_catalogue(std::shared_ptr<const auth::Catalogue> catalogue);
    // Ends with this object; what it points to is this object, for tasks of the loop.
    [[nodiscard]] std::weak_ptr<LoopRegistry*> handle() const { return self_; }

private:
    struct Kept {
        auth::DeviceLookup lookup;
        MonoMs until = 0;
    };
    // Found by views: Debian's abseil has a string_view of its own.
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const { return hash64(key); }
    };
    using Generation = absl::flat_hash_map<std::string, Kept, Hash, std::equal_to<>>;
    struct Waiting {
        std::string key;
        Found found;
    };

    void on_found(std::uint64_t question, MonoMs deadline, const RecordsFound* answer);
    void on_changed(const std::vector<std::string>& keys);
    void on_deadline();
    void keep(const std::string& key, const auth::DeviceLookup& lookup);

    io::Loop& loop_;
    Records& records_;
    LoopRegistryOptions options_;
    auth::RegistryEvents* events_ = nullptr;
    std::shared_ptr<const auth::Catalogue> catalogue_;
    // Two halves: when the younger is full, the older is forgotten and the younger takes its place.
    Generation young_;
    Generation old_;
    std::map<std::pair<MonoMs, std::uint64_t>, Waiting> waiting_;  // by deadline and question
    std::uint64_t next_ = 1;
    io::Timer timer_;
    std::shared_ptr<LoopRegistry*> self_;
};

}  // namespace causeway::registry
