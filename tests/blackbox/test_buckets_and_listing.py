"""Buckets and listings through boto3, compared with a sorted list in memory."""

import http.client
import itertools

import botocore.handlers
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY
from test_objects import code_of, status_of

KEYS = sorted(
    ["a", "a/b", "a/b/c", "a/c", "b", "b-1", "b/1", "b/2", "b0", "c//d", "c//e", "c/", "ü/1", "ü/2", "z", "zz"], key=str.encode
)


@pytest.fixture(scope="module")
def listed(server):
    s3 = server.client()
    s3.create_bucket(Bucket="listing")
    for key in KEYS:
        s3.put_object(Bucket="listing", Key=key, Body=key.encode())
    return "listing"


def expected(prefix="", delimiter="", after=""):
    """What a listing returns, in order: ('key', k) and ('prefix', p)."""
    seen = []
    for key in KEYS:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        rest = key[len(prefix):]
        if delimiter and delimiter in rest:
            common = ("prefix", prefix + rest[: rest.index(delimiter) + len(delimiter)])
            if common not in seen:
                seen.append(common)
        else:
            seen.append(("key", key))
    return seen


@pytest.mark.parametrize("prefix,delimiter", list(itertools.product(["", "a", "a/", "b", "c/", "ü", "nothing"], ["", "/", "b", "//"])))
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_pages_cover_a_listing_exactly(server, listed, prefix, delimiter, page):
    s3 = server.client()
    for version in (1, 2):
        found, token = [], None
        while True:
            if version == 2:
                more = {"ContinuationToken": token} if token else {}
                answer = s3.list_objects_v2(Bucket=listed, Prefix=prefix, Delimiter=delimiter, MaxKeys=page, **more)
            else:
                more = {"Marker": token} if token else {}
                answer = s3.list_objects(Bucket=listed, Prefix=prefix, Delimiter=delimiter, MaxKeys=page, **more)
            entries = [("key", entry["Key"]) for entry in answer.get("Contents", [])]
            entries += [("prefix", entry["Prefix"]) for entry in answer.get("CommonPrefixes", [])]
            assert len(entries) <= page
            found += entries
            if not answer["IsTruncated"]:
                break
            token = answer["NextContinuationToken"] if version == 2 else answer.get("NextMarker") or entries[-1][1]
        assert sorted(found) == sorted(expected(prefix, delimiter)), f"version {version}"


def test_start_after_skips_and_fetch_owner_adds_the_owner(server, listed):
    s3 = server.client()
    answer = s3.list_objects_v2(Bucket=listed, StartAfter="b/1", FetchOwner=True)
    assert [entry["Key"] for entry in answer["Contents"]] == [key for _, key in expected(after="b/1")]
    assert all(entry["Owner"]["ID"] for entry in answer["Contents"])
    assert "Owner" not in s3.list_objects_v2(Bucket=listed)["Contents"][0]


def test_max_keys_zero_lists_nothing(server, listed):
    answer = server.client().list_objects_v2(Bucket=listed, MaxKeys=0)
    assert answer["KeyCount"] == 0 and not answer["IsTruncated"]


@pytest.mark.first_answer
def test_bucket_life(s3):
    s3.create_bucket(Bucket="life-of-a-bucket")
    s3.head_bucket(Bucket="life-of-a-bucket")
    assert "life-of-a-bucket" in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="life-of-a-bucket").get("LocationConstraint") is None
    s3.put_object(Bucket="life-of-a-bucket", Key="k", Body=b"")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket="life-of-a-bucket")
    assert (code_of(error), status_of(error)) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="life-of-a-bucket", Key="k")
    s3.delete_bucket(Bucket="life-of-a-bucket")
    for operation in (s3.head_bucket, s3.list_objects_v2, s3.delete_bucket):
        with pytest.raises(ClientError) as error:
            operation(Bucket="life-of-a-bucket")
        assert status_of(error) == 404


@pytest.mark.parametrize("name", ["ab", "UPPER", "under_score", "-dash", "dash-", "two..dots", "192.168.1.1", "x" * 64])
def test_bad_bucket_names_are_refused(server, name):
    s3 = server.client()
    s3.meta.events.unregister("before-parameter-build.s3", botocore.handlers.validate_bucket_name)
    with pytest.raises(ClientError) as error:
        s3.create_bucket(Bucket=name)
    assert code_of(error) == "InvalidBucketName"


@pytest.mark.first_answer
def test_virtual_host_style(server, bucket):
    server.client().put_object(Bucket=bucket, Key="a/ü", Body=b"by host")
    request = AWSRequest("GET", f"http://{bucket}.s3.localhost/a/%C3%BC")
    S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION, expires=60).add_auth(request)
    connection = http.client.HTTPConnection(server.host)
    connection.request("GET", request.url.split("s3.localhost", 1)[1], headers={"Host": f"{bucket}.s3.localhost"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"by host")
