"""Real clients against a real hub: mosquitto_pub/sub and paho, QoS 0/1/2, 3.1.1 and 5.0, TCP and TLS,
retained, will, persistent sessions, takeover, and rules to all three kinds of target.

Usage: clients_test.py PATH_OF_CAUSEWAY
"""
import itertools
import json
import socket
import ssl
import subprocess
import sys
import threading
import time

from client import V3, V5, Client, properties
from hub import Hook, Hub, run_tests, wait_until
from raw_client import packet, text
from wire import Wire

PROGRAM = sys.argv[1]


def mosquitto(hub, tls, name, *args):
    where = ["-h", "localhost", "-p", str(hub.tls), "--cafile", hub.certificates.ca] if tls else \
            ["-h", "127.0.0.1", "-p", str(hub.tcp)]
    return [name, *where, *args]


def test_mosquitto_clients():
    with Hub(PROGRAM).with_tls() as hub:
        for qos, version, tls in itertools.product("012", ("mqttv311", "mqttv5"), (False, True)):
            topic = f"m/{qos}/{version}/{int(tls)}"
            subscriber = subprocess.Popen(
                mosquitto(hub, tls, "mosquitto_sub", "-t", topic, "-q", qos, "-V", version, "-C", "1",
                          "-W", "20"), stdout=subprocess.PIPE, text=True)
            wait_until("SUBACK", lambda: hub.metrics()["causeway_subscriptions"] == 1)
            sent = subprocess.run(
                mosquitto(hub, tls, "mosquitto_pub", "-t", topic, "-q", qos, "-V", version, "-m",
                          f"hello {topic}"), capture_output=True, text=True, timeout=30)
            assert sent.returncode == 0, sent
            out, _ = subscriber.communicate(timeout=30)
            assert f"hello {topic}" in out, (topic, out)
            wait_until("its session's end", lambda: hub.metrics()["causeway_subscriptions"] == 0)


def test_paho_every_qos_version_and_transport():
    with Hub(PROGRAM).with_tls() as hub:
        for version, tls in itertools.product((V3, V5), (False, True)):
            for publish_qos, subscribe_qos in itertools.product((0, 1, 2), repeat=2):
                topic = f"p/{version}/{int(tls)}/{publish_qos}/{subscribe_qos}"
                subscriber = Client(version=version).connect(hub, tls)
                assert subscriber.subscribe(topic, subscribe_qos) == [subscribe_qos]
                publisher = Client(version=version).connect(hub, tls)
                for i in range(5):
                    publisher.publish(topic, f"{topic} {i}", publish_qos)
                subscriber.expect(*[f"{topic} {i}" for i in range(5)])
                assert all(m.qos == min(publish_qos, subscribe_qos) for m in subscriber.messages)
                publisher.disconnect()
                subscriber.disconnect()


def test_wildcards_overlap_and_unsubscribe():
    with Hub(PROGRAM) as hub:
        subscriber = Client().connect(hub)
        subscriber.subscribe("a/+/c")
        subscriber.subscribe("a/#")
        publisher = Client().connect(hub)
        publisher.publish("a/b/c", "both", 1)
        publisher.publish("a/x", "one", 1)
        publisher.publish("b", "none", 1)
        publisher.publish("a", "parent", 1)
        subscriber.expect("both", "one", "parent")
        subscriber.unsubscribe("a/#")
        publisher.publish("a/x", "gone", 1)
        publisher.publish("a/1/c", "left", 1)
        subscriber.expect("both", "one", "parent", "left")


def test_retained():
    with Hub(PROGRAM) as hub:
        publisher = Client().connect(hub)
        for i in range(3):
            publisher.publish(f"r/{i}", f"kept {i}", qos=i, retain=True)
        publisher.publish("r/1", "", qos=1, retain=True)
        for version in (V3, V5):
            subscriber = Client(version=version).connect(hub)
            subscriber.subscribe("r/#", 2)
            wait_until("retained", lambda: len(subscriber.messages) == 2)
            assert sorted(subscriber.payloads()) == ["kept 0", "kept 2"]
            assert all(m.retain for m in subscriber.messages)
            publisher.publish("r/2", "kept 2", qos=1, retain=True)
            wait_until("live", lambda: len(subscriber.messages) == 3)
            assert not subscriber.messages[2].retain
            subscriber.disconnect()
        hub.stop()
        hub.start()
        after = Client().connect(hub)
        after.subscribe("r/+", 1)
        wait_until("retained after a restart", lambda: len(after.messages) == 2)


def test_will():
    with Hub(PROGRAM) as hub:
        watcher = Client().connect(hub)
        watcher.subscribe("wills/#")
        for version in (V3, V5):
            lost = Client(f"lost{version}", version, will=("wills/lost", f"lost {version}", 1)).connect(hub)
            polite = Client(f"polite{version}", version, will=("wills/polite", "no", 1)).connect(hub)
            polite.disconnect()
            lost.drop()
        wait_until("wills", lambda: len(watcher.messages) >= 2)
        assert sorted(watcher.payloads()) == ["lost 4", "lost 5"]


def test_persistent_session_across_reconnect_and_restart():
    with Hub(PROGRAM) as hub:
        for version in (V3, V5):
            name = f"sleeper{version}"
            make = lambda: Client(name, version, clean=False, expiry=3600)
            first = make().connect(hub)
            assert first.connack == (0, False)
            first.subscribe(f"s{version}/#", 2)
            first.disconnect()
            publisher = Client().connect(hub)
            sent = []
            for i in range(30):
                sent.append(f"m{i}")
                publisher.publish(f"s{version}/t", f"m{i}", qos=1 + i % 2)
            hub.stop()
            hub.start()
            again = make().connect(hub)
            assert again.connack == (0, True)
            wait_until("the inbox", lambda: len(again.messages) >= len(sent))
            # Order is kept per QoS: paho shows a QoS 2 message only when its handshake is over.
            got = again.payloads()
            assert [m for m in got if int(m[1:]) % 2 == 0] == sent[0::2], got
            assert [m for m in got if int(m[1:]) % 2 == 1] == sent[1::2], got
            again.disconnect()
            fresh = Client(name, version, clean=True).connect(hub)
            assert fresh.connack == (0, False)
            fresh.disconnect()


def test_takeover():
    with Hub(PROGRAM) as hub:
        first = Client("same").connect(hub)
        second = Client("same").connect(hub)
        wait_until("first is closed", lambda: first.disconnected is not None)
        # (paho 1.6 does not read the reason of a DISCONNECT without properties: look at the counter.)
        assert hub.metrics()['causeway_connections_closed_total{reason="taken_over"}'] == 1
        first.mqtt.loop_stop()
        second.subscribe("x")
        second.publish("x", "still here")
        second.expect("still here")


def test_properties_pass_through():
    with Hub(PROGRAM) as hub:
        subscriber = Client().connect(hub)
        subscriber.subscribe("props", 1)
        publisher = Client().connect(hub)
        publisher.publish("props", "x", 1, properties=properties(
            "PUBLISH", ContentType="text/plain", ResponseTopic="reply", CorrelationData=b"\x01\x02",
            UserProperty=[("a", "1"), ("a", "2")], MessageExpiryInterval=100, PayloadFormatIndicator=1))
        subscriber.expect("x")
        got = subscriber.messages[0].properties
        assert got.ContentType == "text/plain" and got.ResponseTopic == "reply"
        assert got.CorrelationData == b"\x01\x02" and got.UserProperty == [("a", "1"), ("a", "2")]
        assert 98 <= got.MessageExpiryInterval <= 100 and got.PayloadFormatIndicator == 1


def test_client_certificates():
    hub = Hub(PROGRAM).with_tls()
    hub.config["listeners"][1].update(anonymous=False, verify="required",
                                      client_ca=hub.certificates.ca)
    with hub:
        device = Client().connect(hub, tls=True, certificate=hub.certificates.device)
        device.publish("x", "y")
        context = ssl.create_default_context(cafile=hub.certificates.ca)
        try:
            with context.wrap_socket(socket.create_connection(("127.0.0.1", hub.tls), timeout=10),
                                     server_hostname="localhost") as nobody:
                nobody.sendall(packet(0x10, text("MQTT") + bytes([4, 2, 0, 60]) + text("nobody")))
                assert nobody.recv(1) == b"", "a client without certificate was let in"
        except ssl.SSLError as refused:  # TLS 1.3 tells a client when its handshake is over
            assert "CERTIFICATE_REQUIRED" in str(refused), refused
        except ConnectionError:
            pass  # closed before that could be read
        device.disconnect()


def test_rules_to_queue_topic_and_http():
    hook = Hook(answer=lambda calls: 503 if calls <= 2 else 200)
    rules = [
        {"id": "hot", "sql": "SELECT topic(2) AS device, payload.temp AS t FROM 'plant/+/up' WHERE payload.temp > 30",
         "actions": [{"queue": {"name": "alarms"}},
                     {"republish": {"topic": "alarm/${device}", "qos": 1}},
                     {"http": {"sink": "hook", "path": "/hot/${device}", "body": "${.}"}}]},
        {"sink": "hook", "type": "http", "url": hook.url, "retry": {"initial_ms": 50, "max_ms": 200}},
    ]
    with Hub(PROGRAM, rules).with_tls() as hub:
        subscriber = Client().connect(hub, tls=True)
        subscriber.subscribe("alarm/#")
        for version, qos in ((V3, 0), (V3, 1), (V5, 1), (V5, 2)):
            publisher = Client(version=version).connect(hub, tls=True)
            publisher.publish("plant/7/up", json.dumps({"temp": 31 + qos}), qos)
            publisher.publish("plant/7/up", json.dumps({"temp": 30}), qos)
            publisher.publish("plant/7/up", "not json", qos)
            publisher.disconnect()
        expected = [{"device": "7", "t": t} for t in (31, 32, 32, 33)]
        wait_until("republished", lambda: len(subscriber.messages) == 4)
        key = lambda item: json.dumps(item, sort_keys=True)
        assert sorted(map(json.loads, subscriber.payloads()), key=key) == expected
        queued = [json.loads(p) for p in hub.drain_queue("alarms")]
        assert sorted(queued, key=key) == expected
        wait_until("the hook's calls", lambda: len({c[2]["Causeway-Delivery"] for c in hook.calls}) == 4
                   and len(hook.calls) >= 6)
        assert all(path == "/hot/7" for path, _, _ in hook.calls)
        wait_until("the outbox is empty",
                   lambda: hub.metrics()['causeway_sink_deliveries_total{outcome="delivered"}'] == 4)


def test_rules_reload_keeps_the_old_set_when_the_new_one_is_bad():
    rules = [{"id": "r", "sql": "SELECT payload.v AS v FROM 'in'", "actions": [{"queue": {"name": "q1"}}]}]
    with Hub(PROGRAM, rules) as hub:
        publisher = Client().connect(hub)
        publisher.publish("in", '{"v":1}')
        file = hub.rules / "rules.json"
        file.write_text('[{"id": "r", "sql": "SELECT FROM WHERE", "actions": []}]')
        hub.process.send_signal(1)
        wait_until("refusal in the log", lambda: "rules.json:1:" in hub.log_text())
        publisher.publish("in", '{"v":2}')
        file.write_text(file.read_text().replace("SELECT FROM WHERE", "SELECT payload.v AS v FROM 'in'")
                        .replace('"actions": []', '"actions": [{"queue": {"name": "q2"}}]'))
        wait_until("the new set", lambda: hub.log_text().count("is active") == 2)
        publisher.publish("in", '{"v":3}')
        assert hub.drain_queue("q1") == ['{"v":1}', '{"v":2}']
        assert hub.drain_queue("q2") == ['{"v":3}']


def test_memory_adds_up():
    with Hub(PROGRAM) as hub:
        def look():
            status, seen = hub.get("/v1/memory")
            assert status == 200, seen
            parts = {part["part"]: part["bytes"] for part in seen["parts"]}
            assert sum(parts.values()) >= seen["resident_bytes"] > 0, seen
            return seen, parts
        before, parts = look()
        assert (before["connections"], parts["connections"]) == (0, 0), before
        client = Client("measured").connect(hub)
        after, parts = look()
        assert (after["connections"], after["sessions"]) == (1, 1), after
        assert parts["connections"] > 0 and parts["sessions"] > 0, parts
        client.disconnect()
        assert hub.post("/v1/memory", {})[0] == 405


def test_queue_api():
    with Hub(PROGRAM) as hub:
        assert hub.post("/v1/queues/jobs/receive", {"max": 1})[1] == {"messages": []}
        ids = [hub.post("/v1/queues/jobs/messages", {"payload": f"job {i}"})[1]["id"] for i in range(3)]
        assert ids == [1, 2, 3]
        status, answer = hub.post("/v1/queues/jobs/receive", {"max": 2, "visibility_timeout_s": 1})
        first, second = answer["messages"]
        assert (status, first["payload"], second["payload"]) == (200, "job 0", "job 1")
        assert hub.post("/v1/queues/jobs/ack", {"receipts": [first["receipt"]]})[1] == {
            "acknowledged": 1, "failed": []}
        # The unacknowledged one comes back; a long poll waits for it.
        assert hub.post("/v1/queues/jobs/receive", {})[1]["messages"][0]["payload"] == "job 2"
        begin = time.monotonic()
        again = hub.post("/v1/queues/jobs/receive", {"wait_s": 10})[1]["messages"]
        assert [m["payload"] for m in again] == ["job 1"] and again[0]["receive_count"] == 2
        assert time.monotonic() - begin < 8
        assert hub.post("/v1/queues/jobs/ack", {"receipts": [second["receipt"]]})[1]["acknowledged"] == 0
        # A long poll is woken by a new message.
        result = []
        poll = threading.Thread(target=lambda: result.append(hub.post("/v1/queues/late/receive", {"wait_s": 20})))
        poll.start()
        hub.post("/v1/queues/late/messages", {"payload": "AAH/", "encoding": "base64"})
        poll.join(15)
        message = result[0][1]["messages"][0]
        assert (message["payload"], message["encoding"]) == ("AAH/", "base64") or message["encoding"] == "base64"
        names = {q["name"]: q["messages"] for q in hub.get("/v1/queues")[1]["queues"]}
        assert names["jobs"] == 2 and names["late"] == 1, names
        for path, body, status in (("/v1/queues/a%2Fb/receive", {}, 400), ("/v1/queues/q/nothing", {}, 404),
                                   ("/v1/queues/q/receive", {"max": 0}, 400), ("/v1/nothing", {}, 404),
                                   ("/v1/queues/q/messages", {"payload": 1}, 400),
                                   ("/v1/queues/q/messages", {"payload": "x", "unknown": 1}, 400),
                                   ("/v1/queues/q/ack", {"receipts": ["x"]}, 400)):
            got = hub.post(path, body)
            assert got[0] == status and got[1]["error"], (path, got)


def test_queue_over_mqtt():
    rules = [{"id": "jobs", "sql": "SELECT VALUE payload FROM 'jobs/#'", "actions": [{"queue": {"name": "jobs"}}]},
             {"queue": "jobs", "visibility_timeout_s": 2}]
    with Hub(PROGRAM, rules) as hub:
        # It may be there before the queue is.
        worker = Client("worker", V5).connect(hub)
        assert worker.subscribe("$queue/jobs", 2) == [1]
        device = Client("device", V5).connect(hub)
        begin = time.monotonic()
        device.publish("jobs/a", "one")
        worker.expect("one")
        assert time.monotonic() - begin < 15, "it is told; it would look again after 30 s"
        told = dict(worker.messages[0].properties.UserProperty)
        assert worker.messages[0].topic == "$queue/jobs" and told["topic"] == "jobs/a", told
        assert told["clientid"] == "device" and told["receive_count"] == "1", told
        wait_until("PUBACK removes it", lambda: jobs_in(hub) == 0)
        worker.unsubscribe("$queue/jobs")
        for number in range(200):
            device.publish("jobs/b", str(number), number % 3)
        # 3.1.1; two of them share what there is.
        both = [Client(f"old-{n}", V3).connect(hub) for n in range(2)]
        assert all(one.subscribe("$queue/jobs") == [1] for one in both)
        got = lambda: [p for one in both for p in one.payloads()]
        wait_until("200 messages", lambda: len(got()) >= 200)
        assert sorted(map(int, got())) == list(range(200)), len(got())
        wait_until("all are removed", lambda: jobs_in(hub) == 0)
        for one in both:
            one.disconnect()
        # Who does not acknowledge keeps nothing: another gets it when the visibility timeout is over.
        lazy = Wire(hub, "lazy", clean=True, expiry=0).accepted().subscribe("$queue/jobs", 1)
        device.publish("jobs/c", "again")
        assert lazy.message()[0] == "again"
        worker.messages.clear()
        worker.subscribe("$queue/jobs")
        worker.expect("again")
        assert int(dict(worker.messages[0].properties.UserProperty)["receive_count"]) > 1
        lazy.close()
        # Refused: no name, a wildcard, and a session that outlives its connection.
        assert worker.subscribe("$queue/a/b") == [0x8F] and worker.subscribe("$queue/+") == [0x8F]
        kept = Client("kept", V5, clean=False, expiry=60).connect(hub)
        assert kept.subscribe("$queue/jobs") == [0x83]


def jobs_in(hub):
    return next((queue["messages"] for queue in hub.get("/v1/queues")[1]["queues"] if queue["name"] == "jobs"), 0)


def test_queue_command():
    with Hub(PROGRAM) as hub:
        run = lambda *args: subprocess.run([PROGRAM, "queue", *args, "--api", hub.api], capture_output=True,
                                           text=True, timeout=40)
        assert run("send", "jobs", "one").stdout == "1\n"
        assert "jobs" in run("list").stdout
        got = run("receive", "jobs")
        assert (got.returncode, got.stdout) == (0, "one\n"), got
        empty = run("receive", "jobs")
        assert (empty.returncode, empty.stdout) == (1, ""), empty


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
if __name__ == "__main__":
    sys.exit(run_tests(TESTS))
