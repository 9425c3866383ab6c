// SCRAM-SHA-256 as the session machine's extended authentication, for the one device whose keys
// were derived before its CONNECT was let through. Loop thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/auth/authenticate.h"
#include "gateway/auth/scram.h"
#include "gateway/session/authentication.h"

namespace causeway::net {

class Authenticator;
struct ScramProof;

class DeviceScram final : public session::AuthMethods {
public:
    // `after_proof`: why a client that has proven itself is refused all the same. `authenticator`
    // outlives it.
    DeviceScram(Authenticator& authenticator, std::string user, std::vector<auth::ScramKeys> keys,
                std::shared_ptr<ScramProof> proof, std::string salt, auth::Denial after_proof);
    [[nodiscard]] std::unique_ptr<session::AuthExchange> begin(
        std::string_view method) const override;

private:
    class Exchange;
    void failed() const;

    Authenticator& authenticator_;
    std::string user_;
    std::vector<auth::ScramKeys> keys_;
    std::shared_ptr<ScramProof> proof_;
    std::string salt_;
    auth::Denial after_proof_;
};

// What a CONNACK says of a denial.
[[nodiscard]] mqtt::ReasonCode reason_of(auth::Denial denial);

}  // namespace causeway::net
