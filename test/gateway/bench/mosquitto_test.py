#!/usr/bin/env python3
"""The load generator against Debian's mosquitto on free loopback ports: every command, QoS, version,
transport and loop finds a healthy broker healthy, and its figures agree with each other.

Usage: mosquitto_test.py PROGRAM, where PROGRAM has the `bench` subcommand.
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop() if len(sys.argv) > 1 else "causeway_bench_alone"
MOSQUITTO = "/usr/sbin/mosquitto"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificates(folder):
    """A CA and a server certificate for localhost, by the openssl program."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
            "-subj", "/CN=test CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.crt", "-days", "2", "-copy_extensions", "copy")


class Broker:
    """mosquitto in memory, with a plain and a TLS listener."""

    def __init__(self, folder):
        make_certificates(folder)
        self.ca = f"{folder}/ca.crt"
        for _ in range(5):  # Another program may take a port between the probe and the bind.
            self.port, self.tls_port = free_port(), free_port()
            config = pathlib.Path(folder, "mosquitto.conf")
            config.write_text(
                f"user {os.environ.get('USER', 'root')}\nallow_anonymous true\n"
                f"listener {self.port} 127.0.0.1\n"
                f"listener {self.tls_port} 127.0.0.1\ncertfile {folder}/server.crt\n"
                f"keyfile {folder}/server.key\n")
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(config)],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self.wait_for(self.tls_port):
                return
            self.stop()
        raise RuntimeError("mosquitto does not start")

    def wait_for(self, port):
        while self.process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError), \
                    socket.create_connection(("127.0.0.1", port)):
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Mosquitto(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.broker = Broker(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.folder.cleanup()

    def bench(self, *arguments, port=None, expect=0):
        command = [PROGRAM, "bench", *arguments, "--port", str(port or self.broker.port), "--json",
                   "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, expect, f"{command}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def check_latency(self, latency, count):
        self.assertEqual(latency["count"], count)
        order = [latency[name] for name in ("min", "p50", "p90", "p99", "p99_9", "max")]
        self.assertEqual(order, sorted(order))
        self.assertGreater(latency["min"], 0)

    def test_conn_opens_and_holds(self):
        report = self.bench("conn", "--connections", "200", "--processes", "2", "--hold", "0.2",
                            "--source-address", "127.1.0.0/24")
        connect = report["connect"]
        self.assertEqual((connect["connected"], connect["refused"], connect["broken"]), (200, 0, 0))
        self.check_latency(connect["connack_us"], 200)

    def test_conn_keeps_its_rate(self):
        report = self.bench("conn", "--connections", "30", "--connect-rate", "50", "--hold", "0")
        self.assertGreater(report["connect"]["seconds"], 29 / 50 - 0.05)

    def test_conn_over_tls_trusts_its_ca_only(self):
        port = self.broker.tls_port
        self.bench("conn", "--connections", "20", "--hold", "0.1", "--tls", "--ca", self.broker.ca,
                   port=port)
        self.bench("conn", "--connections", "2", "--hold", "0", "--tls", "--insecure", port=port)
        refused = self.bench("conn", "--connections", "2", "--hold", "0", "--tls", port=port,
                             expect=1)
        self.assertEqual(refused["connect"]["refused"], 2)
        self.assertIn("certificate verify failed", next(iter(refused["failures"])))

    def test_conn_survives_its_keep_alive(self):
        report = self.bench("conn", "--connections", "5", "--keep-alive", "1", "--hold", "2.5")
        self.assertEqual(report["connect"]["broken"], 0)

    def test_pub_closed_loop(self):
        for version in ("3.1.1", "5"):
            for qos in ("0", "1", "2"):
                with self.subTest(version=version, qos=qos):
                    report = self.bench("pub", "--connections", "6", "--mqtt", version, "--qos", qos,
                                        "--inflight", "10", "--warmup", "0", "--duration", "0.4",
                                        "--processes", "2")
                    publish = report["publish"]
                    self.assertGreater(publish["acknowledged"], 100)
                    self.assertEqual(publish["sent"], publish["acknowledged"])
                    self.assertGreater(publish["per_s"], 100)
                    if qos != "0":
                        self.check_latency(publish["ack_us"], publish["acknowledged"])

    def test_pub_open_loop_keeps_its_rate(self):
        report = self.bench("pub", "--connections", "7", "--rate", "1000", "--qos", "1",
                            "--inflight", "100", "--warmup", "0.2", "--duration", "1",
                            "--processes", "3")
        # The plan says exactly how many messages are due in the window, whatever the machine does.
        self.assertAlmostEqual(report["publish"]["ack_us"]["count"], 1000, delta=3)
        self.assertAlmostEqual(report["publish"]["sent"], 1200, delta=3)

    def test_pub_sizes(self):
        for payload in ("0", "27", "28", "300", "100000"):
            with self.subTest(payload=payload):
                report = self.bench("pub", "--payload", payload, "--qos", "1", "--warmup", "0",
                                    "--duration", "0.1")
                self.assertGreater(report["publish"]["acknowledged"], 0)

    def test_pub_over_tls(self):
        report = self.bench("pub", "--connections", "4", "--qos", "1", "--payload", "20000",
                            "--warmup", "0", "--duration", "0.3", "--tls", "--ca", self.broker.ca,
                            port=self.broker.tls_port)
        self.assertGreater(report["publish"]["acknowledged"], 0)

    def test_sub_gets_every_message_once_and_in_order(self):
        for version in ("3.1.1", "5"):
            for qos in ("0", "1", "2"):
                with self.subTest(version=version, qos=qos):
                    report = self.bench("sub", "--subscribers", "3", "--publishers", "4", "--qos",
                                        qos, "--sub-qos", qos, "--mqtt", version, "--rate", "400",
                                        "--inflight", "20", "--warmup", "0", "--duration", "0.5",
                                        "--processes", "2", "--topic", f"{qos}/{version}/%i",
                                        "--filter", f"{qos}/{version}/+", "--drain", "30")
                    receive = report["receive"]
                    self.assertEqual(receive["received"], 3 * report["publish"]["acknowledged"])
                    self.assertEqual(receive["expected"], receive["received"])
                    self.assertEqual((receive["lost"], receive["duplicates"],
                                      receive["out_of_order"]), (0, 0, 0))
                    self.check_latency(receive["end_to_end_us"], receive["received"])

    def test_sub_shares_a_group(self):
        report = self.bench("sub", "--mqtt", "5", "--subscribers", "3", "--publishers", "2",
                            "--rate", "300", "--inflight", "20", "--filter", "$share/g/shared/#",
                            "--topic", "shared/%i", "--warmup", "0", "--duration", "0.5",
                            "--drain", "30")
        self.assertEqual(report["receive"]["received"], report["publish"]["acknowledged"])

    def test_sub_hears_other_programs(self):
        command = [PROGRAM, "bench", "sub", "--filter", "other/#", "--expect", "100", "--duration",
                   "60", "--warmup", "0", "--json", "--port", str(self.broker.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as listener:
            self.assertIn("connected 1", listener.stderr.readline())
            self.bench("pub", "--topic", "other/%i", "--rate", "500", "--inflight", "100",
                       "--warmup", "0", "--duration", "0.3")
            report = json.loads(listener.communicate(timeout=60)[0])
        self.assertEqual(listener.returncode, 0)
        self.assertGreaterEqual(report["receive"]["received"], 100)
        self.assertEqual(report["receive"]["lost"], 0)

    def test_sub_misses_what_never_comes(self):
        report = self.bench("sub", "--filter", "silence", "--expect", "3", "--warmup", "0",
                            "--duration", "0.1", "--drain", "0.1", expect=1)
        self.assertEqual(report["receive"]["lost"], 3)

    def test_mem_looks_after_each_step(self):
        report = self.bench("mem", "--sessions", "900", "--steps", "3", "--settle", "0", "--processes", "2", "--pid",
                            str(self.broker.process.pid), "--source-address", "127.1.0.0/24")
        samples = report["samples"]
        self.assertEqual([sample["sessions"] for sample in samples], [0, 300, 600, 900])
        self.assertGreater(report["bytes_per_session"], 0)
        self.assertGreater(samples[3]["resident_bytes"], samples[0]["resident_bytes"])

    def test_mem_must_know_whom_to_ask(self):
        done = subprocess.run([PROGRAM, "bench", "mem", "--port", str(self.broker.port)], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--api", done.stderr)

    def test_conn_at_once(self):
        report = self.bench("conn", "--connections", "500", "--at-once", "--hold", "0", "--source-address",
                            "127.1.0.0/24")
        self.assertEqual(report["connect"]["connected"], 500)
        self.check_latency(report["connect"]["connack_us"], 500)

    def test_a_signal_ends_the_hold_and_the_report_comes(self):
        command = [PROGRAM, "bench", "conn", "--connections", "3", "--hold", "600", "--json",
                   "--port", str(self.broker.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as holder:
            self.assertIn("connected 3", holder.stderr.readline())
            holder.send_signal(signal.SIGTERM)
            report = json.loads(holder.communicate(timeout=60)[0])
        self.assertEqual(holder.returncode, 0)
        self.assertTrue(report["interrupted"])

    def test_bad_usage_is_exit_2(self):
        for arguments in (["pub", "--qos", "3"], ["pub", "--no-such-option"], ["sub", "--filter",
                          "a#"], ["conn", "--tls", "--ca", "/no/such/file"], []):
            with self.subTest(arguments=arguments):
                done = subprocess.run([PROGRAM, "bench", *arguments], capture_output=True)
                self.assertEqual(done.returncode, 2)
                self.assertNotEqual(done.stderr, b"")

    def test_help_shows_an_example(self):
        for command in ("conn", "pub", "sub"):
            done = subprocess.run([PROGRAM, "bench", command, "--help"], capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"bench {command} --", done.stdout)


if __name__ == "__main__":
    unittest.main()
