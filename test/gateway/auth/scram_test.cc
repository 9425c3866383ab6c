// SCRAM-SHA-256: the published exchange, and each way in which one goes wrong.
#include <string>

#include <gtest/gtest.h>

#include "gateway/auth/crypto.h"
#include "gateway/auth/scram.h"

namespace causeway::auth {
namespace {

// «RFC 7677» §3.
constexpr std::string_view kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

std::string salt() { return *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="); }

ScramServer server(std::vector<ScramKeys> keys) {
    return {*parse_scram_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), std::move(keys), salt(),
            kServerNonce};
}

TEST(Scram, ThePublishedExchange) {
    ScramServer one = server({derive_scram_keys("pencil", salt())});
    EXPECT_EQ(one.server_first(),
              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
              "i=4096");
    EXPECT_EQ(one.finish(kClientFinal), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, EitherOfTwoSecretsIsTaken) {
    ScramServer one =
        server({derive_scram_keys("other", salt()), derive_scram_keys("pencil", salt())});
    EXPECT_TRUE(one.finish(kClientFinal));
    EXPECT_EQ(one.proven(), 1U);
}

TEST(Scram, WrongSecretUnknownUserAndReplayFail) {
    EXPECT_FALSE(server({derive_scram_keys("pencil2", salt())}).finish(kClientFinal));
    EXPECT_FALSE(server({}).finish(kClientFinal));
    EXPECT_FALSE(server({ScramKeys{}}).finish(kClientFinal));
    ScramServer later(*parse_scram_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
                            {derive_scram_keys("pencil", salt())}, salt(), "anotherNonce");
    EXPECT_FALSE(later.finish(kClientFinal));
}

TEST(Scram, BrokenFinals) {
    ScramServer one = server({derive_scram_keys("pencil", salt())});
    const std::string good(kClientFinal);
    for (std::string bad : {std::string(), std::string(",p="), good.substr(0, good.size() - 4),
                            good + "A", "c=eSws" + good.substr(6), "x=1," + good,
                            good + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                            std::string(600, 'a')}) {
        EXPECT_FALSE(one.finish(bad)) << bad;
    }
}

TEST(Scram, FirstMessages) {
    const auto first = parse_scram_first("y,,n=p/d=2C=3D,r=abcdefgh");
    ASSERT_TRUE(first);
    EXPECT_EQ(first->user, "p/d,=");
    EXPECT_EQ(first->header, "y,,");
    for (const char* bad : {"", "n,,", "n,,n=u", "n,,n=,r=abcdefgh", "n,,n=u,r=short",
                            "p=tls-unique,,n=u,r=abcdefgh", "n,a=other,n=u,r=abcdefgh",
                            "n,,m=x,n=u,r=abcdefgh", "n,,n=u=,r=abcdefgh",
                            "n,,n=u,r=abcdefgh,x=1", "n,,n=u,r=abc defgh"}) {
        EXPECT_FALSE(parse_scram_first(bad)) << bad;
    }
    EXPECT_FALSE(parse_scram_first("n,,n=" + std::string(600, 'u') + ",r=abcdefgh"));
}

TEST(Scram, TheSaltOfAUserIsAlwaysTheSame) {
    EXPECT_EQ(scram_salt("pepper", "a").size(), 16U);
    EXPECT_EQ(scram_salt("pepper", "a"), scram_salt("pepper", "a"));
    EXPECT_NE(scram_salt("pepper", "a"), scram_salt("pepper", "b"));
    EXPECT_NE(scram_salt("pepper", "a"), scram_salt("other", "a"));
}

}  // namespace
}  // namespace causeway::auth
