#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace causeway::store {

// A directory that is gone at the end of the test.
class TempDir {
public:
    TempDir() {
        std::string pattern = (std::filesystem::temp_directory_path() / "causeway-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TempDir() { std::filesystem::remove_all(path_); }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    [[nodiscard]] std::string path() const { return path_ + "/store"; }

private:
    std::string path_;
};

}  // namespace causeway::store
