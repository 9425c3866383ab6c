// Reading and atomic writing of small files for certs.
#include "certs/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace causeway::certs {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1024} * 1024;

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

}  // namespace

Result<std::string> read_file(const std::string& path, std::string_view what) {
    const std::string where = "cannot read " + std::string(what) + " " + path + ": ";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(where + errno_text());
    }
    std::string bytes;
    char chunk[16 * 1024];
    ssize_t size = 0;
    while ((size = ::read(fd, chunk, sizeof(chunk))) > 0 && bytes.size() <= kFileBytesMax) {
        bytes.append(chunk, static_cast<std::size_t>(size));
    }
    const std::string error = size < 0 ? errno_text() : "";
    ::close(fd);
    if (size < 0) {
        return fail(where + error);
    }
    if (bytes.size() > kFileBytesMax) {
        return fail(where + "it is larger than 1 MiB");
    }
    return bytes;
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

}  // namespace causeway::certs
