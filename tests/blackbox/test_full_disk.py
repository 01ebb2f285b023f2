"""A full disk refuses what it cannot keep, goes on with all else, and recovers by itself when space returns."""

import os
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from stonecrop import Server, body, wait_until

MIB = 1 << 20
NAMESPACE = ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
CAN_MOUNT = subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0


class SmallServer(Server):
    """A server whose first disk is a file system of `size_mib`, mounted for this process alone."""

    def __init__(self, root, size_mib, **options):
        super().__init__(root, **options)
        self.size_mib = size_mib

    def command(self):
        self.disks[0].mkdir(exist_ok=True)
        mount = 'mount -t tmpfs -o size="$1"m stonecrop "$2" && shift 2 && exec "$@"'
        return [*NAMESPACE, "sh", "-c", mount, "sh", str(self.size_mib), str(self.disks[0]), *super().command()]

    @property
    def ballast(self):
        """A file on the small file system, seen through the process that has it."""
        return f"/proc/{self.process.pid}/root{self.disks[0]}/ballast"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(Bucket="full", **arguments)
    return refused.value.response["ResponseMetadata"]["HTTPStatusCode"], refused.value.response["Error"]["Code"]


def fill(s3, size):
    """Writes objects until no more are taken, even after the server had time to tidy up; returns how many were kept."""
    kept = 0
    patience_ends = None
    while patience_ends is None or time.monotonic() < patience_ends:
        try:
            s3.put_object(Bucket="full", Key=f"object-{kept}", Body=body(size, kept))
            kept, patience_ends = kept + 1, None
        except ClientError as refused:
            assert refused.response["Error"]["Code"] == "XMinioStorageFull"
            patience_ends = patience_ends or time.monotonic() + 2
    return kept


@pytest.fixture
def small(tmp_path):
    if not CAN_MOUNT:
        pytest.skip("this machine lets nobody mount a file system of its own, and no other way leads to a full disk")
    server = SmallServer(tmp_path, 128).start()
    server.client().create_bucket(Bucket="full")
    yield server
    server.kill()


@pytest.mark.parametrize("size", [16_000, 3_000_000], ids=["small", "large"])
def test_a_disk_filled_with_objects_goes_on_with_all_but_new_ones(small, size):
    s3 = small.client()
    kept = fill(s3, size)
    for arguments in ({"Key": "tiny", "Body": b"x"}, {"Key": "large", "Body": body(6 * MIB)}):
        assert refusal(s3.put_object, **arguments) == (507, "XMinioStorageFull")
    assert refusal(s3.create_multipart_upload, Key="upload") == (507, "XMinioStorageFull")
    assert refusal(s3.copy_object, Key="copy", CopySource={"Bucket": "full", "Key": "object-0"}) == (507, "XMinioStorageFull")
    for number in range(0, kept, 7):
        assert s3.get_object(Bucket="full", Key=f"object-{number}")["Body"].read() == body(size, number)
    assert small.health("live") == small.health("ready") == 200
    for number in range(kept):
        s3.delete_object(Bucket="full", Key=f"object-{number}")
    assert "Contents" not in s3.list_objects_v2(Bucket="full")

    wait_until(lambda: not refused_as_full(s3, body(3_000_000)), what="room for new objects after the deletes")
    assert s3.get_object(Bucket="full", Key="probe")["Body"].read() == body(3_000_000)
    small.stop()


def test_space_that_others_took_and_gave_back(small):
    s3 = small.client()
    s3.put_object(Bucket="full", Key="before", Body=body(3_000_000))
    with open(small.ballast, "wb") as ballast:
        with pytest.raises(OSError):
            while True:
                ballast.write(bytes(MIB))
    wait_until(lambda: refused_as_full(s3, b"x"), what="the refusal of small objects")
    assert refused_as_full(s3, body(300_000))
    assert s3.get_object(Bucket="full", Key="before")["Body"].read() == body(3_000_000)
    s3.delete_object(Bucket="full", Key="before")
    os.remove(small.ballast)
    wait_until(lambda: not refused_as_full(s3, b"x"), what="room for small objects")
    wait_until(lambda: not refused_as_full(s3, body(3_000_000)), what="room for large objects")
    assert [key["Key"] for key in s3.list_objects_v2(Bucket="full")["Contents"]] == ["probe"]
    small.stop()


def refused_as_full(s3, content):
    """Whether an object is refused for want of room; no other refusal will do."""
    try:
        s3.put_object(Bucket="full", Key="probe", Body=content)
    except ClientError as refused:
        assert refused.response["Error"]["Code"] == "XMinioStorageFull"
        return True
    return False
