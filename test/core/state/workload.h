// Random but plausible entries for a machine: gateways that come and go, clients, publishes with
// rule outputs, queues, wills, long work, and a share of what is wrong (stale epochs, numbers
// skipped or sent again). It learns epochs, numbers and receipts from the outputs, so the same seed
// gives the same entries as long as the machine gives the same outputs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/message/command.h"
#include "core/state/machine.h"

namespace causeway::state {

class Workload {
public:
    explicit Workload(std::uint64_t seed);

    // The next entry.
    std::string entry(Machine& machine);
    // What applying it gave.
    void observe(const Outputs& outputs);

private:
    struct Connection {
        StreamId stream = 0;
        std::uint64_t epoch = 0;
    };
    struct InFlight {
        Connection connection;
        std::uint64_t n = 0;
        std::uint8_t qos = 0;
    };

    using Make = void (Workload::*)(std::string& out);
    std::string command();
    CommandHeader header(StreamId stream);
    StreamId any_stream();
    Connection any_connection();
    std::string_view any(const std::vector<std::string>& texts);
    std::string outputs();

    void hello(std::string& out);
    void gateway_down(std::string& out);
    void open(std::string& out);
    void close(std::string& out);
    void publish(std::string& out);
    void subscribe(std::string& out);
    void unsubscribe(std::string& out);
    void acknowledge(std::string& out);
    void received(std::string& out);
    void release(std::string& out);
    void declare(std::string& out);
    void send(std::string& out);
    void receive(std::string& out);
    void queue_ack(std::string& out);
    void outbox_done(std::string& out);
    void self_publish(std::string& out);
    void record(std::string& out);
    void refused(std::string& out);
    void limits(std::string& out);
    void layout(std::string& out);
    void peer_items(std::string& out);
    void peer_acked(std::string& out);
    void burst(std::string& entry);

    Random random_;
    Machine* machine_ = nullptr;
    SetMs now_ = 1'000'000;
    bool large_ = false;   // limits and bursts beyond the slices of long work
    bool shared_ = false;  // there are other sets
    std::uint64_t nonce_ = 0;
    std::uint64_t boot_ = 1;
    std::vector<StreamId> streams_;
    std::map<StreamId, std::uint64_t> seqs_;
    std::vector<Connection> connections_;
    std::vector<InFlight> in_flight_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> receipts_;
    std::vector<std::uint64_t> self_items_;
    std::vector<std::string> sent_;                      // to be sent again
    std::map<std::uint32_t, std::uint64_t> peer_items_;  // given so far, by set
};

}  // namespace causeway::state
