// What a change of devices, products and bans means for connections that are there. The walk over
// the connections takes a bounded number in a turn and holds a bounded number of lookups, so that a
// change for everybody costs the others one turn's share at most; what changes meanwhile is the next
// walk's.
#include <algorithm>
#include <utility>

#include "gateway/net/connection.h"
#include "gateway/net/shard.h"

namespace causeway::net {
namespace {

constexpr std::size_t kSlotsPerTurn = 4'096;
constexpr std::uint32_t kLookupsMax = 256;
constexpr std::size_t kNamedMax = 65'536;  // more devices than this are all of them
constexpr std::uint64_t kRetryMs = 1'000;

}  // namespace

// What the CONNECT waited for is there.
void Shard::on_attempt(std::uint64_t nonce) {
    Connection* connection = find(nonce);
    if (connection == nullptr || !connection->open() || connection->attempt_ == nullptr) {
        return;
    }
    connection->attempt_->waiting = false;
    connection->stream().resume_reading();
    connection->resume();
}

void Shard::on_recheck(const std::vector<std::string>& devices, bool all_devices, bool catalogue) {
    changes_.all_devices = changes_.all_devices || all_devices;
    changes_.catalogue = changes_.catalogue || catalogue;
    changes_.devices.insert(devices.begin(), devices.end());
    if (changes_.devices.size() > kNamedMax) {
        changes_.all_devices = true;
        changes_.devices.clear();
    }
    loop_.again();
}

void Shard::recheck_some() {
    if (!rechecks_.any()) {
        if (!changes_.any() || recheck_timer_.active()) {
            return;
        }
        rechecks_ = std::exchange(changes_, {});
        recheck_at_ = 0;
    }
    const std::size_t end = std::min(slots_.size(), recheck_at_ + kSlotsPerTurn);
    while (recheck_at_ < end && lookups_ < kLookupsMax) {
        Connection* connection = slots_[recheck_at_++].connection.get();
        if (connection == nullptr || !connection->open()) {
            continue;
        }
        if (connection->membership_ != nullptr) {
            recheck(*connection);
        } else if (rechecks_.catalogue && connection->identified_) {
            recheck_nobody(*connection);
        }
    }
    if (recheck_at_ >= slots_.size()) {
        rechecks_ = {};
    }
    if (lookups_ < kLookupsMax && (rechecks_.any() || changes_.any()) && !recheck_timer_.active()) {
        loop_.again();
    }
}

void Shard::recheck(Connection& connection) {
    const auth::Access* access = connection.session().permissions();
    if (access == nullptr) {
        return;
    }
    const std::string& key = access->device_key();
    if (rechecks_.all_devices || rechecks_.devices.contains(key)) {
        ++lookups_;
        authenticator_.look_up(key, [this, nonce = connection.nonce(),
                                     key](const auth::DeviceLookup& lookup) {
            --lookups_;
            on_rechecked(nonce, key, lookup);
            loop_.again();
        });
    } else if (rechecks_.catalogue && authenticator_.stale(*connection.membership_, key)) {
        apply_rights(connection, nullptr);
    }
}

// A client that is no device: it came before the ban, or before it was known whose name it has.
void Shard::recheck_nobody(Connection& connection) {
    session::Session& session = connection.session();
    bool welcome = !authenticator_.is_banned(session.host(), session.client_id());
    if (welcome && authenticator_.is_device_client_id(session.client_id())) {
        const auto certificate = connection.certificate();
        welcome = certificate && auth::is_client_id_of(session.client_id(),
                                                       auth::named_device(*certificate));
    }
    if (!welcome) {
        authenticator_.count_closed();
        session.on_shutdown(mqtt::ReasonCode::kAdministrativeAction, effects_);
        perform(connection);
        release_if_done(connection);
    }
}

void Shard::on_rechecked(std::uint64_t nonce, const std::string& device_key,
                         const auth::DeviceLookup& lookup) {
    if (lookup.status == auth::DeviceLookup::Status::kUnavailable) {
        // Nobody knows: who is in stays in, and is asked for again.
        changes_.devices.insert(device_key);
        recheck_timer_.start(kRetryMs);
        return;
    }
    Connection* connection = find(nonce);
    if (connection == nullptr || !connection->open() || connection->membership_ == nullptr) {
        return;
    }
    if (lookup.status == auth::DeviceLookup::Status::kNone) {
        authenticator_.count_closed();
        connection->session().on_shutdown(mqtt::ReasonCode::kAdministrativeAction, effects_);
        perform(*connection);
        release_if_done(*connection);
        return;
    }
    apply_rights(*connection, lookup.device);
}

void Shard::apply_rights(Connection& connection, std::shared_ptr<const auth::Device> device) {
    session::Session& session = connection.session();
    auto rights = authenticator_.recheck(*connection.membership_,
                                         session.permissions()->device_key(), std::move(device));
    if (rights.policy == nullptr) {
        session.on_shutdown(mqtt::ReasonCode::kAdministrativeAction, effects_);
    } else {
        session.set_rates(rights.limits.publish_rate_max, rights.limits.publish_bytes_rate_max);
        session.set_expiry(rights.expires_at, effects_);
        session.on_policy(std::move(rights.policy), effects_);
    }
    perform(connection);
    release_if_done(connection);
}

}  // namespace causeway::net
