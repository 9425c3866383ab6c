// Which device a client certificate speaks for. TLS has checked its chain and dates and read it;
// here is decided what counts. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace causeway::auth {

struct Certificate {
    std::string common_name;  // empty: none, or not exactly one
    std::string subject;      // «RFC 2253»
    std::string fingerprint;  // SHA-256 of the DER, lower-case hexadecimal
    std::vector<std::string> uris;
};

// The device that the certificate names itself: by the one URI "urn:causeway:device:PRODUCT/NAME"
// among its alternative names, else by a CN "PRODUCT/NAME". Empty: it names none (or several), and
// only a device whose record holds its fingerprint may use it.
[[nodiscard]] std::string named_device(const Certificate& certificate);

}  // namespace causeway::auth
