"""One spelling per page: what canonical keeps, drops and refuses."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.urls import MAX_LENGTH, BadURL, canonical, host_of, in_scope, scope_hosts


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("HTTP://WWW.Example.TEST", "http://www.example.test/"),
        ("http://a.test:80/x#part", "http://a.test/x"),
        ("https://a.test:443/", "https://a.test/"),
        ("http://a.test:8080/", "http://a.test:8080/"),
        ("http://例子.测试/", "http://xn--fsqu00a.xn--0zwm56d/"),
        ("http://a.test./", "http://a.test/"),
        ("http://a.test/路 径", "http://a.test/%E8%B7%AF%20%E5%BE%84"),
        ("http://a.test/%7Euser", "http://a.test/~user"),
        ("http://a.test/a%2Fb", "http://a.test/a%2Fb"),
        ("http://a.test/%2541", "http://a.test/%2541"),
        ("http://a.test/?b=2&a=1", "http://a.test/?b=2&a=1"),
        ("http://a.test/?utm_source=x&id=7&spm=1.2", "http://a.test/?id=7"),
        ("http://a.test/?utm_source=x&q=%C4%E3%BA%C3", "http://a.test/?q=%C4%E3%BA%C3"),
        ("http://a.test/join?ref=ABC123", "http://a.test/join?ref=ABC123"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("  http://a.test/  ", "http://a.test/"),
    ],
)
def test_canonical_spelling(written: str, spelled: str) -> None:
    assert canonical(written) == spelled


@pytest.mark.parametrize(
    "written",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://a.test/",
        "http://user:secret@a.test/",
        "http:///path",
        "http://a.test:99999/",
        "http://a..test/",
        "http://a b.test/",
        "http://[::1/",
        "http://a.test/" + "x" * MAX_LENGTH,
        "http://a.test/?q=\ud800",
        "http://\ud800.test/",
    ],
)
def test_what_is_not_fetched_is_refused_with_a_reason(written: str) -> None:
    with pytest.raises(BadURL, match=r"\S"):
        canonical(written)


def test_links_are_joined_to_their_page() -> None:
    assert canonical("../b.html?x=1#y", "http://a.test/d/e/f.html") == "http://a.test/d/b.html?x=1"
    assert canonical("//b.test/x", "https://a.test/") == "https://b.test/x"


WEIRD = st.text(st.characters(exclude_categories=[]), max_size=60)
SHAPED = st.builds(
    lambda scheme, host, path, query: f"{scheme}://{host}/{path}?{query}",
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["a.test", "例子.test", "[::1]", "127.1", "a.test:8080"]) | st.text(max_size=12),
    st.text(st.sampled_from("ab/%2541Ff.~ 路é+;=&?#\\"), max_size=20) | WEIRD,
    st.text(st.sampled_from("ab=&%25Cc4+utm_x ?/路"), max_size=20) | WEIRD,
)


@given(SHAPED | WEIRD, st.sampled_from(["", "http://a.test/b/c"]))
@example("http://a.test/%2525", "")
@example("http://a.test/?%&utm_x=%25%", "")
def test_canonical_is_idempotent_and_raises_nothing_else(written: str, base: str) -> None:
    with contextlib.suppress(BadURL):
        once = canonical(written, base)
        assert canonical(once) == once
        assert once.isascii()
        assert host_of(once)


def test_scope_is_the_hosts_of_the_seeds_and_what_is_below_them() -> None:
    hosts = scope_hosts(["http://www.a.test/", "http://b.test:8080/x"])
    assert in_scope("https://m.a.test/1", hosts)
    assert in_scope("http://a.test/", hosts)
    assert in_scope("http://b.test/", hosts)
    assert not in_scope("http://nota.test/", hosts)
    assert not in_scope("http://a.test.evil.test/", hosts)
