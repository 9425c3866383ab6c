#include "cluster/node/node.h"

#include <utility>

#include "cluster/node/core.h"

namespace causeway::node {
namespace {

// The sink loop's end. Answers come back as tasks of that loop.
class LoopOutbox final : public Outbox {
public:
    using Read = absl::AnyInvocable<void(std::string, std::uint64_t, std::uint64_t, Take)>;
    using Done = absl::AnyInvocable<void(std::string)>;
    using Watch =
        absl::AnyInvocable<void(absl::AnyInvocable<void(const std::vector<std::string>&)>)>;

    LoopOutbox(io::Loop& loop, Read read, Done done, Watch watch)
        : loop_(loop), read_(std::move(read)), done_(std::move(done)), watch_(std::move(watch)) {}

    void read(std::string_view sink, std::uint64_t after, std::uint64_t bytes_max,
              Take take) override {
        read_(std::string(sink), after, bytes_max,
              [&loop = loop_, take = std::move(take)](std::vector<OwedDelivery> owed,
                                                      SetMs now) mutable {
                  loop.post([owed = std::move(owed), now, take = std::move(take)]() mutable {
                      take(std::move(owed), now);
                  });
              });
    }

    void done(std::string_view sink, std::uint64_t n, bool delivered, std::string_view reason,
              std::string_view dead_letter) override {
        std::string command;
        encode(CommandHeader{}, OutboxDone{sink, n, delivered, reason, dead_letter}, command);
        done_(std::move(command));
    }

    void on_ready(absl::AnyInvocable<void(std::string_view)> ready) override {
        auto shared = std::make_shared<decltype(ready)>(std::move(ready));
        watch_([&loop = loop_, shared](const std::vector<std::string>& names) {
            loop.post([shared, names] {
                for (const std::string& name : names) {
                    (*shared)(name);
                }
            });
        });
    }

private:
    io::Loop& loop_;
    Read read_;
    Done done_;
    Watch watch_;
};

}  // namespace

std::unique_ptr<Submitter> Node::Core::make_link(io::Loop& loop, SubmitterEvents& events) {
    const LinkId id = next_link_++;
    auto link = std::make_unique<Link>(
        loop, id, events, [this](FromGateway batch) { from_gateways_->push(std::move(batch)); });
    loop_.post([this, id, made = link.get()] {
        links_[id] = made;
        made->deliver(Availability{serving_});
        FromGateway hello;
        hello.link = id;
        take(std::move(hello));
    });
    return link;
}

std::unique_ptr<Outbox> Node::Core::make_outbox(io::Loop& loop) {
    return std::make_unique<LoopOutbox>(
        loop,
        [this](std::string sink, std::uint64_t after, std::uint64_t bytes_max, Outbox::Take take) {
            read_outbox(std::move(sink), after, bytes_max, std::move(take));
        },
        [this](std::string command) { outbox_done(std::move(command)); },
        [this](SinkReady ready) { watch_sinks(std::move(ready)); });
}

Node::Node(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::open(NodeOptions options, Clock& clock, Router& router,
                                         Fatal fatal) {
    auto core = std::make_unique<Core>(std::move(options), clock, router, std::move(fatal));
    if (auto opened = core->open(); !opened) {
        return tl::unexpected(opened.error());
    }
    return std::unique_ptr<Node>(new Node(std::move(core)));
}

void Node::stop() { core_->stop(); }

std::unique_ptr<Submitter> Node::link(io::Loop& loop, SubmitterEvents& events) {
    return core_->make_link(loop, events);
}

std::unique_ptr<Outbox> Node::outbox(io::Loop& loop) { return core_->make_outbox(loop); }

void Node::declare_queues(std::vector<QueueDeclaration> queues) {
    core_->declare_queues(std::move(queues));
}

void Node::watch_queues(io::Loop& loop,
                        absl::AnyInvocable<void(const std::vector<std::string>&)> ready) {
    core_->watch_queues(loop, std::move(ready));
}

void Node::status(io::Loop& loop, absl::AnyInvocable<void(NodeStatus)> take) {
    core_->status(loop, std::move(take));
}

std::uint64_t Node::id() const { return core_->id(); }

}  // namespace causeway::node
