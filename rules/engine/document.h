// The payload as JSON, parsed at most once per message and only when a rule looks inside. Internal
// to rules/engine; hides simdjson. One per Evaluator; its memory is reused.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "rules/engine/value.h"
#include "rules/sql/ast.h"

namespace causeway::rules {

// Effect: goes on from `value` along the path. A range of an array shares its elements.
[[nodiscard]] Value walk(Value value, std::span<const sql::Segment> path);

class Document {
public:
    // Larger or deeper payloads count as not JSON.
    Document(std::size_t bytes_max, std::size_t depth_max);
    ~Document();
    Document(const Document&) = delete;
    Document& operator=(const Document&) = delete;

    // Effect: forgets the last payload; nothing is parsed yet. `payload` must live as long as it is
    // asked about.
    void set(std::string_view payload);

    // Effect: parses if that has not been done.
    [[nodiscard]] bool is_json();

    // The value at `path` of the payload (undefined when there is none). What it holds is in
    // `arena` or lives until set(); nullopt: the arena is full. Precondition: is_json().
    [[nodiscard]] std::optional<Value> at(std::span<const sql::Segment> path, Arena& arena);

    // Effect: parses any text into `arena`. `ok` tells whether it was JSON. nullopt: the arena is
    // full.
    [[nodiscard]] std::optional<Value> decode(std::string_view text, Arena& arena, bool& ok);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::rules
