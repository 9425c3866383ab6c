"""A WebSocket as a stream of bytes, for tests that decide each byte themselves («RFC 6455»)."""
import base64
import hashlib
import os

KEY = base64.b64encode(b"sixteen bytes !!").decode()
ACCEPT = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def request(protocol="mqtt", key=KEY, version="13"):
    return (f"GET /mqtt HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: {version}\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n").encode()


def frame(opcode, payload, fin=True):
    mask = os.urandom(4)
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big") if size < 65536 \
        else b"\xff" + size.to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class WebSocketStream:
    """Looks like a socket; what is sent goes as one binary frame."""

    def __init__(self, stream):
        self.stream, self.buffer, self.closed = stream, b"", None
        stream.settimeout(10)
        stream.sendall(request())
        while b"\r\n\r\n" not in self.buffer:
            self._read()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 ") and ACCEPT.encode() in head, head
        assert b"\r\nSec-WebSocket-Protocol: mqtt" in head, head

    def _read(self):
        more = self.stream.recv(65536)
        if not more:
            raise OSError("closed")
        self.buffer += more

    def settimeout(self, seconds):
        self.stream.settimeout(seconds)

    def sendall(self, data):
        self.stream.sendall(frame(2, data))

    def recv(self, _size):
        """The payload of the next binary frame; b"" after Close or the end."""
        while True:
            taken = self._take_frame()
            if taken is None:
                try:
                    self._read()
                except TimeoutError:
                    raise
                except OSError:
                    return b""
                continue
            opcode, payload = taken
            if opcode == 8:
                self.closed = int.from_bytes(payload[:2], "big")
                return b""
            if opcode == 2 and payload:
                return payload

    def _take_frame(self):
        if len(self.buffer) < 2:
            return None
        size, at = self.buffer[1] & 0x7F, 2
        assert not self.buffer[1] & 0x80, "a server does not mask"
        if size >= 126:
            more = 2 if size == 126 else 8
            if len(self.buffer) < 2 + more:
                return None
            size, at = int.from_bytes(self.buffer[2:2 + more], "big"), 2 + more
        if len(self.buffer) < at + size:
            return None
        opcode, payload = self.buffer[0] & 0x0F, self.buffer[at:at + size]
        self.buffer = self.buffer[at + size:]
        return opcode, payload

    def close(self):
        self.stream.close()
