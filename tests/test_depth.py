"""Markup that nests without end is read in time, and not a word of it is lost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import depth
from crawler.depth import shallow
from crawler.extract import read_page

WORDS = "读者凭借书证入馆"
MANY = 100_000


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * 380_000 + WORDS,
        "<div>" * MANY + WORDS + "</div>" * MANY,
        "<font><div>" * MANY + WORDS,
        "<table><tr>" * 20_000 + "<a><b>" * 20_000 + WORDS,
        "".join(f"<p><b id={n}>" for n in range(20_000)) + WORDS,
        "".join(f"<div><i id={n}></div>" for n in range(20_000)) + WORDS,
        "<!--" * MANY + "-->" + WORDS,
        "<script>" + "<div>" * MANY + "</script>" + WORDS,
        "<" * MANY + "p>" + WORDS,
        "<a " * MANY + ">" + WORDS,
        "</div>" * MANY + WORDS,
        "<ul><li>" * MANY + WORDS,
    ],
    ids=lambda markup: markup[:12],
)
def test_it_takes_seconds_at_most(markup: str) -> None:
    begun = time.monotonic()
    page = read_page(shallow(markup)[0], "http://a.test/")
    assert time.monotonic() - begun < 5
    assert WORDS in page.text


def test_an_ordinary_page_is_left_as_it_is() -> None:
    page = "<html><body>" + "<div><p>字<br><b>粗</b><ul><li>一<li>二</ul></div>" * 2_000
    assert shallow(page) == (page, 0)


NAMES = ("div", "section", "b", "i", "p", "a", "br", "table", "td", "li")
TAGS = st.lists(
    st.sampled_from([*(f"<{n}>" for n in NAMES), *(f"</{n}>" for n in NAMES), *"借还图书", '<a href="/x">'])
)


@given(TAGS.map("".join))
def test_no_text_and_no_link_is_lost(markup: str) -> None:
    limits = depth.DEEPEST, depth.FORMATS, depth.FEW_TAGS
    depth.DEEPEST, depth.FORMATS, depth.FEW_TAGS = 3, 1, 0
    try:
        kept, dropped = shallow(markup)
    finally:
        depth.DEEPEST, depth.FORMATS, depth.FEW_TAGS = limits
    assert re.sub("<[^>]*>", "", kept) == re.sub("<[^>]*>", "", markup)
    assert kept.count("href") == markup.count("href")
    assert markup.count("<") - kept.count("<") >= dropped
    assert dropped or kept == markup
