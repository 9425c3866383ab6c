// One process of the generator: its share of the clients on one loop. It connects them, says
// kReady, waits for kGo, publishes and measures until the end of the window, goes on receiving
// until kStop, and sends its Outcome. Made and run by the coordinator in a forked child.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "core/io/loop.h"
#include "core/io/precise_timer.h"
#include "core/io/timer.h"
#include "gateway/bench/channel.h"
#include "gateway/bench/client.h"
#include "gateway/bench/outcome.h"
#include "gateway/bench/plan.h"
#include "gateway/bench/publisher.h"
#include "gateway/bench/schedule.h"
#include "gateway/bench/subscriber.h"

namespace causeway::bench {

class Worker final : public ClientOwner {
public:
    // Clients process, process + processes, ... of the plan are this worker's. `tls`: null, in the
    // clear.
    Worker(const Plan& plan, std::uint32_t process, std::shared_ptr<ssl_ctx_st> tls,
           Channel channel);

    // Effect: the whole run. Returns when the outcome was sent or the coordinator is gone.
    void run();

private:
    void on_connack(Client& client, const mqtt::Connack& connack, std::uint64_t now_ns) override;
    void on_pingresp(Client& client, std::uint64_t mark, std::uint64_t now_ns) override;
    void on_packet(Client& client, const mqtt::Packet& packet, std::uint64_t now_ns) override;
    void on_room(Client& client) override;
    void on_gone(Client& client, std::string_view why) override;

    // worker.cc: life, connecting
    void make_clients();
    void turn_end();
    void connect_more();
    void connect(Client& client);
    // False: it has tried often enough.
    bool try_again(Client& client);
    void ready(Client& client, std::uint64_t now_ns);
    void settled();
    void timer_fired(std::uint64_t client);
    void tick();
    void take_commands();
    void finish();
    // worker_publish.cc
    void begin(std::uint64_t start_ns);
    void end_publishing();
    void publish_due();
    void pump(std::uint32_t publisher, std::uint64_t now_ns);
    void pump_planned(std::uint32_t publisher, std::uint64_t now_ns);
    void pump_closed_loop(std::uint32_t publisher, std::uint64_t now_ns);
    void count_unsent(std::uint64_t now_ns);

    const Plan& plan_;
    std::uint32_t process_;
    Channel channel_;
    io::Loop loop_;
    ClientSetup setup_;
    SharedBytes filler_;
    Outcome outcome_;
    std::deque<Client> clients_;
    std::deque<Publisher> publishers_;
    std::deque<Subscriber> subscribers_;
    io::LoopTimers timers_;  // Per client: the limit to connect, then keep-alive.
    io::Timer tick_timer_;
    io::PreciseTimer due_timer_;
    io::TurnHook turn_hook_;

    std::uint64_t connect_begin_ns_ = 0;
    std::uint32_t next_to_connect_ = 0;
    std::uint64_t connect_limit_ = ~std::uint64_t{0};  // Of this process, see FrameKind::kConnect.
    std::uint32_t connecting_ = 0;
    std::uint32_t settled_ = 0;  // Clients that are ready or have failed.
    std::uint32_t ticks_ = 0;
    bool stopped_ = false;
    std::uint64_t random_ = 1;  // For the time between two tries.

    Window window_;  // Empty until kGo.
    Schedule schedule_;
    std::uint64_t planned_ = 0;  // Messages of the schedule that were due at the last look.
    bool publishing_ = false;
};

}  // namespace causeway::bench
