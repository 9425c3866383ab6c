// Process signals as callbacks on a loop: SIGTERM and SIGINT to stop, SIGHUP to reload.
#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/io/loop.h"

namespace causeway::io {

// Made and destroyed on the loop's thread (or while the loop does not run), before the loop.
class SignalWatcher {
public:
    // Effect: `callback(signal)` runs on the loop for each of `signals`, instead of the signal's
    // default action, until the watcher is destroyed. The callback may destroy the watcher.
    SignalWatcher(Loop& loop, std::initializer_list<int> signals,
                  absl::AnyInvocable<void(int signal)> callback);
    ~SignalWatcher();
    SignalWatcher(const SignalWatcher&) = delete;
    SignalWatcher& operator=(const SignalWatcher&) = delete;

private:
    struct Handle;
    std::vector<Handle*> handles_;  // Each freed in its close callback.
};

}  // namespace causeway::io
