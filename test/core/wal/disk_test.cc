#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/wal/posix_disk.h"
#include "core/wal/write_behind_disk.h"
#include "test/sim/disk/sim_disk.h"

namespace causeway::wal {
namespace {

class TempDir {
public:
    TempDir() {
        std::string pattern = (std::filesystem::temp_directory_path() / "causeway-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TempDir() { std::filesystem::remove_all(path_); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::string read_all(Disk& disk, const std::string& name) {
    auto file = disk.open(name);
    if (!file) {
        return "(none)";
    }
    std::string bytes(*(*file)->size(), '\0');
    EXPECT_EQ(*(*file)->read(0, bytes.data(), bytes.size()), bytes.size());
    return bytes;
}

// What every implementation does when nothing fails.
void expect_contract(Disk& disk) {
    auto file = disk.create("a");
    ASSERT_TRUE(file.has_value());
    EXPECT_EQ(disk.create("a").error().fault, DiskFault::kExists);
    EXPECT_EQ(disk.open("b").error().fault, DiskFault::kNotFound);
    EXPECT_EQ(disk.remove("b").error().fault, DiskFault::kNotFound);
    EXPECT_EQ(disk.rename("b", "c").error().fault, DiskFault::kNotFound);
    ASSERT_TRUE((*file)->write(4090, "hello world"));
    ASSERT_TRUE((*file)->write(4096, "W"));
    EXPECT_EQ(*(*file)->size(), 4101U);
    char bytes[32] = {};
    EXPECT_EQ(*(*file)->read(4090, bytes, sizeof(bytes)), 11U);
    EXPECT_EQ(std::string(bytes), "hello World");
    EXPECT_EQ(*(*file)->read(5000, bytes, sizeof(bytes)), 0U);
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE(disk.rename("a", "c"));
    ASSERT_TRUE((*file)->write(0, "x"));  // Usable under the new name.
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE(disk.create("d"));
    ASSERT_TRUE(disk.remove("d"));
    ASSERT_TRUE(disk.sync_directory());
    EXPECT_EQ(*disk.list(), std::vector<std::string>{"c"});
    EXPECT_EQ(read_all(disk, "c")[0], 'x');
    EXPECT_GT(*disk.free_bytes(), 0U);
}

TEST(Disk, PosixKeepsTheContract) {
    const TempDir dir;
    auto disk = PosixDisk::open(dir.path() + "/new/folder");
    ASSERT_TRUE(disk.has_value());
    expect_contract(**disk);
}

TEST(Disk, SimulatedKeepsTheContract) {
    sim::SimDisk disk;
    expect_contract(disk);
}

TEST(Disk, ADirectoryHasOneOwner) {
    const TempDir dir;
    auto first = PosixDisk::open(dir.path());
    ASSERT_TRUE(first.has_value());
    const auto second = PosixDisk::open(dir.path());
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().fault, DiskFault::kBusy);
    first->reset();
    EXPECT_TRUE(PosixDisk::open(dir.path()).has_value());
}

TEST(Disk, SimulatedCrashKeepsWhatWasSynced) {
    sim::SimDisk disk;
    auto file = *disk.create("a");
    ASSERT_TRUE(file->write(0, std::string(1024, '1')));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(disk.sync_directory());
    ASSERT_TRUE(file->write(0, std::string(1024, '2')));
    ASSERT_TRUE(disk.rename("a", "b"));
    EXPECT_EQ(disk.unsynced_sectors(), 2U);
    const auto torn = disk.crash([](std::size_t i) { return i == 1; }, 0);
    EXPECT_EQ(read_all(*torn, "a"), std::string(512, '1') + std::string(512, '2'));
    EXPECT_EQ(torn->unsynced_sectors(), 0U);
    const auto renamed = disk.crash([](std::size_t) { return false; }, 1);
    EXPECT_EQ(read_all(*renamed, "b"), std::string(1024, '1'));
    const auto killed = disk.kill();
    EXPECT_EQ(read_all(*killed, "b"), std::string(1024, '2'));
    EXPECT_EQ(killed->unsynced_sectors(), 2U);
}

#if CAUSEWAY_FAULTS

TEST(Disk, WriteBehindKeepsTheContract) {
    sim::SimDisk below;
    WriteBehindDisk disk(below, false);
    expect_contract(disk);
    EXPECT_EQ(*below.list(), std::vector<std::string>{"c"});
    EXPECT_EQ(read_all(below, "c"), read_all(disk, "c"));
    WriteBehindDisk lying(below, true);
    EXPECT_EQ(*lying.list(), std::vector<std::string>{"c"});
}

TEST(Disk, WriteBehindHoldsBackWhatIsNotSynced) {
    sim::SimDisk below;
    WriteBehindDisk disk(below, false);
    auto file = *disk.create("a");
    ASSERT_TRUE(file->write(0, "one"));
    ASSERT_TRUE(file->sync());
    EXPECT_TRUE(below.list()->empty());  // Its name is not durable.
    ASSERT_TRUE(file->write(3, "two"));
    ASSERT_TRUE(disk.sync_directory());
    EXPECT_EQ(read_all(below, "a"), "one");
    EXPECT_EQ(read_all(disk, "a"), "onetwo");
    ASSERT_TRUE(file->sync());
    EXPECT_EQ(read_all(below, "a"), "onetwo");
    ASSERT_TRUE(disk.rename("a", "b"));
    EXPECT_EQ(read_all(below, "b"), "(none)");
    ASSERT_TRUE(disk.sync_directory());
    EXPECT_EQ(read_all(below, "b"), "onetwo");
}

TEST(Disk, WriteBehindWithoutSyncsLosesEverything) {
    sim::SimDisk below;
    WriteBehindDisk disk(below, true);
    auto file = *disk.create("a");
    ASSERT_TRUE(file->write(0, "one"));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(disk.sync_directory());
    EXPECT_EQ(read_all(disk, "a"), "one");
    EXPECT_TRUE(below.list()->empty());
}

#endif

}  // namespace
}  // namespace causeway::wal
