"""RestoreObject: no object is archived here, which is told as Amazon tells it."""

import pytest
from botocore.exceptions import ClientError


DAYS = {"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}}


def error(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response


@pytest.mark.parametrize("storage_class", ["STANDARD", "STANDARD_IA", "GLACIER_IR"])
def test_objects_that_are_not_archived_cannot_be_restored(s3, bucket, storage_class):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x", StorageClass=storage_class)
    response = error(s3.restore_object, Bucket=bucket, Key="key", RestoreRequest=DAYS)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert response["Error"]["Code"] == "InvalidObjectState"
    assert response["StorageClass"] == storage_class
    assert response["Error"]["Message"] == "Restore is not allowed for the object's current storage class"


def test_keys_and_versions_are_looked_up_first(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="key")["VersionId"]

    def code(key="key", **more):
        return error(s3.restore_object, Bucket=bucket, Key=key, RestoreRequest=DAYS, **more)["Error"]["Code"]

    assert code() == "NoSuchKey"
    assert code(key="missing") == "NoSuchKey"
    assert code(VersionId=version) == "InvalidObjectState"
    assert code(VersionId=marker) == "MethodNotAllowed"
    assert code(VersionId="0" * 20) == "NoSuchVersion"
    assert code(VersionId="no version") == "InvalidArgument"


def test_malformed_requests_are_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")

    def code(**restore):
        return error(s3.restore_object, Bucket=bucket, Key="key", RestoreRequest=restore)["Error"]["Code"]

    assert code(Days=0) == "InvalidArgument"
    assert code(Days=1, Tier="Slow") == "MalformedXML"
    assert code(Days=1, GlacierJobParameters={"Tier": "Slow"}) == "MalformedXML"
