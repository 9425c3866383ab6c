"""Who belongs to a cluster, with real processes: status, handing over, joining, draining, removing, a lost disk.

One cluster of three nodes, to which a fourth comes; each test goes on from what the one before left.

Usage: membership_test.py PATH_OF_CAUSEWAY [TEST...]
"""
import json
import shutil
import subprocess
import sys
import time

from client import V5, Client
from fleet import names_in_each_set
from hub import wait_until
from local_cluster import LocalCluster, Member
from log_files import batches, flip

SETS = 4
cluster = None


def cli(*words, limit_s=60):
    """causeway cluster WORDS: (exit code, standard output, standard error)."""
    done = subprocess.run([cluster.program, "cluster", *words], capture_output=True, text=True, timeout=limit_s)
    return done.returncode, done.stdout, done.stderr


def view(node):
    status, answer = node.get("/v1/cluster")
    assert status == 200, (status, answer)
    return answer


def of(seen, name):
    return next((one for one in seen["nodes"] if one["name"] == name), None)


def holders(seen, number):
    return {one["node"]: one["role"] for one in seen["sets"][number]["replicas"]}


def settled(seen):
    """Every replica votes, is alive and at its leader's end, and nothing is to be done."""
    return (not seen["problems"] and not seen["under_way"] and
            all(one.get("lag", 1000) < 200 and one["role"] != "learner"
                for each in seen["sets"] for one in each["replicas"]))


def publish_everywhere(node, mark, topics):
    """One QoS 1 message into each set, acknowledged."""
    client = Client(f"pub-{mark}", V5).connect(node)
    for topic in topics:
        client.publish(topic, mark, 1)
    client.disconnect()


TOPICS = names_in_each_set("member/{}/up", SETS)


def take(client, count):
    """The next messages: exactly so many, as (topic, payload)."""
    wait_until(f"{count} messages", lambda: len(client.messages) >= count)
    got, client.messages[:] = [(one.topic, one.payload.decode()) for one in client.messages], []
    assert len(got) == count, got
    return sorted(got)


def subscriber(node, name):
    client = Client(f"member-{name}", V5, clean=False, expiry=3600).connect(node)
    assert client.subscribe("member/#", 1) == [1]
    return client


def test_every_node_shows_the_same_cluster():
    for node in cluster.nodes:
        def recorded():
            seen = view(node)
            return seen["healthy"] and all(one["replicas"] == SETS + 1 for one in seen["nodes"]) and seen
        seen = wait_until("who holds what is recorded", recorded)
        assert [one["name"] for one in seen["nodes"]] == ["n1", "n2", "n3"], seen["nodes"]
        assert all(one["alive"] and one["version"] for one in seen["nodes"]), seen["nodes"]
        assert [each["set"] for each in seen["sets"]] == list(range(SETS + 1))
        assert all(each["leader"] and len(each["replicas"]) == 3 for each in seen["sets"])
    code, text, _ = cli("status", "--api", cluster.node(2).api)
    assert code == 0 and "n3" in text and "control" in text, text
    code, text, _ = cli("status", "--json", "--api", cluster.node(3).api)
    assert code == 0 and json.loads(text)["healthy"], text
    assert cli("status", "--api", "http://127.0.0.1:1")[0] == 2


def test_a_leadership_is_handed_over():
    for number in (1, 0):
        old = view(cluster.nodes[0])["sets"][number]["leader"]
        new = old % 3 + 1
        code, text, error = cli("transfer", str(number), f"n{new}", "--api", cluster.node(old % 3 + 1).api)
        assert code == 0, (text, error)
        wait_until("all know", lambda: all(view(one)["sets"][number]["leader"] == new for one in cluster.nodes))
    assert cli("transfer", "99", "n1", "--api", cluster.nodes[0].api)[0] == 2
    assert cli("transfer", "1", "nobody", "--api", cluster.nodes[0].api)[0] == 2


def test_leaderships_are_spread_again():
    target = cluster.node(1)
    for number in range(1, SETS + 1):
        assert cli("transfer", str(number), "n1", "--api", target.api)[0] == 0

    def spread():
        led = [each["leader"] for each in view(target)["sets"][1:]]
        return max(led.count(one.number) for one in cluster.nodes) <= 2
    wait_until("nobody leads more than two sets", spread, 30)


RULED = names_in_each_set("ruled/{}/up", SETS)


def apply_rules(sql, node):
    folder = cluster.folder / "rules"
    folder.mkdir(exist_ok=True)
    (folder / "r.json").write_text(json.dumps([{"id": "copy", "sql": sql, "actions": [{"queue": {"name": "ruled"}}]}]))
    done = subprocess.run([cluster.program, "rules", "apply", str(folder), "--api", node.api], capture_output=True,
                          text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def wait_rules(version, nodes):
    wait_until(f"every node evaluates version {version}",
               lambda: all(one["active"] == version for one in nodes[0].get("/v1/rules")[1]["nodes"]))


def expect_ruled(word, nodes):
    """A message into each set by way of each node comes out of the rules once, as this version has it."""
    for node in nodes:
        publish_everywhere(node, word, RULED)
    want, got = len(nodes) * SETS, []
    wait_until(f"{want} messages", lambda: got.extend(nodes[-1].drain_queue("ruled")) or len(got) >= want)
    assert got == [json.dumps({"v": word}, separators=(",", ":"))] * want, got


def test_rules_applied_by_one_node_are_active_on_all():
    nodes = cluster.nodes
    for version, node in ((1, nodes[1]), (2, nodes[2])):
        code, text = apply_rules(f"SELECT 'v{version}' AS v FROM 'ruled/#'", node)
        assert code == 0 and f"version {version} " in text, text
        wait_rules(version, nodes)
        expect_ruled(f"v{version}", nodes)
    code, text = apply_rules("SELECT FROM WHERE", nodes[0])
    assert code == 1 and "r.json" in text, text
    back = subprocess.run([cluster.program, "rules", "activate", "1", "--api", nodes[0].api], capture_output=True)
    assert back.returncode == 0, back
    wait_rules(1, nodes)
    expect_ruled("v1", nodes)


def add_node(number, roles=None):
    """A configuration for one more node, with seeds instead of the list of nodes."""
    certs = cluster.folder / "certs"
    subprocess.run([cluster.program, "cert", "issue-node", "--name", f"n{number}", "--dir", str(certs)], check=True,
                   capture_output=True)
    first = cluster.nodes[0]
    host = first.host.rsplit(".", 1)[0] + f".{number}"
    node = Member(cluster.folder, number, first.host.rsplit(".", 1)[0] + ".{}")
    node.folder.mkdir()
    config = json.loads((first.folder / "config.json").read_text())
    config["node"] = {"id": f"n{number}", "data_dir": str(node.folder / "data"), **({"roles": roles} if roles else {})}
    config["listeners"][0]["bind"] = f"{host}:1883"
    config["api"]["bind"] = f"{host}:8080"
    own = config["cluster"]
    del own["nodes"]
    own.update(address=f"{host}:7000", seeds=[f"{one.host}:7000" for one in cluster.nodes[1:]],
               certificate=f"{certs}/nodes/n{number}.crt", private_key=f"{certs}/nodes/n{number}.key")
    (node.folder / "config.json").write_text(json.dumps(config))
    return node


def wait_serving(node):
    wait_until(f"node {node.number} serves", lambda: (node.health() or {}).get("serving"), 40)


def test_a_fourth_node_joins_and_gets_its_share():
    sub = subscriber(cluster.nodes[0], "joined")
    publish_everywhere(cluster.nodes[1], "before", TOPICS)
    node = add_node(4)
    config = str(node.folder / "config.json")
    refused = subprocess.run([cluster.program, "serve", "--config", config], capture_output=True, text=True)
    assert refused.returncode == 2 and "cluster join" in refused.stdout + refused.stderr, refused
    code, text, error = cli("join", "--config", config)
    assert code == 0 and "node 4" in text, (text, error)
    assert cli("join", "--config", config)[0] == 0, "asked again, the answer is the same"
    cluster.nodes.append(node)
    node.start(cluster.program)
    wait_serving(node)

    def has_share():
        seen = view(node)
        return settled(seen) and sorted(one["replicas"] for one in seen["nodes"]) == [3, 4, 4, 4] and seen
    seen = wait_until("the fourth node holds its share", has_share, 60)
    assert all(len(each["replicas"]) == 3 for each in seen["sets"])
    publish_everywhere(node, "after", TOPICS)
    wait_rules(1, [node])
    expect_ruled("v1", cluster.nodes)
    assert take(sub, 2 * SETS) == sorted((topic, mark) for topic in TOPICS for mark in ("before", "after"))
    sub.disconnect()


def test_a_node_is_drained_and_removed():
    sub = subscriber(cluster.node(4), "drained")
    code, text, error = cli("drain", "n1", "--api", cluster.node(2).api, "--wait", "60", limit_s=90)
    assert code == 0, (text, error)
    seen = view(cluster.node(2))
    assert of(seen, "n1")["replicas"] == 0 and of(seen, "n1")["leads"] == 0
    assert all(set(holders(seen, number)) == {2, 3, 4} for number in range(SETS + 1)), seen["sets"]
    publish_everywhere(cluster.node(1), "drained", TOPICS)  # it is still a gateway
    take(sub, SETS)
    code, text, error = cli("remove", "n1", "--api", cluster.node(3).api, limit_s=90)
    assert code == 0, (text, error)
    wait_until("it is forgotten", lambda: all(of(view(one), "n1") is None for one in cluster.nodes[1:]))
    cluster.node(1).kill()
    publish_everywhere(cluster.node(2), "removed", TOPICS)
    take(sub, SETS)
    sub.disconnect()


def repair_and_refill(node, number):
    """As docs/cluster.md says: the node holds a replica of every set again, under another number."""
    name = f"n{node.number}"
    code, text, error = cli("repair", name, "--api", cluster.node(2).api, "--wait", "60", limit_s=90)
    assert code == 0 and "cluster join" in text, (text, error)
    (node.folder / "data").rename(node.folder / "data.broken")
    code, text, error = cli("join", "--config", str(node.folder / "config.json"))
    assert code == 0 and number in text, (text, error)
    node.start(cluster.program)
    wait_serving(node)

    def refilled():
        seen = view(cluster.node(2))
        return settled(seen) and of(seen, name)["replicas"] == SETS + 1
    wait_until("it is refilled", refilled, 60)
    shutil.rmtree(node.folder / "data.broken")


def test_a_wiped_disk_is_not_the_old_node():
    sub = subscriber(cluster.node(2), "wiped")
    wiped = cluster.node(3)
    wiped.kill()
    shutil.rmtree(wiped.folder / "data")
    wiped.start(cluster.program)
    wait_until("it is refused by name",
               lambda: "another data directory" in cluster.node(2).log_text() + cluster.node(4).log_text(), 30)
    seen = view(cluster.node(2))
    assert not of(seen, "n3")["alive"] and cli("status", "--api", cluster.node(2).api)[0] == 1
    publish_everywhere(cluster.node(4), "without", TOPICS)
    take(sub, SETS)
    wiped.kill()
    repair_and_refill(wiped, "node 5")
    # Two of three voters hold everything: the refilled one is needed now.
    cluster.node(4).kill()
    wait_until("all sets have leaders", lambda: all(each["leader"] for each in view(cluster.node(2))["sets"]), 20)
    publish_everywhere(wiped, "refilled", TOPICS)
    take(sub, SETS)
    sub.disconnect()


def test_a_damaged_record_stops_one_node_which_is_refilled():
    node, others = cluster.node(4), [cluster.node(2), cluster.node(3)]
    node.start(cluster.program)
    wait_serving(node)
    wait_until("all are close", lambda: settled(view(cluster.node(2))), 60)
    sub = subscriber(cluster.node(2), "damaged")
    for i in range(10):
        publish_everywhere(cluster.node(3), f"kept {i}", TOPICS)
    node.kill()
    log = batches(node.folder / "data" / "wal")
    file, offset, _ = log[len(log) // 2]
    flip(file, offset + 64)
    before = len(node.log_text())
    assert node.start(cluster.program).wait(40) == 2
    said = node.log_text()[before:].strip()
    assert "\n" not in said and file.name in said and str(offset) in said and "repair" in said, said
    publish_everywhere(others[1], "without", TOPICS)  # the sets go on
    repair_and_refill(node, "node 6")
    # Two of three voters hold everything: the refilled one is needed now.
    others[1].kill()
    wait_until("all sets have leaders", lambda: all(each["leader"] for each in view(cluster.node(2))["sets"]), 20)
    publish_everywhere(node, "refilled", TOPICS)
    assert take(sub, 12 * SETS) == sorted(
        (topic, mark) for topic in TOPICS for mark in [f"kept {i}" for i in range(10)] + ["without", "refilled"])
    sub.disconnect()


def test_a_node_that_is_only_a_gateway_holds_nothing_and_one_that_is_only_core_lets_nobody_in():
    cluster.node(3).start(cluster.program)
    wait_serving(cluster.node(3))
    sub = subscriber(cluster.node(2), "roles")
    gateway, core = add_node(5, ["gateway"]), add_node(6, ["core"])
    config = json.loads((core.folder / "config.json").read_text())
    config["listeners"] = []
    (core.folder / "config.json").write_text(json.dumps(config))
    for node in (gateway, core):
        code, text, error = cli("join", "--config", str(node.folder / "config.json"))
        assert code == 0, (text, error)
        cluster.nodes.append(node)
        node.start(cluster.program)
    wait_serving(gateway)
    publish_everywhere(gateway, "by the gateway", TOPICS)
    take(sub, SETS)
    sub.disconnect()
    sub = subscriber(gateway, "roles of its own")

    def has_share():
        seen = view(gateway)
        return settled(seen) and of(seen, "n6") and of(seen, "n6")["replicas"] > 1 and seen
    seen = wait_until("the core node holds its share", has_share, 60)
    assert of(seen, "n5")["replicas"] == 0 and of(seen, "n5")["roles"] == ["gateway"], seen["nodes"]
    assert all(of(seen, "n5")["id"] not in holders(seen, number) for number in range(SETS + 1)), seen["sets"]
    bound = json.loads((core.folder / "data" / "ports.json").read_text())
    assert bound["listeners"] == [], bound
    publish_everywhere(gateway, "again", TOPICS)
    take(sub, SETS)
    sub.disconnect()


TESTS = [test_every_node_shows_the_same_cluster, test_a_leadership_is_handed_over,
         test_leaderships_are_spread_again, test_rules_applied_by_one_node_are_active_on_all,
         test_a_fourth_node_joins_and_gets_its_share,
         test_a_node_is_drained_and_removed, test_a_wiped_disk_is_not_the_old_node,
         test_a_damaged_record_stops_one_node_which_is_refilled,
         test_a_node_that_is_only_a_gateway_holds_nothing_and_one_that_is_only_core_lets_nobody_in]


def main():
    global cluster
    program, only = sys.argv[1], sys.argv[2:]
    begin = time.monotonic()
    cluster = LocalCluster.fresh(program, sets=SETS, overrides={
        "wal": {"segment_bytes": 8 << 20, "bytes_max": 64 << 20}, "store": {"disk_reserve_bytes": 1 << 20}})
    for node in cluster.nodes:
        path = node.folder / "config.json"
        config = json.loads(path.read_text())
        config["cluster"]["balance_leaders_after_s"] = 3
        path.write_text(json.dumps(config))
    with cluster:
        for test in TESTS:
            if not only or test.__name__ in only:
                started = time.monotonic()
                test()
                print(f"ok      {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"all in {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main()
