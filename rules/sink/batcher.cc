#include "rules/sink/batcher.h"

#include <algorithm>
#include <utility>

namespace causeway::rules {
namespace {

// Parts are separated by a byte that none of them holds.
std::string place_of(const HttpCall& call) {
    std::string place = call.method + '\n' + call.url;
    for (const auto& [name, value] : call.headers) {
        place.append("\n").append(name).append(":").append(value);
    }
    return place;
}

}  // namespace

Batch Batcher::take(absl::btree_map<std::string, Batch>::iterator at) {
    Batch batch = std::move(at->second);
    open_.erase(at);
    waiting_ -= batch.items.size();
    return batch;
}

std::vector<Batch> Batcher::add(HttpCall call, BatchItem item, MonoMs now) {
    std::vector<Batch> full;
    std::string place = place_of(call);
    auto at = open_.find(place);
    const std::size_t size = item.body.size() + 1;
    if (at != open_.end() && at->second.bytes + size > limits_.bytes_max) {
        full.push_back(take(at));
        at = open_.end();
    }
    if (at == open_.end()) {
        at = open_.emplace(std::move(place), Batch{std::move(call), {}, 2, now}).first;
    }
    Batch& batch = at->second;
    batch.bytes += size;
    batch.items.push_back(std::move(item));
    ++waiting_;
    if (batch.items.size() >= limits_.items_max || batch.bytes >= limits_.bytes_max) {
        full.push_back(take(at));
    }
    return full;
}

std::vector<Batch> Batcher::due(MonoMs now) {
    std::vector<Batch> taken;
    for (auto at = open_.begin(); at != open_.end();) {
        const auto here = at++;
        if (now >= here->second.since + limits_.wait_ms) {
            taken.push_back(take(here));
            // take() has made every iterator of the tree invalid.
            at = open_.begin();
        }
    }
    return taken;
}

std::optional<MonoMs> Batcher::next() const {
    std::optional<MonoMs> first;
    for (const auto& [place, batch] : open_) {
        const MonoMs at = batch.since + limits_.wait_ms;
        first = first ? std::min(*first, at) : at;
    }
    return first;
}

void Batcher::clear() {
    open_.clear();
    waiting_ = 0;
}

}  // namespace causeway::rules
