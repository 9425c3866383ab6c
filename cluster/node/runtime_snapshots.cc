// Snapshots of a set, read and installed on the apply thread.
#include "cluster/node/runtime.h"

#include <chrono>
#include <thread>
#include <utility>

#include "core/replica/snapshot_install.h"

namespace causeway::node {
namespace {

// Small, so that heartbeats do not wait behind it.
constexpr std::size_t kPieceBytes = 256U << 10;

}  // namespace

void Node::Runtime::open_snapshot(GroupId group) {
    apply_thread_.ask(group, [this, group, &held = held_.at(group)](replica::SetState& state) {
        state.finish();  // what was applied in this batch is committed first
        held.snapshot = store_->snapshot_reader(group);
        loop_.post([this, group, applied = held.snapshot->applied()] {
            core_->on_snapshot_opened(group, applied);
        });
    });
}

void Node::Runtime::close_snapshot(GroupId group) {
    apply_thread_.ask(group,
                      [&held = held_.at(group)](replica::SetState&) { held.snapshot.reset(); });
}

void Node::Runtime::read_snapshot(GroupId group, NodeId to, replica::TransferId transfer,
                                  const state::SnapshotPosition& at) {
    apply_thread_.ask(
        group, [this, group, to, transfer, at, &held = held_.at(group)](replica::SetState&) {
            if (!held.snapshot) {
                return;
            }
            loop_.post([this, group, to, transfer,
                        piece = replica::read_piece(*held.snapshot, at, kPieceBytes)] {
                core_->on_snapshot_piece(group, to, transfer, piece);
            });
        });
}

void Node::Runtime::take_snapshot(GroupId group, bool begin) {
    apply_thread_.ask(group, [this, group, begin, &held = held_.at(group)](replica::SetState&) {
        if (held.installer) {
            held.installer->abandon();
            held.installer.reset();
        }
        if (begin) {
            held.installer = store_->snapshot_installer(group);
        }
    });
}

void Node::Runtime::add_snapshot(GroupId group, replica::TransferId transfer, std::uint64_t number,
                                 const SharedBytes& bytes) {
    apply_thread_.ask(
        group, [this, group, transfer, number, bytes, &held = held_.at(group)](replica::SetState&) {
            const bool added = held.installer && held.installer->add(bytes.view()).has_value();
            loop_.post([this, group, transfer, number, added] {
                core_->on_snapshot_added(group, transfer, number, added);
            });
        });
}

void Node::Runtime::install_snapshot(GroupId group, const raft::SnapshotMeta& meta) {
    apply_thread_.ask(group, [this, group, meta, &held = held_.at(group)](
                                 replica::SetState& state) { install(held, state, group, meta); });
}

// Apply thread. Until it is done this replica has no state to go on with: it waits for space.
void Node::Runtime::install(Held& held, replica::SetState& state, GroupId set,
                            const raft::SnapshotMeta& meta) {
    constexpr auto kAgain = std::chrono::milliseconds(100);
    state.finish();
    while (!held.installer->finish(meta.index, replica::encode(meta))) {
        if (stopping_) {
            return;
        }
        std::this_thread::sleep_for(kAgain);
    }
    held.installer.reset();
    held.snapshot.reset();
    state.drop();
    held.kv.reset();
    held.kv = store_->kv(set);
    auto machine = std::make_unique<state::Machine>(*held.kv);
    if (auto loaded = machine->load(); !loaded) {
        fatal_(loaded.error().message);
        return;
    }
    state.replace(std::move(machine));
    loop_.post([this, set] { core_->on_snapshot_installed(set); });
}

}  // namespace causeway::node
