// A few threads for what is slow on purpose: scrypt, SCRAM's keys. Jobs wait in a bounded queue; a
// result comes back on the loop that asked. Made and destroyed by the gateway; submit() from any
// loop.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/io/loop.h"

namespace causeway::net {

class SlowWorkers {
public:
    SlowWorkers(unsigned threads, std::size_t queue_max);
    // What waits is dropped; what runs is waited for. Before the loops that asked.
    ~SlowWorkers();
    SlowWorkers(const SlowWorkers&) = delete;
    SlowWorkers& operator=(const SlowWorkers&) = delete;

    // Effect: `work` runs on one of the threads, then `done` on `loop`. False, and neither: the
    // queue is full.
    bool submit(io::Task work, io::Loop& loop, io::Task done);

private:
    struct Job {
        io::Task work;
        io::Loop* loop = nullptr;
        io::Task done;
    };
    void run();

    std::size_t queue_max_;
    std::mutex mutex_;  // of queue_ and stopping_
    std::condition_variable wake_;
    std::deque<Job> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace causeway::net
