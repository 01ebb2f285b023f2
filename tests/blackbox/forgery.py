"""Requests as SDKs sign them, in every way of signing and of sending a body, and the same with a signature that is wrong."""

import base64
import copy
import hashlib
import json
import os
import time
import urllib.parse
import zlib

import urllib3
from botocore.auth import HmacV1Auth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.crt.auth import CrtS3SigV4AsymAuth, CrtS3SigV4AsymQueryAuth
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY

HTTP = urllib3.PoolManager(retries=False, timeout=30)
FORGED = "0" * 64


def plain(body):
    return body


def in_chunks(signature=None, trailer=False):
    """The wire of `aws-chunked`; signatures of chunks are wrong, checksums are right."""

    def encode(body):
        mark = f";chunk-signature={signature}".encode() if signature else b""
        end = b""
        if trailer:
            end += b"x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(body).to_bytes(4, "big")) + b"\r\n"
            end += b"x-amz-trailer-signature:" + signature.encode() + b"\r\n" if signature else b""
        chunk = b"%x" % len(body) + mark + b"\r\n" + body + b"\r\n" if body else b""
        return chunk + b"0" + mark + b"\r\n" + end + b"\r\n"

    return encode


# How a body may be sent: what x-amz-content-sha256 says, and how it then looks on the wire.
PAYLOADS = {
    "signed": (None, plain),
    "unsigned": ("UNSIGNED-PAYLOAD", plain),
    "signed chunks": ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", in_chunks(FORGED)),
    "signed chunks, trailer": ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", in_chunks(FORGED, trailer=True)),
    "unsigned chunks, trailer": ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", in_chunks(trailer=True)),
}


class HmacV1Link(HmacV1Auth):
    """Signs in the query by version 2; unlike botocore's it leaves headers where they are, covered."""

    def add_auth(self, request):
        self.expires = str(int(time.time()) + 600)
        # Of these headers one becomes the date that is signed.
        signature = self.get_signature(request.method, urllib.parse.urlsplit(request.url), copy.deepcopy(request.headers))
        added = urllib.parse.urlencode({"AWSAccessKeyId": self.credentials.access_key, "Expires": self.expires, "Signature": signature})
        request.url += ("&" if "?" in request.url else "?") + added

    def _get_date(self):
        return self.expires


class Asymmetric:
    """Signs by version 4A over what the headers say about the body, as the other signers here do."""

    def _get_existing_sha256(self, request):
        return self.payload(request)

    def _should_sha256_sign_payload(self, request):
        return True


class AsymmetricHeader(Asymmetric, CrtS3SigV4AsymAuth):
    pass


class AsymmetricLink(Asymmetric, CrtS3SigV4AsymQueryAuth):
    def _modify_request_before_signing(self, request):
        # This signer takes the header away.
        request.url += ("&" if "?" in request.url else "?") + "X-Amz-Content-Sha256=" + self.payload(request)
        super()._modify_request_before_signing(request)


SIGNERS = {
    "header": S3SigV4Auth, "query": S3SigV4QueryAuth, "v2 header": HmacV1Auth, "v2 query": HmacV1Link,
    "v4a header": AsymmetricHeader, "v4a query": AsymmetricLink,
}  # fmt: skip


def payload_headers(body, mode, location="header"):
    sha256, _ = PAYLOADS[mode]
    if sha256 and location.startswith("v4a"):
        sha256 = sha256.replace("HMAC-SHA256", "ECDSA-P256-SHA256")
    headers = {"X-Amz-Content-SHA256": sha256 or hashlib.sha256(body).hexdigest()}
    if sha256 and sha256.startswith("STREAMING"):
        headers |= {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(body))}
    if sha256 and sha256.endswith("TRAILER"):
        headers["X-Amz-Trailer"] = "x-amz-checksum-crc32"
    return headers


def request(server, method, path, body, mode, location, access_key=ACCESS_KEY, secret=SECRET_KEY, port=None, service="s3", host=None):
    """A request signed at this place: its URL, headers and body."""
    port = port or server.port
    headers = {"Host": host or f"127.0.0.1:{port}"} | payload_headers(body, mode, location)
    if "delete" in path or "policy" in path:
        headers["Content-MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
    if service != "s3":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    sent = PAYLOADS[mode][1](body)
    # Of a body botocore would make parameters of the query.
    asked = AWSRequest(method, f"http://127.0.0.1:{port}{path}", headers=headers, data=sent if "header" in location else None)
    asked.auth_path = urllib.parse.urlsplit(asked.url).path
    credentials = Credentials(access_key, secret)
    signer = SIGNERS[location](credentials) if location.startswith("v2") else SIGNERS[location](credentials, service, REGION)
    signer.payload = lambda _: headers["X-Amz-Content-SHA256"]
    signer.add_auth(asked)
    prepared = asked.prepare()
    return prepared.url, {name: value for name, value in prepared.headers.items() if name != "Content-Length"}, sent


def flip(signature):
    # Not where those of version 4A say how long they are.
    spot = len(signature) // 3
    return signature[:spot] + ("0" if signature[spot] != "0" else "1") + signature[spot + 1 :]


def spoil_signature(url, headers):
    """The same with another signature, wherever it is."""
    if "Authorization" in headers:
        mark = "Signature=" if "Signature=" in headers["Authorization"] else ":"
        start, signature = headers["Authorization"].rsplit(mark, 1)
        return url, headers | {"Authorization": f"{start}{mark}{flip(signature)}"}
    mark = "Signature="
    start, signature = url.rsplit(mark, 1)
    return f"{start}{mark}{flip(signature)}", headers


def take_signature_away(url, headers):
    parsed = urllib.parse.urlsplit(url)
    of_signature = ("X-Amz-", "AWSAccessKeyId=", "Signature=", "Expires=")
    query = [pair for pair in parsed.query.split("&") if pair and not pair.startswith(of_signature)]
    # How the body is sent stays as it is.
    for declared in urllib.parse.parse_qs(parsed.query).get("X-Amz-Content-Sha256", []):
        headers = headers | {"X-Amz-Content-SHA256": declared}
    return parsed._replace(query="&".join(query)).geturl(), {name: value for name, value in headers.items() if name != "Authorization"}


def forgeries(server, method, path, body, mode, location, **more):
    """Each way of a wrong signature of one request: its URL, headers and body."""
    url, headers, sent = request(server, method, path, body, mode, location, **more)
    other = lambda **keys: request(server, method, path, body, mode, location, **keys, **more)  # noqa: E731
    return {
        "wrong signature": (*spoil_signature(url, headers), sent),
        "no signature": (*take_signature_away(url, headers), sent),
        "wrong secret": other(secret="another-secret"),
        "unknown key": other(access_key="nobody"),
    }


def make_vault(server):
    """A bucket with something of everything in it, which nobody else may touch, and an upload to it."""
    s3 = server.client()
    name = f"vault-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="secret", Body=b"the treasure", Tagging="kind=gold")
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "owner", "Value": "root"}]})
    return name, s3.create_multipart_upload(Bucket=name, Key="slow")["UploadId"]


class State:
    """Everything that requests could change: in a bucket, and of the identities."""

    OF_BUCKET = [
        "list_object_versions", "list_multipart_uploads", "get_bucket_policy", "get_bucket_acl", "get_bucket_tagging", "get_bucket_versioning",
        "get_bucket_cors", "get_public_access_block", "get_bucket_ownership_controls", "get_bucket_lifecycle_configuration",
        "get_bucket_encryption", "get_bucket_website",
    ]  # fmt: skip

    def __init__(self, server, bucket, iam=None):
        self.s3, self.bucket, self.iam = server.client(), bucket, iam

    def ask(self, operation, client=None, **arguments):
        try:
            answer = getattr(client or self.s3, operation)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]
        answer.pop("ResponseMetadata")
        answer.pop("Body", None)
        return json.dumps(answer, default=str, sort_keys=True)

    def read(self):
        found = {operation: self.ask(operation, Bucket=self.bucket) for operation in self.OF_BUCKET}
        found["buckets"] = sorted(bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"])
        found["object"] = [self.ask(operation, Bucket=self.bucket, Key="secret") for operation in ("get_object", "get_object_acl", "get_object_tagging")]
        if self.iam:
            found["identities"] = [self.ask(operation, self.iam) for operation in ("list_users", "list_groups", "list_roles", "list_access_keys")]
        return found
