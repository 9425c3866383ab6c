// The TLS of the configured listeners: read at the start, and again when their files change, on
// SIGHUP or when asked, without closing what is open. Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "certs/psk_file.h"
#include "certs/server_tls.h"
#include "core/base/result.h"
#include "gateway/causeway/config.h"
#include "gateway/net/gateway.h"

namespace causeway::root {

class ListenersTls {
public:
    // `now_s`: seconds since 1970.
    Result<> open(const std::vector<ListenerConfig>& listeners, std::int64_t now_s);

    // Of the listener at this place of the configuration; nothing for one in the clear.
    [[nodiscard]] net::ListenerTls of(std::size_t listener) const;

    // Effect: hands what has changed to `gateway`; `always` reads the files whatever their dates
    // say. What cannot be read stays as it was, is told in the log once, and is tried again the
    // next time. The first error is returned, too.
    Result<> refresh(net::Gateway& gateway, std::int64_t now_s, bool always);

    // Effect: what an operator should see to goes to the log.
    void warn(std::int64_t now_s) const;

private:
    struct Listener {
        std::optional<certs::ServerTls> tls;  // none: in the clear
        std::string psk_file;
        std::string psk_stamp;
        std::shared_ptr<const certs::PskTable> psks;
        std::string error;  // the last one
    };
    static Result<> open_one(const ListenerConfig& config, std::int64_t now_s, Listener& out);
    static Result<bool> refresh_psks(Listener& listener, bool always);
    Result<> refresh_one(net::Gateway& gateway, std::size_t at, std::int64_t now_s, bool always);

    std::vector<Listener> listeners_;
};

}  // namespace causeway::root
