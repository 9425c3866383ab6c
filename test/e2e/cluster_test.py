"""Three real nodes: any node serves any device, and what was acknowledged survives the loss of any one node.

One cluster for all tests; each leaves it healed. Limits of time are those of the promises, with room for a slow
machine only where no promise names one.

Usage: cluster_test.py PATH_OF_CAUSEWAY [TEST...]
"""
import base64
import collections
import contextlib
import json
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

import auth_clients
from client import V3, V5, Client
from fleet import names_in_each_set, set_of
from hub import wait_until
from local_cluster import LocalCluster, chosen_tests, run_tests
from raw_client import CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, packet
from wire import Wire, come_in

SETS = 4
RULES = [{"id": "any", "sql": "SELECT VALUE payload FROM 'any/#'", "actions": [{"queue": {"name": "anywhere"}}]}]
OVERRIDES = {"limits": {"inbox_messages_max": 1_000_000}, "wal": {"segment_bytes": 8 << 20, "bytes_max": 64 << 20},
             "store": {"disk_reserve_bytes": 1 << 20}}
KNOWN_DEVICES = 1884  # the port where devices say who they are
SECRET = base64.b64encode(b"a secret of twenty-four.").decode()
cluster = None


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
    connections = lambda: node(1).metrics()["causeway_connections"]
    before = connections()
    first.close()
    wait_until("node 1 has noticed", lambda: connections() < before)
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


def share_members(names):
    """A member of $share/g/share/# by each name, on the nodes in turn."""
    members = [Client(name, V3 if i % 3 == 2 else V5).connect(node(i % 3 + 1)) for i, name in enumerate(names)]
    for member in members:
        assert member.subscribe("$share/g/share/#", 1) == [1]
    return members


def test_members_of_a_shared_subscription_take_turns():
    """In turn are the members of one set, whatever nodes and gateway loops they are on, and the sets that have any."""
    topic, payloads = topic_of_set("share/{}/up", 1), [str(i) for i in range(60)]
    in_set_2 = [name for name in (f"share-m{i}" for i in range(1000)) if set_of(name, SETS) == 2][:6]
    for names in (in_set_2, names_in_each_set("share-s{}", SETS)):
        members = share_members(names)
        publishers = [Client(f"share-p{one.number}").connect(one) for one in cluster.nodes]
        for i, payload in enumerate(payloads):
            publishers[i % 3].publish(topic, payload, 1)
        wait_until("all", lambda: sum(len(member.messages) for member in members) >= len(payloads))
        assert sorted(p for member in members for p in member.payloads()) == sorted(payloads)
        got = {member.mqtt._client_id: len(member.messages) for member in members}
        assert set(got.values()) == {len(payloads) // len(members)}, got
        for client in members + publishers:
            client.disconnect()


def test_what_a_member_leaves_goes_to_members_on_other_nodes():
    """It takes messages and answers none; then it leaves, or its node is killed."""
    topic, names = topic_of_set("share/{}/up", 1), names_in_each_set("share-l{}", SETS)
    for leave in ("closes", "is killed with its node"):
        silent = Wire(node(2), names[1], clean=True, expiry=0).accepted().subscribe("$share/g/share/#", 1)
        publisher = Client("share-publisher").connect(node(1))
        for i in range(10):
            publisher.publish(topic, f"{i}", 1)
        assert [silent.message()[0] for _ in range(10)] == [f"{i}" for i in range(10)]
        # Of another set and node each; what it has is not theirs while it is there.
        heirs = [Client(names[2]).connect(node(3)), Client(names[3]).connect(node(1))]
        for heir in heirs:
            assert heir.subscribe("$share/g/share/#", 1) == [1]
        publisher.publish(topic, "the next one's", 1)
        wait_until("the next one's", lambda: heirs[0].messages + heirs[1].messages)
        assert heirs[0].payloads() + heirs[1].payloads() == ["the next one's"]
        with down(2) if leave == "is killed with its node" else contextlib.nullcontext():
            silent.close()
            wait_until(f"all, when it {leave}", lambda: {f"{i}" for i in range(10)} <=
                       {p for heir in heirs for p in heir.payloads()}, 40)
            got = collections.Counter(p for heir in heirs for p in heir.payloads())
            # Twice only if an heir's acknowledgement was lost with a leader.
            assert leave != "closes" or set(got.values()) == {1}, got
        for client in heirs + [publisher]:
            client.disconnect()


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


def refusal():
    """The code of a CONNECT that is answered at once, if it is no success."""
    wire = Wire(node(1), "minor-late")
    got = wire.read(0.3)
    wire.close()
    return got[1][1] if got and got[0] == CONNACK else None


def test_queue_consumers_on_every_node():
    """Messages of a queue lie in every set; who consumes it may be anywhere and is told at once."""
    workers = [Client(f"worker-{one.number}", V5).connect(one) for one in cluster.nodes]
    for worker in workers[:1]:
        assert worker.subscribe("$queue/told") == [1]
    begin = time.monotonic()
    for number in range(SETS):
        status, answer = node(number % 3 + 1).post("/v1/queues/told/messages", {"payload": str(number)})
        assert status == 201, (status, answer)
    wait_until("all are told", lambda: len(workers[0].messages) == SETS)
    assert time.monotonic() - begin < 15, "it would look again after 30 s"
    for worker in workers:
        assert worker.subscribe("$queue/anywhere") == [1]
    publisher = Client("everywhere", V3).connect(node(2))
    topics = names_in_each_set("any/{}/queue", SETS)
    expected = [f"{n} {topic}" for n in range(50) for topic in topics]
    for payload in expected:
        publisher.publish(payload.split()[1], payload)
    got = lambda: [p for worker in workers for p in worker.payloads() if " any/" in p]
    wait_until("every message", lambda: len(got()) >= len(expected))
    assert sorted(got()) == sorted(expected), len(got())
    for one in (publisher, *workers):
        one.disconnect()


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
        # Refused, if nobody was sent it; else its outcome is not known, and it is closed without a word.
        kind, body = early.read()
        assert (kind == CONNACK and body[1] == 0x88) or (kind, body) == (0, b""), (kind, body.hex())
        print(f"        CONNACK 0x88 from {after:.2f} s on (one that waited: {'CONNACK 0x88' if kind else 'closed'} "
              f"after {time.monotonic() - early.began:.2f} s), "
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


def serial_shown_by(one):
    """Of the certificate that this node shows to others."""
    own = cluster.folder / "certs"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(f"{own}/ca.crt")
    context.load_cert_chain(f"{own}/nodes/n3.crt", f"{own}/nodes/n3.key")
    with context.wrap_socket(socket.create_connection((one.host, 7000), timeout=10)) as link:
        return link.getpeercert()["serialNumber"]


def test_node_certificates_are_replaced_under_load():
    """Every node gets a new certificate, one after the other: new links show it, open ones go on."""
    publisher = Client("rotation").connect(node(1))
    for one in cluster.nodes:
        before = serial_shown_by(one)
        subprocess.run([cluster.program, "cert", "issue-node", "--name", f"n{one.number}", "--dir",
                        str(cluster.folder / "certs"), "--force"], check=True, capture_output=True)
        end = time.monotonic() + 20
        while serial_shown_by(one) == before:
            assert time.monotonic() < end, f"node {one.number} still shows its old certificate"
            publisher.publish(f"rotated/{one.number}", b"x", 1)
    # What links now, links with new certificates.
    with down(2):
        pass
    publisher.publish("rotated/all", b"x", 1)
    for one in cluster.nodes:
        read_again = [line for line in one.log_text().splitlines() if "this node's certificate was read again" in line]
        assert read_again, one.number
    publisher.disconnect()


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


def change(one, method, path, body=None):
    status, answer = one.send(method, path, body or {})
    assert status in (200, 201, 204), (path, status, answer)
    return answer


def let_in(one, name):
    """A registered device, connected to this node where devices say who they are."""
    wire = auth_clients.Wire(KNOWN_DEVICES, host=one.host)
    wire.send(auth_clients.connect_packet(name, *auth_clients.signed(name, SECRET)))
    assert wire.connack() == 0, name
    return wire


def expect_closed(wires, since):
    """With a word of why, within 5 s of the change."""
    for wire in wires:
        wire.socket.settimeout(max(0.1, since + 5 - time.monotonic()))
        last = wire.receive()
        assert last is not None and last[0] == 0xE0 and last[1][0] in (0x87, 0x98), last
        wire.socket.close()


def test_a_change_by_any_node_reaches_devices_at_every_node():
    """The record is in one set, the connection at another node, the change comes by a third."""
    change(node(1), "PUT", "/v1/products/meter", {"name": "meter", "auth": ["hmac"], "permissions": [
        {"effect": "allow", "action": "publish", "topics": ["${product}/${device}/up/#"]}]})
    changes = [("POST", "/disable"), ("DELETE", ""), ("POST", "/rotate")]
    for kind, (method, action) in enumerate(changes):
        for one in cluster.nodes:
            name = f"meter/d{kind}{one.number}"
            by = others(one)[kind % 2]
            change(by, "PUT", f"/v1/devices/{name}", {"product": "meter", "name": name[6:], "secrets": [SECRET]})
            wait_until("the device can come in", lambda: let_in(one, name).socket.close() is None, 5)
            wire = let_in(one, name)
            since = time.monotonic()
            change(by, method, f"/v1/devices/{name}{action}", {"grace_s": 0} if action == "/rotate" else {})
            expect_closed([wire], since)
    for number in (1, 2, 3):
        change(node(2), "PUT", f"/v1/devices/meter/all{number}",
               {"product": "meter", "name": f"all{number}", "secrets": [SECRET]})
    everywhere = [let_in(node(number), f"meter/all{number}") for number in (1, 2, 3)]
    since = time.monotonic()
    change(node(3), "POST", "/v1/bans", {"kind": "device", "value": "meter/all1", "reason": "test"})
    expect_closed(everywhere[:1], since)
    since = time.monotonic()
    change(node(2), "PUT", "/v1/products/meter", {"name": "meter", "auth": ["hmac"], "enabled": False})
    expect_closed(everywhere[1:], since)


def main():
    global cluster
    with tempfile.TemporaryDirectory() as rules:
        (pathlib.Path(rules) / "rules.json").write_text(json.dumps(RULES))
        cluster = LocalCluster.fresh(PROGRAM, 3, SETS, rules, OVERRIDES)
        for one in cluster.nodes:
            file = one.folder / "config.json"
            config = json.loads(file.read_text())
            config["listeners"].append({"type": "tcp", "bind": f"{one.host}:{KNOWN_DEVICES}", "auth": ["hmac"],
                                        "plaintext": True})
            file.write_text(json.dumps(config))
        with cluster:
            run_tests(cluster, chosen_tests(sys.modules[__name__]))


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    main()
