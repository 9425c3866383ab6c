#include "gateway/audit/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "gateway/audit/files.h"

namespace causeway::audit {
namespace {

constexpr std::size_t kPageMax = 1'000;
constexpr std::size_t kPageBytesMax = 2U << 20;
constexpr std::size_t kReadsMax = 64;
constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kOwnerOnlyDirectory = 0700;

std::uint64_t wall_ms() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

std::string reason() { return std::generic_category().message(errno); }

bool sync_directory(const std::string& directory) {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    if (fd >= 0) {
        ::close(fd);
    }
    return synced;
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

class Log::Writer {
public:
    explicit Writer(LogOptions options) : options_(std::move(options)) {}
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    Result<> open();
    void append(Event event, Done done);
    void read(std::uint64_t from, std::size_t max, Take take);

private:
    struct Waiting {
        Event event;
        Done done;
    };
    struct Asked {
        std::uint64_t from = 0;
        std::size_t max = 0;
        Take take;
    };

    Result<> recover(const LogFile& newest);
    Result<> begin_file(std::uint64_t number);
    void run();
    void write(std::vector<Waiting>& batch);
    void rotate();
    [[nodiscard]] Page page_of(const Asked& asked) const;

    LogOptions options_;
    int fd_ = -1;
    std::uint64_t file_ = 0;
    std::uint64_t file_bytes_ = 0;
    std::map<std::uint64_t, std::uint64_t> first_of_;  // file -> number of its first record
    Head head_;

    std::mutex mutex_;  // Guards what follows.
    std::condition_variable wake_;
    std::vector<Waiting> waiting_;
    std::deque<Asked> asked_;
    bool stopping_ = false;
    std::thread thread_;  // Last: it uses all of the above.
};

Log::Writer::~Writer() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<> Log::Writer::open() {
    if (::mkdir(options_.directory.c_str(), kOwnerOnlyDirectory) != 0 && errno != EEXIST) {
        return fail(options_.directory + ": cannot be made: " + reason());
    }
    const std::vector<LogFile> files = list_files(options_.directory);
    for (const LogFile& file : files) {
        for_each_line(file.path, [&](std::string_view line) {
            if (const auto head = check_line(line)) {
                first_of_[file.number] = head->seq;
            }
            return false;
        });
    }
    auto opened = files.empty() ? begin_file(1) : recover(files.back());
    // The newest may hold nothing yet: the chain goes on behind the one before.
    if (opened && head_.seq == 0 && files.size() > 1) {
        for_each_line(files[files.size() - 2].path, [&](std::string_view line) {
            if (const auto head = check_line(line)) {
                head_ = *head;
            }
            return true;
        });
    }
    if (opened) {
        thread_ = std::thread([this] { run(); });
    }
    return opened;
}

Result<> Log::Writer::recover(const LogFile& newest) {
    std::string problem;
    std::uint64_t line_number = 0;
    const std::uint64_t whole = for_each_line(newest.path, [&](std::string_view line) {
        ++line_number;
        const auto head = line_number == 1 ? check_line(line) : check_line(line, head_);
        if (!head) {
            problem = head.error().message;
            return false;
        }
        head_ = *head;
        return true;
    });
    if (!problem.empty()) {
        return fail(newest.path + ":" + std::to_string(line_number) +
                    ": the audit log is damaged: " + problem +
                    "; move the folder away to begin a new one, and keep it");
    }
    fd_ = ::open(newest.path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(whole)) != 0 || ::fsync(fd_) != 0) {
        return fail(newest.path + ": cannot be written: " + reason());
    }
    file_ = newest.number;
    file_bytes_ = whole;
    return {};
}

Result<> Log::Writer::begin_file(std::uint64_t number) {
    const std::string path = path_of(options_.directory, number);
    const int fd =
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly);
    if (fd < 0 || !sync_directory(options_.directory)) {
        const std::string why = reason();
        if (fd >= 0) {
            ::close(fd);
            ::unlink(path.c_str());
        }
        return fail(path + ": cannot be made: " + why);
    }
    if (fd_ >= 0) {
        ::close(fd_);
    }
    fd_ = fd;
    file_ = number;
    file_bytes_ = 0;
    return {};
}

void Log::Writer::append(Event event, Done done) {
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() < options_.waiting_max && !stopping_) {
            waiting_.push_back({std::move(event), std::move(done)});
            wake_.notify_one();
            return;
        }
    }
    done(0);
}

void Log::Writer::read(std::uint64_t from, std::size_t max, Take take) {
    {
        const std::lock_guard lock(mutex_);
        if (asked_.size() < kReadsMax && !stopping_) {
            asked_.push_back({from, std::min(max, kPageMax), std::move(take)});
            wake_.notify_one();
            return;
        }
    }
    take({});
}

// A page may be far into a file, and changes wait for their record: at most one is read between two
// writes.
void Log::Writer::run() {
    std::vector<Waiting> batch;
    for (bool stopping = false; !stopping;) {
        std::optional<Asked> asked;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !waiting_.empty() || !asked_.empty(); });
            batch.swap(waiting_);
            if (!asked_.empty()) {
                asked = std::move(asked_.front());
                asked_.pop_front();
            }
            stopping = stopping_ && asked_.empty();
        }
        if (!batch.empty()) {
            write(batch);
            batch.clear();
        }
        if (asked) {
            asked->take(page_of(*asked));
        }
    }
}

// One write and one sync for all that waited. A batch that cannot be written whole is not in the
// log at all.
void Log::Writer::write(std::vector<Waiting>& batch) {
    if (file_bytes_ >= options_.file_bytes_max) {
        rotate();
    }
    Head head = head_;
    std::string lines;
    std::vector<std::uint64_t> numbers;
    for (const Waiting& waiting : batch) {
        lines += append_line(waiting.event, wall_ms(), options_.node, head);
        numbers.push_back(head.seq);
    }
    const bool written = write_all(fd_, lines) && ::fdatasync(fd_) == 0;
    if (written) {
        if (file_bytes_ == 0) {
            first_of_[file_] = head_.seq + 1;
        }
        head_ = head;
        file_bytes_ += lines.size();
    } else if (::ftruncate(fd_, static_cast<off_t>(file_bytes_)) != 0) {
        // A half line stays: the next start cuts it off, and until then nothing is taken.
        ::close(std::exchange(fd_, -1));
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
        batch[i].done(written ? numbers[i] : 0);
    }
}

void Log::Writer::rotate() {
    if (!begin_file(file_ + 1)) {
        return;  // this file grows on; the next batch tries again
    }
    std::vector<LogFile> files = list_files(options_.directory);
    const std::size_t over =
        files.size() > options_.files_max ? files.size() - options_.files_max : 0;
    for (std::size_t i = 0; i < over; ++i) {
        ::unlink(files[i].path.c_str());
        first_of_.erase(files[i].number);
    }
}

Page Log::Writer::page_of(const Asked& asked) const {
    Page page;
    page.head = head_;
    page.first = first_of_.empty() ? 0 : first_of_.begin()->second;
    const std::uint64_t from =
        asked.from != 0 ? asked.from
                        : (head_.seq > asked.max ? head_.seq - asked.max + 1 : std::uint64_t{1});
    std::size_t bytes = 0;
    bool full = asked.max == 0;
    for (auto file = first_of_.begin(); file != first_of_.end() && !full; ++file) {
        const auto next = std::next(file);
        if (next != first_of_.end() && next->second <= from) {
            continue;
        }
        std::uint64_t seq = file->second;
        for_each_line(path_of(options_.directory, file->first), [&](std::string_view line) {
            if (seq++ >= from) {
                page.lines.emplace_back(line);
                bytes += line.size();
            }
            full = page.lines.size() >= asked.max || bytes >= kPageBytesMax;
            return !full;
        });
    }
    return page;
}

Log::Log(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
    auto writer = std::make_unique<Writer>(options);
    if (auto opened = writer->open(); !opened) {
        return tl::unexpected(opened.error());
    }
    return std::unique_ptr<Log>(new Log(std::move(writer)));
}

void Log::append(Event event, Done done) { writer_->append(std::move(event), std::move(done)); }

void Log::read(std::uint64_t from, std::size_t max, Take take) {
    writer_->read(from, max, std::move(take));
}

}  // namespace causeway::audit
