"""A bare MQTT 5.0 connection for tests that look at every packet."""
import contextlib
import socket
import struct
import time

from raw_client import CONNACK, PUBLISH, SUBACK, SUBSCRIBE, packet, text


class Wire:
    """A bare 5.0 connection: it answers nothing by itself."""

    def __init__(self, node, client_id, clean=False, expiry=3600, will=None, limit_s=15):
        self.socket = socket.create_connection(node.address, timeout=limit_s)
        self.buffer = b""
        connect_properties = b"\x05\x11" + struct.pack(">I", expiry)
        flags = (2 if clean else 0) | (0x0C if will else 0)
        tail = b"\0" + text(will[0]) + text(will[1]) if will else b""
        self.began = time.monotonic()
        self.socket.sendall(packet(0x10, text("MQTT") + bytes([5, flags, 0, 60]) + connect_properties +
                                   text(client_id) + tail))

    def accepted(self):
        kind, body = self.read()
        assert kind == CONNACK and body[1] == 0, (kind, body.hex())
        self.present = body[0] & 1
        return self

    def read(self, limit_s=15):
        """The next packet, (0, b"") at the end of the stream, None when none comes in time."""
        self.socket.settimeout(limit_s)
        while True:
            if len(self.buffer) >= 2:
                size, at = self.buffer[1], 2
                if size > 127 and len(self.buffer) > 2:
                    size, at = size - 128 + self.buffer[2] * 128, 3
                if len(self.buffer) >= at + size:
                    self.first, body = self.buffer[0], self.buffer[at:at + size]
                    self.buffer = self.buffer[at + size:]
                    return self.first >> 4, body
            try:
                received = self.socket.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                received = b""
            if not received:
                return 0, b""
            self.buffer += received

    def expect(self, kind, start=b""):
        got = self.read()
        assert got and got[0] == kind and got[1].startswith(start), (kind, start.hex(), got)
        return got[1]

    def message(self):
        """(payload, packet id, qos, dup) of the PUBLISH that is next."""
        body = self.expect(PUBLISH)
        size, qos = struct.unpack(">H", body[:2])[0], self.first >> 1 & 3
        at = 2 + size + (2 if qos else 0)
        packet_id = struct.unpack(">H", body[2 + size:4 + size])[0] if qos else 0
        return body[at + 1 + body[at]:].decode(), packet_id, qos, self.first >> 3 & 1

    def send(self, kind, packet_id, flags=0):
        self.socket.sendall(packet(kind << 4 | flags, struct.pack(">H", packet_id)))
        return self

    def publish(self, topic, payload, packet_id, qos=1, dup=False):
        self.socket.sendall(packet(PUBLISH << 4 | qos << 1 | (8 if dup else 0),
                                   text(topic) + struct.pack(">H", packet_id) + b"\0" + payload.encode()))
        return self

    def subscribe(self, topic_filter, qos):
        self.socket.sendall(packet(SUBSCRIBE << 4 | 2, b"\0\1\0" + text(topic_filter) + bytes([qos])))
        assert self.expect(SUBACK)[-1] == qos
        return self

    def close(self):
        self.socket.close()


def come_in(at, name):
    """A connection with a successful CONNACK, or None."""
    with contextlib.suppress(OSError):
        wire = Wire(at, name, limit_s=3)
        got = wire.read(4)
        if got and got[0] == CONNACK and got[1][1] == 0:
            wire.present = got[1][0] & 1
            return wire
        wire.close()
    return None
