// The keys of the store, and the generations of the sets' tables.
#include <algorithm>
#include <optional>

#include "core/base/encoding.h"
#include "core/store/store_impl.h"

namespace causeway::store {
namespace {

constexpr std::size_t kGroupBytes = 4;

GroupId group_of(std::string_view key) {
    std::uint32_t group = 0;
    for (const char byte : key.substr(0, kGroupBytes)) {
        group = group << 8 | static_cast<unsigned char>(byte);
    }
    return GroupId(group);
}

rocksdb::Status read_number(rocksdb::DB& db, const rocksdb::ReadOptions& how,
                            const std::string& key, std::uint64_t& value) {
    std::string bytes;
    const rocksdb::Status status = db.Get(how, key, &bytes);
    value = status.ok() ? ByteReader(bytes).u64() : 0;
    return status.IsNotFound() ? rocksdb::Status() : status;
}

bool holds_any(rocksdb::Iterator& it, const std::string& from, const std::string& to) {
    it.Seek(from);
    return it.Valid() && it.key().compare(to) < 0;
}

}  // namespace

std::string group_prefix(GroupId group, Part part) {
    std::string prefix;
    for (int shift = 24; shift >= 0; shift -= 8) {
        prefix.push_back(static_cast<char>(group.value() >> shift));
    }
    prefix.push_back(static_cast<char>(part));
    return prefix;
}

// Stores of version 0.1 know no generations: theirs is generation 0.
std::string table_prefix(GroupId group, std::uint64_t generation) {
    if (generation == 0) {
        return group_prefix(group, Part::kFirst);
    }
    std::string prefix = group_prefix(group, Part::kLater);
    ByteWriter(prefix).key_u64(generation);
    return prefix;
}

std::string end_of(std::string prefix) {
    // Never empty: the byte of a part is below 0xFF.
    while (static_cast<unsigned char>(prefix.back()) == 0xFF) {
        prefix.pop_back();
    }
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
    return prefix;
}

std::string applied_key(GroupId group) { return group_prefix(group, Part::kMeta) + "applied"; }
std::string generation_key(GroupId group) {
    return group_prefix(group, Part::kMeta) + "generation";
}
std::string snapshot_key(GroupId group) { return group_prefix(group, Part::kMeta) + "snapshot"; }

std::uint64_t Store::Impl::number(const rocksdb::ReadOptions& how, const std::string& key) {
    std::uint64_t value = 0;
    require(read_number(*db, how, key, value), "a read");
    return value;
}

void Store::Impl::erase_range(rocksdb::WriteBatch& batch, const std::string& from,
                              const std::string& to) {
    require(batch.DeleteRange(db->DefaultColumnFamily(), from, to), "an erase");
}

// Only ranges that hold something are erased: a tombstone at every start would be garbage of its
// own.
rocksdb::Status Store::Impl::remove_remains() {
    rocksdb::ReadOptions how;
    how.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(how));
    rocksdb::WriteBatch batch;
    for (it->SeekToFirst(); it->Valid();) {
        const GroupId group = group_of(it->key().ToStringView());
        std::uint64_t generation = 0;
        if (auto read = read_number(*db, {}, generation_key(group), generation); !read.ok()) {
            return read;
        }
        const std::string live = table_prefix(group, generation);
        const std::string first = group_prefix(group, Part::kFirst);
        const std::string end = group_prefix(group, Part::kEnd);
        if (holds_any(*it, first, live)) {
            erase_range(batch, first, live);
        }
        if (holds_any(*it, end_of(live), end)) {
            erase_range(batch, end_of(live), end);
        }
        it->Seek(end);
    }
    if (it->status().ok() && batch.Count() > 0) {
        // Not flushed: if it is lost, the next start does it again.
        (void)write(batch);
    }
    return it->status();
}

std::uint64_t Store::Impl::next_generation(GroupId group) {
    const std::uint64_t live = number({}, generation_key(group));
    const std::lock_guard lock(mutex);
    std::uint64_t& last = last_generation[group];
    last = std::max(last, live) + 1;
    return last;
}

}  // namespace causeway::store
