// Products, bans and tokens by HTTP: documents of the control group, checked here before they are
// proposed (docs/api.md). Inside this module; the API's loop.
#pragma once

#include <string>
#include <string_view>

#include "cluster/node/node.h"
#include "core/io/http_server.h"
#include "gateway/api/record_client.h"
#include "gateway/auth/product.h"
#include "gateway/registry/directory.h"

namespace causeway::api {

class DocumentsApi {
public:
    DocumentsApi(io::Loop& loop, node::Node& node, const registry::Directory& directory,
                 RecordClient& records)
        : loop_(loop), node_(node), directory_(directory), records_(records) {}

    // Effect: answers a request for /v1/products, /v1/bans, /v1/tokens or below.
    void products(const io::HttpRequest& request, io::HttpResponder responder);
    void bans(const io::HttpRequest& request, io::HttpResponder responder);
    void tokens(const io::HttpRequest& request, io::HttpResponder responder);

private:
    void list_products(io::HttpResponder responder);
    void show_product(const std::string& name, io::HttpResponder responder);
    void put_product(const std::string& name, const io::HttpRequest& request,
                     io::HttpResponder responder);
    void delete_product(const std::string& name, const io::HttpRequest& request,
                        io::HttpResponder responder);
    void rotate_product(const std::string& name, const io::HttpRequest& request,
                        io::HttpResponder responder);
    void look_for_devices(const std::string& prefix, std::size_t at, io::HttpResponder responder,
                          control::DeleteDocument command);
    void make_token(const io::HttpRequest& request, io::HttpResponder responder);
    // `answer` is given if the control group does it.
    void propose(control::Command command, io::HttpResponder responder, io::HttpResponse answer);
    [[nodiscard]] const control::Document* find(std::string_view kind,
                                                const std::string& name) const;

    io::Loop& loop_;
    node::Node& node_;
    const registry::Directory& directory_;
    RecordClient& records_;
};

}  // namespace causeway::api
