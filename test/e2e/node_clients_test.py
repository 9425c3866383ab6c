"""Clients of the npm registry against a hub, over TCP, TLS and WebSocket with and without TLS: MQTT.js with
its commands, Paho JavaScript (the browsers' client). They are installed into FOLDER by `npm ci` when it does
not hold them; without the registry the test is skipped, but under CI=true it fails.

Usage: node_clients_test.py PATH_OF_CAUSEWAY FOLDER [TEST…]
"""
import itertools
import subprocess
import os
import sys
import time

from client import Client
from client_matrix import TRANSPORTS, V5, V31, V311, VERSIONS, Mosquitto, PahoC, PahoPython, Program, is_tls, play
from hub import hub_with, run_tests, wait_until
from node_clients import NodeClient, NodeProcess, install_or_skip

PROGRAM, FOLDER = sys.argv[1], os.path.abspath(sys.argv[2])


class Library:
    """In the matrix: a library in the node process."""
    def __init__(self, node, library, name, transports, versions):
        self.node, self.library, self.name = node, library, name
        self.transports, self.versions = transports, versions

    def connected(self, hub, transport, version, client_id):
        return NodeClient(self.node, self.library).connect(hub, transport, version, clientId=client_id)

    def subscribe(self, hub, transport, version, client_id, topic):
        subscriber = self.connected(hub, transport, version, client_id)
        assert subscriber.subscribe(topic, 2) == [2]
        return subscriber

    def publish(self, hub, transport, version, client_id, topic, payload, qos):
        publisher = self.connected(hub, transport, version, client_id)
        publisher.publish(topic, payload, qos)
        publisher.disconnect()


class Commands(Program):
    """mqtt_pub and mqtt_sub of MQTT.js, which speak 3.1.1."""
    name = "mqtt.js_cli"
    versions = (V311,)

    def command(self, what, hub, transport, version, client_id):
        protocol = {"tcp": "mqtt", "tls": "mqtts"}.get(transport, transport)
        options = ["-h", "localhost", "-p", str(getattr(hub, transport)), "-C", protocol, "-i", client_id]
        if is_tls(transport):
            options += ["--ca", hub.certificates.ca]
        return ["node", f"{FOLDER}/node_modules/.bin/mqtt_{what}", *options]


class OneOf:
    """The others' part in the matrix here: one transport and version of each."""

    def __init__(self, kind, transport, version):
        self.name, self.subscribe, self.publish = kind.name, kind.subscribe, kind.publish
        self.transports, self.versions = (transport,), (version,)


def test_every_client_hears_every_other():
    with hub_with(PROGRAM, *TRANSPORTS) as hub, NodeProcess(FOLDER, hub.certificates.ca) as node:
        subscribers, messages = play(hub, [
            Library(node, "mqtt", "mqtt.js", TRANSPORTS, VERSIONS),
            Library(node, "paho", "paho.js", ("ws", "wss"), (V31, V311)), Commands(),
            OneOf(Mosquitto(), "tcp", V5), OneOf(PahoC("paho_c"), "wss", V31), OneOf(PahoPython(), "tls", V311)])
        print(f"        {subscribers} subscribers, {messages} messages to each")


def test_mqttjs_resumes_its_session():
    with hub_with(PROGRAM, *TRANSPORTS) as hub, NodeProcess(FOLDER, hub.certificates.ca) as node:
        for transport, version in itertools.product(TRANSPORTS, VERSIONS):
            name = f"sleeper-{version}-{transport}"
            options = {"clientId": name, "clean": False}
            if version == V5:
                options["properties"] = {"sessionExpiryInterval": 3600}
            first = NodeClient(node).connect(hub, transport, version, **options)
            assert not first.all("connected")[0]["present"]
            assert first.subscribe(f"{name}/#", 2) == [2]
            first.drop()
            publisher = Client().connect(hub)
            for i in range(10):
                publisher.publish(f"{name}/t", f"{i}", 1)
            publisher.disconnect()
            again = NodeClient(node).connect(hub, transport, version, **options)
            # In 3.1 the byte is reserved.
            assert version == V31 or again.all("connected")[0]["present"]
            again.expect(*[f"{i}" for i in range(10)])
            again.disconnect()


def test_mqttjs_uses_what_is_new_in_5():
    with hub_with(PROGRAM, *TRANSPORTS) as hub, NodeProcess(FOLDER, hub.certificates.ca) as node:
        for transport in TRANSPORTS:
            topic = f"five/{transport}"
            subscriber = NodeClient(node).connect(
                hub, transport, V5, properties={"topicAliasMaximum": 4, "receiveMaximum": 2}, clientId=f"s-{transport}")
            assert subscriber.subscribe(f"{topic}/#", 1, rap=True, properties={"subscriptionIdentifier": 42}) == [1]
            publisher = NodeClient(node).connect(hub, transport, V5, clientId=f"p-{transport}",
                                                 autoAssignTopicAlias=True)
            assert publisher.all("connected")[0]["properties"]["topicAliasMaximum"] > 0
            large = "x" * 200_000
            for payload in ("one", large, "three", "four"):
                publisher.publish(f"{topic}/a", payload, 1, retain=payload == "three", properties={
                    "contentType": "text/plain", "responseTopic": "reply", "correlationData": "id",
                    "userProperties": {"a": ["1", "2"]}, "messageExpiryInterval": 100,
                    "payloadFormatIndicator": True})
            subscriber.expect("one", large, "three", "four")
            assert [m["retain"] for m in subscriber.messages()] == [False, False, True, False]
            for message in subscriber.messages():
                got = message["properties"]
                assert message["topic"] == f"{topic}/a" and got["subscriptionIdentifier"] == 42, message
                assert got["contentType"] == "text/plain" and got["responseTopic"] == "reply", got
                assert message["correlation"] == "id" and got["userProperties"] == {"a": ["1", "2"]}, message
                assert 90 <= got["messageExpiryInterval"] <= 100 and got["payloadFormatIndicator"] is True, got
            publisher.disconnect()
            subscriber.disconnect()


def test_wills_and_takeover_over_websocket():
    with hub_with(PROGRAM, *TRANSPORTS) as hub, NodeProcess(FOLDER, hub.certificates.ca) as node:
        watcher = Client().connect(hub)
        watcher.subscribe("wills/#")
        for transport, version in itertools.product(("ws", "wss"), (V311, V5)):
            will = {"topic": "wills/lost", "payload": f"{transport} {version}", "qos": 1}
            NodeClient(node).connect(hub, transport, version, clientId="lost", will=will).drop()
        watcher.expect(*[f"{t} {v}" for t, v in itertools.product(("ws", "wss"), (V311, V5))])
        first = NodeClient(node).connect(hub, "wss", V5, clientId="same")
        second = NodeClient(node).connect(hub, "ws", V5, clientId="same")
        wait_until("the first is told", lambda: first.all("disconnect") and first.all("closed"))
        assert first.all("disconnect")[0]["reason"] == 0x8E
        second.publish("x", "still here")


def test_mqttjs_goes_on_when_the_hub_comes_back():
    """Its offline queue, its retransmission and its subscriptions, over a hub that was killed."""
    with hub_with(PROGRAM, "tcp", "tls") as hub, NodeProcess(FOLDER, hub.certificates.ca) as node:
        for listener, port in zip(hub.config["listeners"], (hub.tcp, hub.tls)):
            listener["bind"] = f"127.0.0.1:{port}"
        # By itself it gives up at the first CONNACK that says "server unavailable".
        options = {"clean": False, "reconnectPeriod": 100, "reconnectOnConnackError": True,
                   "properties": {"sessionExpiryInterval": 3600}}
        client = NodeClient(node).connect(hub, "tls", V5, clientId="back", **options)
        client.subscribe("back", 1)
        client.publish("back", "before")
        client.expect("before")
        hub.kill()
        wait_until("it knows", lambda: client.all("closed"))
        number = next(node.numbers)
        node.tell(client, "publish", topic="back", payload="queued", number=number, options={"qos": 1})
        time.sleep(0.3)  # let it try in vain
        hub.start()
        wait_until("what was queued", lambda: "queued" in client.payloads(), 60)
        # What it had acknowledged to a hub that was killed at once may come again, and says so.
        assert [m["payload"] for m in client.messages() if not m["dup"]] == ["before", "queued"], client.messages()
        wait_until("PUBACK", lambda: any(event["number"] == number for event in client.all("published")))
        assert client.all("connected")[-1]["present"]


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
if __name__ == "__main__":
    install_or_skip(FOLDER)
    sys.exit(run_tests([test for test in TESTS if not sys.argv[3:] or test.__name__ in sys.argv[3:]]))
