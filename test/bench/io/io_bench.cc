// What a connection costs: heap bytes of idle streams and TLS sessions, handshakes per second, and
// messages per second between two loops. Prints the memory figures first, then benchmarks.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "certs/context.h"
#include "certs/issue.h"
#include "core/io/loop.h"
#include "core/io/mailbox.h"
#include "core/io/tcp_stream.h"
#include "core/io/timer_wheel.h"
#include "core/io/tls.h"

namespace causeway::io {
namespace {

struct Contexts {
    Contexts() {
        char name[] = "/tmp/causeway-bench-XXXXXX";
        dir = ::mkdtemp(name);
        certs::init_ca(dir).value();
        certs::issue_server(dir, {"localhost"}).value();
        certs::issue_device(dir, "d").value();
        certs::ClientTlsConfig config;
        config.ca = dir + "/ca.crt";
        anonymous = certs::make_client_context(config).value();
        config.certificate = dir + "/devices/d.crt";
        config.private_key = dir + "/devices/d.key";
        device = certs::make_client_context(config).value();
        server = make(certs::Verify::kNone);
        mutual = make(certs::Verify::kRequired);
    }
    ~Contexts() { std::filesystem::remove_all(dir); }
    [[nodiscard]] std::shared_ptr<ssl_ctx_st> make(certs::Verify verify) const {
        certs::ServerTlsConfig config;
        config.certificate = dir + "/server.crt";
        config.private_key = dir + "/server.key";
        config.client_ca = dir + "/ca.crt";
        config.verify = verify;
        return certs::make_server_context(config).value();
    }

    std::string dir;
    std::shared_ptr<ssl_ctx_st> server, mutual, anonymous, device;
};

Contexts& contexts() {
    static Contexts made;
    return made;
}

// A server session after its handshake and one message each way; the client is gone again.
std::unique_ptr<TlsSession> open_session(ssl_ctx_st* server_context, ssl_ctx_st* client_context) {
    auto server = TlsSession::server(server_context).value();
    const auto client = TlsSession::client(client_context, "localhost").value();
    const auto ignore = [](std::string_view) { return true; };
    std::string up;
    std::string down;
    client->feed({}, ignore, up);
    for (int flight = 0; flight < 4; ++flight) {
        const std::string to_server = std::exchange(up, {});
        server->feed(to_server, ignore, down);
        const std::string to_client = std::exchange(down, {});
        client->feed(to_client, ignore, up);
    }
    if (!client->write("hello", up) || server->feed(up, ignore, down) != TlsStatus::kOpen ||
        !server->write("hello", down)) {
        std::fprintf(stderr, "no handshake: %s %s\n", server->error().c_str(),
                     client->error().c_str());
        std::exit(1);
    }
    return server;
}

void report_memory(const char* what, ssl_ctx_st* server, ssl_ctx_st* client) {
    constexpr std::size_t kSessions = 500;
    open_session(server, client);  // What OpenSSL allocates once.
    std::vector<std::unique_ptr<TlsSession>> sessions;
    sessions.reserve(kSessions);
    const std::size_t before = ::mallinfo2().uordblks;
    for (std::size_t i = 0; i < kSessions; ++i) {
        sessions.push_back(open_session(server, client));
    }
    const std::size_t used = ::mallinfo2().uordblks - before;
    std::printf("%-44s %8.2f KiB\n", what,
                static_cast<double>(used) / static_cast<double>(kSessions) / 1024);
}

void report_all() {
    Contexts& made = contexts();
    std::printf("%-44s %8zu B\n", "sizeof(TcpStream), its uv_tcp_t in it", sizeof(TcpStream));
    report_memory("TLS 1.3 server session, idle", made.server.get(), made.anonymous.get());
    report_memory("TLS 1.3 with a client certificate, idle", made.mutual.get(), made.device.get());
    SSL_CTX_set_max_proto_version(made.server.get(), TLS1_2_VERSION);
    report_memory("TLS 1.2 server session, idle", made.server.get(), made.anonymous.get());
    SSL_CTX_set_max_proto_version(made.server.get(), 0);
}

void full_handshakes(benchmark::State& state) {
    Contexts& made = contexts();
    for (auto _ : state) {
        open_session(made.mutual.get(), made.device.get());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(full_handshakes);

void mailbox_batches(benchmark::State& state) {
    Loop loop;
    std::int64_t received = 0;
    Mailbox<std::uint64_t> mailbox(
        loop, [&](auto& items) { received += static_cast<std::int64_t>(items.size()); });
    std::thread receiver([&] { loop.run(); });
    std::vector<std::uint64_t> batch;
    for (auto _ : state) {
        batch.assign(static_cast<std::size_t>(state.range(0)), 1);
        mailbox.push_batch(batch);
    }
    loop.stop();
    receiver.join();
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(mailbox_batches)->Arg(1)->Arg(64)->UseRealTime();

void wheel_arm_and_cancel(benchmark::State& state) {
    TimerWheel wheel(0, {});
    for (int i = 0; i < 20'000; ++i) {
        wheel.arm(static_cast<MonoMs>(i), 0);
    }
    for (auto _ : state) {
        wheel.cancel(wheel.arm(60'000, 1));
    }
}
BENCHMARK(wheel_arm_and_cancel);

}  // namespace
}  // namespace causeway::io

int main(int argc, char** argv) {
    causeway::io::report_all();
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
