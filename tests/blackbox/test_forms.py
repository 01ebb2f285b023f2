"""Uploads by HTML forms as pages make them: policies signed by boto3, sent as browsers do."""

import base64
import datetime
import hashlib
import hmac
import json
import re
import xml.etree.ElementTree as ElementTree

import boto3
import botocore.config
import pytest
import urllib3
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, Server, body

pytestmark = pytest.mark.first_answer

HTTP = urllib3.PoolManager(retries=False)
BUCKET = "forms"


@pytest.fixture(scope="module")
def bucket(server):
    server.client().create_bucket(Bucket=BUCKET)
    return BUCKET


def signer(server):
    return server.client(signature_version="s3v4")


def send(url, fields, content=b"content", name="me.jpg"):
    return HTTP.request("POST", url, fields={**fields, "file": (name, content, "image/jpeg")})


def code(answer):
    return re.search(rb"<Code>(\w+)</Code>", answer.data)[1].decode()


def test_a_presigned_form_stores_what_its_fields_say(server, bucket):
    s3 = server.client()
    fields = {"Content-Type": "image/png", "x-amz-meta-who": "me", "success_action_status": "201", "Cache-Control": "no-cache"}
    form = signer(server).generate_presigned_post(bucket, "up/${filename}", fields, [{name: value} for name, value in fields.items()])
    content = body(3_000_000)
    answer = send(form["url"], form["fields"], content, r"C:\pictures\me.jpg")
    assert answer.status == 201, answer.data
    document = ElementTree.fromstring(answer.data)
    assert (document.findtext("Bucket"), document.findtext("Key")) == (bucket, "up/me.jpg")
    assert document.findtext("Location") == answer.headers["Location"] and answer.headers["Location"].endswith(f"{bucket}/up/me.jpg")
    stored = s3.get_object(Bucket=bucket, Key="up/me.jpg")
    assert stored["Body"].read() == content and stored["ETag"] == answer.headers["ETag"] == document.findtext("ETag")
    assert (stored["ContentType"], stored["CacheControl"], stored["Metadata"]) == ("image/png", "no-cache", {"who": "me"})


@pytest.mark.parametrize("wanted,status", [("200", 200), ("204", 204), ("404", 204), (None, 204)])
def test_the_status_is_the_one_asked_for(server, bucket, wanted, status):
    fields = {"success_action_status": wanted} if wanted else {}
    form = signer(server).generate_presigned_post(bucket, "status", fields, [fields] if fields else [])
    answer = send(form["url"], form["fields"])
    assert (answer.status, answer.data) == (status, b"")


def test_the_browser_is_sent_to_the_page_asked_for(server, bucket):
    fields = {"success_action_redirect": "https://example.com/done?lang=en"}
    form = signer(server).generate_presigned_post(bucket, "a b", fields, [fields])
    answer = HTTP.request("POST", form["url"], fields={**form["fields"], "file": "content"}, redirect=False)
    etag = hashlib.md5(b"content").hexdigest()
    assert answer.status == 303
    assert answer.headers["Location"] == f"https://example.com/done?lang=en&bucket={bucket}&key=a%20b&etag=%22{etag}%22"


WRONG = [
    ("too large", {}, [["content-length-range", 0, 6]], "EntityTooLarge"),
    ("too small", {}, [["content-length-range", 8, 9]], "EntityTooSmall"),
    ("another key", {"key": "other"}, [], "AccessDenied"),
    ("a field more", {"x-amz-meta-more": "1"}, [], "AccessDenied"),
    ("another value", {"Content-Type": "text/html"}, [["starts-with", "$Content-Type", "image/"]], "AccessDenied"),
    ("another signature", {"x-amz-signature": "0" * 64}, [], "SignatureDoesNotMatch"),
    ("another policy", {"policy": base64.b64encode(b"{}").decode()}, [], "SignatureDoesNotMatch"),
    ("a key nobody has", {"x-amz-credential": "NOBODY/20260101/us-east-1/s3/aws4_request", "x-amz-date": "20260101T000000Z"}, [], "InvalidAccessKeyId"),
    ("a wrong checksum", {"x-amz-checksum-crc32": "AAAAAA=="}, [], "BadDigest"),
    ("what is not stored", {"x-amz-meta-a": "x" * 2048}, [["starts-with", "$x-amz-meta-a", ""]], "MetadataTooLarge"),
    ("too much before the file", {"x-ignore-this": "x" * 20480}, [], "MaxPostPreDataLengthExceeded"),
]


@pytest.mark.parametrize("fields,conditions,expected", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_the_policy_does_not_allow_is_not_stored(server, bucket, fields, conditions, expected):
    s3 = server.client()
    form = signer(server).generate_presigned_post(bucket, "refused", {}, list(conditions))
    answer = send(form["url"], {**form["fields"], **fields})
    assert code(answer) == expected, answer.data
    for key in ("refused", "other"):
        with pytest.raises(ClientError):
            s3.head_object(Bucket=bucket, Key=key)


def test_forms_that_are_none_are_refused(server, bucket):
    form = signer(server).generate_presigned_post(bucket, "refused")
    expired = signer(server).generate_presigned_post(bucket, "refused", ExpiresIn=-1)
    without_file = HTTP.request("POST", form["url"], fields=form["fields"])
    assert (without_file.status, code(without_file)) == (400, "InvalidArgument")
    cut_off = HTTP.request("POST", form["url"], body=b"--b\r\nContent-Disp", headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert (cut_off.status, code(cut_off)) == (400, "MalformedPOSTRequest")
    without_key = send(form["url"], {name: value for name, value in form["fields"].items() if name != "key"})
    assert (without_key.status, code(without_key)) == (400, "InvalidArgument")
    late = send(expired["url"], expired["fields"])
    assert (late.status, code(late)) == (403, "AccessDenied") and b"Policy expired" in late.data
    anonymous = send(form["url"], {"key": "refused"})
    assert (anonymous.status, code(anonymous)) == (403, "AccessDenied")
    nowhere = signer(server).generate_presigned_post("no-such-bucket-here", "key")
    assert code(send(nowhere["url"], nowhere["fields"])) == "NoSuchBucket"


def signed_by_version_2(key):
    expiration = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = base64.b64encode(json.dumps({"expiration": expiration, "conditions": [{"bucket": BUCKET}, {"key": key}]}).encode())
    signature = base64.b64encode(hmac.new(SECRET_KEY.encode(), policy, hashlib.sha1).digest())
    return {"key": key, "AWSAccessKeyId": ACCESS_KEY, "policy": policy.decode(), "signature": signature.decode()}


def version_2(endpoint, kind="s3"):
    config = botocore.config.Config(signature_version=kind, s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=config, **keys)


def test_version_2_signs_nothing_unless_the_server_is_told_so(server, bucket):
    refused = send(f"{server.endpoint}/{bucket}", signed_by_version_2("old"))
    assert (refused.status, code(refused)) == (400, "InvalidRequest")
    with pytest.raises(ClientError) as error:
        version_2(server.endpoint).list_objects(Bucket=bucket)
    assert error.value.response["Error"]["Code"] == "InvalidRequest"


def test_version_2_signs_requests_links_and_forms_where_it_is_allowed(tmp_path):
    old = Server(tmp_path, disks=1, flags=["--signature-v2"]).start()
    try:
        s3 = version_2(old.endpoint)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="a key", Body=b"content", Metadata={"who": "me"}, ContentType="text/plain")
        assert s3.get_object(Bucket=BUCKET, Key="a key")["Metadata"] == {"who": "me"}
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
        part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
        s3.complete_multipart_upload(
            Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )
        assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix="p")["Contents"]] == ["parts"]
        link = version_2(old.endpoint, "s3-query").generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "a key"})
        assert HTTP.request("GET", link).data == b"content"
        assert HTTP.request("GET", f"{link}&acl").status == 403, "a link is for one thing"
        assert HTTP.request("GET", f"{link}&x-amz-acl=public-read").status == 403
        assert HTTP.request("GET", link.replace("a%20key", "parts")).status == 403
        assert send(f"{old.endpoint}/{BUCKET}", signed_by_version_2("form")).status == 204
        assert s3.get_object(Bucket=BUCKET, Key="form")["Body"].read() == b"content"
        wrong = send(f"{old.endpoint}/{BUCKET}", {**signed_by_version_2("form"), "key": "other"})
        assert (wrong.status, code(wrong)) == (403, "AccessDenied")
    finally:
        old.stop()
