#include "gateway/bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/random.h"

namespace causeway::bench {
namespace {

// The value that a sorted list has at the quantile, by the definition in the header.
std::uint64_t exact_at(const std::vector<std::uint64_t>& sorted, double quantile) {
    const auto rank = static_cast<std::size_t>(
        std::max(1.0, std::ceil(quantile * static_cast<double>(sorted.size()))));
    return sorted[rank - 1];
}

// Values of all magnitudes up to 2^41.
std::vector<std::uint64_t> random_values(Random& random, std::size_t count) {
    std::vector<std::uint64_t> values(count);
    for (std::uint64_t& value : values) {
        value = random.next() >> (23 + random.below(41));
    }
    return values;
}

Histogram histogram_of(const std::vector<std::uint64_t>& values) {
    Histogram histogram;
    for (const std::uint64_t value : values) {
        histogram.record(value);
    }
    return histogram;
}

TEST(Histogram, EmptyIsAllZero) {
    const Histogram histogram;
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.min(), 0U);
    EXPECT_EQ(histogram.max(), 0U);
    EXPECT_EQ(histogram.mean(), 0);
    EXPECT_EQ(histogram.value_at(0.5), 0U);
}

TEST(Histogram, SmallValuesAreExact) {
    Histogram histogram;
    for (std::uint64_t value = 0; value < 2048; ++value) {
        histogram.record(value);
    }
    for (const double quantile : {0.25, 0.5, 0.75, 0.999}) {
        EXPECT_EQ(histogram.value_at(quantile),
                  static_cast<std::uint64_t>(std::ceil(quantile * 2048)) - 1);
    }
    EXPECT_EQ(histogram.value_at(0), 0U);
    EXPECT_EQ(histogram.value_at(1), 2047U);
    EXPECT_DOUBLE_EQ(histogram.mean(), 1023.5);
}

TEST(Histogram, OneValueIsReadBackExactly) {
    // min and max are exact, so every quantile of one value is, too, whatever its bucket.
    for (unsigned bit = 0; bit < 42; ++bit) {
        for (const std::int64_t near : {-1, 0, 1}) {
            const std::uint64_t value =
                (std::uint64_t{1} << bit) + static_cast<std::uint64_t>(near);
            Histogram histogram;
            histogram.record(value);
            EXPECT_EQ(histogram.value_at(0.5), value);
        }
    }
}

TEST(Histogram, NeighboursAtPowersOfTwoStayApartWithinTheErrorBound) {
    for (unsigned bit = 11; bit < 42; ++bit) {
        const std::uint64_t value = std::uint64_t{1} << bit;
        Histogram histogram;
        histogram.record(value - 1, 10);  // The last bucket of one magnitude,
        histogram.record(value, 10);      // the first of the next.
        EXPECT_EQ(histogram.value_at(0.5), value - 1);
        EXPECT_EQ(histogram.value_at(0.51), value);
    }
}

TEST(Histogram, TooLargeValuesCountAsTheLargest) {
    Histogram histogram;
    histogram.record(~std::uint64_t{0});
    EXPECT_EQ(histogram.max(), Histogram::kValueMax);
    EXPECT_EQ(histogram.value_at(1), Histogram::kValueMax);
}

TEST(Histogram, CountsMayBeRecordedAtOnceAndZeroIsNothing) {
    Histogram histogram;
    histogram.record(7, 0);
    EXPECT_EQ(histogram, Histogram());
    histogram.record(7, 99);
    histogram.record(1000);
    EXPECT_EQ(histogram.count(), 100U);
    EXPECT_EQ(histogram.value_at(0.99), 7U);
    EXPECT_EQ(histogram.value_at(0.991), 1000U);
}

TEST(Histogram, QuantilesAreNeverLowAndAtMostATenthOfAPercentHigh) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        std::vector<std::uint64_t> values = random_values(random, 1 + random.below(3000));
        const Histogram histogram = histogram_of(values);
        std::sort(values.begin(), values.end());
        EXPECT_EQ(histogram.min(), values.front());
        EXPECT_EQ(histogram.max(), values.back());
        for (int i = 0; i <= 1000; ++i) {
            const double quantile = i / 1000.0;
            const std::uint64_t exact = exact_at(values, quantile);
            const std::uint64_t read = histogram.value_at(quantile);
            ASSERT_GE(read, exact) << quantile;
            ASSERT_LE(static_cast<double>(read), static_cast<double>(exact) * 1.001) << quantile;
        }
    }
}

TEST(Histogram, MergingIsRecordingTogether) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        const auto a = random_values(random, random.below(500));
        const auto b = random_values(random, random.below(500));
        auto both = a;
        both.insert(both.end(), b.begin(), b.end());
        Histogram merged = histogram_of(a);
        merged.merge(histogram_of(b));
        EXPECT_EQ(merged, histogram_of(both));
        EXPECT_NEAR(merged.mean(), histogram_of(both).mean(), 1e-6 * merged.mean() + 1e-9);
    }
}

TEST(Histogram, SurvivesEncoding) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Random random(seed);
        const Histogram histogram = histogram_of(random_values(random, random.below(500)));
        std::string bytes;
        histogram.encode(bytes);
        bytes += "rest";
        ByteReader reader(bytes);
        Histogram read;
        ASSERT_TRUE(read.merge_encoded(reader));
        EXPECT_EQ(read, histogram);
        EXPECT_EQ(reader.rest(), "rest");
    }
}

TEST(Histogram, TruncatedBytesAreRefusedAndChangeNothing) {
    Random random(1);
    std::string bytes;
    histogram_of(random_values(random, 50)).encode(bytes);
    const Histogram before = histogram_of({1, 2, 3});
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        ByteReader reader(std::string_view(bytes).substr(0, size));
        Histogram read = before;
        EXPECT_FALSE(read.merge_encoded(reader)) << size;
        EXPECT_EQ(read, before);
    }
}

TEST(Histogram, BytesThatNameNoBucketOrMiscountAreRefused) {
    std::string bytes;
    ByteWriter writer(bytes);
    for (int i = 0; i < 4; ++i) {
        writer.u64(1);
    }
    const std::string head = bytes;
    writer.varint(~std::uint64_t{0});  // Far beyond the last bucket.
    writer.varint(1);
    writer.varint(0);
    ByteReader beyond(bytes);
    Histogram histogram;
    EXPECT_FALSE(histogram.merge_encoded(beyond));
    std::string miscounted = head;
    ByteWriter more(miscounted);
    more.varint(5);
    more.varint(2);  // The head says one value.
    more.varint(0);
    ByteReader reader(miscounted);
    EXPECT_FALSE(histogram.merge_encoded(reader));
    EXPECT_EQ(histogram.count(), 0U);
}

}  // namespace
}  // namespace causeway::bench
