#include "core/state/interests.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

// A record that says more than this is not ours.
constexpr std::uint64_t kListMax = 65536;

void put_asked(const AskedSets& asked, ByteWriter& writer) {
    writer.varint(asked.size());
    for (const Asked& one : asked) {
        writer.varint(one.set.value());
        writer.varint(one.n);
    }
}

void get_asked(ByteReader& in, AskedSets& asked) {
    const std::uint64_t count = in.varint();
    if (count > kListMax) {
        in.fail();
    }
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        const GroupId set(static_cast<std::uint32_t>(in.varint()));
        asked.push_back(Asked{set, in.varint()});
    }
}

void encode(const WaitingSubscribe& waiting, std::string& out) {
    ByteWriter writer(out);
    writer.varint(waiting.session);
    writer.u64(waiting.nonce);
    writer.varint(waiting.epoch);
    writer.varint(waiting.seq);
    writer.varint(waiting.deadline);
    writer.string(waiting.detail);
    writer.varint(waiting.filters.size());
    for (const WaitingFilter& filter : waiting.filters) {
        writer.varint(filter.at);
        writer.string(filter.filter);
        put_asked(filter.on, writer);
    }
}

bool decode(std::string_view in, WaitingSubscribe& out) {
    ByteReader reader(in);
    out.session = reader.varint();
    out.nonce = reader.u64();
    out.epoch = reader.varint();
    out.seq = reader.varint();
    out.deadline = reader.varint();
    out.detail = std::string(reader.string());
    const std::uint64_t count = reader.varint();
    for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
        WaitingFilter& filter = out.filters.emplace_back();
        filter.at = static_cast<std::uint32_t>(reader.varint());
        filter.filter = std::string(reader.string());
        get_asked(reader, filter.on);
        if (filter.at >= out.detail.size()) {
            reader.fail();
        }
    }
    return !reader.failed();
}

AskedSets::const_iterator at_set(const AskedSets& asked, GroupId set) {
    return std::find_if(asked.begin(), asked.end(),
                        [&](const Asked& one) { return one.set == set; });
}

}  // namespace

bool Interests::load() {
    bool ok = true;
    const std::string asked = key_of(Table::kAsked);
    context_.kv.scan(asked, after_prefix(asked), [&](std::string_view key, std::string_view value) {
        ByteReader reader(value);
        get_asked(reader, asked_[std::string(key.substr(1))]);
        ok = !reader.failed();
        return ok;
    });
    const std::string waiting = key_of(Table::kWaiting);
    context_.kv.scan(waiting, after_prefix(waiting),
                     [&](std::string_view key, std::string_view value) {
                         WaitingSubscribe one;
                         one.id = ByteReader(key.substr(1)).key_u64();
                         ok = ok && decode(value, one);
                         if (ok) {
                             remember(std::move(one));
                         }
                         return ok;
                     });
    return ok;
}

bool Interests::has_room(std::string_view filter) const {
    const std::vector<GroupId> reached = context_.layout.reached(filter);
    return std::all_of(reached.begin(), reached.end(),
                       [&](GroupId set) { return peers_.has_room_for_control(set); });
}

void Interests::tell(GroupId set, std::string_view filter, PeerItemKind kind, AskedSets& told) {
    PeerItem item;
    item.kind = kind;
    item.filter = filter;
    const std::uint64_t n = peers_.append(set, item);
    if (kind == PeerItemKind::kInterestAdd) {
        told.push_back(Asked{set, n});
    }
}

void Interests::keep(std::string_view filter, AskedSets told) {
    const std::string key = key_of(Table::kAsked, filter);
    if (told.empty()) {
        asked_.erase(std::string(filter));
        context_.kv.erase(key);
        return;
    }
    std::string value;
    ByteWriter writer(value);
    put_asked(told, writer);
    context_.kv.put(key, value);
    asked_.insert_or_assign(std::string(filter), std::move(told));
}

void Interests::fit(std::string_view filter) {
    const std::vector<GroupId> reached = context_.layout.reached(filter);
    const auto found = asked_.find(filter);
    const AskedSets old = found == asked_.end() ? AskedSets{} : found->second;
    AskedSets told;
    for (const Asked& one : old) {
        if (std::binary_search(reached.begin(), reached.end(), one.set)) {
            told.push_back(one);
        } else {
            tell(one.set, filter, PeerItemKind::kInterestDrop, told);
        }
    }
    const bool all_kept = told.size() == old.size() && told.size() == reached.size();
    if (all_kept) {
        return;
    }
    for (const GroupId set : reached) {
        if (at_set(old, set) == old.end()) {
            tell(set, filter, PeerItemKind::kInterestAdd, told);
        }
    }
    keep(filter, std::move(told));
}

void Interests::drop(std::string_view filter) {
    const auto found = asked_.find(filter);
    if (found == asked_.end()) {
        return;
    }
    const AskedSets old = found->second;
    AskedSets none;
    for (const Asked& one : old) {
        tell(one.set, filter, PeerItemKind::kInterestDrop, none);
    }
    keep(filter, std::move(none));
}

AskedSets Interests::outstanding(std::string_view filter) const {
    AskedSets left;
    const auto found = asked_.find(filter);
    if (found != asked_.end()) {
        for (const Asked& one : found->second) {
            if (!peers_.acknowledged(one.set, one.n)) {
                left.push_back(one);
            }
        }
    }
    return left;
}

void Interests::wait(WaitingSubscribe waiting) {
    std::string value;
    encode(waiting, value);
    context_.kv.put(key_of(Table::kWaiting, waiting.id), value);
    remember(std::move(waiting));
}

void Interests::remember(WaitingSubscribe waiting) {
    const std::uint64_t id = waiting.id;
    Waiting& kept = waiting_[id];
    context_.timers.insert(Timer{waiting.deadline, Timer::Kind::kSubscribe, id});
    for (const WaitingFilter& filter : waiting.filters) {
        for (const Asked& on : filter.on) {
            if (!peers_.acknowledged(on.set, on.n)) {
                kept.left += waiting_on_.emplace(on.set, on.n, id).second ? 1 : 0;
            }
        }
    }
    kept.subscribe = std::move(waiting);
}

std::vector<WaitingSubscribe> Interests::acknowledged(GroupId set, std::uint64_t upto) {
    std::vector<WaitingSubscribe> done;
    auto at = waiting_on_.lower_bound(std::tuple(set, std::uint64_t{0}, std::uint64_t{0}));
    while (at != waiting_on_.end() && std::get<0>(*at) == set && std::get<1>(*at) <= upto) {
        const auto found = waiting_.find(std::get<2>(*at));
        at = waiting_on_.erase(at);
        if (--found->second.left == 0) {
            WaitingSubscribe& subscribe = found->second.subscribe;
            context_.timers.erase(Timer{subscribe.deadline, Timer::Kind::kSubscribe, subscribe.id});
            context_.kv.erase(key_of(Table::kWaiting, subscribe.id));
            done.push_back(std::move(subscribe));
            waiting_.erase(found);
        }
    }
    return done;
}

std::optional<WaitingSubscribe> Interests::expired(std::uint64_t id) {
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) {
        return std::nullopt;
    }
    WaitingSubscribe subscribe = std::move(found->second.subscribe);
    waiting_.erase(found);
    for (const WaitingFilter& filter : subscribe.filters) {
        for (const Asked& on : filter.on) {
            waiting_on_.erase(std::tuple(on.set, on.n, id));
        }
    }
    context_.kv.erase(key_of(Table::kWaiting, id));
    return subscribe;
}

bool Interests::applied(const WaitingFilter& filter) const {
    return std::all_of(filter.on.begin(), filter.on.end(),
                       [&](const Asked& on) { return peers_.acknowledged(on.set, on.n); });
}

}  // namespace causeway::state
