#include "core/wal/posix_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace causeway::wal {
namespace {

DiskFault fault_of(int error_number) {
    switch (error_number) {
        case ENOENT:
            return DiskFault::kNotFound;
        case EEXIST:
            return DiskFault::kExists;
        case ENOSPC:
        case EDQUOT:
            return DiskFault::kNoSpace;
        case EWOULDBLOCK:
            return DiskFault::kBusy;
        default:
            return DiskFault::kIo;
    }
}

tl::unexpected<DiskError> failed(std::string_view operation, std::string_view name,
                                 int error_number = errno) {
    std::string message(operation);
    message.append(" ").append(name).append(": ");
    message.append(std::generic_category().message(error_number));
    return tl::unexpected(DiskError{fault_of(error_number), error_number, std::move(message)});
}

class PosixFile final : public DiskFile {
public:
    PosixFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    ~PosixFile() override { ::close(fd_); }

    DiskResult<std::size_t> read(std::uint64_t offset, char* out, std::size_t size) override {
        std::size_t done = 0;
        while (done < size) {
            const ssize_t n =
                ::pread(fd_, out + done, size - done, static_cast<off_t>(offset + done));
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n < 0) {
                return failed("read", name_);
            }
            if (n == 0) {
                break;
            }
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    DiskResult<> write(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n <= 0) {
                return failed("write", name_, n == 0 ? EIO : errno);
            }
            offset += static_cast<std::uint64_t>(n);
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return {};
    }

    DiskResult<> allocate(std::uint64_t size) override {
        int result = 0;
        do {
            result = ::fallocate(fd_, 0, 0, static_cast<off_t>(size));
        } while (result != 0 && errno == EINTR);
        if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
            return failed("allocate", name_);
        }
        return {};
    }

    // Never tried again after EIO: the kernel has dropped the pages and a second call may lie.
    DiskResult<> sync() override {
        if (::fdatasync(fd_) != 0) {
            return failed("fdatasync", name_);
        }
        return {};
    }

    DiskResult<std::uint64_t> size() override {
        struct stat status {};
        if (::fstat(fd_, &status) != 0) {
            return failed("stat", name_);
        }
        return static_cast<std::uint64_t>(status.st_size);
    }

private:
    int fd_;
    std::string name_;
};

}  // namespace

DiskResult<std::unique_ptr<PosixDisk>> PosixDisk::open(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        return failed("create directory", directory, error.value());
    }
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed("open directory", directory);
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int why = errno;
        ::close(fd);
        if (why == EWOULDBLOCK) {
            return tl::unexpected(
                DiskError{DiskFault::kBusy, why, directory + " is in use by another process"});
        }
        auto reason = failed("lock directory", directory, why);
        return reason;
    }
    return std::unique_ptr<PosixDisk>(new PosixDisk(directory, fd));
}

PosixDisk::~PosixDisk() { ::close(fd_); }

DiskResult<std::vector<std::string>> PosixDisk::list() {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator it(directory_, error);
    for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
        if (it->is_regular_file(error)) {
            names.push_back(it->path().filename().string());
        }
    }
    if (error) {
        return failed("list", directory_, error.value());
    }
    std::sort(names.begin(), names.end());
    return names;
}

DiskResult<std::shared_ptr<DiskFile>> PosixDisk::open_file(std::string_view name, int flags) {
    std::string path(name);
    const int fd = ::openat(fd_, path.c_str(), flags | O_RDWR | O_CLOEXEC, 0640);
    if (fd < 0) {
        return failed("open", path);
    }
    return std::make_shared<PosixFile>(fd, std::move(path));
}

DiskResult<std::shared_ptr<DiskFile>> PosixDisk::open(std::string_view name) {
    return open_file(name, 0);
}

DiskResult<std::shared_ptr<DiskFile>> PosixDisk::create(std::string_view name) {
    return open_file(name, O_CREAT | O_EXCL);
}

DiskResult<> PosixDisk::rename(std::string_view from, std::string_view to) {
    if (::renameat(fd_, std::string(from).c_str(), fd_, std::string(to).c_str()) != 0) {
        return failed("rename", from);
    }
    return {};
}

DiskResult<> PosixDisk::remove(std::string_view name) {
    if (::unlinkat(fd_, std::string(name).c_str(), 0) != 0) {
        return failed("remove", name);
    }
    return {};
}

DiskResult<> PosixDisk::sync_directory() {
    if (::fsync(fd_) != 0) {
        return failed("fsync directory", directory_);
    }
    return {};
}

DiskResult<std::uint64_t> PosixDisk::free_bytes() {
    struct statvfs status {};
    if (::fstatvfs(fd_, &status) != 0) {
        return failed("statvfs", directory_);
    }
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace causeway::wal
