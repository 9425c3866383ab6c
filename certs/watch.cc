#include "certs/watch.h"

#include <sys/stat.h>

#include "certs/files.h"
#include "certs/issue.h"
#include "core/base/hash.h"

namespace causeway::certs {
namespace {

constexpr std::int64_t kDayS = 86'400;

std::string number(const timespec& time) {
    return std::to_string(time.tv_sec) + "," + std::to_string(time.tv_nsec);
}

}  // namespace

std::string stamps_of(std::span<const std::string> files) {
    std::string text;
    for (const std::string& file : files) {
        struct stat status {};
        const bool there = ::stat(file.c_str(), &status) == 0;
        text += there ? std::to_string(status.st_ino) + "," + std::to_string(status.st_size) + "," +
                            number(status.st_mtim) + "," + number(status.st_ctim) + ";"
                      : "none;";
    }
    return text;
}

std::uint64_t hash_of(std::span<const std::string> files) {
    std::uint64_t hash = 0;
    for (const std::string& file : files) {
        const Result<std::string> text = read_list(file, "file");
        hash = hash64(text ? *text : std::string("none"), hash);
    }
    return hash;
}

std::vector<std::string> ending_within(std::span<const std::string> files, std::int64_t now_s,
                                       int days) {
    std::vector<std::string> lines;
    for (const std::string& file : files) {
        const auto listed = list_file(file, now_s);
        for (const Listed& one : listed ? *listed : std::vector<Listed>{}) {
            if (one.not_after < now_s + days * kDayS) {
                lines.push_back("certificate " + one.name + " in " + file +
                                (one.not_after < now_s
                                     ? " has expired"
                                     : " ends within " + std::to_string(days) + " days"));
            }
        }
    }
    return lines;
}

}  // namespace causeway::certs
