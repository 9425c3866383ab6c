// Known bugs of replicated systems, planted on purpose behind a compile-time switch: the tests of
// the tests. A test program built with CAUSEWAY_SEEDED_BUGS chooses one and fails unless its checks
// find it. In every other build CAUSEWAY_BUG() is the constant false: no branch, no data.
//
// Write `if (CAUSEWAY_BUG(kName))` at the place where the mistake would be made. A place plants
// exactly one bug; a bug may need several places.
#pragma once

#include <atomic>
#include <cstdint>

namespace causeway {

enum class SeededBug : std::uint8_t {
    kNone = 0,
    // In core/raft; found by test/core/raft/seeded_bugs.cc.
    kCommitOldTermByCounting,     // «Raft thesis §3.6.2»
    kEchoLastIndex,               // A follower answers with the end of its log.
    kAcknowledgeByIndexOnly,      // A late fsync speaks for entries written again since.
    kClearVoteAtStepDown,         // A candidate that gives up forgets for whom it voted.
    kTruncateOnDuplicate,         // An append that came before cuts what follows it.
    kAcknowledgeBeforeFsync,      // A follower's answer leaves before its disk is done.
    kOwnVoteBeforeFsync,          // A leader counts itself before its disk is done.
    kCommitBeyondVerified,        // A follower believes the commit index for its own tail.
    kVoteBeforeDurable,           // A vote leaves before it is on disk.
    kNextNotAboveMatch,           // An overtaken refusal moves next below match.
    kSnapshotKeepsConfiguration,  // A snapshot is installed without its configuration.
    kPreVoteResetsTimer,          // A question about a vote counts as a sign of life.
    kChangeBeforeOwnTerm,         // A membership change before an entry of the own term commits.
    // Elsewhere, for the simulation of a whole cluster.
    kAppliedIndexNotAtomic,      // test/sim/kv: the applied index is flushed apart from its data.
    kMissedDirectoryFsync,       // core/wal: a new segment's name is not durable.
    kDeduplicateByPacketId,      // core/state: a reused packet id counts as the same message.
    kPubrelBeforePubrecApplied,  // gateway: PUBREL leaves before the PUBREC is in the log.
    kPubcompBeforeRelease,       // gateway: PUBCOMP leaves before the release is applied.
    kSubackBeforeInterest,       // core/state: SUBACK before every set knows the interest.
    kAcceptBehindRefused,        // core/state: a publish behind a refused one is accepted.
    kCommandsBeforeOwnTerm,      // core/raft: commands before the empty entry is applied.
};

#if defined(CAUSEWAY_SEEDED_BUGS)
// Process-wide; a test sets it before it builds the machines under test.
inline std::atomic<SeededBug> seeded_bug{SeededBug::kNone};
#endif

}  // namespace causeway

#if defined(CAUSEWAY_SEEDED_BUGS)
#define CAUSEWAY_BUG(name) \
    (::causeway::seeded_bug.load(::std::memory_order_relaxed) == ::causeway::SeededBug::name)
#else
#define CAUSEWAY_BUG(name) (static_cast<void>(::causeway::SeededBug::name), false)
#endif
