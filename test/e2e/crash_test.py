"""kill -9 at random moments: nothing acknowledged is lost, QoS 2 is delivered exactly once.

Publishers at QoS 1 and 2 and a persistent subscriber run all the while; a rule copies every message to a
queue. After the last restart everything is drained and compared with what was acknowledged.

kill -9 leaves the page cache, so it proves no fsync. With --disk write-behind the hub (a fault build)
keeps every write in process memory until the matching fsync returns; with --disk no-sync its fsyncs do
nothing, and this test passes only if the checker then finds a loss.

Usage: crash_test.py PATH_OF_CAUSEWAY [--disk page-cache|write-behind|no-sync] [--kills N] [--seed S]
"""
import argparse
import collections
import random
import sys
import time

from hub import Hub, wait_until
from raw_client import RawPublisher, RawSubscriber

RULES = [{"id": "copy", "sql": "SELECT VALUE payload FROM 'crash/#'", "actions": [{"queue": {"name": "copies"}}]}]


def check(publishers, delivered, queued):
    """The promises, as a list of what is broken."""
    broken = []
    for where, seen in (("the subscriber", delivered), ("the queue", queued)):
        counts = collections.Counter(seen)
        for publisher in publishers:
            lost = [p for p in publisher.acked if counts[p] == 0]
            if lost:
                broken.append(f"{len(lost)} acknowledged messages of {publisher.name} never reached {where}, "
                              f"e.g. {sorted(lost)[:3]}")
            twice = [p for p in publisher.sent if counts[p] > 1]
            if publisher.qos == 2 and twice:
                broken.append(f"{len(twice)} QoS 2 messages of {publisher.name} reached {where} twice, "
                              f"e.g. {sorted(twice)[:3]}")
            firsts, known = [], set()
            for payload in seen:
                name, number = payload.split(":")
                if name == publisher.name and payload not in known:
                    known.add(payload)
                    firsts.append(int(number))
            if firsts != sorted(firsts):
                broken.append(f"messages of {publisher.name} reached {where} out of order")
        unknown = set(seen) - {p for publisher in publishers for p in publisher.sent}
        if unknown:
            broken.append(f"{where} got {len(unknown)} messages that nobody sent")
    return broken


def check_the_checker():
    """Hand-made histories: the checker must see each fault."""
    one, two = RawPublisher("a", 4, 1), RawPublisher("b", 5, 2)
    for publisher in (one, two):
        publisher.sent = [f"{publisher.name}:{i}" for i in range(5)]
        publisher.acked = set(publisher.sent)
    good = one.sent + two.sent
    assert check([one, two], good, good) == []
    assert check([one, two], good + ["a:0"], good) == []  # QoS 1 may come twice
    for bad in (good[1:], good + ["b:0"], good + ["c:9"], [good[1], good[0]] + good[2:]):
        assert check([one, two], bad, good) and check([one, two], good, bad), bad


def run(program, disk, kills, seed):
    random.seed(seed)
    print(f"disk {disk}, {kills} kills, seed {seed}", flush=True)
    mode = {"page-cache": {}, "write-behind": {"CAUSEWAY_WRITE_BEHIND": "1"},
            "no-sync": {"CAUSEWAY_WRITE_BEHIND": "noop"}}[disk]
    # Nothing may be evicted here: an inbox larger than what is sent.
    hub = Hub(program, RULES, environment=mode, config={"limits": {"inbox_messages_max": 1_000_000}})
    with hub:
        # The clients come back to the same port.
        hub.config["listeners"][0]["bind"] = f"127.0.0.1:{hub.tcp}"
        subscriber = RawSubscriber("subscriber", 5, "crash/#")
        delivered = subscriber.delivered
        subscriber.start(hub.tcp)
        wait_until("SUBACK", lambda: subscriber.subscribed)
        publishers = [RawPublisher(f"p{qos}v{version}", version, qos) for qos in (1, 2) for version in (4, 5)]
        for publisher in publishers:
            publisher.start(hub.tcp)
        clients = [*publishers, subscriber]
        for kill in range(kills):
            # Each comes back from each kill, however busy the machine is.
            wait_until("every session resumed", lambda: min(c.resumed for c in clients) >= kill, 60)
            before = sum(len(p.acked) for p in publishers)
            wait_until("progress", lambda: sum(len(p.acked) for p in publishers) > before + 40, 60)
            time.sleep(random.uniform(0.0, 0.4))
            hub.kill()
            if disk == "no-sync" and kill == kills - 1:
                break
            hub.start()
            print(f"kill {kill + 1}: {sum(len(p.acked) for p in publishers)} acknowledged", flush=True)
        if disk == "no-sync":
            for publisher in publishers:
                publisher.running = False
                publisher.in_flight.clear()  # only what was acknowledged before the kill counts
            hub.start()
            return check(publishers, delivered, hub.drain_queue("copies"))
        for publisher in publishers:
            publisher.finish()
        total = sum(len(p.acked) for p in publishers)
        wait_until("everything is delivered", lambda: len(set(delivered)) >= total, 90)
        time.sleep(0.3)  # what would come twice
        subscriber.finish()
        assert not any(p.refused for p in publishers), [p.refused[:3] for p in publishers]
        assert min(c.resumed for c in clients) >= kills, "a session was not resumed"
        broken = check(publishers, delivered, hub.drain_queue("copies"))
        print(f"{total} acknowledged, {len(delivered)} delivered, {kills} kills: "
              f"{'nothing broken' if not broken else broken}", flush=True)
        assert not broken, broken
        return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--disk", choices=("page-cache", "write-behind", "no-sync"), default="page-cache")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    check_the_checker()
    broken = run(arguments.program, arguments.disk, arguments.kills, arguments.seed)
    if arguments.disk == "no-sync":
        print(f"without syncs the checker found: {broken}")
        return 0 if any("never reached" in line for line in broken) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
