// What a permission costs a publish, and what each scheme costs a CONNECT: build with the bench
// preset, run by hand.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "gateway/auth/acl.h"
#include "gateway/auth/authenticate.h"
#include "gateway/auth/crypto.h"
#include "gateway/auth/password.h"

namespace {

using namespace causeway::auth;

Permission rule(const char* topic, bool publish) {
    Permission permission;
    permission.publish = publish;
    permission.subscribe = !publish;
    permission.topics = {topic};
    return permission;
}

// As Tencent gives its devices: the classes of one device, checked at their last.
std::unique_ptr<Access> access(std::size_t rules) {
    std::vector<Permission> all;
    for (std::size_t i = 1; i < rules; ++i) {
        all.push_back(
            rule(("${product}/${device}/class" + std::to_string(i)).c_str(), true));
    }
    all.push_back(rule("${product}/${device}/up/#", true));
    all.push_back(rule("${product}/${device}/down/#", false));
    const Policy::List lists[] = {all};
    return Access::bind(Policy::compile(lists), Subject{"thermostats/dev-4711", "", "", ""});
}

// Argument: rules in front of the one that decides, and it.
void publish(benchmark::State& state) {
    const auto one = access(static_cast<std::size_t>(state.range(0)));
    const std::string topic = "thermostats/dev-4711/up/temperature";
    for (auto _ : state) {
        benchmark::DoNotOptimize(one->may_publish(topic, 1, false));
    }
}
BENCHMARK(publish)->Arg(1)->Arg(4)->Arg(16)->Arg(64);

void publish_elsewhere(benchmark::State& state) {
    const auto one = access(static_cast<std::size_t>(state.range(0)));
    const std::string topic = "thermostats/dev-4712/up/temperature";
    for (auto _ : state) {
        benchmark::DoNotOptimize(one->may_publish(topic, 1, false));
    }
}
BENCHMARK(publish_elsewhere)->Arg(4)->Arg(16);

void receive(benchmark::State& state) {
    const auto one = access(4);
    const std::string topic = "thermostats/dev-4711/down/config/set";
    for (auto _ : state) {
        benchmark::DoNotOptimize(one->may_receive(topic, 1));
    }
}
BENCHMARK(receive);

void subscribe(benchmark::State& state) {
    const auto one = access(4);
    for (auto _ : state) {
        benchmark::DoNotOptimize(one->may_subscribe("thermostats/dev-4711/down/+/set", 1));
    }
}
BENCHMARK(subscribe);

// The whole of a signed CONNECT but the lookup: parse, two live secrets, time, what product and
// device allow.
void hmac_connect(benchmark::State& state, std::size_t secrets) {
    const std::string secret = to_base64(std::string(32, 'k'));
    const std::string user = "thermostats/dev-4711;12010126;x1y2z;4102444800";
    const std::string password =
        to_hex(hmac(Digest::kSha256, std::string(32, 'k'), user)) + ";hmacsha256";
    Device device;
    device.product = "thermostats";
    device.name = "dev-4711";
    device.secrets.assign(secrets, Credential{secret, 0});
    Product product;
    product.name = "thermostats";
    product.auth.add(Scheme::kHmac);
    Catalogue catalogue;
    catalogue.products[product.name] = std::make_shared<Product>(product);
    const Settings settings;
    Presented presented;
    presented.client_id = "thermostats/dev-4711";
    presented.user_name = user;
    presented.password = password;
    for (auto _ : state) {
        const auto claim = claim_of(presented, product.auth, settings, 1'700'000'000);
        std::string credential;
        const bool in = prove(*claim, presented, device, settings, 1'700'000'000, credential) ==
                            Denial::kNone &&
                        admit(*claim, device, catalogue, presented.client_id) ==
                            Denial::kNone;
        if (!in) {
            state.SkipWithError("not let in");
            return;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(hmac_connect, one_secret, 1);
BENCHMARK_CAPTURE(hmac_connect, two_secrets, 2);

void jwt_hs256(benchmark::State& state) {
    const std::string key(32, 'k');
    const auto jwks =
        *Jwks::parse(R"({"keys":[{"kty":"oct","k":")" + to_base64url(key) + "\"}]}");
    const std::string input =
        to_base64url(R"({"alg":"HS256"})") + "." +
        to_base64url(R"({"sub":"thermostats/dev-4711","exp":4102444800})");
    const std::string token = input + "." + to_base64url(hmac(Digest::kSha256, key, input));
    for (auto _ : state) {
        benchmark::DoNotOptimize(verify_jwt(token, *jwks, {}, 1'700'000'000).has_value());
    }
}
BENCHMARK(jwt_hs256);

void scrypt_password(benchmark::State& state) {
    const auto hash = parse_password_hash(hash_password("password", "0123456789abcdef"));
    for (auto _ : state) {
        benchmark::DoNotOptimize(verify_password(*hash, "password"));
    }
}
BENCHMARK(scrypt_password)->Unit(benchmark::kMillisecond);

void scram_keys(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(derive_scram_keys("secret secret secret", "0123456789abcdef"));
    }
}
BENCHMARK(scram_keys)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
