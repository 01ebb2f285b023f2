"""The first class of published vulnerabilities: a signature that is skipped, or covers only a part.

Every payload mode, at every place of a signature, at every endpoint, with every wrong signature: 403, and nothing has changed.
"""

import base64
import datetime
import hmac
import json
import os

import pytest

from forgery import FORGED, HTTP, PAYLOADS, SIGNERS, State, forgeries, make_vault, payload_headers, request
from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, Server, free_port
from test_identities import Identity

WEBSITES = "web.localhost"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A server that takes every signature that there is, and shows websites."""
    flags = ["--signature-v2", "--website-domain", WEBSITES, "--node-address", f"127.0.0.1:{free_port()}", "--init"]
    server = Server(tmp_path_factory.mktemp("matrix"), disks=2, flags=flags).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def vault(target):
    """A vault whose secret is also what a website would show."""
    name, upload = make_vault(target)
    target.client().put_bucket_website(Bucket=name, WebsiteConfiguration={"IndexDocument": {"Suffix": "secret"}})
    return name, upload


@pytest.fixture(scope="module")
def watch(target, vault):
    return State(target, vault[0], Identity(target, ACCESS_KEY, SECRET_KEY).iam)


def s3_endpoints(bucket, upload):
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    everybody = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": resources}]}
    return [
        ("PUT", f"/{bucket}/secret", b"forged"),
        ("PUT", f"/{bucket}/new", b"forged"),
        ("PUT", f"/{bucket}/slow?partNumber=1&uploadId={upload}", b"forged"),
        ("POST", f"/{bucket}/slow?uploadId={upload}", b"<CompleteMultipartUpload/>"),
        ("DELETE", f"/{bucket}/slow?uploadId={upload}", b""),
        ("POST", f"/{bucket}/forged?uploads", b""),
        ("POST", f"/{bucket}?delete", b"<Delete><Object><Key>secret</Key></Object></Delete>"),
        ("DELETE", f"/{bucket}/secret", b""),
        ("DELETE", f"/{bucket}/secret?tagging", b""),
        ("PUT", f"/{bucket}?policy", json.dumps(everybody).encode()),
        ("PUT", f"/{bucket}?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        ("DELETE", f"/{bucket}?tagging", b""),
        ("DELETE", f"/{bucket}", b""),
        ("PUT", "/forged-bucket", b""),
        ("GET", f"/{bucket}/secret", b""),
        ("HEAD", f"/{bucket}/secret", b""),
        ("GET", f"/{bucket}?list-type=2", b""),
        ("GET", "/", b""),
    ]


def modes_of(body):
    return PAYLOADS if body else ["signed", "unsigned"]


class Matrix:
    """Asks, and collects what was not refused, and what has changed; each cell is all wrong signatures of one request."""

    def __init__(self, watch):
        self.watch, self.before, self.cells, self.holes = watch, watch.read(), 0, []

    def check(self, cell, asked, allowed=(403,)):
        for what, (method, url, headers, body) in asked.items():
            answer = HTTP.request(method, url, body=body, headers=headers)
            # DeleteObjects answers for each key, and its body is read first.
            each = cell[1].endswith("?delete") and what == "no signature"
            refused = answer.status in allowed or each and (answer.status == 400 or b"<Code>AccessDenied</Code>" in answer.data)
            if not refused or b"treasure" in answer.data or SECRET_KEY.encode() in answer.data:
                self.holes.append((*cell, what, answer.status, answer.data[:200]))
        after = self.watch.read()
        if after != self.before:
            self.holes.append((*cell, "something has changed", {key: value for key, value in after.items() if value != self.before[key]}))
            self.before = after
        self.cells += 1


@pytest.mark.parametrize("location", SIGNERS)
def test_signature_skipped_or_partial(target, vault, watch, location):
    """MinIO CVE-2025-31489, CVE-2026-40344, CVE-2026-41145, CVE-2021-21390, CVE-2020-11012: a second way to read bodies, or to
    sign, that forgot the verifier."""
    matrix = Matrix(watch)
    bucket, upload = vault
    for method, path, body in s3_endpoints(bucket, upload):
        for mode in modes_of(body):
            asked = forgeries(target, method, path, body, mode, location)
            matrix.check((method, path, mode), {what: (method, *forged) for what, forged in asked.items()})
    assert not matrix.holes, matrix.holes
    assert matrix.cells == sum(len(modes_of(body)) for _, _, body in s3_endpoints(bucket, upload)) > 50


@pytest.mark.parametrize("location", SIGNERS)
def test_signature_skipped_or_partial_by_identities(target, watch, location):
    """MinIO CVE-2020-11012: the calls of IAM and STS, where a signature of version 2 counts for nothing at all."""
    matrix = Matrix(watch)
    calls = [("iam", "CreateUser", "UserName=intruder"), ("iam", "CreateAccessKey", "UserName=root"), ("iam", "ListUsers", "")]
    calls += [("sts", "GetSessionToken", ""), ("sts", "GetCallerIdentity", "")]
    for service, action, more in calls:
        body = f"Action={action}&Version={'2010-05-08' if service == 'iam' else '2011-06-15'}&{more}".encode()
        for mode in PAYLOADS:
            asked = forgeries(target, "POST", "/", body, mode, location, service=service)
            for what, forged in asked.items():
                # No call is sent in chunks, signed or not.
                malformed = location.startswith("v2") or "chunks" in mode
                matrix.check((service, action, mode), {what: ("POST", *forged)}, (400, 403) if malformed else (403,))
    assert not matrix.holes, matrix.holes


@pytest.mark.parametrize("location", SIGNERS)
def test_signature_skipped_or_partial_by_administration(target, watch, location):
    """MinIO CVE-2020-11012, RustFS GHSA-566f: administration by whoever knows the name of a key."""
    matrix = Matrix(watch)
    routes = [("POST", "/admin/v1/token"), ("GET", "/admin/v1/info"), ("POST", "/admin/v1/heal/stop"), ("POST", "/admin/v1/scrub/start")]
    routes += [("GET", "/admin/v1/table"), ("POST", "/admin/v1/node/1/drain")]
    for method, path in routes:
        for mode in PAYLOADS:
            body = b"{}" if method == "POST" else b""
            asked = forgeries(target, method, path, body, mode, location, port=target.admin_port)
            matrix.check((method, path, mode), {what: (method, *forged) for what, forged in asked.items()})
    assert not matrix.holes, matrix.holes
    if location.startswith("v2"):
        return
    for method, path in routes[:-1]:
        url, headers, body = request(target, method, path, b"", "signed", location, port=target.admin_port)
        assert HTTP.request(method, url, headers=headers, body=body).status == 200, (method, path)
        # The signature of one request opens no other.
        other = "/admin/v1/token" if path != "/admin/v1/token" else "/admin/v1/node/1/drain"
        assert HTTP.request("POST", url.replace(path, other), headers=headers).status == 403, path


@pytest.mark.parametrize("location", SIGNERS)
def test_signature_skipped_or_partial_by_websites(target, vault, watch, location):
    """A website shows what everybody may read, however the request is signed, and changes nothing."""
    matrix = Matrix(watch)
    bucket, _ = vault
    host = f"{bucket}.{WEBSITES}:{target.port}"
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE"]:
        body = b"forged" if method in ("PUT", "POST") else b""
        for path in ["/", "/secret"]:
            for mode in modes_of(body):
                asked = forgeries(target, method, path, body, mode, location, host=host)
                allowed = (403,) if method in ("GET", "HEAD") else (403, 405)
                matrix.check((method, path, mode), {what: (method, *forged) for what, forged in asked.items()}, allowed)
    assert not matrix.holes, matrix.holes


def form_fields(bucket, version, secret=SECRET_KEY, access_key=ACCESS_KEY):
    """The fields of an upload by a form, whose policy is signed by this version."""
    conditions = [{"bucket": bucket}, ["starts-with", "$key", ""]]
    names = ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token"]
    conditions += [["starts-with", f"${name}", ""] for name in names]
    policy = base64.b64encode(json.dumps({"expiration": "2099-01-01T00:00:00Z", "conditions": conditions}).encode())
    fields = {"key": "secret", "policy": policy.decode()}
    if version == "v2":
        signature = base64.b64encode(hmac.digest(secret.encode(), policy, "sha1")).decode()
        return fields | {"AWSAccessKeyId": access_key, "signature": signature}
    now = datetime.datetime.now(datetime.timezone.utc)
    day, key = now.strftime("%Y%m%d"), f"AWS4{secret}".encode()
    for word in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    fields |= {"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": f"{access_key}/{day}/{REGION}/s3/aws4_request"}
    return fields | {"x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"), "x-amz-signature": hmac.digest(key, policy, "sha256").hex()}


@pytest.mark.parametrize("version", ["v4", "v2"])
def test_signature_skipped_or_partial_by_forms(target, vault, watch, version):
    """MinIO CVE-2023-28434: a form whose policy nobody has signed, in each way of sending its body."""
    matrix = Matrix(watch)
    bucket, _ = vault
    name = "signature" if version == "v2" else "x-amz-signature"
    good = form_fields(bucket, version)
    unsigned = {field: value for field, value in good.items() if field not in (name, "AWSAccessKeyId") and not field.startswith("x-amz-")}
    asked = {
        "wrong signature": good | {name: FORGED if version == "v4" else base64.b64encode(bytes(20)).decode()},
        "no signature": unsigned,
        "no policy": {"key": "secret"},
        "another policy": good | {"policy": base64.b64encode(b'{"expiration":"2099-01-01T00:00:00Z","conditions":[]}').decode()},
        "wrong secret": form_fields(bucket, version, secret="another-secret"),
        "unknown key": form_fields(bucket, version, access_key="nobody"),
    }

    def send(fields, mode):
        parts = [f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n' for field, value in fields.items()]
        form = "".join([*parts, '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nforged\r\n--b--\r\n']).encode()
        headers = {"Content-Type": "multipart/form-data; boundary=b"} | payload_headers(form, mode)
        return "POST", f"{target.endpoint}/{bucket}", headers, PAYLOADS[mode][1](form)

    for mode in PAYLOADS:
        # A policy without a signature is a form of which a field is missing, and forms are not sent in chunks.
        allowed = {what: (400, 403) if what == "no signature" or "chunks" in mode else (403,) for what in asked}
        for what, fields in asked.items():
            matrix.check(("form", version, mode), {what: send(fields, mode)}, allowed[what])
    assert not matrix.holes, matrix.holes
    method, url, headers, body = send(good | {"key": "mine"}, "unsigned")
    assert HTTP.request(method, url, headers=headers, body=body).status == 204
    watch.s3.delete_object(Bucket=bucket, Key="mine")


def test_the_same_requests_are_let_in_when_they_are_signed(target):
    """What the matrix has refused was refused for its signature."""
    s3 = target.client()
    bucket = f"open-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=bucket)
    for location in SIGNERS:
        for mode in ["signed", "unsigned", "unsigned chunks, trailer"]:
            if location.startswith("v2") and "chunks" in mode:
                continue
            url, headers, body = request(target, "PUT", f"/{bucket}/{mode[0]}", b"mine", mode, location)
            answer = HTTP.request("PUT", url, headers=headers, body=body)
            assert answer.status == 200, (location, mode, answer.data)
        url, headers, _ = request(target, "GET", f"/{bucket}/s", b"", "signed", location)
        assert HTTP.request("GET", url, headers=headers).data == b"mine", location


@pytest.mark.parametrize("mode", ["signed chunks", "signed chunks, trailer"])
@pytest.mark.parametrize("location", [location for location in SIGNERS if not location.startswith("v2")])
def test_signature_of_chunks_skipped(target, vault, watch, mode, location):
    """MinIO CVE-2021-21390: the head is signed rightly, the chunks are not."""
    matrix = Matrix(watch)
    bucket, upload = vault
    for path in [f"/{bucket}/secret", f"/{bucket}/slow?partNumber=1&uploadId={upload}"]:
        url, headers, body = request(target, "PUT", path, b"forged", mode, location)
        matrix.check(("PUT", path, mode), {"wrong chunks": ("PUT", url, headers, body)})
        # A size of nothing ends the body before any signature is looked at.
        matrix.check(("PUT", path, mode), {"no chunks": ("PUT", url, headers, b"0\r\n\r\n")}, (400, 403))
    assert not matrix.holes, matrix.holes
