#include "core/io/output_queue.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/base/random.h"

namespace causeway::io {
namespace {

std::string all(const OutputQueue& queue) {
    std::vector<std::string_view> views(queue.piece_count());
    EXPECT_EQ(queue.gather(views), views.size());
    std::string bytes;
    for (const auto view : views) {
        bytes.append(view);
    }
    return bytes;
}

TEST(OutputQueue, MergesHeadsAndKeepsBodiesByReference) {
    OutputQueue queue;
    const SharedBytes body = SharedBytes::copy(std::string(1000, 'b'));
    queue.append("he");
    queue.append("ad");
    queue.append(body);
    queue.append("tail");
    ASSERT_EQ(queue.piece_count(), 3U);
    std::vector<std::string_view> views(3);
    queue.gather(views);
    EXPECT_EQ(views[0], "head");
    EXPECT_EQ(views[1].data(), body.view().data());
    EXPECT_EQ(views[2], "tail");
    EXPECT_EQ(queue.size(), 1008U);
}

TEST(OutputQueue, CopiesSmallBodies) {
    OutputQueue queue;
    queue.append("x");
    queue.append(SharedBytes::copy(std::string(OutputQueue::kCopyMax, 'b')));
    EXPECT_EQ(queue.piece_count(), 1U);
}

TEST(OutputQueue, FrontIsAViewWhereItCanBe) {
    OutputQueue queue;
    char scratch[600];
    const SharedBytes body = SharedBytes::copy(std::string(1000, 'b'));
    queue.append(body);
    queue.append("tail");
    EXPECT_EQ(queue.front(scratch, 600).data(), body.view().data());
    queue.consume(900);
    EXPECT_EQ(queue.front(scratch, 600), std::string(100, 'b') + "tail");
}

TEST(OutputQueue, EmptyPiecesLeaveNoTrace) {
    OutputQueue queue;
    queue.append("");
    queue.append(SharedBytes());
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.piece_count(), 0U);
    char scratch[4];
    EXPECT_EQ(queue.front(scratch, 4), "");
}

TEST(OutputQueue, AgreesWithAString) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        OutputQueue queue;
        std::string model;
        for (int step = 0; step < 3000; ++step) {
            const auto letter = static_cast<char>('a' + random.below(26));
            if (random.chance(1, 2)) {
                const std::string bytes(random.below(300), letter);
                queue.append(bytes);
                model += bytes;
            } else if (random.chance(1, 3)) {
                const std::string bytes(random.below(2000), letter);
                queue.append(SharedBytes::copy(bytes));
                model += bytes;
            } else if (random.chance(1, 2)) {
                // Never quite empty most of the time: what is consumed must still be given back.
                const std::size_t some = random.below(model.size() + 1);
                queue.consume(some);
                model.erase(0, some);
            } else {
                char scratch[512];
                EXPECT_EQ(queue.front(scratch, 512), std::string_view(model).substr(0, 512));
            }
            ASSERT_EQ(queue.size(), model.size());
        }
        EXPECT_EQ(all(queue), model);
        queue.reset();
        EXPECT_EQ(all(queue), "");
    }
}

}  // namespace
}  // namespace causeway::io
