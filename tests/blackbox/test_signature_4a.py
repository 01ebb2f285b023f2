"""Signatures of version 4A, made by the CRT's signer through boto3."""

import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.crt.auth import CrtS3SigV4AsymAuth
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, SECRET_KEY, body, s3_client
from test_forms import HTTP, code
from test_objects import code_of

MIB = 1024 * 1024


@pytest.fixture
def asymmetric(server):
    return server.client(signature_version="s3v4a")


def test_requests_of_every_kind_are_accepted(asymmetric, bucket):
    content = body(6 * MIB, 1)
    asymmetric.put_object(Bucket=bucket, Key="a key/ü+", Body=content, Metadata={"a": "b  c"})
    assert asymmetric.get_object(Bucket=bucket, Key="a key/ü+")["Body"].read() == content
    assert asymmetric.list_objects_v2(Bucket=bucket, Prefix="a key/")["KeyCount"] == 1
    asymmetric.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a key/ü+"})
    upload = asymmetric.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = asymmetric.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    asymmetric.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    asymmetric.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "parts"}, {"Key": "copy"}]})
    assert asymmetric.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


@pytest.mark.first_answer
def test_presigned_links_are_accepted_as_they_are(asymmetric, bucket):
    link = asymmetric.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "key"})
    assert "AWS4-ECDSA-P256-SHA256" in link and "X-Amz-Region-Set" in link
    assert HTTP.request("PUT", link, body=b"content").status == 200
    link = asymmetric.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    assert HTTP.request("GET", link).data == b"content"
    changed = HTTP.request("GET", link.replace(f"{bucket}/key", f"{bucket}/other"))
    assert (changed.status, code(changed)) == (403, "SignatureDoesNotMatch")
    widened = HTTP.request("GET", link.replace("X-Amz-Region-Set=us-east-1", "X-Amz-Region-Set=%2A"))
    assert (widened.status, code(widened)) == (403, "SignatureDoesNotMatch")


@pytest.mark.first_answer
@pytest.mark.parametrize("regions,accepted", [("*", True), ("us-*", True), ("eu-west-1,us-east-1", True), ("eu-west-1", False), ("eu-*", False)])
def test_a_signature_holds_in_its_set_of_regions(server, bucket, regions, accepted):
    request = AWSRequest("GET", f"{server.endpoint}/{bucket}")
    CrtS3SigV4AsymAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", regions).add_auth(request)
    answer = HTTP.request("GET", request.url, headers=dict(request.headers))
    assert answer.status == (200 if accepted else 400), answer.data
    assert accepted or code(answer) == "AuthorizationHeaderMalformed"


@pytest.mark.first_answer
def test_wrong_signatures_change_nothing(server, s3, bucket):
    stranger = s3_client(server.endpoint, ACCESS_KEY, "x" * 40, signature_version="s3v4a")
    with pytest.raises(ClientError) as refused:
        stranger.put_object(Bucket=bucket, Key="key", Body=b"content")
    assert code_of(refused) == "SignatureDoesNotMatch"
    unknown = s3_client(server.endpoint, "nobody", SECRET_KEY, signature_version="s3v4a")
    with pytest.raises(ClientError) as refused:
        unknown.put_object(Bucket=bucket, Key="key", Body=b"content")
    assert code_of(refused) == "InvalidAccessKeyId"
    request = AWSRequest("PUT", f"{server.endpoint}/{bucket}/key", {"x-amz-meta-color": "red"}, b"content")
    CrtS3SigV4AsymAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers)
    for change in ({"x-amz-meta-color": "blue"}, {"x-amz-region-set": "*"}, {"X-Amz-Content-SHA256": "0" * 64}):
        changed = {name: value for name, value in headers.items() if name.lower() not in {key.lower() for key in change}} | change
        assert HTTP.request("PUT", request.url, body=b"content", headers=changed).status in (400, 403), change
    assert HTTP.request("PUT", request.url, body=b"CONTENT", headers=headers).status == 400
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert HTTP.request("PUT", request.url, body=b"content", headers=headers).status == 200
