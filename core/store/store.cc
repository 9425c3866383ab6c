#include "core/store/store.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "core/base/encoding.h"
#include "core/store/store_impl.h"
#include "core/store/write_behind_file_system.h"

namespace causeway::store {
namespace {

constexpr auto kSpaceRetry = std::chrono::milliseconds(50);
constexpr auto kFlushRetry = std::chrono::milliseconds(5);
constexpr int kFlushAttempts = 2000;

bool is_no_space(const rocksdb::Status& status) {
    return status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit;
}

// RocksDB's own log would be the one file that is written when not a byte is left, and its writer
// goes on after a failed write, which RocksDB asserts against. Errors come as statuses and events.
class NoInfoLog final : public rocksdb::Logger {
public:
    using rocksdb::Logger::Logv;
    void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

class Listener final : public rocksdb::EventListener {
public:
    explicit Listener(Store::Impl& impl) : impl_(impl) {}

    void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                           rocksdb::Status* error) override {
        if (error->IsShutdownInProgress()) {
            return;
        }
        if (!is_no_space(*error)) {
            impl_.die("a background job", *error);
        }
        impl_.out_of_space = true;
    }
    void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
        if (info.new_bg_error.ok()) {
            impl_.out_of_space = false;
        }
    }
    void OnFlushCompleted(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& info) override {
        ++impl_.flushes;
        std::uint64_t known = impl_.flushed_seq;
        while (known < info.largest_seqno &&
               !impl_.flushed_seq.compare_exchange_weak(known, info.largest_seqno)) {
        }
    }

private:
    Store::Impl& impl_;
};

rocksdb::Options rocks_options(Store::Impl& impl) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.atomic_flush = true;
    options.write_buffer_size = impl.options.write_buffer_bytes;
    options.max_write_buffer_number = 3;
    options.max_open_files = impl.options.open_files_max;
    options.max_background_jobs = 2;
    options.avoid_flush_during_shutdown = !impl.options.flush_on_close;
    options.info_log = std::make_shared<NoInfoLog>();
    options.stats_dump_period_sec = 0;
    options.listeners.push_back(std::make_shared<Listener>(impl));
    const auto supported = rocksdb::GetSupportedCompressions();
    const bool lz4 =
        std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
    options.compression = lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(impl.options.block_cache_bytes);
    table.cache_index_and_filter_blocks = true;  // Else they grow outside the bound.
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
#if CAUSEWAY_FAULTS
    if (impl.options.write_behind) {
        impl.env = rocksdb::NewCompositeEnv(make_write_behind_file_system(
            rocksdb::FileSystem::Default(), impl.options.ignore_sync, impl.options.no_space));
        options.env = impl.env.get();
    }
#endif
    return options;
}

std::uint64_t property(rocksdb::DB& db, const rocksdb::Slice& name) {
    std::uint64_t value = 0;
    return db.GetIntProperty(name, &value) ? value : 0;
}

}  // namespace

void Store::Impl::require(const rocksdb::Status& status, std::string_view operation) {
    if (!status.ok()) {
        die(operation, status);
    }
}

void Store::Impl::die(std::string_view operation, const rocksdb::Status& status) {
    std::string line = "the store failed in ";
    line.append(operation).append(": ").append(status.ToString());
    if (!dying.exchange(true) && options.fatal) {
        options.fatal(line);
    }
    std::fprintf(stderr, "%s\n", line.c_str());
    std::abort();
}

bool Store::Impl::write(rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions how;
    how.disableWAL = true;
    while (true) {
        const rocksdb::Status status = db->Write(how, &batch);
        if (status.ok()) {
            return true;
        }
        if (!is_no_space(status)) {
            die("a write", status);
        }
        out_of_space = true;
        if (stopping) {
            return false;
        }
        std::this_thread::sleep_for(kSpaceRetry);
        if (db->Resume().ok()) {
            out_of_space = false;
        }
    }
}

Result<std::unique_ptr<Store>> Store::open(const std::string& directory,
                                           const StoreOptions& options) {
    auto impl = std::make_unique<Impl>(options);
    rocksdb::DB* db = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(rocks_options(*impl), directory, &db);
    if (status.ok()) {
        impl->db.reset(db);
        impl->flushed_seq = db->GetLatestSequenceNumber();  // No log to replay: all is in files.
        status = impl->remove_remains();
    }
    if (!status.ok()) {
        return fail("cannot open the store in " + directory + ": " + status.ToString());
    }
    return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

std::unique_ptr<state::Kv> Store::kv(GroupId group) { return make_kv(*impl_, group); }

void Store::erase_group(GroupId group) {
    rocksdb::WriteBatch batch;
    impl_->erase_range(batch, group_prefix(group, Part::kMeta), group_prefix(group, Part::kEnd));
    // When leaving, what is not erased now is erased by whoever asks for it again.
    (void)impl_->write(batch);
}

std::unique_ptr<state::SnapshotReader> Store::snapshot_reader(GroupId group) {
    return make_snapshot_reader(*impl_, group);
}

std::unique_ptr<state::SnapshotInstaller> Store::snapshot_installer(GroupId group) {
    return make_snapshot_installer(*impl_, group);
}

std::string Store::snapshot_meta(GroupId group) const {
    std::string meta;
    const auto status = impl_->db->Get({}, snapshot_key(group), &meta);
    if (status.IsNotFound()) {
        return {};
    }
    impl_->require(status, "a read");
    return meta;
}

void Store::stop_waiting() { impl_->stopping = true; }

Result<> Store::flush() { return impl_->flush(); }

// While RocksDB recovers from a full disk its Flush may return ok for a memtable that is not
// written yet, so what was flushed is taken from its flush events.
Result<> Store::Impl::flush() {
    const std::uint64_t target = db->GetLatestSequenceNumber();
    for (int attempt = 0; attempt < kFlushAttempts; ++attempt) {
        const rocksdb::Status status = db->Flush(rocksdb::FlushOptions());
        if (is_no_space(status)) {
            out_of_space = !db->Resume().ok();
            if (out_of_space) {
                return fail("the store has no space to flush: " + status.ToString());
            }
            continue;
        }
        require(status, "a flush");
        if (flushed_seq >= target) {
            return {};
        }
        if (stopping) {
            break;
        }
        std::this_thread::sleep_for(kFlushRetry);
    }
    return fail("the store has not recovered from a full disk yet");
}

void Store::flush_async() {
    rocksdb::FlushOptions options;
    options.wait = false;
    options.allow_write_stall = true;
    const rocksdb::Status status = impl_->db->Flush(options);
    if (!status.ok() && !is_no_space(status) && !status.IsTryAgain()) {
        impl_->die("a flush", status);
    }
}

Index Store::flushed_applied(GroupId group) const {
    rocksdb::ReadOptions persisted;
    persisted.read_tier = rocksdb::kPersistedTier;
    return Index(impl_->number(persisted, applied_key(group)));
}

StoreStatus Store::status() const {
    rocksdb::DB& db = *impl_->db;
    return StoreStatus{
        .out_of_space = impl_->out_of_space,
        .unflushed_bytes = property(db, rocksdb::DB::Properties::kCurSizeAllMemTables),
        .files_bytes = property(db, rocksdb::DB::Properties::kTotalSstFilesSize),
        .flushes = impl_->flushes,
        .cache_bytes = property(db, rocksdb::DB::Properties::kBlockCacheUsage),
        .reader_bytes = property(db, rocksdb::DB::Properties::kEstimateTableReadersMem)};
}

}  // namespace causeway::store
