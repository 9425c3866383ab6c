// Gathers deliveries that go to one place (URL, method and headers are equal) until there are
// enough or the first has waited long enough. Pure: time is given. Internal to rules/sink.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>

#include "core/base/time.h"
#include "rules/sink/http_target.h"
#include "rules/sink/sink.h"

namespace causeway::rules {

struct BatchLimits {
    std::size_t items_max = 1;  // 1: every delivery is a batch of its own, without a wait
    std::uint64_t wait_ms = 50;
    std::size_t bytes_max = std::size_t{1} << 20;
};

struct BatchItem {
    Delivery delivery;
    std::string_view body;  // in delivery.request
    Sink::Completion completion;
};

struct Batch {
    HttpCall call;
    std::vector<BatchItem> items;
    std::size_t bytes = 0;
    MonoMs since = 0;
};

class Batcher {
public:
    explicit Batcher(const BatchLimits& limits) : limits_(limits) {}

    // Effect: the item joins its batch. Returns those that are full with it: none, one, or two when
    // it did not fit any more and fills the next one alone.
    [[nodiscard]] std::vector<Batch> add(HttpCall call, BatchItem item, MonoMs now);
    // Effect: takes the batches that have waited long enough.
    [[nodiscard]] std::vector<Batch> due(MonoMs now);
    // When due() has something.
    [[nodiscard]] std::optional<MonoMs> next() const;
    // Deliveries that wait.
    [[nodiscard]] std::size_t waiting() const { return waiting_; }
    // Effect: forgets what waits.
    void clear();

private:
    Batch take(absl::btree_map<std::string, Batch>::iterator at);

    BatchLimits limits_;
    absl::btree_map<std::string, Batch> open_;  // by what is equal in a batch
    std::size_t waiting_ = 0;
};

}  // namespace causeway::rules
