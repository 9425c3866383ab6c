// The gateway's end of the streams: session protocol, rules 1 to 3 and 9.
#include "cluster/node/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace causeway::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr GroupId kSet{1};
constexpr NodeId kFirst{1};
constexpr NodeId kSecond{2};

class Events final : public SubmitterEvents {
public:
    void on_result(const CommandTag& tag, ResultCode code, std::string_view) override {
        log.push_back("result " + std::to_string(tag.token) + " " +
                      std::to_string(static_cast<int>(code)));
    }
    void on_result_lost(const CommandTag& tag, bool sent) override {
        log.push_back((sent ? "lost " : "never sent ") + std::to_string(tag.token));
    }
    void on_outputs(const StreamOutputs& outputs) override {
        log.push_back("outputs " + std::to_string(outputs.deliveries.size()));
    }
    void on_room() override { log.emplace_back("room"); }
    void on_home_lost(GroupId home) override {
        log.push_back("home lost " + std::to_string(home.value()));
    }
    std::vector<std::string> take() { return std::exchange(log, {}); }
    std::vector<std::string> log;
};

class StreamsTest : public ::testing::Test {
protected:
    StreamsTest() {
        options.sets = {kSet};
        options.slots = SlotMap::even(kSet, 1);
        options.window_commands = 4;
        make();
    }
    void make() {
        streams.emplace(
            options, events, [this](FromLoop message) { sent.push_back(message); }, now);
    }

    void tell(ToLoop message) {
        std::vector<ToLoop> one;
        one.push_back(std::move(message));
        streams->take(one, now);
    }
    template <typename Frame>
    Frame sent_frame(std::size_t at) {
        return std::get<Frame>(sent.at(at).frame);
    }
    // The attachment of the newest try.
    wire::Attachment attachment() {
        const wire::Frame& frame = sent.back().frame;
        const auto* open = std::get_if<wire::OpenStream>(&frame);
        return open != nullptr ? open->attachment : std::get<wire::AttachStream>(frame).attachment;
    }
    // An open stream number 7 at the first node.
    void open() {
        tell(LeaderIs{kSet, kFirst, Term(1)});
        tell(wire::StreamOpened{kSet, 0, attachment(), 7, Index(10)});
        sent.clear();
        events.log.clear();
    }
    // The same, for what has been submitted before.
    void open_in_place() {
        tell(LeaderIs{kSet, kFirst, Term(1)});
        const wire::Attachment asked = attachment();
        sent.clear();
        tell(wire::StreamOpened{kSet, 0, asked, 7, Index(10)});
    }
    bool submit(std::uint64_t token) {
        std::string command;
        Publish publish;
        publish.topic = "a/b";
        encode(CommandHeader{}, publish, command);
        return streams->submit("a/b", command, CommandTag{1, 1, token});
    }
    // The numbers of the commands in a Commands frame.
    std::vector<std::uint64_t> numbers(std::size_t at) {
        const auto commands = sent_frame<wire::Commands>(at);
        std::vector<std::uint64_t> found;
        ByteReader in(commands.frames);
        std::string_view command;
        while (next_frame(in, command)) {
            ByteReader fields(command);
            CommandHeader header;
            EXPECT_TRUE(decode_header(fields, header));
            EXPECT_EQ(header.stream, 7U);
            found.push_back(header.seq);
        }
        return found;
    }
    std::vector<CommandKind> kinds(std::size_t at) {
        const auto commands = sent_frame<wire::Commands>(at);
        std::vector<CommandKind> found;
        ByteReader in(commands.frames);
        std::string_view command;
        while (next_frame(in, command)) {
            ByteReader fields(command);
            CommandHeader header;
            EXPECT_TRUE(decode_header(fields, header));
            found.push_back(header.kind);
        }
        return found;
    }
    static LocalNews news(wire::Attachment attachment, std::uint64_t upto,
                          std::vector<std::uint64_t> seqs) {
        auto outputs = std::make_shared<StreamOutputs>();
        outputs->stream = 7;
        for (const std::uint64_t seq : seqs) {
            outputs->results.push_back(CommandResult{seq, ResultCode::kOk, {}});
        }
        return LocalNews{kSet, attachment, Index(upto), outputs};
    }

    StreamsOptions options;
    Events events;
    MonoMs now = 1'000;
    std::vector<FromLoop> sent;
    std::optional<Streams> streams;
};

TEST_F(StreamsTest, AsksWhoeverLeadsForAStreamAndSendsWhatWaited) {
    EXPECT_TRUE(submit(1));
    streams->flush();
    EXPECT_THAT(sent, IsEmpty()) << "nobody leads";
    EXPECT_FALSE(streams->available(kSet));
    tell(LeaderIs{kSet, kFirst, Term(1)});
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].to, kFirst);
    tell(wire::StreamOpened{kSet, 0, attachment(), 7, Index(10)});
    EXPECT_THAT(numbers(1), ElementsAre(1));
    EXPECT_TRUE(streams->available(kSet));
}

TEST_F(StreamsTest, WhatIsWithdrawnBeforeItIsSentIsNeverSent) {
    submit(1);
    submit(2);
    submit(3);
    EXPECT_TRUE(streams->withdraw("a/b", CommandTag{1, 1, 2}));
    EXPECT_FALSE(streams->withdraw("a/b", CommandTag{1, 1, 2}));
    open_in_place();
    EXPECT_THAT(numbers(0), ElementsAre(1, 2));
    EXPECT_THAT(kinds(0), ElementsAre(CommandKind::kPublish, CommandKind::kPublish));
    tell(news(sent_frame<wire::Commands>(0).attachment, 11, {1, 2}));
    EXPECT_THAT(events.take(), ElementsAre("result 1 0", "result 3 0"));
}

// Whoever got it first may have it in its log; whoever gets it next refuses it.
TEST_F(StreamsTest, WhatIsWithdrawnAfterItWasSentKeepsItsNumberAndSaysNothing) {
    open();
    submit(1);
    submit(2);
    streams->flush();
    EXPECT_FALSE(streams->withdraw("a/b", CommandTag{1, 1, 1}));
    sent.clear();
    tell(LeaderIs{kSet, kSecond, Term(2)});
    tell(wire::Welcome{kSet, 0, attachment(), 0});
    EXPECT_THAT(numbers(1), ElementsAre(1, 2));
    EXPECT_THAT(kinds(1), ElementsAre(CommandKind::kRefused, CommandKind::kPublish));
    tell(news(sent_frame<wire::Commands>(1).attachment, 11, {1, 2}));
    EXPECT_THAT(events.take(), ElementsAre("result 1 0", "result 2 0"));
    EXPECT_FALSE(streams->withdraw("a/b", CommandTag{1, 1, 2})) << "its result was here";
}

TEST_F(StreamsTest, ALostStreamTellsWhatWasNeverSent) {
    open();
    submit(1);
    streams->flush();
    tell(PeerReset{kFirst});
    submit(2);
    now += options.give_up_ms;
    streams->give_up_silent(now);
    EXPECT_THAT(events.take(), ElementsAre("home lost 1", "lost 1", "never sent 2"));
}

TEST_F(StreamsTest, AnswersInOrderAndOnce) {
    open();
    submit(1);
    submit(2);
    streams->flush();
    const auto attached = sent_frame<wire::Commands>(0).attachment;
    tell(news(attached, 11, {1, 2}));
    tell(news(attached, 12, {1, 2}));
    EXPECT_THAT(events.take(), ElementsAre("result 1 0", "result 2 0"));
}

TEST_F(StreamsTest, SendsAgainInOrderToTheNextLeaderOnlyWhatItHasNotApplied) {
    open();
    submit(1);
    submit(2);
    submit(3);
    streams->flush();
    sent.clear();
    tell(LeaderIs{kSet, kSecond, Term(2)});
    const auto attach = sent_frame<wire::AttachStream>(0);
    EXPECT_EQ(sent[0].to, kSecond);
    EXPECT_EQ(attach.stream, 7U);
    EXPECT_EQ(attach.received, Index(10));
    submit(4);
    streams->flush();
    ASSERT_EQ(sent.size(), 1U) << "nothing before the welcome";
    tell(wire::Welcome{kSet, 0, attach.attachment, 1});
    EXPECT_THAT(numbers(1), ElementsAre(2, 3, 4));
    tell(news(attach.attachment, 15, {1, 2, 3, 4}));
    EXPECT_THAT(events.take(),
                ElementsAre("result 1 0", "result 2 0", "result 3 0", "result 4 0", "room"));
}

TEST_F(StreamsTest, HearsNothingFromAnAttachmentThatANewerOneReplaced) {
    open();
    submit(1);
    streams->flush();
    const auto before = sent_frame<wire::Commands>(0).attachment;
    tell(PeerReset{kFirst});
    EXPECT_EQ(attachment(), before + 1);
    tell(news(before, 11, {1}));
    EXPECT_THAT(events.take(), IsEmpty());
    tell(wire::Welcome{kSet, 0, before + 1, 1});
    tell(news(before + 1, 11, {1}));
    EXPECT_THAT(events.take(), ElementsAre("result 1 0"));
}

TEST_F(StreamsTest, TriesAgainWhileNobodyAnswers) {
    open();
    tell(LeaderIs{kSet, kSecond, Term(2)});
    const auto first = attachment();
    now += options.retry_ms;
    streams->on_tick(now);
    EXPECT_EQ(attachment(), first + 1);
    tell(wire::Welcome{kSet, 0, first, 0});
    EXPECT_EQ(sent.size(), 2U) << "the first try was answered too late";
}

TEST_F(StreamsTest, ACommandSaysHowManyHadNoAnswerWhenItCame) {
    open();
    submit(1);
    submit(2);
    streams->flush();
    const auto attached = sent_frame<wire::Commands>(0).attachment;
    tell(news(attached, 11, {1}));
    submit(3);
    streams->flush();
    sent.clear();
    tell(LeaderIs{kSet, kSecond, Term(2)});
    const auto attach = sent_frame<wire::AttachStream>(0);
    tell(wire::Welcome{kSet, 0, attach.attachment, 1});
    const auto commands = sent_frame<wire::Commands>(1);
    std::vector<std::uint64_t> behind;
    ByteReader in(commands.frames);
    std::string_view command;
    while (next_frame(in, command)) {
        ByteReader fields(command);
        CommandHeader header;
        ASSERT_TRUE(decode_header(fields, header));
        behind.push_back(header.behind);
    }
    EXPECT_THAT(behind, ElementsAre(1, 1)) << "as when they came, not when they are sent again";
}

TEST_F(StreamsTest, WhoHeardThatThereIsNoRoomIsToldWhenThereIs) {
    open();
    EXPECT_TRUE(submit(1));
    EXPECT_TRUE(submit(2));
    EXPECT_TRUE(submit(3));
    EXPECT_FALSE(submit(4));
    EXPECT_FALSE(streams->has_room(kSet));
    streams->flush();
    // Room comes back before the turn ends and anybody asks again.
    tell(news(sent_frame<wire::Commands>(0).attachment, 11, {1}));
    EXPECT_THAT(events.take(), ElementsAre("result 1 0", "room"));
    EXPECT_TRUE(streams->has_room(kSet));
}

TEST_F(StreamsTest, ASetNobodySpeaksForIsGivenUpAndAnotherStreamOpened) {
    open();
    submit(1);
    streams->flush();
    const auto old = sent_frame<wire::Commands>(0).attachment;
    now += options.give_up_ms - 1;
    streams->on_tick(now);
    EXPECT_THAT(events.take(), IsEmpty());
    now += 1;
    streams->on_tick(now);
    EXPECT_THAT(events.take(), ElementsAre("home lost 1", "lost 1"));
    const auto open = sent_frame<wire::OpenStream>(sent.size() - 1);
    EXPECT_GT(open.attachment, old) << "the core tells the new stream from the old one by it";
    tell(wire::StreamOpened{kSet, 0, open.attachment, 8, Index(20)});
    EXPECT_TRUE(streams->available(kSet));
}

TEST_F(StreamsTest, UnavailableAfterTwoSecondsWithoutALeader) {
    open();
    tell(LeaderIs{kSet, NodeId{}, Term(1)});
    now += options.unavailable_ms - 1;
    streams->on_tick(now);
    EXPECT_TRUE(streams->available(kSet));
    now += 1;
    streams->on_tick(now);
    EXPECT_FALSE(streams->available(kSet));
    EXPECT_FALSE(streams->all_available());
}

TEST_F(StreamsTest, ADeadOrGappedStreamIsLostAndAnotherAskedFor) {
    for (const auto reason :
         {wire::StreamRefused::Reason::kGap, wire::StreamRefused::Reason::kDead}) {
        make();
        open();
        submit(1);
        streams->flush();
        tell(LeaderIs{kSet, kSecond, Term(2)});
        tell(wire::StreamRefused{kSet, 0, attachment(), reason, NodeId{}});
        EXPECT_THAT(events.take(), ElementsAre("home lost 1", "lost 1"));
        EXPECT_TRUE(std::holds_alternative<wire::OpenStream>(sent.back().frame));
    }
}

TEST_F(StreamsTest, QoS0IsDroppedWithACountWhileNobodyLeads) {
    Publish publish;
    publish.topic = "a/b";
    publish.qos = 0;
    EXPECT_TRUE(streams->submit_unlogged("a/b", publish));
    EXPECT_EQ(streams->unlogged_dropped(), 1U);
    open();
    EXPECT_TRUE(streams->submit_unlogged("a/b", publish));
    streams->flush();
    EXPECT_FALSE(sent_frame<wire::Commands>(0).unlogged.empty());
    EXPECT_EQ(streams->unlogged_dropped(), 1U);
}

TEST_F(StreamsTest, QoS0ThatTakesLongGetsASmallerWindow) {
    options.window_bytes = 64U << 10;
    make();
    open();
    Publish publish;
    publish.topic = "a/b";
    publish.qos = 0;
    const std::string body(1000, 'x');
    publish.body = body;
    wire::Attachment attached;
    // Publishes what the window takes, and gets it credited after so long. How much it was.
    const auto round = [&](MonoMs took) {
        sent.clear();
        while (streams->submit_unlogged("a/b", publish)) {
        }
        streams->flush();
        const auto commands = sent_frame<wire::Commands>(0);
        attached = commands.attachment;
        const std::size_t bytes = commands.unlogged.size();
        now += took;
        for (const std::size_t part : {bytes / 2, bytes - bytes / 2}) {
            auto outputs = std::make_shared<StreamOutputs>();
            outputs->stream = 7;
            outputs->unlogged_bytes_done = part;
            tell(LocalNews{kSet, attached, Index(11), outputs});
        }
        return bytes >> 10;
    };
    EXPECT_EQ(round(150), 64U);
    EXPECT_EQ(round(300), 64U);
    EXPECT_EQ(round(300), 32U);
    EXPECT_EQ(round(150), 16U) << "neither fast nor slow";
    EXPECT_EQ(round(300), 16U);
    EXPECT_EQ(round(300), 8U);
    EXPECT_EQ(round(300), 4U);
    EXPECT_EQ(round(10), 4U) << "never less";
    EXPECT_EQ(round(10), 8U);
    EXPECT_EQ(round(10), 16U);
    EXPECT_EQ(round(10), 32U);
    EXPECT_EQ(round(10), 64U);
    EXPECT_EQ(round(10), 64U);
}

TEST_F(StreamsTest, ASubscribeThatOtherSetsMustLearnOfIsAnsweredWhenItSettles) {
    open();
    submit(1);
    submit(2);
    streams->flush();
    const auto attached = sent_frame<wire::Commands>(0).attachment;
    auto outputs = std::make_shared<StreamOutputs>();
    outputs->stream = 7;
    outputs->results = {CommandResult{1, ResultCode::kLater, {}}, CommandResult{2, {}, {}}};
    tell(LocalNews{kSet, attached, Index(11), outputs});
    EXPECT_THAT(events.take(), ElementsAre("result 2 0"));
    auto later = std::make_shared<StreamOutputs>();
    later->stream = 7;
    later->settled = {Settled{5, 1, 1, "\x01"}};
    tell(LocalNews{kSet, attached, Index(12), later});
    tell(LocalNews{kSet, attached, Index(13), later});
    EXPECT_THAT(events.take(), ElementsAre("result 1 0"));
}

// --- records -----------------------------------------------------------------------------------

class RecordReadsTest : public StreamsTest {
protected:
    RecordReadsTest() {
        streams->watch([this](GroupId set, const std::vector<std::string>& keys) {
            std::string line = "changed " + std::to_string(set.value());
            for (const std::string& key : keys) {
                line += " " + key;
            }
            events.log.push_back(line);
        });
    }
    void find(const std::string& key) {
        streams->find(key, [this, key](const RecordsFound* found) {
            events.log.push_back(key + (found == nullptr         ? " unknown"
                                        : found->records.empty() ? " none"
                                                                 : " " + found->records[0].value));
        });
    }
    void answer_attached(wire::Attachment at, std::uint64_t question, std::uint64_t index,
                         const std::string& value) {
        tell(wire::RecordsRead{kSet, 0, at, question,
                               RecordsFound{Index(index), false, {{"p/d", 1, value}}}});
    }
    wire::Attachment open_attached() {
        tell(LeaderIs{kSet, kFirst, Term(1)});
        const wire::Attachment at = attachment();
        tell(wire::StreamOpened{kSet, 0, at, 7, Index(10)});
        sent.clear();
        return at;
    }
};

TEST_F(RecordReadsTest, AQuestionIsAnswered) {
    const wire::Attachment at = open_attached();
    EXPECT_THAT(events.take(), ElementsAre("changed 1")) << "what was before is not known";
    find("p/d");
    const auto asked = sent_frame<wire::ReadRecords>(0);
    EXPECT_EQ(asked.query.key, "p/d");
    EXPECT_THAT(events.take(), IsEmpty());
    answer_attached(at, asked.question, 10, "one");
    EXPECT_THAT(events.take(), ElementsAre("p/d one"));
    answer_attached(at, asked.question, 10, "one");
    EXPECT_THAT(events.take(), IsEmpty()) << "once";
}

TEST_F(RecordReadsTest, AQuestionWaitsForALeaderAndIsAskedOfTheNext) {
    find("p/d");
    EXPECT_THAT(sent, IsEmpty());
    open_in_place();
    ASSERT_EQ(sent.size(), 1U);
    const std::uint64_t question = sent_frame<wire::ReadRecords>(0).question;
    events.log.clear();
    tell(LeaderIs{kSet, kSecond, Term(2)});
    const wire::Attachment at = attachment();
    answer_attached(at - 1, question, 12, "of the first leader");
    EXPECT_THAT(events.take(), IsEmpty());
    sent.clear();
    tell(wire::Welcome{kSet, 0, at, 0});
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].to, kSecond);
    EXPECT_EQ(sent_frame<wire::ReadRecords>(0).question, question);
    EXPECT_THAT(events.take(), ElementsAre("changed 1"));
    answer_attached(at, question, 12, "one");
    EXPECT_THAT(events.take(), ElementsAre("p/d one"));
}

TEST_F(RecordReadsTest, AnAnswerFromBeforeAKnownChangeIsAskedAgain) {
    const wire::Attachment at = open_attached();
    find("p/d");
    const std::uint64_t question = sent_frame<wire::ReadRecords>(0).question;
    events.log.clear();
    tell(wire::RecordsChanged{kSet, Index(20), {"p/d"}});
    EXPECT_THAT(events.take(), ElementsAre("changed 1 p/d"));
    answer_attached(at, question, 19, "old");
    EXPECT_THAT(events.take(), IsEmpty());
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent_frame<wire::ReadRecords>(1).question, question);
    answer_attached(at, question, 20, "new");
    EXPECT_THAT(events.take(), ElementsAre("p/d new"));
}

TEST_F(RecordReadsTest, AQuestionNobodyAnswersEnds) {
    find("p/d");
    now += RecordReads::kWaitMs - 1;
    streams->on_tick(now);
    EXPECT_THAT(events.take(), IsEmpty());
    now += 1;
    streams->on_tick(now);
    EXPECT_THAT(events.take(), ElementsAre("p/d unknown"));
}

TEST_F(RecordReadsTest, QuestionsAreBounded) {
    for (std::size_t i = 0; i < Records::kRecordReadsMax; ++i) {
        find("k" + std::to_string(i));
    }
    find("more");
    EXPECT_THAT(events.take(), IsEmpty()) << "never from within";
    streams->on_tick(now);
    EXPECT_THAT(events.take(), ElementsAre("more unknown"));
}

}  // namespace
}  // namespace causeway::node
