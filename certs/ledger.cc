// What a CA has issued and revoked: a line each, fields between tabs, appended and synced. The
// lists are what `cert list`, `cert revoke` and the revocation list are made from.
#include <charconv>
#include <filesystem>

#include "certs/authority.h"
#include "certs/files.h"

namespace causeway::certs {
namespace {

constexpr char kIssued[] = "/issued.tsv";
constexpr char kRevoked[] = "/revoked.tsv";

// A CN may hold a tab or a line end.
std::string escaped(std::string_view text) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F || c == '%') {
            out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
        } else {
            out += c;
        }
    }
    return out;
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned byte = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ec == std::errc{}) {
            out += static_cast<char>(byte);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

// The fields of each whole line that has `count` of them.
Result<std::vector<std::vector<std::string>>> read_table(const std::string& path,
                                                         std::size_t count) {
    std::error_code ignored;
    std::vector<std::vector<std::string>> rows;
    if (!std::filesystem::exists(path, ignored)) {
        return rows;
    }
    const auto text = read_list(path, "list");
    if (!text) {
        return tl::unexpected(text.error());
    }
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text->find('\n', begin)) != std::string::npos;
         begin = end + 1) {
        std::vector<std::string> fields;
        for (std::size_t at = begin; at <= end;) {
            const std::size_t stop = std::min(text->find('\t', at), end);
            fields.push_back(unescaped(std::string_view(*text).substr(at, stop - at)));
            at = stop + 1;
        }
        if (fields.size() == count) {
            rows.push_back(std::move(fields));
        }
    }
    return rows;
}

std::int64_t number_of(const std::string& text) {
    std::int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

Result<> note_issued(const std::string& dir, X509* certificate, Kind kind) {
    const std::string name = holder_of(certificate);
    return append_lines(dir + kIssued,
                        serial_of(certificate) + "\t" +
                            std::to_string(seconds_of(X509_get0_notAfter(certificate))) + "\t" +
                            std::string(word_of(kind)) + "\t" + escaped(name) + "\n");
}

Result<std::vector<Issued>> read_issued(const std::string& dir) {
    auto rows = read_table(dir + kIssued, 4);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    std::vector<Issued> issued;
    for (auto& row : *rows) {
        issued.push_back({std::move(row[0]), number_of(row[1]), std::move(row[2]),
                          std::move(row[3])});
    }
    return issued;
}

Result<> note_revoked(const std::string& dir, const std::vector<Revoked>& revoked) {
    std::string lines;
    for (const Revoked& one : revoked) {
        lines += one.serial + "\t" + std::to_string(one.at) + "\t" +
                 std::to_string(one.not_after) + "\t" + one.reason + "\n";
    }
    return append_lines(dir + kRevoked, lines);
}

Result<std::vector<Revoked>> read_revoked(const std::string& dir) {
    auto rows = read_table(dir + kRevoked, 4);
    if (!rows) {
        return tl::unexpected(rows.error());
    }
    std::vector<Revoked> revoked;
    for (auto& row : *rows) {
        revoked.push_back({std::move(row[0]), number_of(row[1]), number_of(row[2]),
                           std::move(row[3])});
    }
    return revoked;
}

}  // namespace causeway::certs
