"""Three real nodes that are stopped, killed, restarted and cut off while devices publish: what was acknowledged is there,
in order and once, and a gateway that comes back late gets nothing accepted.

The nodes sit in network namespaces, for which it needs root; without, the test of a cut is skipped and says so.

Usage: cluster_faults_test.py PATH_OF_CAUSEWAY [TEST...]
"""
import collections
import contextlib
import json
import pathlib
import signal
import sys
import tempfile
import time

from client import Client
from fleet import History, Publisher, QueuePlan, Subscriber, names_in_each_set
from hub import wait_until
from local_cluster import LocalCluster, chosen_tests, run_tests
from network_namespaces import Unsupported, network
from raw_client import DISCONNECT, PUBACK, PUBREC
from wire import Wire, come_in

SETS = 4
PLANS = {name: QueuePlan(name, SETS) for name in ("roll", "halt", "cut")}
RULES = [rule for plan in PLANS.values() for rule in plan.rules]
OVERRIDES = {"limits": {"inbox_messages_max": 1_000_000}, "wal": {"segment_bytes": 8 << 20, "bytes_max": 64 << 20},
             "store": {"disk_reserve_bytes": 1 << 20}}
cluster = None
namespaces = None


def node(number):
    return cluster.node(number)


@contextlib.contextmanager
def down(number):
    """kill -9 now, running again at the end."""
    node(number).kill()
    yield
    cluster.heal()


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


def test_a_stopped_node_hands_over_the_control_group():
    """Who asks right after its end is told another leader, or none: no election had to be waited for."""
    leader = lambda of: of.get("/v1/cluster")[1]["control_leader"]
    wait_until("the control group has a leader", lambda: leader(node(1)))
    led = leader(node(1))
    stopped, asked = node(led), node(led % len(cluster.nodes) + 1)
    wait_until("both know it", lambda: leader(asked) == led)
    stopped.stop()
    try:
        assert leader(asked) != led
        wait_until("another leads", lambda: leader(asked) not in (0, led))
    finally:
        stopped.start(cluster.program)
        cluster.wait_serving()


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
    topic = names_in_each_set("stop/{}/retained", SETS)[0]
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


def test_gateway_cut_off():
    """Cut off from all other nodes, and not from its devices: it answers nothing, closes them within 5 s, and what it
    held is not accepted when the cut ends. Wills arrive once, sessions go on elsewhere."""
    if namespaces is None:
        print("        skipped: no network namespaces")
        return
    watcher = Client("off-watcher").connect(node(1))
    watcher.subscribe("off/#", 2)
    old = {device: Wire(node(2), device, expiry=expiry, will=("off/will", device)).accepted()
           for device, expiry in (("off-a", 3600), ("off-b", 3600), ("off-ends", 0))}
    for wire in old.values():
        wire.subscribe("off/in", 1)
    name, publishers, subscriber = load("cut", 30)
    wait_progress(publishers)
    namespaces.isolate(2)
    began = time.monotonic()
    try:
        for device, wire in old.items():
            wire.publish("off/in", f"late {device}", 9, qos=2 if device == "off-b" else 1)
        for device, wire in old.items():
            while (got := wire.read(10)) and got[0] != 0:
                assert got[0] == DISCONNECT and got[1][0] == 0x9c, (device, got)
            assert got == (0, b""), f"{device} is not closed"
        took = time.monotonic() - began
        print(f"        devices of the cut gateway closed after {took:.1f} s")
        assert took < 7, took  # 5 s of promise 8, and a slow machine
        new = {device: wait_until(f"{device} comes in", lambda device=device: come_in(node(3), device), 15)
               for device in ("off-a", "off-b")}
        assert all(wire.present == 1 for wire in new.values())
        wait_until("the will of the session that ends", lambda: "off-ends" in watcher.payloads(), 15)
        print(f"        its will {time.monotonic() - began:.1f} s after the cut")
        wait_progress(publishers)
    finally:
        namespaces.heal()
    wait_until("the node serves again", lambda: (node(2).health() or {}).get("serving"))
    wait_progress(publishers)
    finish_load(name, publishers, subscriber, STOPPED)
    Client("off-last").connect(node(2)).publish("off/in", "end", 1)
    wait_until("the end", lambda: "end" in watcher.payloads())
    late = [payload for payload in watcher.payloads() if payload.startswith("late")]
    assert not late, ("what a cut gateway held was accepted afterwards", late)
    wills = collections.Counter(m.payload.decode() for m in watcher.messages if m.topic == "off/will")
    assert wills["off-ends"] == 1 and max(wills.values()) == 1, wills
    for wire in new.values():
        assert wire.message()[0] == "end"
        wire.close()
    watcher.disconnect()


def main():
    global cluster, namespaces
    with tempfile.TemporaryDirectory() as rules:
        (pathlib.Path(rules) / "rules.json").write_text(json.dumps(RULES))
        with contextlib.ExitStack() as stack:
            more = {}
            try:
                namespaces = stack.enter_context(network(3))
                more = {"hosts": namespaces.hosts, "prefix": namespaces.prefix}
            except Unsupported as why:
                print(f"        no network namespaces here, so no cuts: {why}", flush=True)
            cluster = stack.enter_context(LocalCluster.fresh(PROGRAM, 3, SETS, rules, OVERRIDES, **more))
            run_tests(cluster, chosen_tests(sys.modules[__name__]))


if __name__ == "__main__":
    PROGRAM = sys.argv[1]
    main()
