"""What lies between the socket and MQTT, and what clients share: WebSocket with and without TLS, the
PROXY protocol, shared subscriptions, $SYS, publish rates.

Usage: transports_test.py PATH_OF_CAUSEWAY
"""
import functools
import itertools
import socket
import ssl
import sys
import time

from client import V3, V5, Client
from hub import hub_with, run_tests, wait_until
from raw_client import packet, text
from websocket_stream import WebSocketStream, frame, request

PROGRAM = sys.argv[1]
hub_with = functools.partial(hub_with, PROGRAM)
CONNECT = packet(0x10, text("MQTT") + bytes([4, 2, 0, 60]) + text("raw"))
CONNACK = b"\x20\x02\x00\x00"
PROXY1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 50123 1883\r\n"
PROXY2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 195, 203, 7, 91])


def stream_to(port, certificates=None):
    stream = socket.create_connection(("127.0.0.1", port), timeout=10)
    if certificates:
        context = ssl.create_default_context(cafile=certificates.ca)
        stream = context.wrap_socket(stream, server_hostname="localhost")
    return stream


def received(stream, size):
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def test_paho_over_websocket():
    with hub_with("tcp", "ws", "wss") as hub:
        for version, tls, qos in itertools.product((V3, V5), (False, True), (0, 1, 2)):
            topic = f"w/{version}/{int(tls)}/{qos}"
            subscriber = Client(version=version, websocket=True).connect(hub, tls)
            subscriber.subscribe(topic, qos)
            publisher = Client(version=version, websocket=not tls).connect(hub)
            large = "x" * 200_000
            for payload in ("one", large, "three"):
                publisher.publish(topic, payload, qos)
            subscriber.expect("one", large, "three")
            publisher.disconnect()
            subscriber.disconnect()


def test_packets_do_not_follow_frames():
    with hub_with("ws") as hub:
        stream = WebSocketStream(stream_to(hub.ws))
        for i in range(len(CONNECT)):  # a frame for each byte
            stream.sendall(CONNECT[i:i + 1])
        assert stream.recv(0) == CONNACK
        ping = b"\xc0\x00"
        stream.stream.sendall(frame(2, ping + ping[:1], False) + frame(9, b"there?") + frame(0, ping[1:]))
        answer = b""
        while len(answer) < 4:
            answer += stream.recv(0)
        assert answer == b"\xd0\x00\xd0\x00", answer


def test_text_frames_and_bad_upgrades_are_refused():
    with hub_with("ws") as hub:
        stream = WebSocketStream(stream_to(hub.ws))
        stream.stream.sendall(frame(1, CONNECT))
        assert stream.recv(0) == b"" and stream.closed == 1003, stream.closed
        for bytes_sent, status in ((request("chat"), b"400"), (request(version="8"), b"426"),
                                   (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"426"), (CONNECT, b"400")):
            bare = stream_to(hub.ws)
            bare.sendall(bytes_sent)
            answer = b""
            while more := bare.recv(65536):
                answer += more
            assert answer.startswith(b"HTTP/1.1 " + status), answer
        refused = hub.metrics()['causeway_connections_refused_total{reason="websocket"}']
        assert refused == 5, refused


def test_a_will_over_websocket():
    with hub_with("tcp", "ws") as hub:
        watcher = Client().connect(hub)
        watcher.subscribe("wills/#")
        lost = Client("lost", will=("wills/lost", "gone", 1), websocket=True).connect(hub)
        lost.drop()
        watcher.expect("gone")


def test_proxy_protocol():
    for kind, header in itertools.product(("tcp", "tls", "ws"), (PROXY1, PROXY2)):
        with hub_with(kind, proxy_protocol=True) as hub:
            stream = socket.create_connection(("127.0.0.1", getattr(hub, kind)), timeout=10)
            for i in range(len(header)):
                stream.sendall(header[i:i + 1])
            if kind == "tls":
                context = ssl.create_default_context(cafile=hub.certificates.ca)
                stream = context.wrap_socket(stream, server_hostname="localhost")
            elif kind == "ws":
                stream = WebSocketStream(stream)
            stream.sendall(CONNECT)
            assert received(stream, 4) == CONNACK, (kind, header)
            stream.close()
    with hub_with("tcp", proxy_protocol=True) as hub:
        together = stream_to(hub.tcp)
        together.sendall(PROXY2 + CONNECT)
        assert received(together, 4) == CONNACK
        for bad in (CONNECT, b"PROXY TCP4 1.2.3\r\n" + CONNECT, b"GET / HTTP/1.1\r\n\r\n"):
            stream = stream_to(hub.tcp)
            stream.sendall(bad)
            try:
                assert stream.recv(1) == b""
            except ConnectionResetError:
                pass
        assert hub.metrics()['causeway_connections_refused_total{reason="proxy_header"}'] == 3


def test_shared_subscriptions():
    with hub_with("tcp") as hub:
        members = [Client(f"m{i}", version).connect(hub) for i, version in enumerate((V3, V5, V5))]
        for member in members:
            assert member.subscribe("$share/workers/jobs/#", 1) == [1]
        publisher = Client().connect(hub)
        for i in range(30):
            publisher.publish(f"jobs/{i}", f"{i}", 1)
        wait_until("all jobs", lambda: sum(len(m.messages) for m in members) == 30)
        assert all(len(m.messages) == 10 for m in members), [len(m.messages) for m in members]
        assert sorted(int(p) for m in members for p in m.payloads()) == list(range(30))
        members[0].disconnect()
        for i in range(10):
            publisher.publish("jobs/x", f"more {i}", 1)
        # What the one that left had not acknowledged comes to another once more: at least once.
        more = {f"more {i}" for i in range(10)}
        wait_until("more", lambda: more <= {p for m in members[1:] for p in m.payloads()})
        payloads = [p for m in members[1:] for p in m.payloads() if p in more]
        assert len(payloads) == 10 and len(members[0].messages) == 10, payloads


def test_what_a_lost_member_did_not_acknowledge_goes_to_another():
    with hub_with("tcp") as hub:
        silent = stream_to(hub.tcp)
        silent.sendall(CONNECT)
        assert received(silent, 4) == CONNACK
        silent.sendall(packet(0x82, b"\x00\x01" + text("$share/g/jobs") + b"\x01"))
        assert received(silent, 5) == b"\x90\x03\x00\x01\x01"
        publisher = Client().connect(hub)
        for i in range(5):
            publisher.publish("jobs", f"{i}", 1)
        assert received(silent, 5)  # it has them, and says nothing
        other = Client("other").connect(hub)
        other.subscribe("$share/g/jobs", 1)
        silent.close()
        other.expect(*[f"{i}" for i in range(5)])


def test_sys_topics():
    with hub_with("tcp", config={"sys": {"interval_s": 1}}) as hub:
        watcher = Client().connect(hub)
        watcher.subscribe("$SYS/#")
        everything = Client().connect(hub)
        everything.subscribe("#")
        wait_until("two rounds", lambda: len({m.payload for m in watcher.messages
                                              if m.topic == "$SYS/nodes/node1/uptime_s"}) >= 2)
        assert any(m.topic == "$SYS/nodes/node1/connections/online" and m.payload == b"2"
                   for m in watcher.messages)
        assert not everything.messages, everything.messages[0].topic


def test_publish_rate():
    with hub_with("tcp", config={"limits": {"publish_rate_max": 20}}) as hub:
        subscriber = Client("s").connect(hub)
        subscriber.subscribe("r")
        publisher = Client("p").connect(hub)
        begin = time.monotonic()
        for i in range(60):
            publisher.mqtt.publish("r", f"{i}", 0)
        wait_until("all", lambda: len(subscriber.messages) == 60)
        took = time.monotonic() - begin
        assert took > 1.5, took  # a second's worth at once, the other 40 at 20 a second
        assert subscriber.payloads() == [f"{i}" for i in range(60)]
        assert hub.metrics()['causeway_limits_reached_total{limit="publish_rate"}'] > 0


if __name__ == "__main__":
    sys.exit(run_tests([value for name, value in list(globals().items()) if name.startswith("test_")]))
