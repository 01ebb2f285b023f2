"""A cluster of real nodes, made and broken through scripts/cluster."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import urllib.request

from stonecrop import ROOT, binary, parse_metrics, s3_client, wait_until

ACCESS_KEY, SECRET_KEY = "root", "rootsecret"
# All zero: every shard that should be there is there.
WANTING = ["stonecrop_shards_lost", "stonecrop_shards_damaged", "stonecrop_stripes_waiting_for_repair", "stonecrop_slots_waiting_for_shards"]


def join_token(output):
    """The token that a first node printed when it began its cluster."""
    return re.search(r"stonecrop1\.\S+", pathlib.Path(output).read_text())[0]


class Cluster:
    """Nodes are named by their numbers, from 1. On loopback it needs no root, and the network cannot be cut."""

    def __init__(self, directory, loopback=False):
        self.directory = pathlib.Path(directory)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("STONECROP_")}
        self.environment |= {"STONECROP_CLUSTER_DIR": str(directory), "STONECROP_BINARY": str(binary())}
        if loopback:
            self.environment["STONECROP_CLUSTER_LOOPBACK"] = "1"
        self.endpoints, self.admin_ports = {}, {}
        self.token = None

    def run(self, *words):
        """Calls scripts/cluster; its words on standard error are in what is raised when it fails."""
        done = subprocess.run(
            [str(ROOT / "scripts/cluster"), *map(str, words)], env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120,
        )
        if done.returncode != 0:
            raise RuntimeError(f"scripts/cluster {' '.join(map(str, words))}: {done.stdout}")
        return done.stdout

    def up(self, nodes, disks=4):
        self.run("down")
        self.run("up", nodes, disks)
        self.token = join_token(self.directory / "node1/out")
        self.refresh()
        return self

    def refresh(self):
        """Learns the addresses of all nodes, and returns the process ids of those that run."""
        running = {}
        for line in self.run("status").splitlines():
            node, endpoint, admin, pid = re.match(r"node (\d+)  (\S+)  admin :(\d+)  (?:running, pid (\d+)|stopped)", line).groups()
            self.endpoints[int(node)], self.admin_ports[int(node)] = endpoint, admin
            if pid:
                running[int(node)] = int(pid)
        return running

    @property
    def nodes(self):
        return sorted(self.endpoints)

    def client(self, node, **settings):
        return s3_client(self.endpoints[node], ACCESS_KEY, SECRET_KEY, **settings)

    def every(self, *words, nodes=None):
        """The same words of scripts/cluster for several nodes at once."""
        nodes = self.nodes if nodes is None else nodes
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(lambda node: self.run(*words, node), nodes))

    def log(self, node):
        """The events that a node logged, oldest first."""
        lines = (self.directory / f"node{node}/log").read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def leader(self, among=None):
        """The node that led last, as far as `among` (all that run) know."""
        among = self.refresh() if among is None else among
        terms = []
        for node in among:
            for event in self.log(node):
                fields = event.get("fields", event)
                if fields.get("message") == "a node leads":
                    terms.append((fields["term"], fields["leader"]))
        return max(terms)[1]

    def metrics(self, node):
        host = self.endpoints[node].rsplit(":", 1)[0]
        with urllib.request.urlopen(f"{host}:{self.admin_ports[node]}/metrics", timeout=5) as answer:
            return parse_metrics(answer.read().decode())

    def wanting(self):
        """What is not well, in words; empty when all nodes are ready and every shard is in its place."""
        found = []
        for node in self.nodes:
            try:
                with urllib.request.urlopen(f"{self.endpoints[node]}/-/health/ready", timeout=5):
                    pass
                values = self.metrics(node)
            except OSError as error:
                found.append(f"node {node}: {error}")
                continue
            found += [f"node {node}: {name} {values[name]:g}" for name in WANTING if values.get(name, 0) != 0]
        return found

    def wait_until_whole(self, seconds=180, polls=20):
        """Waits until nothing has been wanting for `polls` looks, so that what is being noticed is noticed."""
        well = 0

        def whole():
            nonlocal well
            well = 0 if self.wanting() else well + 1
            return well == polls

        try:
            wait_until(whole, seconds, "a whole cluster")
        except AssertionError:
            raise AssertionError(f"not whole after {seconds} s: {'; '.join(self.wanting())}") from None
