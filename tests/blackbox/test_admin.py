"""`stonecrop admin` on five real nodes of two disks: grows, drains, shrinks and halts a cluster that holds objects."""

import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from cluster import ACCESS_KEY, SECRET_KEY, Cluster
from stonecrop import binary, body, wait_until

MIB = 1024 * 1024
BUCKET = "kept"
OBJECTS = {f"object-{number}": body(MIB, seed=number) for number in range(60)}
WRONG_USE, REFUSED = 2, 1


class Operator:
    """Asks through one node."""

    def __init__(self, cluster, node=1):
        host = cluster.endpoints[node].rsplit(":", 1)[0]
        self.environment = os.environ | {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "STONECROP_ADMIN_URL": f"{host}:{cluster.admin_ports[node]}",
        }

    def run(self, *words):
        return subprocess.run([str(binary()), "admin", *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=90)

    def order(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, *words):
        return json.loads(self.order(*words, "--json"))

    def disk_at(self, path):
        """The disk that is at a directory, and what `info` says of it."""
        disks = [disk for disk in self.ask("info")["disks"] if disk["path"] == str(path)]
        return disks[-1] if disks else None

    def wait_for_state(self, path, state):
        wait_until(lambda: self.disk_at(path)["state"] == state, 40, f"{path} to be {state}")

    def is_settled(self):
        info = self.ask("info")
        return info["slots_moving"] + info["slots_rebuilding"] + info["slots_vacant"] == 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    shared = Cluster(tmp_path_factory.mktemp("admin") / "nodes", loopback=True)
    shared.environment["STONECROP_CLUSTER_PORT"] = "19500"
    try:
        shared.up(5, 2)
        client = shared.client(1)
        client.create_bucket(Bucket=BUCKET)
        for key, content in OBJECTS.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=content)
        yield shared
    finally:
        shared.run("down")


@pytest.fixture
def operator(cluster):
    return Operator(cluster)


def unread(client):
    return [key for key, content in OBJECTS.items() if client.get_object(Bucket=BUCKET, Key=key)["Body"].read() != content]


@pytest.mark.parametrize("words", [["info"], ["heal", "status"], ["rebalance", "status"], ["scrub", "status"], ["table", "show"], ["safe-to-stop", "2"]])
def test_questions_are_answered_for_people_and_for_machines(operator, words):
    assert operator.order(*words).strip() != ""
    assert isinstance(operator.ask(*words), dict)


# Words after `admin`, the exit code, and what must be said.
WRONG = [
    (["disk", "add", "9", "/nowhere"], REFUSED, "there is no node 9"),
    (["disk", "add", "2", "here"], REFUSED, "name the directory by its whole path"),
    (["disk", "add", "2", "NODE2/disk1"], REFUSED, "is a disk of this node already"),
    (["disk", "add", "2", "NODE2/disk1/below"], REFUSED, "lie in one another"),
    (["disk", "add", "2", "NODE3/disk1"], REFUSED, "of node 3: drain and remove it there first"),
    (["disk", "add", "2", "/etc"], REFUSED, "is not empty"),
    (["disk", "add", "two", "/etc"], WRONG_USE, "invalid value"),
    (["disk", "drain", ""], REFUSED, "no disk, or more than one"),
    (["disk", "remove", "zz"], REFUSED, "no disk, or more than one"),
    (["disk", "remove", "DISK"], REFUSED, "drain it, and wait"),
    (["node", "drain", "9"], REFUSED, "there is no node 9"),
    (["node", "remove", "0"], REFUSED, "there is no node 0"),
    (["heal", "pause"], WRONG_USE, "unrecognized subcommand"),
    (["safe-to-stop", "9"], REFUSED, "there is no node 9"),
]


@pytest.mark.parametrize("words,code,said", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_what_cannot_be_is_refused_with_the_reason(cluster, operator, words, code, said):
    first = operator.ask("info")["disks"][0]["id"]
    home = str(cluster.directory / "node")
    done = operator.run(*[word.replace("NODE", home).replace("DISK", first) for word in words])
    assert done.returncode == code, done.stdout
    assert said in done.stderr


def test_a_disk_of_another_cluster_is_not_added(operator, make_server):
    stranger = make_server(disks=2).start()
    stranger.stop()
    done = operator.run("disk", "add", 1, stranger.disks[0])
    assert done.returncode == REFUSED and "cluster" in done.stderr, done.stderr


def test_a_disk_is_added_used_after_a_restart_drained_removed_and_added_again(cluster, operator):
    path = cluster.directory / "node2/extra"
    operator.order("disk", "add", 2, path)
    wait_until(lambda: operator.disk_at(path)["slots"] > 100 and operator.is_settled(), 40, "the new disk's share")
    disk = operator.disk_at(path)["id"]
    assert "drain it" in operator.run("disk", "remove", disk).stderr
    cluster.run("kill", 2)
    cluster.run("restart", 2)
    wait_until(lambda: operator.disk_at(path)["state"] == "in", 20, "the added disk after a restart")
    operator.order("disk", "drain", disk)
    operator.wait_for_state(path, "empty")
    assert unread(cluster.client(3)) == []
    operator.order("disk", "remove", disk[:12])
    assert operator.disk_at(path)["state"] == "removed"
    cluster.run("kill", 2)
    cluster.run("restart", 2)
    assert operator.disk_at(path)["state"] == "removed", "only adding it again brings it back"
    operator.order("disk", "add", 2, path)
    wait_until(lambda: operator.disk_at(path)["state"] == "in" and operator.is_settled(), 40, "the disk that is back")
    assert operator.disk_at(path)["id"] == disk
    assert unread(cluster.client(2)) == []


def test_moves_pause_through_a_restart_and_go_on(cluster, operator):
    operator.order("rebalance", "pause")
    operator.order("node", "drain", 4)
    wait_until(lambda: (operator.ask("rebalance", "status")["moves"]["left"] or {}).get("shards", 0) > 0, 30, "what is left to be counted")
    paused = operator.ask("rebalance", "status")
    assert paused["paused"] and paused["slots_moving"] > 100 and paused["seconds_left"] is None
    assert "PAUSED" in operator.order("rebalance", "status") and "PAUSED" in operator.order("info")
    cluster.every("kill")
    cluster.every("restart")
    wait_until(lambda: operator.run("info").returncode == 0, 30, "an answer after the restart")
    assert operator.ask("rebalance", "status")["slots_moving"] == paused["slots_moving"]
    operator.order("rebalance", "resume")
    for disk in (1, 2):
        operator.wait_for_state(cluster.directory / f"node4/disk{disk}", "empty")
    done = operator.ask("rebalance", "status")
    assert not done["paused"] and done["moves"]["left"] == {"shards": 0, "bytes": 0}
    assert sum(node["report"]["moves"]["done"]["shards"] for node in done["nodes"]) > 0
    operator.order("node", "undrain", 4)
    wait_until(lambda: operator.disk_at(cluster.directory / "node4/disk1")["slots"] > 50 and operator.is_settled(), 40, "node 4's share")


def test_repair_stops_and_goes_on(cluster, operator):
    operator.order("heal", "stop")
    cluster.run("wipe-disk", 3, 1)
    wait_until(lambda: (operator.ask("info")["heal"]["left"] or {}).get("shards", 0) > 0, 30, "what the emptied disk lacks")
    stopped = operator.ask("heal", "status")
    assert stopped["stopped"] and not stopped["whole"] and stopped["slots_rebuilding"] > 50
    assert "STOPPED" in operator.order("info")
    assert operator.run("safe-to-stop", 3).returncode == 1, "its disk is being filled"
    operator.order("heal", "start")
    wait_until(lambda: operator.ask("heal", "status")["whole"], 40, "a whole cluster")
    healed = operator.ask("heal", "status")
    assert healed["repair"]["done"]["shards"] + healed["rebuild"]["done"]["shards"] > 0


def test_all_nodes_scrub_when_told_to(operator):
    operator.order("scrub", "start")

    def complete():
        disks = operator.ask("scrub", "status")["disks"]
        return disks and all(disk["under_way"] is None and disk["last"][1]["bytes"] > 0 for disk in disks)

    wait_until(complete, 30, "a pass over all disks")
    assert all(disk["last"][1]["findings"] == 0 for disk in operator.ask("scrub", "status")["disks"])


def test_a_node_may_stop_only_while_the_others_suffice(cluster, operator):
    wait_until(lambda: operator.run("safe-to-stop", 4).returncode == 0, 20, "a node to be dispensable")
    cluster.run("kill", 5)
    wait_until(lambda: operator.run("safe-to-stop", 4).returncode == 1, 30, "the death to be noticed")
    assert "could not be" in operator.order("info") + operator.run("safe-to-stop", 4).stdout
    silent = operator.ask("heal", "status")
    assert not silent["whole"] and [node["node"] for node in silent["nodes"] if node["report"] is None] == [5]
    assert operator.run("disk", "offline", operator.disk_at(cluster.directory / "node4/disk1")["id"]).returncode == REFUSED
    cluster.run("restart", 5)
    wait_until(lambda: operator.run("safe-to-stop", 4).returncode == 0, 30, "the node that is back")


def test_a_node_of_five_leaves_for_good_and_too_many_may_not(cluster, operator):
    operator.order("node", "remove", 5)
    wait_until(lambda: len(operator.ask("info")["nodes"]) == 4, 60, "the node's leave")
    assert unread(cluster.client(1)) == []
    with pytest.raises(ClientError) as error:
        cluster.client(5, retries={"total_max_attempts": 1}).get_object(Bucket=BUCKET, Key="object-1")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503, "no member answers it any more"
    with pytest.raises(RuntimeError, match="node 5 was removed from the cluster: empty its directories and join anew"):
        cluster.run("restart", 5)
    operator.order("node", "remove", 4)
    for node in (1, 3):
        refused = operator.run("node", "remove", node)
        assert refused.returncode == REFUSED and "add disks first" in refused.stderr, refused
    operator.order("node", "undrain", 4)
    wait_until(lambda: all(node["state"] == "up" for node in operator.ask("info")["nodes"]) and operator.is_settled(), 40, "node 4 to stay")
    assert unread(cluster.client(4)) == []
