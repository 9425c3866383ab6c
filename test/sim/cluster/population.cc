#include "test/sim/cluster/population.h"

#include <string>

namespace causeway::sim {
namespace {

std::string topic(std::size_t device, std::size_t n) {
    return "d/p" + std::to_string(device) + "/t" + std::to_string(n);
}

std::string retained_topic(std::size_t device) { return "d/p" + std::to_string(device) + "/state"; }

mqtt::Version draw_version(Random& random) {
    return random.chance(1, 2) ? mqtt::Version::k5 : mqtt::Version::k311;
}

DeviceOptions draw_publisher(Random& random, std::size_t i, std::size_t publishers) {
    DeviceOptions options;
    options.name = "d/p" + std::to_string(i);
    options.version = draw_version(random);
    options.persistent = random.chance(3, 4);
    options.will = random.chance(1, 2);
    if (options.persistent && options.version == mqtt::Version::k5 && random.chance(1, 2)) {
        options.will_delay_s = options.will ? 6 : 0;
        options.expiry_s = 14;
    }
    options.act_every = random.between(20, 200) * kMs;
    options.topics = {topic(i, 0), topic(i, 1), topic((i + 1) % publishers, 9)};
    options.qos = {1};
    if (random.chance(2, 3)) {
        options.qos.push_back(2);
    }
    if (random.chance(1, 3)) {
        options.qos.push_back(0);
    }
    if (random.chance(1, 2)) {
        options.retained = retained_topic(i);
    }
    return options;
}

DeviceOptions draw_subscriber(Random& random, std::size_t i) {
    DeviceOptions options;
    options.name = "s/c" + std::to_string(i);
    options.version = draw_version(random);
    options.persistent = i == 0 || random.chance(3, 4);
    options.receive_maximum = static_cast<std::uint16_t>(random.chance(1, 2) ? 2 : 50);
    options.read_delay = random.chance(1, 5) ? 30 * kMs : 0;
    options.act_every = random.between(50, 300) * kMs;
    const auto qos = [&] { return static_cast<std::uint8_t>(1 + random.below(2)); };
    switch (random.below(3)) {
        case 0:
            options.filters = {{"d/#", qos()}};
            break;
        case 1:
            options.filters = {{"d/+/t0", qos()}, {topic(0, 1), qos()}, {"+/p1/#", qos()}};
            break;
        default:
            options.filters = {{topic(0, 0), qos()}, {topic(1, 0), qos()}, {"w/#", qos()}};
            break;
    }
    if (i == 0) {
        options.filters.push_back({"w/#", 2});
    }
    return options;
}

DeviceOptions draw_reader(Random& random, std::size_t publisher) {
    DeviceOptions options;
    options.name = "r/c" + std::to_string(publisher);
    options.version = draw_version(random);
    options.persistent = false;
    options.reader = true;
    options.act_every = random.between(30, 200) * kMs;
    options.filters = {{retained_topic(publisher), static_cast<std::uint8_t>(random.below(3))}};
    return options;
}

}  // namespace

std::vector<DeviceOptions> draw_devices(Random& random) {
    std::vector<DeviceOptions> devices;
    const std::size_t publishers = 3 + random.below(3);
    const std::size_t subscribers = 2 + random.below(3);
    for (std::size_t i = 0; i < publishers; ++i) {
        devices.push_back(draw_publisher(random, i, publishers));
    }
    for (std::size_t i = 0; i < subscribers; ++i) {
        devices.push_back(draw_subscriber(random, i));
    }
    for (std::size_t i = 0; i < publishers; ++i) {
        if (!devices[i].retained.empty()) {
            devices.push_back(draw_reader(random, i));
        }
    }
    return devices;
}

}  // namespace causeway::sim
