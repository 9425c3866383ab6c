#include "gateway/net/device_scram.h"

#include <optional>
#include <utility>

#include "gateway/net/authenticator.h"

namespace causeway::net {

using auth::Denial;
using mqtt::ReasonCode;

mqtt::ReasonCode reason_of(Denial denial) {
    switch (denial) {
        case Denial::kNone:
            return ReasonCode::kSuccess;
        case Denial::kBadCredentials:
        case Denial::kExpired:
        case Denial::kUnknownDevice:
            return ReasonCode::kBadUserNameOrPassword;
        case Denial::kNoCredentials:
        case Denial::kDisabled:
        case Denial::kSchemeNotAllowed:
        case Denial::kNotBound:
            return ReasonCode::kNotAuthorized;
        case Denial::kMethod:
            return ReasonCode::kBadAuthenticationMethod;
        case Denial::kClientId:
            return ReasonCode::kClientIdentifierNotValid;
        case Denial::kBanned:
            return ReasonCode::kBanned;
        case Denial::kStruckOut:
        case Denial::kFlapping:
            return ReasonCode::kConnectionRateExceeded;
        case Denial::kProductFull:
        case Denial::kBusy:
            return ReasonCode::kQuotaExceeded;
        case Denial::kUnavailable:
            return ReasonCode::kServerUnavailable;
    }
    return ReasonCode::kNotAuthorized;
}

class DeviceScram::Exchange final : public session::AuthExchange {
public:
    explicit Exchange(const DeviceScram& of) : of_(of) {}

    Step next(std::string_view data) override {
        return server_ ? finish(data) : first(data);
    }

private:
    Step fail(ReasonCode reason) {
        of_.failed();
        return Step{Outcome::kFailure, {}, reason};
    }

    Step first(std::string_view data) {
        auto first = auth::parse_scram_first(data);
        if (!first || first->user != of_.user_) {
            return fail(ReasonCode::kBadUserNameOrPassword);
        }
        server_.emplace(std::move(*first), of_.keys_, of_.salt_,
                        of_.authenticator_.random_text());
        return Step{Outcome::kContinue, server_->server_first(), ReasonCode::kSuccess};
    }

    Step finish(std::string_view data) {
        auto final = server_->finish(data);
        if (!final) {
            return fail(ReasonCode::kBadUserNameOrPassword);
        }
        if (of_.after_proof_ != Denial::kNone) {
            return fail(reason_of(of_.after_proof_));
        }
        of_.proof_->proven = of_.proof_->secrets.at(server_->proven());
        if (!of_.authenticator_.scram_succeeded(of_.user_, *of_.proof_)) {
            return Step{Outcome::kFailure, {}, reason_of(Denial::kProductFull)};
        }
        return Step{Outcome::kSuccess, std::move(*final), ReasonCode::kSuccess};
    }

    const DeviceScram& of_;
    std::optional<auth::ScramServer> server_;
};

DeviceScram::DeviceScram(Authenticator& authenticator, std::string user,
                         std::vector<auth::ScramKeys> keys, std::shared_ptr<ScramProof> proof,
                         std::string salt, Denial after_proof)
    : authenticator_(authenticator),
      user_(std::move(user)),
      keys_(std::move(keys)),
      proof_(std::move(proof)),
      salt_(std::move(salt)),
      after_proof_(after_proof) {}

std::unique_ptr<session::AuthExchange> DeviceScram::begin(std::string_view method) const {
    return method == auth::kScramMethod ? std::make_unique<Exchange>(*this) : nullptr;
}

void DeviceScram::failed() const { authenticator_.scram_failed(user_, proof_->host); }

}  // namespace causeway::net
