// What `causeway rules` does without a server, with the hub's own engine. Each prints to standard
// output, says what is wrong on standard error, and gives the exit code.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "rules/engine/rule_set.h"

namespace causeway::root {

struct RulesArguments {
    std::string dir;      // a directory of rule files, or one file
    std::string other;    // diff: the second
    std::string message;  // explain: JSON, or a file that holds it
    std::string input;    // run, diff: a capture; "-" is standard input
    std::string junit;
    bool json = false;
    bool all = false;
};

// The set, or null after what is wrong was printed; `exit_code` is then 1 (refused) or 2 (not
// readable).
std::shared_ptr<const rules::RuleSet> load_rules(const std::string& dir, bool json, int& exit_code);

int explain_rules(const RulesArguments& arguments);
int run_rules(const RulesArguments& arguments);
int diff_rules(const RulesArguments& arguments);

}  // namespace causeway::root
