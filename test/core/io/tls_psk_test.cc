// Pre-shared keys whose handshake waits for them, and what is said of a peer.
#include "core/io/tls_psk.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <functional>
#include <vector>

#include "core/base/random.h"
#include "core/io/tls.h"
#include "test/core/io/support.h"

namespace causeway::io {
namespace {

using testing::HasSubstr;

constexpr char kKey[] = "0123456789abcdef0123456789abcdef";

std::string client_identity;  // what the client says, and the key it has
std::string client_key;

unsigned answer(SSL*, const char*, char* identity, unsigned identity_bytes_max, unsigned char* key,
                unsigned key_bytes_max) {
    EXPECT_LT(client_identity.size(), identity_bytes_max);
    EXPECT_LE(client_key.size(), key_bytes_max);
    std::copy(client_identity.begin(), client_identity.end(), identity);
    identity[client_identity.size()] = '\0';
    std::copy(client_key.begin(), client_key.end(), key);
    return static_cast<unsigned>(client_key.size());
}

struct Sides {
    std::unique_ptr<TlsSession> server;
    std::unique_ptr<TlsSession> client;
    std::string up;
    std::string down;
    std::string at_server;
    std::string at_client;
    std::vector<std::string> asked;

    // Carries bytes, `chunk` at a time to the server, until nobody says anything; keys are given by
    // `key_of`, once what comes next has come.
    void pump(const std::function<std::string(const std::string&)>& key_of,
              std::size_t chunk = 1 << 20) {
        const auto to = [](std::string& plain) {
            return [&plain](std::string_view piece) {
                plain.append(piece);
                return true;
            };
        };
        if (client->status() == TlsStatus::kHandshaking) {
            client->feed({}, to(at_client), up);
        }
        while (!up.empty() || !down.empty() || !server->wanted_psk().empty()) {
            std::string bytes = std::exchange(up, {});
            for (std::size_t at = 0; at < bytes.size(); at += chunk) {
                server->feed(std::string_view(bytes).substr(at, chunk), to(at_server), down);
            }
            if (!server->wanted_psk().empty()) {
                asked.emplace_back(server->wanted_psk());
                server->give_psk(key_of(asked.back()), to(at_server), down);
            }
            bytes = std::exchange(down, {});
            client->feed(bytes, to(at_client), up);
        }
    }
    [[nodiscard]] bool open() const {
        return server->status() == TlsStatus::kOpen && client->status() == TlsStatus::kOpen;
    }
};

class Psk : public testing::TestWithParam<int> {  // the version
protected:
    void SetUp() override {
        client_identity = "plant/dev7";
        client_key = kKey;
        server_ = server_context("/server");
        client_ = client_context();
    }
    std::shared_ptr<ssl_ctx_st> server_context(const std::string& certificate) const {
        certs::ServerTlsConfig config;
        config.psk = true;
        if (!certificate.empty()) {
            config.certificate = TestCerts::get().dir + certificate + ".crt";
            config.private_key = TestCerts::get().dir + certificate + ".key";
        }
        auto made = certs::make_server_context(config).value();
        accept_psk(made.get());
        return made;
    }
    std::shared_ptr<ssl_ctx_st> client_context() const {
        certs::ClientTlsConfig config;
        config.ca = TestCerts::get().dir + "/ca.crt";
        auto made = certs::make_client_context(config).value();
        SSL_CTX_set_psk_client_callback(made.get(), answer);
        SSL_CTX_set_cipher_list(made.get(), "PSK");
        SSL_CTX_set_max_proto_version(made.get(), GetParam());
        return made;
    }
    Sides sides() {
        Sides made;
        made.server = TlsSession::server(server_.get()).value();
        made.client = TlsSession::client(client_.get(), "localhost").value();
        return made;
    }

    std::shared_ptr<ssl_ctx_st> server_;
    std::shared_ptr<ssl_ctx_st> client_;
};
INSTANTIATE_TEST_SUITE_P(Versions, Psk, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                             return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

std::string right_key(const std::string&) { return kKey; }

TEST_P(Psk, TheHandshakeWaitsForTheKey) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
        Sides made = sides();
        made.pump(right_key, chunk);
        ASSERT_TRUE(made.open()) << made.server->error() << made.client->error();
        EXPECT_EQ(made.asked, std::vector<std::string>{"plant/dev7"});
        EXPECT_EQ(made.server->peer()->psk_identity, "plant/dev7");
        EXPECT_FALSE(made.server->peer()->verified);
        EXPECT_EQ(made.server->peer()->der, "");
        EXPECT_TRUE(made.client->write("up", made.up));
        EXPECT_TRUE(made.server->write("down", made.down));
        made.pump(right_key);
        EXPECT_EQ(made.at_server, "up");
        EXPECT_EQ(made.at_client, "down");
    }
}

TEST_P(Psk, NoCertificateIsNeeded) {
    server_ = server_context("");
    Sides made = sides();
    made.pump(right_key);
    EXPECT_TRUE(made.open()) << made.server->error();
}

// Who guesses identities learns nothing from how he fails.
TEST_P(Psk, AWrongKeyAndAnUnknownIdentityFailAlike) {
    std::vector<std::string> ends;
    for (const std::string key : {"", "another key of thirty-two bytes!"}) {
        Sides made = sides();
        made.pump([&](const std::string&) { return key; });
        EXPECT_EQ(made.server->status(), TlsStatus::kFailed);
        EXPECT_NE(made.client->status(), TlsStatus::kOpen);
        EXPECT_FALSE(made.server->peer());
        ends.push_back(made.server->error() + "|" + made.client->error());
    }
    EXPECT_EQ(ends[0], ends[1]);
}

TEST_P(Psk, ASessionOfAKeyIsNotResumed) {
    Sides first = sides();
    first.pump(right_key);
    ASSERT_TRUE(first.open());
    first.server->write("x", first.down);
    first.pump(right_key);
    SSL_SESSION* session = SSL_get1_session(const_cast<SSL*>(first.client->native()));
    Sides second = sides();
    SSL_set_session(const_cast<SSL*>(second.client->native()), session);
    second.pump([](const std::string&) { return std::string(); });  // the key is revoked
    EXPECT_FALSE(second.open());
    SSL_SESSION_free(session);
}

TEST_P(Psk, ACertificateClientIsNotAsked) {
    Sides made = sides();
    made.client = TlsSession::client(TestCerts::get().client().get(), "localhost").value();
    made.pump(right_key);
    EXPECT_TRUE(made.open()) << made.server->error();
    EXPECT_TRUE(made.asked.empty());
    EXPECT_FALSE(made.server->peer());
}

TEST_P(Psk, WhatIsNoIdentityIsNotAskedFor) {
    for (const std::string& identity :
         {std::string("with space"), std::string("line\nend"), std::string("\xC3\xA4")}) {
        client_identity = identity;
        Sides made = sides();
        made.pump(right_key);
        EXPECT_TRUE(made.asked.empty()) << identity;
        EXPECT_FALSE(made.server->peer()) << identity;
    }
}

TEST_P(Psk, WhatComesBeforeTheKeyHasALimit) {
    Sides made = sides();
    std::string out;
    const auto ignore = [](std::string_view) { return true; };
    made.client->feed({}, ignore, made.up);
    while (made.server->wanted_psk().empty()) {
        made.server->feed(std::exchange(made.up, {}), ignore, made.down);
        made.client->feed(std::exchange(made.down, {}), ignore, made.up);
    }
    made.server->feed(std::string(TlsSession::kHeldBytesMax + 1, 'x'), ignore, out);
    EXPECT_EQ(made.server->status(), TlsStatus::kFailed);
    EXPECT_THAT(made.server->error(), HasSubstr("before the key"));
}

TEST_P(Psk, GarbageNeverOpens) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Sides made = sides();
        std::string out;
        const auto ignore = [](std::string_view) { return true; };
        made.client->feed({}, ignore, made.up);
        bool damaged = false;
        for (int flight = 0; flight < 4; ++flight) {
            // Behind the head of the first record, or the end of the last one: all that is under a
            // hash. (A record's version is not.)
            if (!made.up.empty() && (flight > 0 || random.chance(1, 2))) {
                const std::size_t at = flight == 0 ? 5 + random.below(made.up.size() - 5)
                                                   : made.up.size() - 1;
                made.up[at] ^= static_cast<char>(1U << random.below(8));
                damaged = true;
            }
            made.server->feed(std::exchange(made.up, {}), ignore, made.down);
            if (!made.server->wanted_psk().empty()) {
                made.server->give_psk(kKey, ignore, made.down);
            }
            made.client->feed(std::exchange(made.down, {}), ignore, made.up);
        }
        EXPECT_FALSE(damaged && made.open());
    }
}

TEST(ReadKeyExchange, TakesCutAndJoinedRecords) {
    const std::string message = std::string("\x10\x00\x00\x06\x00\x04", 6) + "dev7";
    const auto record = [](const std::string& fragment) {
        return std::string("\x16\x03\x03\x00", 4) + static_cast<char>(fragment.size()) + fragment;
    };
    const std::string whole = record(message);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(read_key_exchange(whole.substr(0, size)).status, KeyExchangeStatus::kNeedMore)
            << size;
    }
    EXPECT_EQ(read_key_exchange(whole + "more").identity, "dev7");
    EXPECT_EQ(read_key_exchange(record(message.substr(0, 3)) + record(message.substr(3))).identity,
              "dev7");
    std::string wrong = whole;
    wrong[0] = 0x15;
    EXPECT_EQ(read_key_exchange(wrong).status, KeyExchangeStatus::kOther);
    wrong = whole;
    wrong[5] = 0x14;
    EXPECT_EQ(read_key_exchange(wrong).status, KeyExchangeStatus::kOther);
    wrong = whole;
    wrong[10] = 5;  // longer than the message
    EXPECT_EQ(read_key_exchange(wrong).status, KeyExchangeStatus::kOther);
    EXPECT_EQ(read_key_exchange(record(std::string("\x10\xff\xff\xff\x00\x04", 6))).status,
              KeyExchangeStatus::kOther);
}

// A certificate of whatever names, signed by its own key; DER.
std::string self_signed(const std::vector<std::string>& common_names, const std::string& names) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* made = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(made), 0x1234);
    X509_gmtime_adj(X509_getm_notBefore(made), 0);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    for (const std::string& name : common_names) {
        X509_NAME_add_entry_by_NID(X509_get_subject_name(made), NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(name.data()),
                                   static_cast<int>(name.size()), -1, 0);
    }
    if (!names.empty()) {
        X509_EXTENSION* extension =
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
        X509_add_ext(made, extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_sign(made, key, EVP_sha256());
    unsigned char* der = nullptr;
    const int size = i2d_X509(made, &der);
    std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    X509_free(made);
    EVP_PKEY_free(key);
    return bytes;
}

TEST(TlsPeer, SaysWhatACertificateSays) {
    const std::string der = self_signed(
        {"plant/dev7"}, "DNS:dev7.example,URI:urn:causeway:device:plant/dev7,IP:192.0.2.1");
    const auto peer = parse_peer(der);
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->common_name, "plant/dev7");
    EXPECT_EQ(peer->subject, "CN=plant/dev7");
    EXPECT_EQ(peer->serial, "1234");
    EXPECT_EQ(peer->fingerprint.size(), 64U);
    EXPECT_THAT(peer->dns_names, testing::ElementsAre("dev7.example"));
    EXPECT_THAT(peer->uris, testing::ElementsAre("urn:causeway:device:plant/dev7"));
    EXPECT_EQ(peer->der, der);
    EXPECT_FALSE(peer->verified);
    EXPECT_FALSE(parse_peer(der + "x"));
    EXPECT_FALSE(parse_peer(der.substr(1)));
    EXPECT_FALSE(parse_peer(""));
}

TEST(TlsPeer, ANameThatIsARiddleIsNone) {
    EXPECT_EQ(parse_peer(self_signed({"a", "b"}, ""))->common_name, "");
    EXPECT_EQ(parse_peer(self_signed({std::string("good\0evil", 9)}, ""))->common_name, "");
    EXPECT_EQ(parse_peer(self_signed({}, ""))->common_name, "");
    std::string many = "DNS:a";
    for (int i = 0; i < 200; ++i) {
        many += ",DNS:b" + std::to_string(i);
    }
    EXPECT_EQ(parse_peer(self_signed({}, many))->dns_names.size(), kPeerNamesMax);
    EXPECT_TRUE(parse_peer(self_signed({}, "URI:with space"))->uris.empty());
}

}  // namespace
}  // namespace causeway::io
