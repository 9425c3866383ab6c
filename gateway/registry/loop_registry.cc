#include "gateway/registry/loop_registry.h"

#include <algorithm>
#include <utility>

namespace causeway::registry {
namespace {

constexpr std::uint64_t kTickMs = 50;

}  // namespace

using Status = auth::DeviceLookup::Status;

LoopRegistry::LoopRegistry(io::Loop& loop, Records& records, const LoopRegistryOptions& options)
    : loop_(loop),
      records_(records),
      options_(options),
      timer_(loop, [this] { on_deadline(); }),
      self_(std::make_shared<LoopRegistry*>(this)) {
    records_.watch([weak = handle()](GroupId, const std::vector<std::string>& keys) {
        if (const auto self = weak.lock()) {
            (*self)->on_changed(keys);
        }
    });
    timer_.start(kTickMs, kTickMs);
}

LoopRegistry::~LoopRegistry() = default;

void LoopRegistry::set_catalogue(std::shared_ptr<const auth::Catalogue> catalogue) {
    if (catalogue == nullptr) {
        return;
    }
    catalogue_ = std::move(catalogue);
    if (events_ != nullptr) {
        events_->on_catalogue_changed();
    }
}

std::optional<auth::DeviceLookup> LoopRegistry::cached(std::string_view key) {
    const MonoMs now = loop_.now_ms();
    for (const Generation* generation : {&young_, &old_}) {
        const auto found = generation->find(std::string(key));
        if (found != generation->end()) {
            return now < found->second.until ? std::optional(found->second.lookup) : std::nullopt;
        }
    }
    return std::nullopt;
}

void LoopRegistry::keep(const std::string& key, const auth::DeviceLookup& lookup) {
    if (young_.size() >= options_.cached_max / 2) {
        old_ = std::exchange(young_, {});
    }
    old_.erase(key);
    young_[key] = Kept{lookup, loop_.now_ms() + options_.age_max_ms};
}

void LoopRegistry::find(std::string_view key, MonoMs deadline, Found found) {
    if (!cached(key)) {
        find_fresh(key, deadline, std::move(found));
        return;
    }
    // Looked up again when it is told: a change in between must not be missed.
    loop_.post(
        [weak = handle(), key = std::string(key), deadline, found = std::move(found)]() mutable {
            const auto self = weak.lock();
            if (!self) {
                return;
            }
            if (const auto known = (*self)->cached(key)) {
                found(*known);
            } else {
                (*self)->find_fresh(key, deadline, std::move(found));
            }
        });
}

void LoopRegistry::find_fresh(std::string_view key, MonoMs deadline, Found found) {
    const std::uint64_t question = next_++;
    waiting_.emplace(std::pair(deadline, question), Waiting{std::string(key), std::move(found)});
    records_.find(key, [weak = handle(), question, deadline](const RecordsFound* answer) {
        if (const auto self = weak.lock()) {
            (*self)->on_found(question, deadline, answer);
        }
    });
}

void LoopRegistry::on_found(std::uint64_t question, MonoMs deadline, const RecordsFound* answer) {
    auto node = waiting_.extract({deadline, question});
    if (!node) {
        return;  // its time was over
    }
    auth::DeviceLookup lookup;
    if (answer != nullptr && answer->records.empty()) {
        lookup.status = Status::kNone;
    } else if (answer != nullptr) {
        const Record& record = answer->records.front();
        // A record of a newer version is not let in as somebody else, nor taken for none.
        if (auto device = auth::decode_device(record.key, record.value)) {
            lookup.status = Status::kFound;
            lookup.device = std::make_shared<const auth::Device>(std::move(*device));
            keep(record.key, lookup);
        }
    }
    node.mapped().found(lookup);
}

void LoopRegistry::on_changed(const std::vector<std::string>& keys) {
    if (keys.empty()) {
        young_.clear();
        old_.clear();
        if (events_ != nullptr) {
            events_->on_all_devices_changed();
        }
        return;
    }
    for (const std::string& key : keys) {
        young_.erase(key);
        old_.erase(key);
    }
    if (events_ != nullptr) {
        events_->on_devices_changed(keys);
    }
}

void LoopRegistry::on_deadline() {
    const MonoMs now = loop_.now_ms();
    while (!waiting_.empty() && waiting_.begin()->first.first <= now) {
        auto node = waiting_.extract(waiting_.begin());
        node.mapped().found(auth::DeviceLookup{});
    }
}

}  // namespace causeway::registry
