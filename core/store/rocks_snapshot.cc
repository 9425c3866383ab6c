// Reading and installing the table of one set as chunks.
#include "core/base/encoding.h"
#include "core/store/store_impl.h"

namespace causeway::store {
namespace {

class RocksSnapshotReader final : public state::SnapshotReader {
public:
    RocksSnapshotReader(Store::Impl& impl, GroupId group) : impl_(impl), snapshot_(impl.db.get()) {
        rocksdb::ReadOptions how;
        how.snapshot = snapshot_.snapshot();
        prefix_ = table_prefix(group, impl_.number(how, generation_key(group)));
        end_ = end_of(prefix_);
        applied_ = Index(impl_.number(how, applied_key(group)));
    }

    [[nodiscard]] Index applied() const override { return applied_; }
    [[nodiscard]] state::SnapshotPosition position() const override { return position_; }
    void seek(const state::SnapshotPosition& position) override { position_ = position; }

    // An iterator kept between chunks would keep whole memtables and files alive.
    bool next(std::string& chunk, std::size_t bytes_max) override {
        const rocksdb::Slice upper(end_);
        rocksdb::ReadOptions how;
        how.snapshot = snapshot_.snapshot();
        how.iterate_upper_bound = &upper;
        how.fill_cache = false;
        const std::unique_ptr<rocksdb::Iterator> it(impl_.db->NewIterator(how));
        state::ChunkWriter writer(chunk, position_.number, bytes_max);
        position_.number += 1;
        bool more = false;
        for (it->Seek(prefix_ + position_.key); it->Valid() && !more; it->Next()) {
            const std::string_view key = it->key().ToStringView().substr(prefix_.size());
            if (!writer.add(key, it->value().ToStringView())) {
                position_.key = key;
                more = true;
            }
        }
        impl_.require(it->status(), "a scan");
        writer.seal();
        return more;
    }

private:
    Store::Impl& impl_;
    rocksdb::ManagedSnapshot snapshot_;
    std::string prefix_;
    std::string end_;
    Index applied_;
    state::SnapshotPosition position_;
};

class RocksSnapshotInstaller final : public state::SnapshotInstaller {
public:
    RocksSnapshotInstaller(Store::Impl& impl, GroupId group)
        : impl_(impl),
          group_(group),
          generation_(impl.next_generation(group)),
          prefix_(table_prefix(group, generation_)) {}
    ~RocksSnapshotInstaller() override { remove(); }

    Result<> add(std::string_view chunk) override {
        rocksdb::WriteBatch batch;
        const auto taken = sequence_.take(chunk, [&](std::string_view key, std::string_view value) {
            key_.assign(prefix_).append(key);
            impl_.require(batch.Put(key_, rocksdb::Slice(value.data(), value.size())), "a put");
        });
        if (!taken) {
            return taken;
        }
        return write(batch);
    }

    Result<> finish(Index applied, std::string_view meta) override {
        if (!live_) {
            if (auto switched = make_live(applied, meta); !switched) {
                return switched;
            }
        }
        return impl_.flush();
    }

    void abandon() override { remove(); }

private:
    Result<> write(rocksdb::WriteBatch& batch) {
        return impl_.write(batch) ? Result<>() : fail("the store is stopping");
    }

    // What was written is always a prefix of the writes: if this one is durable, so are the chunks.
    Result<> make_live(Index applied, std::string_view meta) {
        const std::string old = table_prefix(group_, impl_.number({}, generation_key(group_)));
        rocksdb::WriteBatch batch;
        put_number(batch, generation_key(group_), generation_);
        put_number(batch, applied_key(group_), applied.value());
        impl_.require(batch.Put(snapshot_key(group_), rocksdb::Slice(meta.data(), meta.size())),
                      "a put");
        impl_.erase_range(batch, old, end_of(old));
        auto written = write(batch);
        live_ = written.has_value();
        return written;
    }

    void put_number(rocksdb::WriteBatch& batch, const std::string& key, std::uint64_t value) {
        std::string bytes;
        ByteWriter(bytes).u64(value);
        impl_.require(batch.Put(key, bytes), "a put");
    }

    void remove() {
        if (!live_ && sequence_.taken() > 0) {
            rocksdb::WriteBatch batch;
            impl_.erase_range(batch, prefix_, end_of(prefix_));
            (void)impl_.write(batch);  // What is left when leaving is removed at the next start.
        }
        sequence_ = {};
    }

    Store::Impl& impl_;
    const GroupId group_;
    const std::uint64_t generation_;
    const std::string prefix_;
    std::string key_;
    state::ChunkSequence sequence_;
    bool live_ = false;
};

}  // namespace

std::unique_ptr<state::SnapshotReader> make_snapshot_reader(Store::Impl& impl, GroupId group) {
    return std::make_unique<RocksSnapshotReader>(impl, group);
}

std::unique_ptr<state::SnapshotInstaller> make_snapshot_installer(Store::Impl& impl,
                                                                  GroupId group) {
    return std::make_unique<RocksSnapshotInstaller>(impl, group);
}

}  // namespace causeway::store
