// QoS 0 is handed out in slices: what is for every session there is holds nothing else up.
#include "core/replica/set_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "test/core/state/rig.h"

namespace causeway::replica {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr GroupId kSet{1};
constexpr std::size_t kSlice = 8;
constexpr std::size_t kSubscribers = 10;

class SlicesTest : public ::testing::Test, public SetSink {
protected:
    SlicesTest() {
        stream_ = rig_.hello(1);
        for (std::size_t i = 0; i < kSubscribers; ++i) {
            const std::uint64_t epoch = rig_.open(stream_, "c" + std::to_string(i), 100 + i);
            rig_.subscribe(stream_, epoch, "a", 0);
        }
        auto machine = std::make_unique<state::Machine>(rig_.kv());
        EXPECT_TRUE(machine->load());
        const Index applied = machine->applied();
        state_.emplace(kSet, std::move(machine), *this, RingLimits{}, kSlice);
        take(Serve{true});
        take(AttachRoute{Route{{NodeId(1), 0}, 1}, stream_, applied});
        state_->finish();
        said_.clear();
    }
    void take(Work work) { state_->take(work); }
    std::string frames(std::initializer_list<std::string_view> payloads) {
        std::string all;
        for (const std::string_view payload : payloads) {
            const std::string body = make_body({}, payload);
            Publish publish;
            publish.topic = "a";
            publish.body = body;
            std::string command;
            encode(CommandHeader{}, publish, command);
            append_frame(command, all);
        }
        return all;
    }
    void publish(const std::string& frames) {
        take(ApplyUnlogged{stream_, SharedBytes::copy(frames), Term(1)});
    }
    std::vector<std::string> said() { return std::exchange(said_, {}); }

    // SetSink: what the stream heard, as text.
    void on_applied(Applied&) override {}
    void on_opened(GroupId, const Route&, StreamId, Index) override {}
    void on_welcome(GroupId, const Route&, std::uint64_t) override {}
    void on_refused(GroupId, const Route&, AttachRefusal) override { said_.push_back("refused"); }
    void on_records(GroupId, const Route&, std::uint64_t, RecordsFound) override {}
    void on_news(GroupId, const Route&, Index,
                 std::shared_ptr<const StreamOutputs> outputs) override {
        if (outputs == nullptr) {
            said_.push_back("beat");
            return;
        }
        credited_ += outputs->unlogged_bytes_done;
        std::string payloads;
        for (const Message& message : outputs->messages) {
            payloads += state::payload_of(message.body.view());
        }
        if (!outputs->deliveries.empty()) {
            said_.push_back(payloads + " to " + std::to_string(outputs->deliveries.size()));
        }
    }

    state::Rig rig_{state::Rig::Mode::kLive};
    StreamId stream_ = 0;
    std::optional<SetState> state_;
    std::vector<std::string> said_;
    std::size_t credited_ = 0;
};

TEST_F(SlicesTest, OtherWorkIsDoneBetweenThem) {
    const std::string all = frames({"1", "2", "3"});
    publish(all);
    EXPECT_TRUE(state_->finish());
    EXPECT_THAT(said(), ElementsAre("1 to 10"));
    EXPECT_EQ(credited_, all.size() / 3);
    take(Beat{});
    EXPECT_THAT(said(), ElementsAre("beat"));
    publish(frames({"4"}));
    EXPECT_TRUE(state_->finish());
    EXPECT_TRUE(state_->finish());
    EXPECT_EQ(credited_, all.size());
    EXPECT_FALSE(state_->finish());
    EXPECT_THAT(said(), ElementsAre("2 to 10", "3 to 10", "4 to 10"));
    EXPECT_FALSE(state_->finish());
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(SlicesTest, WhatNobodyWantsCountsToo) {
    std::string all;
    const std::string body = make_body({}, "x");
    for (int i = 0; i < 20; ++i) {
        Publish publish;
        publish.topic = "nobody";
        publish.body = body;
        std::string command;
        encode(CommandHeader{}, publish, command);
        append_frame(command, all);
    }
    publish(all);
    EXPECT_TRUE(state_->finish());
    EXPECT_EQ(credited_, all.size() * kSlice / 20);
    EXPECT_TRUE(state_->finish());
    EXPECT_FALSE(state_->finish());
    EXPECT_EQ(credited_, all.size());
}

TEST_F(SlicesTest, WhatIsNoFrameEndsThemAndIsCredited) {
    const std::string all = frames({"1"}) + "???";
    publish(all);
    publish(frames({"2"}));
    EXPECT_TRUE(state_->finish());
    EXPECT_FALSE(state_->finish());
    EXPECT_THAT(said(), ElementsAre("1 to 10", "2 to 10"));
    EXPECT_EQ(credited_, all.size() + frames({"2"}).size());
}

TEST_F(SlicesTest, WhatWaitsIsDroppedWithTheLeadership) {
    publish(frames({"1", "2"}));
    EXPECT_TRUE(state_->finish());
    take(Serve{false});
    EXPECT_FALSE(state_->finish());
    EXPECT_THAT(said(), ElementsAre("1 to 10"));
}

}  // namespace
}  // namespace causeway::replica
