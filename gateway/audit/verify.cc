// Follows the chain of an audit log.
#include <filesystem>

#include "gateway/audit/files.h"
#include "gateway/audit/log.h"

namespace causeway::audit {

Result<Verified> verify(const std::string& directory) {
    const std::vector<LogFile> files = list_files(directory);
    if (files.empty()) {
        return fail(directory +
                    ": no audit log is here; it is in the folder audit of a node's data");
    }
    Verified found;
    for (const LogFile& file : files) {
        ++found.files;
        std::uint64_t line_number = 0;
        const std::uint64_t bytes = for_each_line(file.path, [&](std::string_view line) {
            ++line_number;
            // What was before the oldest record kept is not known.
            const auto head = found.records == 0 ? check_line(line) : check_line(line, found.head);
            if (!head) {
                found.problem =
                    file.path + ":" + std::to_string(line_number) + ": " + head.error().message;
                return false;
            }
            found.head = *head;
            found.first = found.records == 0 ? head->seq : found.first;
            ++found.records;
            return true;
        });
        std::error_code error;
        if (found.problem.empty() && std::filesystem::file_size(file.path, error) != bytes) {
            found.problem =
                file.path + ":" + std::to_string(line_number + 1) + ": the line is not whole";
        }
        if (!found.problem.empty()) {
            break;
        }
    }
    return found;
}

}  // namespace causeway::audit
