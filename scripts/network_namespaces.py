"""Network namespaces for a cluster on this machine, so that a partition is a real one: packets go nowhere, and neither
side is told. Used by scripts/cluster and scripts/nemesis; Linux, root.

A namespace routes between one namespace a node; node N has the address 10.S.N.2 there. With `host` the machine itself
reaches the nodes, too, as 10.S.0.1. Everything carries the tag in its name, so that another process can take it over.
"""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000


class Unsupported(Exception):
    """No namespaces here, or no right to make them."""


def run(*words, check=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise Unsupported(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done


class Network:
    def __init__(self, nodes, tag, subnet=88):
        self.tag, self.subnet = tag, subnet
        self.router = f"{tag}r"
        self.nodes = range(1, nodes + 1)
        self.hosts, self.prefix = f"10.{subnet}.{{}}.2", ["ip", "netns", "exec", f"{tag}n{{}}"]

    def up(self, host=False):
        self.down()
        run("ip", "netns", "add", self.router)
        run("ip", "-n", self.router, "link", "set", "lo", "up")
        run("ip", "netns", "exec", self.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for i in self.nodes:
            space = f"{self.tag}n{i}"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", "name", f"v{i}", "netns", self.router, "type", "veth", "peer", "name", "eth0",
                "netns", space)
            self.attach(["-n", self.router], f"v{i}", self.address(i, 1))
            self.attach(["-n", space], "eth0", self.address(i, 2))
            run("ip", "-n", space, "link", "set", "lo", "up")
            run("ip", "-n", space, "route", "add", "default", "via", self.address(i, 1))
        if host:
            run("ip", "link", "add", "name", f"{self.tag}h", "type", "veth", "peer", "name", "host", "netns", self.router)
            self.attach([], f"{self.tag}h", self.address(0, 1))
            self.attach(["-n", self.router], "host", self.address(0, 2))
            run("ip", "route", "add", f"10.{self.subnet}.0.0/16", "via", self.address(0, 2))

    def address(self, node, end):
        return f"10.{self.subnet}.{node}.{end}"

    @staticmethod
    def attach(space, device, address):
        run("ip", *space, "addr", "add", f"{address}/24", "dev", device)
        run("ip", *space, "link", "set", device, "up")

    def enter(self):
        """This thread, and every one it starts, sits in the router from here on."""
        with open(f"/run/netns/{self.router}") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                raise Unsupported(f"setns: {os.strerror(ctypes.get_errno())}")

    def drop(self, source, target):
        """From now on nothing goes from this node to that one."""
        run("ip", "-n", self.router, "rule", "add", "from", self.address(source, 2), "to", self.address(target, 2),
            "blackhole")

    def isolate(self, node, outward=True, inward=True):
        for other in self.nodes:
            if other != node:
                if outward:
                    self.drop(node, other)
                if inward:
                    self.drop(other, node)

    def heal(self):
        for line in run("ip", "-n", self.router, "rule", "list").stdout.splitlines():
            if line.endswith("blackhole"):
                run("ip", "-n", self.router, "rule", "del", "pref", line.split(":")[0])

    def down(self):
        for space in [*(f"{self.tag}n{i}" for i in self.nodes), self.router]:
            run("ip", "netns", "del", space, check=False)


@contextlib.contextmanager
def network(nodes):
    """A network of this process, which is inside; gone at the end."""
    made = Network(nodes, f"cw{os.getpid()}")
    try:
        made.up()
        made.enter()
        yield made
    finally:
        made.down()
