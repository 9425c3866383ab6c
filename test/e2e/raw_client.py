"""Small MQTT clients on a bare socket, for the crash tests: they alone decide what is sent again, so that
what was acknowledged is known exactly. 3.1.1 and 5.0, persistent sessions, reconnect until told to stop.

QoS 2 as MQTT 5.0 §4.3.3: PUBLISH (again with DUP) until PUBREC, then PUBREL until PUBCOMP; a message is
accepted once its PUBREC is here.
"""
import socket
import struct
import threading
import time

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = 2, 3, 4, 5, 6, 7, 8, 9
DISCONNECT = 14


def packet(first, body):
    size, length = len(body), b""
    while True:
        length += bytes([size % 128 | (0x80 if size >= 128 else 0)])
        size //= 128
        if size == 0:
            return bytes([first]) + length + body


def text(value):
    value = value.encode()
    return struct.pack(">H", len(value)) + value


class RawClient:
    """Keeps one persistent session connected while busy(); the parts are in the classes below."""

    def __init__(self, name, version):
        self.name, self.version = name, version
        self.running = True
        self.resumed = self.connects = 0
        self.problem = None
        self.last = "nothing"  # that kept it from going on

    def start(self, port):
        self.port = port
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def finish(self, seconds=60):
        """Stops when nothing is left to do."""
        self.running = False
        self.thread.join(seconds)
        assert not self.problem, f"{self.name}: {self.problem}"
        assert not self.thread.is_alive(), f"{self.name}: {self.state()}; last: {self.last}"

    def _run(self):
        try:
            while self.busy():
                try:
                    with socket.create_connection(("127.0.0.1", self.port), timeout=5) as self.socket:
                        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self.buffer = b""
                        if self._connect():
                            self.connected()
                            while self.busy():
                                self.work()
                                self.take(*self._read())
                except OSError as error:
                    self.last = repr(error)
                    time.sleep(0.02)
        except AssertionError as problem:
            self.problem = problem

    def _connect(self):
        expiry = b"\x05\x11" + struct.pack(">I", 3600) if self.version == 5 else b""
        head = text("MQTT") + bytes([self.version, 0]) + struct.pack(">H", 60)
        self.socket.sendall(packet(0x10, head + expiry + text(self.name)))
        kind, body = self._read()
        if kind != CONNACK or body[1] != 0:
            self.last = f"packet {kind}: {body.hex()}"
            time.sleep(0.05)
            return False
        self.connects += 1
        self.resumed += body[0] & 1
        # Without its session nothing of the old handshakes would be known any more [MQTT-3.1.2-4].
        assert body[0] & 1 or self.resumed == 0 and not self.began, "the session was lost"
        self.began = True
        return True

    began = False

    def _read(self):
        while True:
            size, shift = 0, 0
            for at, byte in enumerate(self.buffer[1:5], 1):
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    if len(self.buffer) >= at + 1 + size:
                        first, body = self.buffer[0], self.buffer[at + 1:at + 1 + size]
                        self.buffer = self.buffer[at + 1 + size:]
                        self.flags = first & 15
                        if first >> 4 == DISCONNECT:
                            raise OSError(f"DISCONNECT {body.hex()}")
                        return first >> 4, body
                    break
            received = self.socket.recv(65536)
            if not received:
                raise OSError("closed")
            self.buffer += received

    def send(self, kind, packet_id, flags=0):
        self.socket.sendall(packet(kind << 4 | flags, struct.pack(">H", packet_id)))


class RawPublisher(RawClient):
    """Publishes name:0, name:1, ... to crash/name, at most `window` of them unanswered."""

    def __init__(self, name, version, qos, window=20):
        super().__init__(name, version)
        self.qos, self.window = qos, window
        self.sent, self.acked, self.refused = [], set(), []
        self.in_flight = {}  # packet id -> [payload, "publish" | "release"], oldest first
        self.next_id = 0

    def busy(self):
        return self.running or self.in_flight

    def state(self):
        return f"{len(self.in_flight)} unanswered, {list(self.in_flight.items())[:3]}"

    def connected(self):
        again = b""
        for packet_id, (payload, state) in self.in_flight.items():
            again += self._publish(packet_id, payload, True) if state == "publish" else \
                packet(PUBREL << 4 | 2, struct.pack(">H", packet_id))
        self.socket.sendall(again)

    def work(self):
        while self.running and len(self.in_flight) < self.window:
            self.next_id = self.next_id % 65535 + 1
            payload = f"{self.name}:{len(self.sent)}"
            self.in_flight[self.next_id] = [payload, "publish"]
            self.sent.append(payload)
            self.socket.sendall(self._publish(self.next_id, payload, False))

    def _publish(self, packet_id, payload, again):
        body = text(f"crash/{self.name}") + struct.pack(">H", packet_id)
        body += b"\0" if self.version == 5 else b""
        return packet(PUBLISH << 4 | self.qos << 1 | (8 if again else 0), body + payload.encode())

    def take(self, kind, body):
        packet_id = struct.unpack(">H", body[:2])[0]
        reason = body[2] if len(body) > 2 else 0
        payload = self.in_flight.get(packet_id, [None])[0]
        if kind in (PUBACK, PUBREC) and reason >= 0x80:
            self.refused.append((self.in_flight.pop(packet_id)[0], reason))
        elif kind == PUBACK:
            self.in_flight.pop(packet_id)
            self.acked.add(payload)
        elif kind == PUBREC:
            self.acked.add(payload)
            self.in_flight[packet_id][1] = "release"
            self.send(PUBREL, packet_id, 2)
        elif kind == PUBCOMP:
            self.in_flight.pop(packet_id)


class RawSubscriber(RawClient):
    """Subscribes to a filter at QoS 2 and keeps what it is given: QoS 2 once per handshake."""

    def __init__(self, name, version, topic_filter):
        super().__init__(name, version)
        self.filter = topic_filter
        self.subscribed = False
        self.delivered = []
        self.received = set()  # QoS 2 packet ids between PUBLISH and PUBREL

    def busy(self):
        return self.running

    def state(self):
        return f"{len(self.delivered)} delivered, {len(self.received)} handshakes open"

    def connected(self):
        if not self.subscribed:
            properties = b"\0" if self.version == 5 else b""
            self.socket.sendall(packet(SUBSCRIBE << 4 | 2, b"\0\1" + properties + text(self.filter) + b"\2"))

    def work(self):
        pass

    def finish(self, seconds=60):
        self.running = False
        self.socket.shutdown(socket.SHUT_RDWR)
        super().finish(seconds)

    def take(self, kind, body):
        if kind == SUBACK:
            assert body[-1] == 2, body
            self.subscribed = True
        elif kind == PUBREL:
            packet_id = struct.unpack(">H", body[:2])[0]
            self.received.discard(packet_id)
            self.send(PUBCOMP, packet_id)
        elif kind == PUBLISH:
            topic_size = struct.unpack(">H", body[:2])[0]
            packet_id = struct.unpack(">H", body[2 + topic_size:4 + topic_size])[0]
            payload = body[4 + topic_size + (1 if self.version == 5 else 0):].decode()
            if self.flags >> 1 & 3 == 1:
                self.delivered.append(payload)
                self.send(PUBACK, packet_id)
                return
            if packet_id not in self.received:
                self.received.add(packet_id)
                self.delivered.append(payload)
            self.send(PUBREC, packet_id)
