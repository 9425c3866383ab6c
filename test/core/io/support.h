// What the loopback tests share: running a loop until something is true, stream owners that record,
// and a folder of certificates.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <string>

#include "certs/context.h"
#include "certs/issue.h"
#include "core/io/loop.h"
#include "core/io/tcp_listener.h"
#include "core/io/tcp_stream.h"
#include "core/io/timer.h"

namespace causeway::io {

// Runs turns until `done`; false after 20 s.
inline bool run_until(Loop& loop, const std::function<bool()>& done) {
    const MonoMs deadline = loop.now_ms() + 20'000;
    Timer wake(loop, [] {});
    wake.start(20, 20);
    while (!done()) {
        if (loop.now_ms() > deadline) {
            return false;
        }
        loop.turn();
    }
    return true;
}

// Keeps what it is told; `on_data` may react.
class Recorder : public StreamOwner {
public:
    void on_open(TcpStream&) override { opened = true; }
    void on_bytes(TcpStream& from, std::string_view bytes) override {
        received.append(bytes);
        if (on_data) {
            on_data(from, bytes);
        }
    }
    void on_writable(TcpStream& to) override {
        ++writable;
        if (on_room) {
            on_room(to);
        }
    }
    void on_end(TcpStream&, StreamEnd how, std::string_view text) override {
        ++ends;
        end = how;
        why = text;
        if (on_gone) {
            on_gone();
        }
    }

    StreamPtr stream;
    bool opened = false;
    int writable = 0;
    int ends = 0;
    StreamEnd end = StreamEnd::kPeerClosed;
    std::string why;
    std::string received;
    std::function<void(TcpStream&, std::string_view)> on_data;
    std::function<void(TcpStream&)> on_room;
    std::function<void()> on_gone;
};

// A connected pair on one loop.
struct Pair {
    explicit Pair(Loop& on, std::shared_ptr<ssl_ctx_st> server_tls = nullptr,
                  std::shared_ptr<ssl_ctx_st> client_tls = nullptr, std::string name = {})
        : loop(on) {
        auto listening = TcpListener::listen(loop, {}, [this, server_tls](StreamPtr accepted) {
            server.stream = std::move(accepted);
            server.stream->start(
                server, server_tls ? TlsSession::server(server_tls.get()).value() : nullptr);
        });
        listener = std::move(listening.value());
        client.stream = TcpStream::connect(
            loop, {"127.0.0.1", listener->port(), client_tls, std::move(name)}, client);
    }
    bool open() {
        return run_until(loop, [this] {
            return client.opened && server.stream && (!server.stream->tls() || server.opened);
        });
    }

    Loop& loop;
    std::unique_ptr<TcpListener> listener;
    Recorder server;
    Recorder client;
};

// A CA with a server certificate for localhost and a device certificate, made once per program.
struct TestCerts {
    TestCerts() {
        char name[] = "/tmp/causeway-io-XXXXXX";
        dir = ::mkdtemp(name);
        const bool made = certs::init_ca(dir, {}).has_value() &&
                          certs::issue_server(dir, {"localhost", "127.0.0.1"}, {}).has_value() &&
                          certs::issue_device(dir, "plant/dev7", {}).has_value() &&
                          certs::init_ca(dir + "/other", {}).has_value() &&
                          certs::issue_device(dir + "/other", "stranger", {}).has_value();
        EXPECT_TRUE(made);
    }
    ~TestCerts() { std::filesystem::remove_all(dir); }

    static TestCerts& get() {
        static TestCerts certs;
        return certs;
    }
    [[nodiscard]] std::shared_ptr<ssl_ctx_st> server(
        certs::Verify verify = certs::Verify::kNone,
        certs::TlsVersion min = certs::TlsVersion::kTls12) const {
        return certs::make_server_context(
                   {dir + "/server.crt", dir + "/server.key", dir + "/ca.crt", verify, min})
            .value();
    }
    [[nodiscard]] std::shared_ptr<ssl_ctx_st> client(const std::string& device = {},
                                                     const std::string& ca = "/ca.crt") const {
        certs::ClientTlsConfig config;
        config.ca = dir + ca;
        if (!device.empty()) {
            config.certificate = dir + device + ".crt";
            config.private_key = dir + device + ".key";
        }
        return certs::make_client_context(config).value();
    }

    std::string dir;
};

}  // namespace causeway::io
