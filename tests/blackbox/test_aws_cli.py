"""The aws CLI as a user types it, with the snippet that the first start prints."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from stonecrop import body

AWS = pathlib.Path(sys.executable).parent / "aws"


def exports(text):
    """The environment that the printed snippet sets."""
    return dict(re.findall(r"^\s*export (AWS_[A-Z_]+)=(\S+)$", text, re.M))


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    from stonecrop import Server

    server = Server(
        tmp_path_factory.mktemp("cli"),
        environment={"STONECROP_ACCESS_KEY": None, "STONECROP_SECRET_KEY": None},
    ).start()
    yield server
    server.stop()


@pytest.fixture
def aws(started, tmp_path):
    snippet = exports(started.output())
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} <= set(snippet), started.output()
    environment = {**os.environ, **snippet, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

    def run(*words, expect=0):
        result = subprocess.run(
            [str(AWS), *map(str, words)], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=250
        )
        assert result.returncode == expect, f"{words}: {result.stdout}{result.stderr}"
        return result.stdout + result.stderr

    return run


def test_make_copy_sync_list_remove_with_a_100_mb_file(aws, tmp_path):
    big = body(100_000_000)
    (tmp_path / "big.bin").write_bytes(big)
    tree = tmp_path / "tree"
    for name in ["a.txt", "sub/b.txt", "sub/deep/ü – c.txt"]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"content of {name}")

    aws("s3", "mb", "s3://cli-bucket")
    aws("s3", "cp", "big.bin", "s3://cli-bucket/big.bin")
    aws("s3", "sync", "tree", "s3://cli-bucket/tree")
    listing = aws("s3", "ls", "--recursive", "s3://cli-bucket")
    assert "100000000 big.bin" in listing and "tree/sub/deep/ü – c.txt" in listing
    aws("s3", "cp", "s3://cli-bucket/big.bin", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == big
    assert aws("s3", "sync", "tree", "s3://cli-bucket/tree") == ""
    aws("s3", "sync", "s3://cli-bucket/tree", "copy")
    assert (tmp_path / "copy/sub/b.txt").read_text() == "content of sub/b.txt"
    aws("s3", "mv", "s3://cli-bucket/tree/a.txt", "s3://cli-bucket/tree/moved.txt")
    assert "PRE tree/" in aws("s3", "ls", "s3://cli-bucket")
    aws("s3", "rm", "--recursive", "s3://cli-bucket")
    assert aws("s3", "ls", "--recursive", "s3://cli-bucket", expect=1) == ""
    aws("s3", "rb", "s3://cli-bucket")
    assert "cli-bucket" not in aws("s3", "ls")


def test_presigned_url_downloads_without_credentials(aws, tmp_path):
    import urllib.request

    (tmp_path / "hello.txt").write_text("hello")
    aws("s3", "mb", "s3://presigned")
    aws("s3", "cp", "hello.txt", "s3://presigned/hello.txt")
    url = aws("s3", "presign", "s3://presigned/hello.txt").strip()
    assert urllib.request.urlopen(url).read() == b"hello"


def test_wrong_names_get_the_messages_aws_users_know(aws):
    assert "NoSuchBucket" in aws("s3", "ls", "s3://does-not-exist", expect=255 if os.environ.get("AWS_CLI_V1") else 254)
    assert "404" in aws("s3", "cp", "s3://presigned/missing", "x", expect=1)


def test_credentials_are_printed_once(started):
    first = exports(started.output())
    started.restart()
    assert started.output().count(first["AWS_SECRET_ACCESS_KEY"]) == 1
    kept = list(started.disks[0].glob("credentials*"))
    assert kept and all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
