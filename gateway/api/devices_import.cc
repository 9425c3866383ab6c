// Many devices in one request, a JSON object a line. Each is one command; the request is answered
// when the last of them is applied.
#include <algorithm>
#include <utility>

#include "gateway/api/devices_api.h"
#include "gateway/api/json_body.h"
#include "gateway/api/secrets.h"

namespace causeway::api {
namespace {

constexpr std::size_t kFailuresMax = 100;  // listed of a request; all are counted

}  // namespace

struct DevicesApi::Import {
    Import(io::HttpResponder to, std::string lines)
        : responder(std::move(to)), body(std::move(lines)) {}
    io::HttpResponder responder;
    std::string body;
    std::size_t at = 0;    // what was read of it
    std::size_t line = 0;  // the last one read, from 1
    bool replace = false;
    bool generate = false;
    bool waits = false;  // for room in the core
    std::size_t under_way = 0;
    std::size_t done = 0;
    std::size_t failed = 0;
    std::size_t again = 0;  // of them: their set was lost, the same line may do
    Json failures = Json::array();
    Json secrets = Json::array();
    std::string first;
    std::string last;

    void add_failure(std::size_t number, std::string_view key, std::string_view why) {
        if (++failed <= kFailuresMax) {
            failures.push_back(Json{{"line", number}, {"key", key}, {"error", why}});
        }
    }
    [[nodiscard]] bool over() const { return at >= body.size() && under_way == 0; }
};

void DevicesApi::import(const io::HttpRequest& request, io::HttpResponder responder) {
    const std::string mode = request.query_value("mode").value_or("create");
    const auto lines =
        static_cast<std::size_t>(std::count(request.body.begin(), request.body.end(), '\n'));
    if (mode != "create" && mode != "replace") {
        responder.respond(error(400, "mode is create or replace"));
        return;
    }
    if (lines > kImportLinesMax) {
        responder.respond(error(413, "at most 2000 lines a request"));
        return;
    }
    if (imports_.size() >= kImportsMax) {
        io::HttpResponse busy = error(503, "32 imports are under way: try again");
        busy.headers.emplace_back("Retry-After", "1");
        responder.respond(std::move(busy));
        return;
    }
    auto made = std::make_shared<Import>(std::move(responder), request.body);
    made->replace = mode == "replace";
    made->generate = request.query_value("generate").has_value();
    imports_.push_back(made);
    go_on(made);
}

// Reads lines while the core has room for what they give.
void DevicesApi::go_on(const std::shared_ptr<Import>& import) {
    import->waits = false;
    while (import->at < import->body.size()) {
        const std::size_t end = std::min(import->body.find('\n', import->at), import->body.size());
        const std::string_view line =
            std::string_view(import->body).substr(import->at, end - import->at);
        // Which set a line needs is not known before it is read: all must have room.
        for (const GroupId set : records_.sets()) {
            if (!records_.has_room(set)) {
                import->waits = true;
                return;
            }
        }
        import->at = end + 1;
        ++import->line;
        if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
            submit(import, line, import->line);
        }
    }
    if (!import->over()) {
        return;
    }
    imports_.remove(import);
    Json answer{{"done", import->done},
                {"failed", import->failed},
                {"again", import->again},
                {"failures", import->failures}};
    if (import->generate) {
        answer["secrets"] = std::move(import->secrets);
    }
    io::HttpResponse response = ok(answer);
    response.notes = {{"done", std::to_string(import->done)},
                      {"failed", std::to_string(import->failed)},
                      {"first", import->first},
                      {"last", import->last}};
    import->responder.respond(std::move(response));
}

void DevicesApi::submit(const std::shared_ptr<Import>& import, std::string_view line,
                        std::size_t number) {
    auto device = auth::parse_device(line);
    if (!device) {
        import->add_failure(number, "", device.error().message);
        return;
    }
    const std::string key = device->key();
    if (directory_.catalogue()->product(device->product) == nullptr) {
        import->add_failure(number, key, "there is no product " + device->product);
        return;
    }
    std::string secret;
    if (import->generate && device->secrets.empty()) {
        secret = new_secret();
        device->secrets.push_back({secret, 0});
    }
    const std::string value = auth::encode(*device);
    if (value.size() > kRecordValueBytesMax) {
        import->add_failure(number, key, "too large: a device is at most 16 KiB as it is stored");
        return;
    }
    ++import->under_way;
    records_.put(
        {key, import->replace ? kAnyRevision : kNoRecord, value},
        [this, import, number, key,
         secret = std::move(secret)](const RecordClient::Outcome& outcome) {
            --import->under_way;
            if (outcome.code == ResultCode::kOk) {
                ++import->done;
                import->first = import->first.empty() ? key : import->first;
                import->last = key;
                if (!secret.empty()) {
                    import->secrets.push_back(Json{{"key", key}, { "secret", secret }});
                }
            } else if (outcome.code == ResultCode::kConflict) {
                import->add_failure(number, key, "is there already, with other content");
            } else {
                import->again += outcome.code ? 0 : 1;
                import->add_failure(
                    number, key,
                    Json::parse(refusal_of(outcome).body).at("error").get<std::string>());
            }
            if (!import->waits && import->under_way == 0 && import->at >= import->body.size()) {
                go_on(import);
            }
        });
}

void DevicesApi::on_room() {
    const std::vector<std::shared_ptr<Import>> all(imports_.begin(), imports_.end());
    for (const auto& import : all) {
        if (import->waits) {
            go_on(import);
        }
    }
}

}  // namespace causeway::api
