// A checked run: what every process of the generator has to do. Made once, before the processes are
// forked, by make_plan; the same values in all of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "gateway/bench/options.h"
#include "gateway/bench/source_address.h"

namespace causeway::bench {

enum class Command : std::uint8_t { kConn, kPub, kSub, kMem };

enum class Role : std::uint8_t { kIdle, kPublisher, kSubscriber };

struct Plan {
    Command command = Command::kConn;
    ClientOptions client;
    RunOptions run;
    SubscribeOptions subscribe;
    PublishOptions publish;
    std::uint32_t idle = 0;  // Clients of each role, in all processes.
    std::uint32_t publishers = 0;
    std::uint32_t subscribers = 0;
    std::uint32_t steps = 0;  // the clients come in so many steps; 0: as they can
    double settle_s = 0;      // after each
    SourceAddresses sources;
    std::uint32_t run_id = 0;  // In the stamps of this run.
    // How many deliveries one accepted message of publisher i makes; empty without subscribers.
    std::vector<std::uint32_t> deliveries;

    [[nodiscard]] std::uint32_t clients() const { return idle + publishers + subscribers; }
    // Whether a message of this plan's publishers is wide enough for a stamp.
    [[nodiscard]] bool stamped() const;
};

// One client of the plan. Subscribers come first, so that they are there before anyone publishes.
struct ClientPlace {
    Role role = Role::kIdle;
    std::uint32_t index = 0;   // Among those of its role, from 0.
    std::uint32_t number = 0;  // What "%i" stands for.
};

// Precondition: client < plan.clients().
[[nodiscard]] ClientPlace place_of(const Plan& plan, std::uint32_t client);

// `pattern` with every "%i" replaced by the number.
[[nodiscard]] std::string expand(std::string_view pattern, std::uint32_t number);

// The error is one line that names the option.
[[nodiscard]] Result<Plan> make_plan(const ConnOptions& options);
[[nodiscard]] Result<Plan> make_plan(const PubOptions& options);
[[nodiscard]] Result<Plan> make_plan(const SubOptions& options);
[[nodiscard]] Result<Plan> make_plan(const MemOptions& options);

}  // namespace causeway::bench
