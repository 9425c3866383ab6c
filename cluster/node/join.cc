#include "cluster/node/join.h"

#include <filesystem>

#include "cluster/control/fields.h"
#include "cluster/control/machine.h"
#include "cluster/link/links.h"
#include "cluster/node/control.h"
#include "cluster/node/identity.h"
#include "cluster/wire/codec.h"
#include "core/io/loop.h"
#include "core/io/timer.h"
#include "core/wal/posix_disk.h"

namespace causeway::node {
namespace {

constexpr std::uint64_t kAskAgainMs = 1'000;

struct Admission {
    NodeId id;
    control::Machine machine;
};

// Dials every seed and asks whoever answers, again and again: a member that has no way to the
// leader of the control group says so, and another may have one.
class Asking final : public link::LinkEvents {
public:
    Asking(io::Loop& loop, std::string command)
        : loop_(loop), command_(std::move(command)), timer_(loop, [this] { ask(); }) {}

    Result<> open(const link::LinkOptions& options, const JoinOptions& join) {
        auto links = link::Links::open(loop_, options, *this);
        if (!links) {
            return tl::unexpected(links.error());
        }
        links_ = std::move(*links);
        std::vector<link::PeerAddress> seeds;
        for (const auto& [host, port] : join.seeds) {
            seeds.push_back({NodeId(seeds.size() + 1), "", host, port});
        }
        links_->set_peers(std::move(seeds));
        timer_.start(kAskAgainMs, kAskAgainMs);
        return {};
    }

    std::optional<Admission> admission;
    std::string last_word = "no seed answers";

private:
    void on_connected(const link::Remote& peer) override {
        open_.push_back(peer.id);
        ask();
    }
    void on_disconnected(NodeId peer) override { std::erase(open_, peer); }
    void on_peer_up(const link::Remote&) override {}
    void on_peer_down(NodeId) override {}
    void on_frame(NodeId, std::uint8_t, SharedBytes) override {}
    void on_call(link::ConnectionId, const link::Remote&, wire::Call) override {}
    void on_refused(std::string_view line) override { last_word = line; }

    void on_reply(NodeId, wire::Reply reply) override {
        if (!reply.ok) {
            last_word = reply.body;
            return;
        }
        Admission given;
        std::string_view state;
        const bool sound = control::read_fields(reply.body, nullptr, [&](const auto& field) {
            if (field.tag == 1) {
                return control::took(field.id(given.id));
            }
            if (field.tag == 2) {
                state = field.bytes;
                return control::Took::kYes;
            }
            return control::Took::kUnknown;
        });
        if (!sound || !given.id || !given.machine.restore(state)) {
            last_word = "the answer of a member cannot be read: is it of a newer version?";
            return;
        }
        admission = std::move(given);
        loop_.stop();
    }

    void ask() {
        for (const NodeId seed : open_) {
            std::string frame;
            wire::append(wire::Call{++asked_, "join", command_}, frame);
            links_->send(seed, frame);
        }
    }

    io::Loop& loop_;
    std::string command_;
    io::Timer timer_;
    std::unique_ptr<link::Links> links_;
    std::vector<NodeId> open_;
    std::uint64_t asked_ = 0;
};

Result<> check_unused(const std::string& data_dir) {
    auto files = wal::PosixDisk::open(data_dir);
    if (!files) {
        return fail(files.error().message);
    }
    const auto membership = load_membership(**files);
    if (!membership) {
        return tl::unexpected(membership.error());
    }
    std::error_code ignored;
    if ((*membership && !(*membership)->joined) ||
        (!*membership && std::filesystem::exists(data_dir + "/wal", ignored))) {
        return fail(data_dir +
                    " is the data directory of another node; a node joins with an empty one");
    }
    return {};
}

}  // namespace

Result<NodeId> join(const JoinOptions& options) {
    if (auto unused = check_unused(options.data_dir); !unused) {
        return tl::unexpected(unused.error());
    }
    auto files = wal::PosixDisk::open(options.data_dir);
    if (!files) {
        return fail(files.error().message);
    }
    auto identity = load_identity(**files, options.data_dir, options.random);
    if (!identity) {
        return tl::unexpected(identity.error());
    }
    control::AddNode command;
    command.node = {uuid_text(identity->id), options.name, options.address,
                    control::Roles{options.gateway, options.core}, ""};
    link::LinkOptions link;
    link.self = NodeId{};
    link.name = options.name;
    link.node_uuid = identity->id;
    link.boot = identity->boot;
    link.server = options.link_server;
    link.client = options.link_client;
    link.seed = options.random;
    io::Loop loop;
    io::Timer limit(loop, [&loop] { loop.stop(); });
    limit.start(options.limit_ms);
    Asking asking(loop, control::encode(command));
    if (auto opened = asking.open(link, options); !opened) {
        return tl::unexpected(opened.error());
    }
    loop.run();
    if (!asking.admission) {
        return fail(asking.last_word);
    }
    const control::Machine& machine = asking.admission->machine;
    const ControlImage image{false, machine.model().applied, "", machine.snapshot()};
    if (auto stored = store_control(**files, encode(image)); !stored) {
        return tl::unexpected(stored.error());
    }
    if (auto stored = store_membership(**files, Membership{asking.admission->id, true}); !stored) {
        return tl::unexpected(stored.error());
    }
    return asking.admission->id;
}

}  // namespace causeway::node
