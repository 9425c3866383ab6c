#include "gateway/causeway/rules_directory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "core/base/encoding.h"
#include "core/base/hash.h"

namespace causeway::root {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> json_files(const std::string& dir, std::error_code& error) {
    std::vector<fs::path> files;
    if (fs::is_regular_file(dir, error)) {
        return {dir};
    }
    error.clear();
    for (auto at = fs::recursive_directory_iterator(dir, error);
         !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
        if (at->path().extension() == ".json" && at->is_regular_file(error)) {
            files.push_back(at->path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

Result<std::vector<rules::SourceFile>> read_rules(const std::string& dir) {
    std::error_code error;
    std::vector<rules::SourceFile> sources;
    for (const fs::path& file : json_files(dir, error)) {
        std::ifstream in(file, std::ios::binary);
        std::string text((std::istreambuf_iterator<char>(in)), {});
        if (!in) {
            return fail(file.string() + ": cannot be read");
        }
        sources.push_back(rules::SourceFile{file.string(), std::move(text)});
    }
    if (error) {
        return fail(dir + ": " + error.message());
    }
    return sources;
}

std::uint64_t fingerprint(const std::string& dir) {
    std::error_code error;
    std::string all;
    ByteWriter writer(all);
    for (const fs::path& file : json_files(dir, error)) {
        std::error_code gone;
        writer.string(file.string());
        writer.u64(
            static_cast<std::uint64_t>(fs::last_write_time(file, gone).time_since_epoch().count()));
        writer.u64(fs::file_size(file, gone));
    }
    return hash64(all, error ? 1 : 0);
}

}  // namespace causeway::root
