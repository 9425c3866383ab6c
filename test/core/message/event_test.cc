// Events as bytes, and which of them a source names.
#include "core/message/event.h"

#include <gtest/gtest.h>

#include <string>

namespace causeway {
namespace {

TEST(Event, ComesBackAndMayGrow) {
    Event event;
    event.kind = EventKind::kQueueDeadLetter;
    event.session_epoch = 7;
    event.username = "u";
    event.reason = "r";
    event.session_present = true;
    event.clean_start = true;
    event.session_expiry_interval_s = 0xFFFFFFFF;
    event.from_client_id = "f";
    event.qos = 2;
    event.retain = true;
    event.queue = "q";
    event.is_sink = true;
    event.dead_letter = "d";
    event.key = "k";
    std::string bytes;
    encode(event, bytes);
    for (const std::string& whole : {bytes, bytes + "of a later version"}) {
        Event out;
        ASSERT_TRUE(decode(whole, out));
        EXPECT_EQ(out.kind, event.kind);
        EXPECT_EQ(out.session_epoch, 7U);
        EXPECT_EQ(out.username, "u");
        EXPECT_EQ(out.reason, "r");
        EXPECT_TRUE(out.session_present && out.clean_start && out.retain && out.is_sink);
        EXPECT_EQ(out.session_expiry_interval_s, 0xFFFFFFFF);
        EXPECT_EQ(out.from_client_id, "f");
        EXPECT_EQ(out.qos, 2);
        EXPECT_EQ(out.queue, "q");
        EXPECT_EQ(out.dead_letter, "d");
        EXPECT_EQ(out.key, "k");
    }
    Event out;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size), out)) << size;
    }
    bytes[0] = static_cast<char>(kEventNames.size());
    EXPECT_FALSE(decode(bytes, out)) << "a kind of a later version";
    bytes[0] = 0;
    bytes[1] = 3;
    EXPECT_FALSE(decode(bytes, out)) << "QoS 3";
}

TEST(Event, SourcesNameThemByFilters) {
    constexpr EventMask kAll = (EventMask{1} << kEventNames.size()) - 1;
    EXPECT_EQ(events_matching("$events/#"), kAll);
    EXPECT_EQ(events_matching("$events/+/failed"), mask_of(EventKind::kRuleFailed));
    EXPECT_EQ(events_matching("$events/client/connected"), mask_of(EventKind::kClientConnected));
    EXPECT_EQ(events_matching("$events/message/+"), mask_of(EventKind::kMessageDelivered) |
                                                        mask_of(EventKind::kMessageAcked) |
                                                        mask_of(EventKind::kMessageDropped));
    EXPECT_EQ(events_matching("$events/client"), 0U);
    EXPECT_EQ(events_matching("#"), 0U) << "no wildcard reaches what begins with $";
    EXPECT_TRUE(is_event_source("$events/x") && !is_event_source("$eventsx"));
}

}  // namespace
}  // namespace causeway
