// The applied side of a simulated node: its state machines, their outputs and their snapshots, as
// core/replica/apply_thread.h and runtime.cc have them on a thread.
#include <algorithm>

#include "cluster/wire/codec.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/replica/snapshot_install.h"
#include "test/sim/cluster/node.h"
#include "test/sim/kv/memory_snapshot.h"

namespace causeway::sim {

// --- the applied side --------------------------------------------------------------------------

void SimNode::apply(GroupId group, replica::Work work) {
    if (const auto* entries = std::get_if<replica::ApplyEntries>(&work)) {
        for (const raft::Entry& entry : entries->entries) {
            checker_.applying(id_, group, entry);
        }
    }
    process_->to_apply.push_back(Task{group, std::move(work)});
    run_apply();
}

void SimNode::ask(GroupId group, Action action) {
    process_->to_apply.push_back(Task{group, std::move(action)});
    run_apply();
}

void SimNode::tell_core(Action action) {
    later(process_->applied.next(world_.now(), world_.random.below(200)),
          [this, action = std::move(action)]() mutable {
              action();
              turn();
          });
}

void SimNode::list_streams(GroupId group) {
    ask(group, [this, group] {
        tell_core([this, group, streams = process_->states.at(group)->machine().live_streams()] {
            process_->core->on_streams(group, streams);
        });
    });
}

void SimNode::run_apply() {
    if (process_->applying || process_->to_apply.empty()) {
        return;
    }
    process_->applying = true;
    // Now and then the store makes everybody wait.
    const bool stalls = world_.random.chance(1, settings_.apply_turns_per_stall);
    later(world_.delay(10, stalls ? settings_.apply_stall_max : settings_.apply_max), [this] {
        process_->applying = false;
        std::size_t count = 1 + world_.random.below(process_->to_apply.size());
        std::vector<GroupId> touched;
        for (; count > 0; --count) {
            Task task = std::move(process_->to_apply.front());
            process_->to_apply.pop_front();
            touched.push_back(task.group);
            if (auto* action = std::get_if<Action>(&task.work)) {
                (*action)();
                continue;
            }
            process_->states.at(task.group)->take(std::get<replica::Work>(task.work));
        }
        std::sort(touched.begin(), touched.end());
        touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
        for (const GroupId group : touched) {
            if (process_->states.at(group)->finish()) {
                process_->to_apply.push_back(Task{group, Action([] {})});  // QoS 0 waits
            }
        }
        run_apply();
    });
}

void SimNode::on_applied(replica::Applied& applied) {
    tell_core(
        [this, applied = std::move(applied)]() mutable { process_->core->on_applied(applied); });
}

// --- snapshots, as Node::Runtime ---------------------------------------------------------------

std::uint64_t SimNode::hash_of_table(GroupId group) const {
    std::uint64_t hash = 0;
    for (const auto& [key, value] : kvs_.at(group).committed()) {
        hash = hash64(value, hash64(key, hash));
    }
    return hash;
}

void SimNode::note_table(GroupId group) {
    checker_.table(id_, group, kvs_.at(group).applied(), hash_of_table(group));
}

void SimNode::step(SnapshotStep step) {
    if (snapshot_step_) {
        snapshot_step_(*this, step);
    }
}

void SimNode::open_snapshot(GroupId group) {
    ask(group, [this, group] {
        process_->states.at(group)->finish();  // what was applied in this batch is committed first
        const MemoryKv& kv = kvs_.at(group);
        note_table(group);
        process_->held[group].snapshot = std::make_unique<MemorySnapshotReader>(kv);
        tell_core([this, group, applied = kv.applied()] {
            process_->core->on_snapshot_opened(group, applied);
        });
        step(SnapshotStep::kOpened);
    });
}

void SimNode::close_snapshot(GroupId group) {
    ask(group, [this, group] { process_->held[group].snapshot.reset(); });
}

void SimNode::read_snapshot(GroupId group, NodeId to, replica::TransferId transfer,
                            const state::SnapshotPosition& at) {
    ask(group, [this, group, to, transfer, at] {
        const Held& held = process_->held[group];
        if (!held.snapshot) {
            return;
        }
        auto piece = replica::read_piece(*held.snapshot, at, settings_.piece_bytes);
        tell_core([this, group, to, transfer, piece = std::move(piece)] {
            process_->core->on_snapshot_piece(group, to, transfer, piece);
        });
        step(SnapshotStep::kRead);
    });
}

void SimNode::take_snapshot(GroupId group, bool begin) {
    ask(group, [this, group, begin] {
        Held& held = process_->held[group];
        if (held.installer) {
            held.installer->abandon();
            held.installer.reset();
        }
        if (begin) {
            held.installer = std::make_unique<MemorySnapshotInstaller>(kvs_.at(group));
            step(SnapshotStep::kBegun);
        }
    });
}

void SimNode::add_snapshot(GroupId group, replica::TransferId transfer, std::uint64_t number,
                           const SharedBytes& bytes) {
    ask(group, [this, group, transfer, number, bytes] {
        Held& held = process_->held[group];
        const bool added = held.installer && held.installer->add(bytes.view()).has_value();
        tell_core([this, group, transfer, number, added] {
            process_->core->on_snapshot_added(group, transfer, number, added);
        });
        step(SnapshotStep::kAdded);
    });
}

void SimNode::install_snapshot(GroupId group, const raft::SnapshotMeta& meta) {
    ask(group, [this, group, meta] { install(group, meta); });
}

void SimNode::install(GroupId group, const raft::SnapshotMeta& meta) {
    Held& held = process_->held[group];
    replica::SetState& state = *process_->states.at(group);
    state.finish();
    CW_CHECK(held.installer->finish(meta.index, replica::encode(meta)));
    held.installer.reset();
    held.snapshot.reset();
    state.drop();
    MemoryKv& kv = kvs_.at(group);
    checker_.snapshot_installed(id_, group, kv.applied(), hash_of_table(group));
    auto machine = std::make_unique<state::Machine>(kv);
    if (const auto loaded = machine->load(); !loaded) {
        world_.fail("an installed table is damaged: " + loaded.error().message);
        return;
    }
    state.replace(std::move(machine));
    tell_core([this, group] { process_->core->on_snapshot_installed(group); });
    step(SnapshotStep::kInstalled);
}

// --- SetSink -----------------------------------------------------------------------------------

template <typename Message>
void SimNode::answer(const replica::Route& to, const Message& message) {
    if (to.address.node == id_) {
        tell_loop(to.address.loop, message);
        return;
    }
    std::string bytes;
    wire::append(message, bytes);
    later(process_->outgoing.next(world_.now(), world_.random.below(100)),
          [this, node = to.address.node, bytes = std::move(bytes)]() mutable {
              ++totals.frames;
              network_.send(id_, node, std::move(bytes));
          });
}

void SimNode::on_opened(GroupId group, const replica::Route& to, StreamId stream, Index index) {
    answer(to, wire::StreamOpened{group, to.address.loop, to.attachment, stream, index});
}

void SimNode::on_welcome(GroupId group, const replica::Route& to, std::uint64_t applied_seq) {
    answer(to, wire::Welcome{group, to.address.loop, to.attachment, applied_seq});
}

void SimNode::on_refused(GroupId group, const replica::Route& to, replica::AttachRefusal why) {
    using Reason = wire::StreamRefused::Reason;
    answer(to, wire::StreamRefused{
                   group, to.address.loop, to.attachment,
                   why == replica::AttachRefusal::kGap ? Reason::kGap : Reason::kDead, NodeId{}});
}

void SimNode::on_news(GroupId group, const replica::Route& to, Index upto,
                      std::shared_ptr<const StreamOutputs> outputs) {
    if (to.address.node == id_) {
        tell_loop(to.address.loop, node::LocalNews{group, to.attachment, upto, std::move(outputs)});
        return;
    }
    wire::StreamNews news{group, to.address.loop, to.attachment, upto, {}, 0};
    if (outputs) {
        news.outputs = *outputs;
    }
    answer(to, news);
}

void SimNode::on_records(GroupId group, const replica::Route& to, std::uint64_t question,
                         RecordsFound found) {
    answer(to, wire::RecordsRead{group, to.address.loop, to.attachment, question,
                                 std::move(found)});
}

}  // namespace causeway::sim
