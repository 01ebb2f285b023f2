"""Four real nodes of four disks on loopback: any node serves any client, through kills and restarts."""

import concurrent.futures
import time

import pytest
from botocore.exceptions import ClientError

from cluster import join_token
from history import WRITES, check
from load import Load
from stonecrop import Server, body, free_port, wait_until

MIB = 1024 * 1024
BUCKET = "everywhere"
WRONG_USE, REFUSED = 2, 1


@pytest.fixture
def clients(cluster):
    if BUCKET not in [bucket["Name"] for bucket in cluster.client(1).list_buckets()["Buckets"]]:
        cluster.client(1).create_bucket(Bucket=BUCKET)
    return {node: cluster.client(node) for node in cluster.nodes}


@pytest.mark.parametrize("size", [0, 100, 16_385, 3 * MIB + 1])
def test_what_one_node_took_every_node_serves(clients, size):
    key, content = f"size/{size}", body(size)
    clients[1].put_object(Bucket=BUCKET, Key=key, Body=content, ContentType="text/plain", Metadata={"colour": "green"})
    for client in clients.values():
        assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content
        head = client.head_object(Bucket=BUCKET, Key=key)
        assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (size, "text/plain", {"colour": "green"})
        assert [entry["Size"] for entry in client.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]] == [size]
    clients[3].delete_object(Bucket=BUCKET, Key=key)
    for client in clients.values():
        with pytest.raises(ClientError) as error:
            client.get_object(Bucket=BUCKET, Key=key)
        assert error.value.response["Error"]["Code"] == "NoSuchKey"


def test_a_range_is_read_through_another_node(clients):
    content = body(5 * MIB)
    clients[2].put_object(Bucket=BUCKET, Key="ranged", Body=content)
    for client in clients.values():
        answer = client.get_object(Bucket=BUCKET, Key="ranged", Range="bytes=1048000-3200000")
        assert answer["Body"].read() == content[1_048_000:3_200_001]


def test_an_upload_goes_through_all_nodes(clients):
    upload = {"Bucket": BUCKET, "Key": "upload"}
    upload_id = clients[1].create_multipart_upload(**upload)["UploadId"]
    parts = {number: body(5 * MIB, seed=number) for number in (1, 2, 3)} | {4: body(1000)}
    done = [
        {"PartNumber": number, "ETag": clients[number].upload_part(**upload, UploadId=upload_id, PartNumber=number, Body=content)["ETag"]}
        for number, content in parts.items()
    ]
    assert len(clients[2].list_parts(**upload, UploadId=upload_id)["Parts"]) == 4
    clients[3].complete_multipart_upload(**upload, UploadId=upload_id, MultipartUpload={"Parts": done})
    assert clients[4].get_object(**upload)["Body"].read() == b"".join(parts.values())


def test_buckets_are_the_same_on_all_nodes(clients):
    clients[2].create_bucket(Bucket="briefly")
    assert all("briefly" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] for client in clients.values())
    clients[4].delete_bucket(Bucket="briefly")
    assert not any("briefly" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] for client in clients.values())


def test_one_of_many_conditional_writes_through_different_nodes_wins(clients):
    def attempt(client, key, content, **condition):
        try:
            client.put_object(Bucket=BUCKET, Key=key, Body=content, **condition)
            return content
        except ClientError as error:
            return error.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for lap in range(5):
            for condition in ({"IfNoneMatch": "*"}, {"IfMatch": None}):
                if "IfMatch" in condition:
                    condition = {"IfMatch": clients[1].head_object(Bucket=BUCKET, Key=f"race/{lap}")["ETag"]}
                bodies = [f"{condition} {number}".encode() for number in range(8)]
                nodes = [clients[number % 4 + 1] for number in range(8)]
                answers = list(pool.map(lambda client, content: attempt(client, f"race/{lap}", content, **condition), nodes, bodies))
                winners = [answer for answer in answers if answer in bodies]
                assert len(winners) == 1, answers
                assert set(answers) - set(winners) <= {"PreconditionFailed", "ConditionalRequestConflict"}
                for client in clients.values():
                    assert client.get_object(Bucket=BUCKET, Key=f"race/{lap}")["Body"].read() == winners[0]


def test_the_leader_is_killed_under_load_and_then_all_nodes(cluster):
    load = Load(cluster, clients=8).start()
    wait_until(lambda: len(load.operations) > 200, what="200 operations")
    leader = cluster.leader()
    cluster.run("kill", leader)
    killed = time.monotonic()
    survivors = [node for node in cluster.nodes if node != leader]

    def resumed():
        return any(
            operation.start > killed and operation.outcome == "ok" and operation.kind in WRITES and operation.node in survivors
            for operation in list(load.operations)
        )

    wait_until(resumed, 10, "a write after the leader's death")
    assert cluster.leader(among=survivors) != leader
    cluster.run("restart", leader)
    wait_until(lambda: any(operation.start > killed and operation.node == leader and operation.outcome == "ok" for operation in list(load.operations)),
               10, "an answer of the restarted node")
    cluster.every("kill")
    cluster.every("restart")
    load.stop()
    cluster.wait_until_whole(60)
    keys, unread = load.read_everything()
    assert keys > 5 and unread == []
    assert check(list(load.operations)) == []


def refusal(call):
    """How a call is refused, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(ClientError) as refused:
        call()
    return refused.value.response["ResponseMetadata"], time.monotonic() - began


def test_a_minority_refuses_writes_and_reads_and_says_when_to_ask_again(cluster, clients):
    clients[1].put_object(Bucket=BUCKET, Key="decided", Body=b"by all")
    last, *others = cluster.nodes
    cluster.every("freeze", nodes=others)
    try:
        alone = cluster.client(last)
        calls = [
            lambda: alone.put_object(Bucket=BUCKET, Key="undecided", Body=b"by one"),
            lambda: alone.get_object(Bucket=BUCKET, Key="decided"),
            lambda: alone.list_objects_v2(Bucket=BUCKET),
            lambda: alone.delete_object(Bucket=BUCKET, Key="decided"),
        ]
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            for answer, seconds in pool.map(refusal, calls):
                assert answer["HTTPStatusCode"] == 503 and answer["HTTPHeaders"]["retry-after"] == "1"
                # The deadline of a decision is ten seconds; the bucket is looked up first.
                assert seconds < 25
    finally:
        cluster.every("thaw", nodes=others)
    cluster.wait_until_whole(60)
    assert clients[last].get_object(Bucket=BUCKET, Key="decided")["Body"].read() == b"by all"


# What a new node is started with, the exit code, and what must be said.
WRONG = [
    (["--node-address", "HERE", "--join", "THERE"], WRONG_USE, "--token <TOKEN>"),
    (["--node-address", "HERE", "--init", "--join", "THERE", "--token", "TOKEN"], WRONG_USE, "cannot be used with"),
    (["--join", "THERE", "--token", "TOKEN"], WRONG_USE, "add --node-address HOST:PORT"),
    (["--init"], WRONG_USE, "add --node-address HOST:PORT"),
    (["--node-address", "nonsense", "--init"], WRONG_USE, 'take addresses with a port such as node1.example.com:9002; got "nonsense"'),
    (["--node-address", "HERE", "--join", "nonsense", "--token", "TOKEN"], WRONG_USE, 'got "nonsense"'),
    (["--node-address", "HERE", "--join", "THERE", "--token", "nonsense"], REFUSED, "this is no join token"),
    (["--node-address", "HERE"], REFUSED, "begin a cluster with --init, or join one with --join and --token"),
]


@pytest.mark.parametrize("flags,code,said", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_a_node_that_cannot_be_started_so_is_told_why(cluster, make_server, flags, code, said):
    words = {"HERE": f"127.0.0.1:{free_port()}", "THERE": cluster.node_addresses[1], "TOKEN": cluster.token}
    server = make_server(flags=[words.get(flag, flag) for flag in flags])
    assert server.spawn().process.wait(20) == code, server.log()
    assert said in server.log()
    assert "panicked" not in server.log()
    assert server.output() == ""


def test_a_member_is_neither_begun_again_nor_moved_to_another_cluster(cluster, make_server):
    first = make_server(flags=["--node-address", f"127.0.0.1:{free_port()}", "--init"]).start()
    token = join_token(first.output_path)
    first.stop()
    assert first.spawn().process.wait(20) == REFUSED
    assert "belongs to a cluster already: start without --init" in first.log()
    first.flags = first.flags[:2] + ["--join", cluster.node_addresses[1], "--token", cluster.token]
    assert first.spawn().process.wait(20) == REFUSED
    assert "the token is for another cluster" in first.log()
    first.flags = first.flags[:2]
    first.start().stop()

    stranger = make_server(flags=["--node-address", f"127.0.0.1:{free_port()}", "--join", cluster.node_addresses[1], "--token", token])
    assert stranger.spawn().process.wait(20) == REFUSED
    assert "it is of another cluster than the token" in stranger.log()
