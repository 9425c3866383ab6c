// The runtime's part in the control group: which node this directory is, what the disk keeps of the
// control state, and what a change of the cluster means for links and sets.
#include <algorithm>
#include <utility>

#include "cluster/node/runtime.h"
#include "core/replica/snapshot_install.h"

namespace causeway::node {
namespace {

constexpr std::uint64_t kSaveAgainMs = 1'000;
// Those a cluster begins with hold its sets.
constexpr control::Roles kBoth{true, true};

std::string address_text(const std::string& host, std::uint16_t port) {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// The inverse; the configuration has checked the one and the control group carries it.
std::pair<std::string, std::uint16_t> split_address(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) {
        return {address, 0};
    }
    std::string host = address.substr(0, colon);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    std::uint64_t port = 0;
    for (const char digit : address.substr(colon + 1)) {
        port = digit >= '0' && digit <= '9' && port <= 65'535
                   ? port * 10 + static_cast<std::uint64_t>(digit - '0')
                   : 65'536;
    }
    return {std::move(host), static_cast<std::uint16_t>(port <= 65'535 ? port : 0)};
}

}  // namespace

// --- the start ---------------------------------------------------------------------------------

Result<> Node::Runtime::open_membership() {
    auto known = load_membership(*files_);
    if (!known) {
        return fail(options_.data_dir + ": " + known.error().message);
    }
    if (*known) {
        membership_ = **known;
        if (!membership_.joined && !(membership_.self == options_.self)) {
            return fail(options_.data_dir + " is node " + std::to_string(membership_.self.value()) +
                        "'s, and the configuration says this is node " +
                        std::to_string(options_.self.value()));
        }
        options_.self = membership_.self;
        return membership_.joined ? take_shape() : Result<>{};
    }
    if (options_.members.empty() && has_links()) {
        return fail("this node is no member of cluster " + options_.cluster +
                    " yet: causeway cluster join --config FILE");
    }
    membership_ = Membership{options_.self, false};
    return store_membership(*files_, membership_);
}

// Who joined learned how many sets there are from the cluster.
Result<> Node::Runtime::take_shape() {
    options_.members.clear();
    control::Machine machine;
    const auto image = load_control(*files_);
    if (!image || !*image || !machine.restore((*image)->state) || machine.model().sets == 0) {
        return fail(options_.data_dir + ": what this node learned when it joined is gone: " +
                    (image ? "join again with an empty data directory" : image.error().message));
    }
    options_.sets = machine.model().sets;
    make_sets();
    return {};
}

raft::Configuration Node::Runtime::bootstrap() const {
    raft::Configuration configuration;
    for (const Member& member : options_.members) {
        configuration.voters.push_back(member.id);
    }
    std::sort(configuration.voters.begin(), configuration.voters.end());
    if (configuration.voters.empty() && !membership_.joined) {
        configuration.voters.push_back(options_.self);
    }
    return configuration;
}

Result<> Node::Runtime::open_control() {
    ControlOptions options;
    options.self = options_.self;
    options.uuid = identity_.id;
    options.boot = identity_.boot;
    options.name = options_.name;
    options.address = address_text(options_.host, options_.port);
    options.roles = control::Roles{options_.gateway, options_.core};
    options.version = options_.version;
    options.cluster = options_.cluster;
    options.sets = options_.sets;
    options.voters_per_set = options_.voters_per_set;
    options.balance_ms = options_.balance_ms;
    for (const Member& member : options_.members) {
        options.founders.push_back({member.name, address_text(member.host, member.port), kBoth});
    }
    if (options_.members.empty() && !membership_.joined) {
        options.founders.push_back({options_.name, options.address, kBoth});
    }
    control_ = std::make_unique<Control>(options, *core_, clock_, *this, *this);
    auto image = load_control(*files_);
    if (!image) {
        return fail(options_.data_dir + ": " + image.error().message);
    }
    control::Machine machine;
    if (*image && !machine.restore((*image)->state)) {
        return fail(options_.data_dir + "/control is of a version this program cannot read");
    }
    const bool logged = replica::knows(writer_->log(), control::kControlGroup);
    const bool own = *image && (*image)->replica;
    const auto configuration = bootstrap();
    if (*image && !own) {
        control_->group().adopt(std::move(machine));
        machine = control::Machine();
    }
    if (!logged && !own) {
        if (membership_.joined) {
            return {};
        }
        if (auto written =
                append_and_wait(replica::bootstrap_batch(control::kControlGroup, configuration));
            !written) {
            return written;
        }
    }
    if (auto recorded = record_snapshot(control::kControlGroup, own ? (*image)->origin : "");
        !recorded) {
        return recorded;
    }
    auto start = replica::start_of(writer_->log(), control::kControlGroup, machine.model().applied,
                                   configuration);
    if (!start) {
        return tl::unexpected(start.error());
    }
    control_reader_ = std::make_unique<replica::WalReader>(writer_->log(), control::kControlGroup);
    const auto replica = replica_options(control::kControlGroup);
    if (auto sound = raft::check_start(replica.raft, *start, *control_reader_); !sound) {
        return sound;
    }
    control_->group().hold(replica, *start, *control_reader_, std::move(machine));
    return {};
}

// Core loop, once it runs. A group's only voter need not wait for an election.
void Node::Runtime::begin_control() {
    save_again_ = std::make_unique<io::Timer>(loop_, [] {});
    control_->begin();
    const auto alone = [this](replica::Replica& replica) {
        const auto& voters = replica.raft().configuration().voters;
        if (voters.size() == 1 && voters.front() == options_.self) {
            replica.campaign();
        }
    };
    if (replica::Replica* replica = control_->group().replica()) {
        alone(*replica);
    }
    for (const auto& [id, group] : core_->groups()) {
        alone(group->replica());
    }
}

// --- ControlPorts ------------------------------------------------------------------------------

void Node::Runtime::save_control(ControlImage image) {
    write_image(encode(image), image.applied, image.replica);
}

// No space, or worse: the state is in the log as well, so trying again is all there is to do.
void Node::Runtime::write_image(const std::string& bytes, Index applied, bool replica) {
    apply_thread_.run_there([this, bytes, applied, replica] {
        const auto stored = store_control(*files_, bytes);
        const std::string why = stored ? "" : stored.error().message;
        loop_.post([this, why, bytes, applied, replica] {
            if (why.empty()) {
                control_->on_saved(applied, replica);
                return;
            }
            if (options_.note) {
                options_.note("the control state cannot be saved: " + why);
            }
            save_again_ = std::make_unique<io::Timer>(
                loop_, [this, bytes, applied, replica] { write_image(bytes, applied, replica); });
            save_again_->start(kSaveAgainMs);
        });
    });
}

void Node::Runtime::control_changed(const SharedModel& model) {
    if (!control_) {
        return;  // it is being made
    }
    control_->on_changed();
    tell_rules(*model);
    tell_documents(model);
    if (!links_) {
        return;
    }
    links_->set_peers(peers_of(*model));
    for (const auto& [peer, uuid] : peers_in_) {
        if (!control_->belongs(peer, uuid)) {
            links_->reject(peer, "it is no member of this cluster any more");
        }
    }
}

std::vector<link::PeerAddress> Node::Runtime::peers_of(const control::Model& model) const {
    std::vector<link::PeerAddress> peers;
    for (const auto& [id, node] : model.nodes) {
        auto [host, port] = split_address(node.address);
        if (port != 0) {
            peers.push_back(link::PeerAddress{id, node.name, std::move(host), port});
        }
    }
    if (model.nodes.empty()) {
        for (const Member& member : options_.members) {
            peers.push_back(link::PeerAddress{member.id, member.name, member.host, member.port});
        }
    }
    return peers;
}

// A leader has made this node a learner of a group it never held.
void Node::Runtime::open_group(GroupId group) {
    const raft::Start nothing;
    if (group == control::kControlGroup) {
        if (control_->group().replica() == nullptr) {
            control_reader_ = std::make_unique<replica::WalReader>(writer_->log(), group,
                                                                   replica::WalReader::New{});
            control_->group().hold(replica_options(group), nothing, *control_reader_,
                                   control::Machine());
        }
        return;
    }
    if (core_->group(group) != nullptr) {
        return;
    }
    Held& held = held_[group];
    held.kv = store_->kv(group);
    auto machine = std::make_unique<state::Machine>(*held.kv);
    if (auto loaded = machine->load(); !loaded) {
        fatal_(loaded.error().message);
        return;
    }
    held.reader =
        std::make_unique<replica::WalReader>(writer_->log(), group, replica::WalReader::New{});
    add_set(group, nothing, held, std::move(machine));
}

void Node::Runtime::reply(std::uint64_t connection, const wire::Reply& reply) {
    if (links_) {
        links_->reply(connection, reply);
    }
}

void Node::Runtime::tell_rules(const control::Model& model) {
    const control::RuleVersion* rules = control::find_rules(model, model.active_rules);
    if (rules_watcher_ && rules != nullptr && rules->version != rules_told_) {
        rules_told_ = rules->version;
        rules_watcher_(*rules);
    }
}

// Shares the model's memory; the model is never changed.
void Node::Runtime::tell_documents(const SharedModel& model) {
    if (model->documents_revision == documents_told_) {
        return;
    }
    documents_told_ = model->documents_revision;
    const SharedDocuments documents(model, &model->documents);
    for (auto& watcher : documents_watchers_) {
        watcher(documents);
    }
}

// --- for Node ----------------------------------------------------------------------------------

void Node::Runtime::view(io::Loop& loop, absl::AnyInvocable<void(ClusterView)> take) {
    loop_.post([this, &loop, take = std::move(take)]() mutable {
        control_->view([&loop, take = std::move(take)](ClusterView view) mutable {
            loop.post([view = std::move(view), take = std::move(take)]() mutable {
                take(std::move(view));
            });
        });
    });
}

void Node::Runtime::propose(io::Loop& loop, control::Command command,
                            absl::AnyInvocable<void(Answer)> take) {
    loop_.post([this, &loop, command = std::move(command), take = std::move(take)]() mutable {
        control_->propose(command, [&loop, take = std::move(take)](Answer answer) mutable {
            loop.post([answer = std::move(answer), take = std::move(take)]() mutable {
                take(std::move(answer));
            });
        });
    });
}

void Node::Runtime::watch_rules(io::Loop& loop,
                                absl::AnyInvocable<void(control::RuleVersion)> take) {
    auto shared = std::make_shared<decltype(take)>(std::move(take));
    loop_.post([this, &loop, shared] {
        rules_watcher_ = [&loop, shared](const control::RuleVersion& rules) {
            loop.post([shared, rules] { (*shared)(rules); });
        };
        tell_rules(control_->model());
    });
}

void Node::Runtime::watch_documents(io::Loop& loop,
                                    absl::AnyInvocable<void(SharedDocuments)> take) {
    auto shared = std::make_shared<decltype(take)>(std::move(take));
    loop_.post([this, &loop, shared] {
        documents_watchers_.emplace_back([&loop, shared](const SharedDocuments& documents) {
            loop.post([shared, documents] { (*shared)(documents); });
        });
        documents_watchers_.back()(
            std::make_shared<const control::Documents>(control_->model().documents));
        documents_told_ = control_->model().documents_revision;
    });
}

void Node::Runtime::rules_active(std::uint64_t version) {
    loop_.post([this, version] { control_->set_rules_active(version); });
}

void Node::Runtime::transfer(io::Loop& loop, GroupId set, NodeId to,
                             absl::AnyInvocable<void(Answer)> take) {
    loop_.post([this, &loop, set, to, take = std::move(take)]() mutable {
        control_->transfer(set, to, [&loop, take = std::move(take)](Answer answer) mutable {
            loop.post([answer = std::move(answer), take = std::move(take)]() mutable {
                take(std::move(answer));
            });
        });
    });
}

}  // namespace causeway::node
