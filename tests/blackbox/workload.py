"""A mixed workload whose every answer is remembered, and the check of what must be there after a crash."""

import hashlib
import random
import threading

from botocore.exceptions import BotoCoreError, ClientError

from stonecrop import body

MIB = 1024 * 1024
BUCKET = "crash"
SIZES = [0, 10, 3000, 16_384, 16_385, 70_000, 400_000, 1_500_000]
ABSENT = "absent"


class Violation(AssertionError):
    """The store lost, resurrected or tore something that it had acknowledged."""


class Writer(threading.Thread):
    """Writes keys of its own, one operation at a time, until the server is gone.

    `expected` maps each key to the states a reader may find: one when the last operation was acknowledged, several when
    an operation was under way at the crash. A state is the MD5 of the body, or ABSENT.
    """

    def __init__(self, name, seed):
        super().__init__(daemon=True)
        self.prefix = name
        self.generator = random.Random(seed)
        self.expected = {}
        self.touched = set()
        self.acknowledged = 0
        self.sequence = 0
        self.client = None
        self.stopping = threading.Event()

    def begin(self, server):
        """A thread for the next round that goes on with this writer's memory."""
        again = Writer(self.prefix, self.generator.random())
        again.expected, again.sequence, again.acknowledged = self.expected, self.sequence, self.acknowledged
        again.client = server.client(connect_timeout=2)
        again.start()
        return again

    def run(self):
        while not self.stopping.is_set():
            key = f"{self.prefix}/{self.generator.randrange(12)}"
            operation = self.generator.choices([self.put, self.delete, self.copy, self.multipart], [12, 3, 2, 1])[0]
            before = self.expected.get(key, {ABSENT})
            self.touched.add(key)
            try:
                outcome = operation(key, before)
            except (BotoCoreError, ClientError, OSError):
                return
            if self.stopping.is_set():
                # Answered after the end began: see whoever set it.
                return
            self.acknowledged += 1
            self.expected[key] = {outcome}

    def fresh_body(self, size):
        self.sequence += 1
        return body(size, seed=f"{self.prefix}/{self.sequence}")

    def may_become(self, key, before, state):
        """Remembers, before the request leaves, that `key` may turn into `state`."""
        self.expected[key] = before | {state}
        return state

    def put(self, key, before):
        content = self.fresh_body(self.generator.choice(SIZES))
        state = self.may_become(key, before, hashlib.md5(content).hexdigest())
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)
        return state

    def delete(self, key, before):
        state = self.may_become(key, before, ABSENT)
        self.client.delete_object(Bucket=BUCKET, Key=key)
        return state

    def copy(self, key, before):
        sources = [name for name, states in self.expected.items() if len(states) == 1 and ABSENT not in states and name != key]
        if not sources:
            return self.put(key, before)
        source = self.generator.choice(sources)
        state = self.may_become(key, before, next(iter(self.expected[source])))
        self.client.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": source})
        return state

    def multipart(self, key, before):
        parts = [self.fresh_body(5 * MIB), self.fresh_body(9000)]
        state = hashlib.md5(b"".join(parts)).hexdigest()
        upload_id = self.client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        done = []
        for number, content in enumerate(parts, 1):
            answer = self.client.upload_part(Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=number, Body=content)
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
        self.may_become(key, before, state)
        self.client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload_id, MultipartUpload={"Parts": done})
        return state


def found_state(client, key):
    try:
        answer = client.get_object(Bucket=BUCKET, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return ABSENT
        raise
    content = answer["Body"].read()
    digest = hashlib.md5(content).hexdigest()
    etag = answer["ETag"].strip('"')
    if "-" not in etag and etag != digest:
        raise Violation(f"{key}: body does not match its ETag (torn object)")
    return digest


def verify(server, writer, keys):
    """Reads `keys` and narrows what is expected to what was found."""
    client = server.client()
    listed = {entry["Key"] for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=writer.prefix + "/")
              for entry in page.get("Contents", [])}
    for key in sorted(keys):
        states = writer.expected.get(key, {ABSENT})
        state = found_state(client, key)
        if state not in states:
            raise Violation(f"{key}: found {state}, expected one of {sorted(states)}")
        if (state != ABSENT) != (key in listed):
            raise Violation(f"{key}: the listing does not agree with the object")
        writer.expected[key] = {state}
    return len(keys)
