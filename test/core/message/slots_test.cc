#include "core/message/slots.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace causeway {
namespace {

TEST(Slots, ADeviceAndItsTopicsShareASlot) {
    for (int i = 0; i < 1000; ++i) {
        const std::string client = "plant/dev" + std::to_string(i);
        EXPECT_EQ(slot_of(client), slot_of(client + "/up"));
        EXPECT_EQ(slot_of(client), slot_of(client + "/down/raw"));
    }
}

// The hash decides where data lies: a change of it would lose every existing set's routing.
TEST(Slots, AreTheSameForEver) {
    EXPECT_EQ(slot_of("plant/dev7/up").value(), slot_of("plant/dev7").value());
    const std::map<std::string, std::uint16_t> known = {
        {"plant/dev7", 664}, {"a", 543}, {"/a/b", 5}, {"", 194}};
    for (const auto& [key, slot] : known) {
        EXPECT_EQ(slot_of(key).value(), slot) << key;
    }
}

TEST(Slots, EvenSpreadCoversEverySet) {
    for (const std::uint32_t sets : {1U, 3U, 16U, 1024U}) {
        const SlotMap map = SlotMap::even(GroupId(1), sets);
        std::map<std::uint32_t, int> counts;
        for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
            ++counts[map.owner(Slot(slot)).value()];
        }
        EXPECT_EQ(counts.size(), sets);
        for (const auto& [set, count] : counts) {
            EXPECT_GE(set, 1U);
            EXPECT_LE(set, sets);
            EXPECT_NEAR(count, static_cast<double>(kSlots) / sets, 1.0);
        }
    }
}

}  // namespace
}  // namespace causeway
