// Fuzzes evaluation alone: the input is a payload, a NUL byte, and the SQL of a rule, which is
// parsed and compiled once for each new text. Small budgets, so that a slow program is found as one
// that goes over them and not as a hang. Checks: nothing crashes, counters add up, two evaluations
// give the same, every output that is JSON by its template is JSON, and explain() ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "rules/engine/document.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/explain.h"
#include "rules/engine/rule_set.h"
#include "rules/engine/value.h"

namespace causeway::rules {
namespace {

std::shared_ptr<const RuleSet> set_for(std::string_view sql) {
    static std::string last;
    static std::shared_ptr<const RuleSet> set;
    if (set == nullptr || last != sql) {
        last = sql;
        std::string file = R"({"id": "r", "sql": )";
        append_json_string(sql, file);
        file +=
            R"(, "actions": [{"queue": {"name": "q", "key": "${$.topic}", "body": {"v": "${.}"}}},
                                 {"republish": {"topic": "again/${$.payload.k}"}}],
                     "error_actions": [{"queue": {"name": "e"}}]})";
        const SourceFile source{"f.json", file};
        auto compiled = RuleSet::compile({&source, 1});
        set = compiled ? *compiled : nullptr;
    }
    return set;
}

EvalLimits small_limits() {
    EvalLimits limits;
    limits.steps_per_rule = 3'000;
    limits.steps = 10'000;
    limits.scratch_bytes = std::size_t{64} * 1024;
    limits.outputs = 64;
    limits.suspend_after = 0;
    return limits;
}

std::string evaluate(const RuleSet& set, const MessageView& message) {
    static Evaluator evaluator(small_limits());
    static Evaluation out;
    auto counters = set.make_counters();
    Random random(1);
    const EvalContext context{.now_ms = 1'700'000'000'000, .random = random};
    evaluator.evaluate(set, message, context, counters, out);
    const RuleCounters& count = counters[0];
    CW_CHECK(count.matched ==
             count.passed + count.no_result + count.failed + count.cut + count.suspended);
    CW_CHECK(count.outputs >= count.passed);
    for (const ActionCounters& action : count.actions) {
        CW_CHECK(count.outputs == action.sent + action.failed + action.cut);
    }
    std::string shown;
    for (const Output& output : out.outputs) {
        if (output.kind == ActionKind::kQueue && !output.error_action) {
            // Not with parse_json_text(): a device's key given twice stays twice.
            static Document document(std::size_t{1} << 20, 128);
            Arena arena(std::size_t{16} << 20);
            bool ok = false;
            static_cast<void>(document.decode(output.body, arena, ok));
            CW_CHECK(ok, output.body);
        }
        shown.append(output.target).append("\n").append(output.body).append("\n");
    }
    return shown;
}

void run(std::string_view input) {
    const std::size_t nul = input.find('\0');
    if (nul == std::string_view::npos) {
        return;
    }
    const auto set = set_for(input.substr(nul + 1));
    if (set == nullptr) {
        return;
    }
    MessageView message;
    message.topic = "a/b/c";
    message.clientid = "c";
    message.payload = input.substr(0, nul);
    const std::string first = evaluate(*set, message);
    CW_CHECK(evaluate(*set, message) == first);
    Random random(1);
    const EvalContext context{.now_ms = 1'700'000'000'000, .random = random};
    static_cast<void>(to_text(explain(*set, message, context, false)));
}

}  // namespace
}  // namespace causeway::rules

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    causeway::rules::run({reinterpret_cast<const char*>(data), size});
    return 0;
}
