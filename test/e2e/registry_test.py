"""The registry and who may use the API, on three nodes: products and devices over their lives, imports, roles and
tokens, operators' certificates, the audit log, devices that register themselves; what a lost node changes: nothing.

One cluster for all tests; each leaves it healed.

Usage: registry_test.py PATH_OF_CAUSEWAY [TEST...]
"""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import random
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from hub import Certificates, Hub, wait_until
from local_cluster import LocalCluster, chosen_tests, run_tests

SETS = 4
PROGRAM = sys.argv[1]
OVERRIDES = {"wal": {"segment_bytes": 8 << 20, "bytes_max": 64 << 20}, "store": {"disk_reserve_bytes": 1 << 20},
             "registration": {"bind": "127.0.0.1:0", "address_rate_max": 0}}
PRODUCT = {"auth": ["hmac", "psk"], "permissions": [
    {"effect": "allow", "action": "both", "topics": ["${product}/${device}/#"]}]}
cluster = None


def node(number):
    return cluster.node(number)


def ask(one, method, path, body=None, token=None, headers=None, context=None):
    """Status and JSON; `body` as JSON, or as it is when it is bytes."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(one.api + path, data, headers or {}, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, timeout=40, context=context) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read().decode() or "{}")


def good(one, method, path, body=None, **options):
    status, answer = ask(one, method, path, body, **options)
    assert status in (200, 201), (method, path, status, answer)
    return answer


def turned_away(one, context):
    """The TLS handshake fails, as the client sees it with its first answer."""
    try:
        ask(one, "GET", "/v1/queues", context=context)
    except (urllib.error.URLError, OSError):
        return True
    return False


def lines(devices):
    return "".join(json.dumps(one) + "\n" for one in devices).encode()


def add_product(name, **more):
    good(node(1), "PUT", f"/v1/products/{name}", {**PRODUCT, **more})
    for one in cluster.nodes:
        wait_until(f"{name} is known to node {one.number}",
                   lambda: ask(one, "GET", f"/v1/products/{name}")[0] == 200)


def causeway(*arguments, environment=None, text=None):
    """Exit code and output of a subcommand."""
    done = subprocess.run([PROGRAM, *arguments], input=text, capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, **(environment or {})))
    return done.returncode, done.stdout, done.stderr


# --- products and devices ---------------------------------------------------------------------------------


def test_a_device_over_its_life():
    add_product("pump")
    assert ask(node(1), "GET", "/v1/devices/pump/p1")[0] == 404
    answer = good(node(1), "POST", "/v1/devices/import?generate", lines([{"product": "pump", "name": "p1"}]))
    assert answer["done"] == 1 and len(answer["secrets"]) == 1, answer
    secret = answer["secrets"][0]["secret"]
    for one in cluster.nodes:  # whoever is asked
        shown = good(one, "GET", "/v1/devices/pump/p1")
        assert shown["enabled"] is True and secret not in json.dumps(shown), shown
    good(node(2), "POST", "/v1/devices/pump/p1/disable", {})
    assert good(node(3), "GET", "/v1/devices/pump/p1")["enabled"] is False
    good(node(3), "POST", "/v1/devices/pump/p1/enable", {})
    rotated = good(node(1), "POST", "/v1/devices/pump/p1/rotate", {"grace_s": 60})
    assert rotated["secret"] != secret
    shown = good(node(1), "GET", "/v1/devices/pump/p1")
    assert rotated["secret"] not in json.dumps(shown)
    # What somebody else changed meanwhile is not overwritten.
    revision = shown["revision"]
    body = {"product": "pump", "name": "p1", "tags": {"hall": "7"}}
    good(node(2), "PUT", f"/v1/devices/pump/p1?revision={revision}", body)
    assert ask(node(2), "PUT", f"/v1/devices/pump/p1?revision={revision}", {**body, "enabled": False})[0] == 409
    assert ask(node(1), "DELETE", "/v1/products/pump")[0] == 409, "it has a device"
    good(node(2), "DELETE", "/v1/devices/pump/p1")
    assert ask(node(1), "GET", "/v1/devices/pump/p1")[0] == 404
    assert ask(node(1), "DELETE", "/v1/devices/pump/p1")[0] == 404
    good(node(1), "DELETE", "/v1/products/pump")
    wait_until("it is gone everywhere",
               lambda: all(ask(one, "GET", "/v1/products/pump")[0] == 404 for one in cluster.nodes))


def test_what_is_wrong_is_refused_and_says_where():
    add_product("valve")
    answer = good(node(1), "POST", "/v1/devices/import", lines([
        {"product": "valve", "name": "ok"}, {"product": "valve", "name": "not/ok"}, {"product": "none", "name": "x"},
        {"product": "valve", "name": "y", "secrets": [{"value": "short"}]}, {"name": "z"}]) + b"\n{no json}\n")
    assert answer["done"] == 1 and answer["failed"] == 5, answer
    assert [failure["line"] for failure in answer["failures"]] == [2, 3, 4, 5, 7], answer
    assert "short" not in json.dumps(answer), "no secret in an error"
    again = good(node(1), "POST", "/v1/devices/import", lines([{"product": "valve", "name": "ok"}]))
    assert again["done"] == 1, "the same line twice is no error"
    other = good(node(1), "POST", "/v1/devices/import", lines([{"product": "valve", "name": "ok", "enabled": False}]))
    assert other["failed"] == 1, other
    other = good(node(1), "POST", "/v1/devices/import?mode=replace",
                 lines([{"product": "valve", "name": "ok", "enabled": False}]))
    assert other["done"] == 1, other
    for method, path, body in (("PUT", "/v1/products/a%2Fb", PRODUCT), ("PUT", "/v1/products/a/b", PRODUCT),
                               ("PUT", "/v1/products/bad", {"auth": ["magic"]}), ("PUT", "/v1/products/bad", []),
                               ("GET", "/v1/devices/one", None), ("GET", "/v1/devices/a/b/c/d", None),
                               ("POST", "/v1/devices/valve/ok/explode", {}), ("GET", "/v1/devices?max=0", None),
                               ("POST", "/v1/devices/import?mode=sideways", b""), ("POST", "/v1/bans", {"kind": "x"}),
                               ("PUT", "/v1/devices/valve/ok", {"product": "other", "name": "ok"})):
        status, answer = ask(node(1), method, path, body)
        assert status in (400, 404, 405) and answer["error"], (method, path, status, answer)
    good(node(1), "DELETE", "/v1/devices/valve/ok")


def test_20000_devices_come_in_and_are_listed_in_order():
    add_product("meter")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "devices.jsonl"
        names = [f"m{number:05}" for number in range(20_000)]
        shuffled = random.Random(7).sample(names, len(names))
        file.write_bytes(lines({"product": "meter", "name": name, "secrets": [{"value": f"secret-of-{name}-0123"}],
                                "tags": {"hall": name[-1]}} for name in shuffled))
        code, out, err = causeway("device", "import", str(file), "--api", node(2).api, "--json")
        assert code == 0, (code, out, err)
        assert json.loads(out)["done"] == 20_000, out
        # Again, from the middle: nothing changes, nothing is refused.
        code, out, err = causeway("device", "import", str(file), "--api", node(1).api, "--json", "--from-line", "19001")
        assert code == 0 and json.loads(out)["done"] == 1_000, (code, out, err)
    found, after = [], ""
    while True:
        page = good(node(3), "GET", f"/v1/devices?product=meter&max=1000&after={after}")
        found += [device["name"] for device in page["devices"]]
        if "next" not in page:
            break
        after = page["next"]
    assert found == names, (len(found), len(set(found)))
    code, out, err = causeway("device", "list", "--product", "meter", "--max", "3", "--api", node(1).api, "--json")
    assert code == 0 and [json.loads(line)["name"] for line in out.splitlines()] == names[:3], (out, err)
    assert "secret-of" not in out
    total = sum(one.metrics()["causeway_devices"] for one in cluster.nodes)
    assert total >= 20_000, total


def test_devices_outlive_their_leader():
    add_product("lamp")
    names = [f"l{number}" for number in range(200)]
    good(node(1), "POST", "/v1/devices/import", lines({"product": "lamp", "name": name} for name in names))
    node(1).kill()
    wait_until("another leads", lambda: all(
        ask(node(2), "GET", f"/v1/devices/lamp/{name}")[0] == 200 for name in names[:20]), 30)
    page = good(node(3), "GET", "/v1/devices?product=lamp&max=1000")
    assert sorted(device["name"] for device in page["devices"]) == sorted(names)
    good(node(2), "POST", "/v1/devices/lamp/l7/disable", {})
    cluster.heal()
    assert good(node(1), "GET", "/v1/devices/lamp/l7")["enabled"] is False


def test_two_who_change_a_device_at_once():
    """Of those that expect the same revision one wins; none is lost in silence."""
    import threading
    add_product("fan")
    good(node(1), "POST", "/v1/devices/import", lines([{"product": "fan", "name": "f"}]))
    wins = []

    def change(number):
        for turn in range(20):
            one = node(number)
            shown = good(one, "GET", "/v1/devices/fan/f")
            tags = dict(shown.get("tags", {}))
            tags[f"n{number}"] = str(int(tags.get(f"n{number}", "0")) + 1)
            status, answer = ask(one, "PUT", f"/v1/devices/fan/f?revision={shown['revision']}", {"tags": tags})
            assert status in (200, 409), (status, answer)
            if status == 200:
                wins.append(number)

    threads = [threading.Thread(target=change, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tags = good(node(1), "GET", "/v1/devices/fan/f")["tags"]
    assert {f"n{number}": str(wins.count(number)) for number in set(wins)} == tags, (tags, wins)


# --- who may ----------------------------------------------------------------------------------------------


def test_every_role_may_what_the_table_says():
    tokens = {}
    for role, more in (("read-only", {}), ("app", {"queues": ["alarms"], "topics": ["plant/+/cmd"]}),
                       ("operator", {}), ("admin", {})):
        tokens[role] = good(node(1), "POST", "/v1/tokens", {"role": role, **more})
    for one in cluster.nodes:
        wait_until("tokens are known", lambda: all(
            ask(one, "GET", "/v1/queues", token=made["token"])[0] != 401
            for made in tokens.values()))
    table = [  # request, and who may
        ("GET", "/v1/queues", None, "read-only operator admin"),
        ("GET", "/v1/products", None, "read-only operator admin"),
        ("GET", "/v1/devices?max=1", None, "read-only operator admin"),
        ("GET", "/v1/audit?max=1", None, "read-only operator admin"),
        ("GET", "/v1/cluster", None, "read-only operator admin"),
        ("GET", "/v1/tokens", None, "admin"),
        ("POST", "/v1/queues/alarms/messages", {"payload": "x"}, "app operator admin"),
        ("POST", "/v1/queues/other/messages", {"payload": "x"}, "operator admin"),
        ("POST", "/v1/publish", {"topic": "plant/7/cmd", "payload": "x"}, "app operator admin"),
        ("POST", "/v1/publish", {"topic": "plant/7/up", "payload": "x"}, "operator admin"),
        ("PUT", "/v1/products/roles", PRODUCT, "operator admin"),
        ("POST", "/v1/bans", {"kind": "address", "value": "192.0.2.1", "until_s": 1}, "operator admin"),
        ("POST", "/v1/tokens", {"role": "read-only", "expires_in_s": 1}, "admin"),
        ("POST", "/v1/cluster/drain", {}, "admin"),
    ]
    for method, path, body, who in table:
        for role, made in tokens.items():
            status, answer = ask(node(1), method, path, body, token=made["token"])
            allowed = status != 403
            assert status != 401 and allowed == (role in who.split()), (method, path, role, status, answer)
    # Nobody's, somebody else's, revoked.
    assert ask(node(1), "GET", "/v1/queues", token="cw_000000000000_x")[0] == 401
    assert ask(node(1), "GET", "/v1/queues", headers={"Authorization": "Basic eDp5"})[0] == 401
    assert ask(node(1), "GET", "/v1/queues", headers={"Host": "hub.example"})[0] == 403
    assert ask(node(1), "GET", "/v1/queues", headers={"Origin": "http://page.example"})[0] == 403
    revoked = tokens["operator"]
    good(node(2), "DELETE", f"/v1/tokens/{revoked['id']}")
    for one in cluster.nodes:
        wait_until("it is revoked", lambda: ask(one, "GET", "/v1/queues", token=revoked["token"])[0] == 401, 5)
    listed = good(node(1), "GET", "/v1/tokens")
    assert revoked["id"] not in json.dumps(listed)
    for made in tokens.values():
        assert made["token"] not in json.dumps(listed)
    short = good(node(1), "POST", "/v1/tokens", {"role": "admin", "expires_in_s": 1})
    wait_until("it is over", lambda: ask(node(1), "GET", "/v1/queues", token=short["token"])[0] == 401)
    good(node(1), "DELETE", "/v1/products/roles")


def test_required_tls_certificates_and_the_first_token():
    """A hub whose API is not only this machine's: everybody says who he is."""
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(PROGRAM, folder)
        for name in ("ann", "bob", "eve"):
            subprocess.run([PROGRAM, "cert", "issue-operator", "--name", name, "--dir", str(certificates.dir)],
                           check=True, stdout=subprocess.DEVNULL)
        subprocess.run([PROGRAM, "cert", "crl", "--dir", str(certificates.dir)], check=True,
                       stdout=subprocess.DEVNULL)
        config = {"api": {"bind": "127.0.0.1:0", "auth": "required", "certificate": certificates.server[0],
                          "private_key": certificates.server[1], "client_ca": certificates.ca,
                          "crl": str(certificates.dir / "ca.crl"),
                          "operators": {"ann": "admin", "bob": "read-only"}}}
        bare = ssl.create_default_context(cafile=certificates.ca)
        made = Hub(PROGRAM, config=config)
        made.context = bare
        with made as hub:

            def shown(name):
                context = ssl.create_default_context(cafile=certificates.ca)
                path = certificates.dir / "operators" / name
                context.load_cert_chain(f"{path}.crt", f"{path}.key")
                return context

            assert ask(hub, "GET", "/healthz", context=bare)[0] == 200
            assert ask(hub, "GET", "/v1/queues", context=bare)[0] == 401
            device = ssl.create_default_context(cafile=certificates.ca)
            device.load_cert_chain(*certificates.device)
            assert ask(hub, "GET", "/v1/queues", context=device)[0] == 401, "a device is no operator"
            assert ask(hub, "GET", "/v1/queues", context=shown("bob"))[0] == 200
            assert ask(hub, "PUT", "/v1/products/p", PRODUCT, context=shown("bob"))[0] == 403
            assert ask(hub, "GET", "/v1/queues", context=shown("eve"))[0] == 403
            assert ask(hub, "PUT", "/v1/products/p", PRODUCT, context=shown("ann"))[0] == 201
            first = hub.data / "api-token"
            assert first.stat().st_mode & 0o777 == 0o600
            ca = ["--api-ca", certificates.ca, "--api", hub.api.replace("127.0.0.1", "localhost")]
            code, out, err = causeway("token", "create", "operator", "--token", f"@{first}", *ca)
            assert code == 0, (out, err)
            token = out.strip()
            code, out, err = causeway("product", "list", *ca, environment={"CAUSEWAY_TOKEN": token})
            assert code == 0 and "p " in out, (out, err)
            code, out, err = causeway("token", "list", *ca, environment={"CAUSEWAY_TOKEN": token})
            assert code == 2 and "403" in err, (out, err)
            code, out, err = causeway("product", "list", *ca)
            assert code == 2 and "401" in err, (out, err)
            operator = certificates.dir / "operators" / "ann.crt"
            code, out, err = causeway("audit", "list", *ca, "--api-cert", str(operator))
            assert code == 0 and "cert:ann" in out and "local" in out, (out, err)
            assert token not in out and token not in (hub.folder / "log").read_text()
            causeway("cert", "revoke", "--dir", str(certificates.dir), "--certificate", str(operator))
            wait_until("ann is revoked", lambda: turned_away(hub, shown("ann")))
            assert ask(hub, "GET", "/v1/queues", context=shown("bob"))[0] == 200


# --- the audit log ----------------------------------------------------------------------------------------


def test_every_change_is_in_the_audit_log_and_no_secret():
    add_product("audited", registration={"enabled": True, "secrets": [{"value": "the-products-secret-0"}]})
    good(node(1), "POST", "/v1/devices/import", lines([
        {"product": "audited", "name": "a", "secrets": [{"value": "a-secret-nobody-logs"}]}]))
    told = good(node(1), "POST", "/v1/devices/audited/a/rotate", {})["secret"]
    made = good(node(1), "POST", "/v1/tokens", {"role": "read-only", "description": "for the audit"})
    assert ask(node(1), "PUT", "/v1/products/audited", {"auth": 7})[0] == 400
    good(node(1), "DELETE", "/v1/devices/audited/a")
    page = good(node(1), "GET", "/v1/audit?max=1000")
    changes = [(record["action"], record.get("status")) for record in page["records"]]
    for wanted in (("PUT /v1/products/audited", None), ("POST /v1/devices/import", 200),
                   ("POST /v1/devices/audited/a/rotate", 200), ("POST /v1/tokens", 201),
                   ("PUT /v1/products/audited", 400), ("DELETE /v1/devices/audited/a", 200)):
        assert wanted in changes, (wanted, changes[-30:])
    for record in page["records"]:
        assert record["who"] and record["from"] or record.get("status") in (401, 403), record
        if "status" in record and record["status"] not in (401, 403):
            asked = [one for one in page["records"] if one["seq"] == record.get("of")]
            assert not asked or asked[0]["action"] == record["action"], record
    text = "".join(path.read_text() for path in (node(1).folder / "data" / "audit").glob("*.jsonl"))
    for secret in ("a-secret-nobody-logs", "the-products-secret-0", told, made["token"]):
        assert secret not in text and secret not in node(1).log_text(), "a secret was written down"
    code, out, err = causeway("audit", "verify", str(node(1).folder / "data" / "audit"), "--json")
    assert code == 0 and json.loads(out)["last"] >= page["last"], (out, err)


def test_the_audit_log_survives_a_kill():
    before = good(node(2), "GET", "/v1/audit?max=1")["last"]
    for number in range(5):
        good(node(2), "POST", "/v1/bans", {"kind": "client_id", "value": f"c{number}", "until_s": 1})
    node(2).kill()
    cluster.heal()
    page = good(node(2), "GET", f"/v1/audit?from={before + 1}")
    assert sum(record.get("status") == 200 and record["action"] == "POST /v1/bans" for record in page["records"]) == 5
    code, out, err = causeway("audit", "verify", str(node(2).folder / "data" / "audit"))
    assert code == 0, (out, err)


# --- devices that register --------------------------------------------------------------------------------


def registration_of(one):
    return json.loads((one.folder / "data" / "ports.json").read_text())["registration"]


def register(one, product, device, secret, nonce=None, at=None, body=None, host=None):
    port = registration_of(one)
    url_host = f"127.0.0.1:{port}"
    text = body or json.dumps({"ProductId": product, "DeviceName": device})
    nonce = nonce or str(random.getrandbits(60))
    timestamp = str(int(at if at is not None else time.time()))
    signed = "\n".join(["POST", host or url_host, "/v1/register", "", "HmacSha256", timestamp, nonce,
                        hashlib.sha256(text.encode()).hexdigest()])
    signature = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    request = urllib.request.Request(f"http://{url_host}/v1/register", text.encode(), method="POST", headers={
        "Content-Type": "application/json", "X-TC-Algorithm": "HmacSha256", "X-TC-Timestamp": timestamp,
        "X-TC-Nonce": nonce, "X-TC-Signature": signature})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read().decode() or "{}")


def test_a_device_registers_once():
    secret = "the-secret-of-the-bulbs"
    add_product("bulb", registration={"enabled": True, "create": False, "secrets": [{"value": secret}]})
    assert secret not in json.dumps(good(node(1), "GET", "/v1/products/bulb"))
    good(node(1), "POST", "/v1/devices/import", lines([{"product": "bulb", "name": "b1"}]))
    assert register(node(1), "bulb", "b2", secret)[0] == 404, "not created"
    assert register(node(1), "bulb", "b1", "another-secret-altogether")[0] == 401
    assert register(node(1), "none", "b1", secret)[0] == 401
    assert register(node(1), "bulb", "b1", secret, at=time.time() - 3600)[0] == 401
    assert register(node(1), "bulb", "b1", secret, host="other.example")[0] == 401
    status, answer = register(node(1), "bulb", "b1", secret, nonce="7")
    assert status == 201 and len(answer["secret"]) >= 32, (status, answer)
    assert register(node(1), "bulb", "b1", secret, nonce="7")[0] == 401, "replayed"
    assert register(node(2), "bulb", "b1", secret)[0] == 409, "once, on whichever node"
    assert answer["secret"] not in json.dumps(good(node(1), "GET", "/v1/devices/bulb/b1"))
    # Created, if the product says so; and an operator's word goes first.
    good(node(1), "PUT", "/v1/products/bulb", {**PRODUCT, "registration": {"enabled": True, "create": True}})
    wait_until("it creates", lambda: register(node(3), "bulb", "b3", secret)[0] in (201, 409))
    good(node(1), "POST", "/v1/devices/import", lines([{"product": "bulb", "name": "b4", "enabled": False}]))
    assert register(node(1), "bulb", "b4", secret)[0] == 403
    # A new secret of the product, the old one for as long as it is told.
    fresh = good(node(1), "POST", "/v1/products/bulb/rotate", {"grace_s": 0})["secret"]
    wait_until("the old one is over", lambda: register(node(1), "bulb", "b5", secret)[0] == 401)
    assert register(node(1), "bulb", "b6", fresh)[0] == 201
    for path in ("/v1/devices", "/metrics", "/v1/tokens"):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{registration_of(node(1))}{path}", timeout=20)
            raise AssertionError(f"{path} is on the devices' listener")
        except urllib.error.HTTPError as error:
            assert error.code == 404, (path, error.code)


# --- hostile ----------------------------------------------------------------------------------------------


def test_hostile_requests_change_nothing():
    add_product("target")
    read_only = good(node(1), "POST", "/v1/tokens", {"role": "read-only"})["token"]
    wait_until("known", lambda: ask(node(1), "GET", "/v1/queues", token=read_only)[0] == 200)
    before = good(node(1), "GET", "/v1/products")
    random_bytes = random.Random(3)
    paths = ["/v1/products/target", "/v1/devices/target/x", "/v1/devices/import", "/v1/tokens", "/v1/bans",
             "/v1/rules", "/v1/cluster/drain", "/v1/products/target/rotate", "/v1/queues/q/messages", "/v1/publish"]
    tokens = [read_only, read_only[:-1], read_only + "x", "cw_" + "0" * 12 + "_", "", "x" * 5000,
              read_only.replace("cw_", "CW_")]
    refused = 0
    for number in range(3_000):
        body = random_bytes.randbytes(random_bytes.randrange(200))
        headers = {"Authorization": "Bearer " + random_bytes.choice(tokens)}
        status, _ = ask(node(1), random_bytes.choice(["POST", "PUT", "DELETE"]), random_bytes.choice(paths), body,
                        headers=headers)
        assert status in (401, 403), status
        refused += 1
    after = good(node(1), "GET", "/v1/products")
    assert before == after
    records = good(node(1), "GET", "/v1/audit?max=1000")["records"]
    assert any("others" in record.get("details", {}) for record in records), "they are summed up"
    assert sum(record.get("status") in (401, 403) for record in records) < refused / 10
    metrics = node(1).metrics()
    assert metrics['causeway_api_refused_total{reason="unknown"}'] > 0
    assert metrics['causeway_api_refused_total{reason="forbidden"}'] > 0
    # With a right to be here and nonsense in hand.
    admin = good(node(1), "POST", "/v1/tokens", {"role": "admin"})["token"]
    wait_until("known", lambda: ask(node(1), "GET", "/v1/queues", token=admin)[0] == 200)
    for number in range(500):
        path = random_bytes.choice(paths[:5] + paths[8:])
        body = random_bytes.choice([
            random_bytes.randbytes(random_bytes.randrange(300)), b"[" * 10_000, b'{"a":' * 5_000, b"{}", b"null",
            json.dumps({"product": "target", "name": "\u0000"}).encode(),
            json.dumps({"role": {"a": 1}, "queues": 7, "kind": [], "topic": 1e308, "payload": None}).encode()])
        status, _ = ask(node(1), "POST", path, body, token=admin)
        assert status in (200, 400, 404, 405, 409, 413), (path, body[:80], status)
    assert before == good(node(1), "GET", "/v1/products")


def main():
    global cluster
    with LocalCluster.fresh(PROGRAM, sets=SETS, overrides=OVERRIDES) as cluster:
        run_tests(cluster, chosen_tests(sys.modules[__name__]))


if __name__ == "__main__":
    main()
