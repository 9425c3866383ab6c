#include "gateway/net/slow_workers.h"

#include <algorithm>
#include <utility>

namespace causeway::net {

SlowWorkers::SlowWorkers(unsigned threads, std::size_t queue_max) : queue_max_(queue_max) {
    for (unsigned i = 0; i < std::max(1U, threads); ++i) {
        threads_.emplace_back([this] { run(); });
    }
}

SlowWorkers::~SlowWorkers() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        queue_.clear();
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

bool SlowWorkers::submit(io::Task work, io::Loop& loop, io::Task done) {
    {
        const std::lock_guard lock(mutex_);
        if (queue_.size() >= queue_max_) {
            return false;
        }
        queue_.push_back(Job{std::move(work), &loop, std::move(done)});
    }
    wake_.notify_one();
    return true;
}

void SlowWorkers::run() {
    while (true) {
        Job job;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) {
                return;
            }
            job = std::move(queue_.front());
            queue_.pop_front();
        }
        job.work();
        job.loop->post(std::move(job.done));
    }
}

}  // namespace causeway::net
