#include "rules/engine/replay.h"

#include <algorithm>
#include <utility>

#include "core/message/topic.h"
#include "rules/engine/evaluator.h"
#include "rules/engine/json_text.h"
#include "rules/engine/value.h"

namespace causeway::rules {
namespace {

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(text, out);
    return out;
}

std::string body_json(const std::string& body) {
    if (parse_json_text(body)) {
        return body;
    }
    if (valid_utf8(body)) {
        return "{\"text\":" + quoted(body) + "}";
    }
    std::string out = "{\"base64\":\"";
    append_base64(body, out);
    return out + "\"}";
}

std::string properties_json(const std::vector<Property>& properties) {
    std::string out = "{";
    for (const Property& property : properties) {
        out += (out.size() > 1 ? "," : "") + quoted(property.name) + ":" + quoted(property.value);
    }
    return out + "}";
}

}  // namespace

std::string to_json(const RuleSet& set, const Output& output) {
    std::string out = "{\"rule\":" + quoted(set.rules()[output.rule].id) +
                      ",\"action\":" + quoted(name(output.kind));
    const auto text = [&out](std::string_view key, std::string_view value) {
        if (!value.empty()) {
            out.append(",\"").append(key).append("\":").append(quoted(value));
        }
    };
    out += output.error_action ? ",\"error\":true" : "";
    switch (output.kind) {
        case ActionKind::kQueue:
            text("name", output.target);
            if (output.delay_s > 0) {
                out += ",\"delay_s\":" + std::to_string(output.delay_s);
            }
            break;
        case ActionKind::kRepublish:
            text("topic", output.target);
            out += ",\"qos\":" + std::to_string(output.qos);
            out += output.retain ? ",\"retain\":true" : "";
            break;
        default:
            text("sink", output.target);
            text("method", output.method);
            text("path", output.path);
            break;
    }
    text("key", output.key);
    for (std::size_t i = 0; i < output.tags.size(); ++i) {
        out += (i == 0 ? ",\"tags\":[" : ",") + quoted(output.tags[i]);
    }
    out += output.tags.empty() ? "" : "]";
    if (!output.properties.empty()) {
        out += output.kind == ActionKind::kRepublish ? ",\"user_properties\":" : ",\"headers\":";
        out += properties_json(output.properties);
    }
    return out + ",\"body\":" + body_json(output.body) + "}";
}

std::string to_json(const RuleSet& set, const Failure& failure) {
    return "{\"rule\":" + quoted(set.rules()[failure.rule].id) +
           ",\"failed\":{\"action\":" + quoted(failure.action) +
           ",\"resource\":" + quoted(failure.resource) +
           ",\"reason\":" + quoted(name(failure.reason)) + ",\"error\":" + quoted(failure.error) +
           "}}";
}

struct Replay::Impl {
    std::shared_ptr<const RuleSet> set;
    std::vector<RuleCounters> counters;
    Evaluator evaluator;
    Evaluation evaluation;
    ViewParts parts;
};

Replay::Replay(std::shared_ptr<const RuleSet> set) : impl_(std::make_unique<Impl>()) {
    impl_->counters = set->make_counters();
    impl_->set = std::move(set);
}
Replay::~Replay() = default;

const Evaluation& Replay::run(const CapturedMessage& message, std::uint64_t n) {
    Random random(n);
    const EvalContext context{.now_ms = message.now_ms, .random = random};
    impl_->evaluator.evaluate(*impl_->set, view_of(message, impl_->parts), context, impl_->counters,
                              impl_->evaluation);
    return impl_->evaluation;
}

std::vector<std::string> Replay::lines() const {
    std::vector<std::string> lines;
    for (const Output& output : impl_->evaluation.outputs) {
        lines.push_back(to_json(*impl_->set, output));
    }
    for (const Failure& failure : impl_->evaluation.failures) {
        lines.push_back(to_json(*impl_->set, failure));
    }
    return lines;
}

const std::vector<RuleCounters>& Replay::counters() const { return impl_->counters; }
const RuleSet& Replay::set() const { return *impl_->set; }

LineDifference difference(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    LineDifference out;
    std::vector<std::string> left = b;
    for (const std::string& line : a) {
        const auto found = std::find(left.begin(), left.end(), line);
        if (found == left.end()) {
            out.removed.push_back(line);
        } else {
            left.erase(found);
        }
    }
    out.added = std::move(left);
    return out;
}

}  // namespace causeway::rules
