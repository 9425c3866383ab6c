"""Every client against every other through one hub: each program over every transport and version of MQTT
it speaks, publishing at each QoS to all. Used by public_clients_test.py and node_clients_test.py.
"""
import concurrent.futures
import itertools
import subprocess
import tempfile

import client
from hub import wait_until

TRANSPORTS = ("tcp", "tls", "ws", "wss")
V31, V311, V5 = "3.1", "3.1.1", "5.0"
VERSIONS = (V31, V311, V5)
AT_ONCE = 6  # publishers: a few processes for each core


def is_tls(transport):
    return transport in ("tls", "wss")


class RunningProgram:
    """A subscribing program; `payloads()` are the lines it has printed that carry one."""

    def __init__(self, command):
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT)

    def payloads(self):
        self.output.seek(0)
        return [line[line.index("from:"):].strip() for line in self.output if "from:" in line]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.output.close()


class Program:
    """A program for publishing and one for subscribing; below, one class for each family."""
    transports, versions = TRANSPORTS, VERSIONS

    def subscribe(self, hub, transport, version, client_id, topic):
        return RunningProgram(self.command("sub", hub, transport, version, client_id) +
                              ["-t", topic, "-q", "2"])

    def publish(self, hub, transport, version, client_id, topic, payload, qos):
        command = self.command("pub", hub, transport, version, client_id)
        done = subprocess.run(command + ["-t", topic, "-q", str(qos), "-m", payload], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


class Mosquitto(Program):
    name = "mosquitto"
    transports = ("tcp", "tls")  # its clients know no WebSocket

    def command(self, what, hub, transport, version, client_id):
        options = ["-h", "localhost", "-p", str(getattr(hub, transport)), "-i", client_id,
                   "-V", {V31: "mqttv31", V311: "mqttv311", V5: "mqttv5"}[version]]
        if is_tls(transport):
            options += ["--cafile", hub.certificates.ca]
        return ["stdbuf", "-oL", f"mosquitto_{what}", *options]


class PahoC(Program):
    """The sample programs of Paho C: over its asynchronous library, and over its synchronous one."""

    def __init__(self, name):
        self.name = name  # paho_c or paho_cs

    def command(self, what, hub, transport, version, client_id):
        scheme = {"tls": "ssl"}.get(transport, transport)
        options = ["-c", f"{scheme}://localhost:{getattr(hub, transport)}", "-i", client_id,
                   "-V", {V31: "31", V311: "311", V5: "5"}[version]]
        if is_tls(transport):
            options += ["--cafile", hub.certificates.ca]
        return [f"{self.name}_{what}", *options]


class PahoPython:
    name = "paho_python"
    transports, versions = TRANSPORTS, VERSIONS

    class Subscriber:
        def __init__(self, connected):
            self.client = connected
            self.payloads, self.stop = connected.payloads, connected.disconnect

    def connected(self, hub, transport, version, client_id):
        number = {V31: client.mqtt.MQTTv31, V311: client.V3, V5: client.V5}[version]
        return client.Client(client_id, number, websocket=transport in ("ws", "wss")).connect(
            hub, is_tls(transport))

    def subscribe(self, hub, transport, version, client_id, topic):
        subscriber = self.Subscriber(self.connected(hub, transport, version, client_id))
        assert subscriber.client.subscribe(topic, 2) == [2]
        return subscriber

    def publish(self, hub, transport, version, client_id, topic, payload, qos):
        publisher = self.connected(hub, transport, version, client_id)
        publisher.publish(topic, payload, qos)
        publisher.disconnect()


def speaks(kind, transport, version):
    return transport in kind.transports and version in kind.versions


def play(hub, kinds):
    """Every one of `kinds` receives what each of them publishes, exactly once. Returns (subscribers, messages)."""
    spoken = [(kind, transport, version) for kind, transport, version in
              itertools.product(kinds, TRANSPORTS, VERSIONS) if speaks(kind, transport, version)]
    subscribers, expected, publishes = {}, [], []
    try:
        for kind, transport, version in spoken:
            name = f"{kind.name}-{version}-{transport}"
            assert len(name) <= 21, f"{name}: MQTT 3.1 allows client ids of 23 characters, two are for the QoS"
            subscribers[name] = kind.subscribe(hub, transport, version, name, "all/#")
            for qos in (0, 1, 2):
                payload = f"from: {name}, QoS {qos}"
                expected.append(payload)
                publishes.append((kind.publish, hub, transport, version, f"{name}-{qos}", f"all/{qos}",
                                  payload, qos))
        wait_until("all are subscribed", lambda: hub.metrics()["causeway_subscriptions"] == len(subscribers), 60)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(*publish) for publish in publishes]:
                done.result()
        for name, subscriber in subscribers.items():
            try:
                wait_until(name, lambda: len(subscriber.payloads()) >= len(expected))
            except AssertionError:
                pass  # what is missing is said below
            got = subscriber.payloads()
            assert sorted(got) == sorted(expected), \
                f"{name}: missing {sorted(set(expected) - set(got))}, more than once or foreign " \
                f"{sorted(p for p in set(got) if got.count(p) > expected.count(p))}"
    finally:
        for subscriber in subscribers.values():
            subscriber.stop()
    return len(subscribers), len(expected)
