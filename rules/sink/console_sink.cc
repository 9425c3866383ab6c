#include "rules/sink/console_sink.h"

#include <string>
#include <utility>

#include "rules/sink/http_request.h"

namespace causeway::rules {

ConsoleSink::ConsoleSink(io::Loop& loop, Write write) : loop_(loop), write_(std::move(write)) {}

void ConsoleSink::deliver(Delivery delivery, Completion completion) {
    DeliveryOutcome outcome{OutcomeKind::kDelivered, 0, {}};
    if (const auto request = parse_http_request(delivery.request.view())) {
        std::string line = delivery.id;
        line.append(" ").append(request->body);
        for (char& c : line) {
            c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
        }
        write_(line.append("\n"));
    } else {
        outcome = {OutcomeKind::kPermanent, 0, "request: not a request"};
    }
    ++in_flight_;
    loop_.post([this, still = std::weak_ptr(open_), done = std::move(completion),
                with = std::move(outcome)]() mutable {
        if (!still.expired()) {
            --in_flight_;
            done(std::move(with));
        }
    });
}

void ConsoleSink::close() {
    open_.reset();
    in_flight_ = 0;
}

}  // namespace causeway::rules
