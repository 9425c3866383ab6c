// Three nodes on one loop that send, restart, forget and learn of each other at random. Whatever
// happens, events come in pairs, and what arrives of one connection is what was sent on it from its
// beginning, in order, without a gap.
#include <cstdlib>
#include <map>

#include "core/base/random.h"
#include "test/cluster/link/support.h"

namespace causeway::link {
namespace {

// Which connection of its sender a frame belongs to, and its place there.
struct Mark {
    std::uint64_t connection;
    std::uint64_t number;
};

class Member final : public LinkEvents {
public:
    explicit Member(LinkOptions with) : options(std::move(with)) {}

    void on_connected(const Remote& peer) override {
        EXPECT_FALSE(out.contains(peer.id));
        out[peer.id] = {++connections, 0};
    }
    void on_disconnected(NodeId peer) override { EXPECT_EQ(out.erase(peer), 1U); }
    void on_peer_up(const Remote& peer) override {
        EXPECT_FALSE(in.contains(peer.id));
        in[peer.id] = {0, 0};
    }
    void on_peer_down(NodeId peer) override { EXPECT_EQ(in.erase(peer), 1U); }
    void on_frame(NodeId from, std::uint8_t type, SharedBytes body) override {
        const auto frame = wire::decode(type, body);
        ASSERT_TRUE(frame && in.contains(from));
        const auto& items = std::get<wire::PeerItems>(*frame);
        Mark& last = in[from];
        EXPECT_EQ(items.first, last.number++);
        EXPECT_TRUE(last.number == 1 || items.from.value() == last.connection);
        last.connection = items.from.value();
        ++received;
    }
    void on_call(ConnectionId, const Remote&, wire::Call) override { ADD_FAILURE(); }
    void on_reply(NodeId, wire::Reply) override { ADD_FAILURE(); }
    void on_refused(std::string_view) override {}

    void send(NodeId peer, std::size_t size) {
        const auto way = out.find(peer);
        if (way == out.end()) {
            return;
        }
        wire::PeerItems items;
        items.from = GroupId(static_cast<std::uint32_t>(way->second.connection));
        items.first = way->second.number;
        items.items = std::string(size, 'x');
        std::string frame;
        append(items, frame);
        way->second.number += links->send(peer, frame) ? 1 : 0;
    }

    LinkOptions options;
    std::unique_ptr<Links> links;
    std::map<NodeId, Mark> out;
    std::map<NodeId, Mark> in;
    std::uint64_t connections = 0;
    std::uint64_t received = 0;
};

class Cluster {
public:
    explicit Cluster(std::uint64_t seed) : random_(seed), wake_(loop_, [] {}) {
        wake_.start(1, 1);  // No step waits for longer.
        const char* names[] = {"a", "b", "c"};
        for (std::uint64_t id = 1; id <= 3; ++id) {
            Node like(loop_, names[id - 1], id);
            like.options.queue_bytes_max = 300'000;
            like.options.seed = seed;
            members_.push_back(std::make_unique<Member>(like.options));
            start(*members_.back());
        }
    }
    void step() {
        Member& one = *members_[random_.below(members_.size())];
        if (random_.chance(1, 60)) {
            stop(one);
            start(one);
        } else if (random_.chance(1, 60)) {
            one.links->set_peers(peers(random_.chance(1, 2)));
        }
        for (std::uint64_t i = random_.below(8); i > 0; --i) {
            const std::uint64_t size = random_.chance(1, 12) ? 200'000 : 400;
            one.send(NodeId(random_.between(1, 4)), random_.below(size));
        }
        if (random_.chance(1, 3)) {
            loop_.again();
        }
        loop_.turn();
    }
    bool settle() {
        for (const auto& member : members_) {
            member->links->set_peers(peers(false));
        }
        return run_until(loop_, [this] {
            return std::all_of(members_.begin(), members_.end(), [](const auto& member) {
                return member->out.size() == 2 && member->in.size() == 2;
            });
        });
    }
    [[nodiscard]] std::uint64_t received() const {
        return members_[0]->received + members_[1]->received + members_[2]->received;
    }

private:
    void start(Member& member) {
        ++member.options.boot;
        member.links = Links::open(loop_, member.options, member).value();
        member.options.port = member.links->port();
        member.links->set_peers(peers(false));
    }
    static void stop(Member& member) {
        member.links.reset();
        member.out.clear();
        member.in.clear();
    }
    std::vector<PeerAddress> peers(bool one_is_missing) {
        std::vector<PeerAddress> table;
        for (const auto& member : members_) {
            const LinkOptions& options = member->options;
            table.push_back({options.self, options.name, options.host, options.port});
        }
        if (one_is_missing) {
            table.erase(table.begin() + static_cast<std::ptrdiff_t>(random_.below(table.size())));
        }
        return table;
    }

    io::Loop loop_;
    Random random_;
    io::Timer wake_;
    std::vector<std::unique_ptr<Member>> members_;
};

TEST(Chaos, ConnectionsKeepTheirPromises) {
    const char* more = std::getenv("CAUSEWAY_ROUNDS");
    const std::uint64_t seeds = more != nullptr ? std::strtoull(more, nullptr, 10) : 2;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Cluster cluster(seed);
        ASSERT_TRUE(cluster.settle());
        for (int i = 0; i < 500; ++i) {
            cluster.step();
        }
        ASSERT_TRUE(cluster.settle());
        EXPECT_GT(cluster.received(), 100U);
        if (testing::Test::HasFailure()) {
            return;
        }
    }
}

}  // namespace
}  // namespace causeway::link
