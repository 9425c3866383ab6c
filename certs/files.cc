// Reading and atomic writing of small files for certs.
#include "certs/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace causeway::certs {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1024} * 1024;
constexpr std::size_t kListBytesMax = 64 * kFileBytesMax;

std::string errno_text() { return std::strerror(errno); }

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool sync_folder_of(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    const int fd =
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool synced = ::fsync(fd) == 0;
    ::close(fd);
    return synced;
}

// Puts the finished temporary file in its place.
Result<> place(const std::string& temporary, const std::string& path, bool force) {
    if (force) {
        if (::rename(temporary.c_str(), path.c_str()) != 0) {
            return fail("cannot write " + path + ": " + errno_text());
        }
        return {};
    }
    // link, unlike rename, refuses to replace.
    if (::link(temporary.c_str(), path.c_str()) != 0) {
        return errno == EEXIST ? fail(path + " exists already; use --force to replace it")
                               : fail("cannot write " + path + ": " + errno_text());
    }
    ::unlink(temporary.c_str());
    return {};
}

struct Reading {
    std::size_t bytes_max = kFileBytesMax;
    bool secret = false;
};

Result<std::string> read_bounded(const std::string& path, std::string_view what, Reading how) {
    const std::string where = "cannot read " + std::string(what) + " " + path + ": ";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(where + errno_text());
    }
    struct stat status {};
    if (how.secret && ::fstat(fd, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        ::close(fd);
        return fail(where + "others than its owner may use it; chmod 600 " + path);
    }
    std::string bytes;
    char chunk[16 * 1024];
    ssize_t size = 0;
    while ((size = ::read(fd, chunk, sizeof(chunk))) > 0 && bytes.size() <= how.bytes_max) {
        bytes.append(chunk, static_cast<std::size_t>(size));
    }
    const std::string error = size < 0 ? errno_text() : "";
    ::close(fd);
    if (size < 0) {
        return fail(where + error);
    }
    if (bytes.size() > how.bytes_max) {
        return fail(where + "it is larger than " + std::to_string(how.bytes_max >> 20) + " MiB");
    }
    return bytes;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::string_view what) {
    return read_bounded(path, what, {});
}

Result<std::string> read_list(const std::string& path, std::string_view what) {
    return read_bounded(path, what, {kListBytesMax, false});
}

Result<std::string> read_secret(const std::string& path, std::string_view what) {
    return read_bounded(path, what, {kFileBytesMax, true});
}

Result<std::string> read_secret_list(const std::string& path, std::string_view what) {
    return read_bounded(path, what, {kListBytesMax, true});
}

Result<> write_file(const std::string& path, std::string_view bytes, WriteOptions options) {
    std::string temporary = path + ".XXXXXX";
    const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (fd < 0) {
        return fail("cannot write " + path + ": " + errno_text());
    }
    const bool written =
        write_all(fd, bytes) && ::fchmod(fd, options.mode) == 0 && ::fsync(fd) == 0;
    const std::string error = written ? "" : errno_text();
    ::close(fd);
    Result<> placed = written ? place(temporary, path, options.force)
                              : Result<>(fail("cannot write " + path + ": " + error));
    if (!placed) {
        ::unlink(temporary.c_str());
    } else if (!sync_folder_of(path)) {
        return fail("cannot sync the folder of " + path + ": " + errno_text());
    }
    return placed;
}

Result<> append_lines(const std::string& path, std::string_view lines) {
    const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail("cannot write " + path + ": " + errno_text());
    }
    struct stat before {};
    bool written = ::fstat(fd, &before) == 0;
    char last = '\n';
    if (written && before.st_size > 0) {
        written = ::pread(fd, &last, 1, before.st_size - 1) == 1;
    }
    // What a crash has torn would take the first of the lines with it.
    const std::string ended = (last == '\n' ? "" : "\n") + std::string(lines);
    written = written && write_all(fd, ended) && ::fsync(fd) == 0;
    const std::string error = written ? "" : errno_text();
    // If this fails too, the next call ends what is left.
    const bool undone = written || ::ftruncate(fd, before.st_size) == 0;
    static_cast<void>(undone);
    ::close(fd);
    if (!written || !sync_folder_of(path)) {
        return fail("cannot write " + path + ": " + (written ? errno_text() : error));
    }
    return {};
}

Result<FolderLock> FolderLock::take(const std::string& dir) {
    const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ::flock(fd, LOCK_EX) != 0) {
        const std::string error = errno_text();
        if (fd >= 0) {
            ::close(fd);
        }
        return fail("cannot lock folder " + dir + ": " + error);
    }
    return FolderLock(fd);
}

FolderLock::~FolderLock() {
    if (fd_ >= 0) {
        ::close(fd_);  // ends the lock
    }
}

}  // namespace causeway::certs
