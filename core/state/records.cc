#include "core/state/records.h"

#include <algorithm>

#include "core/state/tables.h"

namespace causeway::state {
namespace {

std::uint64_t record_bytes(std::string_view key, std::string_view value) {
    constexpr std::uint64_t kAround = 16;
    return key.size() + value.size() + kAround;
}

bool decode(std::string_view in, std::uint64_t& revision, std::string_view& value) {
    ByteReader reader(in);
    revision = reader.varint();
    value = reader.rest();
    return !reader.failed();
}

}  // namespace

bool Records::load() {
    std::string record;
    if (!context_.kv.get(key_of(Table::kRecordTotals), record)) {
        return true;
    }
    ByteReader in(record);
    totals_.next_revision = in.varint();
    totals_.count = in.varint();
    totals_.bytes = in.varint();
    return !in.failed();
}

void Records::flush() {
    if (!dirty_) {
        return;
    }
    dirty_ = false;
    record_.clear();
    ByteWriter writer(record_);
    writer.varint(totals_.next_revision);
    writer.varint(totals_.count);
    writer.varint(totals_.bytes);
    context_.kv.put(key_of(Table::kRecordTotals), record_);
}

Records::Held Records::find(std::string_view key) {
    Held held;
    // A record that does not decode counts as none: the next put replaces it.
    if (!context_.kv.get(key_of(Table::kRecord, key), scratch_) ||
        !decode(scratch_, held.revision, held.value)) {
        return {};
    }
    return held;
}

void Records::changed(std::string_view key) {
    dirty_ = true;
    context_.out->changed_records.emplace_back(key);
}

ResultCode Records::put(const RecordPut& command, std::string& detail) {
    if (command.key.empty() || command.key.size() > kRecordKeyBytesMax ||
        command.value.size() > kRecordValueBytesMax) {
        return ResultCode::kInvalid;
    }
    const Held held = find(command.key);
    if (held.revision != 0 && held.value == command.value) {
        ByteWriter(detail).varint(held.revision);
        return ResultCode::kOk;
    }
    if (command.expected != kAnyRevision && command.expected != held.revision) {
        return ResultCode::kConflict;
    }
    const bool fresh = held.revision == 0;
    const std::uint64_t freed = fresh ? 0 : record_bytes(command.key, held.value);
    const std::uint64_t bytes = totals_.bytes - freed + record_bytes(command.key, command.value);
    const StateLimits& limits = context_.meta.limits;
    if ((fresh && totals_.count >= limits.records_max) ||
        (bytes > totals_.bytes && bytes > limits.records_bytes_max)) {
        return ResultCode::kQuotaExceeded;
    }
    totals_.bytes = bytes;
    totals_.count += fresh ? 1 : 0;
    const std::uint64_t revision = totals_.next_revision++;
    record_.clear();
    ByteWriter writer(record_);
    writer.varint(revision);
    writer.raw(command.value);
    context_.kv.put(key_of(Table::kRecord, command.key), record_);
    ByteWriter(detail).varint(revision);
    changed(command.key);
    return ResultCode::kOk;
}

ResultCode Records::erase(const RecordDelete& command) {
    const Held held = find(command.key);
    if (held.revision == 0) {
        return ResultCode::kNotFound;
    }
    if (command.expected != kAnyRevision && command.expected != held.revision) {
        return ResultCode::kConflict;
    }
    totals_.bytes -= record_bytes(command.key, held.value);
    --totals_.count;
    context_.kv.erase(key_of(Table::kRecord, command.key));
    changed(command.key);
    return ResultCode::kOk;
}

RecordsFound Records::read(const RecordQuery& query) const {
    RecordsFound found;
    std::string from = key_of(Table::kRecord, query.key);
    std::string to = query.prefix ? after_prefix(from) : from + '\0';
    if (query.prefix && query.after > query.key) {
        from = key_of(Table::kRecord, query.after) + '\0';
    }
    const std::size_t max = query.prefix ? std::min(query.max, kRecordScanMax) : 1;
    std::size_t bytes = 0;
    context_.kv.scan(from, to, [&](std::string_view key, std::string_view value) {
        if (found.records.size() >= max || bytes >= kRecordScanBytes) {
            found.more = true;
            return false;
        }
        Record record;
        std::string_view bare;
        if (decode(value, record.revision, bare)) {
            record.key = key.substr(1);
            record.value = bare;
            bytes += key.size() + value.size();
            found.records.push_back(std::move(record));
        }
        return true;
    });
    return found;
}

}  // namespace causeway::state
