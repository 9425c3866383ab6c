// Small files of the data directory that are there whole or not at all. Before the node runs, or on
// a thread that may wait for the disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/wal/disk.h"

namespace causeway::node {

// Effect: `name` holds `bytes`, durably; after a crash it holds those or what it held before.
Result<> write_whole(wal::Disk& disk, std::string_view name, std::string_view bytes);

// What the file holds; nullopt: there is none. Error: it cannot be read.
Result<std::optional<std::string>> read_whole(wal::Disk& disk, std::string_view name);

}  // namespace causeway::node
