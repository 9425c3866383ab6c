#include "rules/sink/secret.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

namespace causeway::rules {
namespace {

Result<std::string> read_file(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                               [](auto* f) { return fclose(f); });
    if (file == nullptr) {
        return fail("cannot read " + path + ": " + std::generic_category().message(errno));
    }
    std::string text(kSecretBytesMax + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0) {
        return fail("cannot read " + path + ": " + std::generic_category().message(errno));
    }
    if (text.size() > kSecretBytesMax) {
        return fail(path + " is larger than 64 KiB");
    }
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    if (text.ends_with('\r')) {
        text.pop_back();
    }
    return text;
}

Result<std::string> read_variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) {
        return fail("the environment variable " + name + " is not set");
    }
    return std::string(value);
}

}  // namespace

Result<std::string> resolve(const SecretSource& source) {
    Result<std::string> value = source.from == SecretSource::From::kEnv ? read_variable(source.text)
                                : source.from == SecretSource::From::kFile ? read_file(source.text)
                                                                           : source.text;
    if (!value || source.from == SecretSource::From::kText) {
        return value;
    }
    const std::string what = source.from == SecretSource::From::kEnv
                                 ? "the environment variable " + source.text
                                 : source.text;
    if (value->empty()) {
        return fail(what + " is empty");
    }
    if (std::any_of(value->begin(), value->end(), [](char c) {
            return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
        })) {
        return fail(what + " holds a control character");
    }
    return value;
}

}  // namespace causeway::rules
