#include "gateway/causeway/device_import.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <istream>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "gateway/causeway/api_json.h"

namespace causeway::root {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kTries = 8;  // of a batch the hub has no room for, or no leader
constexpr std::size_t kBatchBytes = 900U << 10;
constexpr std::size_t kFailuresShown = 20;

struct Batch {
    std::uint64_t first = 0;  // line
    std::uint64_t lines = 0;
    std::string text;
};

// What all threads share.
class Import {
public:
    Import(const ImportArguments& arguments, std::istream& in, std::uint64_t bytes)
        : arguments_(arguments), in_(in), bytes_(bytes) {}

    int run();

private:
    bool next(Batch& batch);
    void work();
    bool send(HttpClient& client, const Batch& batch);
    void take(const Batch& batch, const Json& answer);
    void stop(const Batch& batch, const std::string& why);
    void show(bool last);
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(Clock::now() - began_).count();
    }

    const ImportArguments& arguments_;
    std::istream& in_;
    std::uint64_t bytes_;  // of the file; 0: not known
    const Clock::time_point began_ = Clock::now();

    std::mutex mutex_;  // Guards what follows.
    std::uint64_t line_ = 1;
    std::uint64_t read_bytes_ = 0;
    std::set<std::uint64_t> under_way_;  // first lines
    std::uint64_t done_ = 0;
    std::uint64_t failed_ = 0;
    std::string stopped_;  // why; empty: it goes on
    std::uint64_t resume_ = 0;
    bool progress_ = ::isatty(STDERR_FILENO) == 1;
    Clock::time_point shown_;
};

bool Import::next(Batch& batch) {
    const std::lock_guard lock(mutex_);
    batch = {};
    std::string line;
    while (stopped_.empty() && batch.lines < arguments_.batch && batch.text.size() < kBatchBytes &&
           std::getline(in_, line)) {
        read_bytes_ += line.size() + 1;
        const std::uint64_t number = line_++;
        if (number < arguments_.from_line) {
            continue;
        }
        batch.first = batch.lines == 0 ? number : batch.first;
        ++batch.lines;
        batch.text.append(line).append("\n");
    }
    if (batch.lines != 0) {
        under_way_.insert(batch.first);
    }
    return batch.lines != 0;
}

void Import::work() {
    HttpClient client;
    Batch batch;
    while (next(batch) && send(client, batch)) {
    }
}

bool Import::send(HttpClient& client, const Batch& batch) {
    const std::string url =
        arguments_.api + "/v1/devices/import?mode=" + (arguments_.replace ? "replace" : "create") +
        (arguments_.generate ? "&generate" : "");
    std::string why;
    for (int attempt = 0; attempt < kTries; ++attempt) {
        const HttpAnswer answer = client.request("POST", url, batch.text);
        const Json json = Json::parse(answer.body, nullptr, false);
        const bool answered = answer.error.empty() && answer.status == 200 && json.is_object();
        // Lines whose set was without a leader for a moment; a line that is there is no failure.
        const bool again = answered && json.value("again", 0) != 0 && !arguments_.generate;
        if (answered && (!again || attempt + 1 == kTries)) {
            take(batch, json);
            return true;
        }
        why = !answer.error.empty() ? answer.error
                                    : "HTTP " + std::to_string(answer.status) + ": " +
                                          (json.is_object() ? json.value("error", "") : "");
        // Secrets that were made and whose answer was lost are not made twice.
        if (arguments_.generate || (answer.error.empty() && answer.status != 503 && !again)) {
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100 << std::min(attempt, 5)));
    }
    stop(batch, why);
    return false;
}

void Import::take(const Batch& batch, const Json& answer) {
    const std::lock_guard lock(mutex_);
    under_way_.erase(batch.first);
    done_ += answer.value("done", std::uint64_t{0});
    const std::uint64_t failed = answer.value("failed", std::uint64_t{0});
    for (const Json& failure : answer.value("failures", Json::array())) {
        if (failed_++ < kFailuresShown && !arguments_.json) {
            std::cerr << (progress_ ? "\r\x1b[K" : "") << "line "
                      << batch.first + failure.value("line", std::uint64_t{1}) - 1 << ": "
                      << failure.value("key", "") << " " << failure.value("error", "") << "\n";
        }
    }
    const std::uint64_t listed = answer.value("failures", Json::array()).size();
    failed_ += failed > listed ? failed - listed : 0;
    for (const Json& secret : answer.value("secrets", Json::array())) {
        std::cout << secret.dump() << "\n";
    }
    if (progress_ && !arguments_.quiet && Clock::now() - shown_ > std::chrono::milliseconds(100)) {
        show(false);
    }
}

void Import::stop(const Batch& batch, const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (stopped_.empty()) {
        stopped_ = why;
    }
    const std::uint64_t first = under_way_.empty() ? batch.first : *under_way_.begin();
    resume_ = resume_ == 0 ? first : std::min(resume_, first);
}

void Import::show(bool last) {
    shown_ = Clock::now();
    constexpr int kWidth = 30;
    const double part =
        bytes_ == 0 ? 0.0
                    : std::min(1.0, static_cast<double>(read_bytes_) / static_cast<double>(bytes_));
    const int full = static_cast<int>(part * kWidth);
    const std::string bar = std::string(static_cast<std::size_t>(full), '#') +
                            std::string(static_cast<std::size_t>(kWidth - full), '.');
    const double rate = static_cast<double>(done_ + failed_) / std::max(seconds(), 0.001);
    std::fprintf(stderr, "\r\x1b[K%s%s%s %llu devices, %.0f/s, %llu refused%s",
                 bytes_ == 0 ? "" : "[", bytes_ == 0 ? "" : bar.c_str(), bytes_ == 0 ? "" : "]",
                 static_cast<unsigned long long>(done_), rate,
                 static_cast<unsigned long long>(failed_), last ? "\n" : "");
    std::fflush(stderr);
}

int Import::run() {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < arguments_.parallel; ++i) {
        threads.emplace_back([this] { work(); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    if (progress_ && !arguments_.quiet) {
        show(true);
    }
    std::cout.flush();
    if (arguments_.json) {
        Json summary{{"done", done_}, {"failed", failed_}, {"seconds", seconds()}};
        if (!stopped_.empty()) {
            summary["error"] = stopped_;
            summary["from_line"] = resume_;
        }
        std::cout << summary.dump() << "\n";
    } else if (stopped_.empty()) {
        std::cerr << done_ << " devices are there, " << failed_ << " were refused\n";
    }
    if (!stopped_.empty()) {
        std::cerr << stopped_ << "\nGo on with --from-line " << resume_ << "\n";
        return 2;
    }
    return failed_ == 0 ? 0 : 1;
}

}  // namespace

int import_devices(const ImportArguments& arguments) {
    if (arguments.file == "-") {
        return Import(arguments, std::cin, 0).run();
    }
    std::ifstream in(arguments.file, std::ios::binary | std::ios::ate);
    if (!in) {
        std::cerr << arguments.file << ": cannot be read\n";
        return 2;
    }
    const auto bytes = static_cast<std::uint64_t>(in.tellg());
    in.seekg(0);
    return Import(arguments, in, bytes).run();
}

}  // namespace causeway::root
