// Errors as values. Result<T> is for start-up and tool paths, where the error is a line for a
// person that says what to do next; a module whose callers must tell errors apart has an enum of
// its own and uses tl::expected<T, ThatEnum>.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace causeway {

struct Error {
    std::string message;
};

template <typename T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) {
    return tl::unexpected<Error>(Error{std::move(message)});
}

}  // namespace causeway
