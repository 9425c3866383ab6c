#include "gateway/api/record_client.h"

#include <utility>

namespace causeway::api {

bool RecordClient::ready(std::string_view key) const {
    const GroupId set = submitter_->home(key);
    return submitter_->available(set) && submitter_->has_room(set);
}

template <typename Command>
void RecordClient::submit(const Command& command, Done done) {
    scratch_.clear();
    encode(CommandHeader{}, command, scratch_);
    const std::uint64_t id = next_++;
    waiting_.emplace(id, std::move(done));
    submitter_->submit(command.key, scratch_, CommandTag{kSlot, 1, id});
}

void RecordClient::put(const RecordPut& command, Done done) { submit(command, std::move(done)); }

void RecordClient::erase(const RecordDelete& command, Done done) {
    submit(command, std::move(done));
}

void RecordClient::on_result(const CommandTag& tag, ResultCode code, std::string_view detail) {
    if (auto waiting = waiting_.extract(tag.token)) {
        Outcome outcome;
        outcome.code = code;
        ByteReader in(detail);
        outcome.revision = detail.empty() ? 0 : in.varint();
        waiting.mapped()(outcome);
    }
}

void RecordClient::on_lost(const CommandTag& tag, bool sent) {
    if (auto waiting = waiting_.extract(tag.token)) {
        waiting.mapped()(Outcome{std::nullopt, 0, sent});
    }
}

}  // namespace causeway::api
