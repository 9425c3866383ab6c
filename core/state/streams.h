// The numbered streams between gateway loops and this set (session protocol, rules 1 to 4 and 9):
// which command of each was applied last, which streams are dead, and the results that were not ok,
// so that a command sent again is answered as the first time. Apply thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>

#include "core/state/context.h"

namespace causeway::state {

struct Stream {
    StreamId id = 0;
    std::uint64_t node = 0;
    std::uint64_t boot = 0;
    std::uint32_t loop = 0;
    std::uint64_t nonce = 0;  // of its HELLO: the loop asks with a larger one when it gave it up
    std::uint64_t applied = 0;
    SetMs died_at = 0;  // 0: alive
    struct NotOk {
        std::uint64_t seq = 0;
        ResultCode code{};
        std::uint64_t publisher = 0;  // of a refused publish, see publisher_of()
    };
    // Results that were not ok, newest last, at most kNotOkMax.
    std::deque<NotOk> not_ok;
    bool dirty = false;
};

class Streams {
public:
    explicit Streams(Context& context) : context_(context) {}
    bool load();
    void flush();

    // Effect: the stream of (node, boot, loop, nonce), made if new. Streams of older boots of the
    // node and of older nonces of the loop are put into `died`: the caller detaches their sessions.
    Stream& hello(const Hello& command, std::vector<StreamId>& died);
    // False: unknown or dead already.
    bool declare_dead(StreamId id);
    [[nodiscard]] Stream* find(StreamId id);
    // An unknown stream counts as dead.
    [[nodiscard]] bool alive(StreamId id) const;
    [[nodiscard]] SetMs died_at(StreamId id) const;

    // What to do with command `seq` of a stream: kOk: apply it; kDuplicate, kResync, kDead: do not.
    [[nodiscard]] ResultCode admit(Stream& stream, std::uint64_t seq) const;
    // `publisher`: whose publish was refused, 0 if none was.
    void applied(Stream& stream, std::uint64_t seq, ResultCode code, std::uint64_t publisher);
    // A publish of the same publisher was refused, and its gateway did not know it when it gave
    // command `header` to the stream.
    [[nodiscard]] static bool follows_refusal(const Stream& stream, const CommandHeader& header,
                                              std::uint64_t publisher);
    [[nodiscard]] const absl::btree_map<StreamId, Stream>& all() const { return by_id_; }
    // A dead stream none of whose sessions is attached any more.
    void forget(StreamId id);

    static constexpr std::size_t kNotOkMax = 4096;

private:
    void mark(Stream& stream);
    Context& context_;
    absl::btree_map<StreamId, Stream> by_id_;
    std::vector<StreamId> dirty_;
};

}  // namespace causeway::state
