// The records that both commands and the snapshot hold, as tagged fields. Private to
// cluster/control.
#pragma once

#include <string>
#include <string_view>

#include "cluster/control/command.h"
#include "cluster/control/model.h"

namespace causeway::control {

std::string encode_record(const Node& node);
std::string encode_record(const NewNode& node);
std::string encode_record(const Members& members);
std::string encode_record(const RuleVersion& rules);
std::string encode_record(const Queue& queue);
std::string encode_record(const Document& document);

// False: damaged. Fields not known are kept in the record's `extra`; Members has none to keep.
bool decode_record(std::string_view bytes, Node& out);
bool decode_record(std::string_view bytes, NewNode& out);
bool decode_record(std::string_view bytes, Members& out);
bool decode_record(std::string_view bytes, RuleVersion& out);
bool decode_record(std::string_view bytes, Queue& out);
bool decode_record(std::string_view bytes, Document& out);

}  // namespace causeway::control
