"""Random requests, half of them broken and most of them rightly signed, so that they reach the handlers.

None may be answered with a failure of the server, hang, or cost memory for good. `STONECROP_FUZZ_SEED` and
`STONECROP_FUZZ_CASES` choose another run, or a longer one.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import random
import re
import socket
import urllib.parse
import xml.etree.ElementTree

import pytest

from measure import memory_mib
from stonecrop import ACCESS_KEY, REGION, SECRET_KEY

SEED = int(os.environ.get("STONECROP_FUZZ_SEED", "1"))
CASES = int(os.environ.get("STONECROP_FUZZ_CASES", "3000"))
ANSWER_SECONDS_MAX = 10
# What a server that works may answer: nothing above 500 but that it lacks something.
ALLOWED = {100, *range(200, 500), 501}

METHODS = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW", "get"]
SUBRESOURCES = [
    "acl", "attributes", "cors", "delete", "encryption", "legal-hold", "lifecycle", "location", "logging", "notification",
    "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
    "restore", "retention", "select", "session", "tagging", "torrent", "uploads", "versioning", "versions", "website", "x",
]
PARAMETERS = [
    "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "list-type", "marker", "max-buckets",
    "max-keys", "max-parts", "max-uploads", "part-number-marker", "partNumber", "prefix", "response-content-type",
    "response-expires", "start-after", "uploadId", "upload-id-marker", "version-id-marker", "versionId", "X-Amz-Algorithm",
    "x-id",
]
HEADERS = [
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5", "content-type", "date",
    "expect", "expires", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range",
    "x-amz-acl", "x-amz-bucket-object-lock-enabled", "x-amz-checksum-algorithm", "x-amz-checksum-crc32",
    "x-amz-checksum-crc64nvme", "x-amz-checksum-mode", "x-amz-checksum-sha256", "x-amz-checksum-type", "x-amz-copy-source",
    "x-amz-copy-source-if-match", "x-amz-copy-source-if-modified-since", "x-amz-copy-source-range",
    "x-amz-decoded-content-length", "x-amz-expected-bucket-owner", "x-amz-grant-read", "x-amz-max-parts",
    "x-amz-meta-a", "x-amz-metadata-directive", "x-amz-mp-object-size", "x-amz-mp-parts-count",
    "x-amz-object-attributes", "x-amz-object-ownership", "x-amz-part-number-marker", "x-amz-rename-source",
    "x-amz-request-payer", "x-amz-sdk-checksum-algorithm", "x-amz-security-token", "x-amz-server-side-encryption",
    "x-amz-storage-class", "x-amz-tagging", "x-amz-trailer", "x-amz-website-redirect-location", "x-amz-write-offset-bytes",
]
VALUES = [
    "", "0", "1", "-1", "10001", "2147483648", "18446744073709551616", "1e9", "*", '"', '""', "null", "true", "url", "CRC32",
    "SHA256", "COMPOSITE", "FULL_OBJECT", "COPY", "REPLACE", "private", "STANDARD", "bytes=0-", "bytes=-0", "bytes=5-2",
    "bytes=0-1,3-4", "bytes=99999999999999999999-", "items=0-1", "fuzz/a", "/fuzz/a", "fuzz/a?versionId=null", "fuzz/%zz",
    "fuzz", "aws-chunked", "aws-chunked,gzip", "x-amz-checksum-crc32", "AAAAAA==", "1B2M2Y8AsgTpgAmY7PhCfg==", "100-continue",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "yesterday", "ETag,ObjectSize", "ObjectParts", "ü",
    "a" * 3000, "/", "//", "a/", "%00", "\u2028", "🌱",
]
DOCUMENTS = {
    "Delete": ["Object", "Key", "Quiet", "VersionId", "ETag"],
    "CompleteMultipartUpload": ["Part", "PartNumber", "ETag", "ChecksumCRC32", "ChecksumSHA256"],
    "CreateBucketConfiguration": ["LocationConstraint", "Bucket", "Location", "Type", "Tags"],
    "AccessControlPolicy": ["Owner", "AccessControlList", "Grant", "Grantee", "ID", "Permission"],
}
PAYLOADS = [
    "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "0" * 64, "nonsense",
]


class Requests:
    """Makes requests at random from what S3 knows and from what nobody knows."""

    def __init__(self, generator, host):
        self.generator = generator
        self.host = host
        self.uploads = ["nothing"]

    def chance(self, share):
        return self.generator.random() < share

    def value(self):
        if self.chance(0.1):
            return "".join(self.generator.choices("aZ09%/&=+<>\"'\\ ~\u00e9\u4e2d", k=self.generator.randrange(40)))
        return self.generator.choice([*VALUES, *self.uploads])

    def path(self):
        bucket = self.generator.choice([*["fuzz"] * 20, "missing-bucket", "Bad_Name", "", "..", "a" * 70])
        if self.chance(0.3):
            return f"/{bucket}"
        key = self.generator.choice(["a", "a", "b", "dir/c", "dir/c", "", "../x", "//", ".", "\x01\x7f", "k" * 1024, "k" * 1025, self.value()])
        return f"/{bucket}/{key}"

    def query(self):
        names = self.generator.choices([*SUBRESOURCES, *PARAMETERS], k=self.generator.choice([0, 0, 0, 0, 1, 1, 2, 5]))
        pairs = [(name, "" if name in SUBRESOURCES and self.chance(0.8) else self.value()) for name in names]
        if self.chance(0.15):
            pairs += [("uploadId", self.generator.choice(self.uploads)), ("partNumber", self.generator.choice(["1", "2", "0", "10001"]))]
        return pairs

    def headers(self):
        names = set(self.generator.choices(HEADERS, k=self.generator.choice([0, 0, 0, 1, 1, 3])))
        return {name: self.value() for name in sorted(names)}

    def document(self):
        root = self.generator.choice(list(DOCUMENTS))
        names = DOCUMENTS[root]

        def element(depth):
            name = self.generator.choice(names)
            if depth == 0 or self.chance(0.4):
                text = self.value().replace("&", "&amp;").replace("<", "&lt;")
                return f"<{name}>{text}</{name}>"
            return f"<{name}>{''.join(element(depth - 1) for _ in range(self.generator.randrange(4)))}</{name}>"

        text = f"<{root}>{''.join(element(2) for _ in range(self.generator.randrange(5)))}</{root}>"
        if self.chance(0.2):
            cut = self.generator.randrange(len(text) + 1)
            text = text[:cut] + self.generator.choice(["", "<", "&x;", "]]>", "<!DOCTYPE a>", "\x00", "<?x?>", "<!--"]) + text[cut + 1:]
        return text.encode()

    def chunks(self):
        data = self.generator.randbytes(self.generator.choice([0, 1, 10, 9000, 70_000]))
        size = self.generator.choice([f"{len(data):x}", f"{len(data) + 1:x}", "ffffffffffffffff", "-1", "", "zz", f"{len(data):x};a=b"])
        signature = self.generator.choice(["", f";chunk-signature={'0' * 64}", ";chunk-signature=x"])
        end = self.generator.choice(["0\r\n\r\n", "0\r\n", "", "0;chunk-signature=0\r\n\r\n", "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "0\r\n" + "a:b\r\n" * 2000 + "\r\n"])
        return f"{size}{signature}\r\n".encode() + data + b"\r\n" + end.encode()

    def body(self):
        kind = self.generator.random()
        if kind < 0.35:
            return b""
        if kind < 0.6:
            return self.document()
        if kind < 0.8:
            return self.chunks()
        return self.generator.randbytes(self.generator.choice([1, 100, 20_000, 300_000]))

    def request(self):
        """Method, target, headers and body; all but a few signed as they are."""
        method = self.generator.choice(METHODS[:5] if self.chance(0.95) else METHODS)
        path, query, headers, body = self.path(), self.query(), self.headers(), self.body()
        if self.chance(0.2):
            payload = self.generator.choice(PAYLOADS)
            if payload.startswith("STREAMING") and self.chance(0.8):
                headers["x-amz-decoded-content-length"] = str(self.generator.choice([0, 1, 10, 9000, len(body)]))
        else:
            payload = hashlib.sha256(body).hexdigest()
        if body and ("delete", "") in query and self.chance(0.9):
            headers["content-md5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
        headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
        target = urllib.parse.quote(path, safe="/~") if path.startswith("/") else "/"
        if query:
            target += "?" + "&".join(f"{urllib.parse.quote(name, safe='~')}={urllib.parse.quote(value, safe='~')}" for name, value in query)
        if self.chance(0.95):
            headers = self.signed(method, target, headers, payload)
        return method, target, headers, body

    def signed(self, method, target, headers, payload):
        """Signature Version 4, by hand: clients' libraries refuse to sign what is broken."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": now, **headers}
        path, _, query = target.partition("?")
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{' '.join(headers[name].replace(chr(9), ' ').split(' ')).strip()}\n" for name in sorted(headers))
        lines = re.sub(" +", " ", lines)
        canonical = f"{method}\n{path}\n{'&'.join(sorted(query.split('&')))}\n{lines}\n{names}\n{payload}"
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        key = f"AWS4{SECRET_KEY}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()
        credential = f"Credential={ACCESS_KEY}/{scope}"
        return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential},SignedHeaders={names},Signature={signature}"}


def send(server, method, target, headers, body, declared):
    """Sends a request whose declared size may be a lie; returns its status and what came back."""
    head = f"{method} {target} HTTP/1.1\r\nhost: {server.host}\r\nconnection: close\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "host")
    head += {None: "transfer-encoding: chunked\r\n"}.get(declared, f"content-length: {declared}\r\n")
    if declared is None:
        body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if body else b"0\r\n\r\n"
    with socket.create_connection(server.address, timeout=ANSWER_SECONDS_MAX) as connection:
        try:
            connection.sendall(head.encode("latin-1") + b"\r\n" + body)
            if declared is not None and len(body) < declared:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # Refused before the end of the body; the answer says why.
        answer = http.client.HTTPResponse(connection, method=method.upper())
        try:
            answer.begin()
            return answer.status, answer.read()
        except (ConnectionResetError, http.client.BadStatusLine):
            return None, b""


def resident_mib(server):
    return sum(map(memory_mib, server.pids()))


@pytest.mark.first_answer
def test_random_requests_get_no_failure_no_hang_and_no_memory(server):
    requests = Requests(random.Random(SEED), server.host)
    s3 = server.client()
    s3.create_bucket(Bucket="fuzz")
    s3.put_object(Bucket="fuzz", Key="a", Body=b"content of a")
    s3.put_object(Bucket="fuzz", Key="dir/c", Body=bytes(300_000))
    requests.uploads.append(s3.create_multipart_upload(Bucket="fuzz", Key="a")["UploadId"])
    statuses, resident, processes = {}, 0, server.pids()
    for case in range(CASES):
        if case == CASES // 2:
            resident = resident_mib(server)
        method, target, headers, body = requests.request()
        declared = requests.generator.choices([len(body), None, len(body) + 1, max(0, len(body) - 1)], [90, 4, 3, 3])[0]
        context = f"seed {SEED}, case {case}: {method} {target} {headers} {body[:300]!r} declared as {declared}"
        try:
            status, content = send(server, method, target, headers, body, declared)
        except (TimeoutError, ConnectionRefusedError):
            raise AssertionError(f"no answer: {context}") from None
        assert status is None or status in ALLOWED, f"{status} {content[:300]!r}: {context}"
        if content and 400 <= (status or 0):
            assert xml.etree.ElementTree.fromstring(re.sub(rb"&#x[0-9a-f]+;", b"", content)).tag == "Error", context
        statuses[status] = statuses.get(status, 0) + 1
    print(f"seed {SEED}: {CASES} requests: {dict(sorted(statuses.items(), key=str))}")
    print(f"resident: {resident:.0f} MiB half way, {resident_mib(server):.0f} MiB at the end")
    assert statuses.get(200, 0) > CASES // 20, "too few got through to tell anything"
    assert statuses.get(None, 0) < CASES // 20, "too many were cut off without an answer"
    assert server.pids() == processes, "a process ended"
    assert resident_mib(server) < resident + 32 * len(processes)
    assert "panicked" not in server.log()
    assert [line for line in server.log().split("\n") if line and json.loads(line)["level"] == "ERROR"] == []
    for key in ("after", "a"):
        s3.put_object(Bucket="fuzz", Key=key, Body=b"still here")
        assert s3.get_object(Bucket="fuzz", Key=key)["Body"].read() == b"still here"
