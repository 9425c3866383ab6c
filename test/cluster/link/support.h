// What the tests of links share: certificates, nodes that record what they are told, and a stranger
// that says whatever it likes over TLS.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "certs/context.h"
#include "certs/issue.h"
#include "cluster/link/links.h"
#include "cluster/wire/codec.h"
#include "cluster/wire/frame_reader.h"
#include "cluster/wire/hello.h"
#include "test/core/io/support.h"

namespace causeway::link {

using io::run_until;
using testing::ElementsAre;
using testing::HasSubstr;

// A CA with the nodes a, b and c and a device; another CA with another a; an expired b.
class Certs {
public:
    static Certs& get() {
        static Certs certs;
        return certs;
    }
    ~Certs() { std::filesystem::remove_all(dir_); }

    // `leaf` without its ending, e.g. «nodes/a» or «other/nodes/a».
    certs::PeerContexts contexts(const std::string& leaf, const std::string& ca = "ca.crt") {
        return certs::make_peer_contexts({path(leaf) + ".crt", path(leaf) + ".key", path(ca)})
            .value();
    }
    // For both roles and without our own checks at start, such as that it has not expired.
    std::shared_ptr<ssl_ctx_st> unchecked(const std::string& leaf) {
        std::shared_ptr<ssl_ctx_st> context(SSL_CTX_new(TLS_method()), SSL_CTX_free);
        SSL_CTX* raw = context.get();
        if (!leaf.empty()) {
            EXPECT_EQ(
                SSL_CTX_use_certificate_file(raw, (path(leaf) + ".crt").c_str(), SSL_FILETYPE_PEM),
                1);
            EXPECT_EQ(
                SSL_CTX_use_PrivateKey_file(raw, (path(leaf) + ".key").c_str(), SSL_FILETYPE_PEM),
                1);
        }
        SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
        return context;
    }

private:
    Certs() {
        char name[] = "/tmp/causeway-link-XXXXXX";
        dir_ = ::mkdtemp(name);
        certs::IssueOptions expired;
        expired.days = 1;
        expired.backdate_s = std::int64_t{10} * 86'400;
        bool made = certs::init_ca(dir_).has_value() && certs::init_ca(path("other")).has_value();
        for (const char* node : {"a", "b", "c"}) {
            made = made && certs::issue_node(dir_, node, {}).has_value();
        }
        made = made && certs::issue_node(dir_, "expired", {}, expired).has_value() &&
               certs::issue_device(dir_, "dev7").has_value() &&
               certs::issue_server(dir_, {"localhost"}).has_value() &&
               certs::issue_node(path("other"), "b", {}).has_value();
        EXPECT_TRUE(made);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return dir_ + "/" + name; }

    std::string dir_;
};

struct Got {
    NodeId from;
    std::uint8_t type;
    SharedBytes body;
};

// Links and everything they say. Events are lines: «connected 2», «down 3».
class Node final : public LinkEvents {
public:
    Node(io::Loop& loop, const std::string& name, std::uint64_t id, std::uint64_t boot = 1)
        : loop_(loop) {
        options.self = NodeId(id);
        options.name = name;
        options.cluster_id = "cluster";
        options.node_uuid = 1000 + id;
        options.boot = boot;
        options.seed = id;
        const auto contexts = Certs::get().contexts("nodes/" + name);
        options.server = contexts.server;
        options.client = contexts.client;
        options.backoff_min_ms = 2;
        options.backoff_max_ms = 20;
        // A busy machine is no silent peer.
        options.handshake_ms = options.silence_ms = 20'000;
    }
    Node& open() {
        auto opened = Links::open(loop_, options, *this);
        EXPECT_TRUE(opened) << opened.error().message;
        links = std::move(*opened);
        options.port = links->port();  // For the next life.
        return *this;
    }
    [[nodiscard]] PeerAddress address() const {
        return {options.self, options.name, options.host, options.port};
    }
    void ping(std::uint64_t peer, std::uint64_t number) {
        std::string frame;
        append(wire::Ping{number, {}}, frame);
        EXPECT_TRUE(links->send(NodeId(peer), frame));
    }
    // The numbers of the pings got.
    [[nodiscard]] std::vector<std::uint64_t> pings() const {
        std::vector<std::uint64_t> numbers;
        for (const Got& frame : frames) {
            const auto decoded = wire::decode(frame.type, frame.body);
            if (decoded && std::holds_alternative<wire::Ping>(*decoded)) {
                numbers.push_back(std::get<wire::Ping>(*decoded).wall_ms);
            }
        }
        return numbers;
    }
    // Of the first line of the table; nothing before that is in force.
    [[nodiscard]] PeerStatus peer() const {
        const Status status = links->status();
        return status.peers.empty() ? PeerStatus{} : status.peers[0];
    }
    [[nodiscard]] AcceptedStatus accepted() const { return links->status().accepted; }
    [[nodiscard]] bool has_seen(const std::string& event) const {
        return std::find(events.begin(), events.end(), event) != events.end();
    }

    void on_connected(const Remote& peer) override {
        note("connected", peer.id), remotes.push_back(peer);
    }
    void on_disconnected(NodeId peer) override { note("disconnected", peer); }
    void on_peer_up(const Remote& peer) override { note("up", peer.id), remotes.push_back(peer); }
    void on_peer_down(NodeId peer) override { note("down", peer); }
    void on_frame(NodeId from, std::uint8_t type, SharedBytes body) override {
        frames.push_back({from, type, std::move(body)});
        if (on_got) {
            on_got();
        }
    }
    void on_call(ConnectionId connection, const Remote& from, wire::Call call) override {
        calls.emplace_back(connection, std::move(call));
        callers.push_back(from);
    }
    void on_reply(NodeId from, wire::Reply reply) override {
        replies.emplace_back(from, std::move(reply));
    }
    void on_refused(std::string_view line) override { refusals.emplace_back(line); }

    LinkOptions options;
    std::unique_ptr<Links> links;
    std::vector<std::string> events;
    std::vector<Remote> remotes;
    std::vector<Got> frames;
    std::vector<std::pair<ConnectionId, wire::Call>> calls;
    std::vector<Remote> callers;
    std::vector<std::pair<NodeId, wire::Reply>> replies;
    std::vector<std::string> refusals;
    std::function<void()> on_got;

private:
    void note(const std::string& what, NodeId peer) {
        events.push_back(what + " " + std::to_string(peer.value()));
    }

    io::Loop& loop_;
};

// a is node 1, b is node 2; each in the other's table.
struct Two {
    Two() : a(loop, "a", 1), b(loop, "b", 2) {}
    void open() {
        a.open();
        b.open();
        a.links->set_peers({b.address()});
        b.links->set_peers({a.address()});
    }
    bool connect() {
        open();
        return run_until(
            loop, [this] { return a.peer().open && a.peer().up && b.peer().open && b.peer().up; });
    }

    io::Loop loop;
    Node a;
    Node b;
};

// A connection to a node that says what the test likes.
class Stranger {
public:
    Stranger(io::Loop& loop, const Node& to, std::shared_ptr<ssl_ctx_st> context) {
        io::ConnectOptions options;
        options.host = "127.0.0.1";
        options.port = to.links->port();
        options.tls = std::move(context);
        options.any_server_name = true;
        recorder_.stream = io::TcpStream::connect(loop, options, recorder_);
    }
    // A hello as b's would be.
    static wire::Hello hello() {
        wire::Hello made;
        made.cluster_id = "cluster";
        made.node_uuid = 1002;
        made.node_id = 2;
        made.boot = 1;
        made.name = "b";
        return made;
    }
    static std::string frame_of(const wire::Hello& hello) {
        std::string frame;
        append(hello, frame);
        return frame;
    }
    void say(std::string_view bytes) { recorder_.stream->write(bytes); }
    [[nodiscard]] bool ended() const { return recorder_.ends > 0; }
    [[nodiscard]] bool greeted() const {
        const auto frames = received();
        return !frames.empty() &&
               frames[0].type == static_cast<std::uint8_t>(wire::FrameType::kHello);
    }
    // What the refusal said, if the last frame was one.
    [[nodiscard]] std::string refusal() const {
        const auto frames = received();
        const auto last =
            frames.empty() ? std::nullopt : wire::decode(frames.back().type, frames.back().body);
        const bool reply = last && std::holds_alternative<wire::Reply>(*last);
        return reply ? std::get<wire::Reply>(*last).body : "";
    }
    [[nodiscard]] std::vector<Got> received() const {
        std::vector<Got> frames;
        wire::FrameReader reader;
        reader.feed(recorder_.received, [&frames](std::uint8_t type, SharedBytes body) {
            frames.push_back({NodeId(0), type, std::move(body)});
            return true;
        });
        return frames;
    }

private:
    io::Recorder recorder_;
};

}  // namespace causeway::link
