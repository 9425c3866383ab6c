// TLS of a shard's listeners: contexts that are replaced while it runs, sessions looked at again
// when whom we trust has changed, keys for handshakes that wait for one.
#include <utility>

#include "certs/context.h"
#include "certs/psk_file.h"
#include "core/base/hash.h"
#include "gateway/net/connection.h"
#include "gateway/net/shard.h"

namespace causeway::net {
namespace {

// Looked at in one turn of the loop: about 0.3 ms.
constexpr std::size_t kRechecksPerTurn = 256;

// Not 0. Of 64 bits: a key that is replaced must be told from the one before, nothing else.
std::uint64_t hash_of_key(std::string_view key) { return hash64(key) | 1; }

}  // namespace

void Shard::set_tls(std::size_t listener, const ListenerTls& tls, bool recheck) {
    ListenerOptions& options = *listening_[listener];
    options.tls = tls.context;
    options.psks = tls.psks;
    if (recheck) {
        recheck_left_ = slots_.size();
    }
}

void Shard::recheck_sessions() {
    for (std::size_t left = kRechecksPerTurn; left > 0 && recheck_left_ > 0; --left) {
        Slot& slot = slots_[--recheck_left_];
        if (slot.connection && slot.connection->open() && !slot.connection->still_trusted()) {
            dismiss(*slot.connection);
        }
    }
    if (recheck_left_ > 0) {
        loop_.again();
    }
}

void Shard::dismiss(Connection& connection) {
    ++status_.tls_dismissed;
    connection.session().on_shutdown(mqtt::ReasonCode::kNotAuthorized, effects_);
    perform(connection);
    connection.close(session::End::kNow);
    release_if_done(connection);
}

void Shard::find_psk(Connection& connection, std::string_view identity) {
    ++status_.tls_psk;
    const ListenerOptions& listener = connection.listener();
    const std::string* known = listener.psks == nullptr ? nullptr : listener.psks->find(identity);
    if (known != nullptr) {
        connection.psk_file_key_ = hash_of_key(*known);
        connection.stream().give_psk(*known);
        return;
    }
    if (!listener.policy.schemes.has(auth::Scheme::kPsk)) {
        connection.stream().give_psk({});  // its devices do not prove themselves so
        return;
    }
    authenticator_.find_psk(identity, connection.session().host(),
                            [this, nonce = connection.nonce()](const Authenticator::Psk& psk) {
                                Connection* waiting = find(nonce);
                                if (waiting != nullptr && waiting->open()) {
                                    waiting->shown_->psk_secret = psk.secret;
                                    // What nobody knows is no guess.
                                    waiting->shown_->psk_asked = !psk.unavailable;
                                    waiting->stream().give_psk(psk.key);
                                }
                            });
}

bool Connection::still_trusted() const {
    const io::TlsSession* tls = stream_->tls();
    if (tls == nullptr || tls->status() == io::TlsStatus::kHandshaking) {
        return true;  // on_open() looks
    }
    // A handshake may name an identity and then go on with a certificate, or without any.
    const auto peer = psk_file_key_ == 0 ? std::nullopt : tls->peer();
    if (peer && !peer->psk_identity.empty()) {
        const std::string* key =
            listener_->psks == nullptr ? nullptr : listener_->psks->find(peer->psk_identity);
        if (key == nullptr || hash_of_key(*key) != psk_file_key_) {
            return false;
        }
    }
    return certs::still_trusted(listener_->tls.get(), tls->native());
}

}  // namespace causeway::net
