#include "gateway/api/audit_api.h"

#include <memory>
#include <optional>
#include <utility>

#include "gateway/api/json_body.h"

namespace causeway::api {
namespace {

// The records as they are in the file, so that their hashes can be checked.
io::HttpResponse page_of(const audit::Page& page) {
    io::HttpResponse response = ok(Json{{"first", page.first},
                                        {"last", page.head.seq},
                                        {"hash", page.head.hash},
                                        {"records", Json::array()}});
    std::string records = "[";
    for (const std::string& line : page.lines) {
        records += records.size() > 1 ? ",\n" : "\n";
        records += line;
    }
    const std::size_t at = response.body.rfind("[]");
    response.body.replace(at, 2, records + "]");
    return response;
}

}  // namespace

void answer_audit(io::Loop& loop, audit::Log* log, const io::HttpRequest& request,
                  io::HttpResponder responder) {
    constexpr std::uint64_t kMax = 1'000;
    const auto from = number_of(request, "from", 0);
    const auto max = number_of(request, "max", 100);
    if (request.path != "/v1/audit" || log == nullptr) {
        responder.respond(
            error(404, log == nullptr ? "this node keeps no audit log" : "use GET /v1/audit"));
    } else if (!from || !max || *max == 0 || *max > kMax) {
        responder.respond(error(400, "from is a record's number, max 1 to 1000"));
    } else {
        auto to = std::make_shared<io::HttpResponder>(std::move(responder));
        log->read(*from, *max, [&loop, to](audit::Page page) {
            loop.post([to, page = std::move(page)] { to->respond(page_of(page)); });
        });
    }
}

}  // namespace causeway::api
