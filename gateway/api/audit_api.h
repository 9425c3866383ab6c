// The audit log by HTTP: GET /v1/audit. Inside this module; the API's loop.
#pragma once

#include "core/io/http_server.h"
#include "core/io/loop.h"
#include "gateway/audit/log.h"

namespace causeway::api {

// Effect: answers with a page of the log of this node. `log` null: there is none.
void answer_audit(io::Loop& loop, audit::Log* log, const io::HttpRequest& request,
                  io::HttpResponder responder);

}  // namespace causeway::api
