#include "gateway/api/rules_api.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "gateway/api/json_body.h"
#include "gateway/api/rules_trial.h"
#include "rules/engine/rule_set.h"

namespace causeway::api {
namespace {

constexpr std::uint64_t kVersionMax = ~std::uint64_t{0} >> 1U;

// The files of {"files": [{"name": …, "text": …}]}; nullopt: something else.
std::optional<std::vector<control::RuleFile>> files_of(const Json& json) {
    const auto found = json.find("files");
    if (found == json.end() || !found->is_array() || found->size() > control::kRuleFilesMax) {
        return std::nullopt;
    }
    std::vector<control::RuleFile> files;
    for (const Json& file : *found) {
        const bool sound = file.is_object() && file.size() == 2 && file.contains("name") &&
                           file["name"].is_string() && file.contains("text") &&
                           file["text"].is_string();
        if (!sound) {
            return std::nullopt;
        }
        files.push_back({file["name"].get<std::string>(), file["text"].get<std::string>()});
    }
    return files;
}

// The set this node evaluates; null when it has none.
Json set_of(const rules::RuleSet* set) {
    if (set == nullptr) {
        return nullptr;
    }
    std::array<char, 20> version{};
    std::snprintf(version.data(), version.size(), "%016llx",
                  static_cast<unsigned long long>(set->version()));
    Json rules = Json::array();
    for (const rules::RuleInfo& rule : set->rules()) {
        rules.push_back(Json{{"id", rule.id},
                             {"description", rule.description},
                             {"enabled", rule.enabled},
                             {"sql", rule.sql}});
    }
    return Json{{"hash", version.data()}, {"rules", rules}, {"sinks", set->sinks().size()}};
}

Json actions_of(const std::vector<rules::ActionKind>& kinds,
                const std::vector<rules::ActionCounters>& counts) {
    Json all = Json::array();
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        const rules::ActionCounters count = i < counts.size() ? counts[i] : rules::ActionCounters{};
        all.push_back(Json{{"kind", rules::name(kinds[i])},
                           {"sent", count.sent},
                           {"failed", count.failed},
                           {"cut", count.cut}});
    }
    return all;
}

Json counters_of(const rules::RuleStatistics& rule) {
    const rules::RuleCounters& count = rule.counters;
    Json reasons = Json::object();
    for (std::size_t i = 0; i < rules::kFailReasons; ++i) {
        reasons[std::string(rules::name(static_cast<rules::FailReason>(i)))] =
            count.failed_by_reason[i];
    }
    return Json{{"id", rule.id},
                {"matched", count.matched},
                {"passed", count.passed},
                {"no_result", count.no_result},
                {"failed", count.failed},
                {"failed_by_reason", reasons},
                {"cut", count.cut},
                {"suspended", count.suspended},
                {"outputs", count.outputs},
                {"payload_not_json", count.not_json},
                {"actions", actions_of(rule.actions, count.actions)},
                {"error_actions", actions_of(rule.error_actions, count.error_actions)}};
}

}  // namespace

void RulesApi::handle(const io::HttpRequest& request, io::HttpResponder responder) {
    constexpr std::string_view kMetrics = "/metrics";
    std::string_view path = request.path;
    path.remove_prefix(std::string_view("/v1/rules").size());
    const bool get = request.method == "GET";
    const bool post = request.method == "POST";
    if (path.empty() && get) {
        list(std::move(responder));
    } else if (path.empty() && request.method == "PUT") {
        put(request, std::move(responder));
    } else if (path == "/activate" && post) {
        activate(request, std::move(responder));
    } else if (path == "/test" && post) {
        responder.respond(test_rules(request, evaluated_.active()));
    } else if (path.ends_with(kMetrics) && get) {
        path.remove_suffix(kMetrics.size());
        metrics(path.substr(path.empty() ? 0 : 1), std::move(responder));
    } else {
        const bool known =
            path.empty() || path == "/activate" || path == "/test" || path.ends_with(kMetrics);
        responder.respond(error(known ? 405 : 404,
                                "use GET or PUT /v1/rules, POST /v1/rules/activate or /test, "
                                "GET /v1/rules/metrics or /v1/rules/{id}/metrics"));
    }
}

void RulesApi::metrics(std::string_view id, io::HttpResponder responder) {
    Json all = Json::array();
    for (const rules::RuleStatistics& rule : evaluated_.statistics()) {
        if (id.empty() || rule.id == id) {
            all.push_back(counters_of(rule));
        }
    }
    if (id.empty()) {
        responder.respond(ok(Json{{"rules", all}}));
    } else if (all.empty()) {
        responder.respond(error(404, "this node evaluates no rule of that id"));
    } else {
        responder.respond(ok(all[0]));
    }
}

void RulesApi::list(io::HttpResponder responder) {
    node_.view(loop_,
               [this, responder = std::move(responder)](const node::ClusterView& view) mutable {
                   Json versions = Json::array();
                   for (const control::RuleVersion& rules : view.model.rules) {
                       Json files = Json::array();
                       for (const control::RuleFile& file : rules.files) {
                           files.push_back(Json{{"name", file.name}, {"text", file.text}});
                       }
                       versions.push_back(Json{{"version", rules.version},
                                               {"comment", rules.comment},
                                               {"at_ms", rules.at_ms},
                                               {"files", files}});
                   }
                   Json nodes = Json::array();
                   for (const auto& [id, report] : view.reports) {
                       nodes.push_back(Json{{"node", id.value()}, {"active", report.rules_active}});
                   }
                   const auto set = evaluated_.active();
                   responder.respond(ok(Json{{"active", view.model.active_rules},
                                             {"versions", versions},
                                             {"nodes", nodes},
                                             {"evaluated", set_of(set.get())}}));
               });
}

void RulesApi::put(const io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"files", "comment"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    auto files = files_of(body.json);
    const Json comment = body.json.value("comment", Json(""));
    if (!files || !comment.is_string()) {
        responder.respond(error(400, "files is an array of {name, text}, comment a string"));
        return;
    }
    std::size_t bytes = comment.get_ref<const std::string&>().size();
    std::vector<rules::SourceFile> sources;
    for (const control::RuleFile& file : *files) {
        bytes += file.name.size() + file.text.size();
        sources.push_back(rules::SourceFile{file.name, file.text});
    }
    if (bytes > control::kRuleBytesMax) {
        responder.respond(error(413, "a version of rules holds at most " +
                                         std::to_string(control::kRuleBytesMax >> 10U) +
                                         " KiB, this one " + std::to_string(bytes >> 10U) +
                                         " KiB; rules_dir has no such limit"));
        return;
    }
    if (const Compiled compiled = compile(sources); !compiled.set) {
        responder.respond(compiled.refusal);
        return;
    }
    control::PutRules command;
    command.rules.files = std::move(*files);
    command.rules.comment = comment.get<std::string>();
    command.rules.at_ms =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    node_.view(loop_, [this, command = std::move(command),
                       responder = std::move(responder)](const node::ClusterView& view) mutable {
        const auto& known = view.model.rules;
        const std::uint64_t version = known.empty() ? 1 : known.back().version + 1;
        command.rules.version = version;
        node_.propose(
            loop_, std::move(command),
            [this, version, responder = std::move(responder)](const node::Answer& answer) mutable {
                if (answer.ok) {
                    activate_version(version, std::move(responder));
                } else {
                    responder.respond(error(answer.known ? 409 : 503, answer.message));
                }
            });
    });
}

void RulesApi::activate(const io::HttpRequest& request, io::HttpResponder responder) {
    const Body body = parse_body(request, {"version"});
    if (body.refusal) {
        responder.respond(*body.refusal);
        return;
    }
    const auto version = number(body.json, "version", 1, kVersionMax, 0);
    if (!version || *version == 0) {
        responder.respond(error(400, "version is a number from 1"));
        return;
    }
    activate_version(*version, std::move(responder));
}

void RulesApi::activate_version(std::uint64_t version, io::HttpResponder responder) {
    node_.propose(loop_, control::ActivateRules{version},
                  [version, responder = std::move(responder)](const node::Answer& answer) mutable {
                      responder.respond(answer.ok
                                            ? ok(Json{{"active", version}})
                                            : error(answer.known ? 409 : 503, answer.message));
                  });
}

}  // namespace causeway::api
