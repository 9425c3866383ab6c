// Reading and atomic writing of small files for certs. Internal to the module.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.h"

namespace causeway::certs {

// A file larger than 1 MiB is an error: it is no certificate. `what` names it in the error.
Result<std::string> read_file(const std::string& path, std::string_view what);
// The same for the lists of many: at most 64 MiB.
Result<std::string> read_list(const std::string& path, std::string_view what);
// The same as read_file, of what nobody but its owner may read: an error if others could.
Result<std::string> read_secret(const std::string& path, std::string_view what);
// Both.
Result<std::string> read_secret_list(const std::string& path, std::string_view what);

struct WriteOptions {
    unsigned mode = 0644;
    bool force = false;  // Replace an existing file.
};

// Effect: the file has all of `bytes` or is as before, also after a power cut.
Result<> write_file(const std::string& path, std::string_view bytes, WriteOptions options);

// Effect: the lines are at the end of the file, which is made if need be (0600), and synced; a line
// that a crash has torn is ended before them. On an error the file is as before, if the disk lets
// it. One process at a time.
Result<> append_lines(const std::string& path, std::string_view lines);

// Keeps other processes that take it out of a folder's lists until it is destroyed.
class FolderLock {
public:
    // Waits for it.
    static Result<FolderLock> take(const std::string& dir);
    FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FolderLock& operator=(FolderLock&&) = delete;
    ~FolderLock();

private:
    explicit FolderLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace causeway::certs
