"""Credentials of devices as their SDKs make them, and a client on a bare socket that shows them: the
CONNACK code is read off the wire. For auth_test.py and scripts/hostile.
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import time

from raw_client import packet, text


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(device, secret, expiry=None, algorithm="sha256"):
    """User name and password of the Tencent form."""
    user = f"{device};12010126;{os.urandom(3).hex()};{int(expiry or time.time() + 600)}"
    digest = hmac.new(base64.b64decode(secret), user.encode(), algorithm).hexdigest()
    return user, f"{digest};hmac{algorithm}"


def aliyun(product, name, secret, stamp=None, identity="x"):
    """Client id, user name and password of the Aliyun form."""
    stamp = stamp or int(time.time() * 1000)
    content = f"clientId{identity}deviceName{name}productKey{product}timestamp{stamp}"
    digest = hmac.new(secret.encode(), content.encode(), "sha256").hexdigest()
    return f"{identity}|securemode=3,signmethod=hmacsha256,timestamp={stamp}|", f"{name}&{product}", digest


def token(key, algorithm="HS256", header=None, **claims):
    claims = {"exp": int(time.time()) + 600, **claims}
    head = {"alg": algorithm, **(header or {})}
    signing = f"{b64url(json.dumps(head).encode())}.{b64url(json.dumps(claims).encode())}"
    return f"{signing}.{b64url(hmac.new(key, signing.encode(), 'sha256').digest())}"


def prop_text(identifier, value):
    value = value if isinstance(value, bytes) else value.encode()
    return bytes([identifier]) + struct.pack(">H", len(value)) + value


def connect_packet(client_id, user=None, password=None, version=5, properties=b"", clean=True):
    flags = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = text("MQTT") + bytes([version, flags]) + struct.pack(">H", 60)
    if version == 5:
        body += bytes([len(properties)]) + properties
    body += text(client_id)
    if user is not None:
        body += text(user)
    if password is not None:
        body += struct.pack(">H", len(password.encode())) + password.encode()
    return packet(0x10, body)


class Wire:
    """One connection; packets as (first byte, body)."""

    def __init__(self, port, timeout=20, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """None: the connection ended."""
        while True:
            size = shift = 0
            for at, byte in enumerate(self.buffer[1:5]):
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    end = 2 + at + size
                    if len(self.buffer) >= end:
                        found = self.buffer[0], self.buffer[2 + at:end]
                        self.buffer = self.buffer[end:]
                        return found
                    break
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buffer += more

    def connack(self):
        """The code; -1: the connection ended without one."""
        answer = self.receive()
        return answer[1][1] if answer and answer[0] == 0x20 else -1


def connect_code(port, client_id, user=None, password=None, version=5):
    with Wire(port) as wire:
        wire.send(connect_packet(client_id, user, password, version))
        return wire.connack()


def begun_scram(port, client_id, user):
    """A connection in the middle of its SCRAM run."""
    wire = Wire(port)
    wire.send(connect_packet(client_id, properties=prop_text(0x15, "SCRAM-SHA-256") + prop_text(0x16, f"n,,n={user},r=abcdefgh")))
    answer = wire.receive()
    assert answer is not None and answer[0] == 0xF0, answer
    return wire


def scram_code(port, client_id, user, secret, version=5, replay=None):
    """CONNACK's code of a SCRAM-SHA-256 run, and its client-final message; `replay`: such a one of before."""
    nonce = b64url(os.urandom(12))
    bare = f"n={user},r={nonce}"
    method = prop_text(0x15, "SCRAM-SHA-256")
    with Wire(port) as wire:
        wire.send(connect_packet(client_id, properties=method + prop_text(0x16, "n,," + bare)))
        answer = wire.receive()
        if answer is None or answer[0] != 0xF0:
            return (answer[1][1] if answer else -1), None
        body = answer[1][2:]  # reason code, length of the properties
        fields = {}
        while body:
            size = struct.unpack(">H", body[1:3])[0]
            fields[body[0]] = body[3:3 + size]
            body = body[3 + size:]
        first = fields[0x16].decode()
        parts = dict(part.split("=", 1) for part in first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.new(salted, b"Client Key", "sha256").digest()
        without = f"c=biws,r={parts['r']}"
        message = f"{bare},{first},{without}".encode()
        signature = hmac.new(hashlib.sha256(client_key).digest(), message, "sha256").digest()
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        final = replay or f"{without},p={proof}"
        properties = method + prop_text(0x16, final)
        wire.send(packet(0xF0, bytes([0x18, len(properties)]) + properties))
        return wire.connack(), final
