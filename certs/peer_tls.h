// The TLS between nodes: its contexts, made anew when a file changes (the node's certificate or
// key, the CAs, a revocation list), while links go on. Called on the admin loop; reads files.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "certs/context.h"
#include "core/base/result.h"

namespace causeway::certs {

class PeerTls {
public:
    static Result<PeerTls> open(PeerTlsConfig config);

    [[nodiscard]] const PeerContexts& contexts() const { return contexts_; }

    enum class Change : std::uint8_t {
        kNone,
        kContexts,  // for new links
        kTrust,     // ... and links under way must prove themselves again
    };
    // Effect: looks at the files' dates and sizes and, if they are others or `always`, makes
    // contexts() anew. On an error they stay as they were, and the next call tries again.
    Result<Change> refresh(bool always);

    // What an operator should know, a line each: certificates that end within `days`,
    // and lists that are late.
    [[nodiscard]] std::vector<std::string> warnings(std::int64_t now_s, int days) const;

private:
    explicit PeerTls(PeerTlsConfig config) : config_(std::move(config)) {}
    Result<> make();
    [[nodiscard]] std::vector<std::string> files() const;

    PeerTlsConfig config_;
    PeerContexts contexts_;
    std::string stamps_;
    std::uint64_t trust_ = 0;
};

}  // namespace causeway::certs
