"""Starting, stopping and refusing to start."""

import json
import shutil
import subprocess

import pytest

from stonecrop import binary, body


def refusal(server):
    """What the server says when it refuses to start."""
    server.spawn()
    code = server.process.wait(30)
    server.process = None
    assert code != 0
    return server.log()


def test_objects_survive_graceful_and_hard_stops(make_server):
    server = make_server(disks=6).start()
    s3 = server.client()
    s3.create_bucket(Bucket="kept")
    bodies = {f"key-{size}": body(size) for size in (0, 100, 20_000, 5_000_000)}
    for key, content in bodies.items():
        s3.put_object(Bucket="kept", Key=key, Body=content, Metadata={"size": str(len(content))})
    for end in (server.stop, server.kill, server.stop):
        end()
        server.start()
        for key, content in bodies.items():
            got = server.client().get_object(Bucket="kept", Key=key)
            assert got["Body"].read() == content and got["Metadata"] == {"size": str(len(content))}
    server.stop()


@pytest.mark.parametrize("disks", [1, 2, 3, 4, 5, 6, 12])
def test_any_number_of_disks_works(make_server, disks):
    server = make_server(disks=disks).start()
    s3 = server.client()
    s3.create_bucket(Bucket="any")
    content = body(3_000_000)
    s3.put_object(Bucket="any", Key="k", Body=content)
    assert s3.get_object(Bucket="any", Key="k")["Body"].read() == content
    server.stop()
    report = server.fsck("--json")
    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["missing_shards"] == 0


def test_one_log_event_a_request(make_server):
    server = make_server().start()
    s3 = server.client()
    s3.create_bucket(Bucket="logged")
    s3.put_object(Bucket="logged", Key="k", Body=b"12345")
    s3.get_object(Bucket="logged", Key="k")
    server.stop()
    events = [json.loads(line) for line in server.log().splitlines()]
    requests = [event for event in events if "operation" in event]
    assert [event["operation"] for event in requests] == ["CreateBucket", "PutObject", "GetObject"]
    assert all(event["request_id"] and event["status"] == 200 for event in requests)
    assert "test-secret-key" not in server.log()


def test_a_directory_in_use_is_refused(make_server):
    first = make_server().start()
    second = make_server()
    second.disks = first.disks
    assert "in use" in refusal(second)
    first.stop()


def test_another_clusters_directory_is_refused(make_server):
    first, second = make_server(disks=2), make_server(disks=2)
    for server in (first, second):
        server.start()
        server.stop()
    shutil.rmtree(first.disks[1])
    shutil.copytree(second.disks[1], first.disks[1])
    assert "cluster" in refusal(first)


def test_another_versions_directory_is_refused(make_server):
    server = make_server().start()
    server.stop()
    superblocks = list(server.disks[0].rglob("superblock*"))
    assert superblocks
    for path in superblocks:
        content = bytearray(path.read_bytes())
        content[8:12] = (9999).to_bytes(4, "little")
        path.write_bytes(content)
    said = refusal(server)
    assert "superblock" in said or "version" in said


def test_a_directory_of_somebody_elses_files_is_refused(make_server):
    server = make_server()
    server.disks[0].mkdir(parents=True)
    (server.disks[0] / "thesis.doc").write_text("all of it")
    assert "empty" in refusal(server)
    assert (server.disks[0] / "thesis.doc").read_text() == "all of it"


def test_wrong_flags_are_explained(make_server):
    for flags, expected in [(["--erasure", "4"], "4+2"), (["--erasure", "9+9"], "disks"), (["--region", "a b"], "--region")]:
        server = make_server(disks=2, flags=flags)
        assert expected in refusal(server), flags


def test_configuration_file_and_help(make_server, tmp_path):
    config = tmp_path / "stonecrop.toml"
    config.write_text('region = "eu-test-1"\nlog_format = "json"\n')
    server = make_server(flags=["--config", str(config)]).start()
    s3 = server.client()
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as error:
        s3.list_buckets()
    assert error.value.response["Error"]["Code"] == "AuthorizationHeaderMalformed"
    assert error.value.response["Error"]["Region"] == "eu-test-1"
    server.stop()
    text = subprocess.run([binary(), "server", "--help"], capture_output=True, text=True, check=True).stdout
    for flag in ("--address", "--erasure", "--region", "STONECROP_SECRET_KEY", "<DISK>" if "<DISK>" in text else "[DISK]"):
        assert flag in text


def test_fsck_refuses_a_running_server(make_server):
    server = make_server().start()
    report = server.fsck()
    assert report.returncode != 0 and "in use" in report.stderr + report.stdout
    server.stop()




