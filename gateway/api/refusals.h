// Which refused requests go to the audit log: of each kind the first at once, then one a second
// with the number of the others. Who has no right must not be able to push what others did out of
// the log, nor hide what it tried itself behind nonsense: what is refused to somebody who is known
// is told apart from what is refused to strangers, by who it is. Used by Guard. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "gateway/audit/record.h"

namespace causeway::api {

class Refusals {
public:
    static constexpr MonoMs kEveryMs = 1'000;
    // Told apart by who they are; what is refused to more of them within a second is one kind.
    static constexpr std::size_t kKnownMax = 256;

    // Effect: counts it. `event` has a status and who asked. Returns what to record now; nothing:
    // due() will tell.
    std::optional<audit::Event> note(audit::Event event, MonoMs now);
    // Effect: returns what is to be recorded now: of each kind whose second is over the newest,
    // with the number of the others. To be called every kEveryMs until empty().
    std::vector<audit::Event> due(MonoMs now);
    [[nodiscard]] bool empty() const { return kinds_.empty(); }

private:
    struct Kind {
        MonoMs recorded_at = 0;
        std::uint64_t unrecorded = 0;
        audit::Event newest{};
    };
    std::map<std::pair<int, std::string>, Kind> kinds_;  // by status and who
};

}  // namespace causeway::api
