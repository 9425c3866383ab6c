"""MQTT clients of the npm registry for the end-to-end tests: installs them, runs them in one node process.

What is installed is pinned by test/e2e/node/package-lock.json. node/clients.cjs is the other end.
"""
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import threading

from hub import wait_until

HERE = pathlib.Path(__file__).resolve().parent / "node"
SKIPPED = 77  # ctest shows it as skipped
INSTALL_MAX_S = 240


class NotInstalled(Exception):
    pass


def install(folder):
    """Makes folder/node_modules what the lock file says; does nothing when it is."""
    folder = pathlib.Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lock, stamp = (HERE / "package-lock.json").read_bytes(), folder / "installed.json"
    if stamp.exists() and stamp.read_bytes() == lock:
        return folder
    if not (shutil.which("node") and shutil.which("npm")):
        raise NotInstalled("node or npm is missing: run scripts/deps")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    try:
        # The packages need no scripts of their own to be installed.
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                              cwd=folder, capture_output=True, text=True, timeout=INSTALL_MAX_S)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"npm ci in {folder} took more than {INSTALL_MAX_S} s: is the npm registry reachable?")
    if done.returncode != 0:
        reason = "\n".join(done.stderr.strip().splitlines()[:3])
        raise NotInstalled(f"npm ci in {folder} failed; without the npm registry, copy node_modules there and "
                           f"package-lock.json as installed.json\n{reason}")
    stamp.write_bytes(lock)
    return folder


def install_or_skip(folder):
    """Without the registry a developer's run is skipped, in sight; a run of CI fails."""
    try:
        return install(folder)
    except NotInstalled as problem:
        in_ci = os.environ.get("CI", "") not in ("", "0", "false")
        print(f"{'FAILED ' if in_ci else 'SKIPPED'} the clients of the npm registry: {problem}", flush=True)
        raise SystemExit(1 if in_ci else SKIPPED)


class NodeProcess:
    """`with NodeProcess(folder, ca) as node`: runs clients; each NodeClient is one of them."""

    def __init__(self, folder, ca):
        environment = dict(os.environ, NODE_EXTRA_CA_CERTS=ca)
        self.process = subprocess.Popen(["node", str(HERE / "clients.cjs"), str(folder)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)
        self.clients, self.numbers, self.lock = {}, itertools.count(), threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            self.clients[event["id"]].events.append(event)

    def tell(self, client, op, **more):
        with self.lock:
            self.clients[client.id] = client
            self.process.stdin.write(json.dumps({"id": client.id, "op": op, **more}) + "\n")
            self.process.stdin.flush()


class NodeClient:
    """One client: library "mqtt" (MQTT.js) or "paho" (Paho JavaScript). Options are those of MQTT.js."""

    def __init__(self, node, library="mqtt"):
        self.node, self.library, self.id, self.events = node, library, next(node.numbers), []

    def all(self, name):
        return [event for event in self.events if event["event"] == name]

    def await_event(self, name, happened):
        def it():
            failed = self.all("failed")
            assert not failed, (name, failed)
            return happened()
        return wait_until(name, it)

    def connect(self, hub, transport, version, **options):
        scheme = {"tcp": "mqtt", "tls": "mqtts"}.get(transport, transport)
        url = f"{scheme}://localhost:{getattr(hub, transport)}{'/mqtt' if transport in ('ws', 'wss') else ''}"
        options = {"protocolVersion": {"3.1": 3, "3.1.1": 4, "5.0": 5}[version],
                   "protocolId": "MQIsdp" if version == "3.1" else "MQTT", "reconnectPeriod": 0, **options}
        self.node.tell(self, "open", library=self.library, url=url, options=options)
        self.await_event("CONNACK", lambda: self.all("connected"))
        return self

    def subscribe(self, topic, qos=1, **options):
        before = len(self.all("granted"))
        self.node.tell(self, "subscribe", topic=topic, options={"qos": qos, **options})
        return self.await_event("SUBACK", lambda: self.all("granted")[before:])[0]["codes"]

    def publish(self, topic, payload, qos=1, **options):
        """Publishes and waits until the handshake of its QoS is done."""
        number = next(self.node.numbers)
        self.node.tell(self, "publish", topic=topic, payload=payload, number=number, options={"qos": qos, **options})
        self.await_event(f"publish at QoS {qos}",
                         lambda: any(event["number"] == number for event in self.all("published")))

    def messages(self):
        return self.all("message")

    def payloads(self):
        return [event["payload"] for event in self.messages()]

    def expect(self, *payloads):
        """Waits for exactly these, in order."""
        wait_until(f"{len(payloads)} messages", lambda: len(self.messages()) >= len(payloads))
        assert self.payloads() == list(payloads), self.payloads()

    def disconnect(self):
        self._end("close")

    def drop(self):
        """Cuts the connection without DISCONNECT."""
        self._end("drop")

    stop = disconnect

    def _end(self, how):
        before = len(self.all("closed"))
        self.node.tell(self, how)
        wait_until("closed", lambda: len(self.all("closed")) > before)
