// A few nodes with their cores and the control group on one thread: frames, the log and the small
// files are queues and values. Every step is 10 ms; what is sent in one arrives in the next.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/node/control.h"
#include "core/base/check.h"
#include "core/raft/log_reader.h"

namespace causeway::node::test {

class World;

// The log of one group as the write-ahead log keeps it; every append is durable at once.
class MemoryLog final : public raft::LogReader {
public:
    void append(const wal::Batch& batch) {
        if (batch.truncate_from) {
            while (!entries_.empty() && entries_.back().index >= *batch.truncate_from) {
                entries_.pop_back();
            }
        }
        if (batch.replaces_log) {
            entries_.clear();
        }
        if (batch.compaction) {
            while (!entries_.empty() && entries_.front().index <= batch.compaction->index) {
                entries_.pop_front();
            }
            compaction_ = *batch.compaction;
        }
        for (const wal::Entry& entry : batch.entries) {
            entries_.push_back({entry.term, entry.index, static_cast<raft::EntryKind>(entry.flags),
                                entry.payload});
        }
        if (batch.configuration) {
            configuration_ = raft::decode_configuration(batch.configuration->view());
        }
        if (batch.hard_state) {
            CW_CHECK(replica::decode_hard_state(batch.hard_state->view(), hard_state_));
        }
    }
    [[nodiscard]] raft::Start start(Index applied) const {
        raft::Start start;
        start.hard_state = hard_state_;
        start.applied = applied;
        if (configuration_) {
            start.configurations.push_back({compaction_.index, *configuration_});
        }
        for (const raft::Entry& entry : entries_) {
            if (entry.kind == raft::EntryKind::kConfiguration) {
                start.configurations.push_back(
                    {entry.index, *raft::decode_configuration(entry.payload.view())});
            }
        }
        return start;
    }
    [[nodiscard]] bool is_new() const {
        return hard_state_ == raft::HardState{} && entries_.empty();
    }
    [[nodiscard]] Index compacted() const { return compaction_.index; }

    [[nodiscard]] Index first_index() const override { return compaction_.index.next(); }
    [[nodiscard]] Index last_index() const override {
        return entries_.empty() ? compaction_.index : entries_.back().index;
    }
    [[nodiscard]] Term term_at(Index index) const override {
        if (index == compaction_.index) {
            return compaction_.term;
        }
        for (const raft::Entry& entry : entries_) {
            if (entry.index == index) {
                return entry.term;
            }
        }
        return Term{};
    }
    void entries(Index from, std::size_t bytes_max, std::vector<raft::Entry>& out) const override {
        std::size_t bytes = 0;
        for (const raft::Entry& entry : entries_) {
            if (entry.index >= from && (bytes == 0 || bytes < bytes_max)) {
                out.push_back(entry);
                bytes += raft::bytes_of(entry);
            }
        }
    }
    [[nodiscard]] std::optional<raft::SnapshotMeta> snapshot() const override {
        return std::nullopt;
    }

private:
    raft::HardState hard_state_;
    std::optional<raft::Configuration> configuration_;
    wal::CompactionPoint compaction_;
    std::deque<raft::Entry> entries_;
};

class NoRules final : public Router {
public:
    [[nodiscard]] bool interested(std::string_view) const override { return false; }
    std::uint64_t route(const Publish&, SetMs, std::string&) override { return 0; }
};

class TestNode final : public Ports, public ControlPorts, public Clock {
public:
    TestNode(World& world, std::uint64_t id, bool founder);
    void start();
    void stop();
    // Effect: the data directory is empty, and so another one.
    void wipe();

    NodeId id;
    bool founder;
    std::uint64_t uuid;
    std::uint64_t boot = 0;
    // Durable.
    std::unique_ptr<MemoryLog> log = std::make_unique<MemoryLog>();
    std::optional<ControlImage> image;
    // The process; null: it does not run.
    std::unique_ptr<Core> core;
    std::unique_ptr<Control> control;
    std::uint64_t installed = 0;

    [[nodiscard]] MonoMs mono_ms() const override;
    [[nodiscard]] std::uint64_t wall_ms() const override { return 1'800'000'000'000 + mono_ms(); }

    void append(GroupId group, std::uint64_t seq, wal::Batch batch) override;
    void send(NodeId to, const wire::Frame& frame) override;
    void save_control(ControlImage saved) override;
    void control_changed(const SharedModel&) override {
        if (control) {
            control->on_changed();
        }
    }
    void open_group(GroupId group) override;
    void reply(std::uint64_t connection, const wire::Reply& reply) override;

    void apply(GroupId, replica::Work) override {}
    void list_streams(GroupId) override {}
    void open_snapshot(GroupId) override {}
    void close_snapshot(GroupId) override {}
    void read_snapshot(GroupId, NodeId, replica::TransferId,
                       const state::SnapshotPosition&) override {}
    void take_snapshot(GroupId, bool) override {}
    void add_snapshot(GroupId, replica::TransferId, std::uint64_t, const SharedBytes&) override {}
    void install_snapshot(GroupId, const raft::SnapshotMeta&) override {}
    void tell_loop(wire::LoopId, ToLoop) override {}
    void tell_loops(const ToLoop&) override {}
    void queues_ready(std::vector<std::string>) override {}
    void sinks_ready(GroupId, std::vector<std::string>) override {}
    void role_changed(GroupId, bool) override {}

private:
    [[nodiscard]] replica::ReplicaOptions options() const;
    World& world_;
    NoRules rules_;
};

class World {
public:
    explicit World(std::uint64_t founders) {
        for (std::uint64_t id = 1; id <= founders; ++id) {
            nodes.push_back(std::make_unique<TestNode>(*this, id, true));
        }
        founders_ = founders;
    }
    TestNode& node(std::uint64_t id) { return *nodes.at(id - 1); }
    [[nodiscard]] std::uint64_t founders() const { return founders_; }
    [[nodiscard]] MonoMs now() const { return now_; }
    std::uint64_t next_uuid() { return ++uuids_; }

    void start_all() {
        for (auto& one : nodes) {
            one->start();
        }
    }
    // Effect: `what` happens at `to` in the next step if its process of now still runs then.
    void later(NodeId to, std::function<void()> what) {
        TestNode& at = node(to.value());
        queue_.push_back([&at, boot = at.boot, what = std::move(what)] {
            if (at.control && at.boot == boot) {
                what();
            }
        });
    }
    // Whether each of the two hears the other by what it knows of data directories.
    bool linked(const TestNode& a, const TestNode& b) const {
        return a.control && b.control && a.control->belongs(b.id, b.uuid) &&
               b.control->belongs(a.id, a.uuid);
    }
    void connect_all(TestNode& one) {
        for (auto& other : nodes) {
            if (other.get() != &one && linked(one, *other)) {
                for (auto [to, from] : {std::pair{&one, other.get()}, {other.get(), &one}}) {
                    to->core->on_peer_up(from->id, from->uuid, from->boot);
                    to->core->on_connected(from->id);
                }
            }
        }
    }
    void step() {
        now_ += 10;
        std::deque<std::function<void()>> due;
        due.swap(queue_);
        for (auto& what : due) {
            what();
        }
        for (auto& one : nodes) {
            if (one->core) {
                one->core->on_tick();
                one->core->end_turn();
            }
        }
    }
    // False: not within the time.
    bool until(const std::function<bool()>& done, MonoMs limit_ms = 20'000) {
        for (const MonoMs end = now_ + limit_ms; now_ < end;) {
            if (done()) {
                return true;
            }
            step();
        }
        return done();
    }
    void run(MonoMs ms) {
        until([] { return false; }, ms);
    }
    TestNode* leader() {
        for (auto& one : nodes) {
            if (one->control && one->control->group().serving()) {
                return one.get();
            }
        }
        return nullptr;
    }
    // Every running node knows the same.
    bool agreed() {
        const control::Model* first = nullptr;
        for (auto& one : nodes) {
            if (!one->control) {
                continue;
            }
            const control::Model& model = one->control->model();
            if (model.cluster_id.empty() || (first != nullptr && !(model == *first))) {
                return false;
            }
            first = &model;
        }
        return first != nullptr;
    }

    std::vector<std::unique_ptr<TestNode>> nodes;

private:
    std::uint64_t founders_ = 0;
    MonoMs now_ = 1'000;
    std::uint64_t uuids_ = 0xABC0;
    std::deque<std::function<void()>> queue_;
};

inline TestNode::TestNode(World& world, std::uint64_t number, bool is_founder)
    : id(number), founder(is_founder), uuid(world.next_uuid()), world_(world) {}

inline MonoMs TestNode::mono_ms() const { return world_.now(); }

inline replica::ReplicaOptions TestNode::options() const {
    replica::ReplicaOptions options;
    options.raft.id = id;
    options.raft.seed = uuid * 31 + boot;
    return options;
}

inline void TestNode::start() {
    ++boot;
    CoreOptions core_options;
    core_options.self = id;
    core_options.uuid = uuid;
    core_options.boot = boot;
    core_options.nodes = 3;
    core = std::make_unique<Core>(core_options, *this, rules_, *this);
    ControlOptions made;
    made.self = id;
    made.uuid = uuid;
    made.boot = boot;
    made.name = "n" + std::to_string(id.value());
    made.address = "host:" + std::to_string(id.value());
    made.roles = {true, true};
    made.cluster = "test";
    for (std::uint64_t other = 1; founder && other <= world_.founders(); ++other) {
        made.founders.push_back(
            {"n" + std::to_string(other), "host:" + std::to_string(other), {true, true}});
    }
    auto fresh = std::make_unique<Control>(made, *core, *this, *this, *this);
    control::Machine machine;
    CW_CHECK(!image || machine.restore(image->state));
    if (image && !image->replica) {
        fresh->group().adopt(std::exchange(machine, control::Machine()));
    }
    if (founder && log->is_new()) {
        raft::Configuration all;
        for (std::uint64_t other = 1; other <= world_.founders(); ++other) {
            all.voters.emplace_back(other);
        }
        wal::Batch batch;
        batch.configuration = raft::encode(all);
        log->append(batch);
    }
    if (founder || !log->is_new()) {
        fresh->group().hold(options(), log->start(machine.model().applied), *log,
                            std::move(machine));
    }
    control = std::move(fresh);
    control->begin();
    world_.connect_all(*this);
}

inline void TestNode::stop() {
    control.reset();
    core.reset();
    for (auto& other : world_.nodes) {
        if (other->core && other.get() != this) {
            other->core->on_peer_down(id);
            other->core->on_disconnected(id);
        }
    }
}

inline void TestNode::wipe() {
    CW_CHECK(!control);
    uuid = world_.next_uuid();
    log = std::make_unique<MemoryLog>();
    image.reset();
}

inline void TestNode::append(GroupId group, std::uint64_t seq, wal::Batch batch) {
    installed += batch.replaces_log ? 1 : 0;
    log->append(batch);
    if (seq != 0) {
        world_.later(id, [this, group, seq] { core->on_appended(group, seq); });
    }
}

inline void TestNode::send(NodeId to, const wire::Frame& frame) {
    if (to.value() > world_.nodes.size()) {
        return;
    }
    world_.later(to, [this, &at = world_.node(to.value()), sent = boot, frame] {
        if (!control || boot != sent || !world_.linked(*this, at)) {
            return;
        }
        if (const auto* call = std::get_if<wire::Call>(&frame)) {
            at.control->on_call(id.value(), id, "n" + std::to_string(id.value()), uuid, *call);
        } else {
            wire::Frame arrived = frame;
            at.core->on_frame(id, arrived);
        }
    });
}

inline void TestNode::reply(std::uint64_t connection, const wire::Reply& reply) {
    world_.later(NodeId(connection),
                 [this, &at = world_.node(connection), reply] { at.control->on_reply(id, reply); });
}

inline void TestNode::save_control(ControlImage saved) {
    world_.later(id, [this, saved] {
        image = saved;
        control->on_saved(saved.applied, saved.replica);
    });
}

inline void TestNode::open_group(GroupId group) {
    if (group == control::kControlGroup && control->group().replica() == nullptr) {
        control->group().hold(options(), raft::Start{}, *log, control::Machine());
    }
}

}  // namespace causeway::node::test
