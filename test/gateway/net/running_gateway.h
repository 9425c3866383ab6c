// A gateway of one loop over a core in memory, for the tests of this folder.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "gateway/net/gateway.h"
#include "test/gateway/net/local_core.h"

namespace causeway::net {

class RunningGateway : public ::testing::Test {
protected:
    GatewayOptions options;
    std::atomic<bool> core_held = false;  // it answers nothing
    std::unique_ptr<Gateway> gateway;
    io::Loop own_loop;  // for status()

    void start() {
        auto opened = Gateway::open(options, [this](io::Loop& on, SubmitterEvents& events) {
            return std::make_unique<LocalCore>(on, events, core_held);
        });
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        gateway = std::move(*opened);
        gateway->start();
    }
    [[nodiscard]] std::uint16_t port(std::size_t listener = 0) const {
        return gateway->ports()[listener];
    }
    ShardStatus status() {
        ShardStatus got;
        bool have = false;
        gateway->status(own_loop, [&](const ShardStatus& sum) {
            got = sum;
            have = true;
        });
        while (!have) {
            own_loop.turn();
        }
        return got;
    }
    // Waits until the counter says so.
    void until(std::uint64_t ShardStatus::*counter, std::uint64_t value) {
        while (status().*counter != value) {
            std::this_thread::yield();
        }
    }
    void TearDown() override {
        if (gateway) {
            gateway->shut_down(100);
            gateway->stop();
        }
    }
};

}  // namespace causeway::net
