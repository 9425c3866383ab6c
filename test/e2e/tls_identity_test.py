"""Certificates and keys of devices on a running hub: who gets in, what a revocation does to who is in, rotation
under load, several certificates by name, pre-shared keys.

Usage: tls_identity_test.py PROGRAM. Real clients: mosquitto_pub, paho, and Python's ssl for what these cannot say.
"""
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import paho.mqtt.client as paho

from hub import Hub, run_tests, wait_until

PROGRAM = sys.argv[1]
KEY = "00112233445566778899aabbccddeeff"
OTHER_KEY = "ffeeddccbbaa99887766554433221100"


class Authority:
    """A CA folder and what `causeway cert` does in it."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)

    def run(self, *arguments, check=True):
        done = subprocess.run([PROGRAM, "cert", arguments[0], "--dir", str(self.dir), *arguments[1:]],
                              capture_output=True, text=True)
        assert not check or done.returncode == 0, (arguments, done.stderr)
        return done

    def file(self, name):
        return str(self.dir / name)

    def device(self, name):
        """The certificate and key of a device, made if need be."""
        leaf = self.dir / "devices" / name.replace("/", "_")
        if not leaf.with_suffix(".crt").exists():
            self.run("issue-device", "--id", name)
        return str(leaf.with_suffix(".crt")), str(leaf.with_suffix(".key"))


def authority(folder):
    made = Authority(folder)
    made.run("init")
    made.run("issue-server", "--name", "localhost", "--name", "127.0.0.1")
    made.run("crl")
    return made


def hub_with_identity(**listener):
    hub = Hub(PROGRAM)
    ca = authority(hub.folder / "certs")
    hub.config["listeners"].append({
        "type": "tls", "bind": "127.0.0.1:0", "certificate": ca.file("server.crt"),
        "private_key": ca.file("server.key"), "client_ca": ca.file("ca.crt"), "crl": ca.file("ca.crl"),
        "verify": "required", **listener})
    return hub, ca


def mosquitto(hub, *arguments):
    """mosquitto_pub of one message; (exit status, what it said)."""
    done = subprocess.run(["mosquitto_pub", "-h", "localhost", "-p", str(hub.tls), "-t", "t", "-m", "x", "-q", "1",
                           *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def publishes(hub, ca, pair=None, trusted=None):
    arguments = ["--cafile", trusted or ca.file("ca.crt")]
    if pair:
        arguments += ["--cert", pair[0], "--key", pair[1]]
    return mosquitto(hub, *arguments)[0] == 0


class Device:
    """A paho client that stays; counts what it published and what was acknowledged."""

    def __init__(self, hub, ca, pair, name, version=ssl.PROTOCOL_TLS_CLIENT):
        self.acknowledged = 0
        self.sent = 0
        self.ends = []
        self.up = threading.Event()
        self.down = threading.Event()
        self.client = paho.Client(client_id=name, protocol=paho.MQTTv5)
        self.client.tls_set(ca.file("ca.crt"), *pair, tls_version=version)
        self.client.on_connect = lambda *_: self.up.set()
        self.client.on_disconnect = self.on_disconnect
        self.client.on_publish = self.on_publish
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("localhost", hub.tls)
        self.client.loop_start()
        assert self.up.wait(20), f"{name} did not get in"

    def on_disconnect(self, client, userdata, reason, properties=None):
        self.ends.append(reason)
        self.down.set()

    def on_publish(self, *_):
        self.acknowledged += 1

    def publish(self):
        self.sent += 1
        return self.client.publish(f"load/{self.sent % 10}", "x" * 100, qos=1).rc

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def test_who_gets_in():
    hub, ca = hub_with_identity()
    stranger = authority(hub.folder / "stranger")
    right = ca.device("plant/right")
    revoked = ca.device("plant/revoked")
    ca.run("revoke", "--device", "plant/revoked", "--reason", "keyCompromise")
    # Of an intermediate CA, which the hub does not know by name.
    below = Authority(hub.folder / "below")
    below.run("init-intermediate", "--parent", str(ca.dir), "--name", "Plant CA")
    expired = hub.folder / "expired"
    make_expired(ca, expired)
    with hub:
        assert publishes(hub, ca, right)
        assert publishes(hub, ca, below.device("plant/below"))
        assert not publishes(hub, ca), "no certificate"
        assert not publishes(hub, ca, revoked), "revoked"
        assert not publishes(hub, ca, stranger.device("plant/right")), "another CA"
        assert not publishes(hub, ca, (str(expired) + ".crt", str(expired) + ".key")), "expired"
        assert not publishes(hub, ca, (right[0], revoked[1])), "another's key"
        assert not publishes(hub, ca, right, trusted=stranger.file("ca.crt")), "the client trusts another CA"
        metrics = hub.metrics()
        assert metrics['causeway_connections_refused_total{reason="tls"}'] >= 5, metrics
        # The intermediate CA is revoked, and with it what it has signed.
        ca.run("revoke", "--certificate", below.file("ca.crt"))
        wait_until("the intermediate's device is out", lambda: not publishes(hub, ca, below.device("plant/below")))
        assert publishes(hub, ca, right)


def make_expired(ca, path):
    """A certificate of the CA that ended yesterday; `causeway cert` makes none, openssl does."""
    run = lambda *args: subprocess.run(["openssl", *args], check=True, capture_output=True)
    run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{path}.key",
        "-out", f"{path}.csr", "-subj", "/CN=plant\\/expired")
    folder = pathlib.Path(str(path) + ".ca")
    folder.mkdir()
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    (folder / "cnf").write_text(f"""[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
[any]
commonName = supplied
""")
    run("ca", "-batch", "-config", str(folder / "cnf"), "-cert", ca.file("ca.crt"), "-keyfile", ca.file("ca.key"),
        "-in", f"{path}.csr", "-out", f"{path}.crt", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z",
        "-notext")


def test_a_revocation_closes_live_connections():
    hub, ca = hub_with_identity()
    with hub:
        good = Device(hub, ca, ca.device("plant/good"), "good")
        bad = Device(hub, ca, ca.device("plant/bad"), "bad")
        old = Device(hub, ca, ca.device("plant/old"), "old", ssl.PROTOCOL_TLSv1_2)
        began = time.monotonic()
        ca.run("revoke", "--device", "plant/bad")
        ca.run("revoke", "--device", "plant/old")
        for device in (bad, old):
            assert device.down.wait(5), "still connected after 5 s"
        print(f"  closed {time.monotonic() - began:.1f} s after the command began")
        assert not good.ends
        assert good.client.publish("t", "x", qos=1).rc == 0
        wait_until("the good one's PUBACK", lambda: good.acknowledged == 1)
        for device in (bad, old):
            device.up.clear()
            assert not device.up.wait(3), "came back"
            device.client.loop_stop()
        good.stop()
        assert hub.metrics()["causeway_tls_dismissed_total"] == 2


def test_a_session_does_not_outlive_its_certificate():
    hub, ca = hub_with_identity()
    with hub:
        certificate, key = ca.device("plant/dev7")
        context = ssl.create_default_context(cafile=ca.file("ca.crt"))
        context.load_cert_chain(certificate, key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # under which Python can resume
        def handshake(session=None):
            with socket.create_connection(("localhost", hub.tls)) as raw:
                with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
                    return tls.session, tls.session_reused
        session, _ = handshake()
        assert handshake(session)[1], "a session is taken up again"
        # A renewed server certificate changes nothing about that.
        ca.run("renew", ca.file("server.crt"))
        os.utime(ca.file("server.crt"))
        hub.process.send_signal(signal.SIGHUP)
        wait_until("the new certificate", lambda: "were read again" in hub.log_text())
        assert handshake(session)[1], "a session lives on over a rotation"
        ca.run("revoke", "--device", "plant/dev7")

        def out():
            try:
                handshake(session)
                return False
            except ssl.SSLError:
                return True
        wait_until("the ticket is of no use any more", out, 5)
        assert hub.metrics()["causeway_tls_resumed_total"] >= 2


def test_rotation_under_load():
    hub, ca = hub_with_identity()
    with hub:
        devices = [Device(hub, ca, ca.device(f"plant/load{i}"), f"load{i}") for i in range(4)]
        stop = threading.Event()
        fingerprints = set()
        refused = []

        def load(device):
            while not stop.is_set():
                if device.publish() != 0:
                    refused.append(device.sent)
                time.sleep(0.005)

        def newcomers():
            """Connections that begin while certificates change."""
            while not stop.is_set():
                if not publishes(hub, ca, ca.device("plant/load0")):
                    refused.append("newcomer")
                fingerprints.add(ssl.get_server_certificate(("localhost", hub.tls)))

        ca.device("plant/load0")
        threads = [threading.Thread(target=load, args=(d,)) for d in devices] + [threading.Thread(target=newcomers)]
        for thread in threads:
            thread.start()
        try:
            for i in range(4):
                wait_until("a certificate is shown", lambda: len(fingerprints) == i + 1, 30)
                ca.run("renew", ca.file("server.crt"), *(["--new-key"] if i % 2 else []))
                if i % 2 == 0:
                    hub.process.send_signal(signal.SIGHUP)
            wait_until("the last certificate is shown", lambda: len(fingerprints) == 5, 30)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for device in devices:
            wait_until("every publish is acknowledged", lambda: device.acknowledged == device.sent)
            assert not device.ends, device.ends
            device.stop()
        assert not refused, refused
        print(f"  {sum(d.sent for d in devices)} publishes, {len(fingerprints)} certificates seen, none failed")


def test_a_broken_file_changes_nothing():
    hub, ca = hub_with_identity()
    with hub:
        good = pathlib.Path(ca.file("server.crt")).read_text()
        pathlib.Path(ca.file("server.crt")).write_text(good[:100])
        wait_until("the error is told", lambda: "it goes on with what it has" in hub.log_text(), 10)
        assert publishes(hub, ca, ca.device("plant/dev7"))
        os.chmod(ca.file("server.key"), 0o644)
        pathlib.Path(ca.file("server.crt")).write_text(good)
        wait_until("an open key is refused", lambda: "chmod 600" in hub.log_text(), 10)
        os.chmod(ca.file("server.key"), 0o600)
        wait_until("it is read again", lambda: "were read again" in hub.log_text(), 10)
        assert publishes(hub, ca, ca.device("plant/dev7"))


def test_certificates_by_name():
    hub, ca = hub_with_identity(verify="none", anonymous=True, crl="")
    other = pathlib.Path(ca.file("other"))
    ca.run("issue-server", "--name", "hub.example", "--force")
    shutil.move(ca.file("server.crt"), f"{other}.crt")
    shutil.move(ca.file("server.key"), f"{other}.key")
    ca.run("issue-server", "--name", "localhost", "--force")
    listener = hub.config["listeners"][1]
    listener["certificates"] = [{"certificate": f"{other}.crt", "private_key": f"{other}.key"}]
    with hub:
        context = ssl.create_default_context(cafile=ca.file("ca.crt"))

        def names(asked, checked=True):
            context.check_hostname = checked
            with socket.create_connection(("localhost", hub.tls)) as raw:
                with context.wrap_socket(raw, server_hostname=asked) as tls:
                    return dict(tls.getpeercert()["subjectAltName"])["DNS"]
        assert names("hub.example") == "hub.example"
        assert names("localhost") == "localhost"
        assert names("unknown.example", checked=False) == "localhost"


def test_pre_shared_keys():
    hub = Hub(PROGRAM)
    keys = hub.folder / "psk"
    keys.write_text(f"# devices\nplant/dev7:{KEY}\nplant/dev8:{OTHER_KEY}\n")
    keys.chmod(0o600)
    hub.config["listeners"].append({"type": "tls", "bind": "127.0.0.1:0", "psk_file": str(keys)})
    with hub:
        def gets_in(identity, key):
            return mosquitto(hub, "--psk-identity", identity, "--psk", key)[0] == 0

        def shakes_hands(identity, key):
            """With TLS 1.2, which mosquitto_pub cannot be held to."""
            done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{hub.tls}", "-tls1_2", "-cipher", "PSK",
                                   "-psk_identity", identity, "-psk", key], input="", capture_output=True, text=True)
            return done.returncode == 0 and "Cipher is (NONE)" not in done.stdout and "TLSv1.2" in done.stdout
        for enters in (gets_in, shakes_hands):
            assert enters("plant/dev7", KEY)
            assert not enters("plant/dev7", OTHER_KEY)
            assert not enters("plant/dev8", KEY)
            assert not enters("plant/nobody", KEY)
        assert not gets_in("plant/dev7", KEY[:-2]), "a key that is too short is another key"
        # What the registry's devices have is of no use where the listener does not ask it.
        for kind, text in (("products/plant", {"name": "plant", "auth": ["psk"], "permissions": []}),
                           ("devices/plant/dev9", {"product": "plant", "name": "dev9", "secrets": [KEY]})):
            assert hub.send("PUT", f"/v1/{kind}", text)[0] in (200, 201), kind
        assert not gets_in("plant/dev9", KEY.encode().hex()) and not gets_in("plant/dev9", KEY)
        # A key that is gone is out, who had it is closed.
        subscriber = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-h", "localhost", "-p", str(hub.tls),
                                       "-t", "t", "--psk-identity", "plant/dev8", "--psk", OTHER_KEY, "-d"],
                                      stdout=subprocess.PIPE, text=True)
        for line in subscriber.stdout:
            if "SUBACK" in line:
                break
        keys.write_text(f"plant/dev7:{KEY}\n")
        wait_until("plant/dev8 is closed", lambda: hub.metrics()["causeway_tls_dismissed_total"] == 1, 5)
        subscriber.terminate()
        subscriber.wait()
        assert not gets_in("plant/dev8", OTHER_KEY)
        assert gets_in("plant/dev7", KEY)
        assert hub.metrics()["causeway_tls_psk_total"] >= 8
        assert KEY not in hub.log_text() and OTHER_KEY not in hub.log_text()


def test_versions_and_ciphers():
    hub, ca = hub_with_identity(tls_min="1.3", verify="none", crl="", anonymous=True)
    with hub:
        assert mosquitto(hub, "--cafile", ca.file("ca.crt"))[0] == 0
        context = ssl.create_default_context(cafile=ca.file("ca.crt"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("localhost", hub.tls)) as raw:
            try:
                context.wrap_socket(raw, server_hostname="localhost")
                raise AssertionError("TLS 1.2 was taken")
            except ssl.SSLError as error:
                assert "VERSION" in str(error), error


def test_the_command_line():
    hub = Hub(PROGRAM)
    ca = authority(hub.folder / "certs")
    ca.device("plant/dev7")
    assert ca.run("list", "--expires-within", "29").returncode == 0  # the list is of today: 30 days
    due = ca.run("list", "--expires-within", "31", check=False)
    assert due.returncode == 1 and "crl" in due.stdout, due.stdout
    ca.run("issue-device", "--id", "plant/short", "--days", "3")
    due = ca.run("list", "--expires-within", "7", "--json", check=False)
    assert due.returncode == 1 and '"plant/short"' in due.stdout and '"plant/dev7"' not in due.stdout
    ca.run("renew", ca.file("devices/plant_short.crt"), "--days", "300")
    assert ca.run("list", "--expires-within", "7").returncode == 0
    assert ca.run("revoke", "--serial", "00", "--device", "x", check=False).returncode != 0
    assert ca.run("revoke", "--device", "nobody", check=False).returncode == 2
    request = hub.folder / "d.csr"
    subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", str(hub.folder / "d.key"),
                    "-out", str(request), "-subj", "/CN=plant\\/asked"], check=True, capture_output=True)
    signed = ca.run("sign-csr", "--csr", str(request))
    assert signed.stdout.startswith("-----BEGIN CERTIFICATE-----")
    assert '"plant/asked"' in ca.run("list", "--json").stdout
    shutil.rmtree(hub.folder)


sys.exit(run_tests([test_the_command_line, test_who_gets_in, test_a_revocation_closes_live_connections,
                    test_a_session_does_not_outlive_its_certificate, test_rotation_under_load,
                    test_a_broken_file_changes_nothing, test_certificates_by_name, test_pre_shared_keys,
                    test_versions_and_ciphers]))
