#include "core/io/tcp_listener.h"
#include "test/cluster/link/support.h"

namespace causeway::link {
namespace {

// a, which has b in its table, listens; a stranger tries to get in.
class Refusal : public testing::Test {
protected:
    Refusal() : a_(loop_, "a", 1) {
        a_.open();
        // b's address is one where nobody answers: only what comes in counts here.
        a_.links->set_peers({{NodeId(2), "b", "127.0.0.1", 1}});
    }
    std::unique_ptr<Stranger> knock(std::shared_ptr<ssl_ctx_st> context, std::string_view bytes) {
        auto stranger = std::make_unique<Stranger>(loop_, a_, std::move(context));
        stranger->say(bytes);
        EXPECT_TRUE(run_until(loop_, [&] { return stranger->ended(); }));
        EXPECT_FALSE(a_.has_seen("up 2"));
        EXPECT_EQ(a_.accepted().connections, 0U);
        return stranger;
    }
    // Refused in words, for its handshake.
    void expect_refused(const wire::Hello& hello, const std::string& why) {
        const std::uint64_t before = a_.accepted().handshakes_refused;
        const auto stranger =
            knock(Certs::get().contexts("nodes/b").client, Stranger::frame_of(hello));
        EXPECT_THAT(stranger->refusal(), HasSubstr(why));
        EXPECT_FALSE(stranger->greeted());
        EXPECT_EQ(a_.accepted().handshakes_refused, before + 1);
        EXPECT_THAT(a_.refusals.back(), HasSubstr(why));
        EXPECT_THAT(a_.refusals.back(), HasSubstr("(node b)"));
    }
    void expect_certificate_refused(std::shared_ptr<ssl_ctx_st> context, const std::string& why) {
        const std::uint64_t before = a_.accepted().certificates_refused;
        knock(std::move(context), Stranger::frame_of(Stranger::hello()));
        EXPECT_EQ(a_.accepted().certificates_refused, before + 1);
        EXPECT_EQ(a_.accepted().handshakes_refused, 0U);
        EXPECT_THAT(a_.refusals.back(), HasSubstr(why));
        EXPECT_EQ(a_.refusals.back(), a_.accepted().last_refusal);
    }

    io::Loop loop_;
    Node a_;
};

TEST_F(Refusal, AGoodHandshakeIsAccepted) {
    Stranger b(loop_, a_, Certs::get().contexts("nodes/b").client);
    b.say(Stranger::frame_of(Stranger::hello()));
    ASSERT_TRUE(run_until(loop_, [&] { return b.greeted(); }));
    EXPECT_TRUE(a_.has_seen("up 2"));
    EXPECT_EQ(a_.refusals.size(), 0U);
}

TEST_F(Refusal, Certificates) {
    Certs& certs = Certs::get();
    expect_certificate_refused(certs.unchecked("other/nodes/b"), "certificate verify failed");
    expect_certificate_refused(certs.unchecked("nodes/expired"), "certificate has expired");
    expect_certificate_refused(certs.unchecked("devices/dev7"), "unsuitable certificate purpose");
    expect_certificate_refused(certs.unchecked(""), "did not return a certificate");
    // Of our CA and good for a server, but nobody made it for a node.
    expect_certificate_refused(certs.unchecked("server"), "is not a node's");
}

TEST_F(Refusal, HandshakesThatDoNotAgree) {
    wire::Hello hello = Stranger::hello();
    hello.cluster_id = "elsewhere";
    expect_refused(hello, "it belongs to another cluster");
    hello.cluster_id = "";
    expect_refused(hello, "it belongs to another cluster");
    hello = Stranger::hello();
    hello.name = "c";
    expect_refused(hello, "another name than its certificate");
    hello = Stranger::hello();
    hello.node_id = 3;
    expect_refused(hello, "it is not a member as node 3");
    hello = Stranger::hello();
    hello.version = 0;
    expect_refused(hello, "it speaks version 0");
    hello = Stranger::hello();
    hello.node_uuid = a_.options.node_uuid;
    expect_refused(hello, "it is this node itself");
}

TEST_F(Refusal, AnotherMembersId) {
    // c has a good certificate of the cluster, and says it is node 2.
    wire::Hello hello = Stranger::hello();
    hello.name = "c";
    const auto stranger = knock(Certs::get().contexts("nodes/c").client, Stranger::frame_of(hello));
    EXPECT_THAT(stranger->refusal(), HasSubstr("it is not a member as node 2"));
}

TEST_F(Refusal, GarbageInsteadOfAHandshake) {
    const auto context = Certs::get().contexts("nodes/b").client;
    std::string ping;
    append(wire::Ping{}, ping);
    for (const std::string& garbage :
         {std::string("GET / HTTP/1.1\r\n\r\n"), ping, std::string(5000, '\0'),
          std::string("\5\0\0\0\1\xFF\xFF\xFF\xFF", 9), std::string("\xFF\xFF\0\0\1", 5)}) {
        const std::uint64_t before = a_.accepted().handshakes_refused;
        const auto stranger = knock(context, garbage);
        EXPECT_NE(stranger->refusal(), "");
        EXPECT_EQ(a_.accepted().handshakes_refused, before + 1);
    }
    // Not even TLS.
    knock(nullptr, "this is not TLS at all");
    EXPECT_EQ(a_.accepted().handshakes_refused, 6U);
    EXPECT_EQ(a_.accepted().certificates_refused, 0U);
}

TEST_F(Refusal, WhoSaysNothingIsCutOff) {
    a_.links.reset();
    a_.options.handshake_ms = 30;
    a_.open();
    const auto context = Certs::get().contexts("nodes/b").client;
    Stranger in_the_clear(loop_, a_, nullptr);
    Stranger half_way(loop_, a_, context);
    half_way.say(Stranger::frame_of(Stranger::hello()).substr(0, 7));
    ASSERT_TRUE(run_until(loop_, [&] { return in_the_clear.ended() && half_way.ended(); }));
    EXPECT_EQ(a_.accepted().timeouts, 2U);
    EXPECT_EQ(a_.accepted().connections, 0U);
    EXPECT_THAT(a_.refusals.back(), HasSubstr("no handshake within the time"));
}

TEST_F(Refusal, ConnectionsAreLimited) {
    a_.links.reset();
    a_.options.accepted_max = 2;
    a_.open();
    Stranger one(loop_, a_, nullptr);
    Stranger two(loop_, a_, nullptr);
    ASSERT_TRUE(run_until(loop_, [&] { return a_.accepted().connections == 2; }));
    Stranger three(loop_, a_, nullptr);
    ASSERT_TRUE(run_until(loop_, [&] { return three.ended(); }));
    EXPECT_EQ(a_.accepted().turned_away, 1U);
    EXPECT_FALSE(one.ended());
}

// a dials someone who is not what the table says.
class Dialing : public testing::Test {
protected:
    Dialing() : a_(loop_, "a", 1) { a_.open(); }
    // Waits until a has been disappointed once by `name`, node 2, at this port.
    PeerStatus dial(std::uint16_t port, const std::string& name = "b") {
        a_.links->set_peers({});
        EXPECT_TRUE(run_until(loop_, [&] { return a_.links->status().peers.empty(); }));
        a_.links->set_peers({{NodeId(2), name, "127.0.0.1", port}});
        EXPECT_TRUE(run_until(loop_, [&] { return !a_.peer().last_error.empty(); }));
        EXPECT_FALSE(a_.has_seen("connected 2"));
        return a_.peer();
    }

    io::Loop loop_;
    Node a_;
};

TEST_F(Dialing, ServersWithABadCertificate) {
    Node b(loop_, "b", 2);
    for (const auto& [leaf, why] :
         {std::pair("other/nodes/b", "certificate verify failed"),
          std::pair("nodes/expired", "certificate has expired"),
          std::pair("devices/dev7", "certificate verify failed"),
          std::pair("nodes/c", "its certificate is c's"), std::pair("server", "is not a node's")}) {
        b.links.reset();
        b.options.port = 0;
        b.options.server = Certs::get().unchecked(leaf);
        b.open();
        const PeerStatus status = dial(b.options.port);
        EXPECT_GE(status.certificates_refused, 1U) << leaf;
        EXPECT_EQ(status.handshakes_refused, 0U) << leaf;
        EXPECT_THAT(status.last_error, HasSubstr(why));
        EXPECT_THAT(a_.refusals.back(), HasSubstr(why));
    }
}

TEST_F(Dialing, APeerThatIsAnotherNode) {
    Node b(loop_, "b", 7);
    b.open().links->set_peers({a_.address()});
    EXPECT_THAT(dial(b.options.port).last_error, HasSubstr("it says it is node 7"));
    b.links.reset();
    b.options.port = 0;
    b.options.self = NodeId(2);
    b.options.cluster_id = "elsewhere";
    b.open().links->set_peers({a_.address()});
    EXPECT_THAT(dial(b.options.port).last_error, HasSubstr("another cluster"));
    EXPECT_EQ(a_.peer().certificates_refused, 0U);
    EXPECT_GE(a_.peer().handshakes_refused, 1U);
}

TEST_F(Dialing, WhoeverDoesNotAnswer) {
    a_.links.reset();
    a_.options.handshake_ms = 30;
    a_.open();
    std::vector<io::StreamPtr> silent;
    auto listener = io::TcpListener::listen(
        loop_, {}, [&](io::StreamPtr stream) { silent.push_back(std::move(stream)); });
    const PeerStatus status = dial((*listener)->port());
    EXPECT_EQ(status.timeouts, 1U);
    EXPECT_THAT(status.last_error, HasSubstr("no answer within 30 ms"));
    // It goes on trying.
    EXPECT_TRUE(run_until(loop_, [&] { return a_.peer().timeouts > 2; }));
    EXPECT_EQ(a_.peer().failures, 0U);
}

TEST_F(Dialing, WhoeverAnswersGarbage) {
    io::Recorder server;
    auto context = Certs::get().contexts("nodes/b").server;
    auto listener = io::TcpListener::listen(loop_, {}, [&](io::StreamPtr stream) {
        server.stream = std::move(stream);
        server.stream->start(server, io::TlsSession::server(context.get()).value());
        server.stream->write("220 mail.example ESMTP");
    });
    const PeerStatus status = dial((*listener)->port());
    EXPECT_EQ(status.handshakes_refused, 1U);
    EXPECT_THAT(status.last_error, HasSubstr("no handshake and no reply"));
}

}  // namespace
}  // namespace causeway::link
