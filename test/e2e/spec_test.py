"""The wire cases of test/spec against a live hub, over TCP and over WebSocket.

A case names what the core answers; a live core answers for itself. So a case is played when a hub can
come to the same answers: no message is due to somebody who is away, no limit of the core is full. What
cannot be had from outside is skipped by the reason that is printed; the rest must match to the byte.

Usage: spec_test.py PATH_OF_CAUSEWAY [PART_OF_A_TITLE]
"""
import pathlib
import re
import select
import socket
import sys
import time

from hub import Hub, wait_until
from raw_client import packet, text
from websocket_stream import WebSocketStream

PROGRAM = sys.argv[1]
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
SPEC = pathlib.Path(__file__).resolve().parent.parent / "spec"
NEEDS_THE_CORES_HELP = ("deliver", "release", "takeover", "stream-lost", "without-leader", "slow",
                        "closed", "shutdown")
WAIT_MAX_MS = 3000
FEWEST = 45  # cases played over each transport


def wire(notation):
    """The bytes of a notation: hex, 'characters', "string with its length", { with its length }."""
    out, stack, at = bytearray(), [], 0
    while at < len(notation):
        c = notation[at]
        if c in "'\"":
            end = notation.index(c, at + 1)
            inside = notation[at + 1:end].encode()
            out += inside if c == "'" else len(inside).to_bytes(2, "big") + inside
            at = end + 1
        elif c == "{":
            stack.append(out)
            out, at = bytearray(), at + 1
        elif c == "}":
            inner, out, at = out, stack.pop(), at + 1
            out += packet(0, bytes(inner))[1:]
        elif c.isspace():
            at += 1
        else:
            out.append(int(notation[at:at + 2], 16))
            at += 2
    return bytes(out)


class Skip(Exception):
    pass


class Connection:
    def __init__(self, stream):
        self.stream, self.buffer = stream, b""

    def send(self, data):
        try:
            self.stream.sendall(data)
        except OSError:
            pass  # closed already: the expectations say whether it may be

    def take(self, seconds=5):
        """The next packet; b"" when the connection has ended, None when nothing came."""
        end = time.monotonic() + seconds
        while True:
            if len(self.buffer) >= 2:
                size, shift, at = 0, 0, 1
                while at < len(self.buffer):
                    size |= (self.buffer[at] & 0x7F) << shift
                    shift, at = shift + 7, at + 1
                    if not self.buffer[at - 1] & 0x80:
                        if len(self.buffer) >= at + size:
                            data, self.buffer = self.buffer[:at + size], self.buffer[at + size:]
                            return data
                        break
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.stream.settimeout(left)
            try:
                more = self.stream.recv(65536)
            except (TimeoutError, socket.timeout):
                return None
            except OSError:
                return b""
            if not more:
                return b""
            self.buffer += more


def connect_packet(version, words):
    name = {"3.1": "MQIsdp"}.get(version, "MQTT")
    level = {"3.1": 3, "3.1.1": 4, "5.0": 5}[version]
    body = text(name) + bytes([level, 2, 0, 60])
    if version == "5.0":
        properties = b""
        for key, number, size in (("receive_maximum", 0x21, 2), ("expiry", 0x11, 4),
                                  ("topic_alias_maximum", 0x22, 2), ("maximum_packet_size", 0x27, 4)):
            if key in words:
                properties += bytes([number]) + int(words[key]).to_bytes(size, "big")
        body += packet(0, properties)[1:]
    return packet(0x10, body + text("dev"))


class Case:
    def __init__(self, title, lines):
        self.title, self.lines, self.limits = title, lines, {}
        for line in lines:
            verb = line.split()[0]
            if verb in NEEDS_THE_CORES_HELP:
                raise Skip(f"the core must {verb}")
            if verb == "limits":
                self.limits = {k: int(v) for k, v in (w.split("=") for w in line.split()[1:])}
            if verb == "wait" and int(line.split("=")[1]) > WAIT_MAX_MS:
                raise Skip("a long wait")
            if verb == "<=":
                self._check_answer(line)
        commands = [line for line in lines if line.startswith("=>")
                    and not line.startswith(("=> QoS 0", "=> CLOSE", "=> acknowledged"))]
        # A live core goes on where the case ends before it has answered.
        self.more_may_come = len(commands) > sum(line.startswith("<=") for line in lines)
        if any("RELEASE" in line for line in commands) and not any("PUBLISH" in line for line in commands):
            raise Skip("there must be a publish already")
        if "repeated, before" in title:
            raise Skip("the core must take its time")

    def _check_answer(self, line):
        words = line.split()[1:]
        if words[0] not in ("ok", "opened"):
            raise Skip(f"the core must answer {words[0]}")
        if any(word in ("80", "97") for word in words):
            raise Skip("the core must refuse a filter")
        if "UNSUBSCRIBE" in " ".join(self.lines) and "00" in words:
            raise Skip("there must be a subscription already")

    def play(self, connection, connect_before):
        answers = [line for line in self.lines if line.startswith("<-") or line.startswith("close")]
        connect_before(expiry=3600 if any("opened present" in line for line in self.lines) else 0)
        for line in self.lines:
            words = line.split()
            if words[0] == "online":
                options = dict(word.split("=") for word in words[2:])
                connection.send(connect_packet(words[1], options))
                assert connection.take()[0] == 0x20, "CONNACK"
            elif words[0] == "->":
                connection.send(wire(line.split(" ", 2)[2]))
            elif words[0] == "wait":
                time.sleep(int(words[1].split("=")[1]) / 1000)
        for line in answers:
            got = connection.take()
            if line.startswith("close"):
                assert got == b"", f"{line}: {got}"
                return
            wanted = wire(line.split(" ", 2)[2])
            wanted = re.sub(rb"cw-[0-9a-v]{24}", b"cw-" + b"?" * 24, wanted)
            got = got and re.sub(rb"cw-[0-9a-v]{24}", b"cw-" + b"?" * 24, got)
            assert got == wanted, f"{line}\n    wanted {wanted}\n    got    {got}"
        if any("CONNECT" in line or "online" in line for line in self.lines):
            connection.send(b"\xc0\x00")
            got = connection.take()
            while self.more_may_come and got and got != b"\xd0\x00":
                got = connection.take()
            assert got == b"\xd0\x00", f"the connection is not as it was: {got}"


def cases():
    for path in sorted(SPEC.glob("*.txt")):
        title, lines = None, []
        for line in path.read_text().splitlines() + ["## "]:
            if line.startswith("## "):
                if title:
                    yield title, lines
                title, lines = line[3:], []
            elif line and not line.startswith("#"):
                lines.append(line)


CONFIGURED = {"keep_alive_max_s": "keep_alive_max_s", "receive_maximum": "receive_maximum",
              "inflight_max": "inflight_max", "topic_levels_max": "topic_levels_max",
              "topic_bytes_max": "topic_bytes_max", "topic_alias_maximum": "topic_aliases_max",
              "packet_bytes_max": "packet_bytes_max", "publish_rate_max": "publish_rate_max"}


def open_stream(hub, transport):
    stream = socket.create_connection(("127.0.0.1", hub.tcp if transport == "tcp" else hub.ws))
    return WebSocketStream(stream) if transport == "ws" else stream


def play_all(hub, chosen):
    """Plays the cases on this hub; returns how many by transport."""
    watcher = socket.create_connection(("127.0.0.1", hub.tcp))  # so that publishes have a subscriber
    watcher.sendall(packet(0x10, text("MQTT") + bytes([4, 2, 0, 0]) + text("watcher")))
    watcher.sendall(packet(0x82, b"\x00\x01" + text("#") + b"\x00"))
    wait_until("the watcher", lambda: hub.metrics()["causeway_subscriptions"] >= 1)
    failed = []
    for transport in ("tcp", "ws"):
        for case in chosen:
            while select.select([watcher], [], [], 0)[0]:
                watcher.recv(65536)

            def connect_before(expiry):
                """The session of "dev" begins anew, and stays if it may expire later."""
                with socket.create_connection(("127.0.0.1", hub.tcp)) as before:
                    before.sendall(packet(0x10, text("MQTT") + b"\x05\x02\x00\x3c\x05\x11" +
                                          expiry.to_bytes(4, "big") + text("dev")))
                    assert Connection(before).take()[0] == 0x20
                    before.sendall(b"\xe0\x00")
                    assert Connection(before).take() == b""
            stream = open_stream(hub, transport)
            try:
                case.play(Connection(stream), connect_before)
            except Exception as problem:  # all of them are told
                failed.append(f"{case.title} ({transport}): {problem}")
            finally:
                stream.close()
    watcher.close()
    return failed


def main():
    by_limits, skipped = {}, {}
    for title, lines in cases():
        if ONLY not in title:
            continue
        try:
            case = Case(title, lines)
            by_limits.setdefault(tuple(sorted(case.limits.items())), []).append(case)
        except Skip as reason:
            skipped.setdefault(str(reason), []).append(title)
    failed, played = [], 0
    for limits, chosen in by_limits.items():
        config = {"limits": {CONFIGURED[key]: value for key, value in limits},
                  "listeners": [{"type": kind, "bind": "127.0.0.1:0", "anonymous": True}
                                for kind in ("tcp", "ws")]}
        with Hub(PROGRAM, config=config) as hub:
            failed += play_all(hub, chosen)
            played += len(chosen)
    for reason, titles in sorted(skipped.items()):
        print(f"skipped {len(titles)}: {reason}")
    for line in failed:
        print(f"FAILED  {line}")
    print(f"{played} cases played over TCP and over WebSocket, {len(failed)} failed")
    return 1 if failed or (played < FEWEST and not ONLY) else 0


if __name__ == "__main__":
    sys.exit(main())
