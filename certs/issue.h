// The development CA and what it signs: server certificates, device certificates, CSRs. EC P-256
// keys, random 128-bit serial numbers. Called by `causeway cert ...` and by tests; files only, no
// network.
//
// In a folder: ca.crt, ca.key, server.crt, server.key, nodes/<name>.crt, nodes/<name>.key, and
// devices/<id>.crt, devices/<id>.key, where characters of the id that are not letters, digits, '-',
// '_' or '.' become '_'. Keys have mode 0600; every file is written beside its place, synced and
// renamed into it.
//
// Every error is one line that says what to fix. An existing file is an error, and stays as it is,
// unless `force`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace causeway::certs {

struct IssueOptions {
    int days = 825;
    std::int64_t backdate_s = 3600;  // Valid from now minus this: devices' clocks lag.
    bool force = false;
};

struct CaOptions {
    std::string common_name = "Causeway development CA";
    int days = 3650;
    bool force = false;
};

struct IssuedFiles {
    std::string certificate;
    std::string private_key;
};

// Effect: makes `dir` if need be, and a self-signed CA in it.
Result<IssuedFiles> init_ca(const std::string& dir, const CaOptions& options = {});

// Effect: a certificate for a server (server and client authentication). `names`: DNS names and IP
// addresses, at least one; the first is also the CN.
Result<IssuedFiles> issue_server(const std::string& dir, const std::vector<std::string>& names,
                                 const IssueOptions& options = {});

// What the CN of a node's certificate begins with. No device gets such a CN: devices' certificates
// may come from the same CA.
inline constexpr std::string_view kNodePrefix = "node:";

// Effect: a certificate for a node towards other nodes (server and client authentication), CN =
// «node:» and `name`: 1 to 59 letters, digits, '-', '_' and '.', not beginning with '.'. `hosts`:
// DNS names and IP addresses for who checks them; nodes go by the name.
Result<IssuedFiles> issue_node(const std::string& dir, std::string_view name,
                               const std::vector<std::string>& hosts,
                               const IssueOptions& options = {});

// Effect: a certificate for a device (client authentication), CN = `device_id` (1 to 64 bytes of
// UTF-8, the limit of X.520; not beginning with «node:»).
Result<IssuedFiles> issue_device(const std::string& dir, std::string_view device_id,
                                 const IssueOptions& options = {});

// Effect: returns a device certificate (PEM) for the key of `csr_pem`. CN = `device_id`, or what
// the request says if that is empty; nothing else is taken from the request. Refused: a request
// whose signature does not prove its key, keys below EC P-256 or RSA 2048, a node's name. Writes
// no file.
Result<std::string> sign_csr(const std::string& dir, std::string_view csr_pem,
                             std::string_view device_id, const IssueOptions& options = {});

}  // namespace causeway::certs
