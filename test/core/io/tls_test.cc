#include "core/io/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "core/base/random.h"
#include "test/core/io/support.h"

namespace causeway::io {
namespace {

using certs::TlsVersion;
using certs::Verify;

// Two sessions joined by strings.
struct Link {
    Link(const std::shared_ptr<ssl_ctx_st>& server_context,
         const std::shared_ptr<ssl_ctx_st>& client_context, const std::string& name = "localhost")
        : server(TlsSession::server(server_context.get()).value()),
          client(TlsSession::client(client_context.get(), name).value()) {}

    // Carries bytes, at most `chunk` at a time, until both sides are quiet.
    void pump(std::size_t chunk = 1 << 20) {
        if (client->status() == TlsStatus::kHandshaking) {
            feed(*client, "", at_client, to_server, chunk);
        }
        while (!to_server.empty() || !to_client.empty()) {
            const std::string up = std::exchange(to_server, {});
            feed(*server, up, at_server, to_client, chunk);
            const std::string down = std::exchange(to_client, {});
            feed(*client, down, at_client, to_server, chunk);
        }
    }
    static void feed(TlsSession& to, std::string_view bytes, std::string& plain, std::string& out,
                     std::size_t chunk) {
        do {
            to.feed(
                bytes.substr(0, chunk),
                [&](std::string_view piece) {
                    plain.append(piece);
                    return true;
                },
                out);
            bytes.remove_prefix(std::min(chunk, bytes.size()));
        } while (!bytes.empty());
    }
    [[nodiscard]] bool open() const {
        return server->status() == TlsStatus::kOpen && client->status() == TlsStatus::kOpen;
    }

    std::unique_ptr<TlsSession> server;
    std::unique_ptr<TlsSession> client;
    std::string to_server;
    std::string to_client;
    std::string at_server;
    std::string at_client;
};

const TestCerts& test_certs() { return TestCerts::get(); }

TEST(TlsSession, HandshakesAndCarriesBothWays) {
    Link link(test_certs().server(), test_certs().client());
    link.pump();
    ASSERT_TRUE(link.open()) << link.server->error() << link.client->error();
    EXPECT_EQ(link.server->version(), "TLSv1.3");
    EXPECT_FALSE(link.server->cipher().empty());
    EXPECT_TRUE(link.client->write("up", link.to_server));
    EXPECT_TRUE(link.server->write("down", link.to_client));
    link.pump();
    EXPECT_EQ(link.at_server, "up");
    EXPECT_EQ(link.at_client, "down");
    ASSERT_TRUE(link.client->peer());
    EXPECT_EQ(link.client->peer()->common_name, "localhost");
    EXPECT_TRUE(link.client->peer()->verified);
    EXPECT_FALSE(link.server->peer());
}

TEST(TlsSession, SpeaksTls12UnlessToldOtherwise) {
    const auto old_client = test_certs().client("/devices/plant_dev7");
    SSL_CTX_set_max_proto_version(old_client.get(), TLS1_2_VERSION);
    Link link(test_certs().server(Verify::kRequired), old_client);
    link.pump(3);
    ASSERT_TRUE(link.open()) << link.server->error();
    EXPECT_EQ(link.server->version(), "TLSv1.2");
    EXPECT_TRUE(link.server->cipher().starts_with("ECDHE-ECDSA-")) << link.server->cipher();
    EXPECT_EQ(link.server->peer()->common_name, "plant/dev7");
    EXPECT_TRUE(link.client->write("up", link.to_server));
    link.pump();
    EXPECT_EQ(link.at_server, "up");

    Link strict(test_certs().server(Verify::kNone, TlsVersion::kTls13), old_client);
    strict.pump();
    EXPECT_EQ(strict.server->status(), TlsStatus::kFailed);
    EXPECT_EQ(strict.server->error(), "unsupported protocol");
}

TEST(TlsSession, WorksByteByByteAndForLargeData) {
    Link link(test_certs().server(), test_certs().client());
    link.pump(1);
    ASSERT_TRUE(link.open());
    Random random(3);
    std::string bytes(300'000, '\0');
    for (char& byte : bytes) {
        byte = static_cast<char>(random.next());
    }
    ASSERT_TRUE(link.client->write(bytes, link.to_server));
    link.pump(777);
    EXPECT_TRUE(link.at_server == bytes);
}

TEST(TlsSession, WritesOnlyWhenOpen) {
    Link link(test_certs().server(), test_certs().client());
    std::string out;
    EXPECT_FALSE(link.client->write("too early", out));
    EXPECT_EQ(out, "");
    EXPECT_FALSE(link.client->can_write());
    link.client->shutdown(out);
    EXPECT_EQ(out, "");
}

TEST(TlsSession, CloseNotifyEndsOneDirection) {
    Link link(test_certs().server(), test_certs().client());
    link.pump();
    ASSERT_TRUE(link.client->write("last", link.to_server));
    link.client->shutdown(link.to_server);
    EXPECT_FALSE(link.client->write("after", link.to_server));
    link.pump();
    EXPECT_EQ(link.at_server, "last");
    EXPECT_EQ(link.server->status(), TlsStatus::kPeerClosed);
    EXPECT_TRUE(link.server->write("answer", link.to_client));
    link.pump();
    EXPECT_EQ(link.at_client, "answer");
}

TEST(TlsSession, AClientCertificateIsSeenAndVerified) {
    for (const Verify verify : {Verify::kOptional, Verify::kRequired}) {
        Link link(test_certs().server(verify), test_certs().client("/devices/plant_dev7"));
        link.pump();
        ASSERT_TRUE(link.open()) << link.server->error();
        const auto peer = link.server->peer();
        ASSERT_TRUE(peer);
        EXPECT_EQ(peer->common_name, "plant/dev7");
        EXPECT_EQ(peer->subject, "CN=plant/dev7");
        EXPECT_TRUE(peer->verified);
        EXPECT_GT(peer->der.size(), 200U);
    }
}

TEST(TlsSession, NoClientCertificate) {
    Link optional(test_certs().server(Verify::kOptional), test_certs().client());
    optional.pump();
    EXPECT_TRUE(optional.open());
    EXPECT_FALSE(optional.server->peer());
    Link required(test_certs().server(Verify::kRequired), test_certs().client());
    required.pump();
    EXPECT_EQ(required.server->status(), TlsStatus::kFailed);
    EXPECT_EQ(required.server->error(), "peer did not return a certificate");
    EXPECT_EQ(required.client->status(), TlsStatus::kFailed);  // Got the alert.
    EXPECT_NE(required.client->error().find("certificate required"), std::string::npos)
        << required.client->error();
    EXPECT_FALSE(required.server->write("x", required.to_client));
}

TEST(TlsSession, ACertificateOfAnotherCaIsNamed) {
    for (const Verify verify : {Verify::kOptional, Verify::kRequired}) {
        Link link(test_certs().server(verify), test_certs().client("/other/devices/stranger"));
        link.pump();
        EXPECT_EQ(link.server->status(), TlsStatus::kFailed);
        EXPECT_TRUE(link.server->error().starts_with("certificate verify failed ("))
            << link.server->error();
    }
    Link link(test_certs().server(), test_certs().client({}, "/other/ca.crt"));
    link.pump();
    EXPECT_EQ(link.client->status(), TlsStatus::kFailed);
    EXPECT_TRUE(link.client->error().starts_with("certificate verify failed ("))
        << link.client->error();
}

TEST(TlsSession, TheServersNameIsChecked) {
    Link address(test_certs().server(), test_certs().client(), "127.0.0.1");
    address.pump();
    EXPECT_TRUE(address.open()) << address.client->error();
    Link wrong(test_certs().server(), test_certs().client(), "example.org");
    wrong.pump();
    EXPECT_EQ(wrong.client->status(), TlsStatus::kFailed);
    EXPECT_EQ(wrong.client->error(), "certificate verify failed (hostname mismatch)");
    Link other(test_certs().server(), test_certs().client(), "127.0.0.2");
    other.pump();
    EXPECT_EQ(other.client->error(), "certificate verify failed (IP address mismatch)");
}

TEST(TlsSession, PlainTextIsRefused) {
    Link link(test_certs().server(), test_certs().client());
    std::string plain;
    std::string out;
    Link::feed(*link.server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", plain, out, 4096);
    EXPECT_EQ(link.server->status(), TlsStatus::kFailed);
    EXPECT_EQ(link.server->error(), "http request");
    EXPECT_EQ(plain, "");
}

TEST(TlsSession, GarbageIsAnErrorAtAnyPoint) {
    const auto server_context = test_certs().server();
    const auto client_context = test_certs().client();
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Link link(server_context, client_context);
        const bool after_handshake = random.chance(1, 2);
        if (after_handshake) {
            link.pump();
            link.client->write(std::string(500, 'x'), link.to_server);
        } else {
            Link::feed(*link.client, "", link.at_client, link.to_server, 4096);
        }
        // Damages one byte, or puts garbage first.
        if (random.chance(1, 2)) {
            link.to_server[random.below(link.to_server.size())] ^= 0x40;
        } else {
            link.to_server.insert(0, std::string(20, static_cast<char>(random.next())));
        }
        const std::string bytes = std::exchange(link.to_server, {});
        Link::feed(*link.server, bytes, link.at_server, link.to_client, 1 + random.below(200));
        EXPECT_EQ(link.at_server, "");
        if (after_handshake && link.server->status() == TlsStatus::kFailed) {
            EXPECT_FALSE(link.server->error().empty());
        }
        // A failed session takes anything and does nothing.
        Link::feed(*link.server, "more", link.at_server, link.to_client, 4096);
    }
}

TEST(TlsSession, ADamagedRecordFails) {
    Link link(test_certs().server(), test_certs().client());
    link.pump();
    link.client->write("secret", link.to_server);
    link.to_server.back() ^= 1;
    link.pump();
    EXPECT_EQ(link.server->status(), TlsStatus::kFailed);
    EXPECT_EQ(link.at_server, "");
}

TEST(TlsSession, TheSinkCanStopTheFeed) {
    Link link(test_certs().server(), test_certs().client());
    link.pump();
    link.client->write("one", link.to_server);
    link.client->write("two", link.to_server);
    std::string seen;
    link.server->feed(
        link.to_server,
        [&](std::string_view piece) {
            seen.append(piece);
            return false;
        },
        link.to_client);
    EXPECT_EQ(seen, "one");
}

}  // namespace
}  // namespace causeway::io
