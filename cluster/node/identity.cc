#include "cluster/node/identity.h"

#include "cluster/node/whole_file.h"
#include "core/base/encoding.h"
#include "core/base/hash.h"

namespace causeway::node {
namespace {

constexpr std::string_view kFile = "identity";
constexpr std::size_t kBytes = 24;

std::string encode(const Identity& identity) {
    std::string out;
    ByteWriter writer(out);
    writer.u64(identity.id);
    writer.u64(identity.boot);
    writer.u64(hash64(out));
    return out;
}

}  // namespace

Result<Identity> load_identity(wal::Disk& files, const std::string& data_dir,
                               std::uint64_t random) {
    Identity identity{random == 0 ? 1 : random, 0};
    auto existing = files.open(kFile);
    if (existing) {
        std::string bytes(kBytes, '\0');
        const auto size = (*existing)->read(0, bytes.data(), bytes.size());
        ByteReader reader(bytes);
        identity.id = reader.u64();
        identity.boot = reader.u64();
        if (!size || *size != kBytes || encode(identity) != bytes) {
            return fail(data_dir +
                        "/identity is damaged: restore it from a copy of this directory");
        }
    } else if (existing.error().fault != wal::DiskFault::kNotFound) {
        return fail(existing.error().message);
    }
    ++identity.boot;
    if (auto written = write_whole(files, kFile, encode(identity)); !written) {
        return tl::unexpected(written.error());
    }
    return identity;
}

}  // namespace causeway::node
