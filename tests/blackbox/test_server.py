"""Starting, stopping, and what is said meanwhile."""

import json
import subprocess

import pytest

from stonecrop import SECRET_KEY, binary, body, wait_until


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
    assert SECRET_KEY not in server.log()


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


def test_a_directory_removed_while_running_is_named_in_the_log_and_the_server_goes_on(make_server):
    server = make_server(disks=6).start()
    s3 = server.client()
    s3.create_bucket(Bucket="going-on")
    content = body(3_000_000)
    s3.put_object(Bucket="going-on", Key="before", Body=content)
    server.lose_disk(2)

    def reported():
        events = [json.loads(line) for line in server.log().splitlines()]
        return [event for event in events if event["level"] == "ERROR" and event.get("path") == str(server.disks[2])]

    [event] = wait_until(reported, what="the report of the lost directory")
    assert event["message"] == "disk is out of service" and event["reason"]
    assert s3.get_object(Bucket="going-on", Key="before")["Body"].read() == content
    s3.put_object(Bucket="going-on", Key="after", Body=content)
    assert s3.get_object(Bucket="going-on", Key="after")["Body"].read() == content
    assert server.health("live") == 200
    assert server.metrics()["stonecrop_disks_in_service"] == 5
    server.stop()
