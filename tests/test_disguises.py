"""Disguises: put on, they are undone to the term and its place in the raw text; ordinary text is left as it is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifier.characters import fold
from classifier.corpus import CORPUS, read_corpus
from classifier.disguise import OPERATORS, disguise
from classifier.features import vector
from classifier.judge import Judge
from classifier.lexicon import find_terms
from classifier.normalise import Normal, normalise
from classifier.undo import KINDS, applied
from data.facts import Disguises, disguises

# Written for this test; none of them stands in the corpus.
OFFERS = (
    "今晚八点准时开车，想跟单的点击链接注册账号，填写邀请码还能领空投。",
    "人民币买币不用愁，支付宝付款秒到账，银行卡也收，联系客服进群。",
    "币安、欧易、火币三家都能返佣，永续合约手续费减免，扫码下载。",
    "做多做空都教，一键跟单，百倍杠杆，爆仓自负，老师电报同号。",
    "矿机托管，云算力租赁，日收益看得见，加微信发资料。",
    "长期收u出u，当面交易，诚信经营，量大从优，私聊。",
    "新人福利：注册送体验金，完成实名认证即可领取，限时活动。",
    "招代理，下级交易你拿佣金，邀请好友越多返利越高。",
    "OTC承兑商在线，USDT兑换人民币，冻卡包赔，飞机联系。",
    "官网入口、备用网址和安卓下载都在发布页，免翻墙直接打开。",
    "一键买币，第一步创建账户，二元期权开户教程手把手教。",
    "现货交易和合约交易同一个钱包，充币提币快，欢迎加入。",
)
# Of the terms that an operator changes, the share that is found again; what is lost is said in undo and in the facts.
LEAST = {
    "separators": 0.93, "lookalike": 0.95, "homophone": 0.9, "initials": 0.6, "split": 0.98, "emoji": 0.93, "number": 0.85,
}  # fmt: skip
BITS = [
    "石马", "亻言", "邀请石马", "交亿所", "jys", "wx", "vx", "收u", "u.s.d.t", "永·续", "永 续 合 约", "✈️", "🪙", "➕v", "必安",
    "юѕԁт", "ОТС", "𝐔", "币", "易", "ou易", "1", "键买币", "加", "，", " ", "*", "\u200b", "㏒", "ﷺ", "\ud800", "👩‍💼", "客服", "a",
]  # fmt: skip


def check(raw: str) -> Normal:
    normal = normalise(raw)
    places = list(normal.offsets)
    assert len(places) == len(normal.text) + 1
    assert places == sorted(places)
    assert places[-1] == len(raw)
    spans = [normal.raw_span(i, i + 1) for i in range(len(normal.text))]
    assert all(0 <= start < end <= len(raw) for start, end in spans)
    assert [end for _, end in spans] == sorted(end for _, end in spans)
    assert set(normal.disguises) == set(KINDS)
    return normal


@settings(deadline=None)  # the first text waits for the tables
@given(st.text(max_size=200))
def test_any_text_is_led_back_to(raw: str) -> None:
    check(raw)


@settings(deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=30))
def test_any_heap_of_disguises_is_led_back_to(bits: list[str]) -> None:
    normal = check("".join(bits))
    text = fold(normal.raw)
    for step in normal.edits:
        assert all(one.end <= other.start for one, other in pairwise(step))
        text = applied(text, step)
    assert text == normal.text


@pytest.mark.parametrize("piece", ["wx", "jys加", "交 易", "返佣、返", "u.s.d.t.", "➕✈️", "石马", "加密货币交*"])
def test_a_page_of_nothing_else_is_answered(piece: str) -> None:
    check(piece * (10_000 // len(piece)))


@pytest.mark.parametrize(
    ("raw", "word", "stretch", "kind"),
    [
        ("填邀请石马返佣", "邀请码", "邀请石马", "split"),
        ("请加微亻言进群", "微信", "微亻言", "split"),
        ("木工木干交易入门", "杠杆交易", "木工木干交易", "split"),
        ("全球十大交亿所排名", "十大交易所", "十大交亿所", "homophone"),
        ("来必安注册返佣", "币安", "必安", "homophone"),
        ("注册返臃高，邀请码在下面", "返佣", "返臃", "homophone"),
        ("填邀青码就行", "邀请码", "邀青码", "homophone"),
        ("加v获取淫行卡收款", "银行卡", "淫行卡", "homophone"),
        ("联系jiao易所客服", "交易所", "jiao易所", "homophone"),
        ("十大jys哪家好", "交易所", "jys", "initials"),
        ("买币支持zfb和yhk", "支付宝", "zfb", "initials"),
        ("zc送空投，填yqm", "注册", "zc", "initials"),
        ("玩yxhy送返佣", "永续合约", "yxhy", "initials"),
        ("安全买🪙卖🪙", "买币", "买🪙", "sign"),
        ("➕v拉你", "加v", "➕v", "sign"),
        ("跟单请联系✈️同号", "电报", "✈", "sign"),
        ("1键买币", "一键买币", "1键买币", "sign"),
        ("壹键买币", "一键买币", "壹键买币", "sign"),
        ("出售U.S.D.T现金", "usdt", "U.S.D.T", "separated"),
        ("出售 u s d t 现金", "usdt", "u s d t", "separated"),
        ("玩永--续--合--约吗", "永续合约", "永--续--合--约", "separated"),
        ("注册返*佣高", "返佣", "返*佣", "separated"),
        ("注册返 佣高，买币快", "返佣", "返 佣", "separated"),
        ("出售υѕԁт现金", "usdt", "υѕԁт", "lookalike"),
        ("做ОТС的商家", "otc", "ОТС", "lookalike"),
        ("长期收🆄现金", "收u", "收🆄", "lookalike"),
        ("0kx注册", "okx", "0kx", "lookalike"),
        ("邀清玛返佣", "邀请码", "邀清玛", "lookalike"),
    ],
)
def test_a_disguised_term_is_found_and_covers_all_it_was_written_in(
    raw: str, word: str, stretch: str, kind: str
) -> None:
    normal = check(raw)
    start = normal.text.index(word)
    first, last = normal.raw_span(start, start + len(word))
    assert raw[first:last] == stretch
    assert normal.disguises[kind] >= 1
    assert normal.hidden


@pytest.mark.parametrize(
    "raw",
    [
        "买入,卖出。返利,佣金另算。",
        "欲知后事如何，且听第一部分解。",
        "石马村的女子在木工厂，日月同辉，人言可畏。",
        "отсутствие втсе слова и совсем другие вещи",
        "α粒子与β衰变，Δt=3μs，电阻为5kΩ，面积20m²，№3，①②③",
        "纸飞机和✈️是孩子们的最爱，🔗编织课下载图纸",
        "The DD and GG of HY, ZC; see kt.tx and the bc range.",
        "其实什么都没有；务必安排好；运营钱包；公司信息；促成兑换",
        "买比特币的人购买后换回法币，空头售价复利，提现上链接口",
        "乐队用软件把五线谱导出，记者报道，家微机室开放",
        "收юѕԁт现金",  # ю looks like no Latin letter: what is left of the word is not guessed at
        "版本 v1.2.3，日期 2026-02-06，电话 010-1234-5678，IP 192.168.1.1",
    ],
)
def test_ordinary_text_stays(raw: str) -> None:
    normal = check(raw)
    assert normal.text == fold(raw)
    assert not normal.hidden


def test_innocent_texts_of_the_corpus_come_through_word_for_word() -> None:
    texts = [text.text or text.html for text in read_corpus(CORPUS) if text.label == "negative"]
    touched = [text for text in texts if normalise(text).text != fold(text)]
    # Most of these are reports that quote a disguise.
    assert len(touched) <= 0.02 * len(texts)


@pytest.mark.parametrize("operator", LEAST)
def test_what_an_operator_puts_on_is_undone(operator: str) -> None:
    found: Counter[bool] = Counter()
    for sentence in OFFERS:
        normal = normalise(sentence)
        for seed in range(20):
            worn = disguise(sentence, operator, Random(seed), 0.4)
            again = normalise(worn)
            now = Counter(again.text[m.start : m.end] for m in find_terms(again.text))
            kept = Counter(fold(worn)[m.start : m.end] for m in find_terms(fold(worn)))
            for term, count in Counter(normal.text[m.start : m.end] for m in find_terms(normal.text)).items():
                hidden = count - min(kept[term], count)
                again_seen = max(min(now[term], count) - min(kept[term], count), 0)
                found[True] += again_seen
                found[False] += hidden - again_seen
    assert found[True] >= LEAST[operator] * found.total()


@pytest.mark.parametrize("operator", sorted(OPERATORS.keys() - LEAST.keys()))
def test_what_changes_characters_only_is_undone_word_for_word(operator: str) -> None:
    for seed, sentence in enumerate(OFFERS):
        assert normalise(disguise(sentence, operator, Random(seed), 1.0)).text == normalise(sentence).text


def test_the_reviewer_is_told_what_was_undone() -> None:
    judge = Judge(alone=True)
    text = (
        "鲸海交亿所新用户专享：打开下方链接注册，填邀请石马 QW7788 即享手续费终身减免两成。支持zfb、银行卡 C2C 买 U.S.D.T，"
        "永续合约最高 100 倍杠杆，跟单一键开启。国内链接免翻墙，安卓直接下载 APK，有问题加客服电报。"
    )
    found = judge.judge(text)
    assert "还原伪装写法：" in found.note
    for words in ("同音字1处", "拆字1处", "拼音缩写1处", "插入分隔符1处"):
        assert words in found.note
    assert any("邀请石马" in span.text for span in found.spans)
    assert all(text[span.start : span.end] == span.text for span in found.spans)
    assert (
        "伪装"
        not in judge.judge(
            text.replace("亿", "易").replace("石马", "码").replace("zfb", "支付宝").replace(".", "")
        ).note
    )


def test_a_disguise_undone_weighs_what_the_plain_word_weighs() -> None:
    plain, worn, script = (vector(normalise(t)) for t in ("填邀请码返佣", "填邀请石马返佣", "填邀請碼返傭"))
    assert (plain == worn).all()
    assert (plain == script).all()


def test_an_unsure_form_that_no_table_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="which no table has"):
        Disguises.model_validate(disguises().model_dump() | {"letters": {}, "unsure": {"何处"}})
