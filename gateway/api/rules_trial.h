// POST /v1/rules/test: what rules make of one message, without doing it (docs/api.md, "Rules").
// Inside this module.
#pragma once

#include <memory>

#include "core/io/http_message.h"
#include "rules/engine/rule_set.h"

namespace causeway::api {

// The body of a request to /v1/rules; or the answer that refuses it.
struct Compiled {
    std::shared_ptr<const rules::RuleSet> set;
    io::HttpResponse refusal;  // when there is no set
};
// The answer is 422 with every fault on a line.
Compiled compile(std::span<const rules::SourceFile> files);

// Effect: evaluates the request's message by its `sql`, its `files`, or, with neither, by `active`
// (null: there are no rules). 200 with outputs; 412 when no rule fires; 400 and 422 when something
// cannot be read.
io::HttpResponse test_rules(const io::HttpRequest& request,
                            const std::shared_ptr<const rules::RuleSet>& active);

}  // namespace causeway::api
