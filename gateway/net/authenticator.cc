#include "gateway/net/authenticator.h"

#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/io/address.h"
#include "gateway/auth/crypto.h"
#include "gateway/auth/password.h"
#include "gateway/net/device_scram.h"

namespace causeway::net {

using auth::Denial;
using auth::Scheme;

namespace {

constexpr std::size_t kStrikeKeysMax = 16'384;  // of each table
constexpr std::uint32_t kBusyRetryS = 5;

// Of nobody: verified when there is no such device, so that it takes as long.
constexpr std::string_view kNobodysHash =
    "$scrypt$ln=14,r=8,p=1$bm9ib2R5bm9ib2R5bm9ib2Q$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

std::string random_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    CW_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                        static_cast<int>(size)) == 1);
    return bytes;
}

Verdict wait() {
    Verdict verdict;
    verdict.kind = Verdict::Kind::kWait;
    return verdict;
}

std::string text(const std::optional<std::string_view>& value) {
    return std::string(value.value_or(std::string_view{}));
}

}  // namespace

Authenticator::Authenticator(io::Loop& loop, const AuthOptions& options, SlowWorkers& workers,
                             ProductCounts& counts, PskChoices& choices, std::uint64_t random,
                             Host& host)
    : loop_(loop),
      options_(options),
      workers_(workers),
      counts_(counts),
      choices_(choices),
      host_(host),
      addresses_(options.address_failures, kStrikeKeysMax),
      identities_(options.identity_failures, kStrikeKeysMax),
      clients_(options.flapping, kStrikeKeysMax),
      seed_(random),
      pepper_(random_bytes(32)) {}

void Authenticator::attach(Submitter& submitter) {
    if (options_.make_registry) {
        registry_ = options_.make_registry(loop_, submitter);
        registry_->set_events(this);
    }
    if (options_.make_callout) {
        callout_ = options_.make_callout(loop_);
    }
}

std::uint64_t Authenticator::now_s() const {
    if (options_.wall_s) {
        return options_.wall_s();
    }
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

MonoMs Authenticator::time_of(std::uint64_t until_s) const {
    const std::uint64_t now = now_s();
    return until_s == 0 ? 0 : loop_.now_ms() + (until_s > now ? until_s - now : 0) * 1000;
}

std::uint64_t Authenticator::hash_host(std::string_view host) const {
    return hash64(io::responsible_for(host), seed_);
}

std::uint64_t Authenticator::hash(std::string_view what, std::string_view host) const {
    return hash64(what, hash_host(host));
}

void Authenticator::strike(std::string_view host, std::string_view identity) {
    const MonoMs now = loop_.now_ms();
    addresses_.strike(hash_host(host), now);
    if (!identity.empty()) {
        identities_.strike(hash(identity, host), now);
    }
}

Verdict Authenticator::deny(Denial denial, const auth::Presented& presented,
                            std::string_view identity, std::uint64_t out_ms) {
    ++status_.denied[static_cast<std::size_t>(denial)];
    if (auth::is_failure(denial)) {
        strike(presented.host, identity);
    }
    Verdict verdict;
    verdict.denial = denial;
    verdict.retry_after_s = static_cast<std::uint32_t>((out_ms + 999) / 1000);
    return verdict;
}

Verdict Authenticator::step(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt,
                            const auth::Presented& presented,
                            const auth::ListenerPolicy& listener) {
    if (!attempt->claimed) {
        if (auto verdict = begin(*attempt, presented, listener)) {
            return std::move(*verdict);
        }
    }
    if (registry_ == nullptr || registry_->catalogue() == nullptr) {
        return deny(Denial::kUnavailable, presented, {});
    }
    if (auto verdict = ask_callback(nonce, attempt, presented)) {
        return std::move(*verdict);
    }
    if (auto verdict = ask_registry(nonce, attempt)) {
        return std::move(*verdict);
    }
    if (auto verdict = ask_workers(nonce, attempt, presented)) {
        return std::move(*verdict);
    }
    return decide(nonce, attempt, presented, listener);
}

// What needs nobody's answer: who is kept out, and who it says it is.
std::optional<Verdict> Authenticator::begin(Attempt& attempt, const auth::Presented& presented,
                                            const auth::ListenerPolicy& listener) {
    const MonoMs now = loop_.now_ms();
    if (const std::uint64_t out = addresses_.out_ms(hash_host(presented.host), now); out != 0) {
        return deny(Denial::kStruckOut, presented, {}, out);
    }
    const auto catalogue = registry_ == nullptr ? nullptr : registry_->catalogue();
    const auto banned = [&](std::string_view device) {
        return catalogue != nullptr && auth::find_ban(*catalogue, presented.host,
                                                      presented.client_id, device, now_s()) != nullptr;
    };
    if (banned({})) {
        return deny(Denial::kBanned, presented, {});
    }
    if (listener.schemes.empty()) {
        return grant_nobody(presented, listener);
    }
    auto claim = auth::claim_of(presented, listener.schemes, *options_.settings, now_s());
    if (!claim) {
        if (claim.error() == Denial::kNone && (listener.anonymous || presented.known)) {
            return grant_nobody(presented, listener);
        }
        const bool nothing = claim.error() == Denial::kNone;
        return deny(nothing ? Denial::kNoCredentials : claim.error(), presented,
                    text(presented.user_name));
    }
    attempt.claim = std::move(*claim);
    attempt.claimed = true;
    const std::string& key = attempt.claim.device_key;
    if (const std::uint64_t out = identities_.out_ms(
            hash(key.empty() ? text(presented.user_name) : key, presented.host), now);
        out != 0) {
        return deny(Denial::kStruckOut, presented, {}, out);
    }
    if (!key.empty() && banned(key)) {
        return deny(Denial::kBanned, presented, {});
    }
    return std::nullopt;
}

std::optional<Verdict> Authenticator::ask_callback(std::uint64_t nonce,
                                                   const std::shared_ptr<Attempt>& attempt,
                                                   const auth::Presented& presented) {
    if (attempt->claim.scheme != Scheme::kHttp || !attempt->claim.device_key.empty()) {
        return std::nullopt;
    }
    if (callout_ == nullptr) {
        return deny(Denial::kUnavailable, presented, {});
    }
    auth::CalloutQuestion question;
    question.client_id = presented.client_id;
    question.user_name = text(presented.user_name);
    question.password = text(presented.password);
    question.host = presented.host;
    question.certificate_name =
        presented.certificate == nullptr ? "" : presented.certificate->common_name;
    if (!attempt->answer) {
        attempt->answer = callout_->cached(question);
    }
    if (!attempt->answer) {
        callout_->ask(std::move(question), [this, nonce, held = std::weak_ptr<Attempt>(attempt)](
                                               const auth::CalloutAnswer& answer) {
            if (const auto alive = held.lock()) {
                alive->answer = answer;
                host_.on_attempt(nonce);
            }
        });
        return wait();
    }
    if (attempt->answer->result == auth::CalloutAnswer::Result::kUnavailable) {
        return deny(Denial::kUnavailable, presented, {});
    }
    if (attempt->answer->result == auth::CalloutAnswer::Result::kDeny) {
        return deny(Denial::kBadCredentials, presented, text(presented.user_name));
    }
    attempt->claim.device_key = attempt->answer->device_key;
    return std::nullopt;
}

std::optional<Verdict> Authenticator::ask_registry(std::uint64_t nonce,
                                                   const std::shared_ptr<Attempt>& attempt) {
    if (attempt->lookup && attempt->generation == generation_) {
        return std::nullopt;
    }
    attempt->generation = generation_;
    // Of SCRAM it is known only after the proof that it fails, too late to ask again.
    if (attempt->claim.scheme != Scheme::kScram) {
        attempt->lookup = registry_->cached(attempt->claim.device_key);
        attempt->cached = attempt->lookup.has_value();
    }
    return attempt->cached ? std::nullopt : std::optional(ask_past_cache(nonce, attempt));
}

Verdict Authenticator::ask_past_cache(std::uint64_t nonce,
                                      const std::shared_ptr<Attempt>& attempt) {
    attempt->cached = false;
    attempt->generation = generation_;
    registry_->find_fresh(attempt->claim.device_key, loop_.now_ms() + options_.lookup_timeout_ms,
                          [this, nonce, held = std::weak_ptr<Attempt>(attempt)](
                              const auth::DeviceLookup& lookup) {
                              if (const auto alive = held.lock()) {
                                  alive->lookup = lookup;
                                  host_.on_attempt(nonce);
                              }
                          });
    return wait();
}

std::optional<Verdict> Authenticator::ask_workers(std::uint64_t nonce,
                                                  const std::shared_ptr<Attempt>& attempt,
                                                  const auth::Presented& presented) {
    if (attempt->lookup->status == auth::DeviceLookup::Status::kUnavailable) {
        return deny(Denial::kUnavailable, presented, {});
    }
    forget_what_changed(*attempt);
    std::optional<Verdict> verdict;
    if (attempt->claim.scheme == Scheme::kPassword && !attempt->password) {
        verdict = check_password(nonce, attempt, presented.password.value_or(std::string_view{}));
    } else if (attempt->claim.scheme == Scheme::kScram && !attempt->derived) {
        verdict = derive_scram(nonce, attempt);
    }
    if (verdict && verdict->kind == Verdict::Kind::kDeny) {
        return deny(Denial::kBusy, presented, {}, std::uint64_t{kBusyRetryS} * 1000);
    }
    return verdict;
}

// The workers' answer is of the record as it was when they were asked.
void Authenticator::forget_what_changed(Attempt& attempt) const {
    const auth::Device* device = attempt.lookup->device.get();
    const auto live = [&](const std::vector<auth::Credential>& credentials) {
        return auth::live_values(credentials, now_s());
    };
    const auto none = std::vector<std::string>();
    if (attempt.password &&
        attempt.checked != (device == nullptr ? none : live(device->passwords))) {
        attempt.password.reset();
    }
    if (attempt.derived &&
        attempt.scram->secrets != (device == nullptr ? none : live(device->secrets))) {
        attempt.derived = false;
    }
}

std::optional<Verdict> Authenticator::check_password(std::uint64_t nonce,
                                                     const std::shared_ptr<Attempt>& attempt,
                                                     std::string_view password) {
    std::vector<std::string> hashes;
    if (attempt->lookup->device != nullptr) {
        hashes = auth::live_values(attempt->lookup->device->passwords, now_s());
    }
    auto fits = std::make_shared<std::string>();
    attempt->checked = hashes;
    if (hashes.empty()) {
        hashes.emplace_back(kNobodysHash);
    }
    auto work = [hashes = std::move(hashes), password = std::string(password), fits] {
        for (const std::string& one : hashes) {
            const auto parsed = auth::parse_password_hash(one);
            if (parsed && auth::verify_password(*parsed, password)) {
                *fits = one;
                return;
            }
        }
    };
    auto done = [this, nonce, fits, held = std::weak_ptr<Attempt>(attempt)] {
        if (const auto alive = held.lock()) {
            alive->password = *fits;
            host_.on_attempt(nonce);
        }
    };
    return workers_.submit(std::move(work), loop_, std::move(done)) ? wait() : Verdict{};
}

std::optional<Verdict> Authenticator::derive_scram(std::uint64_t nonce,
                                                   const std::shared_ptr<Attempt>& attempt) {
    std::vector<std::string> secrets;
    if (attempt->lookup->device != nullptr) {
        secrets = auth::live_values(attempt->lookup->device->secrets, now_s());
    }
    attempt->scram = std::make_shared<ScramProof>();
    attempt->scram->secrets = secrets;
    if (secrets.empty()) {
        secrets.push_back(random_text());  // nobody's
    }
    auto keys = std::make_shared<std::vector<auth::ScramKeys>>();
    auto work = [secrets = std::move(secrets), keys,
                 salt = auth::scram_salt(pepper_, attempt->claim.scram->user)] {
        for (const std::string& secret : secrets) {
            keys->push_back(auth::derive_scram_keys(secret, salt));
        }
    };
    auto done = [this, nonce, keys, held = std::weak_ptr<Attempt>(attempt)] {
        if (const auto alive = held.lock()) {
            alive->scram_keys = *keys;
            alive->derived = true;
            host_.on_attempt(nonce);
        }
    };
    return workers_.submit(std::move(work), loop_, std::move(done)) ? wait() : Verdict{};
}

Verdict Authenticator::decide(std::uint64_t nonce, const std::shared_ptr<Attempt>& attempt,
                              const auth::Presented& presented,
                              const auth::ListenerPolicy& listener) {
    const auth::Claim& claim = attempt->claim;
    const auth::Device* device = attempt->lookup->device.get();
    const std::string& key = claim.device_key;
    const auto catalogue = registry_->catalogue();
    const auto admit = [&] {
        if (device == nullptr) {
            return Denial::kUnknownDevice;
        }
        const std::string_view client_id =
            claim.client_id.empty() ? presented.client_id : std::string_view(claim.client_id);
        // A ban, too, may have come since the first look.
        return auth::find_ban(*catalogue, presented.host, client_id, key, now_s()) != nullptr
                   ? Denial::kBanned
                   : auth::admit(claim, *device, *catalogue, client_id);
    };
    if (claim.scheme == Scheme::kScram) {
        // Whatever there is to say is said behind the proof.
        return grant(*attempt, presented, listener, {}, admit());
    }
    std::string credential = attempt->password.value_or(std::string());
    Denial denial = device == nullptr ? Denial::kUnknownDevice
                                      : auth::prove(claim, presented, *device, *options_.settings,
                                                    now_s(), credential);
    if (claim.scheme == Scheme::kPassword && credential.empty() && device != nullptr) {
        denial = Denial::kBadCredentials;
    }
    if (denial == Denial::kNone) {
        denial = admit();
    }
    if (denial == Denial::kNone) {
        return grant(*attempt, presented, listener, std::move(credential), Denial::kNone);
    }
    if (attempt->cached) {
        // By a record of seconds ago; a secret may be new since.
        return ask_past_cache(nonce, attempt);
    }
    return deny(denial, presented, key);
}

// `after_proof`: what a client is told when SCRAM has proven it. Until then it is told nothing, has
// no place, and has not made up for its failures.
Verdict Authenticator::grant(Attempt& attempt, const auth::Presented& presented,
                             const auth::ListenerPolicy& listener, std::string credential,
                             Denial after_proof) {
    const bool scram = attempt.claim.scheme == Scheme::kScram;
    Verdict verdict;
    verdict.kind = Verdict::Kind::kGrant;
    verdict.admission.client_id = attempt.claim.client_id;
    if (after_proof == Denial::kNone) {
        after_proof = admit_as(attempt, presented, listener, std::move(credential), verdict);
        if (after_proof != Denial::kNone && !scram) {
            return deny(after_proof, presented, attempt.claim.device_key,
                        after_proof == Denial::kProductFull ? std::uint64_t{kBusyRetryS} * 1000
                                                            : 0);
        }
    }
    if (scram) {
        attempt.scram->host = presented.host;
        verdict.admission.methods = std::make_unique<DeviceScram>(
            *this, attempt.claim.scram->user, std::move(attempt.scram_keys), attempt.scram,
            auth::scram_salt(pepper_, attempt.claim.scram->user), after_proof);
        return verdict;
    }
    if (auto flapping = flaps(verdict.membership->proof.client_id, presented)) {
        return std::move(*flapping);
    }
    ++status_.granted[static_cast<std::size_t>(attempt.claim.scheme)];
    identities_.forgive(hash(attempt.claim.device_key, presented.host), loop_.now_ms());
    return verdict;
}

Denial Authenticator::admit_as(Attempt& attempt, const auth::Presented& presented,
                               const auth::ListenerPolicy& listener, std::string credential,
                               Verdict& verdict) {
    const auth::Device& device = *attempt.lookup->device;
    const auto product = registry_->catalogue()->product(device.product);
    auto membership = std::make_unique<Membership>();
    auth::Proof& proof = membership->proof;
    proof.scheme = attempt.claim.scheme;
    proof.credential = std::move(credential);
    proof.client_id = attempt.claim.client_id.empty() ? std::string(presented.client_id)
                                                      : attempt.claim.client_id;
    if (presented.certificate != nullptr) {
        proof.subject = presented.certificate->subject;
        proof.certificate_names = attempt.claim.certificate_names;
    }
    membership->host = presented.host;
    const bool own = !device.permissions.empty() || device.limits != auth::DeviceLimits{};
    membership->own = own ? attempt.lookup->device : nullptr;
    membership->product = product;
    membership->listener = listener.permissions;
    auth::Subject subject;
    subject.device_key = device.key();
    subject.client_id = proof.client_id;
    subject.user_name = text(presented.user_name);
    subject.certificate_name =
        presented.certificate == nullptr ? "" : presented.certificate->common_name;
    verdict.admission.access = auth::Access::bind(
        policy_for(membership->own.get(), *product, listener.permissions), std::move(subject));
    if (verdict.admission.access == nullptr) {
        return Denial::kNotBound;
    }
    if (attempt.scram != nullptr) {
        if (attempt.scram->secrets.size() == 1) {
            proof.credential = attempt.scram->secrets.front();
        }
        attempt.scram->product = device.product;
        attempt.scram->places_max = product->limits.connections_max;
        membership->scram = attempt.scram;
    } else {
        membership->place = counts_.enter(device.product, product->limits.connections_max);
        if (!membership->place) {
            return Denial::kProductFull;
        }
    }
    const auth::DeviceLimits limits = own && device.limits != auth::DeviceLimits{}
                                          ? device.limits
                                          : product->limits.device;
    verdict.admission.publish_rate_max = limits.publish_rate_max;
    verdict.admission.publish_bytes_rate_max = limits.publish_bytes_rate_max;
    membership->expires_s = attempt.claim.expires_s;
    membership->until_s = auth::until_of(proof.scheme, proof.credential, device);
    verdict.admission.expires_at = time_of(
        membership->expires_s != 0 ? membership->expires_s : membership->until_s);
    verdict.membership = std::move(membership);
    return Denial::kNone;
}

// Counted when it has proven itself: nobody is kept out in his name.
std::optional<Verdict> Authenticator::flaps(std::string_view client_id,
                                            const auth::Presented& presented) {
    if (client_id.empty()) {
        return std::nullopt;
    }
    const MonoMs now = loop_.now_ms();
    const std::uint64_t client = hash64(client_id, seed_);
    clients_.strike(client, now);
    const std::uint64_t out = clients_.out_ms(client, now);
    return out == 0 ? std::nullopt
                    : std::optional(deny(Denial::kFlapping, presented, {}, out));
}

// A client that is no device: of a listener without schemes, or one that shows nothing where it
// need not.
Verdict Authenticator::grant_nobody(const auth::Presented& presented,
                                    const auth::ListenerPolicy& listener) {
    const auto catalogue = registry_ == nullptr ? nullptr : registry_->catalogue();
    if (catalogue != nullptr && auth::is_device_client_id(*catalogue, presented.client_id) &&
        (presented.certificate == nullptr ||
         !auth::is_client_id_of(presented.client_id,
                                auth::named_device(*presented.certificate)))) {
        return deny(Denial::kClientId, presented, {});
    }
    if (auto flapping = flaps(presented.client_id, presented)) {
        return std::move(*flapping);
    }
    Verdict verdict;
    verdict.kind = Verdict::Kind::kGrant;
    if (listener.permissions == nullptr) {
        return verdict;
    }
    auth::Subject subject;
    subject.client_id = presented.client_id;
    subject.user_name = text(presented.user_name);
    subject.certificate_name =
        presented.certificate == nullptr ? "" : presented.certificate->common_name;
    auto& kept = policies_[{std::string(), listener.permissions.get()}];
    if (kept.policy == nullptr) {
        const auth::Policy::List lists[] = {*listener.permissions};
        kept.policy = auth::Policy::compile(lists);
    }
    verdict.admission.access = auth::Access::bind(kept.policy, std::move(subject));
    return verdict.admission.access == nullptr ? deny(Denial::kNotBound, presented, {})
                                               : std::move(verdict);
}

std::shared_ptr<const auth::Policy> Authenticator::policy_for(
    const auth::Device* own, const auth::Product& product,
    const std::shared_ptr<const std::vector<auth::Permission>>& listener) {
    const auth::Policy::List of_listener =
        listener == nullptr ? auth::Policy::List() : auth::Policy::List(*listener);
    if (own != nullptr && !own->permissions.empty()) {
        const auth::Policy::List lists[] = {own->permissions, product.permissions, of_listener};
        return auth::Policy::compile(lists);
    }
    const auto current = registry_->catalogue()->product(product.name);
    Compiled& kept = policies_[{product.name, listener.get()}];
    if (kept.policy == nullptr || kept.product != current) {
        const auth::Policy::List lists[] = {product.permissions, of_listener};
        kept = Compiled{current, auth::Policy::compile(lists)};
    }
    return kept.policy;
}

// --- pre-shared keys ------------------------------------------------------------------------------

void Authenticator::find_psk(std::string_view identity, std::string_view host, TakeKey take) {
    const std::string key = auth::device_key_of(identity);
    const MonoMs now = loop_.now_ms();
    const bool out = addresses_.out_ms(hash_host(host), now) != 0 ||
                     identities_.out_ms(hash(key, host), now) != 0;
    if (registry_ == nullptr || key.empty() || out) {
        take({});
        return;
    }
    // Past the cache: a failed handshake is known too late to ask again.
    registry_->find_fresh(
        key, now + options_.lookup_timeout_ms,
        [this, key, take = std::move(take)](const auth::DeviceLookup& lookup) mutable {
            std::vector<std::string> secrets;
            if (lookup.device != nullptr) {
                secrets = auth::live_values(lookup.device->secrets, now_s());
            }
            if (secrets.empty()) {
                take({{}, {}, lookup.status == auth::DeviceLookup::Status::kUnavailable});
                return;
            }
            const std::string& secret = secrets[choices_.choose(hash64(key), secrets.size())];
            const std::string bytes = auth::from_base64(secret).value_or(secret);
            take({bytes, secret, false});
        });
}

void Authenticator::psk_failed(std::string_view identity, std::string_view host) {
    choices_.failed(hash64(auth::device_key_of(identity)));
    scram_failed(identity, host);
}

void Authenticator::scram_failed(std::string_view identity, std::string_view host) {
    ++status_.denied[static_cast<std::size_t>(Denial::kBadCredentials)];
    strike(host, auth::device_key_of(identity));
}

bool Authenticator::scram_succeeded(std::string_view user, ScramProof& proof) {
    if (!proof.place) {  // it may prove itself again
        proof.place = counts_.enter(proof.product, proof.places_max);
    }
    if (!proof.place) {
        ++status_.denied[static_cast<std::size_t>(Denial::kProductFull)];
        return false;
    }
    const std::string key = auth::device_key_of(user);
    ++status_.granted[static_cast<std::size_t>(Scheme::kScram)];
    identities_.forgive(hash(key, proof.host), loop_.now_ms());
    if (proof.secrets.size() > 1) {
        host_.on_recheck({key}, false, false);
    }
    return true;
}

// --- changes --------------------------------------------------------------------------------------

void Authenticator::on_devices_changed(const std::vector<std::string>& keys) {
    ++generation_;
    host_.on_recheck(keys, false, false);
}

void Authenticator::on_all_devices_changed() {
    ++generation_;
    host_.on_recheck({}, true, false);
}

void Authenticator::on_catalogue_changed() {
    policies_.clear();
    host_.on_recheck({}, false, true);
}

bool Authenticator::stale(const Membership& membership, std::string_view device_key) const {
    const auto catalogue = registry_->catalogue();
    return catalogue->product(device_key.substr(0, device_key.find('/'))) != membership.product ||
           auth::find_ban(*catalogue, membership.host, membership.proof.client_id, device_key,
                          now_s()) != nullptr;
}

bool Authenticator::is_banned(std::string_view host, std::string_view client_id) const {
    const auto catalogue = registry_ == nullptr ? nullptr : registry_->catalogue();
    return catalogue != nullptr &&
           auth::find_ban(*catalogue, host, client_id, {}, now_s()) != nullptr;
}

bool Authenticator::is_device_client_id(std::string_view client_id) const {
    const auto catalogue = registry_ == nullptr ? nullptr : registry_->catalogue();
    return catalogue != nullptr && auth::is_device_client_id(*catalogue, client_id);
}

void Authenticator::look_up(std::string_view device_key, auth::Registry::Found found) {
    registry_->find(device_key, loop_.now_ms() + options_.lookup_timeout_ms, std::move(found));
}

Authenticator::Rights Authenticator::recheck(Membership& membership, std::string_view device_key,
                                             std::shared_ptr<const auth::Device> device) {
    ++status_.rechecked;
    const auto catalogue = registry_->catalogue();
    const auto product = catalogue->product(device_key.substr(0, device_key.find('/')));
    auth::Proof& proof = membership.proof;
    if (membership.scram != nullptr && !membership.scram->proven.empty()) {
        proof.credential = membership.scram->proven;
    }
    const bool good =
        product != nullptr && product->enabled && product->auth.has(proof.scheme) &&
        auth::find_ban(*catalogue, membership.host, proof.client_id, device_key, now_s()) ==
            nullptr &&
        (device == nullptr || auth::still_good(proof, *device, *catalogue, now_s()));
    if (!good) {
        ++status_.closed;
        return {};
    }
    membership.product = product;
    if (device != nullptr) {
        membership.until_s = auth::until_of(proof.scheme, proof.credential, *device);
        const bool own = !device->permissions.empty() || device->limits != auth::DeviceLimits{};
        membership.own = own ? std::move(device) : nullptr;
    }
    Rights rights;
    rights.policy = policy_for(membership.own.get(), *product, membership.listener);
    rights.limits = membership.own != nullptr && membership.own->limits != auth::DeviceLimits{}
                        ? membership.own->limits
                        : product->limits.device;
    rights.expires_at =
        time_of(membership.expires_s != 0 ? membership.expires_s : membership.until_s);
    return rights;
}

std::string Authenticator::random_text() { return auth::to_base64(random_bytes(24)); }

}  // namespace causeway::net
