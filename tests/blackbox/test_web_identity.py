"""AssumeRoleWithWebIdentity with tokens of an OpenID Connect issuer that the test plays itself."""

import base64
import http.server
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore
import botocore.config
import botocore.exceptions
import pytest
import rsa

from stonecrop import ACCESS_KEY, REGION, SECRET_KEY, Server
from test_identities import Identity, allow, code, policy


def encode(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer:
    """Answers discovery and keys, and signs tokens."""

    def __init__(self):
        self.public, self.private = rsa.newkeys(2048)
        self.key_id, self.asked, self.pretends = "first", 0, None
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                documents = {
                    "/realm/.well-known/openid-configuration": {"issuer": issuer.pretends or issuer.url, "jwks_uri": issuer.url + "/keys"},
                    "/realm/keys": {"keys": [issuer.key()]},
                }
                found = documents.get(self.path)
                if found is None:
                    self.send_response(302)
                    self.send_header("Location", issuer.url + "/keys")
                    self.end_headers()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}/realm"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def key(self):
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "n": number(self.public.n), "e": number(self.public.e)}

    def token(self, header=None, private=None, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "app", "sub": "ann", "iat": now, "exp": now + 300, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = f"{encode(header or {'alg': 'RS256', 'kid': self.key_id})}.{encode(claims)}"
        return f"{signed}.{encode(rsa.sign(signed.encode(), private or self.private, 'SHA-256'))}"


@pytest.fixture(scope="module")
def federated(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("federated"), disks=2, flags=["--private-issuers"]).start()
    yield server
    server.kill()


@pytest.fixture
def root(federated):
    return Identity(federated, ACCESS_KEY, SECRET_KEY)


@pytest.fixture
def issuer():
    played = Issuer()
    yield played
    played.server.shutdown()


@pytest.fixture
def role(root, issuer):
    """A role for the issuer's users, who may list buckets."""
    provider = root.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"], ThumbprintList=[])["OpenIDConnectProviderArn"]
    name = f"role-{issuer.server.server_port}"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
                "Condition": {"StringLike": {f"{issuer.host}:sub": "a*"}},
            }
        ],
    }
    arn = root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    statements = [allow("s3:ListAllMyBuckets"), allow("s3:CreateBucket", "arn:aws:s3:::${aws:PrincipalTag/team}-*")]
    root.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return arn


def assume(root, role, token, **more):
    sts = boto3.client("sts", endpoint_url=root.server.endpoint, region_name=REGION, config=botocore.config.Config(signature_version=botocore.UNSIGNED))
    return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="session", WebIdentityToken=token, **more)


def refusal(root, role, token, **more):
    return code(assume, root, role, token, **more)


def test_whom_the_issuer_vouches_for_gets_the_role(root, issuer, role):
    taken = assume(root, role, issuer.token())
    assert taken["SubjectFromWebIdentityToken"] == "ann" and taken["Audience"] == "app"
    session = root.session(taken["Credentials"])
    assert session.sts.get_caller_identity()["Arn"] == taken["AssumedRoleUser"]["Arn"]
    assert code(session.s3.list_buckets) is None
    assert code(session.s3.create_bucket, Bucket="red-bucket") == "AccessDenied"
    limited = assume(root, role, issuer.token(), Policy=policy(allow("s3:GetObject")))
    assert code(root.session(limited["Credentials"]).s3.list_buckets) == "AccessDenied"
    asked = issuer.asked
    assume(root, role, issuer.token(aud=["other", "app"]))
    assert issuer.asked == asked, "keys are remembered"


def test_tokens_tag_their_sessions(root, issuer, role):
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}}}
    session = root.session(assume(root, role, issuer.token(**tags))["Credentials"])
    assert code(session.s3.create_bucket, Bucket="red-bucket") is None
    assert code(session.s3.create_bucket, Bucket="blue-bucket") == "AccessDenied"


def test_tokens_that_prove_nothing_are_refused(root, issuer, role):
    now = int(time.time())
    good = issuer.token()
    head, claims, signature = good.split(".")
    other_claims = encode({**json.loads(base64.urlsafe_b64decode(claims + "==")), "sub": "anyone"})
    secret = encode(b"")
    cases = [
        ("nonsense", "InvalidIdentityToken"),
        (f"{head}.{other_claims}.{signature}", "InvalidIdentityToken"),
        (f"{encode({'alg': 'none'})}.{claims}.", "InvalidIdentityToken"),
        (f"{encode({'alg': 'HS256', 'kid': 'first'})}.{claims}.{secret}", "InvalidIdentityToken"),
        (issuer.token(private=rsa.newkeys(1024)[1]), "InvalidIdentityToken"),
        (issuer.token(aud="somebody else"), "InvalidIdentityToken"),
        (issuer.token(aud=None), "InvalidIdentityToken"),
        (issuer.token(iss="http://127.0.0.1:1"), "InvalidIdentityToken"),
        (issuer.token(iss=None), "InvalidIdentityToken"),
        (issuer.token(sub=None), "InvalidIdentityToken"),
        (issuer.token(exp=None), "InvalidIdentityToken"),
        (issuer.token(exp=now - 1), "ExpiredTokenException"),
        (issuer.token(nbf=now + 600), "InvalidIdentityToken"),
        (issuer.token(sub="bob"), "AccessDenied"),
    ]
    for token, expected in cases:
        assert refusal(root, role, token) == expected, (token, expected)
    assert refusal(root, role + "x", good) == "AccessDenied"
    assert refusal(root, role, good) is None


def test_issuers_change_their_keys(root, issuer, role):
    assume(root, role, issuer.token())
    issuer.public, issuer.private = rsa.newkeys(2048)
    issuer.key_id = "second"
    deadline = time.monotonic() + 30
    while refusal(root, role, issuer.token()) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    old = issuer.token(header={"alg": "RS256", "kid": "first"})
    assert refusal(root, role, old) == "InvalidIdentityToken"


def test_an_issuer_that_says_to_be_another_is_not_believed(root, issuer, role):
    issuer.pretends = "https://accounts.example.com"
    assert refusal(root, role, issuer.token()) == "IDPCommunicationError"


def test_issuers_within_the_own_network_are_not_asked_unless_allowed(make_server, issuer):
    """Otherwise whoever may name issuers could look behind the firewall."""
    server = make_server(disks=2).start()
    root = Identity(server, ACCESS_KEY, SECRET_KEY)
    for url in (issuer.url, issuer.url.replace("http:", "https:")):
        provider = root.iam.create_open_id_connect_provider(Url=url, ClientIDList=["app"], ThumbprintList=[])["OpenIDConnectProviderArn"]
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity"}]}
        arn = root.iam.create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        assert refusal(root, arn, issuer.token(iss=url)) == "IDPCommunicationError"
        root.iam.delete_role(RoleName="role")
        root.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert issuer.asked == 0


def test_no_other_action_is_open_to_who_has_not_signed(federated):
    for action in ["CreateUser", "AssumeRole", "GetSessionToken", "GetCallerIdentity", "ListUsers", "CreateAccessKey"]:
        form = urllib.parse.urlencode({"Action": action, "UserName": "intruder"}).encode()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(federated.endpoint + "/", data=form)
        assert refused.value.code == 403 and b"MissingAuthenticationToken" in refused.value.read()
