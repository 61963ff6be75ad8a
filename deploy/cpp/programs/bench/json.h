/// The JSON of this program: objects keep the order in which they were filled.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "printable.h"

namespace nanodet::bench {

using Json = nlohmann::ordered_json;

/// Returns null for nothing.
template <typename Value>
Json json_of(const std::optional<Value>& value) {
    return value ? Json(*value) : Json(nullptr);
}

/// Returns the text of some JSON; what a kernel or a path says in no UTF-8 is replaced, and what would
/// steer a terminal escaped.
inline std::string dump(const Json& json, int indent = -1) {
    return printable_json(json.dump(indent, ' ', false, Json::error_handler_t::replace));
}

}  // namespace nanodet::bench
