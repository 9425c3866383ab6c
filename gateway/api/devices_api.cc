#include "gateway/api/devices_api.h"

#include <algorithm>
#include <utility>

#include "gateway/api/json_body.h"
#include "gateway/api/secrets.h"

namespace causeway::api {
namespace {

constexpr std::string_view kDevices = "/v1/devices";
constexpr std::uint32_t kListMax = 1'000;
constexpr int kEditTries = 4;

io::HttpResponse unavailable() {
    io::HttpResponse busy = error(503, "the device's set has no leader or no room: try again");
    busy.headers.emplace_back("Retry-After", "1");
    return busy;
}

Json device_json(const Record& record) {
    const auto device = auth::decode_device(record.key, record.value);
    Json json = device ? Json::parse(auth::to_json(*device, auth::Secrets::kHidden))
                       : Json{{"problem", "of a version this program cannot read"}};
    json["key"] = record.key;
    json["revision"] = record.revision;
    return json;
}

}  // namespace

// Asks every set in turn and merges what they have.
struct DevicesApi::Listing {
    io::HttpResponder responder;
    RecordQuery query;
    std::uint32_t max = 0;
    std::size_t asked = 0;
    std::vector<Record> records;
    // Behind the least of these a set may hold more than it said.
    std::string complete_to;
    bool more = false;
};

// Reads a device, changes it and writes it back if nobody else did; else again.
struct DevicesApi::Edit {
    std::string key;
    io::HttpResponder responder;
    Change change;
    io::HttpResponse answer;
    int tries = 0;
};

io::HttpResponse refusal_of(const RecordClient::Outcome& outcome) {
    if (!outcome.code) {
        return error(503, outcome.sent ? "whether it was done is not known: the core was lost"
                                       : "nothing was done: the set has no leader; try again");
    }
    switch (*outcome.code) {
        case ResultCode::kConflict:
            return error(409, "the device has another revision: read it again");
        case ResultCode::kNotFound:
            return error(404, "no such device");
        case ResultCode::kQuotaExceeded:
            return error(507, "the set holds as many devices as it may, or the disk is full");
        case ResultCode::kInvalid:
            return error(413, "too large: a device is at most 16 KiB as it is stored");
        default:
            return error(503, "the core did not take the request: try again");
    }
}

void DevicesApi::handle(const io::HttpRequest& request, io::HttpResponder responder) {
    if (!directory_.documents()) {
        responder.respond(error(503, "the control group has not spoken yet: try again"));
        return;
    }
    std::string_view rest = std::string_view(request.path).substr(kDevices.size());
    if (rest.empty()) {
        if (request.method == "GET") {
            list(request, std::move(responder));
        } else {
            responder.respond(error(405, "use GET, or POST /v1/devices/import"));
        }
        return;
    }
    rest.remove_prefix(1);
    if (rest == "import") {
        if (request.method == "POST") {
            import(request, std::move(responder));
        } else {
            responder.respond(error(405, "use POST"));
        }
        return;
    }
    const std::size_t slash = rest.find('/');
    const std::size_t end =
        slash == std::string_view::npos ? rest.size() : rest.find('/', slash + 1);
    const std::string key(rest.substr(0, end));
    const std::string_view action =
        end == std::string_view::npos || end >= rest.size() ? "" : rest.substr(end + 1);
    if (!auth::parse_device_key(key)) {
        responder.respond(error(404,
                                "use /v1/devices/PRODUCT/DEVICE; each is 1 to 64 of "
                                "A-Z a-z 0-9 _ . : -"));
    } else if (!action.empty()) {
        act(key, action, request, std::move(responder));
    } else if (request.method == "GET") {
        show(key, std::move(responder));
    } else if (request.method == "PUT") {
        put(key, request, std::move(responder));
    } else if (request.method == "DELETE") {
        erase(key, request, std::move(responder));
    } else {
        responder.respond(error(405, "use GET, PUT or DELETE, or POST …/enable, disable, rotate"));
    }
}

// --- lists -------------------------------------------------------------------------------------

void DevicesApi::list(const io::HttpRequest& request, io::HttpResponder responder) {
    const auto max = number_of(request, "max", 100);
    const std::string product = request.query_value("product").value_or("");
    if (!max || *max == 0 || *max > kListMax || (!product.empty() && !auth::is_name(product))) {
        responder.respond(error(400, "max is 1 to 1000; product is a product's name"));
        return;
    }
    auto listing =
        std::make_shared<Listing>(Listing{std::move(responder), {}, 0, 0, {}, {}, false});
    listing->max = static_cast<std::uint32_t>(*max);
    listing->query.key = product.empty() ? "" : product + "/";
    listing->query.prefix = true;
    listing->query.after = request.query_value("after").value_or("");
    listing->query.max = listing->max;
    list_next(listing);
}

void DevicesApi::list_next(const std::shared_ptr<Listing>& listing) {
    if (listing->asked == records_.sets().size()) {
        finish_list(*listing);
        return;
    }
    const GroupId set = records_.sets()[listing->asked++];
    records_.scan(set, listing->query, [this, listing](const RecordsFound* found) {
        if (found == nullptr) {
            listing->responder.respond(unavailable());
            return;
        }
        if (found->more && !found->records.empty()) {
            const std::string& last = found->records.back().key;
            listing->complete_to = listing->more ? std::min(listing->complete_to, last) : last;
            listing->more = true;
        }
        listing->records.insert(listing->records.end(), found->records.begin(),
                                found->records.end());
        list_next(listing);
    });
}

void DevicesApi::finish_list(Listing& listing) {
    std::sort(listing.records.begin(), listing.records.end(),
              [](const Record& a, const Record& b) { return a.key < b.key; });
    Json devices = Json::array();
    bool more = listing.more;
    std::string last;
    for (const Record& record : listing.records) {
        if (devices.size() == listing.max || (listing.more && record.key > listing.complete_to)) {
            more = true;
            break;
        }
        devices.push_back(device_json(record));
        last = record.key;
    }
    Json body{{"devices", std::move(devices)}};
    if (more && !last.empty()) {
        body["next"] = last;
    }
    listing.responder.respond(ok(body));
}

// --- one device --------------------------------------------------------------------------------

void DevicesApi::show(const std::string& key, io::HttpResponder responder) {
    records_.find(key, [responder = std::move(responder)](const RecordsFound* found) mutable {
        if (found == nullptr) {
            responder.respond(unavailable());
        } else if (found->records.empty()) {
            responder.respond(error(404, "no such device"));
        } else {
            responder.respond(ok(device_json(found->records.front())));
        }
    });
}

void DevicesApi::put(const std::string& key, const io::HttpRequest& request,
                     io::HttpResponder responder) {
    const auto expected = number_of(request, "revision", kAnyRevision);
    Json json = parse_json(request.body);
    if (!json.is_object() || !expected) {
        responder.respond(
            error(400, expected ? "the body must be a JSON object" : "revision must be a number"));
        return;
    }
    const auto parts = auth::parse_device_key(key);
    json.emplace("product", parts->product);
    json.emplace("name", parts->name);
    auto device = auth::parse_device(json.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!device || device->key() != key) {
        responder.respond(error(
            400, device ? "product, name: are not those in the path" : device.error().message));
        return;
    }
    if (directory_.catalogue()->product(device->product) == nullptr) {
        responder.respond(error(409, "there is no product " + device->product));
        return;
    }
    if (!records_.ready(key)) {
        responder.respond(unavailable());
        return;
    }
    const std::string value = auth::encode(*device);
    records_.put({key, *expected, value}, [key, responder = std::move(responder)](
                                              const RecordClient::Outcome& outcome) mutable {
        responder.respond(outcome.code == ResultCode::kOk
                              ? ok(Json{{"key", key}, {"revision", outcome.revision}})
                              : refusal_of(outcome));
    });
}

void DevicesApi::erase(const std::string& key, const io::HttpRequest& request,
                       io::HttpResponder responder) {
    const auto expected = number_of(request, "revision", kAnyRevision);
    if (!expected || !records_.ready(key)) {
        responder.respond(expected ? unavailable() : error(400, "revision must be a number"));
        return;
    }
    records_.erase({key, *expected}, [key, responder = std::move(responder)](
                                         const RecordClient::Outcome& outcome) mutable {
        responder.respond(outcome.code == ResultCode::kOk ? ok(Json{{"deleted", key}})
                                                          : refusal_of(outcome));
    });
}

void DevicesApi::act(const std::string& key, std::string_view action,
                     const io::HttpRequest& request, io::HttpResponder responder) {
    const bool known = action == "enable" || action == "disable" || action == "rotate";
    if (!known || request.method != "POST") {
        responder.respond(error(known ? 405 : 404, "use POST …/enable, …/disable or …/rotate"));
        return;
    }
    const Body body = parse_body(request, {"grace_s"});
    const auto grace =
        body.refusal ? std::nullopt : number(body.json, "grace_s", 0, kGraceMaxS, kGraceS);
    if (!grace || (action != "rotate" && !body.json.empty())) {
        responder.respond(error(400,
                                "grace_s: seconds the old secret is still taken, at most "
                                "2592000; for rotate only"));
        return;
    }
    auto changing = std::make_shared<Edit>(Edit{key, std::move(responder), {}, {}, 0});
    if (action == "rotate") {
        const std::string secret = new_secret();
        changing->answer = ok(Json{{"key", key}, {"secret", secret}});
        changing->answer.notes.emplace_back("secret", "a new one was told");
        changing->change = [secret, grace](auth::Device& device) {
            rotate(device.secrets, secret, *grace, now_s());
            return std::string();
        };
    } else {
        const bool enabled = action == "enable";
        changing->answer = ok(Json{{"key", key}, {"enabled", enabled}});
        changing->change = [enabled](auth::Device& device) {
            device.enabled = enabled;
            return std::string();
        };
    }
    edit(changing);
}

void DevicesApi::edit(const std::shared_ptr<Edit>& edit) {
    if (!records_.ready(edit->key) || ++edit->tries > kEditTries) {
        edit->responder.respond(unavailable());
        return;
    }
    records_.find(edit->key, [this, edit](const RecordsFound* found) {
        if (found == nullptr) {
            edit->responder.respond(unavailable());
            return;
        }
        if (found->records.empty()) {
            edit->responder.respond(error(404, "no such device"));
            return;
        }
        const Record& record = found->records.front();
        auto device = auth::decode_device(record.key, record.value);
        if (!device) {
            edit->responder.respond(error(409, "of a version this program cannot read"));
            return;
        }
        if (const std::string refused = edit->change(*device); !refused.empty()) {
            edit->responder.respond(error(409, refused));
            return;
        }
        const std::string value = auth::encode(*device);
        records_.put({edit->key, record.revision, value},
                     [this, edit](const RecordClient::Outcome& outcome) {
                         if (outcome.code == ResultCode::kConflict) {
                             this->edit(edit);
                         } else {
                             edit->responder.respond(outcome.code == ResultCode::kOk
                                                         ? std::move(edit->answer)
                                                         : refusal_of(outcome));
                         }
                     });
    });
}

}  // namespace causeway::api
