// SCRAM-SHA-256, «RFC 5802, 7677», the server's side, over MQTT's extended authentication. The
// password is a device's secret, as text; the user name its key. Nothing that is sent lets anyone
// try secrets faster than here, or be used a second time: both sides bring a nonce.
//
//   client-first  n,,n=PRODUCT/NAME,r=CLIENT_NONCE
//   server-first  r=CLIENT_NONCE SERVER_NONCE,s=SALT,i=4096
//   client-final  c=biws,r=…,p=PROOF
//   server-final  v=SIGNATURE   (of the server, for a client that wants to know it too)
//
// No channel binding: a client that asks for it is refused, one that says it could is not. Pure; any
// thread. Deriving keys takes milliseconds: not on a loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace causeway::auth {

inline constexpr std::uint32_t kScramIterations = 4096;
inline constexpr std::string_view kScramMethod = "SCRAM-SHA-256";

struct ScramFirst {
    std::string header;  // "n,," or "y,,"
    std::string user;
    std::string nonce;
    std::string bare;  // the message without its header
};
// nullopt: not a client-first message that we take. At most 512 bytes.
[[nodiscard]] std::optional<ScramFirst> parse_scram_first(std::string_view message);

struct ScramKeys {
    std::string stored_key;
    std::string server_key;
};
// Of one secret. Slow on purpose.
[[nodiscard]] ScramKeys derive_scram_keys(std::string_view secret, std::string_view salt);

// What is shown as the salt of a user, the same each time, known or not; `pepper` is random and the
// process's own.
[[nodiscard]] std::string scram_salt(std::string_view pepper, std::string_view user);

// One run. Made when the keys of the user are there: none for a user that is not known, which
// fails in the end like a wrong secret.
class ScramServer {
public:
    // `nonce`: printable, without commas, of at least 18 random bytes.
    ScramServer(ScramFirst first, std::vector<ScramKeys> keys, std::string_view salt,
                std::string_view nonce);
    [[nodiscard]] std::string server_first() const { return server_first_; }
    // The server-final message; nullopt: the client does not know any of the secrets.
    [[nodiscard]] std::optional<std::string> finish(std::string_view client_final);
    // After that: whose keys they were, in the order given.
    [[nodiscard]] std::size_t proven() const { return proven_; }

private:
    ScramFirst first_;
    std::vector<ScramKeys> keys_;
    std::string nonce_;
    std::string server_first_;
    std::size_t proven_ = 0;
};

}  // namespace causeway::auth
