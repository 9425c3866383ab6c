#include "core/replica/apply_thread.h"

#include <utility>

namespace causeway::replica {

ApplyThread::~ApplyThread() { stop(); }

void ApplyThread::add(GroupId group, std::unique_ptr<state::Machine> machine) {
    auto added = std::make_unique<Group>();
    added->machine = std::move(machine);
    groups_[group] = std::move(added);
}

void ApplyThread::start() {
    thread_ = std::thread([this] { run(); });
}

void ApplyThread::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ApplyThread::push(Item item) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = queue_.empty();
        queue_.push_back(std::move(item));
    }
    if (first) {
        wake_.notify_one();
    }
}

void ApplyThread::apply(GroupId group, std::vector<raft::Entry> entries) {
    push(Entries{group, std::move(entries)});
}

void ApplyThread::publish_unlogged(GroupId group, StreamId stream, SharedBytes frames) {
    push(Unlogged{group, stream, std::move(frames)});
}

void ApplyThread::ask(GroupId group, Query query) { push(Question{group, std::move(query)}); }

void ApplyThread::run() {
    std::vector<Item> items;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) {
                return;
            }
            items.swap(queue_);
        }
        for (Item& item : items) {
            take(item);
        }
        items.clear();
        finish();
    }
}

void ApplyThread::take(Item& item) {
    if (auto* entries = std::get_if<Entries>(&item)) {
        Group& group = *groups_.at(entries->group);
        for (const raft::Entry& entry : entries->entries) {
            const bool command = entry.kind == raft::EntryKind::kCommand;
            group.machine->apply(entry.index, command ? entry.payload : SharedBytes{},
                                 group.outputs);
        }
        group.touched = true;
        return;
    }
    if (auto* unlogged = std::get_if<Unlogged>(&item)) {
        Group& group = *groups_.at(unlogged->group);
        ByteReader in(unlogged->frames.view());
        std::string_view command;
        while (next_frame(in, command)) {
            ByteReader fields(command);
            CommandHeader header;
            Publish publish;
            if (decode_header(fields, header) && decode(fields, publish)) {
                group.machine->publish_unlogged(publish, unlogged->frames, group.outputs);
            }
        }
        group.outputs.stream(unlogged->stream).unlogged_bytes_done += unlogged->frames.size();
        group.touched = true;
        return;
    }
    auto& question = std::get<Question>(item);
    question.query(*groups_.at(question.group)->machine);
}

void ApplyThread::finish() {
    for (auto& [id, group] : groups_) {
        if (!group->touched) {
            continue;
        }
        state::Machine& machine = *group->machine;
        machine.commit();
        const ApplySink::Applied applied{id,
                                         machine.applied(),
                                         machine.time(),
                                         machine.next_timer(),
                                         machine.has_work(),
                                         machine.limits()};
        sink_.on_applied(applied, group->outputs);
        group->outputs.clear();
        group->touched = false;
    }
}

}  // namespace causeway::replica
