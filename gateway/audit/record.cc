#include "gateway/audit/record.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "gateway/auth/crypto.h"

namespace causeway::audit {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kHashDigits = 64;
constexpr std::string_view kBefore = R"({"hash":")";
constexpr std::string_view kAfter = R"(",)";

std::string cut(std::string_view text) { return std::string(text.substr(0, kTextBytesMax)); }

std::string hash_of(std::string_view rest) { return auth::to_hex(auth::sha256(rest)); }

}  // namespace

std::string first_hash() { return std::string(kHashDigits, '0'); }

std::string append_line(const Event& event, std::uint64_t at_ms, std::string_view node,
                        Head& head) {
    Json json;
    json["prev"] = head.hash;
    json["seq"] = head.seq + 1;
    json["at_ms"] = at_ms;
    json["node"] = node;
    json["who"] = cut(event.who);
    json["from"] = cut(event.from);
    json["action"] = cut(event.action);
    if (event.status) {
        json["status"] = *event.status;
    }
    if (event.of != 0) {
        json["of"] = event.of;
    }
    for (std::size_t i = 0; i < std::min(event.details.size(), kDetailsMax); ++i) {
        json["details"][cut(event.details[i].first)] = cut(event.details[i].second);
    }
    std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
    text.erase(0, 1);
    ++head.seq;
    head.hash = hash_of(text);
    return std::string(kBefore).append(head.hash).append(kAfter).append(text).append("\n");
}

Result<Head> check_line(std::string_view line) {
    const std::size_t head_bytes = kBefore.size() + kHashDigits + kAfter.size();
    if (line.size() <= head_bytes || line.size() > kLineBytesMax || !line.starts_with(kBefore) ||
        line.substr(kBefore.size() + kHashDigits, kAfter.size()) != kAfter) {
        return fail("not a record");
    }
    const std::string_view rest = line.substr(head_bytes);
    Head head;
    head.hash = line.substr(kBefore.size(), kHashDigits);
    if (hash_of(rest) != head.hash) {
        return fail("its bytes are not those its hash was made of");
    }
    const Json json = Json::parse("{" + std::string(rest), nullptr, false);
    if (!json.is_object() || !json.contains("seq") || !json["seq"].is_number_unsigned()) {
        return fail("not a record");
    }
    head.seq = json["seq"].get<std::uint64_t>();
    return head;
}

Result<Head> check_line(std::string_view line, const Head& before) {
    auto head = check_line(line);
    if (!head) {
        return head;
    }
    if (head->seq != before.seq + 1) {
        return fail("record " + std::to_string(head->seq) + " follows " +
                    std::to_string(before.seq) + ": some are missing");
    }
    const std::string follows = R"("prev":")" + before.hash + "\"";
    if (line.find(follows) != kBefore.size() + kHashDigits + kAfter.size()) {
        return fail("record " + std::to_string(head->seq) + " does not follow the one before it");
    }
    return head;
}

}  // namespace causeway::audit
