"""Devices of a cluster: each keeps one persistent session connected to some node, takes the next address when
its connection ends or falls silent, and writes down what it saw for the checkers (test/sim/history/README.md).

QoS 2 as MQTT 5.0 §4.3.3: PUBLISH (again with DUP) until PUBREC, then PUBREL until PUBCOMP; a message is
accepted once its PUBREC is here. Ids are numbers, unique for ever, and are the payload.
"""
import ctypes
import json
import socket
import struct
import threading
import time

from raw_client import CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE, packet, text

CONNECT_LIMIT_S = 1.0
ANSWER_LIMIT_S = 4.0  # a CONNACK comes, or a refusal after two seconds without a leader
PING_S = 1.0


def set_of(key, sets):
    """The set that a topic or client id belongs to (core/message/slots.h)."""
    xxhash = ctypes.CDLL("libxxhash.so.0")
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    device = "/".join(key.split("/")[:2]).encode()
    return 1 + xxhash.XXH3_64bits(device, ctypes.c_size_t(len(device))) % 1024 * sets // 1024


def names_in_each_set(pattern, sets):
    """One name for each set: `pattern` with a number for its {}."""
    found = {}
    for number in range(10000):
        name = pattern.format(number)
        found.setdefault(set_of(name, sets), name)
        if len(found) == sets:
            return [found[one] for one in sorted(found)]
    raise AssertionError(f"{pattern} does not reach {sets} sets")


class QueuePlan:
    """Topics `stem`/…, rules that copy each of their messages to a queue, and which messages a queue is owed.

    What a rule makes stays in the set that took the publish: QoS 1 that of the topic, QoS 2 that of the client. Each
    set has a queue of its own here, homed in it."""

    def __init__(self, stem, sets):
        self.filter = f"{stem}/#"
        queues = names_in_each_set(f"{stem}-q{{}}", sets)
        once, twice = names_in_each_set(f"{stem}/one{{}}/x", sets), names_in_each_set(f"{stem}/two{{}}/x", sets)
        self.topics = {1: once, 2: twice}
        self.owed = {queue: [topic] for queue, topic in zip(queues, once)}
        self.owed[queues[0]] += twice
        self.rules = [{"id": f"{stem}-{number}", "sql": f"SELECT VALUE payload FROM '{topic}'",
                       "actions": [{"queue": {"name": queue}}]}
                      for number, (queue, topic) in enumerate((q, t) for q, owed in self.owed.items() for t in owed)]
        self.rules += [{"queue": queue, "max_messages": 10_000_000} for queue in queues]
        self.names = (name for name in (f"{stem}-p{i}" for i in range(100_000)) if set_of(name, sets) == 1)

    def publisher_name(self):
        return next(self.names)


class History:
    """Events as JSON lines, in memory until save(); t in microseconds of one clock."""

    def __init__(self):
        self.events = []
        self.connection = 0
        self.lock = threading.Lock()

    def write(self, kind, who, **fields):
        self.events.append((kind, who, time.monotonic_ns() // 1000, fields))

    def next_connection(self):
        with self.lock:
            self.connection += 1
            return self.connection

    def save(self, path):
        with open(path, "w") as out:
            for kind, who, at, fields in self.events:
                out.write(json.dumps({"e": kind, "who": who, "t": at, **fields}) + "\n")


class Device:
    def __init__(self, name, addresses, history, version=5, silence_s=3.0):
        self.name, self.addresses, self.history = name, list(addresses), history
        self.version, self.silence_s = version, silence_s
        self.running, self.began = True, False
        self.connects = self.resumed = self.address = 0
        self.refusals, self.endings = [], []  # CONNACK codes; [when, where, why] connections ended
        self.begins = []  # [when, where] it was let in
        self.problem = None
        self.socket, self.ready = None, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True, name=name)

    def start(self):
        self.thread.start()
        return self

    def finish(self, seconds=60):
        """Ends when nothing is left to do; fails by name."""
        self.running = False
        self.thread.join(seconds)
        assert not self.problem, f"{self.name}: {self.problem}"
        assert not self.thread.is_alive(), f"{self.name}: {self.state()}, {self.endings[-5:]}, {self.refusals[-5:]}"

    def busy(self):
        return self.running

    def _run(self):
        try:
            while self.busy():
                try:
                    self._serve()
                except OSError as ending:
                    self.endings.append((round(time.monotonic(), 3), self.addresses[self.address], str(ending)))
                self.ready.clear()
                self.address = (self.address + 1) % len(self.addresses)
                if self.busy():
                    time.sleep(0.02)  # a refused connection costs nothing: do not spin
        except Exception as problem:  # for finish() to tell
            self.problem = repr(problem)

    def _serve(self):
        with socket.create_connection(self.addresses[self.address], timeout=CONNECT_LIMIT_S) as self.socket:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.buffer, self.heard, self.pinged = b"", time.monotonic(), time.monotonic()
            self._connect()
            self.ready.set()
            self.connected()
            while self.busy():
                wait = self.work()
                if not self._read(wait):
                    self._watch()

    def _connect(self):
        expiry = b"\x05\x11" + struct.pack(">I", 3600) if self.version == 5 else b""
        head = text("MQTT") + bytes([self.version, 0]) + struct.pack(">H", 60)
        self.connection = self.history.next_connection()
        self.socket.sendall(packet(0x10, head + expiry + text(self.name)))
        until = time.monotonic() + ANSWER_LIMIT_S
        while not (got := self._packet()):
            if time.monotonic() > until:
                raise OSError("no CONNACK")
            self._receive(0.1)
        kind, body = got
        if kind != CONNACK or body[1] != 0:
            self.refusals.append(body[1])
            raise OSError(f"CONNACK 0x{body[1]:02x}")
        self.connects += 1
        self.begins.append((round(time.monotonic(), 3), self.addresses[self.address]))
        self.resumed += body[0] & 1
        if self.began and not body[0] & 1:
            self.history.write("lost", self.name)
            raise AssertionError(f"the session was lost at {self.addresses[self.address]}")
        self.began = True

    def _watch(self):
        now = time.monotonic()
        if now - self.heard > self.silence_s:
            raise OSError("silent")
        if now - self.pinged > PING_S:
            self.pinged = now
            self.socket.sendall(b"\xc0\0")

    def _read(self, wait):
        """Takes what is here; False when nothing came within `wait`."""
        if not self._receive(wait):
            return False
        while (got := self._packet()):
            self.take(*got)
        return True

    def _receive(self, wait):
        self.socket.settimeout(max(wait, 0.001))
        try:
            received = self.socket.recv(65536)
        except TimeoutError:
            self.socket.settimeout(CONNECT_LIMIT_S)
            return False
        self.socket.settimeout(CONNECT_LIMIT_S)
        if not received:
            raise OSError("closed")
        self.heard = time.monotonic()
        self.buffer += received
        return True

    def _packet(self):
        size, shift = 0, 0
        for at, byte in enumerate(self.buffer[1:5], 1):
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                if len(self.buffer) < at + 1 + size:
                    return None
                first, body = self.buffer[0], self.buffer[at + 1:at + 1 + size]
                self.buffer = self.buffer[at + 1 + size:]
                self.flags = first & 15
                if first >> 4 == DISCONNECT:
                    raise OSError(f"DISCONNECT 0x{body[0] if body else 0:02x}")
                return first >> 4, body
        return None

    def send(self, kind, packet_id, flags=0):
        self.socket.sendall(packet(kind << 4 | flags, struct.pack(">H", packet_id)))

    def connected(self):
        pass

    def work(self):
        return 0.1

    def state(self):
        return ""


class Publisher(Device):
    """Publishes to its topics in turn, `rate` a second and at most `window` unanswered."""

    def __init__(self, name, addresses, history, topics, qos, number, rate=100, window=50, **more):
        super().__init__(name, addresses, history, **more)
        self.topics, self.qos, self.window, self.interval = topics, qos, window, 1 / rate
        self.base, self.sent, self.acked, self.refused = number * 10**9, 0, {}, []
        self.in_flight = {}  # packet id -> [id, topic, "publish" | "release"], oldest first
        self.next_id, self.next_at = 0, 0

    def busy(self):
        return self.running or self.in_flight

    def state(self):
        return f"{len(self.in_flight)} unanswered, {list(self.in_flight.items())[:3]}"

    def connected(self):
        again = []
        for packet_id, (number, topic, state) in self.in_flight.items():
            again.append(self._publish(packet_id, number, topic, True) if state == "publish"
                         else packet(PUBREL << 4 | 2, struct.pack(">H", packet_id)))
        self.socket.sendall(b"".join(again))

    def work(self):
        now = time.monotonic()
        self.next_at = max(self.next_at, now - 0.1)
        while self.running and len(self.in_flight) < self.window and self.next_at <= now:
            self.next_at += self.interval
            self.next_id = self.next_id % 65535 + 1
            topic = self.topics[self.sent % len(self.topics)]
            number = self.base + self.sent
            self.sent += 1
            self.in_flight[self.next_id] = [number, topic, "publish"]
            self.socket.sendall(self._publish(self.next_id, number, topic, False))
        return min(0.1, max(self.next_at - now, 0.001)) if len(self.in_flight) < self.window and self.running else 0.1

    def _publish(self, packet_id, number, topic, again):
        self.history.write("sent", self.name, topic=topic, qos=self.qos, id=number, connection=self.connection)
        body = text(topic) + struct.pack(">H", packet_id) + (b"\0" if self.version == 5 else b"")
        return packet(PUBLISH << 4 | self.qos << 1 | (8 if again else 0), body + str(number).encode())

    def take(self, kind, body):
        if kind not in (PUBACK, PUBREC, PUBCOMP):
            return
        packet_id = struct.unpack(">H", body[:2])[0]
        reason = body[2] if len(body) > 2 else 0
        if packet_id not in self.in_flight:
            return
        number = self.in_flight[packet_id][0]
        if kind in (PUBACK, PUBREC) and reason >= 0x80:
            self.in_flight.pop(packet_id)
            self.refused.append((number, reason))
            self.history.write("refused", self.name, id=number)
            return
        if kind in (PUBACK, PUBREC) and number not in self.acked:
            self.acked[number] = time.monotonic()
            self.history.write("acknowledged", self.name, id=number)
        if kind == PUBREC:
            self.in_flight[packet_id][2] = "release"
            self.send(PUBREL, packet_id, 2)
        else:
            self.in_flight.pop(packet_id)


class Subscriber(Device):
    """Subscribes once and keeps what it is given: QoS 2 once per handshake."""

    def __init__(self, name, addresses, history, topic_filter, qos=2, **more):
        super().__init__(name, addresses, history, **more)
        self.filter, self.qos, self.subscribed = topic_filter, qos, False
        self.delivered = {}  # id -> times
        self.open = set()  # packet ids between PUBLISH and PUBREL

    def state(self):
        return f"{len(self.delivered)} delivered, {len(self.open)} handshakes open"

    def connected(self):
        if not self.subscribed:
            properties = b"\0" if self.version == 5 else b""
            body = b"\0\1" + properties + text(self.filter) + bytes([self.qos])
            self.socket.sendall(packet(SUBSCRIBE << 4 | 2, body))

    def take(self, kind, body):
        if kind == SUBACK:
            if body[-1] != self.qos:
                raise OSError(f"SUBACK 0x{body[-1]:02x}")  # may be tried again
            self.subscribed = True
            self.history.write("subscribed", self.name, filter=self.filter, qos=self.qos, persistent=True)
        elif kind == PUBREL:
            packet_id = struct.unpack(">H", body[:2])[0]
            self.open.discard(packet_id)
            self.send(PUBCOMP, packet_id)
        elif kind == PUBLISH:
            self._take_publish(body)

    def _take_publish(self, body):
        qos, dup, retain = self.flags >> 1 & 3, bool(self.flags & 8), bool(self.flags & 1)
        size = struct.unpack(">H", body[:2])[0]
        topic, at = body[2:2 + size].decode(), 2 + size + (2 if qos else 0)
        packet_id = struct.unpack(">H", body[2 + size:4 + size])[0] if qos else 0
        if self.version == 5:
            assert body[at] < 128, "properties this long are not ours"
            at += 1 + body[at]
        if qos < 2 or packet_id not in self.open:
            number = int(body[at:])
            self.delivered[number] = self.delivered.get(number, 0) + 1
            self.history.write("delivered", self.name, topic=topic, qos=qos, id=number, dup=dup, retain=retain,
                               connection=self.connection)
        if qos == 1:
            self.send(PUBACK, packet_id)
        elif qos == 2:
            self.open.add(packet_id)
            self.send(PUBREC, packet_id)
