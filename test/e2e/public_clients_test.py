"""Clients as Debian ships them against a hub, over TCP, TLS and WebSocket with and without TLS, speaking MQTT
3.1, 3.1.1 and 5.0: mosquitto's, the samples of Paho C, Paho Python; and a broker of another make as a bridge.

Usage: public_clients_test.py PATH_OF_CAUSEWAY [TEST…]
"""
import getpass
import pathlib
import socket
import subprocess
import sys
import tempfile

from client import Client
from client_matrix import TRANSPORTS, Mosquitto, PahoC, PahoPython, play
from hub import hub_with, run_tests, wait_until

PROGRAM = sys.argv[1]


def test_every_client_hears_every_other():
    with hub_with(PROGRAM, *TRANSPORTS) as hub:
        subscribers, messages = play(hub, [Mosquitto(), PahoC("paho_c"), PahoC("paho_cs"), PahoPython()])
        print(f"        {subscribers} subscribers, {messages} messages to each")


def test_request_and_response():
    with hub_with(PROGRAM, "tcp", "tls") as hub:
        for version, transport in (("mqttv311", "tcp"), ("mqttv5", "tcp"), ("mqttv5", "tls")):
            where = ["-h", "localhost", "-p", str(getattr(hub, transport)), "-V", version]
            if transport == "tls":
                where += ["--cafile", hub.certificates.ca]
            responder = Client().connect(hub)

            def respond(_client, _userdata, message):
                properties = message.properties
                reply = getattr(properties, "ResponseTopic", "reply/here")
                responder.mqtt.publish(reply, b"answer to " + message.payload, 1)
            responder.mqtt.on_message = respond
            responder.subscribe("ask", 1)
            asked = subprocess.run(["mosquitto_rr", *where, "-t", "ask", "-e", "reply/here", "-m", version, "-q", "1",
                                    "-W", "20"], capture_output=True, text=True, timeout=60)
            assert (asked.returncode, asked.stdout.strip()) == (0, f"answer to {version}"), asked
            responder.disconnect()


class Broker:
    """mosquitto with a bridge to the hub. Its private dialect would cost a refused CONNECT, and the will it
    has for $SYS is the hub's own to publish: both are switched off."""

    def __init__(self, hub, version, tls):
        self.folder = tempfile.TemporaryDirectory(prefix="causeway-bridge-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.tcp = free.getsockname()[1]
        lines = [f"user {getpass.getuser()}", f"listener {self.tcp} 127.0.0.1", "allow_anonymous true", "connection hub",
                 f"address localhost:{hub.tls if tls else hub.tcp}", f"bridge_protocol_version {version}",
                 "remote_clientid bridge", "topic up/# out 1", "topic down/# in 1", "try_private false",
                 "notifications_local_only true"]
        lines += [f"bridge_cafile {hub.certificates.ca}"] if tls else []
        path = pathlib.Path(self.folder.name) / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+")
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(path), "-v"], stdout=self.log,
                                        stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        self.process.wait(20)
        if kind:
            self.log.seek(0)
            print(f"--- mosquitto's log\n{self.log.read()[-3000:]}")
        self.log.close()
        self.folder.cleanup()


def test_mosquitto_as_a_bridge():
    with hub_with(PROGRAM, "tcp", "tls") as hub:
        for version, tls in (("mqttv31", False), ("mqttv311", False), ("mqttv50", False), ("mqttv311", True)):
            with Broker(hub, version, tls) as broker:
                here = Client().connect(hub)
                here.subscribe("up/#")
                wait_until("the bridge's subscription",
                           lambda: hub.metrics()["causeway_subscriptions"] == 2)
                there = Client()
                there.connect(broker)
                there.subscribe("down/#")
                there.publish("up/1", "up", 1)
                here.expect("up")
                here.publish("down/1", "down", 1)
                there.expect("down")
                there.disconnect()
                here.disconnect()
            Client("bridge").connect(hub).disconnect()  # its session ends


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
if __name__ == "__main__":
    sys.exit(run_tests([test for test in TESTS if not sys.argv[2:] or test.__name__ in sys.argv[2:]]))
