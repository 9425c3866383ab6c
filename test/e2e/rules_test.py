"""The rules of a running hub: the HTTP API and the commands, a change of rules under load, and HTTP deliveries to an
endpoint that fails in every way while the hub is killed.

Usage: rules_test.py PATH_OF_CAUSEWAY [--seed S] [TEST...]
"""
import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from client import Client
from endpoint import Endpoint
from hub import Hub, run_tests, wait_until
from raw_client import RawPublisher

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
PARSER.add_argument("program")
PARSER.add_argument("tests", nargs="*")
PARSER.add_argument("--seed", type=int, default=int(time.time()))
ARGUMENTS = PARSER.parse_args()
PROGRAM = ARGUMENTS.program


def command(hub, *words, code=0):
    """`causeway rules …` against the hub; returns what it printed."""
    done = subprocess.run([PROGRAM, "rules", *words, "--api", hub.api], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def files(*rules):
    return {"files": [{"name": "rules.json", "text": json.dumps(rules)}]}


def copy_rule(queue, where=""):
    return {"id": "copy", "sql": f"SELECT payload.v AS v FROM 'in/#'{where}", "actions": [{"queue": {"name": queue}}]}


class Batch(RawPublisher):
    """Publishes so many messages and is done when all are answered."""

    def __init__(self, name, version, qos, total, window=20):
        super().__init__(name, version, qos, window)
        self.total = total

    def work(self):
        if len(self.sent) < self.total:
            window, self.window = self.window, min(self.window, len(self.in_flight) + self.total - len(self.sent))
            super().work()
            self.window = window

    def busy(self):
        return len(self.sent) < self.total or self.in_flight

    def finish(self, seconds=60):
        self.thread.join(seconds)  # by itself: one that is told to stop sends nothing more
        super().finish(1)


def test_versions_by_api_and_commands():
    with Hub(PROGRAM, [copy_rule("q0")]) as hub, tempfile.TemporaryDirectory() as folder:
        publisher = Client().connect(hub)
        publish = lambda v: publisher.publish("in/x", json.dumps({"v": v}))
        publish(0)
        assert hub.get("/v1/rules")[1]["versions"] == []
        assert "each node evaluates its own rules_dir" in command(hub, "versions")
        command(hub, "rollback", code=1)
        # Two versions by the command, one by the API.
        path = pathlib.Path(folder) / "rules.json"
        for version in (1, 2):
            path.write_text(json.dumps(copy_rule(f"q{version}")))
            shown = command(hub, "apply", folder, "--comment", f"to q{version}")
            assert f"version {version} is active on 1 node(s)" in shown, shown
            publish(version)
        status, answer = hub.send("PUT", "/v1/rules", {**files(copy_rule("q3", " WHERE payload.v > 2")), "comment": "c"})
        assert (status, answer) == (200, {"active": 3}), (status, answer)
        wait_until("version 3", lambda: hub.get("/v1/rules")[1]["nodes"] == [{"node": 1, "active": 3}])
        publish(3)
        publish(2)
        # Refused as a whole, with the place; the active one stays.
        status, answer = hub.send("PUT", "/v1/rules", files({"id": "x", "sql": "SELECT nope FROM 'a'", "actions": []}))
        assert status == 422 and answer["error"].startswith("rules.json:1:") and "nope" in answer["error"], answer
        path.write_text("[{")
        command(hub, "apply", folder, code=1)
        for body, wrong in (({"files": 1}, 400), ({"fils": []}, 400)):
            assert hub.send("PUT", "/v1/rules", body)[0] == wrong, body
        assert hub.post("/v1/rules/activate", {"version": 99})[0] == 409
        assert hub.post("/v1/rules", {})[0] == 405 and hub.get("/v1/rules/nothing")[0] == 404
        # What it says of itself.
        shown = command(hub, "versions")
        assert "* 3" in shown and "to q2" in shown, shown
        status, metrics = hub.get("/v1/rules/copy/metrics")
        assert status == 200 and hub.get("/v1/rules/none/metrics")[0] == 404
        assert (metrics["matched"], metrics["passed"], metrics["no_result"]) == (2, 1, 1), metrics
        assert metrics["actions"] == [{"kind": "queue", "sent": 1, "failed": 0, "cut": 0}], metrics
        assert hub.get("/v1/rules/metrics")[1]["rules"] == [metrics]
        shown = command(hub, "status")
        assert "active version: 3" in shown and "copy: matched 2, passed 1" in shown, shown
        assert json.loads(command(hub, "status", "--json"))["rules"][0]["id"] == "copy"
        # Back, and back again after a restart: versions last.
        assert "version 2 is active" in command(hub, "rollback")
        publish(4)
        hub.stop()
        hub.start()
        wait_until("version 2", lambda: hub.get("/v1/rules")[1]["nodes"] == [{"node": 1, "active": 2}])
        assert "version 3 is active" in command(hub, "activate", "3")
        publisher = Client().connect(hub)
        publish(5)
        queues = {name: [json.loads(p)["v"] for p in hub.drain_queue(name)] for name in ("q0", "q1", "q2", "q3")}
        assert queues == {"q0": [0], "q1": [1], "q2": [2, 4], "q3": [3, 5]}, queues


def test_a_message_is_tried_without_effect():
    rules = [copy_rule("q", " WHERE payload.v > 1"),
             {"id": "doubled", "sql": "SELECT payload.x * 2 AS y FROM 'in/#'", "actions": [{"queue": {"name": "q"}}],
              "enabled": False}]
    with Hub(PROGRAM, rules) as hub:
        ask = lambda **body: hub.post("/v1/rules/test", body)
        message = lambda v: {"topic": "in/x", "payload": {"v": v, "a": [1]}, "clientid": "c7"}
        status, answer = ask(message=message(2))
        assert status == 200, (status, answer)
        assert answer["outputs"] == [{"rule": "copy", "action": "queue", "name": "q", "body": {"v": 2}}], answer
        assert answer["failures"] == [] and answer["rules"][0]["verdict"] == "fired", answer
        # 412: not matched, by the WHERE or by the topic.
        status, answer = ask(message=message(1))
        assert status == 412 and answer["rules"][0]["reason"] == "WHERE is not true", (status, answer)
        assert ask(message={"topic": "other"})[0] == 412
        # One query, or a set of files.
        status, answer = ask(sql="SELECT clientid, * FROM 'in/#'", message=message(1))
        assert status == 200 and answer["outputs"][0]["body"]["clientid"] == "c7", answer
        assert list(answer["outputs"][0]["body"]["payload"]) == ["v", "a"], "members keep their order"
        status, answer = ask(sql="SELECT payload.v * 'x' AS y FROM 'in/#'", message=message(1))
        assert status == 200 and answer["failures"][0]["failed"]["reason"] == "type", answer
        status, answer = ask(sql="SELECT\n  \"é\" AS a,\n nope FROM 'in/#'", message=message(1))
        assert status == 422 and answer["error"].startswith("sql:2:3: "), answer
        status, answer = ask(**files(copy_rule("other")), message=message(1))
        assert status == 200 and answer["outputs"][0]["name"] == "other", answer
        assert ask(**files({"id": "x"}), message=message(1))[0] == 422
        for wrong in ({}, {"message": 7}, {"message": {"topic": "a/#"}}, {"message": message(1), "sql": 7},
                      {"message": message(1), "more": 1}, {"message": message(1), "files": [7]},
                      {"message": message(1), "sql": "SELECT 1 AS a FROM 'a'", "files": []}):
            assert ask(**wrong)[0] == 400, wrong
        deep = b'{"message": {"topic": "a", "payload": ' + b"[" * 100000 + b"]" * 100000 + b"}}"
        status, answer = hub.send("POST", "/v1/rules/test", deep)
        assert status == 400 and "deeper" in answer["error"], answer
        assert hub.get("/v1/rules/copy/metrics")[1]["matched"] == 0, "nothing was counted"
        assert hub.drain_queue("q") == []
    with Hub(PROGRAM) as hub:
        assert hub.post("/v1/rules/test", {"message": {"topic": "a"}})[0] == 412


def test_rules_change_100_times_under_load():
    """Each message carries the outputs of exactly one version: both rules, once, and of the same version."""
    changes, queues = 100, ("one", "two")

    def rules(version):
        made = [{"id": f"to-{queue}", "sql": f"SELECT str(payload) AS m, {version} AS v FROM 'crash/#'",
                 "actions": [{"queue": {"name": queue}}]} for queue in queues]
        # Sets differ in size, so that an index into the wrong one would be noticed.
        made[:0] = [{"id": f"other-{i}", "sql": "SELECT 1 AS a FROM 'crash/none'", "actions": []}
                    for i in range(version % 7)]
        return files(*made)

    with Hub(PROGRAM) as hub:
        assert hub.send("PUT", "/v1/rules", rules(1))[0] == 200
        wait_until("the first", lambda: hub.get("/v1/rules")[1]["nodes"][0]["active"] == 1)
        publishers = [RawPublisher(f"p{qos}v{version}", version, qos) for qos in (1, 2) for version in (4, 5)]
        for publisher in publishers:
            publisher.start(hub.tcp)
        for version in range(2, changes + 2):
            before = sum(len(p.acked) for p in publishers)
            status, answer = hub.send("PUT", "/v1/rules", rules(version))
            assert (status, answer) == (200, {"active": version}), answer
            wait_until("messages under way", lambda: sum(len(p.acked) for p in publishers) > before + 5, 60)
        wait_until("the last", lambda: hub.get("/v1/rules")[1]["nodes"][0]["active"] == changes + 1)
        for publisher in publishers:
            publisher.finish()
        sent = [payload for publisher in publishers for payload in publisher.sent]
        assert not any(p.refused for p in publishers), [p.refused[:3] for p in publishers]
        of_queue = {}
        for queue in queues:
            made = [json.loads(payload) for payload in hub.drain_queue(queue)]
            counts = collections.Counter(one["m"] for one in made)
            lost = [m for m in sent if counts[m] == 0]
            double = [m for m, count in counts.items() if count > 1]
            assert not lost and not double and len(counts) == len(sent), (queue, lost[:5], double[:5])
            of_queue[queue] = {one["m"]: one["v"] for one in made}
        mixed = [m for m in sent if of_queue["one"][m] != of_queue["two"][m]]
        assert not mixed, mixed[:5]
        for publisher in publishers:
            order = [of_queue["one"][m] for m in publisher.sent]
            assert order == sorted(order), f"{publisher.name} went back to an earlier version"
        used = len(set(of_queue["one"].values()))
        print(f"        {len(sent)} messages, {used} of {changes + 1} versions evaluated some")
        assert used > changes * 3 // 4, used


EVENTS = ("client/connected", "client/disconnected", "client/connack", "session/subscribed", "session/unsubscribed",
          "message/delivered", "message/acked", "message/dropped", "queue/dead_letter", "rule/failed")


def test_events():
    """Every kind of event reaches its rule, once, across a kill; presence is ordered by its epochs."""
    rules = [{"id": name.replace("/", "-"), "sql": f"SELECT * FROM '$events/{name}'",
              "actions": [{"queue": {"name": name.replace("/", "-"), "tags": ["event"]}}]} for name in EVENTS]
    rules += [{"id": "presence", "sql": "SELECT clientid AS id, session_epoch AS epoch, event FROM '$events/client/+' "
                                        "WHERE event <> '$events/client/connack'",
               "actions": [{"republish": {"topic": "presence/${id}", "qos": 1}}]},
              {"id": "bad", "sql": "SELECT payload.x * 2 AS y FROM 'bad'", "actions": [{"queue": {"name": "none"}}]},
              {"id": "jobs", "sql": "SELECT payload.x AS x FROM 'jobs'", "actions": [{"queue": {"name": "jobs"}}]},
              {"queue": "jobs", "visibility_timeout_s": 1, "max_receive_count": 1, "dead_letter": "dead"}]
    with Hub(PROGRAM, rules) as hub:
        hub.config["listeners"][0]["bind"] = f"127.0.0.1:{hub.tcp}"
        queue = lambda name: [json.loads(payload) for payload in hub.drain_queue(name.replace("/", "-"))]
        wait_until("events are asked for", lambda: Client("probe").connect(hub).disconnect() or queue("client/connected"))
        watcher = Client("watcher", expiry=600).connect(hub)
        watcher.subscribe("presence/dev")
        device = Client("dev", expiry=600).connect(hub)
        device.subscribe("to/dev", 1)
        device.subscribe("gone", 0)
        device.unsubscribe("gone")
        sender = Client("sender").connect(hub)
        sender.publish("to/dev", '{"v": 1}', 1)
        wait_until("the message", lambda: device.messages)
        sender.publish("nobody/here", "x")
        sender.publish("bad", '{"x": "text"}')
        sender.publish("jobs", '{"x": 1}')
        hub.post("/v1/queues/jobs/receive", {"visibility_timeout_s": 1})
        time.sleep(1.2)
        hub.post("/v1/queues/jobs/receive", {})
        device.drop()
        wait_until("the loss is told", lambda: len(watcher.messages) == 2)
        again = Client("dev", expiry=600, clean=False).connect(hub)
        wait_until("the new connection is told", lambda: len(watcher.messages) == 3)
        presence = [json.loads(payload) for payload in watcher.payloads()]
        assert [one["event"].rpartition("/")[2] for one in presence] == ["connected", "disconnected", "connected"]
        assert presence[0]["epoch"] == presence[1]["epoch"] < presence[2]["epoch"], presence
        for client in (again, watcher, sender):
            client.mqtt.loop_stop()  # or they would come back, and make events of their own
        # What rules made of events before the kill is there after it, once.
        hub.kill()
        hub.start()
        self_items = lambda outcome: hub.metrics()[f'causeway_self_items_total{{outcome="{outcome}"}}']
        wait_until("no event waits", lambda: self_items("made") == self_items("done"))
        assert self_items("dropped") == 0
        of = {name: [one for one in queue(name) if one.get("clientid") in ("dev", "sender")] for name in EVENTS}
        only = lambda name, **fields: [one for one in of[name] if all(one.get(k) == v for k, v in fields.items())]
        assert len(only("client/connected", clientid="dev")) == 2, of["client/connected"]
        assert only("client/connected", clientid="dev")[1]["session_present"] is True
        assert len(only("client/connack", clientid="dev", reason="success")) == 2, of["client/connack"]
        lost = only("client/disconnected", clientid="dev", reason="lost")
        assert len(lost) == 1, of["client/disconnected"]
        assert [one["topic"] for one in of["session/subscribed"]] == ["to/dev", "gone"], of["session/subscribed"]
        assert [one["topic"] for one in of["session/unsubscribed"]] == ["gone"], of["session/unsubscribed"]
        for name in ("message/delivered", "message/acked"):
            one, = only(name, topic="to/dev")
            assert (one["clientid"], one["from_clientid"], one["payload"]) == ("dev", "sender", {"v": 1}), one
        dropped, = only("message/dropped", topic="nobody/here")
        assert dropped["reason"] == "no_subscribers" and dropped["payload"] == "x", dropped
        dead, = of["queue/dead_letter"]
        assert (dead["queue"], dead["dead_letter"], dead["topic"]) == ("jobs", "dead", "jobs"), dead
        assert dead["payload"] == {"x": 1} and dead["reason"] == "receive count exceeded", dead
        failed, = of["rule/failed"]
        assert failed["rule"] == "bad" and failed["payload"] == {"x": "text"}, failed
        assert "a number is needed" in failed["failures"][0]["error"], failed
        # What nobody asks for any more is not made.
        status, answer = hub.send("PUT", "/v1/rules", files(copy_rule("q")))
        assert status == 200, answer
        wait_until("events are not asked for", lambda: quiet(hub))


def quiet(hub):
    made = lambda: hub.metrics()['causeway_self_items_total{outcome="made"}']
    before = made()
    Client("quiet").connect(hub).disconnect()
    return made() == before


def test_ten_thousand_rules():
    """Of the directory; by the API a set has a limit, and says so."""
    rules = [{"id": f"r{i}", "sql": f"SELECT payload.v AS v FROM 'plant{i}/+'", "actions": [{"queue": {"name": "q"}}]}
             for i in range(10_000)]
    with Hub(PROGRAM, rules) as hub:
        publisher = Client().connect(hub)
        publisher.publish("plant7777/x", '{"v": 1}')
        publisher.publish("other/x", '{"v": 2}')
        assert hub.drain_queue("q") == ['{"v":1}']
        assert len(hub.get("/v1/rules/metrics")[1]["rules"]) == 10_000
        status, answer = hub.send("PUT", "/v1/rules", files(*rules[:6000]))
        assert status == 413 and "KiB" in answer["error"], (status, answer)


def chaos_rules(port):
    return [{"id": "out", "sql": "SELECT topic(2) AS p, int(split(str(payload), ':')[2]) AS n FROM 'crash/#'",
             "actions": [{"http": {"sink": "hook", "path": "/in", "key": "${p}", "body": "${.}"}}]},
            {"sink": "hook", "type": "http", "url": f"http://127.0.0.1:{port}", "ordered_by": "key",
             "timeout_ms": 300, "max_in_flight": 16, "dead_letter": "dead",
             "retry": {"initial_ms": 10, "max_ms": 100, "max_attempts": 12},
             "breaker": {"failures": 8, "open_ms": 20, "open_max_ms": 200}},
            {"queue": "dead", "max_messages": 1_000_000}]


def test_http_sink_chaos():
    """10,000 matched messages; the endpoint is up, slow, failing, cutting and down in turn, the hub is killed: each
    message arrives at least once and in order per key, or is a dead letter with its reason, and the counters balance."""
    total, publishers_count, kills = 10_000, 16, 6
    chance = random.Random(ARGUMENTS.seed)
    print(f"        seed {ARGUMENTS.seed}")
    endpoint = Endpoint(0.3, poison=lambda body: json.loads(body)["n"] % 211 == 210)
    with Hub(PROGRAM, chaos_rules(endpoint.port)) as hub:
        hub.config["listeners"][0]["bind"] = f"127.0.0.1:{hub.tcp}"
        stop = threading.Event()

        def change_modes():
            while not stop.is_set():
                endpoint.set_mode(chance.choice(("ok", "ok", "ok", "slow", "error", "reset", "down")))
                stop.wait(chance.uniform(0.1, 0.8))
            endpoint.set_mode("ok")

        modes = threading.Thread(target=change_modes, daemon=True)
        modes.start()
        publishers = [Batch(f"p{i}", 4 + i % 2, 1 + i // 2 % 2, total // publishers_count, window=2)
                      for i in range(publishers_count)]
        for publisher in publishers:
            publisher.start(hub.tcp)
        acknowledged = lambda: sum(len(p.acked) for p in publishers)
        for kill in range(kills):
            # Half of them while messages come in, half while only deliveries are owed.
            coming = kill < kills // 2
            at = total * (kill % (kills // 2) + chance.random()) / (kills // 2) * 0.9
            wait_until("progress", lambda: (acknowledged() if coming else len(endpoint.accepted)) > at, 240)
            hub.kill()
            hub.start()
            print(f"        kill {kill + 1}: {acknowledged()} acknowledged, "
                  f"{len(endpoint.accepted)} accepted by the endpoint, {dict(endpoint.answers)}", flush=True)
        for publisher in publishers:
            publisher.finish(120)
        stop.set()
        modes.join()
        metric = lambda name: hub.metrics().get(name, 0)
        outbox = 'causeway_outbox_messages{sink="hook"}'
        wait_until("nothing is owed", lambda: metric(outbox) == 0, 120)
        metrics = hub.metrics()
        dead = []
        while messages := hub.post("/v1/queues/dead/receive", {"max": 256})[1]["messages"]:
            dead += messages
            assert hub.post("/v1/queues/dead/ack", {"receipts": [m["receipt"] for m in messages]})[0] == 200
    endpoint.stop()
    key = lambda text: (json.loads(text)["p"], json.loads(text)["n"])
    accepted = {key(body) for body in endpoint.accepted}
    given_up = {}
    for message in dead:
        # A dead letter holds what was to be sent.
        given_up[key(message["payload"])] = message["reason"]
    sent = {(p.name, n) for p in publishers for n in range(len(p.sent))}
    assert len(sent) == total
    missing = sent - accepted - set(given_up)
    assert not missing, f"{len(missing)} neither arrived nor are dead letters, e.g. {sorted(missing)[:5]}"
    assert all(given_up.values()), given_up
    assert {m for m in sent if m[1] % 211 == 210} == {m for m, why in given_up.items() if why == "http 400"}
    first = {}
    for body in endpoint.received:
        first.setdefault(key(body)[0], {}).setdefault(key(body)[1])
    for name, numbers in first.items():
        assert list(numbers) == sorted(numbers), f"{name} came out of order"
    outcome = lambda name: metrics[f'causeway_sink_deliveries_total{{outcome="{name}"}}']
    made = outcome("made")
    assert made == outcome("delivered") + outcome("dead_lettered") + outcome("evicted") + metrics[outbox], metrics
    assert outcome("dead_lettered") == len(dead) and outcome("evicted") == 0, (outcome("dead_lettered"), len(dead))
    # QoS 2 is owed once; QoS 1 once more for each that was sent again after a kill.
    assert total <= made <= total + kills * sum(p.window for p in publishers if p.qos == 1), made
    reasons = collections.Counter(given_up.values())
    print(f"        {made:.0f} owed, {len(endpoint.received)} requests, {dict(endpoint.answers)}, dead {dict(reasons)}")


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]
if __name__ == "__main__":
    sys.exit(run_tests([test for test in TESTS if not ARGUMENTS.tests or test.__name__ in ARGUMENTS.tests]))
