"""The table of operations in docs/s3-compatibility.md says what the server does with each of them."""

import re

import boto3
import botocore
import botocore.config
import pytest
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, ROOT, SECRET_KEY
from test_advisories import every_operation

pytestmark = pytest.mark.first_answer

# These go to other hosts than that of the bucket.
ELSEWHERE = {"ListDirectoryBuckets", "WriteGetObjectResponse"}


def documented():
    text = (ROOT / "docs/s3-compatibility.md").read_text()
    return dict(re.findall(r"^\| ([A-Z]\w+) \| (yes|unset|no)\b[^|]*(?:\|[^|]*){5}\|$", text, re.MULTILINE))


def test_every_operation_does_what_the_table_says(server, bucket):
    table = documented()
    settings = botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, parameter_validation=False)
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    s3 = boto3.client("s3", endpoint_url=server.endpoint, region_name=REGION, config=settings, **keys)
    s3.put_object(Bucket=bucket, Key="secret", Body=b"content")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="secret")["UploadId"]
    operations = dict(every_operation(bucket, upload))
    assert set(table) == set(operations), set(table) ^ set(operations)
    # What removes the bucket, or locks others out of it, comes last.
    last = ["PutBucketPolicy", "PutPublicAccessBlock", "DeleteBucket"]
    wrong = []
    for name in sorted(set(operations) - ELSEWHERE, key=lambda name: (name in last, name)):
        method = getattr(s3, botocore.xform_name(name), None)
        if method is None:
            # Older spellings of the same routes.
            assert name in ("GetBucketLifecycle", "PutBucketLifecycle", "GetBucketNotification", "PutBucketNotification"), name
            continue
        try:
            status, code = method(**operations[name])["ResponseMetadata"]["HTTPStatusCode"], None
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        fits = {
            "yes": code != "NotImplemented" and status < 500,
            "unset": status == 200 or status == 404,
            "no": code == "NotImplemented" and status == 501,
        }
        # It depends on a flag that this server was started without.
        if not fits[table[name]] and name != "PutBucketWebsite":
            wrong.append((name, table[name], status, code))
    assert not wrong, wrong
