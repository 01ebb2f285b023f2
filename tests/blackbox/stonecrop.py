"""Runs the real `stonecrop` binary for tests: start, stop, kill, and the damage done to its disks."""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import botocore.config

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Those of scripts/cluster, so that the client suites run on its clusters too.
ACCESS_KEY = "root"
SECRET_KEY = "rootsecret"
REGION = "us-east-1"
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 30


def binary() -> pathlib.Path:
    """The binary under test: `STONECROP_BINARY`, else the newest of the debug and release builds."""
    chosen = os.environ.get("STONECROP_BINARY")
    if chosen:
        return pathlib.Path(chosen)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    builds = [path for path in (target / "debug/stonecrop", target / "release/stonecrop") if path.exists()]
    if not builds:
        raise RuntimeError("no stonecrop binary: run `cargo build` first")
    return max(builds, key=lambda path: path.stat().st_mtime)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Server:
    """One server process on directories below `root`. Its log and standard output are kept in files there."""

    def __init__(self, root, disks=1, flags=(), environment=None):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.disks = [self.root / f"disk{number}" for number in range(1, disks + 1)]
        self.port = free_port()
        self.admin_port = free_port()
        self.flags = list(flags)
        self.environment = {"STONECROP_ACCESS_KEY": ACCESS_KEY, "STONECROP_SECRET_KEY": SECRET_KEY}
        self.environment.update(environment or {})
        self.log_path = self.root / "server.log"
        self.output_path = self.root / "server.out"
        self.process = None

    @property
    def address(self):
        return "127.0.0.1", self.port

    @property
    def host(self):
        """The value of the Host header."""
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        return f"http://{self.host}"

    def turn(self):
        """Nothing: the tests of a single server all ask the same. See `cluster.AllNodes`."""

    def command(self):
        return [
            str(binary()), "server",
            "--address", f"127.0.0.1:{self.port}",
            "--admin-address", f"127.0.0.1:{self.admin_port}",
            "--log-format", "json",
            *self.flags,
            *map(str, self.disks),
        ]

    def spawn(self):
        """Starts the process without waiting for it to serve."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("STONECROP_")}
        environment.update({key: value for key, value in self.environment.items() if value is not None})
        with open(self.log_path, "ab") as log, open(self.output_path, "ab") as output:
            self.process = subprocess.Popen(self.command(), stdout=output, stderr=log, env=environment)
        return self

    def start(self):
        self.spawn()
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"server ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            if self.health("ready") == 200:
                return self
            time.sleep(0.02)
        raise RuntimeError(f"server not ready after {START_SECONDS_MAX} s:\n{self.log()[-4000:]}")

    def health(self, kind):
        return health(self.endpoint, kind)

    def stop(self):
        """Graceful shutdown; the exit code must be 0."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS_MAX)
        self.process = None
        assert code == 0, f"server ended with {code}:\n{self.log()[-4000:]}"

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def pids(self):
        """The processes that run and should run."""
        return [] if self.process is None or self.process.poll() is not None else [self.process.pid]

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def output(self):
        return self.output_path.read_text()

    def metrics(self):
        """The server's counters by name; those with labels are summed."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            return parse_metrics(answer.read().decode())

    def client(self, **settings):
        """A boto3 client that does not retry, so that each test sees the server's first answer."""
        keys = self.environment["STONECROP_ACCESS_KEY"], self.environment["STONECROP_SECRET_KEY"]
        return s3_client(self.endpoint, *keys, **settings)

    def spread(self, client):
        """A boto3 client as it is: this is one node. See `cluster.AllNodes`."""
        return client

    def fsck(self, *flags):
        return subprocess.run(
            [str(binary()), "fsck", *flags, *map(str, self.disks)], capture_output=True, text=True, timeout=300
        )

    def lose_disk(self, index):
        """Removes a storage directory, as a disk that is pulled out."""
        shutil.rmtree(self.disks[index])

    def scrub(self):
        """Asks the running server to reread all its disks now."""
        self.process.send_signal(signal.SIGUSR1)

    def blank_disk(self, index):
        """Replaces a storage directory by an empty one, as a new disk mounted in the old one's place."""
        shutil.rmtree(self.disks[index], ignore_errors=True)
        self.disks[index].mkdir()


def health(endpoint, kind):
    """The status of a health check, None if nobody answers."""
    try:
        with urllib.request.urlopen(f"{endpoint}/minio/health/{kind}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def s3_client(endpoint, access_key, secret_key, **settings):
    """A boto3 client that does not retry unless `settings` say so."""
    settings.setdefault("retries", {"total_max_attempts": 1})
    settings.setdefault("s3", {"addressing_style": "path"})
    settings = {"connect_timeout": 5, "read_timeout": 60} | settings
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=botocore.config.Config(**settings),
    )


def parse_metrics(text):
    """Values by metric name; those with labels are summed."""
    values = {}
    for line in text.splitlines():
        match = re.match(r"^([a-z_0-9]+)(?:\{[^}]*\})? ([0-9.e+-]+)$", line)
        if match:
            values[match[1]] = values.get(match[1], 0) + float(match[2])
    return values


def wait_until(condition, seconds=60, what="the condition"):
    """Polls `condition` until it returns something true, which is returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def body(size, seed=0):
    """`size` bytes that differ for each seed and do not compress."""
    return random.Random(f"{seed}/{size}").randbytes(size)


def flip_extent_bytes(disk, count, seed=0):
    """Flips one bit in each of `count` random bytes of a disk's extents, all within the written (non-zero) part."""
    generator = random.Random(seed)
    extents = sorted(path for path in (pathlib.Path(disk) / "extents").rglob("*") if path.is_file())
    written = []
    for path in extents:
        content = path.read_bytes()
        written.append((path, len(content.rstrip(b"\0"))))
    written = [(path, size) for path, size in written if size > 4096]
    assert written, f"no extents in {disk}"
    flipped = 0
    while flipped < count:
        path, size = generator.choice(written)
        offset = generator.randrange(size)
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ (1 << generator.randrange(8))]))
        flipped += 1
    return flipped
