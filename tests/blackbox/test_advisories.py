"""One standing test for each class of published vulnerabilities of object stores: what happened to others must not happen here.

Each test is named after its class and tells in its first line where it happened. What needs identities, locks or encryption
is tested again, in depth, beside those.
"""

import base64
import datetime
import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import urllib.parse

import boto3
import botocore.config
import botocore.session
import pytest
import urllib3
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, ROOT, SECRET_KEY, Server, free_port

HTTP = urllib3.PoolManager(retries=False, timeout=30)
SECRET_VALUES = [SECRET_KEY]


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A server with every listener that it can have."""
    node_port = free_port()
    server = Server(tmp_path_factory.mktemp("target"), disks=2, flags=["--node-address", f"127.0.0.1:{node_port}", "--init"])
    server.node_port = node_port
    server.start()
    yield server
    server.stop()


@pytest.fixture
def vault(target):
    """A bucket with something of everything in it, which nobody else may touch."""
    s3 = target.client()
    name = f"vault-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="secret", Body=b"the treasure", Tagging="kind=gold")
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "owner", "Value": "root"}]})
    upload = s3.create_multipart_upload(Bucket=name, Key="slow")["UploadId"]
    return name, upload


def version_4(server):
    """A client whose links are signed by version 4 as its requests are."""
    return server.client(signature_version="s3v4")


def state(server, bucket):
    """Everything that a request could have changed."""
    s3 = server.client()

    def ask(operation, **arguments):
        try:
            answer = getattr(s3, operation)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]
        answer.pop("ResponseMetadata")
        answer.pop("Body", None)
        return json.dumps(answer, default=str, sort_keys=True)

    of_bucket = ["list_object_versions", "list_multipart_uploads", "get_bucket_policy", "get_bucket_acl", "get_bucket_tagging",
                 "get_bucket_versioning", "get_bucket_cors", "get_public_access_block", "get_bucket_ownership_controls"]
    found = {operation: ask(operation, Bucket=bucket) for operation in of_bucket}
    found["buckets"] = sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"])
    found["object"] = [ask(operation, Bucket=bucket, Key="secret") for operation in ("get_object", "get_object_acl", "get_object_tagging")]
    return found


# How a body may be sent, and how it then looks on the wire.
def plain(body):
    return body


def in_chunks(signature=None, trailer=None):
    def encode(body):
        mark = f";chunk-signature={signature}".encode() if signature else b""
        last = b"0" + mark + b"\r\n"
        end = (trailer + b"\r\n" if trailer else b"") + b"\r\n"
        return b"%x" % len(body) + mark + b"\r\n" + body + b"\r\n" + last + end

    return encode


FORGED = "0" * 64
CRC = b"x-amz-checksum-crc32:AAAAAA=="
PAYLOADS = {
    "signed": (None, plain),
    "unsigned": ("UNSIGNED-PAYLOAD", plain),
    "signed chunks": ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", in_chunks(FORGED)),
    "signed chunks, trailer": (
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        in_chunks(FORGED, CRC + b"\r\nx-amz-trailer-signature:" + FORGED.encode()),
    ),
    "unsigned chunks, trailer": ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", in_chunks(trailer=CRC)),
}


def request(server, method, path, body, mode, location, access_key=ACCESS_KEY, secret=SECRET_KEY, port=None, service="s3"):
    """A request as an SDK would sign it: its URL, headers and body."""
    port = port or server.port
    sha256, encode = PAYLOADS[mode]
    sent = encode(body)
    headers = {"Host": f"127.0.0.1:{port}", "X-Amz-Content-SHA256": sha256 or hashlib.sha256(body).hexdigest()}
    if sha256 and sha256.startswith("STREAMING"):
        headers |= {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(body))}
    if sha256 and sha256.endswith("TRAILER"):
        headers["X-Amz-Trailer"] = "x-amz-checksum-crc32"
    if "delete" in path or "policy" in path:
        headers["Content-MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
    # Of a body botocore would make parameters of the query.
    asked = AWSRequest(method, f"http://127.0.0.1:{port}{path}", headers=headers, data=sent if location == "header" else None)
    kind = S3SigV4Auth if location == "header" else S3SigV4QueryAuth
    signer = kind(Credentials(access_key, secret), service, REGION)
    signer.payload = lambda _: headers["X-Amz-Content-SHA256"]
    signer.add_auth(asked)
    prepared = asked.prepare()
    return prepared.url, {name: value for name, value in prepared.headers.items() if name != "Content-Length"}, sent


def flip(signature):
    return ("0" if signature[0] != "0" else "1") + signature[1:]


def spoil_signature(url, headers):
    if "Authorization" in headers:
        start, signature = headers["Authorization"].rsplit("Signature=", 1)
        return url, headers | {"Authorization": f"{start}Signature={flip(signature)}"}
    start, signature = url.rsplit("X-Amz-Signature=", 1)
    return f"{start}X-Amz-Signature={flip(signature)}", headers


def take_signature_away(url, headers):
    parsed = urllib.parse.urlsplit(url)
    query = [pair for pair in parsed.query.split("&") if pair and not pair.startswith("X-Amz-")]
    return parsed._replace(query="&".join(query)).geturl(), {name: value for name, value in headers.items() if name != "Authorization"}


def endpoints(bucket, upload):
    everybody = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]})
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
        ("PUT", f"/{bucket}?policy", everybody.encode()),
        ("PUT", f"/{bucket}?versioning", b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        ("DELETE", f"/{bucket}?tagging", b""),
        ("PUT", "/forged-bucket", b""),
        ("GET", f"/{bucket}/secret", b""),
        ("GET", f"/{bucket}?list-type=2", b""),
        ("GET", "/", b""),
    ]


def test_signature_skipped_or_partial(target, vault):
    """MinIO CVE-2025-31489, CVE-2026-40344, CVE-2026-41145, CVE-2021-21390, CVE-2020-11012: a second way to read bodies, or to
    sign, that forgot the verifier. Every payload mode, at every place of the signature, on every endpoint."""
    bucket, upload = vault
    before = state(target, bucket)
    let_through, asked = [], 0
    for method, path, body in endpoints(bucket, upload):
        for mode in PAYLOADS if body else ["signed", "unsigned"]:
            for location in ["header", "query"]:
                good = request(target, method, path, body, mode, location)
                cells = {
                    "wrong signature": spoil_signature(*good[:2]),
                    "no signature": take_signature_away(*good[:2]),
                    "wrong secret": request(target, method, path, body, mode, location, secret="another-secret")[:2],
                    "unknown key": request(target, method, path, body, mode, location, access_key="nobody")[:2],
                }
                for what, (url, headers) in cells.items():
                    answer = HTTP.request(method, url, body=good[2], headers=headers)
                    asked += 1
                    # DeleteObjects answers for each key, and its body is read first.
                    each = path.endswith("?delete") and what == "no signature"
                    refused = answer.status == 403 or each and (answer.status == 400 or b"<Code>AccessDenied</Code>" in answer.data)
                    if not refused or b"treasure" in answer.data:
                        let_through.append((method, path, mode, location, what, answer.status, answer.data[:200]))
    assert not let_through, let_through
    assert state(target, bucket) == before
    assert 250 < asked


def test_signature_of_chunks_skipped(target, vault):
    """MinIO CVE-2021-21390: the head is signed rightly, the chunks are not."""
    bucket, upload = vault
    before = state(target, bucket)
    for mode in ["signed chunks", "signed chunks, trailer"]:
        for path in [f"/{bucket}/secret", f"/{bucket}/slow?partNumber=1&uploadId={upload}"]:
            url, headers, body = request(target, "PUT", path, b"forged", mode, "header")
            answer = HTTP.request("PUT", url, body=body, headers=headers)
            assert answer.status == 403, (mode, path, answer.data)
            # A size of nothing ends the body before any signature is looked at.
            answer = HTTP.request("PUT", url, body=b"0\r\n\r\n", headers=headers)
            assert answer.status in (400, 403), (mode, path, answer.data)
    assert state(target, bucket) == before


def test_admin_api_wants_the_signature_and_not_only_the_key(target):
    """MinIO CVE-2020-11012, RustFS GHSA-566f: administration by whoever knows the name of a key."""
    routes = [("POST", "/admin/v1/token"), ("GET", "/admin/v1/info"), ("POST", "/admin/v1/heal/stop"), ("POST", "/admin/v1/scrub/start"), ("GET", "/admin/v1/table")]
    for method, path in routes:
        for location in ["header", "query"]:
            good = request(target, method, path, b"", "signed", location, port=target.admin_port)
            assert HTTP.request(method, good[0], headers=good[1]).status == 200, (method, path)
            wrong = request(target, method, path, b"", "signed", location, port=target.admin_port, secret="another-secret")
            for url, headers in [spoil_signature(*good[:2]), take_signature_away(*good[:2]), wrong[:2]]:
                answer = HTTP.request(method, url, headers=headers)
                assert answer.status == 403, (method, path, answer.data)
            # The signature of one request opens no other.
            other = "/admin/v1/token" if path != "/admin/v1/token" else "/admin/v1/node/1/drain"
            answer = HTTP.request("POST", good[0].replace(path, other), headers=good[1])
            assert answer.status == 403, (path, other, answer.data)
    target.client().list_buckets()
    heal = request(target, "POST", "/admin/v1/heal/start", b"", "signed", "header", port=target.admin_port)
    assert HTTP.request("POST", heal[0], headers=heal[1]).status == 200


UNSIGNED_HEADERS = {
    "x-amz-acl": "public-read", "x-amz-tagging": "forged=yes", "x-amz-meta-forged": "yes", "x-amz-grant-read": "uri=http://acs.amazonaws.com/groups/global/AllUsers",
    "x-amz-copy-source": "/other/key", "x-amz-storage-class": "STANDARD_IA", "x-amz-website-redirect-location": "/elsewhere",
    "x-amz-server-side-encryption": "AES256", "x-amz-object-lock-legal-hold": "ON", "x-amz-bypass-governance-retention": "true",
    "x-amz-expected-bucket-owner": "000000000000", "x-amz-request-payer": "requester", "x-amz-security-token": "forged",
    "x-amz-object-ownership": "ObjectWriter", "x-amz-mfa": "1 2", "x-amz-principal": "root",
}  # fmt: skip


def test_unsigned_headers_honoured(target, vault):
    """SeaweedFS #9121, #9120: only the headers that the client chose to sign were covered."""
    bucket, _ = vault
    before = state(target, bucket)
    url = version_4(target).generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "secret"})
    for name, value in UNSIGNED_HEADERS.items():
        answer = HTTP.request("PUT", url, body=b"forged", headers={name: value})
        assert answer.status == 403, (name, answer.data)
        good_url, headers, _ = request(target, "PUT", f"/{bucket}/secret", b"forged", "signed", "header")
        answer = HTTP.request("PUT", good_url, body=b"forged", headers=headers | {name: value})
        assert answer.status == 403, (name, answer.data)
    assert state(target, bucket) == before


def test_default_and_derived_secrets(tmp_path, target):
    """RustFS CVE-2025-68926 and ten advisories more: secrets that everybody knows, or can compute."""
    pairs = []
    for number in (1, 2):
        server = Server(tmp_path / str(number), environment={"STONECROP_ACCESS_KEY": None, "STONECROP_SECRET_KEY": None}).start()
        kept = server.disks[0] / "credentials.toml"
        assert kept.stat().st_mode & 0o777 == 0o600
        pairs.append(kept.read_text())
        server.stop()
    assert pairs[0] != pairs[1] and all(len(pair) > 60 for pair in pairs)
    known = [("minioadmin", "minioadmin"), ("rustfsadmin", "rustfsadmin"), ("admin", "admin123"), ("root", "root1234"), ("stonecrop", "stonecrop")]
    for access_key, secret in known:
        url, headers, _ = request(target, "GET", "/", b"", "signed", "header", access_key=access_key, secret=secret)
        assert HTTP.request("GET", url, headers=headers).status == 403
    half = subprocess.run([*Server(tmp_path / "half").command()], env={"STONECROP_ACCESS_KEY": "root", "PATH": os.environ["PATH"]}, capture_output=True, timeout=30)
    assert half.returncode != 0 and b"go together" in half.stderr
    private_key = "PRIVATE " + "KEY-----"
    sources = [path for folder in ("crates", "scripts", "docs") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert len(sources) > 100
    assert not [path for path in sources if private_key.encode() in path.read_bytes()]


def test_rpc_without_a_certificate_or_replayed(target):
    """RustFS GHSA-c667, SeaweedFS #8876: calls between nodes that anybody could make, or make again."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for path in ["/1/meta/propose", "/1/shard/read", "/1/raft/append", "/1/meta/pages", "/1/node/add-disk"]:
        with socket.create_connection(("127.0.0.1", target.node_port), timeout=10) as connection:
            try:
                with context.wrap_socket(connection) as tls:
                    tls.sendall(f"POST {path} HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\n\r\n".encode())
                    answer = tls.recv(4096)
            except (ssl.SSLError, ConnectionError):
                answer = b""
        assert answer == b"" or answer.split(b" ")[1] in (b"401", b"403"), (path, answer)
    with socket.create_connection(("127.0.0.1", target.node_port), timeout=10) as connection:
        connection.sendall(b"POST /1/meta/propose HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\n\r\n")
        try:
            answer = connection.recv(4096)
        except ConnectionError:
            answer = b""
        # What TLS answers to what is no TLS is an alert.
        assert not answer.startswith(b"HTTP/"), answer


def sample(shape, name=""):
    """Something of a shape of botocore's model."""
    if shape.type_name == "structure":
        if getattr(shape, "eventstream", False):
            return {}
        members = shape.required_members or list(shape.members)[:1]
        return {member: sample(shape.members[member], member) for member in members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "map":
        return {"key": sample(shape.value)}
    if shape.type_name in ("integer", "long"):
        return 1
    if shape.type_name in ("float", "double"):
        return 1.0
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "timestamp":
        return datetime.datetime(2030, 1, 1)
    if shape.type_name == "blob":
        return b"forged"
    if getattr(shape, "enum", None):
        return shape.enum[0]
    return "forged"


def every_operation(bucket, upload):
    model = botocore.session.get_session().get_service_model("s3")
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        arguments = sample(shape) if shape and shape.required_members else {}
        # A body that says something, so that it is not refused for saying nothing.
        payload = shape and shape.serialization.get("payload")
        if payload:
            arguments.setdefault(payload, sample(shape.members[payload]))
        known = {"Bucket": bucket, "Key": "secret", "UploadId": upload, "CopySource": f"{bucket}/secret", "RenameSource": f"/{bucket}/secret", "VersionId": "null"}
        arguments |= {argument: value for argument, value in known.items() if shape and argument in shape.members and argument in arguments}
        yield name, arguments


def test_missing_authorization_on_a_path(target, vault):
    """RustFS CVE-2026-39360, GHSA-3ppv and six more, SeaweedFS #9555, MinIO CVE-2023-25812: one of many handlers that did not
    ask. Every operation of the newest S3 model, by somebody who has signed nothing."""
    bucket, upload = vault
    before = state(target, bucket)
    settings = botocore.config.Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, parameter_validation=False)
    nobody = boto3.client("s3", endpoint_url=target.endpoint, region_name=REGION, config=settings)
    asked, let_in = 0, []
    for operation, arguments in every_operation(bucket, upload):
        method = botocore.xform_name(operation)
        if operation in ("CreateSession", "WriteGetObjectResponse") or not hasattr(nobody, method):
            continue  # They go to other hosts.
        asked += 1
        try:
            answer = getattr(nobody, method)(**arguments)
            # DeleteObjects answers for each key.
            if operation != "DeleteObjects" or [error["Code"] for error in answer["Errors"]] != ["AccessDenied"]:
                let_in.append((operation, answer["ResponseMetadata"]["HTTPStatusCode"]))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # Nobody need ask for what is not there for anybody.
            if status not in (403, 501, 405) and operation != "GetObjectTorrent":
                let_in.append((operation, status, error.response["Error"]))
    assert not let_in, let_in
    assert asked > 90
    assert state(target, bucket) == before
    url = version_4(target).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "secret"})
    for other in [url.replace("/secret", "/slow"), url.replace("secret?", "secret?acl&"), url.replace("secret?", "secret?versionId=null&")]:
        assert HTTP.request("GET", other).status == 403
    assert HTTP.request("PUT", url, body=b"forged").status == 403
    assert HTTP.request("DELETE", url).status == 403


def test_copy_source_of_somebody_else(target, vault):
    """RustFS CVE-2026-39360, SeaweedFS #9555: copies that ask only for their target."""
    bucket, _ = vault
    s3 = target.client()
    public = f"public-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=public)
    everything = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{public}", f"arn:aws:s3:::{public}/*"]}
    s3.put_bucket_policy(Bucket=public, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
    nobody = boto3.client("s3", endpoint_url=target.endpoint, region_name=REGION, config=botocore.config.Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}))
    nobody.put_object(Bucket=public, Key="mine", Body=b"mine")
    with pytest.raises(ClientError, match="AccessDenied"):
        nobody.copy_object(Bucket=public, Key="stolen", CopySource=f"{bucket}/secret")
    upload = nobody.create_multipart_upload(Bucket=public, Key="stolen")["UploadId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        nobody.upload_part_copy(Bucket=public, Key="stolen", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/secret")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=public)["Contents"]] == ["mine"]


def test_condition_keys_from_client_headers(target, vault):
    """RustFS CVE-2026-21862 and three more: `aws:SourceIp` from a header that the client writes."""
    bucket, _ = vault
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    target.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    url = f"{target.endpoint}/{bucket}/secret"
    names = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "x-amz-source-ip"]
    for name in names:
        value = "for=10.1.2.3" if name == "Forwarded" else "10.1.2.3"
        assert HTTP.request("GET", url, headers={name: value}).status == 403, name
        assert HTTP.request("GET", f"{url}?{urllib.parse.quote(name)}=10.1.2.3").status == 403, name
    statement["Condition"] = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    target.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert HTTP.request("GET", url).status == 200
    statement["Condition"] = {"StringEquals": {"aws:username": "root"}}
    target.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    for extra in ["?aws:username=root", "?username=root"]:
        assert HTTP.request("GET", url + extra, headers={"aws-username": "root", "x-amz-username": "root"}).status == 403


def test_post_policy_parsed_and_not_enforced(target, vault):
    """MinIO CVE-2023-28434, CVE-2021-21362, RustFS GHSA-w5fh: a form for one bucket and key that fits others."""
    bucket, _ = vault
    s3 = version_4(target)
    other = f"other-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=other)
    before = state(target, bucket)

    def form(conditions, fields=None, key="mine"):
        return s3.generate_presigned_post(other, key, Fields=fields or {}, Conditions=conditions)["fields"]

    def send(where, fields, content=b"forged"):
        answer = HTTP.request("POST", f"{target.endpoint}/{where}", fields={**fields, "file": ("name", content)})
        return answer.status

    assert send(other, form([])) == 204
    violations = {
        "another bucket": (bucket, form([])),
        "another key": (other, form([]) | {"key": "theirs"}),
        "a bucket of the client's choice": (bucket, form([]) | {"bucket": bucket}),
        "too long": (other, form([["content-length-range", 0, 3]])),
        "too short": (other, form([["content-length-range", 100, 300]])),
        "another type": (other, form([["starts-with", "$Content-Type", "image/"]], {"Content-Type": "image/png"}) | {"Content-Type": "text/html"}),
        "another list": (other, form([{"acl": "private"}], {"acl": "private"}) | {"acl": "public-read"}),
        "a field that no condition names": (other, form([]) | {"x-amz-meta-forged": "yes"}),
        "another policy": (other, form([]) | {"policy": base64.b64encode(b'{"expiration":"2099-01-01T00:00:00Z","conditions":[]}').decode()}),
    }
    for what, (where, fields) in violations.items():
        assert send(where, fields) in (400, 403), what
    assert state(target, bucket) == before
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=other)["Contents"]] == ["mine"]


def test_path_traversal(target, vault):
    """SeaweedFS CVE-2026-54917, MinIO CVE-2026-42600, CVE-2022-35919, RustFS GHSA-8r6f: one name authorized, another one opened."""
    bucket, _ = vault
    s3 = target.client()
    mine = f"mine-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=mine)
    before = state(target, bucket)
    keys = [f"../{bucket}/secret", "..", ".", "a/../../b", "/absolute", "//", "a//b", "a\\..\\b", "%2e%2e/x", "\x01", "\u202egpj.exe", "a/./b", "con", "ends/", "\u00e9", "e\u0301"]
    for key in keys:
        path = f"/{mine}/" + urllib.parse.quote(key, safe="/~")
        _, headers, body = request(target, "PUT", path, key.encode(), "signed", "header")
        # This client does not make another path of it.
        connection = http.client.HTTPConnection(*target.address, timeout=30)
        connection.request("PUT", path, body=body, headers=headers)
        assert connection.getresponse().status == 200, key
        connection.close()
    listed = [item["Key"] for item in s3.list_objects_v2(Bucket=mine, EncodingType="url")["Contents"]]
    assert sorted(map(urllib.parse.unquote, listed)) == sorted(keys)
    for key in keys:
        assert s3.get_object(Bucket=mine, Key=key)["Body"].read() == key.encode()
    s3.copy_object(Bucket=mine, Key="copy", CopySource=f"{mine}/../{bucket}/secret")
    assert s3.get_object(Bucket=mine, Key="copy")["Body"].read() == f"../{bucket}/secret".encode()
    s3.delete_object(Bucket=mine, Key=f"../{bucket}/secret")
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.copy_object(Bucket=mine, Key="copy", CopySource=f"/{mine}/%2e%2e/{bucket}/secret")
    assert state(target, bucket) == before | {"buckets": state(target, bucket)["buckets"]}
    files = {path.name for disk in target.disks for path in disk.rglob("*")}
    assert not [name for name in files if "secret" in name or "absolute" in name]


def test_disclosure(target, vault):
    """MinIO CVE-2023-28432, CVE-2024-36107, RustFS GHSA-r54g, -8cm2, -333v: secrets on a page for everybody, or in the log."""
    paths = ["/", "/admin", "/admin/v1/info", "/admin/v1/token", "/metrics", "/minio/admin/v3/info", "/minio/bootstrap/v1/verify", "/minio/v2/metrics/cluster",
             "/debug/pprof/", "/debug/vars", "/env", "/actuator/env", "/config", "/.env", "/.git/config", "/rustfs/console/", "/-/config", "/server-status", "/swagger"]  # fmt: skip
    for port in [target.port, target.admin_port]:
        for method in ["GET", "POST", "PUT", "OPTIONS"]:
            for path in paths:
                answer = HTTP.request(method, f"http://127.0.0.1:{port}{path}", body=b"" if method != "GET" else None)
                is_metrics = (port, method, path) == (target.admin_port, "GET", "/metrics")
                assert answer.status in (400, 403, 404, 405, 501) or is_metrics, (port, method, path, answer.status)
                assert not [secret for secret in SECRET_VALUES if secret.encode() in answer.data]
    target.client(s3={"addressing_style": "path"}).list_buckets()
    wrong = request(target, "GET", "/", b"", "signed", "header", secret="a-secret-that-was-mistyped")
    HTTP.request("GET", wrong[0], headers=wrong[1])
    signature = wrong[1]["Authorization"].rsplit("=", 1)[1]
    url = version_4(target).generate_presigned_url("list_buckets")
    assert HTTP.request("GET", url).status == 200
    bearer = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Signature"][0]
    for text in [target.log(), target.output()]:
        for secret in [*SECRET_VALUES, signature, bearer]:
            assert secret not in text
    assert "a-secret-that-was-mistyped" not in target.log()


def test_server_side_request_forgery(target, vault):
    """SeaweedFS CVE-2026-73080, RustFS GHSA-m479, MinIO CVE-2021-21287: a server that fetches what it is told to."""
    bucket, _ = vault
    caught = []
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                try:
                    connection, _ = trap.accept()
                    caught.append(connection)
                except TimeoutError:
                    pass

        watcher = threading.Thread(target=watch)
        watcher.start()
        address = f"127.0.0.1:{trap.getsockname()[1]}"
        s3 = target.client()
        for source in [f"http://{address}/a/b", f"//{address}/b", f"{address}/b", f"@{address}/b"]:
            with pytest.raises(ClientError):
                s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
        webhook = {"TopicConfigurations": [{"TopicArn": f"arn:minio:sqs::http://{address}:webhook", "Events": ["s3:ObjectCreated:*"]}]}
        with pytest.raises(ClientError):
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=webhook)
        for headers in [{"Host": address}, {"X-Forwarded-Host": address}, {"Referer": f"http://{address}/"}, {"Origin": f"http://{address}"}]:
            HTTP.request("GET", f"{target.endpoint}/{bucket}/secret", headers=headers)
        HTTP.request("GET", f"{target.endpoint}/http://{address}/")
        stop.set()
        watcher.join()
    assert not caught


def test_denial_of_service(target, vault):
    """MinIO CVE-2022-31028, CVE-2026-39414, CVE-2018-1000538, RustFS GHSA-gw2x: buffers without bounds, panics on bad input."""
    bucket, upload = vault

    def memory():
        status = open(f"/proc/{target.process.pid}/status").read()
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    before = memory()
    bomb = b'<!DOCTYPE a [<!ENTITY a "' + b"a" * 1000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">]><Delete>' + b"&b;" * 1000 + b"</Delete>"
    deep = b"<a>" * 300_000
    wide = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 100_000 + b"</Delete>"
    parts = b"<CompleteMultipartUpload>" + b"<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>" * 40_000 + b"</CompleteMultipartUpload>"
    nested = ('{"Statement":' + "[" * 100_000).encode()
    bodies = [("POST", f"/{bucket}?delete", body) for body in (bomb, deep, wide)]
    bodies += [("POST", f"/{bucket}/slow?uploadId={upload}", body) for body in (bomb, deep, parts)]
    bodies += [("PUT", f"/{bucket}?policy", nested), ("PUT", f"/{bucket}?policy", b'{"Version":"2012-10-17","Statement":[' + b"{}," * 5000 + b"{}]}")]
    bodies += [("PUT", f"/{bucket}?tagging", bomb), ("PUT", f"/{bucket}?cors", wide), ("PUT", f"/{bucket}?versioning", deep)]
    for method, path, body in bodies:
        for _ in range(3):
            url, headers, sent = request(target, method, path, body, "signed", "header")
            try:
                answer = HTTP.request(method, url, body=sent, headers=headers)
                assert 400 <= answer.status < 500, (path, answer.status, answer.data[:200])
            except urllib3.exceptions.HTTPError:
                pass  # Refused while the body was still on its way.
    idle = [socket.create_connection(target.address, timeout=5) for _ in range(300)]
    try:
        target.client().head_object(Bucket=bucket, Key="secret")
    finally:
        for connection in idle:
            connection.close()
    assert memory() < before + 150
    assert "panicked" not in target.log()


def test_browsers_get_no_code_of_others(target, vault):
    """RustFS GHSA-v9fg, -7gcx, -x5xv, MinIO CVE-2023-33955: what one user stores runs as what another one sees."""
    bucket, _ = vault
    code = "<script>alert(1)</script>"
    answer = HTTP.request("GET", f"{target.endpoint}/{bucket}/{urllib.parse.quote(code)}")
    assert answer.headers["Content-Type"] == "application/xml" and code.encode() not in answer.data
    signed = version_4(target).generate_presigned_url("list_objects_v2", Params={"Bucket": bucket, "Prefix": code})
    answer = HTTP.request("GET", signed)
    assert answer.status == 200 and code.encode() not in answer.data
    answer = HTTP.request("GET", f"{target.endpoint}/{bucket}/secret", headers={"Origin": "https://evil.example.com"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    # Whoever may read without a signature may not have what he reads shown as something else.
    s3 = target.client()
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert HTTP.request("GET", f"{target.endpoint}/{bucket}/secret").status == 200
    answer = HTTP.request("GET", f"{target.endpoint}/{bucket}/secret?response-content-type=text/html")
    assert answer.status == 400 and b"InvalidRequest" in answer.data, answer.data


def test_injection_and_timing(target, vault):
    """SeaweedFS CVE-2024-40120, RustFS GHSA-3p3x: names that are executed, comparisons that end early."""
    bucket, _ = vault
    s3 = version_4(target)
    keys = ["'; DROP TABLE objects; --", '" OR "1"="1', "$(id)", "`id`", "{{7*7}}", "%00", "a\nb", "*", "?", "[a-z]"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key, EncodingType="url").get("Contents", [])
        assert [urllib.parse.unquote(item["Key"]) for item in found] == [key]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "secret", "ResponseContentType": "text/plain\r\nX-Forged: yes"})
    answer = HTTP.request("GET", url)
    assert answer.status == 400 and "X-Forged" not in answer.headers
