#include "certs/psk_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "test/certs/support.h"

namespace causeway::certs {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kKey = "00112233445566778899aabbccddeeFF";

TEST(PskFile, HoldsAKeyForEachIdentity) {
    const auto table =
        PskTable::parse("# devices\n\nplant/dev7:" + kKey + "\r\na:b:" + kKey + kKey + "\nlast:" + kKey);
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ((*table)->size(), 3U);
    ASSERT_NE((*table)->find("plant/dev7"), nullptr);
    EXPECT_EQ(*(*table)->find("plant/dev7"),
              std::string("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16));
    EXPECT_EQ((*table)->find("a:b")->size(), 32U);
    EXPECT_NE((*table)->find("last"), nullptr);
    EXPECT_EQ((*table)->find("plant/dev8"), nullptr);
}

TEST(PskFile, AnErrorNamesTheLineAndNotTheKey) {
    for (const std::string& bad :
         {std::string("noColon"), "a:" + kKey.substr(2), "a:" + kKey + "0", "a:" + kKey + "zz",
          ":" + kKey, "a b:" + kKey, "a:" + kKey + "\na:" + kKey}) {
        const auto table = PskTable::parse("# first\n" + bad);
        ASSERT_FALSE(table) << bad;
        EXPECT_THAT(table.error().message, HasSubstr("line ")) << bad;
        EXPECT_THAT(table.error().message, Not(HasSubstr(kKey.substr(2)))) << bad;
    }
}

TEST(PskFile, IsReadOnlyIfNobodyElseMay) {
    const Folder folder;
    spill(folder / "psk", "a:" + kKey + "\n");
    ASSERT_EQ(::chmod((folder / "psk").c_str(), 0644), 0);
    EXPECT_THAT(PskTable::read(folder / "psk").error().message, HasSubstr("chmod 600"));
    ASSERT_EQ(::chmod((folder / "psk").c_str(), 0600), 0);
    EXPECT_TRUE(PskTable::read(folder / "psk"));
}

}  // namespace
}  // namespace causeway::certs
