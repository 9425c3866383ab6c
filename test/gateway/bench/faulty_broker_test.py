#!/usr/bin/env python3
"""The load generator against a broker that does one thing wrong at a time: every fault is seen, counted
where it belongs, and makes the exit status 1.

Usage: faulty_broker_test.py PROGRAM, where PROGRAM has the `bench` subcommand.
"""
import contextlib
import json
import socketserver
import subprocess
import sys
import threading
import unittest

PROGRAM = sys.argv.pop() if len(sys.argv) > 1 else "causeway_bench_alone"
CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14


def packet(first, body=b""):
    assert len(body) < 16384
    size = [len(body)] if len(body) < 128 else [len(body) % 128 | 128, len(body) // 128]
    return bytes([first, *size]) + body


class Session(socketserver.StreamRequestHandler):
    """Just enough of MQTT 5 at QoS 0 and 1, with a place for each fault."""

    def handle(self):
        broker = self.server
        try:
            while first := self.rfile.read(1):
                size = shift = 0
                while True:
                    byte = self.rfile.read(1)[0]
                    size |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                self.take(broker, first[0], self.rfile.read(size))
        except (ConnectionError, IndexError, ValueError):
            pass

    def take(self, broker, first, body):
        kind = first >> 4
        if kind == CONNECT:
            self.answer_connect(broker)
        elif kind == SUBSCRIBE:
            broker.subscribers.append(self)
            self.wfile.write(packet(0x90, body[:2] + b"\0" + bytes([broker.suback])))
        elif kind == PUBLISH:
            self.take_publish(broker, first, body)
        elif kind == PINGREQ and broker.answers_ping:
            self.wfile.write(b"\xd0\0")
        elif kind == DISCONNECT:
            raise ConnectionError

    def answer_connect(self, broker):
        if broker.connack is None:
            return
        with broker.lock:
            first = broker.first_connacks.pop() if broker.first_connacks else None
        if first is not None:
            self.wfile.write(first)
            raise ConnectionError
        self.wfile.write(broker.connack)
        if broker.after_connack:
            self.wfile.write(broker.after_connack)
            raise ConnectionError

    def take_publish(self, broker, first, body):
        with broker.lock:
            broker.published += 1
            number = broker.published
        if first & 6:
            at = 2 + int.from_bytes(body[:2], "big")
            packet_id, body = body[at:at + 2], body[:at] + body[at + 2:]
            ack = broker.puback(number, packet_id)
            if ack is None:
                return
            self.wfile.write(ack)
        for message in broker.deliver(number, packet(0x30, body)):
            for subscriber in broker.subscribers:
                with contextlib.suppress(OSError):  # It has gone.
                    subscriber.wfile.write(message)


class Broker(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Session)
        self.lock = threading.Lock()
        self.subscribers = []
        self.published = 0
        self.connack = packet(0x20, b"\0\0\0")
        self.first_connacks = []  # refusals, before `connack`
        self.after_connack = b""
        self.suback = 1
        self.answers_ping = True
        self.puback = lambda number, packet_id: packet(0x40, packet_id)
        self.deliver = lambda number, message: [message]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class FaultyBroker(unittest.TestCase):
    def bench(self, broker, *arguments, expect=1):
        command = [PROGRAM, "bench", *arguments, "--port", str(broker.server_address[1]), "--mqtt",
                   "5", "--json", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, f"{command}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def conn(self, broker, *arguments, hold="0.3", expect=1):
        return self.bench(broker, "conn", "--connections", "3", "--hold", hold, *arguments,
                          expect=expect)

    def pub(self, broker, *arguments, expect=1):
        return self.bench(broker, "pub", "--warmup", "0", "--duration", "0.3", "--drain", "0.3",
                          *arguments, expect=expect)

    def sub(self, broker, *arguments, expect=1):
        return self.bench(broker, "sub", "--publishers", "1", "--qos", "0", "--rate", "100",
                          "--warmup", "0", "--duration", "0.5", "--drain", "0.5", *arguments,
                          expect=expect)

    def test_without_a_fault_all_is_well(self):
        with Broker() as broker:
            self.conn(broker, expect=0)
            self.pub(broker, expect=0)
            report = self.sub(broker, expect=0)
            self.assertAlmostEqual(report["receive"]["received"], 50, delta=1)

    def test_a_refused_connection_has_its_reason(self):
        with Broker() as broker:
            broker.connack = packet(0x20, b"\0\x87\0")
            report = self.conn(broker)
            self.assertEqual(report["connect"]["refused"], 3)
            self.assertEqual(report["failures"], {"CONNACK 0x87 Not authorized": 3})

    def test_a_refused_client_tries_again_when_it_was_told_to(self):
        hint = packet(0x20, b"\0\x89\x11\x26\0\x0bretry-after\0\x013")
        with Broker() as broker:
            broker.first_connacks = [hint]
            report = self.conn(broker, "--retries", "2", expect=0)
            self.assertEqual(report["connect"]["connected"], 3)
            self.assertEqual(report["failures"], {"CONNACK 0x89 Server busy": 1})
            self.assertGreaterEqual(report["connect"]["connack_us"]["max"], 3_000_000)
            broker.first_connacks = [hint] * 3
            self.conn(broker, "--retries", "0")

    def test_nobody_listens(self):
        with Broker() as broker:
            pass
        report = self.conn(broker)
        self.assertEqual(report["failures"], {"cannot connect: connection refused": 3})

    def test_no_connack(self):
        with Broker() as broker:
            broker.connack = None
            report = self.conn(broker, "--connect-timeout", "0.3")
            self.assertEqual(report["failures"], {"no CONNACK in time": 3})

    def test_garbage_instead_of_connack(self):
        with Broker() as broker:
            broker.connack = b"HTTP/1.1 400 Bad Request\r\n\r\n"
            report = self.conn(broker)
            self.assertEqual(report["connect"]["refused"], 3)

    def test_a_connection_closed_while_it_is_held(self):
        with Broker() as broker:
            broker.after_connack = packet(0xE0, b"\x8b")
            report = self.conn(broker, hold="5")
            connect = report["connect"]
            self.assertEqual(connect["refused"] + connect["broken"], 3)
            self.assertEqual(report["failures"], {"DISCONNECT 0x8B Server shutting down": 3})

    def test_no_pingresp(self):
        with Broker() as broker:
            broker.answers_ping = False
            report = self.conn(broker, "--keep-alive", "1", hold="2.5")
            self.assertEqual(report["failures"], {"no PINGRESP": 3})
            self.assertEqual(report["connect"]["broken"], 3)

    def test_a_refused_message_has_its_reason(self):
        with Broker() as broker:
            broker.puback = lambda number, packet_id: packet(
                0x40, packet_id + (b"\x97" if number == 3 else b"\0"))
            report = self.pub(broker)
            self.assertEqual(report["publish"]["refused"], 1)
            self.assertEqual(report["failures"], {"PUBACK Quota exceeded": 1})
            self.assertEqual(report["publish"]["sent"], report["publish"]["acknowledged"] + 1)

    def test_an_answer_to_nothing(self):
        with Broker() as broker:
            broker.puback = lambda number, packet_id: packet(0x40, b"\0\x09")
            report = self.pub(broker)
            self.assertEqual(report["failures"],
                             {"the broker acknowledged what was not sent": 1})

    def test_a_message_that_is_never_answered_counts_with_the_time_it_waited(self):
        with Broker() as broker:
            broker.puback = lambda number, packet_id: (
                None if number == 3 else packet(0x40, packet_id))
            report = self.pub(broker)
            publish = report["publish"]
            self.assertEqual((publish["sent"], publish["acknowledged"]), (3, 2))
            self.assertEqual(publish["unanswered"], 1)
            self.assertGreater(publish["ack_us"]["max"], 300_000)

    def test_open_loop_counts_what_a_stalled_broker_kept_from_being_sent(self):
        with Broker() as broker:
            broker.puback = lambda number, packet_id: (
                None if number == 3 else packet(0x40, packet_id))
            report = self.pub(broker, "--rate", "100")
            publish = report["publish"]
            self.assertEqual((publish["unanswered"], publish["unsent"]), (1, 27))
            # Not three latencies but one for each message of the plan: no coordinated omission.
            self.assertEqual(publish["ack_us"]["count"], 30)
            self.assertGreater(publish["ack_us"]["p50"], 300_000)

    def test_a_window_narrower_than_asked_is_kept(self):
        with Broker() as broker:
            unanswered = []

            def puback(number, packet_id):
                unanswered.append(packet_id)
                return None

            broker.connack = packet(0x20, b"\0\0\3\x21\0\4")  # Receive Maximum 4
            broker.puback = puback
            report = self.pub(broker, "--inflight", "100")
            self.assertEqual(report["publish"]["unanswered"], 4)
            self.assertEqual(len(set(unanswered)), 4)

    def test_qos_0_counts_what_the_broker_says_it_has_read(self):
        with Broker() as broker:
            broker.answers_ping = False
            publish = self.pub(broker, "--qos", "0")["publish"]
            # Four batches of 250 and not one message more, whatever the sockets would take.
            self.assertEqual((publish["sent"], publish["acknowledged"], publish["unanswered"]),
                             (1000, 0, 1000))
            broker.answers_ping = True
            publish = self.pub(broker, "--qos", "0", expect=0)["publish"]
            self.assertGreater(publish["acknowledged"], 0)
            self.assertEqual(publish["acknowledged"], publish["sent"])

    def test_an_answer_to_no_ping(self):
        with Broker() as broker:
            broker.after_connack = b"\xd0\0"
            report = self.conn(broker)
            self.assertEqual(report["failures"], {"the broker sent PINGRESP unasked": 3})

    def test_a_broker_without_the_qos(self):
        with Broker() as broker:
            broker.connack = packet(0x20, b"\0\0\2\x24\0")  # Maximum QoS 0
            report = self.pub(broker)
            self.assertEqual(report["failures"],
                             {"the broker does not take messages of this QoS": 1})

    def test_a_refused_subscription(self):
        with Broker() as broker:
            broker.suback = 0x87
            report = self.sub(broker)
            self.assertEqual(report["failures"], {"Not authorized": 1})

    def test_a_lower_qos_granted(self):
        with Broker() as broker:
            broker.suback = 0
            report = self.sub(broker)
            self.assertEqual(report["failures"], {"the broker granted a lower QoS": 1})

    def test_a_lost_message(self):
        with Broker() as broker:
            broker.deliver = lambda number, message: [] if number == 5 else [message]
            self.assertEqual(self.sub(broker)["receive"]["lost"], 1)

    def test_the_last_message_lost(self):
        with Broker() as broker:
            broker.deliver = lambda number, message: [message] if number < 40 else []
            report = self.sub(broker)
            self.assertEqual(report["receive"]["received"], 39)
            self.assertEqual(report["receive"]["lost"], report["publish"]["sent"] - 39)

    def test_a_message_delivered_twice(self):
        with Broker() as broker:
            broker.deliver = lambda number, message: [message] * (2 if number == 5 else 1)
            receive = self.sub(broker)["receive"]
            self.assertEqual((receive["lost"], receive["duplicates"]), (0, 1))

    def test_two_messages_exchanged(self):
        with Broker() as broker:
            kept = []

            def deliver(number, message):
                if number == 5:
                    kept.append(message)
                    return []
                return [message, *kept] if number == 6 else [message]

            broker.deliver = deliver
            receive = self.sub(broker)["receive"]
            self.assertEqual((receive["lost"], receive["duplicates"], receive["out_of_order"]),
                             (0, 0, 1))

    def test_a_message_of_someone_else(self):
        with Broker() as broker:
            broker.deliver = lambda number, message: [message, packet(0x30, b"\0\1t\0other")]
            report = self.sub(broker, expect=0)
            self.assertEqual(report["receive"]["foreign"], report["publish"]["sent"])


if __name__ == "__main__":
    unittest.main()
