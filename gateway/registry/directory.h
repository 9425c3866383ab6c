// What the control group's documents say of products, bans and tokens, read once for the whole node
// and handed to every gateway loop, each of which has a registry of its own (loop_registry.h).
//
// Made, used and destroyed on the admin loop's thread, where the node tells of changes. Registries
// live on their own loops, which must exist while update() is called.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cluster/control/model.h"
#include "core/io/loop.h"
#include "core/message/records.h"
#include "gateway/access/token.h"
#include "gateway/auth/registry.h"

namespace causeway::registry {

inline constexpr std::string_view kProductDocuments = "product";

class LoopRegistry;

class Directory {
public:
    // Effect: takes the documents over; every registry is told. Returns a line for each document
    // that this version cannot read: it counts as absent.
    std::vector<std::string> update(const std::shared_ptr<const control::Documents>& documents);

    // A gateway loop's registry. Call on that loop's thread or before it runs, while update() does
    // not run; it must be destroyed before `records`.
    std::unique_ptr<auth::Registry> make(io::Loop& loop, Records& records);

    // Null before the first update().
    [[nodiscard]] std::shared_ptr<const control::Documents> documents() const { return documents_; }
    [[nodiscard]] std::shared_ptr<const auth::Catalogue> catalogue() const { return catalogue_; }
    [[nodiscard]] const access::Tokens& tokens() const { return tokens_; }

private:
    struct Read {
        std::uint64_t revision = 0;
        std::shared_ptr<const auth::Product> product;  // null: this version cannot read it
    };
    struct Listener {
        io::Loop* loop = nullptr;
        std::weak_ptr<LoopRegistry*> registry;
    };

    std::shared_ptr<const control::Documents> documents_;
    std::shared_ptr<const auth::Catalogue> catalogue_;
    access::Tokens tokens_;
    std::map<std::string, Read> products_;  // unchanged ones are not read again
    std::vector<Listener> listeners_;
};

}  // namespace causeway::registry
