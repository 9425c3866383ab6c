// CW_CHECK: an assertion about our own code, always compiled in. It prints the expression and the
// values given, then aborts. Never put it on anything a peer, a disk or an operator can cause:
// those are values (tl::expected). Callable from every thread.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace causeway {

[[noreturn]] inline void check_failed(const char* file, int line, const char* expression,
                                      std::string_view details) {
    std::fprintf(stderr, "%s:%d: check failed: %s %.*s\n", file, line, expression,
                 static_cast<int>(details.size()), details.data());
    std::abort();
}

}  // namespace causeway

// CW_CHECK(condition) or CW_CHECK(condition, text), text being anything that makes a string_view.
#define CW_CHECK(condition, ...)                                                                  \
    do {                                                                                          \
        if (!(condition)) [[unlikely]] {                                                          \
            ::causeway::check_failed(__FILE__, __LINE__, #condition, ::std::string{__VA_ARGS__}); \
        }                                                                                         \
    } while (false)
