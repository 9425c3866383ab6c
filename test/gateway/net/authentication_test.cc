// CONNECTs of devices over real sockets, with a registry in the hands of the test: what waits for
// an answer and what does not, and what a change does to who is there.
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/timer.h"
#include "gateway/auth/crypto.h"
#include "gateway/net/gateway.h"
#include "test/gateway/net/client.h"
#include "test/gateway/net/running_gateway.h"

namespace causeway::net {
namespace {

using namespace std::string_literals;

const std::string kSecret = "MDEyMzQ1Njc4OWFiY2RlZg==";
constexpr std::uint64_t kNow = 1'700'000'000;

// On the loop, but for what the test posts there.
class FakeRegistry final : public auth::Registry {
public:
    explicit FakeRegistry(io::Loop& on) : loop(on) {}

    [[nodiscard]] std::shared_ptr<const auth::Catalogue> catalogue() const override {
        return catalogue_;
    }
    [[nodiscard]] std::optional<auth::DeviceLookup> cached(std::string_view) override {
        return stale;
    }
    void find(std::string_view key, MonoMs, Found found) override {
        ++finds;
        waiting_.emplace_back(std::string(key), std::move(found));
        if (!held) {
            loop.post([this] { answer(); });
        }
    }
    void find_fresh(std::string_view key, MonoMs deadline, Found found) override {
        find(key, deadline, std::move(found));
    }
    void set_events(auth::RegistryEvents* events) override { events_ = events; }

    // For the test, on the loop's thread.
    void answer() {
        for (auto& [key, found] : std::exchange(waiting_, {})) {
            auth::DeviceLookup lookup;
            lookup.status =
                down ? auth::DeviceLookup::Status::kUnavailable : auth::DeviceLookup::Status::kNone;
            if (const auto device = devices.find(key); !down && device != devices.end()) {
                lookup.status = auth::DeviceLookup::Status::kFound;
                lookup.device = std::make_shared<auth::Device>(device->second);
            }
            found(lookup);
        }
    }
    void put(const auth::Device& device) {
        devices[device.key()] = device;
        if (events_ != nullptr) {
            events_->on_devices_changed({device.key()});
        }
    }
    void put(const auth::Product& product) {
        auto changed = std::make_shared<auth::Catalogue>();
        *changed = catalogue_ == nullptr ? auth::Catalogue() : *catalogue_;
        changed->products[product.name] = std::make_shared<auth::Product>(product);
        catalogue_ = changed;
        if (events_ != nullptr) {
            events_->on_catalogue_changed();
        }
    }
    void ban(const auth::Ban& ban) {
        auto changed = std::make_shared<auth::Catalogue>(*catalogue_);
        changed->bans.push_back(ban);
        catalogue_ = changed;
        events_->on_catalogue_changed();
    }
    void lose_track() { events_->on_all_devices_changed(); }

    io::Loop& loop;
    std::atomic<bool> held = false;
    std::atomic<int> finds = 0;
    bool down = false;
    std::optional<auth::DeviceLookup> stale;  // what the cache says
    std::map<std::string, auth::Device> devices;

private:
    std::shared_ptr<const auth::Catalogue> catalogue_;
    auth::RegistryEvents* events_ = nullptr;
    std::vector<std::pair<std::string, Found>> waiting_;
};

auth::Product product() {
    auth::Product one;
    one.name = "thermo";
    one.auth.add(auth::Scheme::kHmac);
    one.auth.add(auth::Scheme::kPassword);
    one.permissions = {{true, true, false, 0b111, std::nullopt, {"${product}/${device}/up"}},
                       {true, false, true, 0b111, std::nullopt, {"${product}/${device}/down"}}};
    return one;
}

auth::Device device(const std::string& name = "d1") {
    auth::Device one;
    one.product = "thermo";
    one.name = name;
    one.secrets = {{kSecret, 0}};
    return one;
}

// CONNECT of 5.0, signed.
std::string connect(const std::string& name = "d1") {
    const std::string user = "thermo/" + name + ";0;x;1700000600";
    const std::string password =
        auth::to_hex(auth::hmac(auth::Digest::kSha256, *auth::from_base64(kSecret), user)) +
        ";hmacsha256";
    return packet(0x10, text("MQTT") + "\5\xC2\0\0\0"s + text("thermo/" + name) + text(user) +
                            text(password));
}

std::string publish(const std::string& topic) { return packet(0x32, text(topic) + "\0\7\0x"s); }

// PUBACKs of publish().
const std::string kNoSubscriber = "\x40\3\0\7\x10"s;
const std::string kNotAuthorized = "\x40\3\0\7\x87"s;

class AuthenticationTest : public RunningGateway {
protected:
    void SetUp() override {
        options.shard.auth.wall_s = [] { return kNow; };
        options.shard.auth.make_registry = [this](io::Loop& loop, Submitter&) {
            auto made = std::make_unique<FakeRegistry>(loop);
            registry = made.get();
            registry->put(product());
            registry->put(device());
            return made;
        };
        ListenerOptions& listener = options.listeners.emplace_back();
        listener.policy.schemes = product().auth;
    }
    // Runs on the gateway's loop and waits for it.
    template <typename Work>
    void there(Work work) {
        std::atomic<bool> done = false;
        registry->loop.post([&] {
            work();
            done = true;
        });
        while (!done) {
            std::this_thread::yield();
        }
    }
    // CONNACK's code.
    int come(const std::string& bytes, std::size_t at = 0) {
        Client client(port(at));
        client.send(bytes);
        return code_of(client);
    }
    static int code_of(Client& client) {
        const std::string head = client.receive(4);
        return head.size() < 4 ? -1 : static_cast<unsigned char>(head[3]);
    }
    // The rest of CONNACK, whose code was read.
    static void online(Client& client) {
        const std::string head = client.receive(4);
        ASSERT_EQ(head.size(), 4U);
        ASSERT_EQ(head[3], 0);
        client.receive(static_cast<std::size_t>(head[1]) - 2);
    }

    FakeRegistry* registry = nullptr;
};

TEST_F(AuthenticationTest, AWaitingConnectHoldsUpNobodyElse) {
    options.listeners.emplace_back().policy.anonymous = true;
    start();
    registry->held = true;
    Client waits(port());
    waits.send(connect() + publish("thermo/d1/up"));
    while (registry->finds == 0) {
        std::this_thread::yield();
    }
    Client other(port(1));
    other.connect("other");
    other.publish("t", "x");
    there([this] { registry->answer(); });
    online(waits);
    EXPECT_EQ(waits.receive(5), kNoSubscriber);
}

TEST_F(AuthenticationTest, NobodyKnowsIsNoAnswer) {
    start();
    there([this] { registry->down = true; });
    EXPECT_EQ(come(connect()), 0x88);
    there([this] { registry->down = false; });
    EXPECT_EQ(come(connect()), 0);
    EXPECT_EQ(come(connect("nobody")), 0x86);
}

TEST_F(AuthenticationTest, AClientThatGoesWhileItWaitsLeavesNothing) {
    start();
    registry->held = true;
    {
        Client gone(port());
        gone.send(connect());
        while (registry->finds == 0) {
            std::this_thread::yield();
        }
    }
    registry->held = false;
    there([this] { registry->answer(); });
    EXPECT_EQ(come(connect()), 0);
}

TEST_F(AuthenticationTest, AChangeDuringTheLookupIsSeen) {
    start();
    registry->held = true;
    Client client(port());
    client.send(connect());
    while (registry->finds == 0) {
        std::this_thread::yield();
    }
    there([this] {
        registry->answer();  // enabled
    });
    online(client);
    // And one whose answer is older than the change.
    Client late(port());
    late.send(connect());
    while (registry->finds == 1) {
        std::this_thread::yield();
    }
    there([this] {
        // Here, behind find(): it would see the change of mind, and answer before the change.
        registry->held = false;
        auth::Device off = device();
        off.enabled = false;
        registry->put(off);
    });
    there([this] { registry->answer(); });
    EXPECT_EQ(code_of(late), 0x87);
}

TEST_F(AuthenticationTest, ABanDuringTheLookupIsSeen) {
    start();
    registry->held = true;
    Client client(port());
    client.send(connect());
    while (registry->finds == 0) {
        std::this_thread::yield();
    }
    there([this] {
        registry->ban({auth::Ban::Kind::kDevice, "thermo/d1", 0});
        registry->answer();
    });
    EXPECT_EQ(code_of(client), 0x8A);
}

TEST_F(AuthenticationTest, ASecretNewerThanTheCacheIsTaken) {
    start();
    const auto remember = [this](const auth::Device& old) {
        there([this, old] {
            registry->stale.emplace();
            registry->stale->status = auth::DeviceLookup::Status::kFound;
            registry->stale->device = std::make_shared<auth::Device>(old);
        });
    };
    auth::Device old = device();
    old.secrets = {{"MDEyMzQ1Njc4OWFiY2RlZmdo", 0}};
    remember(old);
    EXPECT_EQ(come(connect()), 0);
    EXPECT_EQ(registry->finds, 1);
    remember(device());
    EXPECT_EQ(come(connect()), 0);
    EXPECT_EQ(registry->finds, 1);  // what the cache proves is proven
    there([this, old] { registry->put(old); });
    there([this] { registry->stale.reset(); });
    EXPECT_EQ(come(connect()), 0x86);
}

TEST_F(AuthenticationTest, ADisabledDeviceIsClosed) {
    start();
    Client client(port());
    client.send(connect());
    online(client);
    Client steady(port());
    there([this] { registry->put(device("d2")); });
    steady.send(connect("d2"));
    online(steady);
    there([this] {
        auth::Device off = device();
        off.enabled = false;
        registry->put(off);
    });
    EXPECT_EQ(client.receive_rest(), "\xE0\1\x98"s);
    steady.send("\xC0\0"s);
    EXPECT_EQ(steady.receive(2), "\xD0\0"s);
}

TEST_F(AuthenticationTest, WhoIsInStaysInWhileNobodyKnows) {
    start();
    Client client(port());
    client.send(connect());
    online(client);
    const int before = registry->finds;
    there([this] {
        registry->down = true;
        registry->devices.clear();
        registry->lose_track();
    });
    while (registry->finds < before + 2) {  // asked, and asked again
        std::this_thread::yield();
    }
    client.send("\xC0\0"s);
    EXPECT_EQ(client.receive(2), "\xD0\0"s);
    there([this] { registry->down = false; });
    EXPECT_EQ(client.receive_rest(), "\xE0\1\x98"s);
}

TEST_F(AuthenticationTest, PermissionsOfAProductFollowIt) {
    start();
    Client client(port());
    client.send(connect());
    online(client);
    client.send(publish("thermo/d1/up") + publish("thermo/d1/other"));
    // What is not allowed is answered at once.
    EXPECT_EQ(client.receive(10), kNotAuthorized + kNoSubscriber);
    there([this] {
        auth::Product other = product();
        other.permissions.clear();
        registry->put(other);
    });
    std::string code;
    do {
        client.send(publish("thermo/d1/up"));
        code = client.receive(5);
    } while (code == kNoSubscriber);
    EXPECT_EQ(code, kNotAuthorized);
}

TEST_F(AuthenticationTest, AProductHasSoManyPlaces) {
    start();
    there([this] {
        auth::Product small = product();
        small.limits.connections_max = 1;
        registry->put(small);
        registry->put(device("d2"));
    });
    Client client(port());
    client.send(connect());
    online(client);
    EXPECT_EQ(come(connect("d2")), 0x97);
    client.send("\xE0\0"s);
    client.receive_rest();
    while (come(connect("d2")) != 0) {
        std::this_thread::yield();
    }
}

TEST_F(AuthenticationTest, AnonymousClientsMayNotTakeADevicesName) {
    options.listeners.emplace_back().policy.anonymous = true;
    start();
    const auto as = [](const std::string& client_id) {
        return packet(0x10, text("MQTT") + "\5\2\0\0\0"s + text(client_id));
    };
    EXPECT_EQ(come(as("thermo/d1"), 1), 0x85);
    EXPECT_EQ(come(as("plant/d1"), 1), 0);
    EXPECT_EQ(come(as("thermo/d1"), 0), 0x87);
}

TEST_F(AuthenticationTest, ABanClosesWhoIsNoDevice) {
    options.listeners.emplace_back().policy.anonymous = true;
    start();
    const auto as = [](const std::string& client_id) {
        return packet(0x10, text("MQTT") + "\5\2\0\0\0"s + text(client_id));
    };
    Client banned(port(1));
    banned.send(as("panel"));
    online(banned);
    Client other(port(1));
    other.send(as("plant/d7"));
    online(other);
    Client steady(port(1));
    steady.send(as("steady"));
    online(steady);
    there([this] { registry->ban({auth::Ban::Kind::kClientId, "panel", 0}); });
    EXPECT_EQ(banned.receive_rest(), "\xE0\1\x98"s);
    // A product that is new claims the names of its devices.
    there([this] {
        auth::Product plant = product();
        plant.name = "plant";
        registry->put(plant);
    });
    EXPECT_EQ(other.receive_rest(), "\xE0\1\x98"s);
    steady.send("\xC0\0"s);
    EXPECT_EQ(steady.receive(2), "\xD0\0"s);
}

TEST_F(AuthenticationTest, AClientIsNotKeptOutInItsName) {
    options.shard.auth.flapping = {2, 60'000, 60'000};
    start();
    std::string wrong = connect();
    wrong[wrong.size() - 20] = wrong[wrong.size() - 20] == '0' ? '1' : '0';
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(come(wrong), 0x86);
    }
    EXPECT_EQ(come(connect()), 0);
    EXPECT_EQ(come(connect()), 0);
    EXPECT_EQ(come(connect()), 0x9F);
}

TEST_F(AuthenticationTest, GuessesArePunishedByAddressAndForgotten) {
    options.shard.auth.identity_failures = {2, 60'000, 60'000};
    start();
    there([this] { registry->put(device("d2")); });
    std::string wrong = connect();
    wrong[wrong.size() - 20] = wrong[wrong.size() - 20] == '0' ? '1' : '0';
    EXPECT_EQ(come(wrong), 0x86);
    EXPECT_EQ(come(connect()), 0);  // which forgives
    EXPECT_EQ(come(wrong), 0x86);
    EXPECT_EQ(come(wrong), 0x86);
    EXPECT_EQ(come(wrong), 0x86);
    EXPECT_EQ(come(connect()), 0x9F);
    EXPECT_EQ(come(connect("d2")), 0);
}

}  // namespace
}  // namespace causeway::net
