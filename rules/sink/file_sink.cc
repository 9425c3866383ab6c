#include "rules/sink/file_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "rules/sink/http_request.h"
#include "rules/sink/http_response.h"

namespace causeway::rules {
namespace {

std::string reason_of(std::string_view what) {
    return "file: " + std::string(what) + ": " + std::generic_category().message(errno);
}

// The file itself. Used by one thread at a time.
class AppendedFile {
public:
    explicit AppendedFile(FileSinkOptions options) : options_(std::move(options)) {}
    ~AppendedFile() { shut(); }
    AppendedFile(const AppendedFile&) = delete;
    AppendedFile& operator=(const AppendedFile&) = delete;

    Result<> open() {
        descriptor_ = ::open(options_.path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        struct stat found {};
        if (descriptor_ < 0 || fstat(descriptor_, &found) != 0) {
            return fail(reason_of("cannot open " + options_.path));
        }
        if (!S_ISREG(found.st_mode)) {
            return fail("file: " + options_.path + " is not a regular file");
        }
        size_ = static_cast<std::uint64_t>(found.st_size);
        char last = '\n';
        const bool torn =
            size_ > 0 && pread(descriptor_, &last, 1, found.st_size - 1) == 1 && last != '\n';
        return torn ? append("\n") : Result<>{};
    }

    // Effect: all of `lines` is appended and fsynced. On an error some of it may stay.
    Result<> write(std::string_view lines) {
        look_again();
        if (auto good = ready(); !good) {
            return good;
        }
        if (size_ > 0 && size_ + lines.size() > options_.rotate_bytes) {
            if (auto good = rotate(); !good) {
                return good;
            }
            if (auto good = ready(); !good) {
                return good;
            }
        }
        return append(lines);
    }

private:
    Result<> ready() { return descriptor_ >= 0 ? Result<>{} : open(); }
    // Others append to and rotate the same file: sinks of other sets, and the one that this
    // replaced.
    void look_again() {
        struct stat own {};
        struct stat named {};
        if (descriptor_ < 0 || fstat(descriptor_, &own) != 0 ||
            stat(options_.path.c_str(), &named) != 0 || own.st_ino != named.st_ino ||
            own.st_dev != named.st_dev) {
            shut();
            size_ = 0;
            return;
        }
        size_ = static_cast<std::uint64_t>(own.st_size);
    }
    void shut() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
            descriptor_ = -1;
        }
    }
    [[nodiscard]] std::string numbered(std::uint32_t n) const {
        return n == 0 ? options_.path : options_.path + "." + std::to_string(n);
    }
    Result<> rotate() {
        for (std::uint32_t n = options_.keep; n > 0; --n) {
            if (std::rename(numbered(n - 1).c_str(), numbered(n).c_str()) != 0 && errno != ENOENT) {
                return fail(reason_of("cannot rename " + numbered(n - 1)));
            }
        }
        shut();
        size_ = 0;
        return {};
    }
    Result<> append(std::string_view bytes) {
        std::string_view left = bytes;
        while (!left.empty()) {
            const ssize_t written = ::write(descriptor_, left.data(), left.size());
            if (written < 0 && errno == EINTR) {
                continue;
            }
            if (written <= 0) {
                return give_up("cannot write " + options_.path);
            }
            left.remove_prefix(static_cast<std::size_t>(written));
        }
        if (fdatasync(descriptor_) != 0) {
            return give_up("cannot sync " + options_.path);
        }
        size_ += bytes.size();
        return {};
    }
    // After a failed fsync nobody knows what is on the disk: the file is opened anew, and a line
    // left half is ended then. Nothing is cut off: a sink that this one replaced may be writing
    // too.
    Result<> give_up(std::string_view what) {
        const std::string reason = reason_of(what);
        shut();
        return fail(reason);
    }

    FileSinkOptions options_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
};

struct Job {
    std::string line;
    Sink::Completion completion;
};

// What the two threads share.
struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Job> waiting;
    bool stop = false;
};

}  // namespace

struct FileSink::Impl {
    Impl(io::Loop& on, FileSinkOptions options) : loop(on), file(std::move(options)) {}

    void write_all();
    void finish(std::vector<Job> jobs, const DeliveryOutcome& outcome);

    io::Loop& loop;
    AppendedFile file;
    Shared shared;
    std::thread writer;
    std::size_t in_flight = 0;  // loop thread
    std::shared_ptr<bool> open = std::make_shared<bool>(true);
    const std::weak_ptr<bool> still_open = open;  // for the writer, which must not touch `open`
};

// The writer's thread.
void FileSink::Impl::write_all() {
    std::unique_lock lock(shared.mutex);
    while (true) {
        shared.changed.wait(lock, [this] { return shared.stop || !shared.waiting.empty(); });
        if (shared.stop) {
            return;
        }
        std::vector<Job> jobs = std::exchange(shared.waiting, {});
        lock.unlock();
        std::string lines;
        for (const Job& job : jobs) {
            lines += job.line;
        }
        DeliveryOutcome outcome{OutcomeKind::kDelivered, 0, {}};
        if (const auto good = file.write(lines); !good) {
            outcome = {OutcomeKind::kRetry, 0, printable_reason(good.error().message)};
        }
        loop.post([this, still = still_open, done = std::move(jobs),
                   with = std::move(outcome)]() mutable {
            if (!still.expired()) {
                finish(std::move(done), with);
            }
        });
        lock.lock();
    }
}

void FileSink::Impl::finish(std::vector<Job> jobs, const DeliveryOutcome& outcome) {
    in_flight -= jobs.size();
    for (Job& job : jobs) {
        if (!still_open.expired()) {  // A completion may close the sink.
            job.completion(outcome);
        }
    }
}

FileSink::FileSink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FileSink::~FileSink() {
    close();
    impl_->writer.join();
}

Result<std::unique_ptr<FileSink>> FileSink::make(io::Loop& loop, const FileSinkOptions& options) {
    auto impl = std::make_unique<Impl>(loop, options);
    if (auto good = impl->file.open(); !good) {
        return fail(good.error().message);
    }
    Impl* on = impl.get();
    impl->writer = std::thread([on] { on->write_all(); });
    return std::unique_ptr<FileSink>(new FileSink(std::move(impl)));
}

void FileSink::deliver(Delivery delivery, Completion completion) {
    const auto request = parse_http_request(delivery.request.view());
    ++impl_->in_flight;
    Job job{std::string(request ? request->body : std::string_view{}) + "\n",
            std::move(completion)};
    if (!request) {
        impl_->loop.post([impl = impl_.get(), still = std::weak_ptr(impl_->open),
                          done = std::move(job)]() mutable {
            if (!still.expired()) {
                std::vector<Job> one;
                one.push_back(std::move(done));
                impl->finish(std::move(one),
                             {OutcomeKind::kPermanent, 0, "request: not a request"});
            }
        });
        return;
    }
    const std::lock_guard lock(impl_->shared.mutex);
    impl_->shared.waiting.push_back(std::move(job));
    impl_->shared.changed.notify_one();
}

std::size_t FileSink::in_flight() const { return impl_->in_flight; }

void FileSink::close() {
    impl_->open.reset();
    impl_->in_flight = 0;
    const std::lock_guard lock(impl_->shared.mutex);
    impl_->shared.stop = true;
    impl_->shared.waiting.clear();
    impl_->shared.changed.notify_one();
}

}  // namespace causeway::rules
