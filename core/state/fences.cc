#include "core/state/fences.h"

#include <algorithm>
#include <functional>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

constexpr SetMs kKeptMs = 30'000;
// A busy client's record is written again this often, not with each publish; it is kept this much
// longer.
constexpr SetMs kRefreshMs = 10'000;
// By then a leader has declared every silent gateway dead (rule 9), and with it the stream that an
// old command would come by.
constexpr SetMs kLedMs = 8'000;
// Old ones to forget in one publish: more than it can add.
constexpr int kForgetMax = 2;

}  // namespace

bool Fences::load() {
    bool ok = true;
    const std::string prefix = key_of(Table::kFence);
    context_.kv.scan(prefix, after_prefix(prefix),
                     [&](std::string_view key, std::string_view value) {
                         ByteReader reader(value);
                         if (key.size() == 1) {
                             led_since_ = reader.varint();
                             ok = reader.done();
                             return ok;
                         }
                         Fence fence;
                         fence.epoch = reader.varint();
                         fence.at = reader.varint();
                         ok = !reader.failed();
                         by_time_.emplace(fence.at, key.substr(1));
                         by_client_.emplace(key.substr(1), fence);
                         return ok;
                     });
    return ok;
}

bool Fences::admit(std::string_view client_id, std::uint64_t epoch) {
    if (led_since_ == 0) {
        led_since_ = context_.now();
        keep_leader();
    }
    const bool led_long = led_since_ + kLedMs <= context_.now();
    for (int i = 0; led_long && i < kForgetMax && !by_time_.empty() &&
                    by_time_.begin()->first + kKeptMs + kRefreshMs < context_.now();
         ++i) {
        forget_oldest();
    }
    const auto found = by_client_.find(client_id);
    if (found != by_client_.end() && epoch < found->second.epoch) {
        return false;
    }
    const bool known = found != by_client_.end() && epoch == found->second.epoch;
    if (!known || found->second.at + kRefreshMs <= context_.now()) {
        note(client_id, epoch);
    }
    return true;
}

void Fences::new_leader() {
    led_since_ = 0;
    keep_leader();
}

void Fences::keep_leader() {
    std::string value;
    ByteWriter(value).varint(led_since_);
    context_.kv.put(key_of(Table::kFence), value);
}

void Fences::note(std::string_view client_id, std::uint64_t epoch) {
    const auto found = by_client_.find(client_id);
    if (found != by_client_.end()) {
        by_time_.erase(std::pair(found->second.at, std::string(client_id)));
        by_client_.erase(found);
    }
    const std::uint64_t max = std::max<std::uint64_t>(context_.meta.limits.fences_max, 1);
    for (int i = 0; i < kForgetMax && by_client_.size() >= max; ++i) {
        forget_oldest();
        ++context_.counters().fences_evicted;
    }
    by_client_.emplace(client_id, Fence{epoch, context_.now()});
    by_time_.emplace(context_.now(), client_id);
    std::string value;
    ByteWriter writer(value);
    writer.varint(epoch);
    writer.varint(context_.now());
    context_.kv.put(key_of(Table::kFence, client_id), value);
}

void Fences::forget_oldest() {
    const std::string client_id = by_time_.begin()->second;
    by_time_.erase(by_time_.begin());
    by_client_.erase(client_id);
    context_.kv.erase(key_of(Table::kFence, client_id));
}

}  // namespace causeway::state
