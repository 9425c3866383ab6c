// Tagged integers: a Term, an Index and a packet id are different types, so that one cannot be
// passed for the other. They compare, hash, print through value() and step with next().
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace causeway {

template <typename Tag, typename Rep>
class Tagged {
public:
    using rep = Rep;
    constexpr Tagged() = default;
    constexpr explicit Tagged(Rep value) : value_(value) {}
    [[nodiscard]] constexpr Rep value() const { return value_; }
    [[nodiscard]] constexpr Tagged next() const { return Tagged(static_cast<Rep>(value_ + 1)); }
    [[nodiscard]] constexpr explicit operator bool() const { return value_ != 0; }
    constexpr auto operator<=>(const Tagged&) const = default;  // NOLINT(modernize-use-nullptr)

    template <typename H>
    friend H AbslHashValue(H h, const Tagged& id) {
        return H::combine(std::move(h), id.value_);
    }

private:
    Rep value_ = 0;
};

// The set (Raft group) a record or a command belongs to. 0 is the control group.
using GroupId = Tagged<struct GroupIdTag, std::uint32_t>;
using NodeId = Tagged<struct NodeIdTag, std::uint64_t>;
using Term = Tagged<struct TermTag, std::uint64_t>;
using Index = Tagged<struct IndexTag, std::uint64_t>;

}  // namespace causeway

template <typename Tag, typename Rep>
struct std::hash<causeway::Tagged<Tag, Rep>> {
    std::size_t operator()(const causeway::Tagged<Tag, Rep>& id) const noexcept {
        return std::hash<Rep>{}(id.value());
    }
};
