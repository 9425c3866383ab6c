"""Three real nodes: any node serves any device, and what was acknowledged survives the loss of any one node.

One cluster for all tests; each leaves it healed. Limits of time are those of the promises, with room for a slow
machine only where no promise names one.

Usage: cluster_test.py PATH_OF_CAUSEWAY [TEST...]
"""
import collections
import contextlib
import json
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

from client import V3, V5, Client, properties
from fleet import History, Publisher, QueuePlan, Subscriber, names_in_each_set, set_of
from hub import wait_until
from local_cluster import LocalCluster
from raw_client import (CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE, packet,
                        text)

SETS = 4
PLANS = {name: QueuePlan(name, SETS) for name in ("roll", "halt")}
RULES = [*(rule for plan in PLANS.values() for rule in plan.rules),
         {"id": "any", "sql": "SELECT VALUE payload FROM 'any/#'", "actions": [{"queue": {"name": "anywhere"}}]}]
cluster = None


class Wire:
    """A bare 5.0 connection: it answers nothing by itself."""

    def __init__(self, node, client_id, clean=False, expiry=3600, will=None, limit_s=15):
        self.socket = socket.create_connection(node.address, timeout=limit_s)
        self.buffer = b""
        connect_properties = b"\x05\x11" + struct.pack(">I", expiry)
        flags = (2 if clean else 0) | (0x0C if will else 0)
        tail = b"\0" + text(will[0]) + text(will[1]) if will else b""
        self.began = time.monotonic()
        self.socket.sendall(packet(0x10, text("MQTT") + bytes([5, flags, 0, 60]) + connect_properties +
                                   text(client_id) + tail))

    def accepted(self):
        kind, body = self.read()
        assert kind == CONNACK and body[1] == 0, (kind, body.hex())
        self.present = body[0] & 1
        return self

    def read(self, limit_s=15):
        """The next packet, (0, b"") at the end of the stream, None when none comes in time."""
        self.socket.settimeout(limit_s)
        while True:
            if len(self.buffer) >= 2:
                size, at = self.buffer[1], 2
                if size > 127 and len(self.buffer) > 2:
                    size, at = size - 128 + self.buffer[2] * 128, 3
                if len(self.buffer) >= at + size:
                    self.first, body = self.buffer[0], self.buffer[at:at + size]
                    self.buffer = self.buffer[at + size:]
                    return self.first >> 4, body
            try:
                received = self.socket.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                received = b""
            if not received:
                return 0, b""
            self.buffer += received

    def expect(self, kind, start=b""):
        got = self.read()
        assert got and got[0] == kind and got[1].startswith(start), (kind, start.hex(), got)
        return got[1]

    def message(self):
        """(payload, packet id, qos, dup) of the PUBLISH that is next."""
        body = self.expect(PUBLISH)
        size, qos = struct.unpack(">H", body[:2])[0], self.first >> 1 & 3
        at = 2 + size + (2 if qos else 0)
        packet_id = struct.unpack(">H", body[2 + size:4 + size])[0] if qos else 0
        return body[at + 1 + body[at]:].decode(), packet_id, qos, self.first >> 3 & 1

    def send(self, kind, packet_id, flags=0):
        self.socket.sendall(packet(kind << 4 | flags, struct.pack(">H", packet_id)))
        return self

    def publish(self, topic, payload, packet_id, qos=1, dup=False):
        self.socket.sendall(packet(PUBLISH << 4 | qos << 1 | (8 if dup else 0),
                                   text(topic) + struct.pack(">H", packet_id) + b"\0" + payload.encode()))
        return self

    def subscribe(self, topic_filter, qos):
        self.socket.sendall(packet(SUBSCRIBE << 4 | 2, b"\0\1\0" + text(topic_filter) + bytes([qos])))
        assert self.expect(SUBACK)[-1] == qos
        return self

    def close(self):
        self.socket.close()


def node(number):
    return cluster.node(number)


def others(than):
    return [one for one in cluster.nodes if one.number != than.number]


@contextlib.contextmanager
def down(number):
    """kill -9 now, running again at the end."""
    node(number).kill()
    yield
    cluster.heal()


def topic_of_set(pattern, number):
    return names_in_each_set(pattern, SETS)[number - 1]


def test_publish_anywhere_subscribe_anywhere():
    topics = names_in_each_set("mesh/{}/up", SETS)
    subscribers = []
    for one in cluster.nodes:
        client = Client(f"mesh-s{one.number}", V5 if one.number != 2 else V3).connect(one)
        assert client.subscribe("mesh/#", 2) == [2]
        subscribers.append(client)
    publishers = [Client(f"mesh-p{one.number}", V3 if one.number == 3 else V5).connect(one) for one in cluster.nodes]
    expected = []
    for number, publisher in enumerate(publishers, 1):
        for topic in topics:
            for qos in (0, 1, 2):
                publisher.publish(topic, f"{number}/{qos}", qos)
                expected.append((topic, f"{number}/{qos}", qos))
    for subscriber in subscribers:
        wait_until("all messages", lambda: len(subscriber.messages) >= len(expected))
        got = [(m.topic, m.payload.decode(), m.qos) for m in subscriber.messages]
        assert sorted(got) == sorted(expected), set(expected) ^ set(got)
        for topic in topics:  # of one publisher, topic and QoS; different QoS may pass each other
            for qos in (1, 2):
                order = [p for t, p, q in got if t == topic and q == qos]
                assert order == [f"{n}/{qos}" for n in (1, 2, 3)], order
    for client in subscribers + publishers:
        client.disconnect()


def test_wildcards_and_unsubscribe_over_sets():
    topics = names_in_each_set("wild/{}/up", SETS)
    one, two = Client("wild-1").connect(node(1)), Client("wild-2").connect(node(2))
    one.subscribe("wild/+/up", 1)
    one.subscribe("wild/#", 0)  # overlapping: delivered for each or once, with the higher QoS of them
    for topic in topics:
        two.publish(topic, topic, 1)
        two.publish(topic + "/no", "deeper", 1)
    wait_until("both filters", lambda: {m.topic for m in one.messages} == {t + e for t in topics for e in ("", "/no")})
    one.unsubscribe("wild/#")
    begin = len(one.messages)
    for topic in topics:
        two.publish(topic + "/no", "unwanted", 1)
        two.publish(topic, "last", 1)
    wait_until("the last ones", lambda: sum(m.payload == b"last" for m in one.messages) == SETS)
    assert {m.payload for m in one.messages[begin:]} == {b"last"}, one.payloads()[begin:]
    one.disconnect()
    two.disconnect()


def test_retained_over_sets():
    topics = names_in_each_set("keep/{}/state", SETS)
    writer = Client("keep-w").connect(node(1))
    for topic in topics:
        writer.publish(topic, "old", 1, retain=True)
        writer.publish(topic, topic, 2, retain=True)
    for one in cluster.nodes:
        reader = Client(f"keep-r{one.number}").connect(one)
        reader.subscribe("keep/#", 1)
        wait_until("retained messages", lambda: len(reader.messages) >= SETS)
        assert sorted(m.topic for m in reader.messages) == sorted(topics)
        assert all(m.retain and m.payload.decode() == m.topic for m in reader.messages), reader.payloads()
        reader.disconnect()
    for topic in topics:
        writer.publish(topic, "", 1, retain=True)
    reader = Client("keep-last").connect(node(2))
    reader.subscribe("keep/#", 1)
    writer.publish(topics[0], "end", 1)  # nothing retained comes before it
    reader.expect("end")
    reader.disconnect()
    writer.disconnect()


def test_session_resumes_on_another_node():
    """Inbox and both directions of QoS 2 go with the session."""
    feeder = Client("resume-feeder").connect(node(3))
    first = Wire(node(1), "resume").accepted()
    assert first.present == 0
    first.subscribe("resume/in/#", 2)
    feeder.publish("resume/in/a", "one", 1)
    feeder.publish("resume/in/a", "two", 2)
    feeder.publish("resume/in/a", "three", 2)
    got = [first.message() for _ in range(3)]
    assert [g[0] for g in got] == ["one", "two", "three"] and not any(g[3] for g in got), got
    ids = {payload: packet_id for payload, packet_id, _, _ in got}
    first.send(PUBREC, ids["two"])  # "one" and "three" stay unanswered
    first.expect(PUBREL, struct.pack(">H", ids["two"]))
    first.publish("resume/out/b", "up", 7, qos=2)
    first.expect(PUBREC, b"\0\7")
    first.close()
    feeder.publish("resume/in/a", "four", 1)  # while nobody is there
    watcher = Client("resume-watcher").connect(node(1))
    watcher.subscribe("resume/out/#", 2)

    second = Wire(node(2), "resume").accepted()
    assert second.present == 1
    seen, released = [], []
    while len(seen) < 3 or not released:
        kind, body = second.read()
        if kind == PUBREL:
            released.append(struct.unpack(">H", body[:2])[0])
            continue
        assert kind == PUBLISH, (kind, body)
        second.buffer = packet(second.first, body) + second.buffer
        seen.append(second.message())
    assert released == [ids["two"]], (released, ids)
    assert [(s[0], s[3]) for s in seen] == [("one", 1), ("three", 1), ("four", 0)], seen
    assert (seen[0][1], seen[1][1]) == (ids["one"], ids["three"]), (seen, ids)
    second.send(PUBCOMP, ids["two"]).send(PUBACK, seen[0][1]).send(PUBACK, seen[2][1]).send(PUBREC, seen[1][1])
    second.expect(PUBREL, struct.pack(">H", ids["three"]))
    second.send(PUBCOMP, ids["three"])
    # The publish of packet id 7 is known here: PUBREC again, no second delivery.
    second.publish("resume/out/b", "up", 7, qos=2, dup=True)
    second.expect(PUBREC, b"\0\7")
    second.send(PUBREL, 7, 2)
    second.expect(PUBCOMP, b"\0\7")
    second.publish("resume/out/b", "next", 7, qos=2)  # released: the id is free for a new message
    second.expect(PUBREC, b"\0\7")
    second.send(PUBREL, 7, 2)
    second.expect(PUBCOMP, b"\0\7")
    watcher.expect("next")  # it subscribed after "up", which is not repeated
    second.close()
    third = Wire(node(3), "resume").accepted()
    feeder.publish("resume/in/a", "five", 1)
    assert third.present == 1 and third.message()[0] == "five", "what was answered does not come back"
    third.close()
    watcher.disconnect()
    feeder.disconnect()


def test_takeover_across_nodes():
    for expiry in (0, 3600):
        feeder = Client("over-feeder").connect(node(3))
        first = Wire(node(1), "over", clean=True, expiry=expiry).accepted().subscribe("over/#", 1)
        second = Wire(node(2), "over", expiry=expiry).accepted()
        assert first.expect(DISCONNECT)[0] == 0x8E
        assert first.read() == (0, b""), "and it is closed"
        assert second.present == (1 if expiry else 0), (expiry, second.present)
        if expiry:
            feeder.publish("over/a", "x", 1)
            assert second.message()[0] == "x"
        else:
            second.subscribe("over/#", 1)
        second.close()
        feeder.disconnect()


def test_rules_to_a_queue_from_any_node():
    topics = names_in_each_set("any/{}/up", SETS)
    expected = []
    for one in cluster.nodes:
        client = Client(f"any-{one.number}").connect(one)
        for qos in (1, 2):
            for topic in topics:
                client.publish(topic, f"{one.number}/{qos}/{topic}", qos)
                expected.append(f"{one.number}/{qos}/{topic}")
        client.disconnect()
    got = []
    for one in cluster.nodes:  # whatever node is asked
        if len(got) < len(expected):
            status, answer = one.post("/v1/queues/anywhere/receive", {"max": 8, "wait_s": 1})
            assert status == 200, (one.number, status, answer)
            got += [message["payload"] for message in answer["messages"]]
            receipts = [message["receipt"] for message in answer["messages"]]
            if receipts:
                status, answer = one.post("/v1/queues/anywhere/ack", {"receipts": receipts})
                assert status == 200 and not answer["failed"], (status, answer)
    got += cluster.drain_queue("anywhere")
    assert sorted(got) == sorted(expected), (f"{len(got)} of {len(expected)} in the queue; missing, by set: ",
                                             collections.Counter(set_of(p.split("/", 2)[2], SETS)
                                                                 for p in set(expected) - set(got)))


def test_leader_killed():
    """A publisher on a surviving node keeps its connection and gets its PUBACKs again."""
    for number in range(1, 3):
        leader = cluster.leader_of(number)
        survivor = others(leader)[number % 2]
        wire = Wire(survivor, f"kill-{number}").accepted()
        topic = topic_of_set("kill/{}/up", number)
        wire.publish(topic, "before", 1).expect(PUBACK, b"\0\1")
        with down(leader.number):
            begin = time.monotonic()
            wire.publish(topic, "after", 2).expect(PUBACK, b"\0\2")
            print(f"        set {number}: PUBACK {1000 * (time.monotonic() - begin):.0f} ms after the kill of its leader")
        wire.close()


def load(name, rate=60):
    """Publishers of both QoS over all sets, one persistent subscriber; each begins at another node."""
    history = History()
    plan = PLANS[name]
    subscriber = Subscriber(f"{name}-sub", cluster.addresses(3), history, plan.filter).start()
    wait_until("SUBACK", lambda: subscriber.subscribed)
    publishers = [Publisher(plan.publisher_name(), cluster.addresses(i), history, plan.topics[qos], qos, i, rate,
                            window=20, version=version).start()
                  for i, (qos, version) in enumerate([(1, 4), (1, 5), (2, 5), (2, 4)], 1)]
    return name, publishers, subscriber


def wait_progress(publishers, count=40):
    before = [len(p.acked) for p in publishers]
    wait_until("each publisher is acknowledged", lambda: all(
        p.problem or len(p.acked) >= b + count for p, b in zip(publishers, before)), 30)


CLOSED = ("closed", "[Errno", "DISCONNECT 0x8b", "DISCONNECT 0x9c", "CONNACK 0x88")
STOPPED = (*CLOSED, "silent", "timed out", "no CONNACK")


def finish_load(name, publishers, subscriber, endings=CLOSED):
    """All that was acknowledged is at the subscriber and in the queue; QoS 2 once; nothing refused."""
    for publisher in publishers:
        publisher.finish()
    acked = {number for p in publishers for number in p.acked}
    wait_until("all is delivered", lambda: subscriber.problem or acked <= set(subscriber.delivered), 60)
    subscriber.finish()
    queued = collections.Counter(int(payload) for queue in PLANS[name].owed
                                 for payload in cluster.drain_queue(queue))
    sent = {p.base + i for p in publishers for i in range(p.sent)}
    for p in publishers:
        assert not p.refused, (p.name, p.refused[:3])
        for _, where, ending in p.endings:
            assert ending.startswith(endings), (p.name, where, ending)
        if p.qos == 2:
            for number in p.acked:
                assert subscriber.delivered[number] == 1, ("delivered twice", p.name, number)
                assert queued[number] <= 1, ("queued twice", p.name, number)
    assert set(subscriber.delivered) <= sent and set(queued) <= sent, "something nobody sent"
    missing = acked - set(queued)
    assert not missing, (f"{len(missing)} of {len(acked)} acknowledged messages are not in the queue, e.g.",
                         sorted(missing)[:5])
    return len(acked)


def test_rolling_restart_under_load():
    name, publishers, subscriber = load("roll")
    for one in cluster.nodes:
        wait_progress(publishers)
        begin = time.monotonic()
        one.stop()
        stopped = time.monotonic() - begin
        wait_progress(publishers)
        one.start(cluster.program)
        cluster.wait_serving()
        print(f"        node {one.number}: ended after {stopped:.1f} s")
    wait_progress(publishers)
    total = finish_load(name, publishers, subscriber)
    print(f"        {total} acknowledged, {sum(p.connects for p in publishers)} connects")


def test_gateway_killed():
    """Wills arrive once, expiry-0 sessions end, the others resume elsewhere with their inbox."""
    watcher = Client("gone-watcher").connect(node(1))
    watcher.subscribe("gone/#", 2)
    ends = Wire(node(2), "gone-ends", expiry=0, will=("gone/will", "ends")).accepted().subscribe("gone/in", 1)
    stays = Wire(node(2), "gone-stays", expiry=3600, will=("gone/will", "stays")).accepted().subscribe("gone/in", 1)
    watcher.publish("gone/in", "one", 1)
    assert stays.message()[0] == "one" and ends.message()[0] == "one"
    with down(2):
        killed = time.monotonic()
        wait_until("both wills", lambda: {"ends", "stays"} <= set(watcher.payloads()), 20)
        print(f"        wills {time.monotonic() - killed:.1f} s after the kill")
        watcher.publish("gone/in", "two", 1)
        again = Wire(node(3), "gone-stays").accepted()
        assert again.present == 1
        assert [again.message()[0::3] for _ in range(2)] == [("one", 1), ("two", 0)]
        new = Wire(node(1), "gone-ends", expiry=0).accepted()
        assert new.present == 0, "a session of expiry 0 ends with its connection"
        watcher.publish("gone/in", "end", 1)
        assert again.message()[0] == "end"
        assert new.read(0.3) is None, "its subscription is gone"
    watcher.publish("gone/last", "last", 1)
    wait_until("the last message", lambda: "last" in watcher.payloads())
    assert watcher.payloads().count("ends") == 1 and watcher.payloads().count("stays") == 1, watcher.payloads()
    for wire in (again, new, ends, stays):
        wire.close()
    watcher.disconnect()


def test_gateway_stopped_and_continued():
    """Stopped for 20 s: its devices go on elsewhere, and nothing it held is accepted when it wakes."""
    stopped = node(2)
    watcher = Client("stop-watcher").connect(node(1))
    watcher.subscribe("stop/#", 2)
    old = {device: Wire(stopped, device, expiry=expiry, will=("stop/will", device)).accepted()
           for device, expiry in (("stop-a", 3600), ("stop-b", 3600), ("stop-ends", 0))}
    for wire in old.values():
        wire.subscribe("stop/in", 1)
    name, publishers, subscriber = load("halt", 30)
    topic = topic_of_set("stop/{}/retained", 1)
    wait_progress(publishers)
    stopped.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        # In the buffers of the sockets when it wakes.
        old["stop-a"].publish(topic, "late stop-a", 9, qos=1)
        old["stop-b"].publish(topic, "late stop-b", 9, qos=2)
        old["stop-ends"].publish(topic, "late stop-ends", 9, qos=1)
        new = {device: wait_until(f"{device} comes in", lambda device=device: come_in(node(3), device), 15)
               for device in ("stop-a", "stop-b")}
        print(f"        resumed elsewhere {time.monotonic() - began:.1f} s after the stop")
        assert all(wire.present == 1 for wire in new.values())
        new["stop-a"].publish(topic, "fresh", 1).expect(PUBACK, b"\0\1")
        wait_until("the will of the session that ends", lambda: "stop-ends" in watcher.payloads(), 15)
        wait_progress(publishers)
        time.sleep(max(0.0, began + 20 - time.monotonic()))
    finally:
        stopped.signal(signal.SIGCONT)
    woke = time.monotonic()
    for device, wire in old.items():
        seen = []
        while (got := wire.read(20)) and got[0] != 0:
            seen.append(got)
        assert got == (0, b""), f"{device}: its old connection is not closed"
        for kind, body in seen:
            assert kind == DISCONNECT or kind in (PUBACK, PUBREC) and len(body) > 2 and body[2] >= 0x80, (device, seen)
    print(f"        old connections closed {time.monotonic() - woke:.1f} s after it woke")
    wait_until("the node serves again", lambda: (stopped.health() or {}).get("serving"))
    wait_progress(publishers)
    finish_load(name, publishers, subscriber, STOPPED)
    Client("stop-last").connect(stopped).publish("stop/in", "end", 1)
    wait_until("the end", lambda: "end" in watcher.payloads())
    late = [payload for payload in watcher.payloads() if payload.startswith("late")]
    assert not late, ("what a stopped gateway held was accepted after it woke", late)
    wills = collections.Counter(m.payload.decode() for m in watcher.messages if m.topic == "stop/will")
    assert all(count == 1 for count in wills.values()), wills
    for wire in new.values():
        assert wire.message()[0] == "end"
        wire.close()
    watcher.disconnect()


def come_in(at, name):
    """A connection with a successful CONNACK, or None."""
    with contextlib.suppress(OSError):
        wire = Wire(at, name, limit_s=3)
        got = wire.read(4)
        if got and got[0] == CONNACK and got[1][1] == 0:
            wire.present = got[1][0] & 1
            return wire
        wire.close()
    return None


def refusal():
    """The code of a CONNECT that is answered at once, if it is no success."""
    wire = Wire(node(1), "minor-late")
    got = wire.read(0.3)
    wire.close()
    return got[1][1] if got and got[0] == CONNACK else None


def test_minority():
    """Two of three down: nothing is acknowledged, nothing is called refused, and it all comes back."""
    three, four = Wire(node(1), "minor-5").accepted(), Client("minor-4", V3, clean=False).connect(node(1))
    watcher = Wire(node(1), "minor-watch").accepted().subscribe("minor/#", 1)
    topics = names_in_each_set("minor/{}/up", SETS)
    three.publish(topics[0], "0", 1).expect(PUBACK, b"\0\1")
    assert watcher.message()[0] == "0"
    watcher.send(PUBACK, 1).close()
    node(2).kill()
    node(3).kill()
    began = time.monotonic()
    try:
        for number, topic in enumerate(topics, 2):
            three.publish(topic, str(number), number)
        # In the first two seconds a CONNECT may wait for a leader; from then on it is refused at once.
        early = Wire(node(1), "minor-early")
        refused = wait_until("a new CONNECT is refused", refusal, 4)
        after = time.monotonic() - began
        assert refused == 0x88, refused
        kind, body = three.read()
        closed = time.monotonic() - began
        assert kind == DISCONNECT and body[0] == 0x9C, (kind, body.hex())
        assert three.read() == (0, b"")
        wait_until("the 3.1.1 connection is closed", lambda: four.disconnected is not None)
        kind, body = early.read()
        assert kind == CONNACK and body[1] == 0x88, (kind, body.hex())
        print(f"        CONNACK 0x88 from {after:.2f} s on (one that waited: {time.monotonic() - early.began:.2f} s), "
              f"DISCONNECT 0x9C after {closed:.2f} s")
        assert 4 <= closed < 7, closed
        four.mqtt.loop_stop()
        assert (node(1).health() or {}).get("serving") is False
    finally:
        node(3).start(cluster.program)
    begin = time.monotonic()
    again = wait_until("the device comes in", lambda: come_in(node(1), "minor-5"))
    print(f"        served again {time.monotonic() - begin:.1f} s after a node was started")
    assert again.present == 1
    for number, topic in enumerate(topics, 2):
        again.publish(topic, str(number), number, dup=True).expect(PUBACK, struct.pack(">H", number))
    cluster.heal()
    back = Wire(node(2), "minor-watch").accepted()
    wanted, got = {str(n) for n in range(2, 2 + SETS)}, set()
    while not wanted <= got:  # "0" may come again: QoS 1, and its PUBACK was on the way
        payload, packet_id, _, _ = back.message()
        got.add(payload)
        back.send(PUBACK, packet_id)
    assert got <= wanted | {"0"}, got
    again.close()
    back.close()


def make_expired(program, folder):
    """A certificate of the cluster's own CA that was valid until yesterday."""
    certs = pathlib.Path(folder)
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True)
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{certs}/old.key",
        "-subj", "/CN=node:n3", "-out", f"{certs}/old.csr")
    (certs / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=c\n[c]\ndatabase={certs}/index\nserial={certs}/serial\nnew_certs_dir={certs}\n"
        f"default_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n"
        "[x]\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n")
    (certs / "index").write_text("")
    own = cluster.folder / "certs"
    run("ca", "-batch", "-config", f"{certs}/ca.cnf", "-cert", f"{own}/ca.crt", "-keyfile", f"{own}/ca.key", "-in",
        f"{certs}/old.csr", "-out", f"{certs}/old.crt", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
        "-extensions", "x", "-notext")
    return f"{certs}/old.crt", f"{certs}/old.key"


def refused_total():
    return sum(value for name, value in node(1).metrics().items() if "links_refused" in name)


def refused_by(node_one, certificate):
    """True when the node ends a TLS connection with this certificate; its own identity is not looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    try:
        with context.wrap_socket(socket.create_connection((node_one.host, 7000), timeout=10)) as link:
            # TLS 1.3: the server speaks after the client thinks that the handshake is done.
            return link.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:  # ssl.SSLError is one
        return True


def test_wrong_node_certificates():
    with tempfile.TemporaryDirectory() as folder:
        for words in (["init"], ["issue-node", "--name", "n3"]):
            subprocess.run([cluster.program, "cert", *words, "--dir", f"{folder}/other"], check=True, capture_output=True)
        own = cluster.folder / "certs"
        subprocess.run([cluster.program, "cert", "issue-device", "--id", "n3", "--dir", str(own), "--force"], check=True,
                       capture_output=True)
        cases = {"another CA": (f"{folder}/other/nodes/n3.crt", f"{folder}/other/nodes/n3.key"),
                 "expired": make_expired(cluster.program, folder),
                 "a device's": (f"{own}/devices/n3.crt", f"{own}/devices/n3.key"),
                 "none": None}
        good = (f"{own}/nodes/n3.crt", f"{own}/nodes/n3.key")
        assert not refused_at_once(good), "the check can tell: a good certificate gets in"
        for what, certificate in cases.items():
            before = refused_total()
            assert refused_by(node(1), certificate), f"{what}: let in"
            wait_until(f"{what}: counted in /metrics", lambda: refused_total() > before, 5)


def refused_at_once(certificate):
    """As refused_by(), for a connection that may stay silent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*certificate)
    try:
        with context.wrap_socket(socket.create_connection((node(1).host, 7000), timeout=1)) as link:
            return link.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def run_all(tests):
    global cluster
    failed = []
    with tempfile.TemporaryDirectory() as rules:
        (pathlib.Path(rules) / "rules.json").write_text(json.dumps(RULES))
        made = LocalCluster.fresh(PROGRAM, 3, SETS, rules, {
            "limits": {"inbox_messages_max": 1_000_000},
            "wal": {"segment_bytes": 8 << 20, "bytes_max": 64 << 20}, "store": {"disk_reserve_bytes": 1 << 20}})
        with made as cluster:
            for test in tests:
                begin = time.monotonic()
                try:
                    test()
                    print(f"ok      {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
                except Exception:
                    import traceback
                    traceback.print_exc()
                    print(f"FAILED  {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
                    failed.append(test.__name__)
                    for one in cluster.nodes:
                        print(f"        node {one.number}: pid {one.pid}, {json.dumps(one.health())}", flush=True)
                try:
                    cluster.heal()
                except Exception as problem:
                    print(f"FAILED  it does not heal after {test.__name__}: {problem}", flush=True)
                    failed.append(f"healing after {test.__name__}")
                    for one in cluster.nodes:
                        one.kill()
            assert not failed, failed
    return 0


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    chosen = sys.argv[2:]
    sys.exit(run_all([function for name, function in list(globals().items())
                      if name.startswith("test_") and (not chosen or name in chosen)]))
