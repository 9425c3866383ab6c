// The sessions of a set and who owns each: opening, taking over, closing, expiring; their
// subscriptions; their inboxes. Rules 5 to 9, 12 and 13 of the session protocol
// (docs/formats/commands.md). Apply thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include "core/message/trie.h"
#include "core/state/groups.h"
#include "core/state/interests.h"
#include "core/state/item.h"
#include "core/state/outgoing.h"
#include "core/state/peers.h"
#include "core/state/queues.h"
#include "core/state/session.h"
#include "core/state/streams.h"
#include "core/state/work.h"

namespace causeway::state {

struct Memory;

class Sessions {
public:
    // The tables it works with.
    struct Tables {
        Items& items;
        Queues& queues;
        Streams& streams;
        WorkList& work;
        Peers& peers;
        Interests& interests;
        Groups& groups;
    };
    Sessions(Context& context, const Tables& tables)
        : context_(context),
          items_(tables.items),
          queues_(tables.queues),
          streams_(tables.streams),
          work_(tables.work),
          peers_(tables.peers),
          interests_(tables.interests),
          groups_(tables.groups) {}

    bool load();
    void flush();

    // Commands. Each returns its result; `answer` gets the detail.
    ResultCode open(const Open& command, StreamId stream, std::string& answer);
    ResultCode close(const Close& command, StreamId stream);
    // kLater: the answer comes as StreamOutputs::settled, `answer` is what it would be now.
    ResultCode subscribe(const Subscribe& command, const CommandHeader& header,
                         std::string& answer);
    ResultCode unsubscribe(const Unsubscribe& command, StreamId stream, std::string& answer);
    ResultCode acknowledge(const Ack& command, StreamId stream);
    ResultCode received(const Received& command, StreamId stream);
    ResultCode release(const Release& command, StreamId stream);

    // The session that owns `epoch` on this stream, or null: the command is stale.
    [[nodiscard]] Session* owner(std::uint64_t epoch, StreamId stream);
    // QoS 2: false when the packet id was noted before and is not released yet.
    [[nodiscard]] static bool may_note_incoming(const Session& session, std::uint16_t packet_id);
    void note_incoming(Session& session, std::uint16_t packet_id);

    // Effect: hands the message to every session with a matching subscription, appended to inboxes
    // or pushed at once, and to the streams of other sets that have such sessions, one item each.
    // Returns how many sessions and sets it went to.
    std::size_t deliver(const Outgoing& message);
    // The same for the sessions of this set only: the message came from another one.
    std::size_t deliver_here(const Outgoing& message);
    // A publish that is not in the log goes only to connections, at QoS 0. Returns who else wants
    // it.
    struct Elsewhere {
        std::vector<GroupId> sets;
        std::vector<std::pair<GroupId, std::string>> groups;  // and the shared subscription
    };
    Elsewhere deliver_unlogged(const Outgoing& message);
    // The same when it came from another set.
    void deliver_unlogged_here(const Outgoing& message);
    void deliver_unlogged_to_group(std::string_view filter, const Outgoing& message);
    // A message for one member of a shared subscription, from another set.
    void deliver_to_group(std::string_view filter, const Outgoing& message);
    // A retained message for one session and subscription.
    void deliver_retained(Session& session, const Outgoing& message,
                          const Subscription& subscription);
    // The same from another set, if the session still has the subscription.
    void deliver_retained_from_peer(std::uint64_t session_id, std::string_view filter,
                                    const Outgoing& message);

    // Another set has subscriptions to the filter, or none any more.
    void add_interest(GroupId set, std::string_view filter);
    void drop_interest(GroupId set, std::string_view filter);
    // Effect: another set has applied this set's items up to `upto`: SUBSCRIBEs that waited for
    // that are answered.
    void peer_applied(GroupId set, std::uint64_t upto);
    // A SUBSCRIBE has waited long enough.
    void on_subscribe_timer(std::uint64_t waiting);

    // Slices of long work; each returns the units done and sets `more`.
    std::uint32_t detach_slice(WorkItem& item, std::uint32_t budget, bool& more);
    std::uint32_t pump_slice(const WorkItem& item, std::uint32_t budget, bool& more);
    std::uint32_t purge_slice(WorkItem& item, std::uint32_t budget, bool& more);
    std::uint32_t regroup_slice(WorkItem& item, std::uint32_t budget, bool& more);
    // Interests after another layout.
    std::uint32_t fit_slice(WorkItem& item, std::uint32_t budget, bool& more);
    // A session's timer is due: its will, its end, or neither any more.
    void on_timer(std::uint64_t session_id);

    [[nodiscard]] Session* find(std::uint64_t id);
    [[nodiscard]] std::size_t size() const { return by_id_.size(); }
    [[nodiscard]] std::size_t attached() const { return by_epoch_.size(); }
    [[nodiscard]] std::size_t subscriptions() const { return subscription_count_; }
    // Of other sets.
    [[nodiscard]] std::size_t held_interests() const { return held_interests_; }
    [[nodiscard]] std::uint64_t inbox_messages() const;
    // Without a look at each session.
    [[nodiscard]] Memory memory() const;

private:
    struct Target {
        Session* session = nullptr;    // null: another set, or a group
        std::uint32_t identifier = 0;  // of the subscription; the other set; the group's slot
        std::uint8_t qos = 0;
        bool no_local = false;
        bool retain_as_published = false;
        bool shared = false;  // a group
    };
    struct Recipient {
        Session* session = nullptr;
        std::uint8_t qos = 0;
        bool retain = false;
        absl::InlinedVector<std::uint32_t, 2> ids;
        std::string_view group;
    };
    enum class ToGroups : std::uint8_t { kNone, kLogged, kUnlogged };
    struct GroupChoice {
        bool own_sessions_only = false;  // another set has chosen this one
        bool unlogged = false;
        bool keep = false;      // who is away may get it when it comes back
        int readiness_min = 1;  // see readiness()
        const Session* except = nullptr;
    };
    struct Chosen {
        Member member;
        std::string_view filter;
    };

    bool load_inbox(Session& session);
    bool load_subscriptions();
    bool load_interests();
    // The items of ended sessions refer to bodies until they are purged.
    bool load_purges();
    void mark(Session& session);
    void create(const Open& command);
    void attach(Session& session, const Open& command, StreamId stream);
    // Ends the connection; may end the session. `at`: when it was lost.
    void detach(Session& session, CloseReason reason, SetMs at, std::string_view why);
    // events.cc: each makes its event if the rules ask for it.
    void tell_opened(const Session& session, const Open& command);
    void tell_refused(const Open& command);
    void tell_detached(const Session& session, std::string_view why);
    void tell_subscription(EventKind kind, const Session& session, std::string_view filter,
                           std::uint8_t qos);
    // `item`: the copy that this session has of the message.
    void tell_message(EventKind kind, const Session& session, const Item& item,
                      const ItemMessage& message, std::string_view why);
    // The same for item `n` of its inbox.
    void tell_message(EventKind kind, const Session& session, std::uint64_t n,
                      std::string_view why);
    void end(Session& session);
    void fire_will(Session& session);
    void arm(Session& session);
    void disarm(Session& session);

    // subscribe.cc
    [[nodiscard]] static bool is_set(const Target& target) {
        return target.session == nullptr && !target.shared;
    }
    // False: the interest is held already.
    bool link_set(GroupId set, std::string_view filter);
    // The filter's byte of the answer; `waiting` gets what it waits for.
    char subscribe_one(Session& session, const SubscriptionRequest& request,
                       WaitingSubscribe& waiting);
    void ask_retained(const Session& session, const SubscriptionRequest& request);
    void store(const Session& session, const Subscription& subscription);
    void unsubscribe_one(Session& session, std::vector<Subscription>::iterator at);
    // The first one not before the filter: they are sorted.
    static std::vector<Subscription>::iterator subscription_at(Session& session,
                                                               std::string_view filter);
    // Null: none of exactly this filter.
    static Subscription* subscription_of(Session& session, std::string_view filter);
    // The connection that asked still owns the session.
    [[nodiscard]] bool still_asks(const WaitingSubscribe& waiting, const Session& session) const;
    void settle(const WaitingSubscribe& waiting);

    // share.cc
    void link(Session& session, const Subscription& subscription);
    void unlink(Session& session, std::string_view filter);
    void join(std::string_view filter, const Member& member);
    // False: it was no member.
    bool leave(std::string_view filter, std::uint64_t order);
    [[nodiscard]] bool has_own_subscription(std::string_view filter);
    [[nodiscard]] int readiness(const Member& member, bool keep) const;
    // The member whose turn it is, of those that are readiest; null: nobody.
    const Member* choose(Group& group, const GroupChoice& choice);
    void collect_group(Group& group, const Outgoing& message, bool unlogged);
    static Recipient recipient_of(const Member& member, std::string_view filter);
    void send_to_group_of(GroupId set, std::string_view filter, const Outgoing& message);
    bool hand_to(const Member& member, std::string_view filter, const Outgoing& message);
    // What waits in the session's inbox is offered to the other members.
    void regroup(const Session& session);
    [[nodiscard]] static bool in_group(const Session& session);
    // What waits for members that are away is offered to the session.
    void wake_group(const Session& session, std::string_view filter);
    bool hand_over(const Item& item, const ItemMessage& message, const Session* from);
    void hand_over_purged(std::uint64_t n, std::string_view record, std::uint64_t pushed);

    // inbox.cc
    void collect(const Outgoing& message, ToGroups to_groups);
    void deliver_collected(const Outgoing& message, bool attached_only);
    void append(Session& session, const Outgoing& message, const Recipient& to,
                std::uint64_t body_id);
    bool make_room(Session& session, std::uint64_t bytes, bool for_event);
    // Without its message.
    static Item item_of(const Outgoing& message, const Recipient& to);
    void push_direct(Session& session, const Outgoing& message, const Recipient& to);
    void resume(Session& session);
    // Pushes waiting items while the window is open; counts those it looks at off `budget`. True:
    // more could go at once.
    bool pump(Session& session, std::uint32_t& budget);
    bool pump_some(Session& session, std::uint32_t& budget);
    void pump_or_queue(Session& session);
    void push_waiting(Session& session, std::uint64_t n, std::string_view record);
    static std::vector<InFlight>::iterator in_flight_at(Session& session, std::uint64_t n);
    [[nodiscard]] bool window_open(const Session& session) const;
    void drop_item(Session& session, std::uint64_t n, std::uint64_t body_id, std::uint64_t bytes);
    Delivery& add_delivery(Session& session, std::uint32_t message);

    Context& context_;
    Items& items_;
    Queues& queues_;
    Streams& streams_;
    WorkList& work_;
    Peers& peers_;
    Interests& interests_;
    Groups& groups_;
    absl::btree_map<std::uint64_t, std::unique_ptr<Session>> by_id_;
    absl::flat_hash_map<std::string_view, Session*> by_client_;  // views of Session::client_id
    absl::flat_hash_map<std::uint64_t, Session*> by_epoch_;      // attached sessions
    TopicTrie<Target> trie_;
    std::vector<std::uint64_t> dirty_;
    std::vector<Target> targets_;  // scratch of deliver()
    std::vector<Recipient> recipients_;
    std::vector<GroupId> sets_;
    std::vector<Chosen> chosen_;  // by shared subscriptions
    std::size_t held_interests_ = 0;
    std::size_t subscription_count_ = 0;
    std::size_t client_id_bytes_ = 0;  // on the heap
    std::size_t filter_bytes_ = 0;     // the same of subscriptions
};

}  // namespace causeway::state
