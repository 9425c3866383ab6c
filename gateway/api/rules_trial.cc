#include "gateway/api/rules_trial.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/control/model.h"
#include "gateway/api/json_body.h"
#include "rules/engine/capture.h"
#include "rules/engine/explain.h"
#include "rules/engine/replay.h"

namespace causeway::api {
namespace {

// Keeps the order of members, as a payload that is sent has it.
using Ordered = nlohmann::ordered_json;

// A rule file's own limit, and what stands around the message here.
constexpr std::size_t kDepthMax = 66;

// How deep the text nests at most: asked before anything recurses over it.
std::size_t depth_of(std::string_view json) {
    std::size_t deepest = 0;
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (quoted && c == '\\') {
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '[' || c == '{')) {
            deepest = std::max(deepest, ++depth);
        } else if (!quoted && (c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return deepest;
}

constexpr std::string_view kSqlBefore =
    R"({"id":"sql","actions":[{"queue":{"name":"output"}}],"sql":)";

// A place in the JSON text around the SQL -> "line:column" of the SQL itself.
std::string place_in_sql(std::string_view sql, std::uint32_t column) {
    std::size_t at = kSqlBefore.size() + 2;  // behind the quote; columns count from 1
    std::size_t line = 1;
    std::size_t here = 1;
    for (const char c : sql) {
        const bool begins = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        if (begins && at >= column) {
            break;
        }
        const bool ascii = static_cast<unsigned char>(c) < 0x80U;
        at += ascii ? Json(std::string(1, c)).dump().size() - 2 : (begins ? 1 : 0);
        line += c == '\n' ? 1 : 0;
        here = c == '\n' ? 1 : here + (begins ? 1 : 0);
    }
    return std::to_string(line) + ":" + std::to_string(here);
}

Compiled compile_sql(const std::string& sql) {
    const std::string quoted = Json(sql).dump(-1, ' ', false, Json::error_handler_t::replace);
    const rules::SourceFile file{"sql", std::string(kSqlBefore) + quoted + "}"};
    auto set = rules::RuleSet::compile({&file, 1});
    if (set) {
        return {std::move(*set), {}};
    }
    const rules::Diagnostic& first = set.error().front();
    return {nullptr, error(422, "sql:" + place_in_sql(sql, first.column) + ": " + first.message)};
}

Compiled chosen(const Ordered& body, const std::shared_ptr<const rules::RuleSet>& active) {
    if (body.contains("sql")) {
        return body["sql"].is_string()
                   ? compile_sql(body["sql"].get<std::string>())
                   : Compiled{nullptr, error(400, "sql is a string: one query")};
    }
    if (!body.contains("files")) {
        return active ? Compiled{active, {}}
                      : Compiled{nullptr, error(412, "no rules are active: give sql or files")};
    }
    std::vector<rules::SourceFile> files;
    if (!body["files"].is_array() || body["files"].size() > control::kRuleFilesMax) {
        return {nullptr, error(400, "files is an array of {name, text}")};
    }
    for (const auto& file : body["files"]) {
        if (!file.is_object() || file.size() != 2 || !file.contains("name") ||
            !file["name"].is_string() || !file.contains("text") || !file["text"].is_string()) {
            return {nullptr, error(400, "files is an array of {name, text}")};
        }
        files.push_back({file["name"].get<std::string>(), file["text"].get<std::string>()});
    }
    return compile(files);
}

Json verdicts(const rules::RuleSet& set, const rules::CapturedMessage& message) {
    rules::ViewParts parts;
    Random random(1);
    const rules::EvalContext context{.now_ms = message.now_ms, .random = random};
    const bool matching_only = set.rules().size() > 1;
    Json all = Json::array();
    for (const rules::Explanation& one :
         rules::explain(set, rules::view_of(message, parts), context, matching_only)) {
        all.push_back(Json{
            {"rule", one.rule}, {"verdict", rules::name(one.verdict)}, {"reason", one.reason}});
    }
    return all;
}

}  // namespace

Compiled compile(std::span<const rules::SourceFile> files) {
    auto set = rules::RuleSet::compile(files);
    if (set) {
        return {std::move(*set), {}};
    }
    std::string faults;
    for (const rules::Diagnostic& diagnostic : set.error()) {
        faults += (faults.empty() ? "" : "; ") + rules::to_string(diagnostic);
    }
    return {nullptr, error(422, faults)};
}

io::HttpResponse test_rules(const io::HttpRequest& request,
                            const std::shared_ptr<const rules::RuleSet>& active) {
    if (depth_of(request.body) > kDepthMax) {  // before anything recurses
        return error(400, "the message is nested deeper than 64");
    }
    if (const Body checked = parse_body(request, {"message", "sql", "files"}); checked.refusal) {
        return *checked.refusal;
    }
    const Ordered body = request.body.empty() ? Ordered::object() : Ordered::parse(request.body);
    if (!body.contains("message") || (body.contains("sql") && body.contains("files"))) {
        return error(400, "message is required; give sql or files, or neither for the active set");
    }
    const auto message = rules::read_captured("message", 1, body["message"].dump());
    if (!message) {
        return error(400, rules::to_string(message.error()));
    }
    const Compiled compiled = chosen(body, active);
    if (!compiled.set) {
        return compiled.refusal;
    }
    rules::Replay replay(compiled.set);
    const rules::Evaluation& evaluation = replay.run(*message, 1);
    bool fired = false;
    for (const rules::RuleCounters& count : replay.counters()) {
        fired = fired || count.passed + count.failed != 0;
    }
    const Json why = verdicts(*compiled.set, *message);
    Ordered answer;
    if (!fired) {
        answer["error"] = "no rule fires for this message";
        answer["rules"] = why;
    } else {
        const std::vector<std::string> lines = replay.lines();
        answer["outputs"] = Ordered::array();
        answer["failures"] = Ordered::array();
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const bool output = i < evaluation.outputs.size();
            answer[output ? "outputs" : "failures"].push_back(Ordered::parse(lines[i]));
        }
        answer["rules"] = why;
    }
    io::HttpResponse response;
    response.status = fired ? 200 : 412;
    response.body = answer.dump(-1, ' ', false, Ordered::error_handler_t::replace) + "\n";
    return response;
}

}  // namespace causeway::api
