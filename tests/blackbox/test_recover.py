"""A majority of those that vote is lost for good: one node that is left takes over, and the rest follows it."""

import re
import shutil
import subprocess

import pytest

from cluster import Cluster
from stonecrop import binary, body, wait_until

BUCKET = "kept"
SIZES = [100, 70_000, 3_000_000]
DISKS = 2


@pytest.fixture
def cluster(tmp_path):
    # Any two nodes of four have what it takes to read everything.
    own = Cluster(tmp_path / "nodes", loopback=True, settings={"STONECROP_CLUSTER_ERASURE": "2+6"})
    try:
        own.up(4, DISKS)
        yield own
    finally:
        own.run("down")


def recover(cluster, node, *flags):
    disks = [str(cluster.directory / f"node{node}/disk{number}") for number in range(1, DISKS + 1)]
    return subprocess.run([binary(), "recover", *flags, *disks], capture_output=True, text=True, timeout=60)


def newest(cluster, node):
    told = recover(cluster, node)
    assert told.returncode == 0, told.stderr
    assert "use --take-over on the one with the highest term" in told.stdout
    term, index = re.search(r"newest entry of its log: term (\d+), index (\d+)", told.stdout).groups()
    return int(term), int(index)


def test_two_of_three_voters_are_lost_for_good(cluster):
    s3 = cluster.client(1)
    s3.create_bucket(Bucket=BUCKET)
    for number in range(12):
        s3.put_object(Bucket=BUCKET, Key=f"key-{number}", Body=body(SIZES[number % len(SIZES)], number))
    wait_until(lambda: sum(node["votes"] for node in cluster.overview()["nodes"]) == 3, what="three voters")
    voters = [node["id"] for node in cluster.overview()["nodes"] if node["votes"]]
    lost = [node for node in voters if node != 1][:2]
    left = [node for node in cluster.nodes if node not in lost]

    running = recover(cluster, left[0], "--take-over")
    assert running.returncode == 1 and "in use" in running.stderr, running.stderr
    cluster.every("kill")
    for node in lost:
        shutil.rmtree(cluster.directory / f"node{node}")

    chosen = max(left, key=lambda node: newest(cluster, node))
    taken = recover(cluster, chosen, "--take-over")
    assert taken.returncode == 0 and f"Node {chosen} decides alone" in taken.stdout, taken
    again = recover(cluster, chosen, "--take-over")
    assert again.returncode == 1 and "decides alone already" in again.stderr, again

    for node in sorted(left, key=lambda node: node != chosen):
        cluster.run("restart", node)
    cluster.refresh()
    assert all_is_read(cluster, left)

    for _ in lost:
        cluster.run("add", DISKS)
    for node in lost:
        cluster.admin("node", "remove", node)
    cluster.refresh()
    wait_until(lambda: not set(cluster.members()) & set(lost), 180, "the lost nodes to be gone")
    cluster.wait_until_whole(120)
    new = [node for node in cluster.nodes if node not in left]
    cluster.client(new[0]).put_object(Bucket=BUCKET, Key="later", Body=b"written")
    assert cluster.client(left[0]).get_object(Bucket=BUCKET, Key="later")["Body"].read() == b"written"
    assert all_is_read(cluster, new)


def all_is_read(cluster, nodes):
    """Whether each node serves every object."""
    return all(
        cluster.client(node).get_object(Bucket=BUCKET, Key=f"key-{number}")["Body"].read() == body(SIZES[number % len(SIZES)], number)
        for node in nodes
        for number in range(12)
    )
