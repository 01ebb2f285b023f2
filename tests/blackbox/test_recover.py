"""Metadata that is lost: by a majority of those that vote, and by one node in all its copies."""

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


def test_a_node_whose_metadata_is_damaged_in_every_copy_takes_it_from_another(tmp_path):
    cluster = Cluster(tmp_path / "nodes", loopback=True)
    try:
        cluster.up(3, DISKS)
        s3 = cluster.client(1)
        s3.create_bucket(Bucket=BUCKET)
        for number in range(300):
            s3.put_object(Bucket=BUCKET, Key=f"key-{number}", Body=body(50, number))
        victim = next(node for node in cluster.nodes if node != cluster.leader())
        # Flushed: what is in the log is not in the packs.
        cluster.run("stop", victim)
        packs = [path for path in cluster.directory.glob(f"node{victim}/disk*/meta/packs/*") if path.stat().st_size > 0]
        assert len({path.parent for path in packs}) == DISKS
        for path in packs:
            spoil(path)
        try:
            cluster.run("restart", victim)
        except RuntimeError as ended:
            # Where it noticed only after it had begun to use them, the next start is the one that takes them.
            assert "every copy of pack" in str(ended)
            cluster.run("restart", victim)
        told = [event.get("message", "") for event in cluster.log(victim)]
        assert any(message == "the metadata was damaged and is whole again" for message in told), told[-20:]
        again = cluster.client(victim)
        listed = again.get_paginator("list_objects_v2").paginate(Bucket=BUCKET).search("Contents[].Key")
        assert sorted(listed) == sorted(f"key-{number}" for number in range(300))
        assert all(again.get_object(Bucket=BUCKET, Key=f"key-{number}")["Body"].read() == body(50, number) for number in range(0, 300, 7))
        cluster.wait_until_whole(60)
    finally:
        cluster.run("down")


def spoil(path):
    """Flips a bit in every 512 bytes."""
    content = bytearray(path.read_bytes())
    content[100::512] = bytes(byte ^ 1 for byte in content[100::512])
    path.write_bytes(content)
