// Process signals as callbacks on a loop.
#include "core/io/signals.h"

#include <utility>

#include "core/base/check.h"
#include "core/io/loop_state.h"

namespace causeway::io {

struct SignalWatcher::Handle {
    uv_signal_t uv{};
    // Shared by the handles of one watcher, so that the callback outlives its watcher's end.
    std::shared_ptr<absl::AnyInvocable<void(int)>> callback;
};

SignalWatcher::SignalWatcher(Loop& loop, std::initializer_list<int> signals,
                             absl::AnyInvocable<void(int)> callback) {
    const auto shared = std::make_shared<absl::AnyInvocable<void(int)>>(std::move(callback));
    for (const int signal : signals) {
        auto handle = std::make_unique<Handle>();
        handle->callback = shared;
        uv_signal_init(&loop.state().uv, &handle->uv);
        handle->uv.data = handle.get();
        CW_CHECK(uv_signal_start(
                     &handle->uv,
                     [](uv_signal_t* uv, int number) {
                         (*static_cast<Handle*>(uv->data)->callback)(number);
                     },
                     signal) == 0);
        handles_.push_back(handle.release());
    }
}

SignalWatcher::~SignalWatcher() {
    for (Handle* handle : handles_) {
        uv_close(reinterpret_cast<uv_handle_t*>(&handle->uv), [](uv_handle_t* uv) {
            const std::unique_ptr<Handle> freed(static_cast<Handle*>(uv->data));
        });
    }
}

}  // namespace causeway::io
