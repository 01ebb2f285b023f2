"""Concurrent clients on all nodes of a cluster, which record every operation for `history.check`."""

import collections
import hashlib
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError

from history import ABSENT, FAILED, OK, REFUSED, UNKNOWN, Operation, parse, render

BUCKET = "chaos"
SIZES = [100, 100, 20_000, 300_000, 1_500_000]
ROUND_SECONDS = 4
KEYS, COUNTERS = 6, 1
PAUSE_SECONDS = 0.02


class Load:
    """Clients that go on until `stop`; keys change every few seconds, so that old ones rest and are read at the end."""

    def __init__(self, cluster, clients=8, seed=1, **settings):
        self.cluster, self.seed, self.settings = cluster, seed, settings
        self.operations = collections.deque()
        self.stopping = threading.Event()
        self.connections = {}
        self.started = time.monotonic()
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(clients)]

    def connect(self):
        settings = {"connect_timeout": 2, "read_timeout": 15, "max_pool_connections": 32} | self.settings
        for node in self.cluster.nodes:
            if node not in self.connections:
                self.connections[node] = self.cluster.client(node, **settings)

    def start(self):
        self.connect()
        self.connections[1].create_bucket(Bucket=BUCKET)
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"

    def work(self, number):
        client = Client(self, number)
        # Clients stay with a node, so that one that hangs does not hold up those of the others.
        client.node = self.cluster.nodes[number % len(self.cluster.nodes)]
        while not self.stopping.is_set():
            client.step()
            time.sleep(PAUSE_SECONDS)

    def read_everything(self):
        """Reads each key and lists all through every node; what is found joins the history."""
        self.connect()
        reader = Client(self, len(self.threads))
        keys = sorted({operation.key for operation in self.operations if operation.kind != "list"})
        for reader.node in self.cluster.nodes:
            for key in keys:
                reader.get(key)
            reader.list("")
        unread = [operation for operation in self.operations if operation.outcome != OK and operation.start > reader.started]
        return len(keys), [f"{operation.key}: not readable in the end: {operation}" for operation in unread]


class Client:
    """One client, one operation at a time, on any node."""

    def __init__(self, load, number):
        self.load, self.number, self.sequence = load, number, 0
        self.generator = random.Random(f"{load.seed}/{number}")
        self.started = time.monotonic()
        self.node = 1

    def step(self):
        lap = int((time.monotonic() - self.load.started) / ROUND_SECONDS)
        key = f"{lap:04}/key{self.generator.randrange(KEYS)}"
        choice = self.generator.choices(["put", "get", "delete", "create", "swap", "increment", "list"], [8, 10, 3, 2, 2, 5, 1])[0]
        if choice == "increment":
            self.increment(f"{lap:04}/counter{self.generator.randrange(COUNTERS)}")
        elif choice == "list":
            self.list(f"{lap:04}/")
        elif choice == "swap":
            found = self.get(key)
            if found not in (None, ABSENT):
                self.swap(key, *found, f"c{self.number}-{self.next()}")
        elif choice in ("put", "create"):
            getattr(self, choice)(key, f"c{self.number}-{self.next()}", self.generator.choice(SIZES))
        else:
            getattr(self, choice)(key)

    def next(self):
        self.sequence += 1
        return self.sequence

    def increment(self, key):
        """Reads a counter and adds one to exactly what was read."""
        found = self.get(key)
        writer = f"c{self.number}-{self.next()}"
        if found == ABSENT:
            self.create(key, f"1.{writer}", 100)
        elif found:
            value, etag = found
            self.swap(key, value, etag, f"{int(value.split('.')[0]) + 1}.{writer}")

    def put(self, key, value, size):
        self.record("put", key, value, lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=render(value, size)))

    def create(self, key, value, size):
        self.record("create", key, value, lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=render(value, size), IfNoneMatch="*"))

    def swap(self, key, expected, etag, value):
        body = render(value, 100)
        self.record("swap", key, value, lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=body, IfMatch=etag), expected)

    def delete(self, key):
        self.record("delete", key, ABSENT, lambda s3: s3.delete_object(Bucket=BUCKET, Key=key))

    def get(self, key):
        """The value and ETag of a key, ABSENT, or None if that could not be known."""

        def fetch(s3):
            answer = s3.get_object(Bucket=BUCKET, Key=key)
            content = answer["Body"].read()
            if answer["ETag"].strip('"') != hashlib.md5(content).hexdigest():
                return {"value": parse(b""), "etag": None}
            return {"value": parse(content), "etag": answer["ETag"]}

        answer = self.record("get", key, None, fetch)
        if answer is None or answer == ABSENT:
            return answer
        return answer["value"], answer["etag"]

    def list(self, prefix):
        def fetch(s3):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
            return {"value": tuple(entry["Key"] for page in pages for entry in page.get("Contents", []))}

        self.record("list", prefix, None, fetch)

    def record(self, kind, key, value, request, expected=ABSENT):
        node, outcome, retried, note, answer = self.node, OK, False, "", None
        start = time.monotonic()
        try:
            answer = request(self.load.connections[node])
            retried = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
            value = answer.get("value", value)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            retried = error.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
            note = f"{status} {error.response['Error'].get('Code')}: {error.response['Error'].get('Message')}"
            if kind == "get" and error.response["Error"]["Code"] == "NoSuchKey":
                value = answer = ABSENT
            else:
                outcome = outcome_of(kind, status, retried)
        except (ConnectTimeoutError, EndpointConnectionError) as error:
            # Never sent, unless an earlier attempt of the same call was.
            outcome, note = UNKNOWN if self.load.settings else FAILED, type(error).__name__
            time.sleep(0.1)
        except (BotoCoreError, HTTPClientError, OSError) as error:
            outcome, note = UNKNOWN, type(error).__name__
        end = time.monotonic()
        self.load.operations.append(Operation(kind, key, value, start, end, outcome, expected, node, retried, note))
        return answer


def outcome_of(kind, status, retried):
    """What an error says about a write. A retry is refused by what its own first attempt may have written."""
    if status in (404, 412) and kind in ("create", "swap"):
        return UNKNOWN if retried else REFUSED
    return UNKNOWN if 500 <= status or status == 409 else FAILED
