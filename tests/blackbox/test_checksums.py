"""Every checksum algorithm of S3, in headers, trailers, forms, uploads, copies and descriptions, against other implementations of them."""

import base64
import hashlib
import io
import zlib

import pytest
from awscrt import checksums
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, body
from test_forms import HTTP, code, send, signer
from test_objects import code_of

MIB = 1024 * 1024

ALGORITHMS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": lambda data: checksums.crc32c(data).to_bytes(4, "big"),
    "CRC64NVME": lambda data: checksums.crc64nvme(data).to_bytes(8, "big"),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
    "SHA512": lambda data: hashlib.sha512(data).digest(),
    "MD5": lambda data: hashlib.md5(data).digest(),
    "XXHASH64": lambda data: checksums.XXHash.compute_xxhash64(data),
    "XXHASH3": lambda data: checksums.XXHash.compute_xxhash3_64(data),
    "XXHASH128": lambda data: checksums.XXHash.compute_xxhash3_128(data),
}
every = pytest.mark.parametrize("algorithm", ALGORITHMS)
NEWER = ["SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"]
# botocore computes all of them but MD5.
computed_by_client = pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "MD5"])


def value_of(algorithm, data):
    return base64.b64encode(ALGORITHMS[algorithm](data)).decode()


@every
def test_value_in_a_header_is_kept_and_told(s3, bucket, algorithm):
    data, member = body(100_000, 3), f"Checksum{algorithm}"
    expected = value_of(algorithm, data)
    put = s3.put_object(Bucket=bucket, Key="key", Body=data, **{member: expected})
    assert put[member] == expected and put["ChecksumType"] == "FULL_OBJECT"
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head[member] == expected and head["ChecksumType"] == "FULL_OBJECT"
    attributes = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"] == {member: expected, "ChecksumType": "FULL_OBJECT"}
    assert s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")["Body"].read() == data
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert listed["ChecksumAlgorithm"] == [algorithm] and listed["ChecksumType"] == "FULL_OBJECT"


# SDKs send again what is said to have arrived with a wrong digest.
@pytest.mark.first_answer
@every
def test_value_in_a_header_is_checked(s3, bucket, algorithm):
    data = body(100_000, 3)
    for wrong in (value_of(algorithm, data[1:]), "AAAA"):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key="key", Body=data, **{f"Checksum{algorithm}": wrong})
        assert code_of(refused) == "BadDigest"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@computed_by_client
def test_value_that_the_client_computes_arrives(s3, bucket, algorithm):
    data = body(300_000, 4)
    put = s3.put_object(Bucket=bucket, Key="key", Body=io.BytesIO(data), ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"] == value_of(algorithm, data)
    got = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert got["Body"].read() == data, "which the client has checked"


def put_with_trailer(server, bucket, key, data, name, value):
    """Sends the checksum behind the body, which botocore does over TLS only; signs by its means."""
    request = AWSRequest("PUT", f"{server.endpoint}/{bucket}/{key}", {"x-amz-trailer": name, "x-amz-decoded-content-length": str(len(data))})
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION).add_auth(request)
    chunked = b"%x\r\n%s\r\n0\r\n%s:%s\r\n\r\n" % (len(data), data, name.encode(), value.encode())
    return HTTP.request("PUT", request.url, body=chunked, headers=dict(request.headers))


@pytest.mark.first_answer
@every
def test_trailer_is_checked(server, s3, bucket, algorithm):
    data, name = body(1000, 5), f"x-amz-checksum-{algorithm.lower()}"
    wrong = put_with_trailer(server, bucket, "key", data, name, value_of(algorithm, b"other"))
    assert wrong.status == 400 and code(wrong) == "BadDigest"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    right = put_with_trailer(server, bucket, "key", data, name, value_of(algorithm, data))
    assert right.status == 200, right.data
    assert s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == value_of(algorithm, data)


@pytest.mark.first_answer
@every
def test_form_is_checked(server, s3, bucket, algorithm):
    field, data = f"x-amz-checksum-{algorithm.lower()}", body(1000, 6)
    for key, value, status in (("wrong", value_of(algorithm, b"other"), 400), ("right", value_of(algorithm, data), 204)):
        form = signer(server).generate_presigned_post(bucket, key, {field: value})
        assert send(form["url"], form["fields"], data).status == status
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["right"]
    assert s3.head_object(Bucket=bucket, Key="right", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == value_of(algorithm, data)


@pytest.mark.parametrize("algorithm", NEWER)
def test_composite_of_parts(s3, bucket, algorithm):
    member = f"Checksum{algorithm}"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm)
    assert upload["ChecksumAlgorithm"] == algorithm and upload["ChecksumType"] == "COMPOSITE"
    named = {"Bucket": bucket, "Key": "key", "UploadId": upload["UploadId"]}
    parts, done = [body(5 * MIB, 1), body(1234, 2)], []
    for number, data in enumerate(parts, 1):
        part = s3.upload_part(PartNumber=number, Body=data, **named, **{member: value_of(algorithm, data)})
        assert part[member] == value_of(algorithm, data)
        done.append({"PartNumber": number, "ETag": part["ETag"], member: part[member]})
    listed = s3.list_parts(**named)
    assert listed["ChecksumAlgorithm"] == algorithm and listed["ChecksumType"] == "COMPOSITE"
    assert [part[member] for part in listed["Parts"]] == [value_of(algorithm, data) for data in parts]
    with pytest.raises(ClientError) as refused:
        swapped = [{**done[0], member: done[1][member]}, done[1]]
        s3.complete_multipart_upload(MultipartUpload={"Parts": swapped}, **named)
    assert code_of(refused) == "InvalidPart"
    completed = s3.complete_multipart_upload(MultipartUpload={"Parts": done}, **named)
    composite = value_of(algorithm, b"".join(ALGORITHMS[algorithm](data) for data in parts)) + "-2"
    assert completed[member] == composite and completed["ChecksumType"] == "COMPOSITE"
    attributes = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["Checksum", "ObjectParts"])
    assert attributes["Checksum"][member] == composite
    assert [part[member] for part in attributes["ObjectParts"]["Parts"]] == [value_of(algorithm, data) for data in parts]
    second = s3.head_object(Bucket=bucket, Key="key", PartNumber=2, ChecksumMode="ENABLED")
    assert second[member] == value_of(algorithm, parts[1])

    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"})["CopyObjectResult"]
    assert copied[member] == value_of(algorithm, b"".join(parts)) and copied["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("algorithm", NEWER)
def test_parts_cannot_be_joined_to_a_value_of_the_whole(s3, bucket, algorithm):
    with pytest.raises(ClientError) as refused:
        s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    assert code_of(refused) == "InvalidRequest"


@pytest.mark.parametrize("algorithm", NEWER)
def test_copy_computes_what_it_is_asked_for(s3, bucket, algorithm):
    data = body(70_000, 6)
    s3.put_object(Bucket=bucket, Key="key", Body=data)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key", ChecksumAlgorithm=algorithm)
    assert copied["CopyObjectResult"][f"Checksum{algorithm}"] == value_of(algorithm, data)


@computed_by_client
def test_configurations_and_deletions_may_be_checked_by_it(s3, bucket, algorithm):
    s3.put_object(Bucket=bucket, Key="key", Body=b"bytes")
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags, ChecksumAlgorithm=algorithm)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "key"}]}, ChecksumAlgorithm=algorithm)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
