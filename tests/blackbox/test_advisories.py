"""One standing test for each class of published vulnerabilities of object stores: what happened to others must not happen here.

Each test is named after its class and tells in its first lines where it happened. The first class has a file of its own,
test_signature_matrix.py. What needs identities, locks or encryption is tested again, in depth, beside those.
"""

import base64
import datetime
import hmac
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import threading
import urllib.parse

import boto3
import botocore.config
import botocore.session
import pytest
import rsa
import urllib3
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from forgery import HTTP, State, make_vault, request
from stonecrop import ACCESS_KEY, REGION, ROOT, SECRET_KEY, Server, flip_extent_bytes, free_port
from test_identities import Identity, allow, code, deny, policy, trust
from test_web_identity import Issuer, assume, encode, number

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
    return make_vault(target)


def version_4(server):
    """A client whose links are signed by version 4 as its requests are."""
    return server.client(signature_version="s3v4")


def state(server, bucket):
    """Everything that a request could have changed."""
    return State(server, bucket).read()


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


def test_hard_coded_default_and_derived_secrets(tmp_path, target):
    """RustFS CVE-2025-68926, GHSA-r5qv, -75fx, -68cw, -j59h, -m77q, -923g and five more: secrets that everybody knows, or can
    compute."""
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


def test_rpc_replay(target):
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


# What would give its caller more than it has, or somebody else less; each names what it is about.
IDENTITY_CALLS = [
    ("create_user", {"UserName": "intruder"}),
    ("create_access_key", {"UserName": "victim"}),
    ("delete_access_key", {"UserName": "victim", "AccessKeyId": "AKIAVICTIMVICTIM0000"}),
    ("update_access_key", {"UserName": "victim", "AccessKeyId": "AKIAVICTIMVICTIM0000", "Status": "Inactive"}),
    ("put_user_policy", {"UserName": "victim", "PolicyName": "more", "PolicyDocument": policy(allow("*"))}),
    ("delete_user_policy", {"UserName": "victim", "PolicyName": "own"}),
    ("attach_user_policy", {"UserName": "victim", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ("put_user_permissions_boundary", {"UserName": "victim", "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ("delete_user_permissions_boundary", {"UserName": "victim"}),
    ("update_user", {"UserName": "victim", "NewUserName": "intruder"}),
    ("delete_user", {"UserName": "victim"}),
    ("create_group", {"GroupName": "intruders"}),
    ("add_user_to_group", {"UserName": "victim", "GroupName": "admins"}),
    ("put_group_policy", {"GroupName": "admins", "PolicyName": "more", "PolicyDocument": policy(allow("*"))}),
    ("create_policy", {"PolicyName": "more", "PolicyDocument": policy(allow("*"))}),
    ("create_role", {"RoleName": "intruder", "AssumeRolePolicyDocument": trust({"AWS": "*"})}),
    ("update_assume_role_policy", {"RoleName": "boss", "PolicyDocument": trust({"AWS": "*"})}),
    ("put_role_policy", {"RoleName": "boss", "PolicyName": "more", "PolicyDocument": policy(allow("*"))}),
    ("create_open_id_connect_provider", {"Url": "https://evil.example.com", "ClientIDList": ["app"], "ThumbprintList": []}),
]


def test_admin_escalation(target, vault):
    """MinIO CVE-2024-55949, CVE-2025-62506, CVE-2024-24747, CVE-2021-43858, CVE-2022-24842, CVE-2023-27589, RustFS CVE-2026-22042,
    CVE-2026-22043, GHSA-5354, -566f, -mm2q: exceptions for one's own account, limits that a new key or session leaves behind, the
    wrong action asked for. Everybody with less than everything, on every call that mints."""
    bucket, _ = vault
    root = Identity(target, ACCESS_KEY, SECRET_KEY)
    root.user("victim", allow("s3:ListAllMyBuckets"))
    root.iam.create_group(GroupName="admins")
    root.iam.create_role(RoleName="boss", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::999999999999:root"}))
    reader = root.user("reader", allow("s3:GetObject"))
    boss = root.user("boss", allow("*"))
    everything = root.iam.create_role(RoleName="everything", AssumeRolePolicyDocument=trust({"AWS": boss.sts.get_caller_identity()["Arn"]}))
    root.iam.put_role_policy(RoleName="everything", PolicyName="own", PolicyDocument=policy(allow("*")))
    limited = boss.sts.assume_role(RoleArn=everything["Role"]["Arn"], RoleSessionName="session", Policy=policy(allow("s3:GetObject")))
    principals = {
        "who may read objects": reader,
        "a second key of the same": root.key("reader"),
        "who may do everything with objects": root.user("objects", allow("s3:*")),
        "who is denied one thing and allowed nothing": root.user("denied", deny("s3:GetObject")),
        "who may mint, within a boundary": root.user("bounded", allow("*"), PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3FullAccess"),
        "a session of one who may do everything": boss.session(boss.sts.get_session_token()["Credentials"]),
        "a session limited by its policy": boss.session(limited["Credentials"]),
        "who has nothing": root.user("nothing"),
    }
    watch = State(target, bucket, root.iam)
    before, granted = watch.read(), []
    for who, caller in principals.items():
        for call, arguments in IDENTITY_CALLS:
            answer = code(getattr(caller.iam, call), **arguments)
            if answer not in ("AccessDenied", "InvalidClientTokenId"):
                granted.append((who, call, answer))
        for method, path in [("POST", "/admin/v1/token"), ("GET", "/admin/v1/info"), ("POST", "/admin/v1/node/1/drain")]:
            url, headers, _ = request(
                target, method, path, b"", "signed", "header", access_key=caller.access_key, secret=caller.secret_key, port=target.admin_port
            )
            answer = HTTP.request(method, url, headers=headers)
            if answer.status != 403:
                granted.append((who, path, answer.status))
    assert not granted, granted
    assert watch.read() == before
    # MinIO's own routes of that kind lead nowhere.
    for path in ["/minio/admin/v3/import-iam", "/minio/admin/v3/add-service-account", "/rustfs/admin/v3/import-iam"]:
        url, headers, body = request(target, "PUT", path, b"x", "signed", "header", access_key=reader.access_key, secret=reader.secret_key)
        assert HTTP.request("PUT", url, headers=headers, body=body).status in (403, 404), path
    for name in ["reader", "objects", "denied", "bounded", "boss", "nothing", "victim"]:
        for key in root.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            root.iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    assert code(reader.s3.get_object, Bucket=bucket, Key="secret") == "InvalidAccessKeyId"


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
    """RustFS CVE-2026-39360, GHSA-3ppv, -x298, -796f, -pfcq, -f5cv, -jqmc, -3g29, -g3vq, SeaweedFS #8876, MinIO CVE-2023-25812: one of many handlers that did not
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


def test_missing_authorization_on_a_copy_source(target, vault):
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


def test_condition_keys(target, vault):
    """RustFS CVE-2026-21862, GHSA-6r96, -v9cp, -5w8r: `aws:SourceIp` from a header that the client writes."""
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


def test_post_policy(target, vault):
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
    """SeaweedFS CVE-2026-54917, MinIO CVE-2026-42600, CVE-2022-35919, CVE-2023-28433, RustFS GHSA-8r6f, -pq29, -f4vq: one name authorized, another one opened."""
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
    """MinIO CVE-2023-28432, CVE-2024-36107, RustFS GHSA-r54g, -8cm2, -333v, -3495: secrets on a page for everybody, or in the log."""
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


def test_ssrf(target, vault):
    """SeaweedFS CVE-2026-73080, RustFS GHSA-m479 and three more, MinIO CVE-2021-21287: a server that fetches what it is told to."""
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


def test_federation(tmp_path):
    """MinIO CVE-2026-33322 (a token signed with the public key as a secret), CVE-2025-27414, CVE-2026-33419, CVE-2021-41266, RustFS
    GHSA-5qfg, -3473, -ccrv, -48rf, -xvfh, -9pjf: claims that nobody has verified. There is no SFTP, no LDAP and no console here."""
    server = Server(tmp_path, disks=1, flags=["--private-issuers"]).start()
    issuer = Issuer()
    try:
        root = Identity(server, ACCESS_KEY, SECRET_KEY)

        def role(name, url):
            provider = root.iam.create_open_id_connect_provider(Url=url, ClientIDList=["app"], ThumbprintList=[])
            document = trust({"Federated": provider["OpenIDConnectProviderArn"]}, "sts:AssumeRoleWithWebIdentity")
            return root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]

        arn = role("app", issuer.url)
        assert code(assume, root, arn, issuer.token()) is None
        head, claims, signature = issuer.token().split(".")
        confused = f"{encode({'alg': 'HS256', 'kid': 'first'})}.{claims}"
        secrets = [b"", number(issuer.public.n).encode(), issuer.public.save_pkcs1(), issuer.public.save_pkcs1("DER"), json.dumps(issuer.key()).encode()]
        forged = {f"HS256 with {secret[:20]}": f"{confused}.{encode(hmac.digest(secret, confused.encode(), 'sha256'))}" for secret in secrets}
        forged |= {f"alg {name}": f"{encode({'alg': name, 'kid': 'first'})}.{claims}." for name in ("none", "None", "NONE", "")}
        forged |= {
            "signed by itself": issuer.token(header={"alg": "RS256", "kid": "first", "jwk": issuer.key()}, private=rsa.newkeys(2048)[1]),
            "a key from elsewhere": issuer.token(header={"alg": "RS256", "kid": "other", "jku": f"{issuer.url}/keys"}, private=rsa.newkeys(2048)[1]),
            "no end": issuer.token(exp=None),
            "the end of a text": issuer.token(exp="tomorrow"),
            "for somebody else": issuer.token(aud="another"),
            "for nobody": issuer.token(aud=None),
            "of another issuer": issuer.token(iss="https://accounts.example.com"),
            "other claims": f"{head}.{encode({'iss': issuer.url, 'aud': 'app', 'sub': 'root', 'exp': 9999999999})}.{signature}",
            "cut off": f"{head}.{claims}",
        }
        let_in = [what for what, token in forged.items() if code(assume, root, arn, token) != "InvalidIdentityToken"]
        assert not let_in, let_in
        assert code(assume, root, arn, issuer.token(exp=1_000_000_000)) == "ExpiredTokenException"
        # A provider that sends elsewhere, or says that it is somebody else, vouches for nobody.
        moved = issuer.url.replace("/realm", "/moved")
        assert code(assume, root, role("moved", moved), issuer.token(iss=moved)) == "IDPCommunicationError"
        # What the client says about its host is nothing that a token could be compared with.
        body = urllib.parse.urlencode({
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": arn, "RoleSessionName": "s", "WebIdentityToken": issuer.token(aud="evil"),
        })  # fmt: skip
        for name in ["Host", "X-Forwarded-Host", "Origin"]:
            answer = HTTP.request("POST", server.endpoint, body=body, headers={"Content-Type": "application/x-www-form-urlencoded", name: "evil"})
            assert answer.status == 400 and b"<AccessKeyId>" not in answer.data, (name, answer.data)
    finally:
        issuer.server.shutdown()
        server.stop()


def spoil_metadata(server, seed):
    """Flips bits all over what a disk holds besides objects."""
    generator = random.Random(seed)
    files = [path for disk in server.disks for path in disk.rglob("*") if path.is_file() and "extents" not in path.parts]
    for path in files:
        content = bytearray(path.read_bytes())
        for _ in range(len(content) // 200 if path.name != "credentials.toml" else 0):
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(content)


def test_object_lock_and_sse(tmp_path):
    """RustFS GHSA-j548 (a configuration that cannot be read was none), GHSA-xrrf (plain bytes on the disk), MinIO CVE-2026-34204
    (what only replication may say about encryption, said by a client): what fails, fails open."""
    marker = b"nobody may read this on a disk "
    server = Server(tmp_path / "encrypted", disks=2).start()
    s3 = server.client()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=marker, ServerSideEncryption="AES256")
    s3.put_object(Bucket="bucket", Key="large", Body=marker * 100_000, ServerSideEncryption="AES256")
    names = ["x-minio-replication-server-side-encryption-sealed-key", "x-minio-replication-server-side-encryption-iv",
             "x-minio-internal-server-side-encryption-sealed-key", "x-rustfs-internal-sse"]  # fmt: skip
    for name in names:
        url, headers, body = request(server, "PUT", "/bucket/plain", b"mine", "signed", "header")
        assert HTTP.request("PUT", url, headers=headers | {name: "forged"}, body=body).status in (200, 400, 501), name
        assert s3.get_object(Bucket="bucket", Key="plain")["Body"].read() == b"mine", name
    server.stop()
    assert not [path for disk in server.disks for path in disk.rglob("*") if path.is_file() and marker in path.read_bytes()]

    refusals = []
    for seed in range(4):
        server = Server(tmp_path / f"locked{seed}", disks=1).start()
        s3 = server.client()
        s3.create_bucket(Bucket="bucket", ObjectLockEnabledForBucket=True)
        retention = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
        s3.put_object_lock_configuration(Bucket="bucket", ObjectLockConfiguration=retention)
        version = s3.put_object(Bucket="bucket", Key="key", Body=marker * 50_000)["VersionId"]
        assert code(s3.delete_object, Bucket="bucket", Key="key", VersionId=version) == "AccessDenied"
        server.stop()
        flip_extent_bytes(server.disks[0], 20, seed)
        spoil_metadata(server, seed)
        try:
            server.start()
        except RuntimeError:
            refusals.append("no start")
            server.kill()
            continue
        s3 = server.client(retries={"total_max_attempts": 1})
        refusals.append(code(s3.delete_object, Bucket="bucket", Key="key", VersionId=version))
        # A bucket that cannot be read takes no object that would have no lock.
        put = code(s3.put_object, Bucket="bucket", Key="other", Body=b"new")
        if put is None:
            assert s3.get_object_retention(Bucket="bucket", Key="other")["Retention"]["Mode"] == "COMPLIANCE"
        server.kill()
    assert None not in refusals, refusals


def test_dos(target, vault):
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


def test_browser(target, vault):
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
