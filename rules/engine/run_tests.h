// Runs the "tests" in rule files: `causeway rules test`. A test gives one message to its own rule
// alone and names exactly the outputs it must make, in order. Pure; deterministic (random numbers
// start from a fixed seed, "now" is in the test).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "rules/engine/rule_set.h"

namespace causeway::rules {

struct TestResult {
    std::string rule;
    std::string test;  // its "name", or its number from 1
    Diagnostic where;  // message empty
    bool passed = false;
    std::string difference;  // lines for a person; empty when passed
};

struct TestReport {
    std::vector<TestResult> results;  // in the order of rules and tests
    std::size_t failed = 0;
    std::size_t rules_without_tests = 0;
};

[[nodiscard]] TestReport run_tests(const RuleSet& set);

// Failures with their differences, then one line of sums.
[[nodiscard]] std::string to_text(const TestReport& report);
// JUnit XML: one testsuite per rule.
[[nodiscard]] std::string to_junit(const TestReport& report);
// {"passed": n, "failed": n, "rules_without_tests": n, "results": [{rule, test, file, line, passed,
// difference}]}
[[nodiscard]] std::string to_json(const TestReport& report);

}  // namespace causeway::rules
