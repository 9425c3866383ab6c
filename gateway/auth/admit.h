// Whether a listener lets a peer in at all, from what the transport knows of it, and which schemes
// it asks for. Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/auth/permission.h"
#include "gateway/auth/product.h"

namespace causeway::auth {

struct ListenerPolicy {
    bool anonymous = false;  // peers that show nothing are welcome
    // Empty: a verified certificate is enough, or nothing if anonymous; there are no devices here.
    SchemeSet schemes;
    // For every session of the listener, behind those of device and product. Null: a session that is
    // no device's may do everything, one of a device nothing more than these say.
    std::shared_ptr<const std::vector<Permission>> permissions;
};

[[nodiscard]] inline bool may_connect(const ListenerPolicy& policy, bool certificate_verified) {
    return policy.anonymous || !policy.schemes.empty() || certificate_verified;
}

}  // namespace causeway::auth
