// Latencies as a log-linear histogram with three significant digits, in the manner of HdrHistogram:
// values below 2,048 are exact, every power of two above is split into 1,024 equal buckets, so that
// a value read back is at most 0.1 % too high. Fixed size (264 KiB), recording is an addition, and
// two histograms of different processes or phases merge without loss. Pure; one thread at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/encoding.h"

namespace causeway::bench {

class Histogram {
public:
    // Larger values are recorded as this one: 73 minutes when the unit is a nanosecond.
    static constexpr std::uint64_t kValueMax = (std::uint64_t{1} << 42) - 1;

    Histogram() : counts_(kBuckets, 0) {}

    // Effect: adds `count` times `value`.
    void record(std::uint64_t value, std::uint64_t count = 1) {
        if (count == 0) {
            return;
        }
        value = std::min(value, kValueMax);
        counts_[bucket_of(value)] += count;
        count_ += count;
        sum_ += static_cast<double>(value) * static_cast<double>(count);
        min_ = std::min(min_, value);
        max_ = std::max(max_, value);
    }

    // Effect: as if all values of `other` had been recorded here.
    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            counts_[i] += other.counts_[i];
        }
        count_ += other.count_;
        sum_ += other.sum_;
        min_ = std::min(min_, other.min_);
        max_ = std::max(max_, other.max_);
    }

    // The smallest value that at least the part `quantile` (0 to 1) of all values does not exceed,
    // up to the 0.1 % of its bucket and never above max(). 0 when nothing was recorded.
    [[nodiscard]] std::uint64_t value_at(double quantile) const {
        const double wanted = std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count_);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < kBuckets && count_ > 0; ++i) {
            seen += counts_[i];
            if (counts_[i] > 0 && static_cast<double>(seen) >= wanted) {
                return std::clamp(highest_of(i), min_, max_);
            }
        }
        return max_;
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    // Exact; 0 when nothing was recorded.
    [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
    [[nodiscard]] std::uint64_t max() const { return max_; }
    [[nodiscard]] double mean() const {
        return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
    }

    // Effect: appends the buckets in use: a few bytes for each.
    void encode(std::string& out) const {
        ByteWriter writer(out);
        writer.u64(count_);
        writer.u64(min_);
        writer.u64(max_);
        writer.u64(std::bit_cast<std::uint64_t>(sum_));
        std::size_t last = 0;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            if (counts_[i] > 0) {
                writer.varint(i + 1 - last);
                writer.varint(counts_[i]);
                last = i + 1;
            }
        }
        writer.varint(0);
    }

    // Effect: reads what encode() wrote and merges it. False, with the histogram as it was, when
    // the bytes are no histogram; the reader has then failed.
    [[nodiscard]] bool merge_encoded(ByteReader& reader) {
        Histogram read;
        read.count_ = reader.u64();
        read.min_ = reader.u64();
        read.max_ = reader.u64();
        read.sum_ = std::bit_cast<double>(reader.u64());
        std::uint64_t bucket = 0;
        std::uint64_t total = 0;
        for (std::uint64_t step = reader.varint(); step != 0; step = reader.varint()) {
            if (step > kBuckets - bucket) {
                reader.fail();
                break;
            }
            bucket += step;
            read.counts_[bucket - 1] = reader.varint();
            total += read.counts_[bucket - 1];
        }
        if (reader.failed() || total != read.count_) {
            reader.fail();
            return false;
        }
        merge(read);
        return true;
    }

    friend bool operator==(const Histogram& a, const Histogram& b) {
        return a.count_ == b.count_ && a.min_ == b.min_ && a.max_ == b.max_ &&
               a.counts_ == b.counts_;
    }

private:
    static constexpr unsigned kSubBits = 11;
    static constexpr std::size_t kHalf = std::size_t{1} << (kSubBits - 1);
    static constexpr std::size_t kBuckets = (42 - kSubBits + 2) * kHalf;

    // With s = the bits of the value beyond kSubBits: value >> s lies in [kHalf, 2 kHalf) for s >
    // 0, so s * kHalf + (value >> s) numbers all buckets without a hole.
    static std::size_t bucket_of(std::uint64_t value) {
        const auto bits = static_cast<unsigned>(std::bit_width(value));
        const unsigned shift = bits > kSubBits ? bits - kSubBits : 0;
        return shift * kHalf + (value >> shift);
    }
    static std::uint64_t highest_of(std::size_t bucket) {
        const std::size_t shift = bucket < 2 * kHalf ? 0 : bucket / kHalf - 1;
        return ((std::uint64_t{bucket} - shift * kHalf + 1) << shift) - 1;
    }

    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t min_ = ~std::uint64_t{0};
    std::uint64_t max_ = 0;
    double sum_ = 0;
};

}  // namespace causeway::bench
