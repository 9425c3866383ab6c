#include "cluster/node/record_reads.h"

#include <algorithm>
#include <utility>

namespace causeway::node {

std::uint64_t RecordReads::add(GroupId set, RecordQuery query, Records::Take take, MonoMs now) {
    if (questions_.size() >= Records::kRecordReadsMax) {
        refused_.push_back(std::move(take));
        return 0;
    }
    const std::uint64_t question = next_++;
    questions_.emplace(question, Question{set, std::move(query), std::move(take), now});
    return question;
}

wire::ReadRecords RecordReads::frame_of(std::uint64_t question) const {
    const Question& asked = questions_.at(question);
    wire::ReadRecords frame;
    frame.set = asked.set;
    frame.question = question;
    frame.query = asked.query;
    return frame;
}

std::vector<std::uint64_t> RecordReads::of(GroupId set) const {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, question] : questions_) {
        if (question.set == set) {
            numbers.push_back(number);
        }
    }
    return numbers;
}

bool RecordReads::take(const wire::RecordsRead& answer) {
    const auto asked = questions_.find(answer.question);
    if (asked == questions_.end() || asked->second.set != answer.set) {
        return false;  // answered before, or too late
    }
    if (answer.found.index < changed_at_[answer.set]) {
        return true;
    }
    // Taken out first: whoever is told may ask again.
    Records::Take take = std::move(asked->second.take);
    questions_.erase(asked);
    take(&answer.found);
    return false;
}

void RecordReads::take(const wire::RecordsChanged& changed) {
    Index& newest = changed_at_[changed.set];
    newest = std::max(newest, changed.index);
    if (changed_) {
        changed_(changed.set, changed.keys);
    }
}

void RecordReads::take_all_changed(GroupId set) {
    if (changed_) {
        changed_(set, {});
    }
}

void RecordReads::on_tick(MonoMs now) {
    std::vector<Records::Take> over = std::exchange(refused_, {});
    // Oldest first.
    while (!questions_.empty() && now - questions_.begin()->second.since >= kWaitMs) {
        over.push_back(std::move(questions_.begin()->second.take));
        questions_.erase(questions_.begin());
    }
    for (Records::Take& take : over) {
        take(nullptr);
    }
}

}  // namespace causeway::node
