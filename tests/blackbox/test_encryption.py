"""Encryption through boto3 and the aws CLI: SSE-S3, SSE-C, SSE-KMS, DSSE-KMS, defaults of buckets, and the bytes on the disks."""

import base64
import hashlib
import http.server
import itertools
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest
import urllib3
from botocore.exceptions import ClientError

from stonecrop import Server, binary, body, flip_extent_bytes

MARKER = b"this sentence must never be found on a disk "
PART = 5 * 1024 * 1024
CONTEXT = base64.b64encode(b'{"project": "stonecrop"}').decode()

_names = itertools.count(1)


def customer(byte):
    """Arguments of boto3 for a key of this byte. Of some operations boto3 encodes raw keys itself, but not of all."""
    key = bytes([byte]) * 32
    md5 = hashlib.md5(key).digest()
    encode = lambda raw: base64.b64encode(raw).decode()
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": encode(key), "SSECustomerKeyMD5": encode(md5)}


def of_source(arguments):
    return {f"CopySource{name}": value for name, value in arguments.items()}


METHODS = {
    "none": {},
    "sse-s3": {"ServerSideEncryption": "AES256"},
    "sse-kms": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1"},
    "sse-kms-managed": {"ServerSideEncryption": "aws:kms"},
    "dsse-kms": {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": "testkey-2"},
    "sse-c": customer(7),
}


def reading(method):
    """What a reader must send for an object of this method."""
    return METHODS[method] if method == "sse-c" else {}


def check_told(method, answer):
    """An answer tells how the object is encrypted."""
    asked = METHODS[method]
    assert answer.get("ServerSideEncryption") == asked.get("ServerSideEncryption")
    if method == "sse-c":
        assert answer["SSECustomerAlgorithm"] == "AES256"
        assert answer["SSECustomerKeyMD5"] == asked["SSECustomerKeyMD5"]
    if "KMSKeyId" in "".join(asked):
        assert answer["SSEKMSKeyId"] == asked["SSEKMSKeyId"]


def refused(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def key_file(directory):
    path = directory / "keys.toml"
    for name in ("testkey-1", "testkey-2"):
        subprocess.run([binary(), "key", "create", name, "--key-file", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A server with a key file."""
    directory = tmp_path_factory.mktemp("encryption")
    server = Server(directory, disks=6, flags=["--key-file", str(key_file(directory))]).start()
    yield server
    server.stop()


@pytest.fixture
def s3(keyed):
    return keyed.client()


@pytest.fixture
def bucket(s3):
    name = f"encrypted-{os.getpid()}-{next(_names)}"
    s3.create_bucket(Bucket=name)
    return name


def set_default(s3, bucket, **default):
    """Sets the default encryption of a bucket."""
    rule = {"ApplyServerSideEncryptionByDefault": default}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 65_536, 3_000_001])
def test_objects_come_back_whole_and_in_ranges(s3, bucket, method, size):
    content = body(size)
    check_told(method, s3.put_object(Bucket=bucket, Key="key", Body=content, **METHODS[method]))
    got = s3.get_object(Bucket=bucket, Key="key", **reading(method))
    check_told(method, got)
    assert got["Body"].read() == content and got["ContentLength"] == size
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED", **reading(method))
    check_told(method, head)
    assert head["ContentLength"] == size and head["ETag"] == got["ETag"]
    is_md5 = got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert is_md5 == (method in ("none", "sse-s3"))
    for first, last in [(0, 0), (65_535, 65_536), (size // 2, size // 2 + 70_000), (size - 1, size + 9)]:
        if 0 <= first < size:
            part = s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={first}-{last}", **reading(method))
            assert part["Body"].read() == content[first : last + 1]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == size


@pytest.mark.parametrize("method", METHODS)
def test_multipart_uploads(s3, bucket, method):
    created = s3.create_multipart_upload(Bucket=bucket, Key="key", **METHODS[method])
    check_told(method, created)
    upload = {"Bucket": bucket, "Key": "key", "UploadId": created["UploadId"]}
    pieces = {1: body(PART, 1), 3: body(PART, 3), 8: body(70_001, 8)}
    parts = []
    for number, piece in pieces.items():
        put = s3.upload_part(PartNumber=number, Body=piece, **upload, **reading(method))
        check_told(method, put)
        parts.append({"PartNumber": number, "ETag": put["ETag"]})
    # A part that is uploaded again replaces the one before.
    pieces[3] = body(PART, 33)
    parts[1]["ETag"] = s3.upload_part(PartNumber=3, Body=pieces[3], **upload, **reading(method))["ETag"]
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [PART, PART, 70_001]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **reading(method))
    content = b"".join(pieces.values())
    got = s3.get_object(Bucket=bucket, Key="key", **reading(method))
    check_told(method, got)
    assert got["Body"].read() == content
    across = s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={PART - 9}-{2 * PART + 9}", **reading(method))
    assert across["Body"].read() == content[PART - 9 : 2 * PART + 10]
    assert s3.get_object(Bucket=bucket, Key="key", PartNumber=2, **reading(method))["Body"].read() == pieces[3]
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="key", ObjectAttributes=["ObjectSize", "ObjectParts"], **reading(method)
    )
    assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (len(content), 3)


@pytest.mark.parametrize("source", METHODS)
@pytest.mark.parametrize("target", METHODS)
def test_copies_between_all_methods(s3, bucket, source, target):
    content = body(400_000)
    s3.put_object(Bucket=bucket, Key="from", Body=content, Metadata={"a": "b"}, **METHODS[source])
    where = {"CopySource": {"Bucket": bucket, "Key": "from"}, **of_source(reading(source))}
    check_told(target, s3.copy_object(Bucket=bucket, Key="to", **where, **METHODS[target]))
    copy = s3.get_object(Bucket=bucket, Key="to", **reading(target))
    check_told(target, copy)
    assert copy["Body"].read() == content and copy["Metadata"] == {"a": "b"}

    created = s3.create_multipart_upload(Bucket=bucket, Key="parts", **METHODS[target])
    upload = {"Bucket": bucket, "Key": "parts", "UploadId": created["UploadId"]}
    ranged = s3.upload_part_copy(
        PartNumber=1, CopySourceRange="bytes=10-300000", **upload, **where, **reading(target)
    )
    check_told(target, ranged)
    parts = [{"PartNumber": 1, "ETag": ranged["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload, **reading(target))
    assert s3.get_object(Bucket=bucket, Key="parts", **reading(target))["Body"].read() == content[10:300_001]


def test_customers_keys_are_needed_and_must_be_the_same(s3, bucket):
    s3.put_object(Bucket=bucket, Key="own", Body=b"secret", **customer(1))
    s3.put_object(Bucket=bucket, Key="plain", Body=b"open")
    for call in (s3.get_object, s3.head_object):
        for key, sent in [("own", {}), ("own", customer(2)), ("plain", customer(1))]:
            assert refused(call, Bucket=bucket, Key=key, **sent)[0] == 400
    asked = {"ObjectAttributes": ["ETag"]}
    assert refused(s3.get_object_attributes, Bucket=bucket, Key="own", **asked) == (400, "InvalidRequest")
    source = {"CopySource": {"Bucket": bucket, "Key": "own"}}
    assert refused(s3.copy_object, Bucket=bucket, Key="to", **source) == (400, "InvalidRequest")
    wrong = of_source(customer(2))
    assert refused(s3.copy_object, Bucket=bucket, Key="to", **source, **wrong) == (400, "InvalidRequest")

    created = s3.create_multipart_upload(Bucket=bucket, Key="parts", **customer(1))
    part = {"Bucket": bucket, "Key": "parts", "UploadId": created["UploadId"], "PartNumber": 1, "Body": b"x"}
    for sent in ({}, customer(2)):
        assert refused(s3.upload_part, **part, **sent) == (400, "InvalidRequest")
    etag = s3.upload_part(**part, **customer(1))["ETag"]
    done = {"Bucket": bucket, "Key": "parts", "UploadId": created["UploadId"]}
    done["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    assert refused(s3.complete_multipart_upload, **done) == (400, "InvalidRequest")
    s3.complete_multipart_upload(**done, **customer(1))


def test_requests_that_contradict_themselves_are_refused(s3, bucket):
    key = {"Bucket": bucket, "Key": "key", "Body": b"x"}
    for arguments, expected in [
        ({"ServerSideEncryption": "AES256", **customer(1)}, "InvalidArgument"),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": "testkey-1"}, "InvalidArgument"),
        ({"SSEKMSKeyId": "testkey-1"}, "InvalidArgument"),
        ({"ServerSideEncryption": "aws:fsx"}, "InvalidArgument"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": "not JSON"}, "InvalidArgument"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "no-such-key"}, "KMS.NotFoundException"),
        ({**customer(1), "SSECustomerKeyMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "InvalidArgument"),
        ({**customer(1), "SSECustomerAlgorithm": "AES128"}, "InvalidEncryptionAlgorithmError"),
    ]:
        assert refused(s3.put_object, **key, **arguments) == (400, expected), arguments
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_the_encryption_context_is_told_to_the_writer(s3, bucket):
    arguments = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1", "SSEKMSEncryptionContext": CONTEXT}
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"content", **arguments)
    assert json.loads(base64.b64decode(put["SSEKMSEncryptionContext"])) == {"project": "stonecrop"}
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"


def test_defaults_of_buckets(s3, bucket):
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == (404, "ServerSideEncryptionConfigurationNotFoundError")
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    set_default(s3, bucket, SSEAlgorithm="AES256")
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.put_object(Bucket=bucket, Key="key", Body=b"x")["ServerSideEncryption"] == "AES256"
    set_default(s3, bucket, SSEAlgorithm="aws:kms", KMSMasterKeyID="testkey-2")
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "testkey-2")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "before"})
    assert copied["SSEKMSKeyId"] == "testkey-2"
    created = s3.create_multipart_upload(Bucket=bucket, Key="parts")
    assert created["ServerSideEncryption"] == "aws:kms"
    # What a request says counts.
    assert s3.put_object(Bucket=bucket, Key="key", Body=b"x", ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="own", Body=b"x", **customer(1))
    s3.delete_bucket_encryption(Bucket=bucket)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert "ServerSideEncryption" not in s3.head_object(Bucket=bucket, Key="before")


def test_customers_keys_can_be_blocked(s3, bucket):
    rule = {"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    read = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert read["BlockedEncryptionTypes"] == {"EncryptionType": ["SSE-C"]}
    assert refused(s3.put_object, Bucket=bucket, Key="key", Body=b"x", **customer(1)) == (403, "AccessDenied")
    s3.put_object(Bucket=bucket, Key="key", Body=b"x", ServerSideEncryption="AES256")


def test_policies_can_demand_encryption(s3, bucket):
    statement = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert refused(s3.put_object, Bucket=bucket, Key="key", Body=b"x") == (403, "AccessDenied")
    assert refused(s3.put_object, Bucket=bucket, Key="key", Body=b"x", ServerSideEncryption="aws:kms")[0] == 403
    s3.put_object(Bucket=bucket, Key="key", Body=b"x", ServerSideEncryption="AES256")


def test_objects_get_another_key_without_a_new_version(s3, bucket):
    before = s3.put_object(Bucket=bucket, Key="key", Body=body(300_000), ServerSideEncryption="AES256")
    arn = "arn:aws:kms:us-east-1:123456789012:key/testkey-2"
    update = {"Bucket": bucket, "Key": "key", "ObjectEncryption": {"SSEKMS": {"KMSKeyArn": arn}}}
    s3.update_object_encryption(**update)
    after = s3.get_object(Bucket=bucket, Key="key")
    assert after["ServerSideEncryption"] == "aws:kms" and after["SSEKMSKeyId"].endswith("key/testkey-2")
    assert after["Body"].read() == body(300_000) and after["ETag"] == before["ETag"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert refused(s3.update_object_encryption, **update) == (400, "InvalidRequest")
    assert refused(s3.update_object_encryption, **{**update, "Key": "none"})[0] == 404


def test_forms_are_encrypted_as_they_say(keyed, s3, bucket):
    fields = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "testkey-1"}
    signer = keyed.client(signature_version="s3v4")
    form = signer.generate_presigned_post(bucket, "key", dict(fields), [{name: value} for name, value in fields.items()])
    sent = {**form["fields"], "file": ("name", b"from a form")}
    answer = urllib3.PoolManager(retries=False).request("POST", form["url"], fields=sent)
    assert answer.status == 204 and answer.headers["x-amz-server-side-encryption"] == "aws:kms"
    got = s3.get_object(Bucket=bucket, Key="key")
    assert got["SSEKMSKeyId"] == "testkey-1" and got["Body"].read() == b"from a form"


def on_disks(server, needle):
    """Files of the disks that hold `needle`, but for the access keys' own."""
    files = (path for disk in server.disks for path in pathlib.Path(disk).rglob("*") if path.is_file())
    return [path for path in files if needle in path.read_bytes()]


def test_plain_bytes_never_reach_a_disk(make_server):
    server = make_server(disks=6).start()
    s3 = server.client()
    s3.create_bucket(Bucket="bucket")
    methods = {"sse-s3", "sse-kms-managed", "sse-c"}
    for method in methods:
        for size in (len(MARKER), 3_000_000):
            content = (MARKER * (size // len(MARKER) + 1))[:size]
            s3.put_object(Bucket="bucket", Key=f"{method}-{size}", Body=content, **METHODS[method])
        created = s3.create_multipart_upload(Bucket="bucket", Key=f"{method}-parts", **METHODS[method])
        upload = {"Bucket": "bucket", "Key": f"{method}-parts", "UploadId": created["UploadId"]}
        s3.upload_part(PartNumber=1, Body=MARKER * 2000, **upload, **reading(method))
    server.stop()
    assert on_disks(server, MARKER) == []
    assert on_disks(server, bytes([7]) * 32) == [], "nor does a customer's key"
    # The search would find it.
    server.start()
    server.client().put_object(Bucket="bucket", Key="plain", Body=MARKER * 2000)
    for method in methods:
        got = server.client().get_object(Bucket="bucket", Key=f"{method}-3000000", **reading(method))
        assert got["Body"].read().startswith(MARKER), "keys survive a restart"
    server.stop()
    assert on_disks(server, MARKER)
    assert server.fsck().returncode == 0


def test_damage_of_every_disk_is_noticed_not_decrypted(make_server):
    """Shards are checked before ciphers are: what parity cannot mend is an error, never other bytes."""
    server = make_server(disks=1).start()
    s3 = server.client()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=body(2_000_000), ServerSideEncryption="AES256")
    server.stop()
    flip_extent_bytes(server.disks[0], 40)
    server.start()
    with pytest.raises(Exception):
        content = server.client().get_object(Bucket="bucket", Key="key")["Body"].read()
        assert content != body(2_000_000)


class FakeVault(http.server.ThreadingHTTPServer):
    """Answers as Vault's transit engine does; its "encryption" only puts key, context and plaintext side by side."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), FakeVaultHandler)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class FakeVaultHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, _, mount, verb, key = self.path.split("/")
        self.server.asked.append(verb)
        status, answer = 200, {}
        if self.headers["X-Vault-Token"] != "s.right" or mount != "transit":
            status, answer = 403, {"errors": ["permission denied"]}
        elif key not in ("testkey-1", "testkey-2"):
            status, answer = 400, {"errors": ["encryption key not found"]}
        elif verb == "encrypt":
            inside = json.dumps([key, question["associated_data"], question["plaintext"]])
            answer = {"data": {"ciphertext": "vault:v1:" + base64.b64encode(inside.encode()).decode()}}
        else:
            inside = json.loads(base64.b64decode(question["ciphertext"].removeprefix("vault:v1:")))
            if inside[:2] == [key, question["associated_data"]]:
                answer = {"data": {"plaintext": inside[2]}}
            else:
                status, answer = 400, {"errors": ["cipher: message authentication failed"]}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def test_keys_may_be_in_a_vault(make_server, tmp_path):
    vault = FakeVault()
    token = tmp_path / "token"
    token.write_text("s.right\n")
    flags = ["--kms-vault-address", f"http://127.0.0.1:{vault.server_port}", "--kms-vault-token-file", str(token), "--sse-s3-key", "testkey-2"]
    server = make_server(disks=1, flags=flags).start()
    s3 = server.client()
    s3.create_bucket(Bucket="bucket")
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1"}
    s3.put_object(Bucket="bucket", Key="kms", Body=b"one", **kms)
    s3.put_object(Bucket="bucket", Key="s3", Body=b"two", ServerSideEncryption="AES256")
    assert vault.asked == ["encrypt", "encrypt"]
    for number in range(10):
        put = s3.put_object(Bucket="bucket", Key=f"key-{number}", Body=b"three", BucketKeyEnabled=True, **kms)
        assert put["BucketKeyEnabled"] is True
    assert len(vault.asked) == 3, "one question for all that a bucket key wraps"
    assert refused(s3.put_object, Bucket="bucket", Key="x", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId="missing") == (
        400, "KMS.NotFoundException",
    )
    server.restart()
    s3 = server.client()
    for key, content in [("kms", b"one"), ("s3", b"two"), ("key-7", b"three"), ("key-3", b"three")]:
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == content
    vault.shutdown()
    vault.server_close()
    assert s3.get_object(Bucket="bucket", Key="kms")["Body"].read() == b"one", "what was unwrapped is remembered"
    assert refused(s3.put_object, Bucket="bucket", Key="late", Body=b"x", **kms) == (503, "ServiceUnavailable")


def test_settings_that_cannot_work_end_the_start(make_server, tmp_path):
    wrong = tmp_path / "keys.toml"
    wrong.write_text('[keys]\nshort = "c2hvcnQ="\n')
    server = make_server(disks=1, flags=["--key-file", str(wrong)])
    with pytest.raises(RuntimeError):
        server.start()
    assert 'the key \\"short\\" is not 32 bytes' in server.log() or 'the key "short" is not 32 bytes' in server.log()


def test_the_aws_cli(keyed, s3, bucket, tmp_path):
    content = body(9 * 1024 * 1024)
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "key").write_bytes(bytes([9]) * 32)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": keyed.endpoint, "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null",
        "AWS_ACCESS_KEY_ID": keyed.environment["STONECROP_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": keyed.environment["STONECROP_SECRET_KEY"],
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def aws(*arguments):
        subprocess.run(["aws", *arguments], check=True, capture_output=True, env=environment, cwd=tmp_path, timeout=120)

    own = ["--sse-c", "AES256", "--sse-c-key", "fileb://key"]
    for name, up, down in [
        ("s3", ["--sse"], []),
        ("kms", ["--sse", "aws:kms", "--sse-kms-key-id", "testkey-1"], []),
        ("own", own, own),
    ]:
        aws("s3", "cp", "file", f"s3://{bucket}/{name}", *up)
        aws("s3", "cp", f"s3://{bucket}/{name}", f"back-{name}", *down)
        assert (tmp_path / f"back-{name}").read_bytes() == content
    assert s3.head_object(Bucket=bucket, Key="kms")["SSEKMSKeyId"] == "testkey-1"
