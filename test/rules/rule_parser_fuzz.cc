// Fuzzes everything an operator writes and a device sends: the input is a rule file and a payload,
// separated by a NUL byte; a file that does not begin with '{' or '[' is taken as the SQL of a
// rule. Checks: nothing crashes or hangs, a query that parses prints and parses again to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "rules/engine/check.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/rule_set.h"
#include "rules/engine/run_tests.h"
#include "rules/engine/value.h"
#include "rules/sql/parser.h"
#include "rules/sql/printer.h"

namespace causeway::rules {
namespace {

std::string file_around(std::string_view sql) {
    const auto query = sql::parse(sql);
    if (!query) {
        CW_CHECK(query.error().offset <= sql.size());
        return {};
    }
    const std::string text = sql::print(*query);
    const auto again = sql::parse(text);
    CW_CHECK(again.has_value() || text.size() > sql::kQueryBytesMax, text);
    CW_CHECK(!again || sql::same(*query, *again), text);
    std::string file = R"({"id": "r", "sql": )";
    append_json_string(sql, file);
    return file + R"(, "actions": [{"queue": {"name": "q", "key": "${$.payload.k}"}},
                                   {"republish": {"topic": "a/${$.payload.k}", "body": {"v": "${.}"}}}],
                      "error_actions": [{"queue": {"name": "e"}}]})";
}

void run(std::string_view input) {
    const std::size_t nul = input.find('\0');
    const std::string_view rules = input.substr(0, nul);
    const std::string_view payload =
        nul == std::string_view::npos ? std::string_view() : input.substr(nul + 1);
    const bool is_file = rules.starts_with('{') || rules.starts_with('[');
    const SourceFile file{"f.json", is_file ? std::string(rules) : file_around(rules)};
    const auto set = RuleSet::compile({&file, 1});
    if (!set) {
        CW_CHECK(!set.error().empty());
        return;
    }
    static_cast<void>(to_text(check(**set)));
    static_cast<void>(to_junit(run_tests(**set)));
    static Evaluator evaluator;
    static Evaluation out;
    auto counters = (*set)->make_counters();
    Random random(1);
    MessageView message;
    message.topic = "a/b/c";
    message.clientid = "c";
    message.payload = payload;
    evaluator.evaluate(**set, message, {.now_ms = 1, .random = random}, counters, out);
    for (const RuleCounters& count : counters) {
        CW_CHECK(count.matched ==
                 count.passed + count.no_result + count.failed + count.cut + count.suspended);
    }
}

}  // namespace
}  // namespace causeway::rules

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    causeway::rules::run({reinterpret_cast<const char*>(data), size});
    return 0;
}
