#include "gateway/registry/directory.h"

#include "gateway/registry/ban.h"
#include "gateway/registry/loop_registry.h"

namespace causeway::registry {

std::vector<std::string> Directory::update(
    const std::shared_ptr<const control::Documents>& documents) {
    std::vector<std::string> problems;
    auto catalogue = std::make_shared<auth::Catalogue>();
    access::Tokens tokens;
    std::map<std::string, Read> products;
    for (const auto& [key, document] : *documents) {
        const auto& [kind, name] = key;
        const auto refuse = [&problems, &named = key](const std::string& why) {
            problems.push_back(named.first + " " + named.second + ": " + why);
        };
        if (kind == kProductDocuments) {
            Read& read = products[name];
            const auto known = products_.find(name);
            if (known != products_.end() && known->second.revision == document.revision) {
                read = known->second;
            } else if (auto product = auth::parse_product(document.text)) {
                read = {document.revision,
                        std::make_shared<const auth::Product>(std::move(*product))};
            } else {
                read.revision = document.revision;
                refuse(product.error().message);
            }
            if (read.product) {
                catalogue->products.emplace(name, read.product);
            }
        } else if (kind == kBanDocuments) {
            if (auto ban = parse_ban(document.text)) {
                catalogue->bans.push_back(std::move(ban->ban));
            } else {
                refuse(ban.error().message);
            }
        } else if (kind == access::kTokenDocuments) {
            if (auto token = access::parse_token(document.text)) {
                tokens.add(std::move(*token));
            } else {
                refuse(token.error().message);
            }
        }
    }
    documents_ = documents;
    catalogue_ = std::move(catalogue);
    tokens_ = std::move(tokens);
    products_ = std::move(products);
    for (const Listener& listener : listeners_) {
        listener.loop->post([weak = listener.registry, catalogue = catalogue_] {
            if (const auto registry = weak.lock()) {
                (*registry)->set_catalogue(catalogue);
            }
        });
    }
    return problems;
}

std::unique_ptr<auth::Registry> Directory::make(io::Loop& loop, Records& records) {
    auto made = std::make_unique<LoopRegistry>(loop, records, LoopRegistryOptions{});
    listeners_.push_back({&loop, made->handle()});
    made->set_catalogue(catalogue_);
    return made;
}

}  // namespace causeway::registry
