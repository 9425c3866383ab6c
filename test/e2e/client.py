"""A paho client that records what happens to it, for the end-to-end tests."""
import ssl
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hub import wait_until

V3 = mqtt.MQTTv311
V5 = mqtt.MQTTv5


def properties(packet, **values):
    made = Properties(getattr(PacketTypes, packet))
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    def __init__(self, client_id="", version=V5, clean=True, expiry=0, will=None, on_message=None,
                 websocket=False):
        options = {} if version == V5 else {"clean_session": clean}
        self.version, self.clean, self.expiry = version, clean, expiry
        self.websocket = websocket
        self.mqtt = mqtt.Client(client_id, protocol=version,
                                transport="websockets" if websocket else "tcp", **options)
        self.messages, self.acked, self.granted = [], set(), {}
        self.connack = self.disconnected = None
        self.lock = threading.Lock()
        if will:
            self.mqtt.will_set(*will)
        self.mqtt.on_connect = self._connected
        self.mqtt.on_message = on_message or (lambda _c, _u, message: self.messages.append(message))
        self.mqtt.on_publish = lambda _c, _u, mid: self.acked.add(mid)
        self.mqtt.on_subscribe = lambda _c, _u, mid, codes, *_: self.granted.update({mid: codes})
        self.mqtt.on_unsubscribe = lambda _c, _u, mid, *_: self.granted.update({mid: []})
        self.mqtt.on_disconnect = self._disconnected

    def _connected(self, _client, _userdata, flags, code, *_):
        self.connack = (int(getattr(code, "value", code)), flags["session present"])

    def _disconnected(self, _client, _userdata, code, *_):
        self.disconnected = int(getattr(code, "value", code))

    def connect(self, hub, tls=False, certificate=None, expect=0, keepalive=60):
        if tls:
            cert, key = certificate or (None, None)
            self.mqtt.tls_set(hub.certificates.ca, cert, key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        more = {}
        if self.version == V5:
            more = {"clean_start": self.clean,
                    "properties": properties("CONNECT", SessionExpiryInterval=self.expiry)}
        port = (hub.wss if tls else hub.ws) if self.websocket else (hub.tls if tls else hub.tcp)
        self.mqtt.connect("localhost" if tls else getattr(hub, "host", "127.0.0.1"), port, keepalive,
                          **more)
        self.mqtt.loop_start()
        wait_until("CONNACK", lambda: self.connack)
        if expect is not None:
            assert self.connack[0] == expect, self.connack
        return self

    def subscribe(self, topic, qos=1, **more):
        _, mid = self.mqtt.subscribe(topic, qos, **more)
        wait_until("SUBACK", lambda: mid in self.granted)
        return [int(getattr(code, "value", code)) for code in self.granted[mid]]

    def unsubscribe(self, topic):
        _, mid = self.mqtt.unsubscribe(topic)
        wait_until("UNSUBACK", lambda: mid in self.granted)

    def publish(self, topic, payload, qos=1, retain=False, **more):
        """Publishes and waits until the handshake of its QoS is done."""
        info = self.mqtt.publish(topic, payload, qos, retain, **more)
        wait_until(f"publish at QoS {qos}", info.is_published)

    def payloads(self):
        return [message.payload.decode() for message in self.messages]

    def expect(self, *payloads):
        """Waits for exactly these, in order."""
        wait_until(f"{len(payloads)} messages", lambda: len(self.messages) >= len(payloads))
        assert self.payloads() == list(payloads), self.payloads()

    def disconnect(self):
        self.mqtt.disconnect()
        wait_until("disconnect", lambda: self.disconnected is not None)
        self.mqtt.loop_stop()

    def drop(self):
        """Cuts the connection without DISCONNECT."""
        self.mqtt.loop_stop()
        self.mqtt._sock.close() if self.mqtt._sock else None
        self.mqtt._sock = None
