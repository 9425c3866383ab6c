#include "gateway/audit/files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "gateway/audit/record.h"

namespace causeway::audit {
namespace {

constexpr std::string_view kPrefix = "audit-";
constexpr std::string_view kSuffix = ".jsonl";

}  // namespace

std::string path_of(const std::string& directory, std::uint64_t number) {
    std::array<char, 24> digits{};
    std::snprintf(digits.data(), digits.size(), "%08llu", static_cast<unsigned long long>(number));
    return directory + "/" + std::string(kPrefix) + digits.data() + std::string(kSuffix);
}

std::vector<LogFile> list_files(const std::string& directory) {
    std::vector<LogFile> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) {
            continue;
        }
        const char* begin = name.data() + kPrefix.size();
        const char* end = name.data() + name.size() - kSuffix.size();
        std::uint64_t number = 0;
        const auto [at, fault] = std::from_chars(begin, end, number);
        if (fault == std::errc{} && at == end && number != 0) {
            files.push_back({number, entry.path().string()});
        }
    }
    std::sort(files.begin(), files.end(),
              [](const LogFile& a, const LogFile& b) { return a.number < b.number; });
    return files;
}

std::uint64_t for_each_line(const std::string& path,
                            absl::FunctionRef<bool(std::string_view line)> visit) {
    std::ifstream in(path, std::ios::binary);
    std::string rest;
    std::array<char, 65'536> piece{};
    std::uint64_t whole = 0;
    while (in) {
        in.read(piece.data(), piece.size());
        rest.append(piece.data(), static_cast<std::size_t>(in.gcount()));
        std::size_t at = 0;
        for (std::size_t end = rest.find('\n'); end != std::string::npos;
             end = rest.find('\n', at)) {
            if (!visit(std::string_view(rest).substr(at, end - at))) {
                return whole;
            }
            whole += end + 1 - at;
            at = end + 1;
        }
        rest.erase(0, at);
        if (rest.size() > kLineBytesMax) {
            return whole;
        }
    }
    return whole;
}

}  // namespace causeway::audit
