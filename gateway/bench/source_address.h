// The local addresses that connections are spread over: one address has some 28,000 ports to
// connect to one broker from, and all of 127.0.0.0/8 is there to be used. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace causeway::bench {

class SourceAddresses {
public:
    // Effect: reads "a.b.c.d", "a.b.c.d/len" (8 to 32; the network's first and last address are
    // left out below /31) or several with commas; "" is no address. The error is one line.
    static Result<SourceAddresses> parse(std::string_view text);

    [[nodiscard]] std::uint64_t count() const { return count_; }
    // The address for a client: they take turns. "" when there is none.
    [[nodiscard]] std::string of(std::uint32_t client) const;

private:
    struct Range {
        std::uint32_t first = 0;
        std::uint64_t count = 0;
    };
    std::vector<Range> ranges_;
    std::uint64_t count_ = 0;
};

}  // namespace causeway::bench
