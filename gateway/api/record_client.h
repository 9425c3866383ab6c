// Changes and reads of device records for the handlers of the API, over the API's own Submitter.
// Inside this module; the API's loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>

#include "core/message/submitter.h"

namespace causeway::api {

class RecordClient {
public:
    // Of the results of the Submitter's owner, those with this slot belong here.
    static constexpr std::uint32_t kSlot = 1;

    // `code` nullopt: it is not known whether it was done. `revision`: of a put, 0: not known.
    struct Outcome {
        std::optional<ResultCode> code;
        std::uint64_t revision = 0;
        bool sent = true;  // false: nothing was done
    };
    using Done = absl::AnyInvocable<void(const Outcome& outcome)>;

    void attach(Submitter* submitter) { submitter_ = submitter; }

    // The set of the key can take a command now.
    [[nodiscard]] bool ready(std::string_view key) const;
    [[nodiscard]] bool has_room(GroupId set) const { return submitter_->has_room(set); }
    void put(const RecordPut& command, Done done);
    void erase(const RecordDelete& command, Done done);
    void find(std::string_view key, Records::Take take) {
        submitter_->records()->find(key, std::move(take));
    }
    void scan(GroupId set, const RecordQuery& query, Records::Take take) {
        submitter_->records()->read(set, query, std::move(take));
    }
    [[nodiscard]] const std::vector<GroupId>& sets() const { return submitter_->sets(); }

    void on_result(const CommandTag& tag, ResultCode code, std::string_view detail);
    void on_lost(const CommandTag& tag, bool sent);

private:
    template <typename Command>
    void submit(const Command& command, Done done);

    Submitter* submitter_ = nullptr;
    absl::flat_hash_map<std::uint64_t, Done> waiting_;  // bounded by the Submitter's windows
    std::uint64_t next_ = 1;
    std::string scratch_;
};

}  // namespace causeway::api
