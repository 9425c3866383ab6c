// The records of the audit log as lines (docs/formats/audit.md):
//
//   {"hash":"H","prev":"P","seq":7,"at_ms":…,"node":"…","who":"…","from":"…","action":"…",…}\n
//
// H is the SHA-256 of the line's bytes behind `"hash":"H",` up to its last brace; P is the H of the
// record before, so that a line that was changed, taken out or put in is noticed by whoever follows
// the chain. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace causeway::audit {

inline constexpr std::size_t kLineBytesMax = 32U << 10;
inline constexpr std::size_t kTextBytesMax = 256;  // of each text of an event; longer ones are cut
inline constexpr std::size_t kDetailsMax = 6;

// What happened, or is about to.
struct Event {
    std::string who;            // access::Principal::id; empty: nobody that is known
    std::string from;           // address
    std::string action;         // "POST /v1/devices"
    std::optional<int> status;  // what was answered; none: it is about to be done
    std::uint64_t of = 0;       // of a result: the record that announced it
    std::vector<std::pair<std::string, std::string>> details;
};

// "0" × 64: before the first record.
[[nodiscard]] std::string first_hash();

struct Head {
    std::uint64_t seq = 0;  // of the newest record
    std::string hash = first_hash();
};

// Effect: the event as the line behind `head`, which becomes that of the line.
[[nodiscard]] std::string append_line(const Event& event, std::uint64_t at_ms,
                                      std::string_view node, Head& head);

// Effect: checks one line (without its line break). The error says what is wrong.
Result<Head> check_line(std::string_view line);
// The same for a line behind `before`.
Result<Head> check_line(std::string_view line, const Head& before);

}  // namespace causeway::audit
