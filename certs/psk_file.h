// Pre-shared keys from a file: for listeners whose devices are in no registry. One a line,
// «identity:key», the key in hexadecimal digits (at least 16 bytes, better 32); empty lines and
// lines that begin with '#' are skipped. The form mosquitto and EMQX have. Mode 0600, at most 64
// MiB.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "core/base/result.h"

namespace causeway::certs {

inline constexpr std::size_t kPskBytesMin = 16;
inline constexpr std::size_t kPskBytesMax = 256;

// Immutable; any thread.
class PskTable {
public:
    // The error names the line, never the key.
    static Result<std::shared_ptr<const PskTable>> read(const std::string& path);
    static Result<std::shared_ptr<const PskTable>> parse(std::string_view text);

    // Null: not there. Lives as long as the table.
    [[nodiscard]] const std::string* find(std::string_view identity) const;
    [[nodiscard]] std::size_t size() const { return keys_.size(); }

private:
    absl::flat_hash_map<std::string, std::string> keys_;
};

}  // namespace causeway::certs
