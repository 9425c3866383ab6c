// Whether a listener lets a peer in at all, from what the transport knows of it. Pure.
#pragma once

#include <string>

namespace causeway::auth {

struct ListenerPolicy {
    bool anonymous = false;  // peers that show no certificate are welcome
};

struct Presented {
    bool certificate_verified = false;  // by a CA the listener trusts
    std::string common_name;
    std::string psk_identity;  // whose pre-shared key TLS has checked; empty: none
};

[[nodiscard]] inline bool may_connect(const ListenerPolicy& policy, const Presented& presented) {
    return policy.anonymous || presented.certificate_verified || !presented.psk_identity.empty();
}

}  // namespace causeway::auth
