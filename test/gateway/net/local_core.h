// A core for tests of gateway/net: the state machine of one set behind the Submitter port, in
// memory and on the gateway loop itself. What is submitted in a turn is one entry, applied in the
// next.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/loop.h"
#include "core/message/submitter.h"
#include "core/state/machine.h"
#include "test/sim/kv/memory_kv.h"

namespace causeway::net {

class LocalCore final : public Submitter {
public:
    // While `*held`, what is submitted waits for the first turn after.
    LocalCore(io::Loop& loop, SubmitterEvents& events, const std::atomic<bool>& held);

    [[nodiscard]] GroupId home(std::string_view) const override { return sets_[0]; }
    bool submit_to(GroupId set, std::string_view command, const CommandTag& tag) override;
    bool withdraw(std::string_view, const CommandTag&) override { return false; }
    [[nodiscard]] const std::vector<GroupId>& sets() const override { return sets_; }
    void acknowledge(std::string_view client_id, const AckRange& range, bool urgent) override;
    bool submit_unlogged(std::string_view key, const Publish& publish) override;
    [[nodiscard]] bool has_room(GroupId) const override { return true; }
    [[nodiscard]] bool available(GroupId) const override { return true; }
    [[nodiscard]] bool all_available() const override { return true; }
    void flush() override;

private:
    void work(const std::string& entry, const std::vector<std::string>& unlogged);
    void apply(const std::string& frames);
    void tell(const state::Outputs& out);

    io::Loop& loop_;
    SubmitterEvents& events_;
    const std::atomic<bool>& held_;
    std::vector<GroupId> sets_{GroupId(1)};
    sim::MemoryKv kv_;
    state::Machine machine_{kv_};
    Index index_;
    StreamId stream_ = 0;
    std::uint64_t seq_ = 0;
    std::map<std::uint64_t, CommandTag> tags_;  // of commands without a result
    std::string frames_;                        // of this turn
    std::vector<std::string> unlogged_;         // encoded kPublish commands
};

}  // namespace causeway::net
