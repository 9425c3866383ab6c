// Reads a history from JSON lines, the form in which scripts write one; README.md names the fields.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "test/sim/history/event.h"

namespace causeway::sim {

// Lines of several observers may be mixed: events are put in the order of `t`, and lines of the
// same `t` stay in their order. Unknown fields are skipped. An error names the line.
Result<History> read_json_lines(std::string_view text);

}  // namespace causeway::sim
