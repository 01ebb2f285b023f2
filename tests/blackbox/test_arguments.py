"""What the program says to wrong arguments, settings and directories: one clear sentence, the right exit code, no more."""

import os
import shutil
import socket
import struct
import subprocess

import pytest

from stonecrop import binary

WRONG_USE, REFUSED = 2, 1


@pytest.fixture
def run(tmp_path):
    """Runs the program in an empty directory, and returns its exit code and what it printed."""

    def run(*words, files=None, environment=None, backtrace="1"):
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("STONECROP_")}
        result = subprocess.run(
            [str(binary()), *words], capture_output=True, text=True, cwd=tmp_path, timeout=30,
            env={**clean, "RUST_BACKTRACE": backtrace, **(environment or {})},
        )
        return result.returncode, result.stdout, result.stderr

    return run


# Words, then what the environment and files add, then the exit code and what must be said.
TABLE = [
    ((), {}, WRONG_USE, ["Usage:", "server", "fsck"]),
    (("serve",), {}, WRONG_USE, ["unrecognized subcommand 'serve'", "server"]),
    (("server",), {}, WRONG_USE, ["no storage directory given", "stonecrop server ./data"]),
    (("server", "--adress", "x", "d"), {}, WRONG_USE, ["unexpected argument '--adress'", "--address"]),
    (("server", "--erasure", "x", "d"), {}, WRONG_USE, ["--erasure takes data and parity shards such as 4+2", 'got "x"']),
    (("server", "--erasure", "0+0", "d"), {}, WRONG_USE, ["--erasure", 'got "0+0"']),
    (("server", "--erasure", "200+100", "d"), {}, WRONG_USE, ["at most 256 in all", 'got "200+100"']),
    (("server", "--address", "127.0.0.1:0", "--admin-address", "off", "--erasure", "4+2", "a", "b", "c"), {}, REFUSED,
     ["erasure profile 4+2 needs 6 storage directories, 3 are named: name more, or choose another profile"]),
    (("server", "--address", "localhost", "d"), {}, WRONG_USE, ["--address takes an IP address and a port such as 127.0.0.1:9000"]),
    (("server", "--admin-address", "on", "d"), {}, WRONG_USE, ["--admin-address", "or `off`"]),
    (("server", "--region", "a b", "d"), {}, WRONG_USE, ["--region takes 1 to 64 letters, digits and dashes"]),
    (("server", "--domain", "a b", "d"), {}, WRONG_USE, ["--domain takes a DNS name"]),
    (("server", "--scrub-days", "0", "d"), {}, WRONG_USE, ["--scrub-days takes 1 to 365; got 0"]),
    (("server", "--body-memory-mib", "1", "d"), {}, WRONG_USE, ["--body-memory-mib takes 32 to 65536; got 1"]),
    (("server", "--log-format", "xml", "d"), {}, WRONG_USE, ["possible values: text, json"]),
    (("server", "--log", "s3=loud", "d"), {}, REFUSED, ["--log takes a filter such as `info`"]),
    (("server", "d", "./d"), {}, WRONG_USE, ["given twice: each disk needs a directory of its own"]),
    (("server", "d"), {"environment": {"STONECROP_SCRUB_DAYS": "often"}}, WRONG_USE, ["--scrub-days", "a whole number is expected"]),
    (("server", "d"), {"environment": {"STONECROP_ADDRESS": "9000"}}, WRONG_USE, ["--address takes an IP address and a port"]),
    (("server", "d"), {"environment": {"STONECROP_ACCESS_KEY": "only-one"}}, WRONG_USE, ["go together: set STONECROP_ACCESS_KEY and STONECROP_SECRET_KEY"]),
    (("server", "d"), {"environment": {"STONECROP_SECRET_KEY": "only-the-other"}}, WRONG_USE, ["go together"]),
    (("server", "d"), {"environment": {"STONECROP_ACCESS_KEY": "key", "STONECROP_SECRET_KEY": "short"}}, WRONG_USE,
     ["STONECROP_SECRET_KEY cannot be used: the secret key must be 8 to 128 visible ASCII characters"]),
    (("server", "d"), {"environment": {"STONECROP_ACCESS_KEY": "a", "STONECROP_SECRET_KEY": "long enough"}}, WRONG_USE, ["the access key must be 3 to 128"]),
    (("server", "--config", "missing.toml", "d"), {}, WRONG_USE, ['cannot read the configuration file "missing.toml"', "No such file"]),
    (("server", "--config", "c", "d"), {"files": {"c": "region = "}}, WRONG_USE, ['the configuration file "c" is not valid', "line 1, column 10"]),
    (("server", "--config", "c", "d"), {"files": {"c": 'regoin = "x"'}}, WRONG_USE, ["unknown field `regoin`", "`region`"]),
    (("server", "--config", "c", "d"), {"files": {"c": 'scrub_days = "x"'}}, WRONG_USE, ["scrub_days", "line 1, column 14"]),
    (("server", "--address", "127.0.0.1:0", "--admin-address", "off", "f"), {"files": {"f": ""}}, REFUSED, ["is not a directory: name a directory"]),
    (("fsck",), {}, WRONG_USE, ["required arguments were not provided", "<DISK>..."]),
    (("fsck", "d"), {}, REFUSED, ["is not part of the cluster: name the directories that the server was started with"]),
]


@pytest.mark.parametrize("words,extra,code,said", TABLE, ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_wrong_arguments_get_one_clear_sentence(run, tmp_path, words, extra, code, said):
    found, output, errors = run(*words, **extra)
    assert found == code, errors
    assert output == ""
    for text in said:
        assert text in errors
    assert errors.count(said[0]) == 1, "said twice"
    for noise in ("panicked", "stack backtrace", "RUST_BACKTRACE", "Error {", "Some(", '"level"'):
        assert noise not in errors
    assert sorted(os.listdir(tmp_path)) == sorted(extra.get("files", {})), "refused, and yet something was made"


def test_help_and_version_go_to_standard_output(run):
    for words, expected in [
        (("--help",), ["Usage:", "server", "fsck", "bench"]),
        (("server", "--help"), ["DISK", "--erasure <K+M>", "[env: STONECROP_ERASURE=]", "[default: 127.0.0.1:9000]", "STONECROP_SECRET_KEY"]),
        (("fsck", "--help"), ["<DISK>...", "--json"]),
        (("bench", "--help"), ["--endpoint", "--concurrency"]),
        (("--version",), ["stonecrop "]),
    ]:
        code, output, errors = run(*words)
        assert (code, errors) == (0, "")
        for text in expected:
            assert text in output, (words, text)


def test_secrets_in_the_environment_are_not_shown_by_help(run):
    code, output, errors = run("server", "--help", environment={"STONECROP_SECRET_KEY": "do-not-show-this"})
    assert code == 0 and "do-not-show-this" not in output + errors


def test_a_port_in_use_is_named_with_the_flag_that_changes_it(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for words in (("--address", address, "--admin-address", "off"), ("--address", "127.0.0.1:0", "--admin-address", address)):
            flag = words[words.index(address) - 1]
            code, _, errors = run("server", *words, "d")
            assert code == REFUSED
            assert errors.strip() == f"stonecrop: cannot listen on {address}, choose another with {flag}: Address already in use (os error 98)"
    assert not (tmp_path / "d").exists()


def refusal(server):
    """What the server says when it refuses to start."""
    server.spawn()
    code = server.process.wait(30)
    server.process = None
    assert code == REFUSED, server.log()
    [sentence] = [line for line in server.log().splitlines() if line.startswith("stonecrop: ")]
    assert "panicked" not in server.log()
    return sentence.removeprefix("stonecrop: cannot open the storage directories: ")


def test_a_directory_in_use_is_refused(make_server):
    first, second = make_server().start(), make_server()
    second.disks = first.disks
    assert refusal(second) == f'"{first.disks[0]}" is in use by another process: stop it, or choose another directory'
    report = first.fsck()
    assert report.returncode == REFUSED and "is in use by another process: stop it" in report.stderr
    first.stop()


def test_another_clusters_directory_is_refused(make_server):
    first, second = make_server(disks=2), make_server(disks=2)
    for server in (first, second):
        server.start()
        server.stop()
    shutil.rmtree(first.disks[1])
    shutil.copytree(second.disks[1], first.disks[1])
    assert refusal(first) == (
        f'"{first.disks[0]}" and "{first.disks[1]}" belong to different clusters: name directories of one cluster only'
    )


def test_another_versions_directory_is_refused(make_server):
    server = make_server().start()
    server.stop()
    change_superblocks(server.disks[0], offset=8, value=9999)
    path = server.disks[0] / "superblock-0"
    assert refusal(server) == f'"{path}" has format version 9999, this program reads 1: run the version that wrote it'


def test_a_mount_point_whose_disk_is_not_mounted_is_refused(make_server):
    server = make_server().start()
    server.stop()
    change_superblocks(server.disks[0], offset=12, value=1)
    assert refusal(server) == (
        f'"{server.disks[0]}" was the root of a mounted file system and is now a plain directory: mount the disk'
    )


def test_damaged_superblocks_are_refused(make_server):
    server = make_server().start()
    server.stop()
    for path in server.disks[0].glob("superblock-*"):
        path.write_bytes(b"rubbish")
    assert "both superblocks of" in refusal(server)


def test_a_directory_of_somebody_elses_files_is_refused(make_server):
    server = make_server()
    server.disks[0].mkdir(parents=True)
    (server.disks[0] / "thesis.doc").write_text("all of it")
    assert refusal(server) == (
        f'"{server.disks[0]}" is not empty and not ours (it holds "thesis.doc"): choose an empty directory'
    )
    assert (server.disks[0] / "thesis.doc").read_text() == "all of it"


def change_superblocks(disk, offset, value):
    """Writes a number into both superblocks and makes their checksums right again (docs/formats/disk.md)."""
    paths = list(disk.glob("superblock-*"))
    assert len(paths) == 2
    for path in paths:
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, offset, value)
        struct.pack_into("<I", content, 60, crc32c(content[:60]))
        path.write_bytes(content)


def crc32c(content):
    register = 0xFFFFFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF
