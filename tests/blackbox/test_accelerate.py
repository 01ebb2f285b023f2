"""Transfer acceleration: its configuration, and the hosts that it opens."""

import http.client

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY

DOMAIN = "s3.localhost"
HOSTS = ["s3-accelerate", "s3-accelerate.dualstack"]


class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()

    @property
    def text(self):
        return self.body.decode()


def ask(server, bucket, between, method="GET", key="key", body=None):
    """A request to the accelerated host of a bucket, or of none, as an SDK signs it that uses the accelerated endpoint."""
    address, port = server.address
    host = f"{bucket}.{between}.{DOMAIN}:{port}".removeprefix(".")
    request = botocore.awsrequest.AWSRequest(method, f"http://{host}/{key}", data=body)
    botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION).add_auth(request)
    connection = http.client.HTTPConnection(address, port)
    connection.request(method, f"/{key}", body, dict(request.headers, Host=host))
    return Answer(connection.getresponse())


def configure(s3, bucket, status):
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": status})


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_the_configuration_is_answered(s3, bucket):
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        configure(s3, bucket, status)
        assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == status
    assert code(s3.put_bucket_accelerate_configuration, Bucket=bucket, AccelerateConfiguration={"Status": "On"}) == "MalformedXML"
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Suspended"
    dotted = f"a.{bucket}"
    s3.create_bucket(Bucket=dotted)
    assert code(s3.put_bucket_accelerate_configuration, Bucket=dotted, AccelerateConfiguration={"Status": "Enabled"}) == "InvalidRequest"


@pytest.mark.first_answer
@pytest.mark.parametrize("between", HOSTS)
def test_accelerated_hosts_serve_buckets_where_it_is_enabled(server, s3, bucket, between):
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    refused = ask(server, bucket, between)
    assert refused.status == 400 and "<Code>InvalidRequest</Code>" in refused.text
    assert "S3 Transfer Acceleration is not configured on this bucket" in refused.text
    configure(s3, bucket, "Enabled")
    assert ask(server, bucket, between).body == b"content"
    assert ask(server, bucket, between, "PUT", "new", b"fresh").status == 200
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"fresh"
    configure(s3, bucket, "Suspended")
    refused = ask(server, bucket, between, "PUT", "new", b"late")
    assert refused.status == 400 and "S3 Transfer Acceleration is disabled on this bucket" in refused.text
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"fresh"
    assert ask(server, "no-such-bucket", between).status == 404


@pytest.mark.first_answer
@pytest.mark.parametrize("between", HOSTS)
def test_accelerated_hosts_neither_list_nor_make_nor_delete_buckets(server, s3, bucket, between):
    configure(s3, bucket, "Enabled")
    for answer in (ask(server, bucket, between, "DELETE", ""), ask(server, f"{bucket}-new", between, "PUT", "")):
        assert answer.status == 400 and "S3 Transfer Acceleration does not support this operation" in answer.text
    s3.head_bucket(Bucket=bucket)
    assert code(s3.head_bucket, Bucket=f"{bucket}-new") == "404"
    for key in ("", f"{bucket}/key"):
        refused = ask(server, "", between, "GET", key)
        assert refused.status == 400 and "<Code>InvalidRequest</Code>" in refused.text
        assert "S3 Transfer Accelerate endpoint only supports virtual style requests" in refused.text
