"""Which proxy a URL uses: HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go reads them (REG-042)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.errors import ConfigurationError
from towline.registry.proxy_rules import Proxy, proxy_for
from towline.rules import Rules

PROXIES = {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}

#: NO_PROXY, a URL, and whether Go's httpproxy (Go 1.26.8) uses the proxy.
RECORDED = [
    ("", "https://reg.example/", True),
    ("reg.example", "https://reg.example/", False),
    ("reg.example", "https://a.b.reg.example/", False),
    ("reg.example", "https://areg.example/", True),
    ("Reg.Example", "https://reg.example/", False),
    (".reg.example", "https://reg.example/", True),
    (".reg.example", "https://a.reg.example/", False),
    ("*.reg.example", "https://reg.example/", True),
    ("*.reg.example", "https://a.reg.example/", False),
    ("*reg.example", "https://a.reg.example/", True),
    ("*", "https://reg.example/", False),
    ("other.example, *", "https://10.0.0.1/", False),
    ("other.example , reg.example", "https://reg.example/", False),
    ("a.example,,  ,reg.example", "https://reg.example/", False),
    ("reg.example:5000", "https://reg.example:5000/", False),
    ("reg.example:5000", "https://reg.example/", True),
    ("reg.example:443", "https://reg.example/", False),
    ("reg.example:443", "http://reg.example/", True),
    ("reg.example:80", "http://reg.example/", False),
    (".reg.example:443", "https://a.reg.example/", False),
    ("reg.example:", "https://reg.example:7/", False),
    (":443", "https://reg.example/", True),
    ("10.0.0.0/8", "https://10.200.0.1:5000/", False),
    ("10.0.0.0/8", "https://11.0.0.1/", True),
    ("10.0.0.0/8", "https://10.reg.example/", True),
    ("10.1.2.3/8", "https://10.200.0.1/", False),
    ("10.0.0.0/255.0.0.0", "https://10.200.0.1/", True),
    ("10.0.0.0/33", "https://10.200.0.1/", True),
    ("10/8", "https://10.200.0.1/", True),
    ("10.1.2.3", "https://10.1.2.3:5000/", False),
    ("10.1.2.3:5000", "https://10.1.2.3:5000/", False),
    ("10.1.2.3:5000", "https://10.1.2.3/", True),
    ("2.3", "https://10.1.2.3/", True),
    ("fd00::/8", "https://[fd00::5]/", False),
    ("fd00::5", "https://[fd00::5]:5000/", False),
    ("[fd00::5]:443", "https://[fd00::5]/", False),
    ("[fd00::5]:443", "https://[fd00::5]:5000/", True),
    ("FD00:0::5", "https://[fd00::5]/", False),
    ("10.0.0.0/8", "https://[::ffff:10.1.2.3]/", False),
    ("::ffff:10.0.0.0/104", "https://10.1.2.3/", False),
    ("::/0", "https://10.1.2.3/", True),
    ("", "http://localhost:5000/", False),
    ("", "http://127.0.0.1/", False),
    ("", "http://127.9.9.9:5000/", False),
    ("", "http://[::1]:5000/", False),
    ("", "http://[::ffff:127.0.0.1]/", False),
    ("", "http://127.reg.example/", True),
    ("", "http://127.1/", True),
    ("", "http://my.localhost/", True),
    ("", "http://localhost.example/", True),
]
#: Entries that Go ignores, and towline does not.
EXTENSIONS = [
    ("[fd00::5]", "https://[fd00::5]:5000/"),
    ("a.example reg.example", "https://reg.example/"),
    ("a.example\treg.example", "https://reg.example/"),
    ("", "https://LOCALHOST:5000/"),
]


@pytest.mark.clause("REG-042")
@pytest.mark.parametrize(("exceptions", "url", "proxied"), RECORDED)
def test_the_exceptions_are_those_of_go(exceptions: str, url: str, proxied: bool) -> None:
    """Masks, ports, domains and subdomains in NO_PROXY mean what they mean to podman."""
    assert (proxy_for(url, {**PROXIES, "NO_PROXY": exceptions}) is not None) == proxied


@pytest.mark.clause("REG-042")
@pytest.mark.parametrize(("exceptions", "url"), EXTENSIONS)
def test_entries_that_go_ignores(exceptions: str, url: str) -> None:
    """Brackets without a port and white space between entries are accepted too."""
    assert proxy_for(url, {**PROXIES, "NO_PROXY": exceptions}) is None


@pytest.mark.clause("REG-042")
@pytest.mark.parametrize(
    ("environ", "url", "host"),
    [
        ({"HTTPS_PROXY": "http://a", "https_proxy": "http://b"}, "https://r.example/", "a"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://b"}, "https://r.example/", "b"),
        ({"https_proxy": "http://b"}, "http://r.example/", None),
        ({"HTTP_PROXY": "http://a"}, "https://r.example/", None),
        ({"ALL_PROXY": "http://a", "all_proxy": "http://a"}, "https://r.example/", None),
        ({"HTTP_PROXY": "http://a", "REQUEST_METHOD": "GET"}, "http://r.example/", None),
        ({"HTTPS_PROXY": "http://a", "REQUEST_METHOD": "GET"}, "https://r.example/", "a"),
        (
            {"HTTPS_PROXY": "http://a", "NO_PROXY": "r.example", "no_proxy": "x"},
            "https://r.example/",
            None,
        ),
        (
            {"HTTPS_PROXY": "http://a", "NO_PROXY": "", "no_proxy": "r.example"},
            "https://r.example/",
            None,
        ),
    ],
)
def test_which_variable_applies(environ: dict[str, str], url: str, host: str | None) -> None:
    """The names in capitals come first, each scheme has its own, and CGI programs use none."""
    found = proxy_for(url, environ)
    assert (found and found.host) == host


@pytest.mark.clause("REG-042")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxy.example", Proxy("http", "proxy.example", 80)),
        ("proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("https://proxy.example", Proxy("https", "proxy.example", 443)),
        ("socks5://proxy.example", Proxy("socks5", "proxy.example", 1080)),
        ("SOCKS5H://proxy.example/", Proxy("socks5h", "proxy.example", 1080)),
        ("http://[fd00::1]:8080", Proxy("http", "fd00::1", 8080)),
        ("http://me@h:1", Proxy("http", "h", 1, "me")),
        ("me:word@h:1", Proxy("http", "h", 1, "me", "word")),
        ("http://d%5Cme:p%40s%3As%25@h:1", Proxy("http", "h", 1, "d\\me", "p@s:s%")),
        ("http://me:p@ss@h:1", Proxy("http", "h", 1, "me", "p@ss")),
        ("http://me:%C3%BC@h:1", Proxy("http", "h", 1, "me", "ü")),
    ],
)
def test_a_proxy_is_a_url_or_a_host(text: str, expected: Proxy) -> None:
    """The scheme http is the default, and user and password are percent-decoded."""
    found = proxy_for("https://r.example/", {"HTTPS_PROXY": text})
    assert found == expected
    assert expected.password == "" or expected.password not in repr(found)


@pytest.mark.clause("REG-042", "AUTH-007")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ftp://me:secret@h:1", "proxy.scheme"),
        ("socks4://me:secret@h:1", "proxy.scheme"),
        ("http://me:secret@h:port", "proxy.invalid"),
        ("http://me:secret@h:99999", "proxy.invalid"),
        ("http://me:secret@h:0", "proxy.invalid"),
        ("http://me:secret@", "proxy.invalid"),
        ("http://me:1/secret@h:1", "proxy.invalid"),
        ("http://me:sec#secret@h:1", "proxy.invalid"),
        ("http://me:secret%@h:1", "proxy.invalid"),
        ("http://me:secret@h h:1", "proxy.invalid"),
        ("http://me:secret@[::1:1", "proxy.invalid"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error(text: str, code: str) -> None:
    """The error names the variable and contains no password; without need there is none."""
    environ = {"HTTPS_PROXY": text, "NO_PROXY": "direct.example"}
    with pytest.raises(ConfigurationError) as caught:
        proxy_for("https://r.example/", environ)
    assert caught.value.code == code
    for rules in (Rules.CURRENT, Rules.LIBPOD_1_3):
        message = caught.value.render(rules.wording) + repr(caught.value)
        assert "secret" not in message
        assert "HTTPS_PROXY" in caught.value.render(Rules.CURRENT.wording)
    assert proxy_for("https://direct.example/", environ) is None


LABELS = st.sampled_from(["reg", "a", "example", "127", "10"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "test"]))
V4 = st.builds("{}.{}.0.1".format, st.sampled_from([10, 11, 127]), st.integers(0, 3))
V6 = st.sampled_from(["fd00::5", "fd00:1::5", "2001:db8::1", "::1"])
PORTS = st.sampled_from(["", "80", "443", "5000"])


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, str, object]:
    """An entry of NO_PROXY as text, and what it means: the kind, and the value with a port."""
    kind = draw(st.sampled_from(["domain", "subdomains", "address", "network"]))
    port = draw(PORTS)
    suffix = f":{port}" if port else ""
    if kind == "domain":
        name = draw(NAMES)
        return f"{name}{suffix}", kind, (name, port)
    if kind == "subdomains":
        name = draw(NAMES)
        return f"{draw(st.sampled_from(['.', '*.']))}{name}{suffix}", kind, (name, port)
    address = draw(V4 | V6)
    if kind == "address":
        text = f"[{address}]" if ":" in address and (port or draw(st.booleans())) else address
        return f"{text}{suffix}", kind, (address, port)
    bits = draw(st.integers(0, ip_address(address).max_prefixlen))
    return f"{address}/{bits}", kind, f"{address}/{bits}"


def excepted(kind: str, meaning: object, host: str, port: str) -> bool:
    """Whether an entry excepts a host, by the model of this test."""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if kind == "network":
        return address is not None and address in ip_network(str(meaning), strict=False)
    assert isinstance(meaning, tuple)
    value, only_port = meaning
    if only_port not in ("", port):
        return False
    if kind == "address":
        return address == ip_address(value)
    if address is not None:
        return False
    labels, wanted = host.split("."), value.split(".")
    return labels[-len(wanted) :] == wanted and (kind == "domain" or len(labels) > len(wanted))


@pytest.mark.clause("REG-042")
@given(
    listed=st.lists(entries(), max_size=4),
    separator=st.sampled_from([",", ", ", " ,", " , "]),
    scheme=st.sampled_from(["http", "https"]),
    host=NAMES | V4 | V6,
    port=PORTS,
)
def test_an_entry_excepts_only_what_it_names(
    listed: list[tuple[str, str, object]], separator: str, scheme: str, host: str, port: str
) -> None:
    """Each form of entry excepts the hosts of its meaning, and loopback needs no entry."""
    where = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{where}{':' + port if port else ''}/v2/"
    effective = port or {"http": "80", "https": "443"}[scheme]
    loopback = host == "::1" or (host.startswith("127.") and not host.endswith("test"))
    expected = not loopback and not any(
        excepted(kind, meaning, host, effective) for _, kind, meaning in listed
    )
    no_proxy = separator.join(text for text, _, _ in listed)
    assert (proxy_for(url, {**PROXIES, "no_proxy": no_proxy}) is not None) == expected
