#include "gateway/api/rules_api.h"

#include <chrono>
#include <utility>

#include "gateway/api/json_body.h"
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

// Empty: they compile.
std::string faults_of(const std::vector<control::RuleFile>& files) {
    std::vector<rules::SourceFile> sources;
    for (const control::RuleFile& file : files) {
        sources.push_back(rules::SourceFile{file.name, file.text});
    }
    const auto set = rules::RuleSet::compile(sources);
    std::string faults;
    if (!set) {
        for (const rules::Diagnostic& diagnostic : set.error()) {
            faults += (faults.empty() ? "" : "; ") + rules::to_string(diagnostic);
        }
    }
    return faults;
}

}  // namespace

void RulesApi::handle(const io::HttpRequest& request, io::HttpResponder responder) {
    const bool get = request.method == "GET";
    const bool post = request.method == "POST";
    if (request.path == "/v1/rules" && get) {
        list(std::move(responder));
    } else if (request.path == "/v1/rules" && post) {
        put(request, std::move(responder));
    } else if (request.path == "/v1/rules/activate" && post) {
        activate(request, std::move(responder));
    } else {
        responder.respond(error(404, "GET or POST /v1/rules, or POST /v1/rules/activate"));
    }
}

void RulesApi::list(io::HttpResponder responder) {
    node_.view(loop_, [responder = std::move(responder)](const node::ClusterView& view) mutable {
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
        responder.respond(ok(
            Json{{"active", view.model.active_rules}, {"versions", versions}, {"nodes", nodes}}));
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
    if (const std::string faults = faults_of(*files); !faults.empty()) {
        responder.respond(error(422, faults));
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
