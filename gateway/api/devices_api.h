// Devices by HTTP: records of the sets (docs/api.md, "Devices"). Inside this module; the API's
// loop.
//
// devices_api.cc lists and single devices · devices_import.cc many at once.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/http_server.h"
#include "gateway/api/record_client.h"
#include "gateway/auth/device.h"
#include "gateway/registry/directory.h"

namespace causeway::api {

inline constexpr std::size_t kImportLinesMax = 2'000;  // of a request
inline constexpr std::size_t kImportsMax = 32;         // at once

class DevicesApi {
public:
    DevicesApi(const registry::Directory& directory, RecordClient& records)
        : directory_(directory), records_(records) {}

    // Effect: answers a request for /v1/devices or below.
    void handle(const io::HttpRequest& request, io::HttpResponder responder);
    // Effect: goes on with imports that waited for room. When the core has some.
    void on_room();

private:
    struct Listing;
    struct Import;
    // Changes a device, or says in one line why not.
    using Change = std::function<std::string(auth::Device& device)>;
    struct Edit;

    void list(const io::HttpRequest& request, io::HttpResponder responder);
    void list_next(const std::shared_ptr<Listing>& listing);
    void finish_list(Listing& listing);
    void show(const std::string& key, io::HttpResponder responder);
    void put(const std::string& key, const io::HttpRequest& request, io::HttpResponder responder);
    void erase(const std::string& key, const io::HttpRequest& request, io::HttpResponder responder);
    void act(const std::string& key, std::string_view action, const io::HttpRequest& request,
             io::HttpResponder responder);
    void edit(const std::shared_ptr<Edit>& edit);
    // devices_import.cc
    void import(const io::HttpRequest& request, io::HttpResponder responder);
    void go_on(const std::shared_ptr<Import>& import);
    void submit(const std::shared_ptr<Import>& import, std::string_view line, std::size_t number);

    const registry::Directory& directory_;
    RecordClient& records_;
    std::list<std::shared_ptr<Import>> imports_;
};

// The status and text for what became of a change.
io::HttpResponse refusal_of(const RecordClient::Outcome& outcome);

}  // namespace causeway::api
