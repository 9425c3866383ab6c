// The table of one set: reads see the batch being built, commit writes it with the applied index.
#include <rocksdb/utilities/write_batch_with_index.h>

#include "core/base/encoding.h"
#include "core/store/store_impl.h"

namespace causeway::store {
namespace {

class RocksKv final : public state::Kv {
public:
    RocksKv(Store::Impl& impl, GroupId group)
        : impl_(impl),
          group_(group),
          prefix_(table_prefix(group, impl.number({}, generation_key(group)))),
          key_(prefix_),
          applied_(impl.number({}, applied_key(group))) {}

    bool get(std::string_view key, std::string& value) override {
        const auto status = batch_.GetFromBatchAndDB(impl_.db.get(), {}, full(key), &value);
        if (status.IsNotFound()) {
            return false;
        }
        impl_.require(status, "a read");
        return true;
    }

    void scan(std::string_view from, std::string_view to, Visitor visitor) override {
        if (from >= to) {
            return;
        }
        const std::string first = prefix_ + std::string(from);
        const std::string last = prefix_ + std::string(to);
        const rocksdb::Slice upper(last);
        rocksdb::ReadOptions options;
        options.iterate_upper_bound = &upper;
        const std::unique_ptr<rocksdb::Iterator> it(batch_.NewIteratorWithBase(
            impl_.db->DefaultColumnFamily(), impl_.db->NewIterator(options), &options));
        for (it->Seek(first); it->Valid(); it->Next()) {
            const rocksdb::Slice key = it->key();
            if (key.compare(upper) >= 0) {
                break;
            }
            if (!visitor(std::string_view(key.data(), key.size()).substr(prefix_.size()),
                         it->value().ToStringView())) {
                break;
            }
        }
        impl_.require(it->status(), "a scan");
    }

    void put(std::string_view key, std::string_view value) override {
        impl_.require(batch_.Put(full(key), rocksdb::Slice(value.data(), value.size())), "a put");
    }

    void erase(std::string_view key) override {
        impl_.require(batch_.Delete(full(key)), "an erase");
    }

    void commit(Index applied) override {
        std::string value;
        ByteWriter(value).u64(applied.value());
        impl_.require(batch_.Put(applied_key(group_), value), "a put");
        if (!impl_.write(*batch_.GetWriteBatch())) {
            return;
        }
        batch_.Clear();
        applied_ = applied;
    }

    [[nodiscard]] Index applied() const override { return applied_; }

private:
    // Valid until the next call.
    const std::string& full(std::string_view key) {
        key_.resize(prefix_.size());
        key_.append(key);
        return key_;
    }

    Store::Impl& impl_;
    const GroupId group_;
    const std::string prefix_;
    std::string key_;
    rocksdb::WriteBatchWithIndex batch_{rocksdb::BytewiseComparator(), 0, true};
    Index applied_;
};

}  // namespace

std::unique_ptr<state::Kv> make_kv(Store::Impl& impl, GroupId group) {
    return std::make_unique<RocksKv>(impl, group);
}

}  // namespace causeway::store
