// Any bytes, cut anywhere: the HTTP parser never crashes and stays within its limits.
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "core/io/http_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using causeway::io::HttpParser;
    if (size == 0) {
        return 0;
    }
    const std::size_t step = data[0] + std::size_t{1};
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    HttpParser parser({512, 256});
    std::string input;
    for (std::size_t at = 0; at < text.size(); at += step) {
        input += text.substr(at, step);
        auto status = parser.parse(input);
        // The requests behind it, too: as many may come at once as fit.
        while (status == HttpParser::Status::kDone) {
            CW_CHECK(parser.take().body.size() <= 256);
            parser = HttpParser({512, 256});
            status = parser.parse(input);
        }
        if (status == HttpParser::Status::kError) {
            CW_CHECK(parser.error_status() >= 400 && !parser.error_text().empty());
            break;
        }
        CW_CHECK(input.size() <= 512);
    }
    return 0;
}
