// What a node does around a snapshot transfer, in order, and the parts of it that are computed.
//
// Leader. raft asks LogReader::snapshot() for what may be sent, and answers with an InstallSnapshot
// message in Ready.messages. That message is not sent:
//   1. A reader is made (Store::snapshot_reader), not before compaction is held back at its
//      applied(). snapshot() gives nullopt until raft has applied reader.applied(); then
//      {applied(), the log's term there, the configuration in force there}. It must stay the
//      answer, and the log be compacted no further, until step 4.
//   2. The message makes a SnapshotSender with transfer_id(its term, count). Each loop turn:
//      next_read(), read_piece() on a thread that may wait, on_piece(); a chunk goes to the
//      follower. Acks go to on_ack(), a new connection to on_reset(), time to tick().
//   3. kDelivered: install() is sent over the same connection, then Raft::report_snapshot(to,
//   true).
//      kFailed: report_snapshot(to, false). Ceasing to lead: neither.
//   4. Sender and reader are destroyed.
//
// Follower. Chunks of any node go to the group's SnapshotReceiver; its actions are done in order
// where waiting is allowed; Replica::hold_elections(coming()) after each call.
//   1. A raft InstallSnapshot message is given to step() only if holds(its meta), or if it is not
//      above the commit index (raft answers it without installing); else it is dropped.
//   2. raft's next Ready has `snapshot` (else: raft did not want it, abandon()). Everything
//      committed before is applied; then finish(meta.index, encode(meta)), again while it fails;
//      installed(). The Kv is made anew and the machine loaded from it: Kv::applied() is
//      meta.index.
//   3. Only then snapshot_batch() is appended, with truncation, entries and hard state of the same
//      Ready, and on_append_done() called when it is fsynced: that sends raft's acknowledgement.
//      Appends of later Readys wait behind it.
// A crash between 2 and 3 leaves a table that is ahead of the log. So at every start, before
// start_of(): if unrecorded_snapshot() gives a batch, it is appended and fsynced first.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/raft/types.h"
#include "core/wal/types.h"

namespace causeway::replica {

// The origin of a table, kept by the store: SnapshotInstaller::finish, Store::snapshot_meta.
std::string encode(const raft::SnapshotMeta& meta);
std::optional<raft::SnapshotMeta> decode_snapshot_meta(std::string_view bytes);

// What the log records of an installed snapshot: it replaces all entries, and its configuration is
// the one at the compaction point.
wal::Batch snapshot_batch(GroupId group, const raft::SnapshotMeta& meta);

// What the log must be told at a start because a crash came before it was. `held`: what the log has
// of the group, if anything; `origin`: Store::snapshot_meta(). nullopt: nothing. Error: `origin` is
// damaged.
Result<std::optional<wal::Batch>> unrecorded_snapshot(GroupId group,
                                                      const std::optional<wal::GroupSummary>& held,
                                                      std::string_view origin);

}  // namespace causeway::replica
