"""Who gets in, who does not and with which code; what changes mean for who is there.

Usage: auth_test.py PROGRAM [--attempts N]
"""
import argparse
import base64
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import paho.mqtt.client as mqtt

import auth_clients as auth
from auth_clients import Wire, connect_code, connect_packet
from hub import Hub, wait_until
from raw_client import packet, text

BAD, DENIED, IDENTIFIER, BANNED, RATE, BUSY = 0x86, 0x87, 0x85, 0x8A, 0x9F, 0x97
KEY = os.urandom(32)  # of tokens
SECRET, OLD, OTHER = (base64.b64encode(os.urandom(24)).decode() for _ in range(3))
PRODUCT = "thermo"
RULES = [{"effect": "allow", "action": "publish", "topics": ["${product}/${device}/up/#"]},
         {"effect": "allow", "action": "subscribe", "topics": ["${product}/${device}/down/#"]}]
ALL = ["x509", "psk", "hmac", "password", "jwt", "scram"]


def open_hub(program, **auth_settings):
    hub = Hub(program)
    hub.with_tls(verify="optional")
    tls = hub.config["listeners"].pop()
    tls.update({"anonymous": False, "auth": ["x509", "psk", "hmac"], "client_ca": hub.certificates.ca})
    jwks = hub.folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [{"kty": "oct", "kid": "k1", "k": auth.b64url(KEY)}]}))
    jwks.chmod(0o600)
    hub.config["listeners"] = [
        {"type": "tcp", "bind": "127.0.0.1:0", "auth": ["hmac", "password", "jwt", "scram"]}, tls]
    hub.config["auth"] = {"jwks_file": str(jwks), "jwt_issuer": "me", "jwt_audience": "hub",
                          "identity_failures_max": 0, "address_failures_max": 0, **auth_settings}
    return hub


def put(hub, path, body):
    status, answer = hub.send("PUT", path, body)
    assert status in (200, 201), (path, status, answer)


def put_product(hub, name=PRODUCT, **more):
    put(hub, f"/v1/products/{name}", {"name": name, "auth": ALL, "permissions": RULES, **more})


def put_device(hub, name, product=PRODUCT, **more):
    put(hub, f"/v1/devices/{product}/{name}", {"product": product, "name": name, "secrets": [SECRET], **more})


def act(hub, name, action, body=None, product=PRODUCT):
    status, answer = hub.post(f"/v1/devices/{product}/{name}/{action}", body or {})
    assert status == 200, (status, answer)
    return answer


def issue(hub, identity):
    """Certificate and key files of a device, and the fingerprint."""
    answer = subprocess.run([hub.program, "cert", "issue-device", "--dir", str(hub.certificates.dir), "--id", identity,
                             "--json"], check=True, capture_output=True, text=True).stdout
    files = json.loads(answer)
    pem = pathlib.Path(files["certificate"]).read_text()
    der = subprocess.run(["openssl", "x509", "-outform", "DER"], input=pem.encode(), check=True,
                         capture_output=True).stdout
    return files["certificate"], files["private_key"], hashlib.sha256(der).hexdigest()


# --- public clients -------------------------------------------------------------------------------


def mosquitto(hub, client_id, *arguments, version="5", port=None, topic=None):
    """What mosquitto_pub says of its CONNECT: "" (it published), or its words."""
    run = subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port or hub.tcp), "-i", client_id, "-V", version, "-q", "1",
         "-t", topic or f"{client_id}/up/x", "-m", "hello", *arguments], capture_output=True, text=True, timeout=60)
    return "" if run.returncode == 0 else run.stderr.strip() or f"exit status {run.returncode}"


def paho(hub, client_id, user, password, version):
    """The CONNACK code that paho was given."""
    client = mqtt.Client(client_id=client_id, protocol=mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311)
    client.username_pw_set(user, password)
    codes = []
    client.on_connect = lambda *arguments: codes.append(arguments[3])
    client.connect("127.0.0.1", hub.tcp, 60)
    client.loop_start()
    wait_until("CONNACK", lambda: codes)
    client.disconnect()
    client.loop_stop()
    return codes[0].value if version == 5 else codes[0]


OF_311 = {0: 0, BAD: 4, DENIED: 5, IDENTIFIER: 2, BANNED: 5, RATE: 3, BUSY: 3}
WORDS = {0: "", BAD: "bad user name or password", DENIED: "not authorized", IDENTIFIER: "client identifier"}


def said(code, words):
    words = words.lower().replace("username", "user name").replace("authorised", "authorized")
    return words == "" if code == 0 else WORDS[code] in words


# --- the table --------------------------------------------------------------------------------------


def password_hash(password):
    """Made by hashlib, not by the program."""
    salt = os.urandom(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=64 << 20, dklen=32)
    plain = lambda data: base64.b64encode(data).rstrip(b"=").decode()
    return f"$scrypt$ln=14,r=8,p=1${plain(salt)}${plain(digest)}"


def credentials_table(hub):
    """(scheme, case) -> client id, user name, password, code."""
    now = time.time()
    good, jwt = "thermo/d1", lambda **claims: auth.token(KEY, **{"sub": "thermo/d1", "iss": "me", "aud": "hub", **claims})
    hm = lambda device, secret, expiry=None: auth.signed(device, secret, expiry)
    replayed = hm(good, SECRET)
    return {
        ("hmac", "valid"): (good, *hm(good, SECRET), 0),
        ("hmac", "sha1"): (good, *auth.signed(good, SECRET, algorithm="sha1"), 0),
        ("hmac", "aliyun"): (*auth.aliyun(PRODUCT, "d1", SECRET), 0),
        ("hmac", "second secret"): ("thermo/two", *hm("thermo/two", OLD), 0),
        ("hmac", "expired"): (good, *hm(good, SECRET, now - 5), BAD),
        ("hmac", "revoked"): ("thermo/old", *hm("thermo/old", OLD), BAD),
        ("hmac", "wrong key"): (good, *hm(good, OTHER), BAD),
        ("hmac", "wrong device"): ("thermo/d2", *hm(good, SECRET), IDENTIFIER),
        ("hmac", "no device"): ("thermo/none", *hm("thermo/none", SECRET), BAD),
        ("hmac", "disabled"): ("thermo/off", *hm("thermo/off", SECRET), DENIED),
        ("hmac", "replayed for another"): ("thermo/d2", replayed[0].replace("d1", "d2"), replayed[1], BAD),
        ("hmac", "not allowed"): ("certs/d1", *hm("certs/d1", SECRET), DENIED),
        ("password", "valid"): (good, good, "right horse", 0),
        ("password", "second"): (good, good, "left horse", 0),
        ("password", "expired"): ("thermo/old", "thermo/old", "old horse", BAD),
        ("password", "wrong key"): (good, good, "wrong horse", BAD),
        ("password", "empty"): (good, good, "", DENIED),
        ("password", "wrong device"): ("thermo/d2", good, "right horse", IDENTIFIER),
        ("password", "no device"): ("thermo/none", "thermo/none", "right horse", BAD),
        ("password", "disabled"): ("thermo/off", "thermo/off", "right horse", DENIED),
        ("jwt", "valid"): (good, "", jwt(), 0),
        ("jwt", "expired"): (good, "", jwt(exp=int(now) - 60), BAD),
        ("jwt", "not yet"): (good, "", jwt(nbf=int(now) + 600), BAD),
        ("jwt", "revoked"): (good, "", auth.token(KEY, header={"kid": "k0"}, sub=good, iss="me", aud="hub"), BAD),
        ("jwt", "wrong key"): (good, "", auth.token(os.urandom(32), sub=good, iss="me", aud="hub"), BAD),
        ("jwt", "none"): (good, "", auth.token(KEY, "none", sub=good, iss="me", aud="hub"), BAD),
        ("jwt", "other audience"): (good, "", jwt(aud="x"), BAD),
        ("jwt", "wrong device"): ("thermo/d2", "", jwt(), IDENTIFIER),
        ("jwt", "no device"): ("thermo/none", "", jwt(sub="thermo/none"), BAD),
        ("jwt", "disabled"): ("thermo/off", "", jwt(sub="thermo/off"), DENIED),
        ("nothing", "at all"): (good, None, None, DENIED),
        ("nothing", "known"): (good, "guest", "guest", DENIED),
    }


def fill(hub):
    put_product(hub)
    put_product(hub, "certs", auth=["x509"])
    hashed = password_hash
    past = int(time.time()) - 5
    right, left, old = hashed("right horse"), hashed("left horse"), hashed("old horse")
    put_device(hub, "d1", passwords=[right, left])
    put_device(hub, "d2")
    put_device(hub, "two", secrets=[SECRET, OLD])
    put_device(hub, "old", secrets=[SECRET, {"value": OLD, "until": past}],
               passwords=[{"value": old, "until": past}])
    put_device(hub, "off", enabled=False, passwords=[right])
    put_device(hub, "d1", "certs")


def test_credentials(program):
    with open_hub(program) as hub:
        fill(hub)
        failed = []
        for (scheme, case), (client_id, user, password, code) in credentials_table(hub).items():
            got = {
                "5.0 on the wire": connect_code(hub.tcp, client_id, user, password, 5),
                "3.1.1 on the wire": connect_code(hub.tcp, client_id, user, password, 4),
            }
            wanted = {"5.0 on the wire": code, "3.1.1 on the wire": OF_311[code]}
            if password:
                got["paho 5.0"] = paho(hub, client_id, user, password, 5)
                got["paho 3.1.1"] = paho(hub, client_id, user, password, 4)
                wanted["paho 5.0"], wanted["paho 3.1.1"] = code, OF_311[code]
            if password and user and "|" not in client_id:
                words = mosquitto(hub, client_id, "-u", user, "-P", password)
                got["mosquitto_pub"], wanted["mosquitto_pub"] = said(code, words) or words, True
            failed += [f"{scheme}, {case}: {who}: {got[who]}, wanted {wanted[who]}" for who in got
                       if got[who] != wanted[who]]
        assert not failed, "\n".join(failed)
        # What was captured is of no use when its time is over; until then for the same client alone.
        user, password = auth.signed("thermo/d1", SECRET, time.time() + 2)
        assert connect_code(hub.tcp, "thermo/d1", user, password) == 0
        assert connect_code(hub.tcp, "thermo/d2", user, password) == IDENTIFIER
        wait_until("expiry", lambda: connect_code(hub.tcp, "thermo/d1", user, password) == BAD)
        check_scram(hub)
        check_metrics(hub)
        secrets = [SECRET, OLD, OTHER, "right horse", auth.b64url(KEY), "$scrypt$"]
        texts = [hub.log_text(), hub.get("/metrics")[1], json.dumps(hub.get("/v1/devices")[1])]
        assert not [s for s in secrets for t in texts if s in t], "a secret was told"


def check_scram(hub):
    code, final = auth.scram_code(hub.tcp, "thermo/d1", "thermo/d1", SECRET)
    assert code == 0, code
    for case, arguments, wanted in [
            ("second secret", ("thermo/two", "thermo/two", OLD), 0),
            ("wrong key", ("thermo/d1", "thermo/d1", OTHER), BAD),
            ("revoked", ("thermo/old", "thermo/old", OLD), BAD),
            ("wrong device", ("thermo/d2", "thermo/d1", SECRET), IDENTIFIER),
            ("no device", ("thermo/none", "thermo/none", SECRET), BAD),
            ("disabled", ("thermo/off", "thermo/off", SECRET), DENIED)]:
        code, _ = auth.scram_code(hub.tcp, *arguments)
        assert code == wanted, f"scram, {case}: {code}, wanted {wanted}"
    code, _ = auth.scram_code(hub.tcp, "thermo/d1", "thermo/d1", SECRET, replay=final)
    assert code == BAD, f"scram, replayed: {code}"


def check_metrics(hub):
    metrics = hub.metrics()
    for reason in ("bad_credentials", "expired", "unknown_device", "disabled", "client_id"):
        assert metrics[f'causeway_auth_denied_total{{reason="{reason}"}}'] > 0, reason
    for scheme in ("hmac", "password", "jwt", "scram"):
        assert metrics[f'causeway_auth_granted_total{{scheme="{scheme}"}}'] > 0, scheme


def test_tls_schemes(program):
    with open_hub(program) as hub:
        fill(hub)
        ca = ["--cafile", hub.certificates.ca]
        with_certificate = lambda identity: ["--cert", identity[0], "--key", identity[1]]
        good, named_by_user, gone = issue(hub, "thermo/d1"), issue(hub, "board-77"), issue(hub, "thermo/gone")
        put_device(hub, "pinned", certificates=[named_by_user[2]])
        put_device(hub, "gone", certificates=[{"value": gone[2], "until": 5}])
        put_device(hub, "other", certificates=["0" * 64])
        key = lambda secret: base64.b64decode(secret).hex()
        table = [
            ("x509 valid", "thermo/d1", with_certificate(good), 0),
            ("x509 by fingerprint", "thermo/pinned", with_certificate(named_by_user), 0),
            ("x509 of nobody", "thermo/d1", with_certificate(named_by_user), BAD),
            ("x509 revoked in the record", "thermo/gone", with_certificate(gone), BAD),
            ("x509 not the pinned one", "thermo/other", with_certificate(issue(hub, "thermo/other")), BAD),
            ("x509 wrong device", "thermo/d2", with_certificate(good), IDENTIFIER),
            ("x509 no device", "thermo/none", with_certificate(issue(hub, "thermo/none")), BAD),
            ("x509 disabled", "thermo/off", with_certificate(issue(hub, "thermo/off")), DENIED),
            ("x509 and a wrong password", "thermo/d1", with_certificate(good) + ["-u", "x", "-P", "y"], 0),
            ("hmac under tls", "thermo/d1",
             [a for pair in zip(("-u", "-P"), auth.signed("thermo/d1", SECRET)) for a in pair], 0),
            ("no certificate", "thermo/d1", [], DENIED),
        ]
        psk = [
            ("psk valid", "thermo/d1", ("thermo/d1", key(SECRET)), 0),
            ("psk wrong device", "thermo/d2", ("thermo/d1", key(SECRET)), IDENTIFIER),
            ("psk disabled", "thermo/off", ("thermo/off", key(SECRET)), DENIED),
            ("psk wrong key", "thermo/d1", ("thermo/d1", key(OTHER)), None),
            ("psk revoked", "thermo/old", ("thermo/old", key(OLD)), None),
            ("psk no device", "thermo/none", ("thermo/none", key(SECRET)), None),
        ]
        failed = []
        for case, client_id, arguments, code in table:
            words = mosquitto(hub, client_id, *ca, *arguments, port=hub.tls)
            failed += [] if said(code, words) else [f"{case}: {words}, wanted {code}"]
        for case, client_id, (identity, secret), code in psk:
            for version in ("tlsv1.2", "tlsv1.3"):
                words = mosquitto(hub, client_id, "--psk-identity", identity, "--psk", secret, "--tls-version", version,
                                  port=hub.tls)
                fine = words not in ("",) and "refused" not in words.lower() if code is None else said(code, words)
                failed += [] if fine else [f"{case}, {version}: {words!r}, wanted {code}"]
        assert not failed, "\n".join(failed)


class Door(http.server.BaseHTTPRequestHandler):
    """The operator's service: "open sesame" is good for the device of the user's name."""
    asked, mode = 0, "answer"

    def do_POST(self):
        Door.asked += 1
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = question["password"] == "open sesame"
        answer = {"result": "allow", "device": f"thermo/{question['user_name']}"} if good else {"result": "deny"}
        body = {"answer": json.dumps(answer), "garbage": "{", "huge": "x" * 100_000}.get(Door.mode, "").encode()
        if Door.mode == "silent":
            time.sleep(2)
        self.send_response(500 if Door.mode == "broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_callback(program):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/may"
    hub = open_hub(program, http_url=url, http_timeout_ms=500, http_cache_s=600)
    hub.config["listeners"][0]["auth"] = ["hmac", "http"]
    hub.config["limits"] = {"loops": 1}  # each keeps answers of its own
    with hub:
        fill(hub)
        put_product(hub, auth=["hmac", "http"])
        come = lambda name, password="open sesame": connect_code(hub.tcp, f"thermo/{name}", name, password)
        assert come("d1") == 0
        assert come("d2", "open barley") == BAD
        assert come("none") == BAD and come("off") == DENIED
        asked = Door.asked
        assert come("d1") == 0 and come("d2", "open barley") == BAD
        assert Door.asked == asked, "an answer that was kept"
        for mode in ("silent", "garbage", "huge", "broken"):
            Door.mode = mode
            assert come("d2", f"open {mode}") == 0x88, mode
        server.shutdown()
        server.server_close()
        assert come("d2", "open closed") == 0x88
        assert "open sesame" not in hub.log_text()


# --- permissions ------------------------------------------------------------------------------------


class Device:
    """A 5.0 client that stays."""

    def __init__(self, hub, name, product=PRODUCT, secret=SECRET, version=5):
        self.wire = Wire(hub.tcp)
        self.key = f"{product}/{name}"
        self.version = version
        self.wire.send(connect_packet(self.key, *auth.signed(self.key, secret), version=version))
        code = self.wire.connack()
        assert code == 0, code
        self.packet_id = 0

    def ask(self, first, body, answer):
        self.packet_id += 1
        self.wire.send(packet(first, body(struct_id(self.packet_id))))
        got = self.wire.receive()
        while got is not None and got[0] >> 4 == 3:
            got = self.wire.receive()
        if got is None or got[0] != answer:
            return got
        return got[1][2:]

    def publish(self, topic, qos=1, retain=False):
        """PUBACK's or PUBREC's reason code; None: closed."""
        body = lambda packet_id: text(topic) + packet_id + (b"\0" if self.version == 5 else b"") + b"x"
        got = self.ask(0x30 | qos << 1 | retain, body, 0x40 if qos == 1 else 0x50)
        return got if got is None or isinstance(got, tuple) else (got[0] if got else 0)

    def subscribe(self, topic_filter, qos=1):
        body = lambda packet_id: packet_id + (b"\0" if self.version == 5 else b"") + text(topic_filter) + bytes([qos])
        return self.ask(0x82, body, 0x90)[-1]

    def closed(self, seconds=10):
        """DISCONNECT's reason code; None: without one."""
        self.wire.socket.settimeout(seconds)
        got = self.wire.receive()
        while got is not None and got[0] != 0xE0:
            got = self.wire.receive()
        return got if got is None else got[1][0]


def struct_id(packet_id):
    return packet_id.to_bytes(2, "big")


def test_permissions(program):
    with open_hub(program) as hub:
        fill(hub)
        put_device(hub, "special", permissions=[
            {"effect": "deny", "action": "publish", "topics": ["thermo/special/up/secret"]},
            {"effect": "allow", "action": "both", "topics": ["shared/#"], "qos": [0, 1], "retain": False}])
        device = Device(hub, "d1")
        assert device.publish("thermo/d1/up/a") in (0, 0x10)
        assert device.publish("thermo/d1/up/a", 2) in (0, 0x10)
        for topic in ("thermo/d2/up/a", "thermo/d1/down/a", "other", "thermo/d1"):
            assert device.publish(topic) == DENIED, topic
            assert device.publish(topic, 2) == DENIED, topic
        assert device.subscribe("thermo/d1/down/#") == 1
        for topic_filter in ("#", "+/+/down/#", "thermo/+/down/x", "thermo/d2/down/#", "$SYS/#", "$queue/jobs",
                             "$share/g/thermo/d2/down/#"):
            assert device.subscribe(topic_filter) == DENIED, topic_filter
        special = Device(hub, "special")
        assert special.publish("thermo/special/up/a") in (0, 0x10)
        assert special.publish("thermo/special/up/secret") == DENIED
        assert special.publish("shared/x") in (0, 0x10)
        assert special.publish("shared/x", 2) == DENIED
        assert special.publish("shared/x", 1, True) == DENIED
        # 3.1.1 has no way to say no.
        old = Device(hub, "d2", version=4)
        assert old.subscribe("thermo/d1/#") == 0x80
        assert old.publish("thermo/d1/up/a") is None
        # A will is checked at CONNECT.
        with Wire(hub.tcp) as wire:
            user, password = auth.signed("thermo/d2", SECRET)
            body = text("MQTT") + bytes([4, 0xC6]) + b"\0\x3c" + text("thermo/d2") + text("thermo/d1/up/will") + text("w")
            wire.send(packet(0x10, body + text(user) + text(password)))
            assert wire.connack() == 5
        # The client that is named like a wildcard is no device, and cannot be made one.
        status, _ = hub.send("PUT", "/v1/devices/thermo/+", {"product": "thermo", "name": "+"})
        assert status >= 400
        assert connect_code(hub.tcp, "thermo/+", *auth.signed("thermo/+", SECRET)) in (BAD, DENIED)
        assert connect_code(hub.tcp, "+", *auth.signed("thermo/d1", SECRET)) == IDENTIFIER
        metrics = hub.metrics()
        assert metrics["causeway_publishes_denied_total"] >= 10, metrics
        assert metrics["causeway_filters_denied_total"] >= 7


def test_changes(program):
    """A change reaches who is connected within 5 s."""
    with open_hub(program) as hub:
        fill(hub)
        for name in ("a", "b", "c", "d", "e"):
            put_device(hub, name)
        put_product(hub, "steady")
        put_device(hub, "bystander", "steady")
        bystander = Device(hub, "bystander", "steady")

        def ends(name, change, secret=SECRET):
            device = Device(hub, name, secret=secret)
            assert device.publish(f"thermo/{name}/up/x") in (0, 0x10)
            change()
            code = device.closed(6)  # receive() raises beyond it
            assert code in (0x98, 0x87), code

        ends("a", lambda: act(hub, "a", "disable"))
        ends("b", lambda: hub.send("DELETE", "/v1/devices/thermo/b", {}))
        ends("c", lambda: act(hub, "c", "rotate", {"grace_s": 0}))
        assert connect_code(hub.tcp, "thermo/c", *auth.signed("thermo/c", SECRET)) == BAD
        # With grace both are taken, and nothing is dropped.
        device = Device(hub, "d")
        fresh = act(hub, "d", "rotate", {"grace_s": 600})["secret"]
        # Also by a loop that has the device as it was before in its cache.
        for tail in range(4):
            client_id = f"thermo/d/{tail}"
            assert connect_code(hub.tcp, client_id, *auth.signed(client_id, fresh)) == 0
            time.sleep(0.3)
        first = device.publish("thermo/d/up/x")
        assert first in (0, 0x10), first
        assert connect_code(hub.tcp, "thermo/d/3", *auth.signed("thermo/d/3", SECRET)) == 0

        # Permissions of the product: taken away, and a subscription with them; then given back.
        receiver = Device(hub, "d1")
        assert receiver.subscribe("thermo/d1/down/#") == 1
        put_product(hub, permissions=RULES[:1])
        wait_until("the subscription to go", lambda: receiver.subscribe("thermo/d1/down/#") == DENIED, 5)
        put_product(hub, permissions=RULES + [
            {"effect": "allow", "action": "publish", "topics": ["thermo/+/down/#"]}])
        wait_until("the permission", lambda: device.publish("thermo/d1/down/x") != DENIED, 5)
        put_product(hub, permissions=[{"effect": "allow", "action": "publish", "topics": ["thermo/+/down/#"]}])
        wait_until("it is gone", lambda: receiver.subscribe("thermo/d1/down/#") == DENIED, 5)
        assert device.publish("thermo/d1/down/y") in (0, 0x10)
        wait_until("the delivery that was stopped",
                   lambda: hub.metrics()["causeway_deliveries_denied_total"] >= 1, 5)
        # The whole product, a ban, a device of another product untouched.
        put_product(hub, enabled=False)
        assert device.closed(6) in (0x98, 0x87)
        put_product(hub)
        banned = Device(hub, "e")
        status, answer = hub.post("/v1/bans", {"kind": "device", "value": "thermo/e", "reason": "test"})
        assert status in (200, 201), (status, answer)
        assert banned.closed(6) in (0x98, 0x87)
        assert connect_code(hub.tcp, "thermo/e", *auth.signed("thermo/e", SECRET)) == BANNED
        assert bystander.publish("steady/bystander/up/x") in (0, 0x10)
        # A token ends, and the connection with it.
        short = auth.token(KEY, sub="thermo/d2", iss="me", aud="hub", exp=int(time.time()) - 28)
        with Wire(hub.tcp) as wire:
            wire.send(connect_packet("thermo/d2", "", short))
            assert wire.connack() == 0
            got = wire.receive()
            assert got is not None and got[0] == 0xE0 and got[1][0] == 0x87, got


# --- protection -------------------------------------------------------------------------------------


def one_loop(hub):
    """Each counts for itself."""
    hub.config["limits"] = {"loops": 1}
    return hub


def test_protection(program):
    with one_loop(open_hub(program, identity_failures_max=5, address_failures_max=40, failure_out_s=2)) as hub:
        fill(hub)
        guess = lambda name: connect_code(hub.tcp, f"thermo/{name}", *auth.signed(f"thermo/{name}", OTHER))
        assert [guess("d1") for _ in range(6)] == [BAD] * 6
        assert guess("d1") == RATE
        assert connect_code(hub.tcp, "thermo/d1", *auth.signed("thermo/d1", SECRET)) == RATE
        assert connect_code(hub.tcp, "thermo/d2", *auth.signed("thermo/d2", SECRET)) == 0
        codes = [guess(f"none{i}") for i in range(60)]
        assert codes[-1] == RATE and codes.count(BAD) <= 40, codes
        # A run of SCRAM that has only begun makes up for nothing.
        wait_until("the way in for guesses", lambda: guess("two") == BAD, 10)
        assert [guess("two") for _ in range(3)] == [BAD] * 3
        assert auth.scram_code(hub.tcp, "thermo/two", "thermo/two", OTHER)[0] == BAD
        assert [guess("two") for _ in range(2)] == [BAD, RATE]
        wait_until("the way in", lambda: connect_code(hub.tcp, "thermo/d2", *auth.signed("thermo/d2", SECRET)) == 0, 10)
    with one_loop(open_hub(program, flapping_max=3, flapping_out_s=2)) as hub:
        fill(hub)
        put_product(hub, limits={"connections_max": 2})
        come = lambda name: connect_code(hub.tcp, f"thermo/{name}", *auth.signed(f"thermo/{name}", SECRET))
        assert [come("d1") for _ in range(4)] == [0, 0, 0, RATE]
        with auth.begun_scram(hub.tcp, "thermo/d1/s", "thermo/d1"):  # takes no place before its end
            wait_until("places", lambda: hub.metrics()["causeway_connections"] == 1, 10)
            stay = [Device(hub, "d2"), Device(hub, "two")]
        assert come("d1/x") == BUSY
        assert auth.scram_code(hub.tcp, "thermo/d1/s", "thermo/d1", SECRET)[0] == BUSY
        stay.pop().wire.socket.close()
        wait_until("a place", lambda: come(f"d1/{time.monotonic()}") == 0, 10)


# --- hostile attempts ---------------------------------------------------------------------------------


def hostile_connect(n):
    """One of many ways to try: client id, user name, password."""
    kinds = [
        lambda: ("thermo/d1", *auth.signed("thermo/d1", OTHER)),
        lambda: ("thermo/d2", *auth.signed("thermo/d1", OTHER)),
        lambda: ("+", "+&thermo", "00"),
        lambda: ("x|signmethod=hmacsha1,timestamp=1|", "d1&thermo", "0" * 40),
        lambda: ("thermo/d1", "thermo/d1;;;", "x;hmacsha256"),
        lambda: ("thermo/d1", "thermo/d1;0;x;18446744073709551615", "00;hmacsha256"),
        lambda: ("thermo/d1", "", auth.token(KEY, "none", sub="thermo/d1", iss="me", aud="hub")),
        lambda: ("thermo/d1", "", "eyJ" + "A" * 9000 + ".e.e"),
        lambda: ("thermo/d1", "", auth.token(os.urandom(32), sub="thermo/+", iss="me", aud="hub")),
        lambda: ("#", "thermo/#", "x" * 2000),
        lambda: ("thermo/d1", None, None),
        lambda: ("thermo/d1/../d2", "thermo/d1\u0001", "x"),
    ]
    return kinds[n % len(kinds)]()


def resident_kb(hub):
    for line in pathlib.Path(f"/proc/{hub.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def test_hostile(program, attempts=3000, threads=4):
    """None gets in, memory stays flat, and a good client goes on meanwhile."""
    with open_hub(program) as hub:
        fill(hub)
        good = Device(hub, "d1")
        passed, problems = [], []

        def attack(first, count):
            for n in range(first, first + count):
                try:
                    code = connect_code(hub.tcp, *hostile_connect(n))
                except OSError as error:
                    problems.append(error)
                    continue
                if code == 0:
                    passed.append(hostile_connect(n))

        def storm(count):
            workers = [threading.Thread(target=attack, args=(i * count, count)) for i in range(threads)]
            for worker in workers:
                worker.start()
            slowest, publishes = 0.0, 0
            while any(worker.is_alive() for worker in workers):
                begin = time.monotonic()
                assert good.publish("thermo/d1/up/x") in (0, 0x10)
                assert good.publish("thermo/d2/up/x") == DENIED
                slowest, publishes = max(slowest, time.monotonic() - begin), publishes + 2
            return slowest, publishes

        storm(attempts // threads // 4)  # what is kept for such a storm is there now
        before = resident_kb(hub)
        slowest, publishes = storm(attempts // threads)
        after = resident_kb(hub)
        print(f"{attempts} attempts: {len(passed)} passed, {len(problems)} broken; resident {before} to {after} KiB; "
              f"good client: {publishes} publishes meanwhile, slowest pair {slowest * 1000:.0f} ms")
        assert not passed, passed[:3]
        assert len(problems) < attempts / 100, problems[:3]
        assert after < before + 32 * 1024, (before, after)
        assert publishes > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--attempts", type=int, default=3000)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    for name, test in [(n, t) for n, t in globals().items() if n.startswith("test_")]:
        if arguments.only and arguments.only not in name:
            continue
        begin = time.monotonic()
        test(arguments.program, *([arguments.attempts] if name == "test_hostile" else []))
        print(f"{name}: ok ({time.monotonic() - begin:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
