"""What `chaos` does to a cluster of four nodes with four disks each, 8+4, and what is expected of each.

Expected of all: no violation of the history that clients saw, every key readable through every node in the end, every
shard in its place again without an operator, and no client without an acknowledged write for longer than a request's
deadline of 10 seconds, but for the scenarios in `MAY_STOP`. What a docstring adds is expected too.
"""

import pathlib
import shutil
import subprocess
import sys
import threading
import time

from stonecrop import ROOT, flip_extent_bytes, wait_until

EMPTY_SECONDS_MAX = 180


class Chaos:
    """A cluster under load, and how long each phase of a scenario lasts."""

    def __init__(self, cluster, seconds):
        self.cluster, self.seconds = cluster, seconds
        # A node of whose trouble the clients of the others may hardly notice anything.
        self.unnoticed = None

    def phase(self, words, seconds=None):
        print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)
        time.sleep(self.seconds if seconds is None else seconds)

    def follower(self):
        """The last node that does not lead."""
        leader = self.cluster.leader()
        return max(node for node in self.cluster.nodes if node != leader)

    def forget(self, node):
        """Throws a node away for good, with its disks."""
        self.cluster.run("discard", node)
        self.cluster.refresh()


def kill_leader(chaos):
    """kill -9 of the leader, restarted later: the others elect, and writes resume within two seconds"""
    leader = chaos.cluster.leader()
    chaos.cluster.run("kill", leader)
    chaos.phase(f"leader {leader} killed")
    chaos.cluster.run("restart", leader)


def kill_node(chaos):
    """kill -9 of a node that does not lead, restarted later: only its own clients notice"""
    node = chaos.follower()
    chaos.cluster.run("kill", node)
    chaos.phase(f"node {node} killed")
    chaos.cluster.run("restart", node)


def freeze_leader(chaos):
    """SIGSTOP of the leader for at least 10 seconds: another leads, and what the old one wakes up with is fenced"""
    leader = chaos.cluster.leader()
    chaos.cluster.run("freeze", leader)
    chaos.phase(f"leader {leader} frozen", max(10, chaos.seconds))
    chaos.cluster.run("thaw", leader)


def freeze_follower(chaos):
    """SIGSTOP of a node that does not lead for at least 10 seconds: reads and writes go around its disks at once"""
    node = chaos.unnoticed = chaos.follower()
    chaos.cluster.run("freeze", node)
    chaos.phase(f"node {node} frozen", max(10, chaos.seconds))
    chaos.cluster.run("thaw", node)


def isolate_leader(chaos):
    """the leader hears no other node and no other hears it: it refuses, the others elect"""
    leader = chaos.cluster.leader()
    chaos.cluster.run("isolate", leader)
    chaos.phase(f"leader {leader} isolated")
    chaos.cluster.run("heal-network")


def isolate_node(chaos):
    """a node that does not lead is cut off: it refuses, the others go on"""
    node = chaos.follower()
    chaos.cluster.run("isolate", node)
    chaos.phase(f"node {node} isolated")
    chaos.cluster.run("heal-network")


def one_way(chaos):
    """what the leader sends to two nodes is lost, and it hears them well: no split brain, writes go on"""
    leader = chaos.cluster.leader()
    deaf = [node for node in chaos.cluster.nodes if node != leader][:2]
    for node in deaf:
        chaos.cluster.run("partition", leader, node, "one-way")
    chaos.phase(f"nodes {deaf} do not hear leader {leader}")
    chaos.cluster.run("heal-network")


def partial(chaos):
    """the leader and one node do not hear each other, and both hear all others: writes go on"""
    leader, node = chaos.cluster.leader(), chaos.follower()
    chaos.cluster.run("partition", leader, node)
    chaos.phase(f"leader {leader} and node {node} do not hear each other")
    chaos.cluster.run("heal-network")


def split(chaos):
    """two nodes against two: no side has the disks for a write, both refuse, and nothing is lost when they meet again"""
    for one in (1, 2):
        for other in (3, 4):
            chaos.cluster.run("partition", one, other)
    chaos.phase("nodes 1 and 2 are cut from 3 and 4")
    chaos.cluster.run("heal-network")


def flapping(chaos):
    """the leader of the moment is cut off for a second, five times: each time another leads, or the same again"""
    for lap in range(5):
        leader = chaos.cluster.leader()
        chaos.cluster.run("isolate", leader)
        chaos.phase(f"leader {leader} isolated, lap {lap + 1}", 1)
        chaos.cluster.run("heal-network")
        chaos.phase("healed for a moment", 2)


def lossy_network(chaos):
    """a tenth of all packets between nodes is lost: slower, and nothing else"""
    for node in chaos.cluster.nodes:
        chaos.cluster.run("lose-packets", node, 10)
    chaos.phase("a tenth of all packets is lost")
    chaos.cluster.run("heal-network")


def rolling_restart(chaos):
    """each node stopped and started in turn; clients retry as SDKs do by default, and no request may fail"""
    for node in chaos.cluster.nodes:
        chaos.cluster.run("stop", node)
        chaos.cluster.run("restart", node)
        chaos.phase(f"node {node} restarted")


def power_off(chaos):
    """kill -9 of all nodes at once, then all are started: they come back without an operator"""
    chaos.cluster.every("kill")
    print("all nodes killed", flush=True)
    chaos.cluster.every("restart")


def wipe_disk(chaos):
    """a disk of a running node is emptied: formatted, and filled from the others"""
    node = chaos.follower()
    chaos.cluster.run("wipe-disk", node, 1)
    chaos.phase("a disk is empty")
    refilled(chaos, {(node, 1)})


def replace_disk(chaos):
    """a disk of a stopped node is emptied: the node starts on it as on a new one, which is filled from the others"""
    node = chaos.follower()
    chaos.cluster.run("stop", node)
    chaos.cluster.run("wipe-disk", node, 1)
    chaos.cluster.run("restart", node)
    chaos.phase(f"disk 1 of node {node} is new")


def lose_four_disks(chaos):
    """one disk of each node is emptied at once, as many as parity allows"""
    for node in chaos.cluster.nodes:
        chaos.cluster.run("wipe-disk", node, 2)
    chaos.phase("four disks are empty")
    refilled(chaos, {(node, 2) for node in chaos.cluster.nodes})


def disk_gone(chaos):
    """a disk's directory is away for a while and comes back as it was: what it missed is written to it"""
    disk = chaos.cluster.directory / f"node{chaos.follower()}/disk2"
    away = disk.with_name("away")
    disk.rename(away)
    chaos.phase(f"{disk} is gone")
    shutil.rmtree(disk, ignore_errors=True)
    away.rename(disk)


def swapped_disks(chaos):
    """two directories of a stopped node are exchanged: disks are known by what is on them"""
    node = chaos.follower()
    one, other = (chaos.cluster.directory / f"node{node}/disk{disk}" for disk in (1, 2))
    chaos.cluster.run("stop", node)
    one.rename(one.with_name("aside"))
    other.rename(one)
    one.with_name("aside").rename(other)
    chaos.cluster.run("restart", node)
    chaos.phase(f"disks 1 and 2 of node {node} are exchanged")


def bit_rot(chaos):
    """bits of two disks of a stopped node flip: never served, and rewritten by the scrub that follows"""
    node = chaos.follower()
    chaos.cluster.run("stop", node)
    flipped = sum(flip_extent_bytes(chaos.cluster.directory / f"node{node}/disk{disk}", 20, seed=disk) for disk in (1, 2))
    chaos.cluster.run("restart", node)
    chaos.phase(f"{flipped} bits of node {node} flipped")
    chaos.cluster.run("scrub", node)
    wait_until(lambda: any(event.get("message") == "scrubbed all disks" for event in chaos.cluster.log(node)), 60, "the end of the scrub")


def slow_disks(chaos):
    """every fdatasync of one node takes 300 ms longer: writes wait for the others' shards only"""
    node = chaos.follower()
    with injected(chaos, node, "delay_exit=300000"):
        chaos.phase(f"disks of node {node} are slow")


def failing_disks(chaos):
    """from the fifth on each fdatasync of one node fails with EIO: its disks leave; it is started again on good ones"""
    node = chaos.follower()
    with injected(chaos, node, "error=EIO:when=5+"):
        chaos.phase(f"disks of node {node} fail")
    chaos.cluster.run("restart", node)


def unreadable_disks(chaos):
    """every tenth pread64 of one node fails with EIO: read from parity"""
    node = chaos.follower()
    with injected(chaos, node, "error=EIO:when=1+10", calls="pread64"):
        chaos.phase(f"reads of node {node} fail")
    chaos.cluster.run("restart", node)


def clock_jumps(chaos):
    """the wall clock of a node jumps two hours ahead, then two behind: it refuses signatures of another time, no more"""
    library = next(pathlib.Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"), None)
    assert library, "this scenario needs faketime"
    node, clock = chaos.follower(), chaos.cluster.directory / "clock"
    clock.write_text("+0")
    faked = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    chaos.cluster.run("restart", node, settings={name: str(value) for name, value in faked.items()})
    for shift in ("+2h", "-2h", "+0"):
        clock.write_text(shift)
        chaos.phase(f"the clock of node {node} is {shift}")
    chaos.cluster.run("restart", node)


def add_node(chaos):
    """a fifth node joins and takes over its part"""
    before = chaos.cluster.slots()
    chaos.cluster.run("add", 4)
    chaos.phase("node 5 joined")
    settled(chaos)
    moved = sum(chaos.cluster.slots().values()) - sum(before.values())
    assert moved == 0 and all(chaos.cluster.slots().values()), "a disk of the new node holds nothing"


def replace_node(chaos):
    """a fifth node joins, then the third is removed and thrown away: what it held is elsewhere before it is gone"""
    chaos.cluster.run("add", 4)
    chaos.phase("node 5 joined")
    chaos.cluster.admin("node", "remove", 3)
    wait_until(lambda: 3 not in chaos.cluster.members(), EMPTY_SECONDS_MAX, "the leave of node 3")
    chaos.forget(3)
    chaos.phase("node 3 left")


def lose_node_for_good(chaos):
    """a node with all its disks is thrown away, removed, and another takes its place"""
    node = chaos.follower()
    chaos.forget(node)
    chaos.phase(f"node {node} is no more")
    chaos.cluster.run("add", 4)
    chaos.cluster.admin("node", "remove", node)
    wait_until(lambda: node not in chaos.cluster.members(), EMPTY_SECONDS_MAX, f"the leave of node {node}")


def client_suite(chaos):
    """the client suites of pytest run while nodes are killed, frozen and cut off in turn: all pass"""
    run_while_breaking(chaos, ROOT / "tests/blackbox")


def object_suite(chaos):
    """the suites of objects and uploads run while nodes are killed, frozen and cut off in turn: all pass"""
    run_while_breaking(chaos, ROOT / "tests/blackbox/test_objects.py", ROOT / "tests/blackbox/test_multipart.py")


def run_while_breaking(chaos, *tests):
    """Has pytest run `tests` on the cluster, with one fault after the other meanwhile and time to recover between."""
    words = [sys.executable, "-m", "pytest", *map(str, tests), "-c", str(ROOT / "tests/blackbox/pytest.ini")]
    suite = subprocess.Popen([*words, "--cluster", str(chaos.cluster.directory), "--broken", "--maxfail=5"])
    faults = [kill_leader, kill_node, freeze_node_briefly, *([isolate_leader] if chaos.cluster.isolated else [])]
    lap = 0
    while suite.poll() is None:
        faults[lap % len(faults)](chaos)
        chaos.phase("all nodes are well")
        lap += 1
    assert suite.returncode == 0, f"pytest ended with {suite.returncode}"


def freeze_node_briefly(chaos):
    """SIGSTOP of a node that does not lead"""
    node = chaos.follower()
    chaos.cluster.run("freeze", node)
    chaos.phase(f"node {node} frozen")
    chaos.cluster.run("thaw", node)


def refilled(chaos, disks):
    """Waits until the emptied disks are noticed and used again, so that what follows is about the new ones."""
    directories = [chaos.cluster.directory / f"node{node}/disk{disk}" for node, disk in sorted(disks)]
    wait_until(lambda: all(any(directory.iterdir()) for directory in directories), 60, "the use of each emptied disk")


def settled(chaos):
    """Waits until all groups are where they belong."""
    names = ("slots_moving", "slots_rebuilding", "slots_vacant")
    wait_until(lambda: all(chaos.cluster.overview()[name] == 0 for name in names), EMPTY_SECONDS_MAX, "groups where they belong")


class injected:
    """Spoils system calls of a node by strace while it is entered."""

    def __init__(self, chaos, node, what, calls="fdatasync,fsync"):
        assert shutil.which("strace"), "this scenario needs strace"
        process = chaos.cluster.refresh()[node]
        words = ["strace", "-f", "-q", "-o", "/dev/null", "-p", str(process), "-e", f"trace={calls}"]
        self.words = [*words, "-e", f"inject={calls}:{what}"]

    def __enter__(self):
        self.strace = subprocess.Popen(self.words)

    def __exit__(self, *_):
        self.strace.terminate()
        self.strace.wait()


def drain(chaos, fault):
    """a disk is drained: empty in the end, and taken back"""
    node = min(node for node in chaos.cluster.nodes if node != chaos.cluster.leader())
    disk = chaos.cluster.disk(node, 3)
    chaos.cluster.admin("disk", "drain", disk)
    fault(chaos)
    wait_until(lambda: chaos.cluster.disk_states()[disk] == "empty", EMPTY_SECONDS_MAX, f"the end of draining {disk}")
    chaos.cluster.admin("disk", "undrain", disk)
    settled(chaos)


def grow(chaos, fault):
    """a fifth node joins: it holds its part in the end"""
    failed = []

    def add():
        try:
            chaos.cluster.run("add", 4)
        except RuntimeError as error:
            failed.append(error)

    adding = threading.Thread(target=add)
    adding.start()
    fault(chaos)
    adding.join()
    assert not failed, failed
    chaos.cluster.refresh()
    settled(chaos)
    assert all(chaos.cluster.slots().values()), "a disk holds nothing"


def during(change, fault):
    """The scenario in which the placement changes while `fault` is at work."""

    def scenario(chaos):
        change(chaos, fault)

    scenario.__name__ = f"{change.__name__}_during_{fault.__name__}"
    scenario.__doc__ = f"{change.__doc__}; meanwhile {fault.__doc__.split(':')[0]}"
    return scenario


PLAIN = [
    kill_leader, kill_node, freeze_leader, freeze_follower, isolate_leader, isolate_node, one_way, partial, split, flapping,
    lossy_network, rolling_restart, power_off, wipe_disk, replace_disk, lose_four_disks, disk_gone, swapped_disks, bit_rot, slow_disks,
    failing_disks, unreadable_disks, clock_jumps, add_node, replace_node, lose_node_for_good, client_suite, object_suite,
]
FAULTS_DURING_CHANGES = [isolate_leader, one_way, freeze_leader, kill_leader, kill_node, power_off, slow_disks, failing_disks, wipe_disk]
DURING = [during(change, fault) for change in (drain, grow) for fault in FAULTS_DURING_CHANGES]
SCENARIOS = {function.__name__.replace("_", "-"): function for function in PLAIN + DURING}
# Those in which the clients that write the history are few, and leave room for others.
FEW_CLIENTS = {"client-suite", "object-suite"}
# Those in which no write can be acknowledged for a while.
MAY_STOP = {name for name in SCENARIOS if name.startswith("split") or name.endswith("power-off")}
# Those in which clients retry as SDKs do by default, and no request may fail.
NONE_MAY_FAIL = {"rolling-restart"}
NEED_NAMESPACES = {
    name for name in SCENARIOS
    if any(word in name for word in ("isolate", "one-way", "partial", "split", "flapping", "lossy"))
}
