// Files that are read again when they change: whether they did, and what will end soon in them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace causeway::certs {

// Dates, sizes and inodes as one text: another one when a file was written or replaced. Reads no
// contents.
std::string stamps_of(std::span<const std::string> files);
// Of what is in them; a file that cannot be read counts as one with nothing like the others.
std::uint64_t hash_of(std::span<const std::string> files);
// A line for each certificate in them that has ended or will within `days`. `now_s`: seconds since
// 1970.
std::vector<std::string> ending_within(std::span<const std::string> files, std::int64_t now_s,
                                       int days);

}  // namespace causeway::certs
