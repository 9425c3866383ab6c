// The Kv port: the ordered table the state machine of one set keeps what does not live in memory
// in. Real implementation: core/store (RocksDB, one column of keys per set); simulated: MemoryKv.
//
// One thread (the apply thread of the set) uses an instance. Writes collect in a batch that the
// same instance's reads already see; commit() makes the batch one atomic step, and the *flushed*
// state of the table is always some prefix of the commits. An I/O error is not reported here: the
// implementation stops the process (a replica whose table cannot be trusted must not serve).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "core/base/tagged.h"

namespace causeway::state {

class Kv {
public:
    Kv() = default;
    Kv(const Kv&) = delete;
    Kv& operator=(const Kv&) = delete;
    virtual ~Kv() = default;

    // Returns false and leaves `value` unspecified when the key is absent.
    virtual bool get(std::string_view key, std::string& value) = 0;

    // Visits the keys in [from, to) in order until the visitor returns false. The views live only
    // during the call. The visitor must not write to this Kv.
    using Visitor = absl::FunctionRef<bool(std::string_view key, std::string_view value)>;
    virtual void scan(std::string_view from, std::string_view to, Visitor visitor) = 0;

    virtual void put(std::string_view key, std::string_view value) = 0;
    virtual void erase(std::string_view key) = 0;

    // Effect: the writes since the last commit become one atomic step that also records `applied`.
    virtual void commit(Index applied) = 0;

    // The index given to the last commit that is part of this table (0: none).
    [[nodiscard]] virtual Index applied() const = 0;
};

}  // namespace causeway::state
