"""The aws CLI as a user types it: in a shell that has evaluated the snippet that the first start prints, and on a cluster."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, Server, body

AWS_DIRECTORY = pathlib.Path(sys.executable).parent


def snippet(text):
    """The lines that the first start asks the user to paste: all that are indented."""
    return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.startswith("  "))


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("cli"),
        environment={"STONECROP_ACCESS_KEY": None, "STONECROP_SECRET_KEY": None},
    ).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pasted(started, tmp_path_factory):
    """A file with the environment of a shell in which the snippet was pasted; its last line makes a bucket."""
    lines = snippet(started.output())
    assert re.findall(r"^export (\w+)=\S+$", lines, re.M) == [
        "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    ], started.output()
    assert lines.splitlines()[-1] == "aws s3 mb s3://first-bucket"
    directory = tmp_path_factory.mktemp("shell")
    shell = Shell(directory)
    assert shell.run(f"{lines}\nexport -p > exported") == "make_bucket: first-bucket\n"
    return directory / "exported"


class Shell:
    """A shell of a user who has no AWS configuration."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self.environment |= {
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "PATH": f"{AWS_DIRECTORY}:{os.environ['PATH']}",
        }

    def run(self, script, expect=0):
        """Runs `script`, which must end with the code `expect`; returns everything it printed."""
        result = subprocess.run(
            ["bash", "-eu", "-c", script], text=True, env=self.environment, cwd=self.directory, timeout=250,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        assert result.returncode == expect, f"{script}: {result.stdout}"
        return result.stdout


@pytest.fixture
def pasting_shell(pasted, tmp_path):
    """Runs scripts in the shell in which the snippet was pasted."""
    return lambda script, **options: Shell(tmp_path).run(f"source {pasted}\ncd {tmp_path}\n{script}", **options)


@pytest.fixture
def shell(request, server, tmp_path):
    """Runs scripts in the shell in which the snippet was pasted; on a cluster, each script asks another node."""
    if not request.config.getoption("cluster"):
        return request.getfixturevalue("pasting_shell")
    keys = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    if request.config.getoption("broken"):
        # A command knows one node only, and has to wait until that is started again.
        keys |= {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "10"}

    def run(script, **options):
        server.turn()
        shell = Shell(tmp_path)
        shell.environment |= keys | {"AWS_ENDPOINT_URL": server.endpoint}
        return shell.run(script, **options)

    return run


def test_make_copy_sync_list_remove_with_a_100_mb_file(shell, tmp_path):
    big = body(100_000_000)
    (tmp_path / "big.bin").write_bytes(big)
    for name in ["a.txt", "sub/b.txt", "sub/deep/ü – c.txt"]:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")

    shell("aws s3 mb s3://cli-bucket")
    shell("aws s3 cp big.bin s3://cli-bucket/big.bin")
    shell("aws s3 sync tree s3://cli-bucket/tree")
    listing = shell("aws s3 ls --recursive --summarize s3://cli-bucket")
    assert "100000000 big.bin" in listing and "tree/sub/deep/ü – c.txt" in listing and "Total Objects: 4" in listing
    shell("aws s3 cp s3://cli-bucket/big.bin back.bin")
    assert (tmp_path / "back.bin").read_bytes() == big
    assert shell("aws s3 sync tree s3://cli-bucket/tree") == "", "nothing has changed"
    shell("rm tree/a.txt; echo changed > tree/sub/b.txt; aws s3 sync --delete tree s3://cli-bucket/tree")
    shell("aws s3 sync s3://cli-bucket/tree copy")
    assert (tmp_path / "copy/sub/b.txt").read_text() == "changed\n" and not (tmp_path / "copy/a.txt").exists()
    shell("aws s3 mv s3://cli-bucket/tree/sub/b.txt s3://cli-bucket/tree/moved.txt")
    assert "PRE tree/" in shell("aws s3 ls s3://cli-bucket")
    assert shell("echo piped | aws s3 cp - s3://cli-bucket/piped; aws s3 cp s3://cli-bucket/piped -") == "piped\n"
    shell("aws s3 rb s3://cli-bucket", expect=1)
    shell("aws s3 rm --recursive s3://cli-bucket")
    assert shell("aws s3 ls --recursive s3://cli-bucket") == ""
    shell("aws s3 rb s3://cli-bucket")
    assert "cli-bucket" not in shell("aws s3 ls")


# curl asks the one node that the link names, once.
@pytest.mark.first_answer
def test_presigned_url_downloads_without_credentials(shell):
    shell("aws s3 mb s3://presigned; echo hello > hello.txt; aws s3 cp hello.txt s3://presigned/hello.txt")
    # Version 1 of the CLI signs links by SigV2 in us-east-1 unless told otherwise (docs/s3-compatibility.md).
    presign = """
        export AWS_CONFIG_FILE=$PWD/config
        aws configure set default.s3.signature_version s3v4
        url=$(aws s3 presign s3://presigned/hello.txt --expires-in 60)
    """
    assert shell(f'{presign} curl -fsS "$url"') == "hello\n"
    refused = shell(f'{presign} curl -sS "${{url%/hello.txt*}}/other.txt?${{url#*\\?}}"')
    assert "<Code>SignatureDoesNotMatch</Code>" in refused


def test_wrong_names_get_the_messages_aws_users_know(shell):
    assert "NoSuchBucket" in shell("aws s3 ls s3://does-not-exist || [ $? -ge 254 ]")
    assert "404" in shell("aws s3 cp s3://presigned/missing x", expect=1)
    assert "InvalidAccessKeyId" in shell("AWS_ACCESS_KEY_ID=nobody aws s3 ls || [ $? -ge 254 ]")


def test_credentials_are_printed_once(started, pasting_shell):
    [secret] = re.findall(r"AWS_SECRET_ACCESS_KEY=(\S+)", started.output())
    started.restart()
    assert started.output().count(secret) == 1
    kept = list(started.disks[0].glob("credentials*"))
    assert kept and all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
    assert "first-bucket" in pasting_shell("aws s3 ls"), "the credentials still work"
