// Who a CONNECT comes from, on one gateway loop: asks the registry, the workers and the callback
// what gateway/auth needs to know, keeps out who failed too often, and says what a session may do.
// A CONNECT that has to wait holds up itself alone. Loop thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_map.h>

#include "core/io/loop.h"
#include "core/message/submitter.h"
#include "gateway/auth/acl.h"
#include "gateway/auth/admit.h"
#include "gateway/auth/authenticate.h"
#include "gateway/auth/callout.h"
#include "gateway/auth/strikes.h"
#include "gateway/net/product_counts.h"
#include "gateway/net/psk_choices.h"
#include "gateway/net/slow_workers.h"
#include "gateway/session/session.h"

namespace causeway::net {

struct AuthOptions {
    std::shared_ptr<const auth::Settings> settings = std::make_shared<auth::Settings>();
    auth::StrikeLimits address_failures{300, 60'000, 60'000};
    auth::StrikeLimits identity_failures{10, 60'000, 60'000};  // of an identity from one address
    auth::StrikeLimits flapping{};                             // connections of a client id
    std::uint32_t lookup_timeout_ms = 4'000;
    unsigned slow_threads = 1;
    std::size_t slow_queue_max = 256;
    // Null: there are no devices here, and schemes refuse everybody.
    std::function<std::unique_ptr<auth::Registry>(io::Loop&, Submitter&)> make_registry;
    std::function<std::unique_ptr<auth::Callout>(io::Loop&)> make_callout;  // null: no callback
    std::function<std::uint64_t()> wall_s;  // null: the system's clock; seconds since 1970
};

struct AuthStatus {
    std::array<std::uint64_t, auth::kDenials> denied{};  // CONNECTs, by auth::Denial
    std::array<std::uint64_t, auth::kSchemes> granted{};  // by auth::Scheme
    std::uint64_t rechecked = 0;  // connections looked at again after a change
    std::uint64_t closed = 0;     // of them: not let in any more
};

// A client's run of SCRAM: it proves itself only after it was let in to do so, and takes a place of
// its product only then.
struct ScramProof {
    std::vector<std::string> secrets;
    std::string proven;  // which of them; empty: none yet
    std::string host;
    std::string product;
    std::uint32_t places_max = 0;
    ProductCounts::Place place;
};

// What let a connection in, for when that changes. Null for a connection of no device.
struct Membership {
    auth::Proof proof;
    std::shared_ptr<const ScramProof> scram;  // kScram: the credential is there
    std::string host;
    std::uint64_t expires_s = 0;  // of a token
    std::uint64_t until_s = 0;    // of the credential
    std::shared_ptr<const auth::Device> own;  // its record, if it has permissions or limits itself
    std::shared_ptr<const auth::Product> product;
    std::shared_ptr<const std::vector<auth::Permission>> listener;
    ProductCounts::Place place;
};

// One CONNECT, from its first look to its verdict.
struct Attempt {
    auth::Claim claim;
    bool claimed = false;
    bool waiting = false;
    bool derived = false;          // kScram: keys
    bool cached = false;           // what `lookup` says may be some seconds old
    std::vector<std::string> checked;  // kPassword: the hashes the password was held against
    std::uint64_t generation = 0;  // of the registry, at the lookup
    std::optional<auth::CalloutAnswer> answer;
    std::optional<auth::DeviceLookup> lookup;
    std::optional<std::string> password;  // the hash it fits; empty: none
    std::vector<auth::ScramKeys> scram_keys;
    std::shared_ptr<ScramProof> scram;
};

struct Verdict {
    enum class Kind : std::uint8_t { kWait, kGrant, kDeny };
    Kind kind = Kind::kDeny;
    auth::Denial denial = auth::Denial::kNone;
    std::uint32_t retry_after_s = 0;  // kDeny: worth trying again; 0: it is not
    session::Admission admission;
    std::unique_ptr<Membership> membership;
};

class Authenticator final : auth::RegistryEvents {
public:
    class Host {
    public:
        virtual ~Host() = default;
        // The CONNECT of this connection can go on: step() again.
        virtual void on_attempt(std::uint64_t nonce) = 0;
        // Look at these devices' connections again (all: at everyone's), or after a change of
        // products and bans.
        virtual void on_recheck(const std::vector<std::string>& devices, bool all_devices,
                                bool catalogue) = 0;
    };

    // `workers`, `counts` and `choices` are the gateway's and outlive it.
    Authenticator(io::Loop& loop, const AuthOptions& options, SlowWorkers& workers,
                  ProductCounts& counts, PskChoices& choices, std::uint64_t random, Host& host);
    // Effect: makes the registry. Once, before the loop runs.
    void attach(Submitter& submitter);
    // Effect: lets the registry go, before its submitter.
    void detach() {
        registry_.reset();
        callout_.reset();
    }

    // Effect: takes one CONNECT as far as it can go now. kWait: Host::on_attempt() follows, if the
    // attempt still exists then.
    Verdict step(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt,
                 const auth::Presented& presented, const auth::ListenerPolicy& listener);

    struct Psk {
        std::string_view key;     // empty: there is none
        std::string_view secret;  // of the device, that the key comes of
        bool unavailable = false;  // nobody knows
    };
    // Effect: `take` gets the key for this identity of TLS, now or later.
    using TakeKey = absl::AnyInvocable<void(const Psk& psk)>;
    void find_psk(std::string_view identity, std::string_view host, TakeKey take);
    // Effect: counts a proof that failed elsewhere: in the TLS handshake, or in SCRAM.
    void psk_failed(std::string_view identity, std::string_view host);
    void scram_failed(std::string_view identity, std::string_view host);

    // Effect: the place and the good name that a proof earns. False: its product has no place. With
    // several secrets it is known only now which of them the session lives by: it is looked at again.
    bool scram_succeeded(std::string_view user, ScramProof& proof);

    // What has become of a session's rights. Null policy: it must end.
    struct Rights {
        std::shared_ptr<const auth::Policy> policy;
        auth::DeviceLimits limits;
        MonoMs expires_at = 0;  // 0: it need not end
    };
    // Effect: decides again, by the products and bans of now and by `device` if it was looked up
    // (null: by what is kept of it); brings `membership` up to date.
    Rights recheck(Membership& membership, std::string_view device_key,
                   std::shared_ptr<const auth::Device> device);
    // Effect: counts a connection whose device is gone.
    void count_closed() {
        ++status_.rechecked;
        ++status_.closed;
    }
    // The product of the membership, or a ban, may have changed.
    [[nodiscard]] bool stale(const Membership& membership, std::string_view device_key) const;
    // Of a client that is no device.
    [[nodiscard]] bool is_banned(std::string_view host, std::string_view client_id) const;
    [[nodiscard]] bool is_device_client_id(std::string_view client_id) const;
    void look_up(std::string_view device_key, auth::Registry::Found found);

    void set_settings(std::shared_ptr<const auth::Settings> settings) {
        options_.settings = std::move(settings);
    }
    [[nodiscard]] const AuthStatus& status() const { return status_; }
    // 24 random bytes as text.
    [[nodiscard]] static std::string random_text();

private:

    void on_devices_changed(const std::vector<std::string>& keys) override;
    void on_all_devices_changed() override;
    void on_catalogue_changed() override;

    [[nodiscard]] std::uint64_t now_s() const;
    // When the clock will say `until_s`; 0 for 0.
    [[nodiscard]] MonoMs time_of(std::uint64_t until_s) const;
    // Of whoever is responsible for the host.
    [[nodiscard]] std::uint64_t hash_host(std::string_view host) const;
    [[nodiscard]] std::uint64_t hash(std::string_view what, std::string_view host) const;
    // nullopt: it comes as often as it may.
    std::optional<Verdict> flaps(std::string_view client_id, const auth::Presented& presented);
    // nullopt: go on.
    std::optional<Verdict> begin(Attempt& attempt, const auth::Presented& presented,
                                 const auth::ListenerPolicy& listener);
    std::optional<Verdict> ask_callback(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt,
                                        const auth::Presented& presented);
    std::optional<Verdict> ask_registry(std::uint64_t nonce,
                                        const std::shared_ptr<Attempt>& attempt);
    Verdict ask_past_cache(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt);
    std::optional<Verdict> ask_workers(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt,
                                       const auth::Presented& presented);
    void forget_what_changed(Attempt& attempt) const;
    std::optional<Verdict> check_password(std::uint64_t nonce,
                                          const std::shared_ptr<Attempt>& attempt,
                                          std::string_view password);
    std::optional<Verdict> derive_scram(std::uint64_t nonce,
                                        const std::shared_ptr<Attempt>& attempt);
    Verdict decide(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt,
                   const auth::Presented& presented, const auth::ListenerPolicy& listener);
    Verdict grant(Attempt& attempt, const auth::Presented& presented,
                  const auth::ListenerPolicy& listener, std::string credential,
                  auth::Denial after_proof);
    // What an admitted device may, into `verdict`; else why it is not admitted.
    auth::Denial admit_as(Attempt& attempt, const auth::Presented& presented,
                          const auth::ListenerPolicy& listener, std::string credential,
                          Verdict& verdict);
    Verdict grant_nobody(const auth::Presented& presented, const auth::ListenerPolicy& listener);
    Verdict deny(auth::Denial denial, const auth::Presented& presented, std::string_view identity,
                 std::uint64_t out_ms = 0);
    void strike(std::string_view host, std::string_view identity);
    [[nodiscard]] std::shared_ptr<const auth::Policy> policy_for(
        const auth::Device* own, const auth::Product& product,
        const std::shared_ptr<const std::vector<auth::Permission>>& listener);
    struct Compiled {
        std::shared_ptr<const auth::Product> product;
        std::shared_ptr<const auth::Policy> policy;
    };

    io::Loop& loop_;
    AuthOptions options_;
    SlowWorkers& workers_;
    ProductCounts& counts_;
    PskChoices& choices_;
    Host& host_;
    std::unique_ptr<auth::Registry> registry_;
    std::unique_ptr<auth::Callout> callout_;
    auth::StrikeTable addresses_;
    auth::StrikeTable identities_;
    auth::StrikeTable clients_;
    // By product and listener; dropped when products change.
    absl::btree_map<std::pair<std::string, const void*>, Compiled> policies_;
    std::uint64_t seed_;
    std::string pepper_;
    std::uint64_t generation_ = 0;  // changes of devices so far
    AuthStatus status_;
};

}  // namespace causeway::net
