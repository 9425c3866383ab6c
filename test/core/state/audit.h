// What must hold of a set's tables and counters after every entry (promise 6): copies made are
// acknowledged, pending, or counted under a reason; every shared body has references and every
// reference a body; the numbers kept beside the records are the numbers of the records.
#pragma once

#include <string>

#include "core/state/kv.h"
#include "core/state/machine.h"

namespace causeway::state {

// Empty when all is well; else what is not, one line each.
std::string audit(Kv& kv, const Machine& machine);

}  // namespace causeway::state
