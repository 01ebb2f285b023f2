"""A cluster of real nodes, made and broken through scripts/cluster."""

import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import urllib.parse
import urllib.request

import stonecrop
from stonecrop import ACCESS_KEY, ROOT, SECRET_KEY, binary, is_free, parse_metrics, s3_client, wait_until

# What boto3 does when it is told nothing: five attempts.
SDK_RETRIES = {"retries": {"mode": "legacy"}}
# All zero: every shard that should be there is there.
WANTING = ["stonecrop_shards_lost", "stonecrop_shards_damaged", "stonecrop_stripes_waiting_for_repair", "stonecrop_slots_waiting_for_shards"]


def join_token(output):
    """The token that a first node printed when it began its cluster."""
    return re.search(r"stonecrop1\.\S+", pathlib.Path(output).read_text())[0]


def free_ports():
    """A port above which a cluster finds what it needs free: three for each node, a hundred apart."""
    for port in random.sample(range(11_000, 30_000, 1000), 19):
        if all(is_free(port + offset + node) for offset in (0, 100, 200) for node in range(1, 9)):
            return port
    raise RuntimeError("no free ports for a cluster")


class Cluster:
    """Nodes are named by their numbers, from 1. On loopback it needs no root, and the network cannot be cut.

    `STONECROP_CLUSTER_PORT` of the environment decides for loopback as it does for scripts/cluster; `settings` are
    more of it for the nodes.
    """

    def __init__(self, directory, loopback=False, settings=()):
        self.directory = pathlib.Path(directory)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("STONECROP_")}
        self.environment |= {"STONECROP_CLUSTER_DIR": str(directory), "STONECROP_BINARY": str(binary()), **dict(settings)}
        port = free_ports() if loopback else os.environ.get("STONECROP_CLUSTER_PORT")
        if port:
            self.environment["STONECROP_CLUSTER_PORT"] = str(port)
        self.endpoints, self.admin_ports, self.node_addresses = {}, {}, {}
        self.token = None

    def run(self, *words, settings=()):
        """Calls scripts/cluster; its words on standard error are in what is raised when it fails.

        `settings` are more of the environment, also of a node that is started by this.
        """
        done = subprocess.run(
            [str(ROOT / "scripts/cluster"), *map(str, words)], env=self.environment | dict(settings), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120,
        )
        if done.returncode != 0:
            raise RuntimeError(f"scripts/cluster {' '.join(map(str, words))}: {done.stdout}")
        return done.stdout

    def up(self, nodes, disks=4):
        self.run("down")
        self.run("up", nodes, disks)
        # A node that is started again prints no token.
        self.token = join_token(self.directory / "node1/out")
        return self.find()

    def find(self):
        """Learns what a running cluster is like."""
        self.refresh()
        return self

    def refresh(self):
        """Learns the addresses of all nodes, and returns the process ids of those that run."""
        running = {}
        self.endpoints, self.admin_ports, self.node_addresses = {}, {}, {}
        for line in self.run("status").splitlines():
            node, endpoint, admin, peers, pid = re.match(r"node (\d+)  (\S+)  admin :(\d+)  nodes :(\d+)  (?:running, pid (\d+)|stopped)", line).groups()
            self.endpoints[int(node)], self.admin_ports[int(node)] = endpoint, admin
            self.node_addresses[int(node)] = f"{urllib.parse.urlsplit(endpoint).hostname}:{peers}"
            if pid:
                running[int(node)] = int(pid)
        return running

    @property
    def nodes(self):
        return sorted(self.endpoints)

    @property
    def isolated(self):
        """Each node has a network of its own, which can be cut."""
        return (self.directory / "port").read_text().strip() == ""

    def admin(self, *words):
        return self.run("admin", *words)

    def overview(self):
        """What `stonecrop admin info --json` says."""
        return json.loads(self.admin("info", "--json"))

    def members(self):
        return [node["id"] for node in self.overview()["nodes"]]

    def disk(self, node, number):
        """The identity of the disk in a node's directory."""
        path = str(self.directory / f"node{node}/disk{number}")
        [found] = [disk["id"] for disk in self.overview()["disks"] if disk["path"] == path]
        return found

    def disk_states(self):
        return {disk["id"]: disk["state"] for disk in self.overview()["disks"]}

    def slots(self):
        """How many slots each disk holds."""
        return {disk["id"]: disk["slots"] for disk in self.overview()["disks"]}

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


class AllNodes:
    """A running cluster in the place of one `stonecrop.Server`: each test asks another node, and of a client's requests,
    retries among them, each goes to another one."""

    def __init__(self, cluster, **settings):
        self.cluster, self.settings = cluster, settings
        self.turns = itertools.cycle(cluster.nodes)
        self.node = next(self.turns)

    def turn(self):
        self.node = next(self.turns)

    @property
    def endpoint(self):
        return self.cluster.endpoints[self.node]

    @property
    def host(self):
        return urllib.parse.urlsplit(self.endpoint).netloc

    @property
    def address(self):
        parts = urllib.parse.urlsplit(self.endpoint)
        return parts.hostname, parts.port

    def client(self, **settings):
        return self.spread(self.cluster.client(self.node, **(self.settings | settings)))

    def spread(self, client):
        """Has each request of a boto3 client, a retry too, go to another node."""
        nodes = itertools.cycle([urllib.parse.urlsplit(endpoint).netloc for endpoint in self.cluster.endpoints.values()])

        def send_to_the_next(request, **_):
            request.url = urllib.parse.urlsplit(request.url)._replace(netloc=next(nodes)).geturl()

        # Before it is signed, and also if it is not.
        client.meta.events.register_first("request-created", send_to_the_next)
        return client

    def health(self, kind):
        return stonecrop.health(self.endpoint, kind)

    def pids(self):
        return list(self.cluster.refresh().values())

    def log(self):
        return "\n".join((self.cluster.directory / f"node{node}/log").read_text(errors="replace") for node in self.cluster.nodes)
