#include <algorithm>
#include <utility>

#include "rules/engine/rule_reader.h"

namespace causeway::rules {
namespace {

constexpr std::uint32_t kMarkBytes = 1024;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

}  // namespace

void Diagnostics::add(Diagnostic diagnostic) {
    if (list_.size() < kDiagnosticsMax) {
        list_.push_back(std::move(diagnostic));
    }
}

FileReader::FileReader(const SourceFile& file, Diagnostics& diagnostics)
    : file_(file), diagnostics_(diagnostics), lines_{0} {
    std::uint32_t characters = 0;
    for (std::uint32_t i = 0; i < file.text.size(); ++i) {
        if (i % kMarkBytes == 0) {
            marks_.push_back(characters);
        }
        characters += begins_character(file.text[i]) ? 1 : 0;
        if (file.text[i] == '\n') {
            lines_.push_back(i + 1);
        }
    }
    marks_.push_back(characters);
}

// Not from the start of the line: a file of many rules may be one line.
std::uint32_t FileReader::characters_before(std::uint32_t offset) const {
    offset = std::min(offset, static_cast<std::uint32_t>(file_.text.size()));
    const std::uint32_t mark = offset / kMarkBytes;
    const std::uint32_t from = mark * kMarkBytes;
    const std::string_view text = file_.text;
    const std::string_view rest = text.substr(from, offset - from);
    return marks_[mark] +
           static_cast<std::uint32_t>(std::count_if(rest.begin(), rest.end(), begins_character));
}

Diagnostic FileReader::at(std::uint32_t offset, std::string message) const {
    const auto next = std::upper_bound(lines_.begin(), lines_.end(), offset);
    return Diagnostic{file_.path, static_cast<std::uint32_t>(next - lines_.begin()),
                      characters_before(offset) - characters_before(*(next - 1)) + 1,
                      std::move(message)};
}

void FileReader::report(std::uint32_t offset, std::string message) const {
    diagnostics_.add(at(offset, std::move(message)));
}

void FileReader::check_keys(const JsonNode& object,
                            std::span<const std::string_view> allowed) const {
    for (const JsonMember& member : object.members) {
        if (std::find(allowed.begin(), allowed.end(), member.key) != allowed.end()) {
            continue;
        }
        std::string message = "unknown key '" + member.key + "'; known here:";
        for (const std::string_view key : allowed) {
            message.append(" ").append(key);
        }
        report(member.key_offset, std::move(message));
    }
}

bool FileReader::want(const JsonNode& node, JsonNode::Kind kind, std::string_view what) const {
    if (node.is(kind)) {
        return true;
    }
    report(node.offset, std::string(what) + " must be of type " + std::string(name(kind)) +
                            ", found " + std::string(name(node.kind)));
    return false;
}

namespace {

std::string quoted(std::string_view key) { return "'" + std::string(key) + "'"; }

}  // namespace

std::string FileReader::string(const JsonNode& object, std::string_view key,
                               std::string_view fallback) const {
    const JsonNode* node = object.find(key);
    return node != nullptr && want(*node, JsonNode::Kind::kString, quoted(key))
               ? node->text
               : std::string(fallback);
}

bool FileReader::boolean(const JsonNode& object, std::string_view key, bool fallback) const {
    const JsonNode* node = object.find(key);
    return node != nullptr && want(*node, JsonNode::Kind::kBoolean, quoted(key)) ? node->boolean
                                                                                 : fallback;
}

std::int64_t FileReader::integer(const JsonNode& object, std::string_view key, Range range) const {
    const JsonNode* node = object.find(key);
    if (node == nullptr || !want(*node, JsonNode::Kind::kInteger, quoted(key))) {
        return range.fallback;
    }
    if (node->integer < range.low || node->integer > range.high) {
        report(node->offset, quoted(key) + " must be " + std::to_string(range.low) + " to " +
                                 std::to_string(range.high));
        return range.fallback;
    }
    return node->integer;
}

std::string FileReader::checked_identifier(const JsonNode& node, std::string_view key) const {
    constexpr std::size_t kMax = 128;
    if (!want(node, JsonNode::Kind::kString, quoted(key))) {
        return {};
    }
    const bool good = !node.text.empty() && node.text.size() <= kMax &&
                      node.text.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
                          std::string::npos;
    if (!good) {
        report(node.offset, quoted(key) + " must be 1 to 128 letters, digits, '_', '.' or '-'");
        return {};
    }
    return node.text;
}

std::string FileReader::identifier(const JsonNode& object, std::string_view key) const {
    const JsonNode* node = object.find(key);
    if (node == nullptr) {
        report(object.offset, "the key " + quoted(key) + " is missing");
        return {};
    }
    return checked_identifier(*node, key);
}

std::string FileReader::optional_identifier(const JsonNode& object, std::string_view key) const {
    const JsonNode* node = object.find(key);
    return node == nullptr ? std::string() : checked_identifier(*node, key);
}

bool valid_header_name(std::string_view name) {
    return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

bool settable_header(std::string_view name) {
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return valid_header_name(name) && lower != "host" && lower != "content-length" &&
           lower != "transfer-encoding" && lower != "connection" && lower != "upgrade" &&
           lower != "expect" && lower != "te" && lower != "trailer";
}

bool known_method(std::string_view method) {
    return method == "POST" || method == "PUT" || method == "PATCH" || method == "GET" ||
           method == "DELETE";
}

}  // namespace causeway::rules
