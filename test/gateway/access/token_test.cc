// Tokens: their documents, and that only the text that was told is taken, while it is live.
#include <string>

#include <gtest/gtest.h>

#include "gateway/access/token.h"

namespace causeway::access {
namespace {

const std::string kId = "0a1b2c3d4e5f";
const std::string kSecret(kTokenSecretBytes, 's');

Token make(Role role = Role::kOperator) {
    Token token;
    token.id = kId;
    token.role = role;
    token.created_s = 100;
    token.sha256 = hash_of(token_text(kId, kSecret));
    if (role == Role::kApp) {
        token.queues = {"alarms", "plant-*"};
        token.topics = {"plant/+/cmd"};
    }
    return token;
}

TEST(Token, ComesBackAsItWas) {
    for (const Role role : {Role::kReadOnly, Role::kApp, Role::kOperator, Role::kAdmin}) {
        Token token = make(role);
        token.description = "night \"shift\"";
        token.expires_s = 200;
        const auto back = parse_token(to_json(token, true));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(*back, token);
        EXPECT_EQ(parse_role(name(role)), role);
    }
    EXPECT_EQ(to_json(make(), false).find("sha256"), std::string::npos);
}

TEST(Token, DocumentsThatAreNoneAreRefused) {
    const std::string good = to_json(make(), true);
    ASSERT_TRUE(parse_token(good));
    for (const auto& [from, to] :
         {std::pair(std::string("\"operator\""), std::string("\"root\"")),
          std::pair(kId, std::string("0A1b2c3d4e5f")), std::pair(kId, std::string("0a")),
          std::pair(std::string("\"sha256\":\""), std::string("\"sha256\":\"x")),
          std::pair(std::string("100"), std::string("\"100\"")),
          std::pair(std::string("\"operator\""), std::string("\"operator\",\"queues\":[\"q\"]")),
          std::pair(std::string("\"operator\""), std::string("\"app\"")),
          std::pair(std::string("\"operator\""), std::string("\"app\",\"queues\":[\"a/b\"]")),
          std::pair(std::string("\"operator\""), std::string("\"app\",\"topics\":[\"a/#/b\"]")),
          std::pair(std::string("\"operator\""), std::string("\"app\",\"queues\":[7]"))}) {
        std::string bad = good;
        const std::size_t at = bad.find(from);
        ASSERT_NE(at, std::string::npos);
        bad.replace(at, from.size(), to);
        EXPECT_FALSE(parse_token(bad)) << bad;
    }
    for (const char* text : {"", "[]", "{}", "null", "{\"id\":", "\xff"}) {
        EXPECT_FALSE(parse_token(text)) << text;
    }
}

TEST(Tokens, OnlyTheTextThatWasToldIsTaken) {
    Tokens tokens;
    Token token = make();
    token.expires_s = 200;
    tokens.add(token);
    const std::string text = token_text(kId, kSecret);
    ASSERT_NE(tokens.find(text, 199), nullptr);
    EXPECT_EQ(tokens.find(text, 199)->id, kId);
    EXPECT_EQ(tokens.find(text, 200), nullptr) << "over";
    EXPECT_EQ(tokens.find("", 0), nullptr);
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string other = text;
        other[i] = other[i] == 'A' ? 'B' : 'A';
        EXPECT_EQ(tokens.find(other, 0), nullptr) << i;
        EXPECT_EQ(tokens.find(text.substr(0, i), 0), nullptr) << i;
    }
    EXPECT_EQ(tokens.find(text + "A", 0), nullptr);
    EXPECT_EQ(tokens.find(text + std::string(1 << 20, 'A'), 0), nullptr);
    EXPECT_EQ(tokens.find(token.sha256, 0), nullptr) << "what is stored is no token";
}

}  // namespace
}  // namespace causeway::access
