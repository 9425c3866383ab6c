// Handshakes side by side: CPU time of the server's thread. The client's share is not counted.
#include <benchmark/benchmark.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "certs/context.h"
#include "certs/issue.h"
#include "core/io/tls.h"
#include "core/io/tls_psk.h"

namespace causeway::io {
namespace {

using Context = std::shared_ptr<ssl_ctx_st>;
constexpr char kKey[] = "0123456789abcdef0123456789abcdef";

unsigned answer(SSL*, const char*, char* identity, unsigned, unsigned char* key, unsigned) {
    const std::string name = "plant/dev7";
    std::copy(name.c_str(), name.c_str() + name.size() + 1, identity);
    std::copy(kKey, kKey + 32, key);
    return 32;
}

struct Contexts {
    Contexts() {
        char name[] = "/tmp/causeway-bench-XXXXXX";
        dir = ::mkdtemp(name);
        certs::IssueOptions rsa;
        rsa.key = certs::KeyKind::kRsa;
        rsa.force = true;
        certs::init_ca(dir).value();
        certs::issue_device(dir, "d").value();
        certs::issue_server(dir, {"localhost"}, rsa).value();
        mutual_rsa = server(certs::Verify::kRequired);
        certs::issue_server(dir, {"localhost"}, {825, 3600, true}).value();
        plain = server(certs::Verify::kNone);
        mutual = server(certs::Verify::kRequired);
        psk = server(certs::Verify::kNone, true);
        certs::ClientTlsConfig config;
        config.ca = dir + "/ca.crt";
        anonymous = certs::make_client_context(config).value();
        with_psk = certs::make_client_context(config).value();
        SSL_CTX_set_psk_client_callback(with_psk.get(), answer);
        SSL_CTX_set_cipher_list(with_psk.get(), "PSK");
        config.certificate = dir + "/devices/d.crt";
        config.private_key = dir + "/devices/d.key";
        device = certs::make_client_context(config).value();
    }
    ~Contexts() { std::filesystem::remove_all(dir); }
    [[nodiscard]] Context server(certs::Verify verify, bool keys = false) const {
        certs::ServerTlsConfig config;
        config.certificate = dir + "/server.crt";
        config.private_key = dir + "/server.key";
        config.client_ca = dir + "/ca.crt";
        config.verify = verify;
        config.psk = keys;
        auto made = certs::make_server_context(config).value();
        if (keys) {
            accept_psk(made.get());
        }
        return made;
    }

    std::string dir;
    Context plain, mutual, mutual_rsa, psk, anonymous, device, with_psk;
};

Contexts& contexts() {
    static Contexts made;
    return made;
}

double cpu_s() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Case {
    ssl_ctx_st* server;
    ssl_ctx_st* client;
    int version;
    bool resumes = false;
};

// One handshake and the server's first bytes (with them its ticket); returns its seconds.
double handshake(const Case& how, SSL_SESSION*& session) {
    const auto ignore = [](std::string_view) { return true; };
    std::string up;
    std::string down;
    const auto client = TlsSession::client(how.client, "localhost").value();
    SSL* raw = const_cast<SSL*>(client->native());
    SSL_set_max_proto_version(raw, how.version);
    if (how.resumes && session != nullptr) {
        SSL_set_session(raw, session);
    }
    client->feed({}, ignore, up);
    double begin = cpu_s();
    auto server = TlsSession::server(how.server).value();
    double spent = cpu_s() - begin;
    for (int flight = 0; flight < 4 && (!up.empty() || !down.empty()); ++flight) {
        begin = cpu_s();
        server->feed(up, ignore, down);
        if (!server->wanted_psk().empty()) {
            server->give_psk(std::string_view(kKey, 32), ignore, down);
        }
        if (server->can_write() && flight > 0) {
            server->write("x", down);
        }
        spent += cpu_s() - begin;
        up.clear();
        client->feed(std::exchange(down, {}), ignore, up);
    }
    if (!server->can_write() || (how.resumes && session != nullptr && !server->resumed())) {
        std::fprintf(stderr, "no handshake: %s %s\n", server->error().c_str(),
                     client->error().c_str());
        std::exit(1);
    }
    if (how.resumes && session == nullptr) {
        session = SSL_get1_session(raw);
    }
    client->shutdown(up);  // a session whose connection just goes is not taken up again
    begin = cpu_s();
    server.reset();
    return spent + cpu_s() - begin;
}

void run(benchmark::State& state, const Case& how) {
    SSL_SESSION* session = nullptr;
    handshake(how, session);
    for (auto _ : state) {
        state.SetIterationTime(handshake(how, session));
    }
    SSL_SESSION_free(session);
    state.SetItemsProcessed(state.iterations());
}

void register_all() {
    Contexts& c = contexts();
    const std::pair<const char*, Case> all[] = {
        {"ecdsa/1.3", {c.plain.get(), c.anonymous.get(), TLS1_3_VERSION}},
        {"ecdsa_mutual/1.3", {c.mutual.get(), c.device.get(), TLS1_3_VERSION}},
        {"ecdsa_mutual/1.2", {c.mutual.get(), c.device.get(), TLS1_2_VERSION}},
        {"rsa_mutual/1.3", {c.mutual_rsa.get(), c.device.get(), TLS1_3_VERSION}},
        {"psk/1.3", {c.psk.get(), c.with_psk.get(), TLS1_3_VERSION}},
        {"psk_ecdhe/1.2", {c.psk.get(), c.with_psk.get(), TLS1_2_VERSION}},
        {"resumed_mutual/1.3", {c.mutual.get(), c.device.get(), TLS1_3_VERSION, true}},
        {"resumed_mutual/1.2", {c.mutual.get(), c.device.get(), TLS1_2_VERSION, true}},
    };
    for (const auto& [name, how] : all) {
        benchmark::RegisterBenchmark(name, [how = how](benchmark::State& state) {
            run(state, how);
        })->UseManualTime();
    }
}

}  // namespace
}  // namespace causeway::io

int main(int argc, char** argv) {
    causeway::io::register_all();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
