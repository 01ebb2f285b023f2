"""Hostile and broken requests: each gets the error AWS gives, stores nothing and harms nobody."""

import concurrent.futures
import datetime
import hashlib
import http.client
import socket
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY
from test_objects import status_of

KiB = 1024

pytestmark = pytest.mark.first_answer


def signed(server, method, path, body=b"", headers=None, key=ACCESS_KEY, secret=SECRET_KEY, region=REGION, payload=None):
    """Headers of a correctly signed request, to be broken by the caller."""
    request = AWSRequest(method, f"{server.endpoint}{path}", headers=headers or {}, data=body)
    request.headers["Host"] = server.host
    signer = S3SigV4Auth(Credentials(key, secret), "s3", region)
    if payload:
        signer.payload = lambda request: payload
    signer.add_auth(request)
    return dict(request.headers.items())


def send(server, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(server.host, timeout=60)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, error_code(content), answer, content


def error_code(content):
    try:
        return xml.etree.ElementTree.fromstring(content).findtext("Code")
    except xml.etree.ElementTree.ParseError:
        return None


def ask(server, method, path, body=b"", **options):
    return send(server, method, path, body, signed(server, method, path, body, **options))


def test_every_error_names_resource_request_and_host(server, bucket):
    status, code, answer, content = ask(server, "GET", f"/{bucket}/missing")
    root = xml.etree.ElementTree.fromstring(content)
    assert (status, code) == (404, "NoSuchKey")
    assert root.tag == "Error" and all(root.findtext(name) for name in ("Message", "RequestId", "HostId"))
    assert root.findtext("Resource") == f"/{bucket}/missing" or root.findtext("Key") == "missing"
    assert root.findtext("RequestId") == answer.headers["x-amz-request-id"]
    assert answer.headers["Content-Type"] == "application/xml"


def test_wrong_credentials_reveal_nothing(server, bucket):
    for path in (f"/{bucket}", "/no-such-bucket-at-all"):
        assert ask(server, "GET", path, secret="wrong secret here")[:2] == (403, "SignatureDoesNotMatch")
        assert ask(server, "GET", path, key="UNKNOWNKEY")[:2] == (403, "InvalidAccessKeyId")
        assert send(server, "GET", path)[0] in (403, 404)
        assert ask(server, "GET", path, region="eu-central-1")[:2] == (400, "AuthorizationHeaderMalformed")


def test_clock_skew_and_expired_links_are_refused(server, bucket, monkeypatch):
    import botocore.auth

    server.client().put_object(Bucket=bucket, Key="key", Body=b"x")
    now = datetime.datetime.now(datetime.timezone.utc)

    class Shifted(datetime.datetime):
        shift = datetime.timedelta()

        @classmethod
        def utcnow(cls):
            return (now + cls.shift).replace(tzinfo=None)

        @classmethod
        def now(cls, tz=None):
            return now + cls.shift

    name = "get_current_datetime" if hasattr(botocore.auth, "get_current_datetime") else None
    if name:
        monkeypatch.setattr(botocore.auth, name, lambda *_, **__: (now + Shifted.shift).replace(tzinfo=None))
    else:
        monkeypatch.setattr(botocore.auth.datetime, "datetime", Shifted)
    for minutes in (-16, 16):
        Shifted.shift = datetime.timedelta(minutes=minutes)
        assert ask(server, "GET", f"/{bucket}")[:2] == (403, "RequestTimeTooSkewed")
    Shifted.shift = datetime.timedelta(minutes=-10)
    request = AWSRequest("GET", f"{server.endpoint}/{bucket}/key")
    S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION, expires=60).add_auth(request)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request.url)
    content = error.value.read()
    assert (error.value.code, error_code(content)) == (403, "AccessDenied") and b"Request has expired" in content


def test_wrong_payload_hash_stores_nothing(server, bucket):
    headers = signed(server, "PUT", f"/{bucket}/key", b"signed body")
    status, code, *_ = send(server, "PUT", f"/{bucket}/key", b"other  body", headers)
    assert (status, code) == (400, "XAmzContentSHA256Mismatch")
    with pytest.raises(ClientError) as error:
        server.client().head_object(Bucket=bucket, Key="key")
    assert status_of(error) == 404


@pytest.mark.parametrize("size", [10 * KiB, 3 * KiB * KiB])
def test_body_cut_short_stores_nothing(server, bucket, size):
    content = bytes(size)
    headers = signed(server, "PUT", f"/{bucket}/key", content)
    head = f"PUT /{bucket}/key HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if k.lower() != "content-length")
    with socket.create_connection(server.address) as raw:
        raw.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode() + content[: size // 2])
        raw.shutdown(socket.SHUT_WR)
        raw.settimeout(30)
        answer = raw.recv(4096)
        assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0], answer
    with pytest.raises(ClientError) as error:
        server.client().head_object(Bucket=bucket, Key="key")
    assert status_of(error) == 404


def chunked(server, bucket, chunks, declared, headers=None):
    """A PUT with an aws-chunked body of unsigned chunks given as raw bytes."""
    path = f"/{bucket}/chunked"
    extra = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(declared), "X-Amz-Trailer": "x-amz-checksum-crc32"}
    extra.update(headers or {})
    all_headers = signed(server, "PUT", path, headers=extra, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    return send(server, "PUT", path, chunks, {**all_headers, "Content-Length": str(len(chunks))})


def test_unsigned_trailer_uploads_are_checked(server, bucket):
    import base64
    import zlib

    crc = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big"))
    trailer = b"x-amz-checksum-crc32:" + crc + b"\r\n\r\n"
    assert chunked(server, bucket, b"5\r\nhello\r\n0\r\n" + trailer, 5)[0] == 200
    server.client().delete_object(Bucket=bucket, Key="chunked")
    broken = {
        "wrong trailer checksum": (b"5\r\nhellO\r\n0\r\n" + trailer, 5),
        "length over the declared": (b"6\r\nhello!\r\n0\r\n" + trailer, 5),
        "length under the declared": (b"5\r\nhello\r\n0\r\n" + trailer, 6),
        "no final chunk": (b"5\r\nhello\r\n", 5),
        "chunk size lies": (b"9\r\nhello\r\n0\r\n" + trailer, 5),
        "size is not hexadecimal": (b"zz\r\nhello\r\n0\r\n" + trailer, 5),
        "endless size line": (b"5" * 5000, 5),
        "bytes after the end": (b"5\r\nhello\r\n0\r\n" + trailer + b"5\r\nagain\r\n", 5),
        "missing trailer": (b"5\r\nhello\r\n0\r\n\r\n", 5),
    }
    for name, (raw, declared) in broken.items():
        status, code, *_ = chunked(server, bucket, raw, declared)
        assert 400 <= status < 500 and code, name
        with pytest.raises(ClientError) as error:
            server.client().head_object(Bucket=bucket, Key="chunked")
        assert status_of(error) == 404, name


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'


@pytest.mark.parametrize(
    "body",
    [b"", b"<", b"not xml", b"<Delete>", b"<Other/>", BOMB, b"<a>" * 50_000, b"<Delete>" + b" " * (3 * KiB * KiB) + b"</Delete>", b"\xff\xfe\x00"],
    ids=["empty", "cut", "text", "unclosed", "other", "entities", "deep", "huge", "binary"],
)
def test_broken_xml_is_refused(server, bucket, body):
    import base64

    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    status, code, *_ = ask(server, "POST", f"/{bucket}?delete", body, headers={"Content-MD5": md5})
    assert status == 400 and code in ("MalformedXML", "MissingRequestBodyError", "EntityTooLarge", "MaxMessageLengthExceeded"), code
    status, code, *_ = ask(server, "POST", f"/{bucket}/k?uploadId=x", body)
    assert 400 <= status < 500 and code


def test_header_sections_over_16_kib_are_refused(server):
    assert send(server, "GET", "/", headers={"x-large": "v" * 20 * KiB})[0] in (400, 431)
    assert send(server, "GET", "/", headers={f"x-{number}": "v" for number in range(2000)})[0] in (400, 431)


@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PUT /b/k HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"PUT /b/k HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /b/%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /b?prefix=%zz&list-type=2 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"BREW /b/k HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_broken_http_never_gets_a_500(server, raw):
    with socket.create_connection(server.address) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        answer = connection.recv(65536)
    assert answer == b"" or b" 4" in answer.split(b"\r\n")[0], answer


@pytest.mark.parametrize(
    "method,path,status,code",
    [
        ("GET", "/{bucket}?max-keys=abc", 400, "InvalidArgument"),
        ("GET", "/{bucket}?max-keys=-1", 400, "InvalidArgument"),
        ("GET", "/{bucket}?list-type=2&continuation-token=%21", 400, "InvalidArgument"),
        ("GET", "/{bucket}?encoding-type=base64", 400, "InvalidArgument"),
        ("POST", "/{bucket}", 405, "MethodNotAllowed"),
        ("PUT", "/{bucket}/k?partNumber=1&uploadId=nothing", 404, "NoSuchUpload"),
        ("GET", "/{bucket}?website", 404, "NoSuchWebsiteConfiguration"),
        ("GET", "/{bucket}?policy", 404, "NoSuchBucketPolicy"),
        ("PUT", "/{bucket}?policy", 400, "MalformedPolicy"),
        ("PUT", "/{bucket}?tagging", 400, "MalformedXML"),
        ("PUT", "/{bucket}?replication", 501, "NotImplemented"),
    ],
)
def test_arguments_and_unknown_operations(server, bucket, method, path, status, code):
    assert ask(server, method, path.format(bucket=bucket))[:2] == (status, code)


@pytest.mark.one_process
def test_slow_headers_and_bodies_are_cut_off_while_others_are_served(server, bucket):
    headers = signed(server, "PUT", f"/{bucket}/slow", bytes(1000))
    head = f"PUT /{bucket}/slow HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if k.lower() != "content-length")

    def trickle(opening):
        """Sends one byte a second; returns how long the server bore it."""
        started = time.monotonic()
        with socket.create_connection(server.address) as raw:
            raw.sendall(opening)
            raw.settimeout(1)
            while time.monotonic() - started < 120:
                try:
                    if raw.recv(4096) == b"":
                        break
                except TimeoutError:
                    pass
                try:
                    raw.sendall(b"x")
                except OSError:
                    break
        return time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(trickle, opening) for opening in (b"GET / HTTP/1.1\r\nx-slow: ", f"{head}Content-Length: 1000\r\n\r\n".encode())]
        server.client().put_object(Bucket=bucket, Key="quick", Body=b"x")
        assert all(future.result() < 90 for future in slow)
    with pytest.raises(ClientError) as error:
        server.client().head_object(Bucket=bucket, Key="slow")
    assert status_of(error) == 404


def test_idle_connections_do_not_keep_others_out(server, s3):
    idle = [socket.create_connection(server.address) for _ in range(256)]
    try:
        assert s3.list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    finally:
        for connection in idle:
            connection.close()


def test_unauthenticated_crawl_finds_only_errors_and_health(server):
    for path in ["/", "/admin", "/metrics", "/minio/admin/v3/info", "/debug/pprof", "/-/", "/minio/", "/?list-type=2", "/.git/config"]:
        status = send(server, "GET", path)[0]
        assert status in (400, 403, 404, 405), (path, status)
    for kind in ("live", "ready"):
        assert server.health(kind) == 200


def test_delete_objects_without_a_digest_is_refused(server, bucket):
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    status, code, *_ = ask(server, "POST", f"/{bucket}?delete", body)
    assert (status, code) in ((400, "InvalidRequest"), (400, "MissingContentMD5"))


def test_refusal_before_the_body_ends_the_connection(server, bucket):
    """A client that waits for 100 Continue sends no body after a refusal; what follows must not be read as that body."""
    path = f"/{bucket}/k?partNumber=1&uploadId=nothing"
    headers = signed(server, "PUT", path, b"x", headers={"Expect": "100-continue"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(server.address) as raw:
        raw.sendall(f"PUT {path} HTTP/1.1\r\n{lines}Content-Length: 1\r\n\r\n".encode())
        raw.settimeout(30)
        answer = raw.recv(65536).lower()
    assert b" 404 " in answer.split(b"\r\n")[0] and b"\r\nconnection: close\r\n" in answer, answer
