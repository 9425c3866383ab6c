#include "rules/sql/parser.h"

#include <algorithm>
#include <utility>

#include "rules/sql/parser_state.h"

namespace causeway::rules::sql {

void Parser::query() {
    if (text_.size() > kQueryBytesMax) {
        return fail(0, "the query is longer than " + std::to_string(kQueryBytesMax) + " bytes");
    }
    if (at_word("FOREACH")) {
        loop();
    } else if (take_word("SELECT")) {
        items();
    } else {
        unexpected("SELECT or FOREACH");
    }
    want_word("FROM");
    sources();
    if (take_word("WHERE")) {
        query_.where = expression();
    }
    if (!error_ && current_.kind != TokenKind::kEnd) {
        unexpected("the end of the query");
    }
}

void Parser::loop() {
    Loop loop;
    loop.offset = current_.offset;
    advance();
    loop.over = expression();
    if (take_word("AS")) {
        if (current_.kind != TokenKind::kName && current_.kind != TokenKind::kQuotedName) {
            return unexpected("a name");
        }
        loop.name = current_.text;
        advance();
    }
    if (take_word("DO")) {
        items();
    }
    if (take_word("INCASE")) {
        loop.in_case = expression();
    }
    query_.loop = std::move(loop);
}

void Parser::items() {
    if (take_word("VALUE")) {
        query_.value = true;
        query_.items.push_back(Item{expression(), {}, 0, 0});
        query_.items.back().offset = query_.nodes[query_.items.back().expr].offset;
        return;
    }
    do {
        const std::uint32_t offset = current_.offset;
        if (at_symbol("*")) {
            if (query_.star) {
                return fail(offset, "'*' is given twice");
            }
            query_.star = true;
            advance();
        } else {
            item();
        }
        if (query_.items.size() > kItemsMax) {
            return fail(offset, "more than " + std::to_string(kItemsMax) + " items");
        }
    } while (take_symbol(","));
}

void Parser::item() {
    Item item;
    item.offset = current_.offset;
    item.expr = expression();
    if (take_word("AS")) {
        item.alias_offset = current_.offset;
        do {
            if (current_.kind != TokenKind::kName && current_.kind != TokenKind::kQuotedName) {
                return unexpected("a name");
            }
            item.alias.push_back(current_.text);
            advance();
        } while (take_symbol("."));
        if (item.alias.size() > kExprDepthMax) {
            return fail(item.alias_offset, "the alias is nested too deeply");
        }
    }
    query_.items.push_back(std::move(item));
}

void Parser::sources() {
    do {
        if (current_.kind != TokenKind::kString && current_.kind != TokenKind::kQuotedName) {
            return unexpected("a topic filter in quotes");
        }
        query_.sources.push_back(Source{current_.text, current_.offset});
        if (query_.sources.size() > kSourcesMax) {
            return fail(current_.offset, "more than " + std::to_string(kSourcesMax) + " sources");
        }
        advance();
    } while (take_symbol(","));
}

LineColumn line_column(std::string_view text, std::size_t offset) {
    LineColumn at;
    for (const char c : text.substr(0, std::min(offset, text.size()))) {
        if (c == '\n') {
            ++at.line;
            at.column = 1;
        } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
            ++at.column;
        }
    }
    return at;
}

tl::expected<Query, SyntaxError> parse(std::string_view query) { return Parser(query).run(); }

}  // namespace causeway::rules::sql
