// SourceAddresses: IPv4 addresses and networks in text.
#include "gateway/bench/source_address.h"

#include <charconv>
#include <optional>

namespace causeway::bench {
namespace {

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || at != end || value > max) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint32_t> parse_address(std::string_view text) {
    std::uint32_t address = 0;
    for (int part = 0; part < 4; ++part) {
        const std::size_t dot = part < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos) {
            return std::nullopt;
        }
        const auto value = parse_number(text.substr(0, dot), 255);
        if (!value) {
            return std::nullopt;
        }
        address = address << 8 | *value;
        text.remove_prefix(part < 3 ? dot + 1 : dot);
    }
    return address;
}

}  // namespace

Result<SourceAddresses> SourceAddresses::parse(std::string_view text) {
    SourceAddresses sources;
    while (!text.empty()) {
        const std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(item.size() < text.size() ? item.size() + 1 : item.size());
        const std::size_t slash = item.find('/');
        const auto address = parse_address(item.substr(0, slash));
        const auto length = slash == std::string_view::npos
                                ? std::optional<std::uint32_t>(32)
                                : parse_number(item.substr(slash + 1), 32);
        if (!address || !length || *length < 8) {
            return fail("--source-address: \"" + std::string(item) +
                        "\" is neither an IPv4 address nor a network (a.b.c.d/8 to /32)");
        }
        Range range{*address, std::uint64_t{1} << (32 - *length)};
        range.first &= ~static_cast<std::uint32_t>(range.count - 1);
        if (range.count > 2) {
            ++range.first;
            range.count -= 2;
        }
        sources.count_ += range.count;
        sources.ranges_.push_back(range);
    }
    return sources;
}

std::string SourceAddresses::of(std::uint32_t client) const {
    if (count_ == 0) {
        return {};
    }
    std::uint64_t at = client % count_;
    std::size_t range = 0;
    while (at >= ranges_[range].count) {
        at -= ranges_[range++].count;
    }
    const auto address = ranges_[range].first + static_cast<std::uint32_t>(at);
    return std::to_string(address >> 24) + "." + std::to_string(address >> 16 & 255) + "." +
           std::to_string(address >> 8 & 255) + "." + std::to_string(address & 255);
}

}  // namespace causeway::bench
