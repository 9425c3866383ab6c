"""A cluster for the end-to-end tests: scripts/cluster on loopback addresses of its own, ended by pid."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from hub import Api, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def load_script(name):
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


scripts_cluster = load_script("cluster")


def findings(node):
    """What sanitizers and failed checks left in the log of a node, whose end nobody may have seen."""
    words = ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "check failed:", " critical ")
    log = node.log_text() if (node.folder / "log.txt").exists() else ""
    return [f"node {node.number}: {line[:300]}" for line in log.splitlines() if any(word in line for word in words)]


class Member(scripts_cluster.Node, Api):
    """A node with the ports that test clients look for."""
    tcp = 1883

    @property
    def address(self):
        return self.host, self.tcp

    def token(self):
        return self.local_token()

    def log_text(self):
        return (self.folder / "log.txt").read_text()


class LocalCluster(scripts_cluster.Cluster):
    """`with LocalCluster.fresh(program) as cluster`: all sets have leaders; down at the end."""
    own_folder = None

    def __init__(self, folder):
        super().__init__(folder)
        for node in self.nodes:
            node.__class__ = Member

    @classmethod
    def fresh(cls, program, nodes=3, sets=4, rules_dir=None, overrides=None, **more):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="causeway-cluster-"))
        # Other tests of this machine have other process numbers.
        network = os.getpid() % 60000 + 512
        hosts = f"127.{network >> 8}.{network & 255}.{{}}"
        cluster = cls.make(folder / "c", nodes, sets, program, rules_dir, overrides, **{"hosts": hosts, **more})
        cluster.own_folder = folder
        return cluster

    def __enter__(self):
        try:
            self.heal()
        except BaseException:
            self.__exit__(RuntimeError)
            raise
        return self

    def __exit__(self, kind, *_):
        for node in self.nodes:
            if kind is not None:
                print(f"--- the log of node {node.number} ({node.folder})")
                print(node.log_text()[-3000:] if (node.folder / "log.txt").exists() else "none")
            if node.pid:
                node.signal(signal.SIGCONT)
                node.kill()
        reports = [line for node in self.nodes for line in findings(node)]
        if self.own_folder and kind is None and not reports:
            shutil.rmtree(self.own_folder, ignore_errors=True)
        if kind is None:
            assert not reports, reports[:20]

    def heal(self):
        """Every node runs and every set has a leader that all know."""
        for node in self.nodes:
            if node.pid is None:
                node.start(self.program)
            else:
                node.signal(signal.SIGCONT)
        self.wait_serving()

    def leader_of(self, number):
        """The node that leads a set, as living nodes know it."""
        return self.node(wait_until(f"a leader of set {number}", lambda: self.leaders().get(number)))

    def addresses(self, first=1):
        """Of all nodes, beginning with one of them: where devices go in turn."""
        count = len(self.nodes)
        return [self.node((first - 1 + i) % count + 1).address for i in range(count)]

    def drain_queue(self, queue, seconds=60):
        """Everything in the queue, through whichever node answers."""
        return wait_until(f"{queue} is drained", lambda: [self.nodes[0].drain_queue(queue)], seconds)[0]


def run_tests(cluster, tests):
    """Each test on the healed cluster, a line each; raises at the end if any failed."""
    failed = []
    for test in tests:
        begin = time.monotonic()
        try:
            test()
            print(f"ok      {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception:
            traceback.print_exc()
            print(f"FAILED  {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
            failed.append(test.__name__)
            for one in cluster.nodes:
                print(f"        node {one.number}: pid {one.pid}, {json.dumps(one.health())}", flush=True)
        try:
            cluster.heal()
        except Exception as problem:
            print(f"FAILED  it does not heal after {test.__name__}: {problem}", flush=True)
            failed.append(f"healing after {test.__name__}")
            for one in cluster.nodes:
                one.kill()
    assert not failed, failed


def chosen_tests(module):
    """The test functions of a test program; those named on its command line, if any."""
    return [function for name, function in list(vars(module).items())
            if name.startswith("test_") and (not sys.argv[2:] or name in sys.argv[2:])]
