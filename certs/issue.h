// A CA and what it signs: intermediate CAs, certificates for servers, nodes, devices and operators,
// CSRs, renewals, revocations. Keys are EC P-256 unless asked for otherwise; serial numbers are
// random, of 128 bits. Called by `causeway cert ...` and by tests; files only, no network.
//
// In a CA's folder:
//   ca.crt, ca.key            the CA
//   chain.crt                 an intermediate CA's certificate and those above it, without the root
//   ca.crl                    what it has revoked
//   server.crt, server.key
//   nodes/<name>.crt, .key, devices/<id>.crt, .key, operators/<name>.crt, .key
//   issued.tsv, revoked.tsv   what it has signed and revoked: the source of ca.crl
// Characters of an id that are not letters, digits, '-', '_' or '.' become '_' in file names. Keys
// have mode 0600 and are refused with any other; every file is written beside its place, synced and
// renamed into it. What an intermediate CA signs is written with the CA's chain behind it.
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

enum class KeyKind : std::uint8_t { kEcP256, kEd25519, kRsa };  // RSA has 2048 bits

struct IssueOptions {
    int days = 825;
    std::int64_t backdate_s = 3600;  // Valid from now minus this: devices' clocks lag.
    bool force = false;
    KeyKind key = KeyKind::kEcP256;
};

struct CaOptions {
    std::string common_name = "Causeway development CA";
    int days = 3650;
    bool force = false;
    KeyKind key = KeyKind::kEcP256;
    int path_length = 1;  // How many intermediate CAs may follow each other below it.
};

struct IssuedFiles {
    std::string certificate;
    std::string private_key;
};

// Effect: makes `dir` if need be, and a self-signed CA in it.
Result<IssuedFiles> init_ca(const std::string& dir, const CaOptions& options = {});

// Effect: a CA in `dir`, signed by the one in `parent`; chain.crt beside it. It bears one
// intermediate CA less than its parent, whatever the options say.
Result<IssuedFiles> init_intermediate(const std::string& dir, const std::string& parent,
                                      const CaOptions& options = {});

// Effect: a certificate for a server (server and client authentication). `names`: DNS names and IP
// addresses, at least one; the first is also the CN.
Result<IssuedFiles> issue_server(const std::string& dir, const std::vector<std::string>& names,
                                 const IssueOptions& options = {});

// What the CN of a node's certificate begins with, and an operator's. No device gets such a CN:
// devices' certificates may come from the same CA.
inline constexpr std::string_view kNodePrefix = "node:";
inline constexpr std::string_view kOperatorPrefix = "operator:";

// Effect: a certificate for a node towards other nodes (server and client authentication), CN =
// «node:» and `name`: 1 to 59 letters, digits, '-', '_' and '.', not beginning with '.'. `hosts`:
// DNS names and IP addresses for who checks them; nodes go by the name.
Result<IssuedFiles> issue_node(const std::string& dir, std::string_view name,
                               const std::vector<std::string>& hosts,
                               const IssueOptions& options = {});

// Effect: a certificate for an operator's tools (client authentication), CN = «operator:» and
// `name`: 1 to 55 characters, as of a node.
Result<IssuedFiles> issue_operator(const std::string& dir, std::string_view name,
                                   const IssueOptions& options = {});

// What a device of the registry, PRODUCT/NAME, has as an alternative name, behind this.
inline constexpr std::string_view kDeviceUri = "urn:causeway:device:";

// Effect: a certificate for a device (client authentication), CN = `device_id` (1 to 64 bytes of
// UTF-8, the limit of X.520; not beginning with «node:» or «operator:»). If the id is of the form
// PRODUCT/NAME (each 1 to 64 of [A-Za-z0-9_.:-]) it is also the URI above, and then may be longer:
// without a CN.
Result<IssuedFiles> issue_device(const std::string& dir, std::string_view device_id,
                                 const IssueOptions& options = {});

// Effect: returns a device certificate (PEM, with the CA's chain) for the key of `csr_pem`. CN =
// `device_id`, or what the request says if that is empty; nothing else is taken from the request.
// Refused: a request whose signature does not prove its key, keys below EC P-256 or RSA 2048, a
// node's or operator's name. Writes nothing but the list of what was issued.
Result<std::string> sign_csr(const std::string& dir, std::string_view csr_pem,
                             std::string_view device_id, const IssueOptions& options = {});

struct RenewOptions {
    int days = 0;          // 0: as long as the old one was valid
    bool new_key = false;  // else the certificate is replaced alone, in one step
    KeyKind key = KeyKind::kEcP256;
};
// Effect: replaces a certificate that the CA in `dir` issued (and its key: the file beside it, .key
// for .crt) by one that says the same and is valid from now. The old one stays valid: revoke it if
// its key is lost. Refused: one the CA did not issue or has revoked, a CA's own.
Result<IssuedFiles> renew(const std::string& dir, const std::string& certificate_path,
                          const RenewOptions& options = {});

// --- revocation ---------------------------------------------------------------------------------

struct RevokeTarget {  // one of them
    std::string serial;            // hexadecimal digits
    std::string name;              // every certificate with this CN (without «node:», «operator:»)
    std::string certificate_path;  // a PEM file
};
struct RevokeOptions {
    std::string reason = "unspecified";  // A word of RFC 5280 §5.3.1, e.g. keyCompromise.
    int crl_days = 30;                   // Until the list should be made anew.
};
// Effect: the certificates are revoked for good, and ca.crl says so. Returns their serial numbers:
// those that were not revoked before. An error: nothing was issued under that name; another reason.
Result<std::vector<std::string>> revoke(const std::string& dir, const RevokeTarget& target,
                                        const RevokeOptions& options = {});

// Effect: writes ca.crl anew, from revoked.tsv, valid for `days`; what has expired a week ago is
// left out. Returns its path.
Result<std::string> write_crl(const std::string& dir, int days);

enum class Standing : std::uint8_t { kValid, kExpired, kRevoked, kReplaced };
struct Listed {
    std::string serial;
    std::int64_t not_after = 0;  // seconds since 1970
    std::string kind;            // ca, crl, server, node, device, operator
    std::string name;            // the CN
    Standing standing = Standing::kValid;
};
// Everything the CA in `dir` has issued, oldest first, behind the CA itself and its revocation list
// (not_after: when it should be made anew). kReplaced: one for the same name is valid for longer.
Result<std::vector<Listed>> list_certificates(const std::string& dir, std::int64_t now_s);
// The certificates of a PEM file, of whatever CA.
Result<std::vector<Listed>> list_file(const std::string& path, std::int64_t now_s);

}  // namespace causeway::certs
