// Of the configuration's "auth": the keys of tokens, read again when their file changes, and what
// gateway loops need to authenticate. Main thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "gateway/causeway/config.h"
#include "gateway/net/gateway.h"
#include "gateway/registry/directory.h"

namespace causeway::root {

class AuthSetup {
public:
    // Effect: reads the file of keys; fills `out`. `directory` outlives the gateway.
    Result<> open(const AuthConfig& config, registry::Directory& directory, net::AuthOptions& out);
    // Effect: reads the file again if it is another; one that cannot be read is told once and tried
    // again each time, and the keys that were good stay.
    void refresh(net::Gateway& gateway);
    // Effect: the same, but returns what is new; null: nothing.
    std::shared_ptr<const auth::Settings> read_again();

private:
    [[nodiscard]] Result<std::shared_ptr<const auth::Settings>> read() const;
    // Changes when the file does.
    [[nodiscard]] std::string mark() const;

    AuthConfig config_;
    std::string seen_;
    std::string error_;  // the last one
};

}  // namespace causeway::root
