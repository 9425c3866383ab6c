#include "cluster/node/whole_file.h"

namespace causeway::node {

Result<> write_whole(wal::Disk& disk, std::string_view name, std::string_view bytes) {
    const std::string temporary = std::string(name) + ".new";
    (void)disk.remove(temporary);
    auto file = disk.create(temporary);
    if (!file) {
        return fail(file.error().message);
    }
    // A new file takes the old one's name once it is durable.
    if (auto written = (*file)->write(0, bytes); !written) {
        return fail(written.error().message);
    }
    if (auto synced = (*file)->sync(); !synced) {
        return fail(synced.error().message);
    }
    if (auto renamed = disk.rename(temporary, name); !renamed) {
        return fail(renamed.error().message);
    }
    if (auto synced = disk.sync_directory(); !synced) {
        return fail(synced.error().message);
    }
    return {};
}

Result<std::optional<std::string>> read_whole(wal::Disk& disk, std::string_view name) {
    auto file = disk.open(name);
    if (!file) {
        if (file.error().fault == wal::DiskFault::kNotFound) {
            return std::nullopt;
        }
        return fail(file.error().message);
    }
    const auto size = (*file)->size();
    if (!size) {
        return fail(size.error().message);
    }
    std::string bytes(*size, '\0');
    const auto read = (*file)->read(0, bytes.data(), bytes.size());
    if (!read || *read != bytes.size()) {
        return fail(std::string(name) + ": cannot be read");
    }
    return bytes;
}

}  // namespace causeway::node
