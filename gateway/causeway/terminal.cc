#include "gateway/causeway/terminal.h"

#include <unistd.h>

#include <cstdlib>

namespace causeway::root {

// NO_COLOR: https://no-color.org, set and not empty.
Terminal::Terminal(int descriptor) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    colours_ = isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0') &&
               term != nullptr && std::string_view(term) != "dumb";
}

std::string Terminal::paint(std::string_view text, Colour colour) const {
    if (!colours_) {
        return std::string(text);
    }
    const std::string_view code = colour == Colour::kRed     ? "31"
                                  : colour == Colour::kGreen ? "32"
                                                             : "33";
    std::string out = "\x1b[";
    return out.append(code).append("m").append(text).append("\x1b[0m");
}

}  // namespace causeway::root
