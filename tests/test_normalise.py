"""Normalisation: one spelling to match on, and every character's way back to the raw text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.lexicon import find_terms
from classifier.normalise import normalise


@settings(deadline=None)  # the first text waits for the tables
@given(st.text(max_size=300))
def test_every_character_leads_back_into_the_raw_text(raw: str) -> None:
    normal = normalise(raw)
    places = list(normal.offsets)
    assert len(places) == len(normal.text) + 1
    assert places == sorted(places)
    assert places[-1] == len(raw)
    assert all(0 <= place < len(raw) for place in places[:-1])


@pytest.mark.parametrize(
    ("raw", "word", "disguise"),
    [
        ("注\u200b册送\u200dＵＳＤＴ", "注册", "invisible"),
        ("永·续·合·约开户", "永续合约", "separated"),
        ("邀請碼返傭", "邀请码", "traditional"),
        ("Ｃ２Ｃ買幣", "c2c", ""),
        ("𝐔𝐒𝐃𝐓出金", "usdt", "lookalike"),
    ],
)
def test_disguised_words_are_found_and_their_place_is_the_raw_one(raw: str, word: str, disguise: str) -> None:
    normal = normalise(raw)
    start = normal.text.index(word)
    raw_start, raw_end = normal.raw_span(start, start + len(word))
    assert normalise(raw[raw_start:raw_end]).text == word
    if disguise:
        assert normal.disguises[disguise] > 0


def test_ordinary_punctuation_stays() -> None:
    assert normalise("买入，卖出。").text == "买入,卖出。"
    assert normalise("甲、乙、丙").disguises["separated"] <= 2


def test_latin_terms_match_whole_words_only() -> None:
    found = {match.category for match in find_terms(normalise("the htxyz notice and an idle token").text)}
    assert "crypto_exchange" not in found
    assert "crypto_exchange" in {match.category for match in find_terms(normalise("在 HTX 交易").text)}


def test_lone_surrogates_are_dropped_not_crashed_on() -> None:
    assert normalise("合\ud800约").text == "合约"
