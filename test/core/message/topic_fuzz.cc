// Filters and topics of any bytes: validity agrees with its definition spelled out, and the trie
// finds what a matcher of one filter at a time finds, while filters come and go.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/message/topic.h"
#include "core/message/trie.h"

namespace {

using causeway::TopicTrie;

std::vector<std::string_view> levels_of(std::string_view text) {
    std::vector<std::string_view> levels;
    while (true) {
        const std::size_t slash = text.find('/');
        levels.push_back(text.substr(0, slash));
        if (slash == std::string_view::npos) {
            return levels;
        }
        text.remove_prefix(slash + 1);
    }
}

// MQTT 5.0 §4.7.1, by its words.
bool good_filter(std::string_view filter) {
    const auto levels = levels_of(filter);
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const bool wild = levels[i].find_first_of("+#") != std::string_view::npos;
        if (wild && levels[i] != "+" && !(levels[i] == "#" && i + 1 == levels.size())) {
            return false;
        }
    }
    return !filter.empty() && filter.size() <= 65'535 && causeway::valid_utf8(filter);
}

bool matches(std::string_view filter, std::string_view topic) {
    const auto wanted = levels_of(filter);
    const auto had = levels_of(topic);
    if (topic[0] == '$' && (wanted[0] == "+" || wanted[0] == "#")) {
        return false;
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == "#") {
            return true;
        }
        if (i >= had.size() || (wanted[i] != "+" && wanted[i] != had[i])) {
            return false;
        }
    }
    return wanted.size() == had.size();
}

struct Held {
    std::string filter;
    int value = 0;
};

}  // namespace

// Lines: "+filter" inserts, "-filter" erases, anything else is a topic to match.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    TopicTrie<int> trie;
    std::vector<Held> held;
    int next = 0;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::string_view text = line.empty() ? line : line.substr(1);
        CW_CHECK(causeway::valid_topic_filter(text) == good_filter(text));
        CW_CHECK(causeway::valid_topic_name(text) ==
                 (good_filter(text) && text.find_first_of("+#") == std::string_view::npos));
        if (const auto shared = causeway::parse_shared_filter(text)) {
            CW_CHECK(text == "$share/" + std::string(shared->group) + "/" +
                                 std::string(shared->filter) &&
                     good_filter(shared->filter));
        }
        if (line.starts_with('+') && good_filter(text)) {
            trie.insert(text, ++next);
            held.push_back(Held{std::string(text), next});
        } else if (line.starts_with('-') && good_filter(text)) {
            const std::size_t erased = trie.erase(text, [](int value) { return value % 3 != 0; });
            CW_CHECK(erased == std::erase_if(held, [&](const Held& one) {
                         return one.filter == text && one.value % 3 != 0;
                     }));
        } else if (causeway::valid_topic_name(line)) {
            std::vector<int> found;
            trie.match(line, [&](int value) { found.push_back(value); });
            std::vector<int> wanted;
            for (const Held& one : held) {
                const bool hit = matches(one.filter, line);
                CW_CHECK(hit == causeway::topic_matches(one.filter, line));
                if (hit) {
                    wanted.push_back(one.value);
                }
            }
            std::sort(found.begin(), found.end());
            CW_CHECK(found == wanted);
        }
        CW_CHECK(trie.size() == held.size());
    }
    return 0;
}
