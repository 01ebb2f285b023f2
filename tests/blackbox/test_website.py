"""Buckets as websites, seen as browsers see them."""

import http.client
import json

import pytest
from botocore.exceptions import ClientError

DOMAIN = "web.localhost"


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    from stonecrop import Server

    server = Server(tmp_path_factory.mktemp("sites"), disks=1, flags=["--website-domain", DOMAIN]).start()
    yield server
    server.stop()


class Site:
    """A bucket that everybody may read, and a browser."""

    def __init__(self, server, name, configuration):
        self.server, self.name, self.s3 = server, name, server.client()
        self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_website(Bucket=name, WebsiteConfiguration=configuration)
        everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
        self.s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))

    def put(self, key, body, **options):
        self.s3.put_object(Bucket=self.name, Key=key, Body=body, ContentType="text/html", **options)

    def visit(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request(method, path, headers={"Host": f"{self.name}.{DOMAIN}:{self.server.port}", **headers})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer, body


PAGES = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}


def test_pages_folders_and_the_error_page(sites):
    site = Site(sites, "pages", PAGES)
    site.put("index.html", "home")
    site.put("docs/index.html", "all documents")
    site.put("docs/a b.html", "a document")
    for path, body in [("/", "home"), ("/docs/", "all documents"), ("/docs/a%20b.html", "a document")]:
        answer, seen = site.visit(path)
        assert (answer.status, seen) == (200, body)
        assert answer.getheader("Content-Type") == "text/html"
    answer, _ = site.visit("/docs")
    assert (answer.status, answer.getheader("Location")) == (302, "/docs/")
    answer, seen = site.visit("/docs/a%20b.html", Range="bytes=2-4")
    assert (answer.status, seen) == (206, "doc")
    tag = site.visit("/", "HEAD")[0].getheader("ETag")
    assert site.visit("/", **{"If-None-Match": tag})[0].status == 304

    answer, seen = site.visit("/missing")
    assert answer.status == 403, "nobody may list, so nobody is told what is missing"
    assert "<li>Code: AccessDenied</li>" in seen and "Custom Error Document" in seen
    site.put("error.html", "not here")
    answer, seen = site.visit("/missing", Range="bytes=0-2")
    assert (answer.status, seen) == (403, "not here")
    answer, seen = site.visit("/", "POST")
    assert answer.status == 405 and "<li>Code: MethodNotAllowed</li>" in seen
    answer, seen = site.visit("/", **{"X-Long": "x" * (17 << 10)})
    assert answer.status == 400 and "<li>Code: RequestHeaderSectionTooLarge</li>" in seen


def test_what_is_not_public_is_not_shown(sites):
    site = Site(sites, "private-pages", PAGES)
    site.put("index.html", "home")
    site.s3.delete_bucket_policy(Bucket="private-pages")
    answer, seen = site.visit("/")
    assert answer.status == 403 and "home" not in seen
    answer, seen = site.visit("/?X-Amz-Signature=anything&versionId=null")
    assert answer.status == 403


def test_redirects_of_objects_rules_and_whole_sites(sites):
    rules = [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {
            "Condition": {"HttpErrorCodeReturnedEquals": "403"},
            "Redirect": {"HostName": "archive.example.com", "Protocol": "https", "HttpRedirectCode": "307"},
        },
    ]
    site = Site(sites, "redirects", {**PAGES, "RoutingRules": rules})
    assert site.s3.get_bucket_website(Bucket="redirects")["RoutingRules"] == rules
    site.put("moved.html", "", WebsiteRedirectLocation="https://example.com/elsewhere")
    answer, _ = site.visit("/moved.html")
    assert (answer.status, answer.getheader("Location")) == (301, "https://example.com/elsewhere")
    answer, _ = site.visit("/old/a%26b")
    assert answer.status == 301
    assert answer.getheader("Location") == f"http://redirects.{DOMAIN}:{sites.port}/new/a%26b"
    answer, _ = site.visit("/missing")
    assert (answer.status, answer.getheader("Location")) == (307, "https://archive.example.com/missing")

    elsewhere = Site(sites, "elsewhere", {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}})
    answer, _ = elsewhere.visit("/any/path")
    assert (answer.status, answer.getheader("Location")) == (301, "https://example.com/any/path")


def test_sites_end_and_never_were(sites):
    site = Site(sites, "short-lived", PAGES)
    site.put("index.html", "home")
    assert site.visit("/")[0].status == 200
    site.s3.delete_bucket_website(Bucket="short-lived")
    answer, seen = site.visit("/")
    assert answer.status == 404 and "<li>Code: NoSuchWebsiteConfiguration</li>" in seen
    with pytest.raises(ClientError, match="NoSuchWebsiteConfiguration"):
        site.s3.get_bucket_website(Bucket="short-lived")
    site.name = "never-was"
    answer, seen = site.visit("/%3Cscript%3E")
    assert answer.status == 404 and "<li>Code: NoSuchBucket</li>" in seen and "<script>" not in seen


def test_a_server_without_a_domain_for_websites_keeps_none(s3, server):
    s3.create_bucket(Bucket="no-website")
    with pytest.raises(ClientError, match="NotImplemented.*--website-domain"):
        s3.put_bucket_website(Bucket="no-website", WebsiteConfiguration=PAGES)


def test_a_redirect_location_is_an_address(sites):
    site = Site(sites, "locations", PAGES)
    with pytest.raises(ClientError, match="InvalidRedirectLocation"):
        site.put("moved.html", "", WebsiteRedirectLocation="javascript:alert(1)")
