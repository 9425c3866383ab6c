// Templates of actions: text with `${path}` (the SQL output), `${.}` (all of it), `${$.field}` (the
// message before SQL) and `${rule_id}`. Internal to rules/engine. Compiled once; what is put in is
// checked against the place it is put into, so that a device can forge neither a topic level nor a
// header nor a JSON string. Source: docs/rules.md, "Templates".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "rules/engine/fields.h"
#include "rules/engine/json_text.h"
#include "rules/engine/machine.h"
#include "rules/engine/program.h"

namespace causeway::rules {

// Where the text goes, and so what a value put into it must not hold.
enum class Place : std::uint8_t {
    kBody,   // anything
    kKey,    // anything
    kTopic,  // no + # NUL; no / unless it is written ${path:levels}; no $ at the start of the topic
    kHeader,  // no control character
    kPath,    // anything: percent-encoded
};

struct TemplatePiece {
    enum class From : std::uint8_t { kLiteral, kOutput, kOutputAll, kMessage, kRuleId };
    enum class As : std::uint8_t {
        kText,        // as it is
        kJsonValue,   // as JSON: "${x}" as a whole value of a JSON body
        kJsonString,  // as part of a JSON string
    };
    From from = From::kLiteral;
    As as = As::kText;
    bool levels = false;  // ${path:levels}
    std::string literal;
    Field field = Field::kId;            // kMessage
    std::vector<sql::Segment> segments;  // kOutput: the whole path; kMessage: behind the field
    std::uint32_t offset = 0;            // in the template text, of "${"
};

struct Template {
    Place place = Place::kBody;
    std::vector<TemplatePiece> pieces;

    // The text when nothing is put in.
    [[nodiscard]] std::optional<std::string> fixed() const;
    // `text` with each value as "${…}", for messages.
    std::string source;
};

struct TemplateError {
    std::string message;
    std::uint32_t offset = 0;  // in the text
};

// Effect: compiles `text`. `program` is the rule's (nullptr in an error action, whose output is the
// failure envelope): a `${name}` that its output can never have is an error.
[[nodiscard]] tl::expected<Template, TemplateError> compile_template(std::string_view text,
                                                                     Place place,
                                                                     const Program* program);

// Effect: compiles a body given as a JSON object or array, in which "${x}" alone becomes the value
// itself, and `${x}` within a longer string becomes escaped text. The error's offset is in the file
// that `json` was read from.
[[nodiscard]] tl::expected<Template, TemplateError> compile_json_template(const JsonNode& json,
                                                                          std::string_view file,
                                                                          const Program* program);

struct RenderContext {
    Machine& machine;  // after begin_rule(); for `${$.field}`
    const Value& output;
    std::string_view rule_id;
    std::size_t bytes_max = 0;
    bool missing_is_error = false;
};

struct RenderError {
    FailReason reason = FailReason::kTemplate;
    std::string message;
};

// Effect: appends the rendered text to `out`. A missing value is nothing (null as a JSON value).
// Errors: kMissing, kTemplate (see Place), kBudget.
[[nodiscard]] std::optional<RenderError> render(const Template& text, const RenderContext& context,
                                                std::string& out);

}  // namespace causeway::rules
