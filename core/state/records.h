// Records of a set: keys with values that the state does not look into (RecordPut, command.h), one
// each in the table; memory holds their number, bytes and the next revision only. Apply thread
// only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/message/records.h"
#include "core/state/context.h"

namespace causeway::state {

class Records {
public:
    explicit Records(Context& context) : context_(context) {}
    // False: damaged.
    bool load();
    void flush();

    // Effect: as RecordPut says; kQuotaExceeded above the limits of the set, kInvalid above those
    // of a record. Names the key in Outputs::changed_records.
    ResultCode put(const RecordPut& command, std::string& detail);
    ResultCode erase(const RecordDelete& command);

    [[nodiscard]] RecordsFound read(const RecordQuery& query) const;
    [[nodiscard]] std::uint64_t count() const { return totals_.count; }
    [[nodiscard]] std::uint64_t bytes() const { return totals_.bytes; }

private:
    struct Totals {
        std::uint64_t next_revision = 1;
        std::uint64_t count = 0;
        std::uint64_t bytes = 0;
    };
    struct Held {
        std::uint64_t revision = 0;
        std::string_view value;
    };
    // The views live in scratch_, until the next call. revision 0: there is none.
    Held find(std::string_view key);
    void changed(std::string_view key);

    Context& context_;
    Totals totals_;
    bool dirty_ = false;
    std::string scratch_;
    std::string record_;
};

}  // namespace causeway::state
