// Colours for a person at a terminal; nothing for a pipe, a file, NO_COLOR or a dumb terminal.
#pragma once

#include <string>
#include <string_view>

namespace causeway::root {

enum class Colour { kRed, kGreen, kYellow };

class Terminal {
public:
    // Looks at this file descriptor: 1 or 2.
    explicit Terminal(int descriptor);
    // `text`, in the colour if there are any.
    [[nodiscard]] std::string paint(std::string_view text, Colour colour) const;

private:
    bool colours_ = false;
};

}  // namespace causeway::root
