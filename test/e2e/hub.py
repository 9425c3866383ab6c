"""A hub process for the end-to-end tests: its own data directory, any free ports, ended by pid.

Used by the *_test.py files beside it, which take the path of the causeway program as their argument.
"""
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request


def wait_until(what, condition, seconds=20):
    """Polls until `condition` gives something true and returns that; fails by name."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Certificates:
    """A CA, a server and a device certificate made by the program itself."""

    def __init__(self, program, folder):
        self.dir = pathlib.Path(folder) / "certs"
        run = lambda *args: subprocess.run([program, "cert", *args, "--dir", str(self.dir)], check=True,
                                           stdout=subprocess.DEVNULL)
        run("init")
        run("issue-server", "--name", "localhost", "--name", "127.0.0.1")
        run("issue-device", "--id", "dev7")
        self.ca = str(self.dir / "ca.crt")
        self.server = (str(self.dir / "server.crt"), str(self.dir / "server.key"))
        self.device = (str(self.dir / "devices/dev7.crt"), str(self.dir / "devices/dev7.key"))


class Api:
    """The HTTP API of a hub at self.api."""
    context = None  # of TLS, if it is https

    def token(self):
        """The one of this start; none where the API asks for none."""
        return None

    def headers(self):
        token = self.token()
        return {"Authorization": "Bearer " + token} if token else {}

    def get(self, path):
        try:
            request = urllib.request.Request(self.api + path, headers=self.headers())
            with urllib.request.urlopen(request, timeout=40, context=self.context) as answer:
                text = answer.read().decode()
                return answer.status, json.loads(text) if path != "/metrics" else text
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read().decode() or "{}")
        except OSError:
            return 0, {}

    def post(self, path, body):
        return self.send("POST", path, body)

    def send(self, method, path, body):
        """`body` is sent as JSON, or as it is when it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, data, {"Content-Type": "application/json", **self.headers()},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=40, context=self.context) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read().decode() or "{}")
        except OSError:
            return 0, {}

    def metrics(self):
        """Every sample of /metrics by its name with labels."""
        lines = [l for l in self.get("/metrics")[1].splitlines() if l and not l.startswith("#")]
        return {l.rsplit(" ", 1)[0]: float(l.rsplit(" ", 1)[1]) for l in lines}

    def drain_queue(self, queue, wait_s=0):
        """Receives and acknowledges everything in the queue; returns the payloads."""
        payloads = []
        while True:
            status, answer = self.post(f"/v1/queues/{queue}/receive", {"max": 256, "wait_s": wait_s})
            assert status == 200, (status, answer)
            if not answer["messages"]:
                return payloads
            payloads += [message["payload"] for message in answer["messages"]]
            receipts = [message["receipt"] for message in answer["messages"]]
            status, answer = self.post(f"/v1/queues/{queue}/ack", {"receipts": receipts})
            assert status == 200 and not answer["failed"], (status, answer)


class Hub(Api):
    """`with Hub(program) as hub`: started, ready to take connections; stopped at the end."""

    def __init__(self, program, rules=None, config=None, environment=None, folder=None):
        self.program = program
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="causeway-e2e-"))
        self.own_folder = folder is None
        self.folder.mkdir(exist_ok=True)
        self.data = self.folder / "data"
        self.rules = self.folder / "rules"
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        if rules is not None:
            self.rules.mkdir(exist_ok=True)
            (self.rules / "rules.json").write_text(json.dumps(rules))
        self.certificates = None
        self.config = {
            "node": {"data_dir": str(self.data)},
            "listeners": [{"type": "tcp", "bind": "127.0.0.1:0", "anonymous": True}],
            "api": {"bind": "127.0.0.1:0"},
            # Tests make many hubs: small files.
            "wal": {"segment_bytes": 8 << 20, "bytes_max": 64 << 20},
            "store": {"disk_reserve_bytes": 1 << 20},
        }
        if rules is not None:
            self.config["rules_dir"] = str(self.rules)
        self.config.update(config or {})

    def with_tls(self, **options):
        self.certificates = Certificates(self.program, self.folder)
        self.config["listeners"].append({
            "type": "tls", "bind": "127.0.0.1:0", "anonymous": True,
            "certificate": self.certificates.server[0], "private_key": self.certificates.server[1],
            **options})
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if self.process and self.process.poll() is None:
            self.stop()
        if self.own_folder and kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif kind is not None:
            print(f"--- the hub's log ({self.folder})")
            print((self.folder / "log").read_text()[-6000:])

    def spawn(self):
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config))
        (self.data / "ports.json").unlink(missing_ok=True)
        self.log = open(self.folder / "log", "a")
        self.process = subprocess.Popen([self.program, "serve", "--config", str(path)], stdout=self.log,
                                        stderr=self.log, env=self.environment)
        return self

    @property
    def address(self):
        return "127.0.0.1", self.tcp

    def start(self):
        self.spawn()

        def ports():
            ended = self.process.poll()
            assert ended is None, f"the hub ended with {ended}: {(self.folder / 'log').read_text().strip().rpartition(chr(10))[2]}"
            return (self.data / "ports.json").exists()
        wait_until("ports.json", ports, 60)
        bound = json.loads((self.data / "ports.json").read_text())
        self.tcp = next((l["port"] for l in bound["listeners"] if l["type"] == "tcp"), None)
        self.tls = next((l["port"] for l in bound["listeners"] if l["type"] == "tls"), None)
        self.ws = next((l["port"] for l in bound["listeners"] if l["type"] == "ws"), None)
        self.wss = next((l["port"] for l in bound["listeners"] if l["type"] == "wss"), None)
        self.api = f"{'http' if self.context is None else 'https'}://127.0.0.1:{bound['api']}"
        wait_until("health", lambda: self.get("/healthz")[0] in (200, 503), 30)
        wait_until("serving", lambda: self.get("/healthz")[1].get("serving"), 60)
        return self

    def stop(self, seconds=8):
        """SIGTERM; returns (exit code, seconds it took)."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds + 60)
        return code, time.monotonic() - begin

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log_text(self):
        return (self.folder / "log").read_text()


def hub_with(program, *types, rules=None, config=None, **options):
    """A hub with a listener of each type; `options` are for all of them."""
    hub = Hub(program, rules=rules, config=config)
    hub.config["listeners"] = []
    if any(kind in ("tls", "wss") for kind in types):
        hub.with_tls()
        certified = hub.config["listeners"].pop()
    for kind in types:
        listener = {"type": kind, "bind": "127.0.0.1:0", "anonymous": True, **options}
        if kind in ("tls", "wss"):
            listener.update({key: certified[key] for key in ("certificate", "private_key")})
        hub.config["listeners"].append(listener)
    return hub


class Hook:
    """An HTTP endpoint on loopback that keeps what it is sent; `answer` decides the status by call."""

    def __init__(self, answer=lambda calls: 200, port=0):
        self.calls = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                hook.calls.append((self.path, body.decode(), dict(self.headers)))
                self.send_response(answer(len(hook.calls)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def run_tests(tests):
    """Runs the functions, prints a line each, and returns the exit code."""
    failed = 0
    for test in tests:
        begin = time.monotonic()
        try:
            test()
            print(f"ok      {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception:
            import traceback
            traceback.print_exc()
            print(f"FAILED  {test.__name__}", flush=True)
            failed += 1
    return 1 if failed else 0
