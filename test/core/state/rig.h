// What every test of core/state stands on: a machine over a MemoryKv, fed with entries made of
// encoded commands, as the log would. After every entry the tables are audited (audit.h). A rig
// that restarts throws the machine away after every entry and loads another from the table, so that
// each test also says that load() rebuilds what lived in memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/message/body.h"
#include "core/message/command.h"
#include "core/message/output.h"
#include "core/state/machine.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::state {

// One delivery as text: "<nonce> n<n> q<qos> <topic>=<payload>", then " dup", " retain",
// " ids 1,2"; a PUBREL is "<nonce> n<n> release".
std::string to_text(const StreamOutputs& outputs, const Delivery& delivery);
// Everything an apply gave, as text, for comparisons.
std::string to_text(const Outputs& outputs);
std::string to_text(const Statistics& statistics);
// The payload of a body.
std::string payload_of(std::string_view body);

class Rig {
public:
    enum class Mode { kLive, kRestarting };
    explicit Rig(Mode mode);

    // Effect: applies one entry of these commands at now(), commits, audits, perhaps restarts.
    // The outputs stay in out() until the next entry.
    void entry(const std::vector<std::string>& commands);
    // Effect: applies an empty entry, with which a leader begins.
    void new_leader();
    // The command with the next number of the stream.
    template <typename Command>
    std::string numbered(StreamId stream, const Command& command) {
        std::string bytes;
        encode(CommandHeader{{}, stream, ++seqs_[stream]}, command, bytes);
        return bytes;
    }
    // One command as an entry of its own; its result. Stream 0: a command of the leader or the API.
    template <typename Command>
    CommandResult run(StreamId stream, const Command& command) {
        entry({numbered(stream, command)});
        return last_result(stream);
    }
    [[nodiscard]] CommandResult last_result(StreamId stream) const;

    StreamId hello(std::uint64_t node, std::uint64_t boot = 1, std::uint32_t loop = 0,
                   std::uint64_t nonce = 0);
    void gateway_down(StreamId stream);
    OpenAnswer open(StreamId stream, const Open& command);
    // A session with an inbox: expiry one hour.
    std::uint64_t open(StreamId stream, std::string_view client, std::uint64_t nonce);
    ResultCode close(StreamId stream, std::uint64_t epoch, CloseReason reason = CloseReason::kLost);
    // The codes of the answer.
    std::string subscribe(StreamId stream, std::uint64_t epoch, const SubscriptionRequest& request);
    std::string subscribe(StreamId stream, std::uint64_t epoch, std::string_view filter,
                          std::uint8_t qos);
    std::string unsubscribe(StreamId stream, std::uint64_t epoch, std::string_view filter);
    ResultCode ack(StreamId stream, std::vector<AckRange> ranges);
    // A publish of nobody's (epoch 0) on stream 0.
    ResultCode publish(std::string_view topic, std::string_view payload, std::uint8_t qos = 1,
                       bool retain = false);
    ResultCode publish(StreamId stream, Publish command, std::string_view payload);
    std::string publish_command(std::string_view topic, std::string_view payload, std::uint8_t qos);
    void step();
    // Steps until no long work is left.
    void settle();
    void limits(const StateLimits& limits);

    [[nodiscard]] SetMs now() const { return now_; }
    void pass_ms(SetMs ms) { now_ += ms; }
    // Time passes and the leader lets it.
    void pass_s(SetMs s);

    [[nodiscard]] const Outputs& out() const { return out_; }
    // The deliveries of the last entry to a stream, as text.
    [[nodiscard]] std::vector<std::string> delivered(StreamId stream) const;
    [[nodiscard]] const StreamOutputs& outputs(StreamId stream) const;
    [[nodiscard]] Statistics statistics() const { return machine_->statistics(); }
    [[nodiscard]] Counters counters() const { return statistics().counters; }
    Machine& machine() { return *machine_; }
    sim::MemoryKv& kv() { return kv_; }
    void apply(const SharedBytes& entry);
    void restart();

private:
    Mode mode_;
    sim::MemoryKv kv_;
    std::unique_ptr<Machine> machine_;
    Index index_;
    SetMs now_ = 1'000'000;
    Outputs out_;
    std::map<StreamId, std::uint64_t> seqs_;
};

// Each test with a machine that lives on and with one that restarts after every entry.
class StateTest : public ::testing::TestWithParam<Rig::Mode> {
protected:
    Rig rig{GetParam()};
};

inline std::string mode_name(const ::testing::TestParamInfo<Rig::Mode>& info) {
    return info.param == Rig::Mode::kLive ? "Live" : "Restarting";
}

// A suite of such tests, perhaps on a fixture derived from StateTest.
#define CAUSEWAY_STATE_TESTS_OF(Suite, Fixture) \
    class Suite : public Fixture {};            \
    INSTANTIATE_TEST_SUITE_P(                   \
        Modes, Suite, ::testing::Values(Rig::Mode::kLive, Rig::Mode::kRestarting), mode_name)
#define CAUSEWAY_STATE_TESTS(Suite) CAUSEWAY_STATE_TESTS_OF(Suite, StateTest)

}  // namespace causeway::state
