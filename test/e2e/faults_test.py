"""Bad input and faults against a real hub: malformed packets, a full disk, SIGTERM under load, a damaged log,
a bad start, HTTP sinks that fail, and a subscriber that does not read.

The full disk is a small tmpfs, which only root may mount; without that its tests say so and are skipped.

Usage: faults_test.py PATH_OF_CAUSEWAY [TEST...]
"""
import collections
import contextlib
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from client import Client
from crash_test import check
from hub import Hook, Hub, run_tests, wait_until
from log_files import batches, flip
from raw_client import CONNACK, DISCONNECT, PUBACK, PUBLISH, SUBSCRIBE, RawPublisher, RawSubscriber, packet, text

PROGRAM = sys.argv[1]
QUEUE_RULES = [{"id": "copy", "sql": "SELECT VALUE payload FROM 'crash/#'", "actions": [{"queue": {"name": "copies"}}]},
               {"queue": "copies", "max_messages": 1_000_000}]


class Wire:
    """A bare connection: sends any bytes, reads packets, or everything until the hub closes."""

    def __init__(self, port, receive_buffer=0):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(15)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)
        return self

    def connect(self, version, client_id):
        self.send(connect_packet(version, client_id))
        kind, body = self.read()
        assert kind == CONNACK and body[1] == 0, (kind, body)
        return self

    def read(self):
        """The next packet with a remaining length below 128, or (0, b"") at the end of the stream."""
        while len(self.buffer) < 2 or len(self.buffer) < 2 + self.buffer[1]:
            try:
                received = self.socket.recv(65536)
            except ConnectionResetError:
                received = b""
            if not received:
                return 0, b""
            self.buffer += received
        size = self.buffer[1]
        first, body, self.buffer = self.buffer[0], self.buffer[2:2 + size], self.buffer[2 + size:]
        return first >> 4, body

    def publish(self, version, topic, payload, packet_id):
        body = text(topic) + struct.pack(">H", packet_id) + (b"\0" if version == 5 else b"")
        return self.send(packet(PUBLISH << 4 | 2, body + payload.encode()))


def connect_packet(version, client_id, name="MQTT"):
    head = text(name) + bytes([version, 2, 0, 60])
    return packet(0x10, head + (b"\0" if version >= 5 else b"") + text(client_id))


def closed_total(hub):
    return {name.split('"')[1]: int(value) for name, value in hub.metrics().items()
            if name.startswith("causeway_connections_closed_total")}


# What a client sends after CONNACK: name, bytes without and with v5 properties, the reason code of the
# DISCONNECT (MQTT 5.0 §3.14.2.1), and what /metrics counts it as for 3.1.1; for 5.0 that follows from the code.
def bad_packets():
    def publish(topic, packet_id=None, first=0x30):
        number = b"" if packet_id is None else struct.pack(">H", packet_id)
        return [packet(first, topic + number + properties + b"x") for properties in (b"", b"\0")]

    def both(data):
        return [data, data]

    subscribe = lambda rest: [packet(0x82, b"\0\1" + properties + rest) for properties in (b"", b"\0")]
    return [
        ("packet type 0", *both(b"\x00\x00"), 0x81, "malformed"),
        ("reserved flags of PINGREQ", *both(b"\xc1\x00"), 0x81, "malformed"),
        ("flags of SUBSCRIBE", *both(b"\x80\x06\0\1\0\1a\0"), 0x81, "malformed"),
        ("QoS 3", *publish(text("a"), 1, 0x36), 0x81, "malformed"),
        ("DUP at QoS 0", *publish(text("a"), first=0x38), 0x81, "malformed"),
        ("remaining length of five bytes", *both(b"\x30\xff\xff\xff\xff\x01"), 0x81, "malformed"),
        ("remaining length ends in the topic", *both(b"\x30\x03\0\x09a"), 0x81, "malformed"),
        ("PINGREQ with a body", *both(b"\xc0\x01x"), 0x81, "malformed"),
        ("PUBACK of one byte", *both(b"\x40\x01\0"), 0x81, "malformed"),
        ("topic that is not UTF-8", *publish(b"\0\2\xc3\x28"), 0x81, "malformed"),
        ("topic with an overlong form", *publish(b"\0\2\xc0\xaf"), 0x81, "malformed"),
        ("topic with a surrogate", *publish(b"\0\3\xed\xa0\x80"), 0x81, "malformed"),
        ("topic with NUL", *publish(b"\0\3a\0b"), 0x81, "malformed"),
        ("wildcard in a topic name", *publish(text("a/#")), 0x90, "malformed"),
        ("packet id 0 in PUBLISH", *publish(text("a"), 0, 0x32), 0x82, "protocol_error"),
        ("packet id 0 in SUBSCRIBE", *[packet(0x82, b"\0\0" + p + text("a") + b"\0") for p in (b"", b"\0")], 0x82,
         "protocol_error"),
        ("SUBSCRIBE without a filter", *subscribe(b""), 0x82, "protocol_error"),
        ("SUBSCRIBE at QoS 3", *subscribe(text("a") + b"\3"), 0x82, "malformed"),
        ("UNSUBSCRIBE without a filter", packet(0xA2, b"\0\1"), packet(0xA2, b"\0\1\0"), 0x82, "protocol_error"),
        ("packet of the server", *both(b"\xd0\x00"), 0x82, "protocol_error"),
        ("second CONNECT", connect_packet(4, "bad"), connect_packet(5, "bad"), 0x82, "protocol_error"),
        ("oversized packet", *both(b"\x30\xff\xff\xff\x7f\0\1a"), 0x95, "malformed"),
    ]


def test_malformed_packets_close_only_their_connection():
    with Hub(PROGRAM) as hub:
        witness = Client("witness").connect(hub)
        witness.subscribe("still/#")
        echoed = []

        def refused(what, version, data, expected, counter, connect=True):
            before = closed_total(hub)
            wire = Wire(hub.tcp)
            if connect:
                wire.connect(version, "bad")
            wire.send(data)
            answers = []
            while (answer := wire.read())[0] != 0:
                answers.append((answer[0], answer[1].hex()))
            assert answers == expected, (what, version, answers, expected)
            changed = {name: value - before[name] for name, value in closed_total(hub).items()
                       if value != before[name]}
            assert changed == {counter: 1}, (what, version, changed)
            witness.publish("still/here", what)
            echoed.append(what)
            wait_until("the other client's message", lambda: len(witness.messages) == len(echoed))

        for what, v3, v5, code, counter in bad_packets():
            refused(what, 4, v3, [], counter)
            counter = "protocol_error" if code == 0x82 else "malformed"
            refused(what, 5, v5, [(DISCONNECT, f"{code:02x}")], counter)
        for version in (4, 5):
            early = packet(0x30, text("a") + (b"\0" if version == 5 else b""))
            refused("PUBLISH before CONNECT", version, early, [], "protocol_error", connect=False)
        refused("no MQTT at all", 4, b"GET / HTTP/1.1\r\n\r\n", [], "malformed", connect=False)
        refused("protocol level 6", 5, connect_packet(6, "bad"), [(CONNACK, "008400")], "malformed", connect=False)
        refused("protocol level 2", 4, connect_packet(2, "bad"), [(CONNACK, "0001")], "malformed", connect=False)
        refused("reserved CONNECT flag", 5, packet(0x10, text("MQTT") + b"\5\3\0\x3c\0\0\0"),
                [(CONNACK, "008100")], "malformed", connect=False)
        refused("reserved CONNECT flag", 4, packet(0x10, text("MQTT") + b"\4\3\0\x3c\0\0"), [], "malformed",
                connect=False)
        assert witness.payloads() == echoed and witness.disconnected is None


@contextlib.contextmanager
def small_disk(size):
    """A tmpfs of `size` bytes, or None where it cannot be mounted."""
    folder = tempfile.mkdtemp(prefix="causeway-disk-")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True,
                             text=True)
    if mounted.returncode != 0:
        print(f"SKIPPED the full disk: cannot mount a tmpfs: {mounted.stderr.strip()}", flush=True)
        shutil.rmtree(folder)
        yield None
        return
    try:
        yield pathlib.Path(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        pathlib.Path(folder).rmdir()


def fill(disk, leave):
    """A file that takes all but `leave` bytes; returns it."""
    file = disk / "filler"
    with open(file, "wb", buffering=0) as out:
        try:
            while shutil.disk_usage(disk).free > leave:
                out.write(bytes(min(1 << 18, max(4096, shutil.disk_usage(disk).free - leave))))
        except OSError:
            pass
    return file


def hub_on(disk):
    hub = Hub(PROGRAM, QUEUE_RULES, config={"store": {"disk_reserve_bytes": 16 << 20},
                                            "limits": {"inbox_messages_max": 1_000_000}})
    hub.data = disk / "data"
    hub.config["node"]["data_dir"] = str(hub.data)
    return hub


def disk_is_low(hub):
    status, answer = hub.get("/healthz")
    return status == 503 and answer["disk_low"]


def publisher_sees_a_full_disk(hub):
    """0x97 for v5 and a closed connection for 3.1.1, 507 over HTTP."""
    five = Wire(hub.tcp).connect(5, "five").publish(5, "crash/no", "no:0", 1)
    kind, body = five.read()
    assert (kind, body[:3]) == (PUBACK, b"\0\1\x97"), (kind, body)
    three = Wire(hub.tcp).connect(4, "three").publish(4, "crash/no", "no:1", 1)
    assert three.read() == (0, b""), "3.1.1 has no other way to be told"
    status, answer = hub.post("/v1/queues/jobs/messages", {"payload": "no"})
    assert status == 507 and "disk" in answer["error"], (status, answer)


def wait_healthy(hub):
    wait_until("service resumes", lambda: hub.get("/healthz")[0] == 200, 10)


def test_full_disk_refuses_and_recovers_without_restart():
    with small_disk("80m") as disk:
        if disk is None:
            return
        with hub_on(disk) as hub:
            subscriber = RawSubscriber("keeper", 5, "crash/#")
            subscriber.start(hub.tcp)
            wait_until("SUBACK", lambda: subscriber.subscribed)
            publisher = RawPublisher("p", 5, 1)
            publisher.start(hub.tcp)
            wait_until("acknowledged", lambda: len(publisher.acked) > 200)
            filler = fill(disk, 0)  # under load: what is acknowledged on the way counts too
            wait_until("the shortage is noticed", lambda: disk_is_low(hub))
            wait_until("refusals", lambda: len(publisher.refused) > 50)
            assert {reason for _, reason in publisher.refused} == {0x97}
            publisher_sees_a_full_disk(hub)
            wait_until("deliveries go on", lambda: len(set(subscriber.delivered)) >= len(publisher.acked))
            assert hub.post("/v1/queues/copies/receive", {"max": 1, "visibility_timeout_s": 1})[1]["messages"]
            filler.unlink()
            wait_healthy(hub)
            before = len(publisher.acked)
            wait_until("acknowledged again", lambda: len(publisher.acked) > before + 100)
            publisher.finish()
            wait_until("everything is delivered", lambda: len(set(subscriber.delivered)) >= len(publisher.acked))
            subscriber.finish()
            time.sleep(1.1)  # the one received above becomes visible again
            queued = hub.drain_queue("copies")
            broken = check([publisher], subscriber.delivered, sorted(queued, key=lambda p: int(p.split(":")[1])))
            assert not broken, broken
            refused = {payload for payload, _ in publisher.refused}
            assert not refused & set(subscriber.delivered), "a refused message was delivered"


def start_on_full_disk(hub):
    """True: it serves. False: it said in one line what is missing, and ended with 2."""
    hub.spawn()
    wait_until("it is up or has ended", lambda: hub.process.poll() is not None or (
        (hub.data / "ports.json").exists()), 40)
    return hub.process.poll() is None


def test_restart_on_a_full_disk():
    with small_disk("80m") as disk:
        if disk is None:
            return
        with hub_on(disk) as hub:
            subscriber = Client("keeper", clean=False, expiry=3600).connect(hub)
            subscriber.subscribe("crash/#")
            subscriber.disconnect()
            publisher = RawPublisher("p", 5, 1)
            publisher.start(hub.tcp)
            wait_until("acknowledged", lambda: len(publisher.acked) > 200)
            publisher.finish()
            # Less than the reserve: that is what the reserve is for.
            filler = fill(disk, 12 << 20)
            wait_until("the shortage is noticed", lambda: disk_is_low(hub))
            hub.kill()
            hub.start()
            wait_until("the shortage is still there", lambda: disk_is_low(hub))
            publisher_sees_a_full_disk(hub)
            again = Client("keeper", clean=False, expiry=3600).connect(hub)
            assert again.connack == (0, True)
            wait_until("the inbox", lambda: len(again.messages) >= len(publisher.acked))
            assert publisher.acked <= set(again.payloads())
            again.disconnect()
            # Not a byte left.
            fill(disk, 0)
            assert hub.stop()[0] == 0
            begin = len(hub.log_text())
            if not start_on_full_disk(hub):
                said = hub.log_text()[begin:].strip().splitlines()
                assert hub.process.returncode == 2, (hub.process.returncode, said)
                assert len(said) == 1 and "space" in said[0], said
            else:
                hub.kill()
            filler.unlink()
            hub.start()
            wait_healthy(hub)
            assert publisher.acked == set(hub.drain_queue("copies"))


def test_sigterm_under_load():
    with Hub(PROGRAM, QUEUE_RULES, config={"limits": {"inbox_messages_max": 1_000_000}}) as hub:
        hub.config["listeners"][0]["bind"] = f"127.0.0.1:{hub.tcp}"
        subscriber = RawSubscriber("subscriber", 5, "crash/#")
        subscriber.start(hub.tcp)
        wait_until("SUBACK", lambda: subscriber.subscribed)
        publishers = [RawPublisher(f"p{qos}v{version}", version, qos) for qos in (1, 2) for version in (4, 5)]
        for publisher in publishers:
            publisher.start(hub.tcp)
        for _ in range(2):
            before = [len(p.acked) for p in publishers]
            wait_until("progress", lambda: all(len(p.acked) > b + 100 for p, b in zip(publishers, before)), 40)
            code, seconds = hub.stop()
            assert code == 0 and seconds < 5, (code, seconds)
            hub.start()
        for publisher in publishers:
            publisher.finish()
        total = sum(len(p.acked) for p in publishers)
        wait_until("everything is delivered", lambda: len(set(subscriber.delivered)) >= total, 40)
        subscriber.finish()
        assert min(c.resumed for c in [*publishers, subscriber]) >= 2, "a session was not resumed"
        broken = check(publishers, subscriber.delivered, hub.drain_queue("copies"))
        assert not broken, broken


def ended(hub, before):
    """Waits for the end of a hub that must not start; returns (exit code, what it said)."""
    code = hub.process.wait(40)
    return code, [line for line in hub.log_text()[before:].splitlines() if line.strip()]


def test_damaged_log():
    with Hub(PROGRAM, QUEUE_RULES) as hub:
        publishers = [RawPublisher(f"p{i}", 5, 1) for i in range(3)]
        for publisher in publishers:
            publisher.start(hub.tcp)
        wait_until("two thousand", lambda: sum(len(p.acked) for p in publishers) > 2000, 40)
        hub.kill()
        for publisher in publishers:
            publisher.running = False
            publisher.in_flight.clear()
        log = batches(hub.data / "wal")
        assert len(log) > 10, len(log)
        file, offset, _ = log[len(log) // 2]
        # Damage in the middle: durable batches behind it would be lost, so it must refuse.
        old = flip(file, offset + 64)
        before = len(hub.log_text())
        hub.spawn()
        code, said = ended(hub, before)
        assert code == 2 and len(said) == 1, (code, said)
        assert file.name in said[0] and str(offset) in said[0], (said, offset)
        with open(file, "r+b") as out:
            out.seek(offset + 64)
            out.write(old)
        # A torn tail is a clean end: the last batch was never acknowledged, as far as anyone can tell.
        file, offset, size = log[-1]
        with open(file, "r+b") as out:
            out.seek(offset + size // 2)
            out.write(bytes(size - size // 2))
        hub.start()
        queued = set(hub.drain_queue("copies"))
        lost = [p for publisher in publishers for p in publisher.acked - queued]
        assert len(lost) <= 60, f"{len(lost)} lost: more than one batch holds of these publishers' windows"


def refusals(hub, certificates, folder):
    """name, changes of the configuration, what the one line must say."""
    other = folder / "other"
    run = lambda *args: subprocess.run([PROGRAM, "cert", *args, "--dir", str(other)], check=True, capture_output=True)
    run("init")
    run("issue-server", "--name", "localhost")
    (folder / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    good, key = certificates.server
    tls = lambda **more: {"listeners": [{"type": "tls", "bind": "127.0.0.1:0", "anonymous": True, "certificate": good,
                                         "private_key": key, **more}]}
    tcp = lambda **more: {"listeners": [{"type": "tcp", "bind": "127.0.0.1:0", "anonymous": True, **more}]}
    return [
        ("certificate missing", tls(certificate="/nowhere/server.crt"), ["/nowhere/server.crt"]),
        ("key missing", tls(private_key="/nowhere/server.key"), ["/nowhere/server.key"]),
        ("certificate is garbage", tls(certificate=str(folder / "garbage.pem")), ["garbage.pem"]),
        ("key does not match", tls(private_key=str(other / "server.key")), ["server.key", "does not belong"]),
        ("client CA missing", tls(client_ca="/nowhere/ca.crt", verify="required"), ["/nowhere/ca.crt"]),
        ("port in use", tcp(bind=f"127.0.0.1:{hub.tcp}"), [str(hub.tcp), "in use"]),
        ("API port in use", {"api": {"bind": hub.api[len("http://"):]}}, [hub.api[len("http://"):], "in use"]),
        ("data_dir in use", {"node": {"data_dir": str(hub.data)}}, [str(hub.data), "in use"]),
        ("unknown key", {"wal": {"segment_byte": 1}}, ["wal.segment_byte"]),
        ("unknown key in a listener", tcp(nonsense=1), ["listeners[0].nonsense"]),
        ("wrong type", {"limits": {"sessions_max": "many"}}, ["limits.sessions_max", "number"]),
        ("out of range", {"limits": {"receive_maximum": 65536}}, ["limits.receive_maximum", "65535"]),
        ("plaintext for everyone", tcp(bind="0.0.0.0:0"), ["listeners[0].bind", "plaintext"]),
        ("tokens without keys", tcp(auth=["jwt"], anonymous=False), ["listeners[0].auth", "auth.jwks_file"]),
        ("nobody to ask", tcp(auth=["hmac", "http"], anonymous=False), ["listeners[0].auth", "auth.http_url"]),
        ("no listener", {"listeners": []}, ["listeners"]),
        ("not JSON", "{\"node\": ", ["not JSON"]),
        ("not an object", "[1]", ["object"]),
        ("not UTF-8", b"{\"rules_dir\": \"\xff\"}", ["not JSON"]),
    ]


def start_refused(folder, name, config):
    """Starts a hub that must not start: exit code 2 and one line on stderr, which is returned."""
    path = folder / "refused.json"
    if isinstance(config, dict):
        whole = {"node": {"data_dir": str(folder / "refused")}, "api": {"bind": "127.0.0.1:0"},
                 "listeners": [{"type": "tcp", "bind": "127.0.0.1:0", "anonymous": True}], **config}
        config = json.dumps(whole)
    path.write_bytes(config if isinstance(config, bytes) else config.encode())
    ran = subprocess.run([PROGRAM, "serve", "--config", str(path)], capture_output=True, text=True, timeout=30,
                         errors="replace")
    lines = ran.stderr.strip().splitlines()
    assert ran.returncode == 2 and len(lines) == 1, (name, ran)
    return lines[0]


def test_bad_starts_say_why_in_one_line():
    with Hub(PROGRAM).with_tls() as hub:
        wrong = []
        for name, config, expected in refusals(hub, hub.certificates, hub.folder):
            line = start_refused(hub.folder, name, config)
            if not all(part in line for part in expected):
                wrong.append((name, line, expected))
        bad = hub.folder / "badrules"
        bad.mkdir()
        (bad / "rules.json").write_text('[{"id": "r",\n  "sql": "SELECT FROM \'a\'", "actions": []}]')
        line = start_refused(hub.folder, "bad rule", {"rules_dir": str(bad)})
        if "rules.json:2:" not in line:
            wrong.append(("bad rule", line))
        line = start_refused(hub.folder, "no rules", {"rules_dir": "/nowhere/rules"})
        if "/nowhere/rules" not in line:
            wrong.append(("no rules", line))
        assert not wrong, wrong
        # The hub whose ports and directory they wanted works on.
        Client().connect(hub).publish("a", "b")


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sink_rules(port, **sink):
    return [{"id": "hook", "sql": "SELECT payload.k AS k, payload.n AS n FROM 'in/#'",
             "actions": [{"http": {"sink": "hook", "key": "${k}", "body": "${.}"}}]},
            {"sink": "hook", "type": "http", "url": f"http://127.0.0.1:{port}", "max_in_flight": 8,
             "retry": {"initial_ms": 50, "max_ms": 200}, **sink}]


def first_calls(hook):
    """What arrived, by key, each delivery once (at its first arrival)."""
    by_key = collections.defaultdict(list)
    for _, body, _ in list(hook.calls):
        value = json.loads(body)
        if value["n"] not in by_key[value["k"]]:
            by_key[value["k"]].append(value["n"])
    return by_key


def test_http_sink_down_then_up_and_killed_while_deliveries_are_owed():
    port = closed_port()
    with Hub(PROGRAM, sink_rules(port, ordered_by="key")) as hub:
        publisher = Client().connect(hub)
        for n in range(30):
            publisher.publish("in/x", json.dumps({"k": f"k{n % 3}", "n": n}))
        wait_until("deliveries are owed", lambda: hub.metrics()['causeway_outbox_messages{sink="hook"}'] == 30)
        publisher.drop()
        hub.kill()
        hub.start()
        assert hub.metrics()['causeway_outbox_messages{sink="hook"}'] == 30
        # Up, but every third answer is an error.
        hook = Hook(lambda calls: 503 if calls % 3 == 0 else 200, port)
        expected = {f"k{k}": list(range(k, 30, 3)) for k in range(3)}
        wait_until("all are delivered", lambda: hub.metrics()['causeway_outbox_messages{sink="hook"}'] == 0, 40)
        assert first_calls(hook) == expected, first_calls(hook)
        assert len(hook.calls) > 30, "what failed was tried again"
        # Killed in the middle of deliveries: at least once, and in order.
        publisher = Client().connect(hub)
        for n in range(30, 60):
            publisher.publish("in/x", json.dumps({"k": f"k{n % 3}", "n": n}))
        publisher.drop()
        hub.kill()
        hub.start()
        wait_until("all are delivered", lambda: hub.metrics()['causeway_outbox_messages{sink="hook"}'] == 0, 40)
        expected = {f"k{k}": list(range(k, 60, 3)) for k in range(3)}
        assert first_calls(hook) == expected, first_calls(hook)


def test_http_sink_permanent_failure_goes_to_the_dead_letter_queue():
    hook = Hook(lambda calls: 404 if calls == 1 else 200)
    with Hub(PROGRAM, sink_rules(hook.url.rsplit(":", 1)[1], dead_letter="dead")) as hub:
        publisher = Client().connect(hub)
        publisher.publish("in/x", json.dumps({"k": "a", "n": 1}))
        message = wait_until("the dead letter", lambda: hub.post(
            "/v1/queues/dead/receive", {"wait_s": 5})[1]["messages"])[0]
        assert json.loads(message["payload"]) == {"k": "a", "n": 1}, message
        assert message["reason"] == "http 404", message
        publisher.publish("in/x", json.dumps({"k": "a", "n": 2}))
        wait_until("the next one", lambda: len(hook.calls) == 2)
        time.sleep(0.5)
        assert len(hook.calls) == 2, "404 is not tried again"


def resident_mib(hub):
    status = pathlib.Path(f"/proc/{hub.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_slow_subscriber_is_bounded_and_nobody_else_notices():
    # A sanitizer build keeps freed memory in quarantine; that is not what is measured.
    environment = {"ASAN_OPTIONS": "quarantine_size_mb=4:thread_local_quarantine_size_kb=64"}
    limits = {"output_bytes_max": 1 << 20, "inbox_messages_max": 1_000_000}
    with Hub(PROGRAM, config={"limits": limits}, environment=environment) as hub:
        witness = Client("witness").connect(hub)
        witness.subscribe("other/#")
        slow = [Wire(hub.tcp, 4096).connect(5, f"slow{qos}") for qos in (0, 1)]
        for qos, wire in enumerate(slow):
            wire.send(packet(SUBSCRIBE << 4 | 2, b"\0\1\0" + text("flood") + bytes([qos])))
            kind, body = wire.read()
            assert body[-1] == qos, (kind, body)
        flooder = Wire(hub.tcp).connect(5, "flooder")
        payload = bytes(16384)
        chunk = packet(PUBLISH << 4, text("flood") + b"\0" + payload) * 16
        answered = packet(PUBLISH << 4 | 2, text("flood") + b"\0\1\0" + payload)

        def flood(rounds):
            for i in range(rounds):
                flooder.send(chunk).send(answered)
                assert flooder.read()[0] == PUBACK

        flood(40)
        before, worst, echoed = resident_mib(hub), 0.0, 0
        flooding = threading.Thread(target=flood, args=(480,))
        flooding.start()
        while flooding.is_alive():
            begin = time.monotonic()
            witness.publish("other/x", str(echoed))
            echoed += 1
            wait_until("the others' message", lambda: len(witness.messages) == echoed)
            worst = max(worst, time.monotonic() - begin)
            time.sleep(0.05)
        grown = resident_mib(hub) - before
        metrics = hub.metrics()
        dropped = metrics['causeway_deliveries_dropped_total{reason="slow_client"}']
        print(f"        {grown:.0f} MiB more after 128 MiB, {dropped:.0f} dropped, {echoed} echoes, "
              f"the slowest {worst * 1000:.0f} ms")
        assert grown < 48, grown
        assert dropped > 5000, dropped
        assert closed_total(hub)["slow_client"] == 1, closed_total(hub)
        assert witness.payloads() == [str(i) for i in range(echoed)] and echoed >= 5
        assert worst < 5, worst


def test_pipelined_requests_at_the_api():
    """The answer to one request lets the next of its connection in, while the table of those under way grows."""
    with Hub(PROGRAM) as hub:
        host, port = hub.api.removeprefix("http://").rsplit(":", 1)
        body = b'{"payload":"x"}'
        one = (b"POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body)) + body
        # One more under way than a table of 7, 15, 31 or 63 places holds.
        for connections in (6, 7, 14, 28, 56):
            open_ones = [socket.create_connection((host, int(port)), 20) for _ in range(connections)]
            for connection in open_ones:
                connection.sendall(20 * one)
            for connection in open_ones:
                received = b""
                while received.count(b"HTTP/1.1 201") < 20:
                    part = connection.recv(65_536)
                    assert part, received[-300:]
                    received += part
                connection.close()
        assert len(hub.drain_queue("q")) == 20 * (6 + 7 + 14 + 28 + 56)


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
if __name__ == "__main__":
    sys.exit(run_tests([test for test in TESTS if not sys.argv[2:] or test.__name__ in sys.argv[2:]]))
