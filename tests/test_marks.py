"""Marked text: what counts is marked in place, and nothing captured is markup."""

from __future__ import annotations

from data.records import Span
from review.marks import mark


def test_overlapping_spans_mark_every_word_once_and_escape_everything() -> None:
    text = "<b>填邀请码</b> & 返佣\u202e六成"
    spans = [Span("referral", "（十）", "", 3, 7, 1.0), Span("marketing", "（十）", "", 5, 40, 1.0)]
    marked = mark(text, spans, lambda span: f'"{span.indicator}"', [Span("counter", "", "", 0, 3, 1.0)])
    assert "<b>" not in marked.html
    assert 'class="against" title="&#34;counter&#34;">&lt;b&gt;' in marked.html
    assert 'title="&#34;referral&#34;">填邀</mark>' in marked.html
    assert 'title="&#34;referral&#34; · &#34;marketing&#34;">请码</mark>' in marked.html
    assert "‹202E›" in marked.html
    assert "\u202e" not in marked.html
    assert marked.anchors == ("m3", "m5", "m0")


def test_spans_that_reach_outside_or_hold_nothing_do_no_harm() -> None:
    spans = [
        Span("referral", "", "", -5, 2, 1.0),
        Span("referral", "", "", 9, 99, 1.0),
        Span("referral", "", "", 3, 3, 1.0),
    ]
    marked = mark("邀请码", spans, lambda span: span.indicator)
    assert marked.html == '<mark id="m0" class="for" title="referral">邀请</mark>码'
    assert marked.anchors == ("m0", "", "")
    assert mark("", [], lambda span: span.indicator).html == ""
