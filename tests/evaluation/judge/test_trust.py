"""What a judge's endpoint is trusted with: the key over TLS that is verified, to the host that was
named; and what it answers is data."""

import gzip
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import harness, refused
from support.endpoint import Endpoint

from harness.config import JudgeBackend, JudgeConfig
from harness.errors import ConfigError, StageFailed, printable
from harness.evaluation.judge import http
from harness.evaluation.judge.cache import Cache
from harness.evaluation.judge.http import HttpJudge
from harness.evaluation.judge.judging import Refused
from harness.evaluation.judge.settings import check_judge

SECRET = "sk-very-secret-indeed"
ANSWERS = "<answer of A>\nlonger\n</answer of A>\n<answer of B>\nb\n</answer of B>"
CHAT = [{"role": "user", "content": ANSWERS}]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", SECRET)


def settings(url: str, **more: object) -> JudgeConfig:
    given = {"timeout_seconds": 2.0, "backoff_seconds": 0.001, "attempts": 2, **more}
    return JudgeConfig(backend=JudgeBackend.http, base_url=url, model="m", **given)


def judge(url: str, **more: object) -> HttpJudge:
    return HttpJudge(settings(url, **more))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that nobody has signed but itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    file, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    try:
        made = [*command, "-out", str(file), "-keyout", str(key)]
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl, which makes a certificate")
    return file, key


@pytest.fixture
def encrypted(certificate: tuple[Path, Path]) -> Iterator[Endpoint]:
    """An endpoint that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    endpoint = Endpoint()
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    endpoint.url = endpoint.url.replace("http://127.0.0.1", "https://localhost")
    with endpoint:
        yield endpoint


def test_a_certificate_that_nobody_signed_gets_no_key(encrypted: Endpoint) -> None:
    with pytest.raises(StageFailed, match="has no certificate that is trusted here"):
        judge(encrypted.url).ask(CHAT)
    assert encrypted.keys == set()


def test_one_that_the_user_trusts_does(
    encrypted: Endpoint, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    assert "[[A]]" in judge(encrypted.url).ask(CHAT).text
    assert encrypted.keys == {f"Bearer {SECRET}"}
    with pytest.raises(StageFailed, match="no certificate that is trusted"):  # of another name
        judge(encrypted.url.replace("localhost", "127.0.0.1")).ask(CHAT)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_who_sends_on_is_told_and_the_next_host_gets_nothing(status: int) -> None:
    with Endpoint() as other:
        to = other.url.replace("127.0.0.1", "127.0.0.2") + "/chat/completions"
        with Endpoint(((status, {"Location": to}, ""),)) as endpoint:
            with pytest.raises(StageFailed) as caught:
                judge(endpoint.url).ask(CHAT)
            assert endpoint.requests == 1
        assert f"sends on to {to}, which gets no key" in str(caught.value)
        assert other.requests == 0


def test_a_password_of_netrc_does_not_take_the_place_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Endpoint() as endpoint:
        judge(endpoint.url).ask(CHAT)
        assert endpoint.keys == {f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ("https://api.example.org/v1", {}, None),
        ("http://localhost:1/v1", {}, None),
        ("http://127.0.0.7/v1", {}, None),
        ("http://[::1]:8/v1", {}, None),
        ("http://0.0.0.0:8/v1", {}, None),
        (f"http://{socket.gethostname()}:8/v1", {}, None),
        (f"http://{socket.getfqdn()}:8/v1", {}, None),
        ("http://[::1", {}, "give the endpoint"),
        ("http://api.example.org/v1", {"plain_http": True}, None),
        ("http://api.example.org/v1", {}, "use https, or judge.plain_http=true"),
        ("http://localhost.example.org/v1", {}, "use https, or judge.plain_http=true"),
        ("http://10.0.0.1/v1", {}, "use https, or judge.plain_http=true"),
        ("https://me:hunter22@api.example.org/v1", {}, "holds a user or a password"),
        ("http://localhost@api.example.org/v1", {}, "holds a user or a password"),
        ("ftp://x/v1", {}, "give the endpoint"),
        ("https:///v1", {}, "give the endpoint"),
    ],
)
def test_addresses(url: str, more: dict, told: str | None) -> None:
    if told is None:
        check_judge(settings(url, **more))
        return
    with pytest.raises(ConfigError) as caught:
        check_judge(settings(url, **more))
    assert told in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_the_verb_says_it_in_its_own_words(tmp_path: Path) -> None:
    words = ["judge", "--candidate", "x", "--baseline", "y", "--model", "m"]
    told = refused(*words, "--base-url", "http://example.org/v1", cwd=tmp_path)
    assert "--plain-http" in told
    told = refused(*words, "--base-url", "http://example.org/v1", "--plain-http", cwd=tmp_path)
    assert "x: cannot be read" in told


@pytest.mark.parametrize(
    "setting",
    ["base_url: https://evil.example.org", "key_variable: HF_TOKEN", "plain_http: true"],
)
def test_a_config_file_does_not_say_where_a_key_goes(setting: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = f"# @package _global_\njudge:\n  {setting}\n"
    (tmp_path / "experiment" / "theirs.yaml").write_text(text)
    told = refused("plan", "--config-dir", str(tmp_path), "experiment=theirs")
    key, _, value = setting.partition(": ")
    assert f"judge.{key}: a config file asks for judge.{key}={value}, where the judge's" in told


MINE = "backend: http, model: m, key_variable: MINE"


def test_one_that_is_on_this_machine_is_any_file_s(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = f"# @package _global_\njudge: {{{MINE}, base_url: 'http://127.0.0.1:8/v1'}}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    done = harness("--config-dir", str(tmp_path), "experiment=mine", "--cfg", "job")
    assert done.returncode == 0, done.stderr


def test_an_option_that_the_command_line_names_is_trusted(tmp_path: Path) -> None:
    for group in ("judge", "experiment"):
        (tmp_path / group).mkdir()
    text = f"{{{MINE}, base_url: 'https://my.example.org/v1'}}\n"
    (tmp_path / "judge" / "mine.yaml").write_text(text)
    words = ["--config-dir", str(tmp_path)]
    done = harness(*words, "judge=mine", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    theirs = tmp_path / "experiment" / "theirs.yaml"
    theirs.write_text("# @package _global_\ndefaults: [{override /judge: mine}]\n")
    words = ["plan", *words, "experiment=theirs"]
    assert "judge.base_url: a config file asks for" in refused(*words)
    theirs.write_text("# @package _global_\njudge: {base_url: 'https://evil.example.org'}\n")
    assert "base_url=https://evil.example.org, where the judge's" in refused(*words, "judge=mine")


def reply(text: object, **usage: object) -> str:
    return json.dumps({"choices": [{"message": {"content": text}}], "usage": usage})


def ask(
    body: str | bytes, status: int = 200, headers: dict | None = None, **more: object
) -> http.Reply:
    with Endpoint(((status, headers or {}, body),)) as endpoint:
        return judge(endpoint.url, attempts=1).ask(CHAT)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("[" * 100_000, "a reply that is no chat completion"),
        ('{"choices": {"0": 1}}', "a reply that is no chat completion"),
        ('"text"', "a reply that is no chat completion"),
        (reply("x" * 5_000_000), "a reply of more than 4,000,000 bytes"),
    ],
    ids=["deep", "table", "text", "large"],
)
def test_what_is_no_reply_is_one_line(body: str, told: str) -> None:
    with pytest.raises(StageFailed, match=told):
        ask(body)


def test_one_that_unpacks_to_much_is_not_read() -> None:
    packed = gzip.compress(reply("x" * 50_000_000).encode())
    assert len(packed) < 100_000
    with pytest.raises(StageFailed, match="a reply of more than 4,000,000 bytes"):
        ask(packed, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("count", ["1e999", "-5", "NaN", '"many"', "1" * 40, "true"])
def test_what_it_says_it_cost_is_a_number_or_none(count: str, tmp_path: Path) -> None:
    body = reply("[[A]]").replace('"usage": {}', f'"usage": {{"prompt_tokens": {count}}}')
    found = ask(body)
    assert found.prompt_tokens in (0, 1)
    cache = Cache(tmp_path / "judge.sqlite")
    cache.put("key", found)
    assert cache.get("key") == found


def test_halves_of_characters_can_be_kept(tmp_path: Path) -> None:
    found = ask('{"choices": [{"message": {"content": "a\\ud800b [[A]]"}}]}')
    assert found.text == "a?b [[A]]"
    Cache(tmp_path / "judge.sqlite").put("key", found)


@pytest.mark.parametrize(("status", "kind"), [(401, StageFailed), (400, Refused)])
def test_what_is_told_of_it_commands_no_terminal(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        ask("\x1b[2J\x1b]0;owned\x07\u009b31m bad\u202e key \r\n" + "x" * 1000, status)
    told = str(caught.value)
    assert "owned" in told
    assert "bad" in told
    assert len(told) < 400
    assert not set(told) & set("\x1b\x07\u009b\u202e\r\n")


def test_printable() -> None:
    told = "https://me:secret@host/x failed\nüñ 文 \x1b[31m"
    assert printable(told) == "https://***@host/x failed\nüñ 文  [31m"
