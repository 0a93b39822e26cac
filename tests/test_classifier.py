"""The classifier through its interface: it answers anything, says why, and tells an offer from a report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oddities import ODD

from classifier.corpus import CORPUS, CorpusError, Text, read_corpus
from classifier.evaluate import evaluate
from classifier.figures import NothingToMeasure
from classifier.judge import Judge
from classifier.model import LinearModel, ModelError
from classifier.reasons import phrases
from classifier.train import TooLittle, train
from data.facts import taxonomy

# Written for this test; none of them stands in the corpus.
OFFER = (
    "鲸海交易所新用户专享：打开下方链接注册，填邀请码 QW7788 即享手续费终身减免两成。支持支付宝、银行卡 C2C 买 USDT，"
    "永续合约最高 100 倍杠杆，跟单一键开启。国内链接免翻墙，安卓直接下载 APK，有问题加客服电报。"
)
NEWS = (
    "本报讯（记者 周宁）记者昨日从市公安局获悉，一个以“鲸海交易所”为名的平台被查处。据介绍，该平台以邀请码返佣方式发展会员，"
    "宣称支持 C2C 买 USDT、永续合约 100 倍杠杆，涉案金额约三千万元。警方表示，案件仍在进一步侦办中。"
)
WARNING = (
    "市金融办提醒广大群众：近期有不法分子以“鲸海交易所”名义，通过电报群散布注册链接和邀请码，诱导群众用支付宝购买 USDT 并参与合约。"
    "此类活动属于非法金融活动，请切勿下载来历不明的应用，谨防上当受骗，如有线索请拨打 110 举报。"
)
RULING = (
    "本院认为，被告人何某明知他人利用“鲸海交易所”从事虚拟货币交易，仍制作推广页面、发放邀请码并收取返佣，情节严重，其行为已构成犯罪。"
    "依照《中华人民共和国刑法》有关规定，判处有期徒刑一年二个月，并处罚金。"
)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


def test_the_same_facts_as_offer_news_warning_and_ruling_are_told_apart(judge: Judge) -> None:
    offer, *reports = [found.score for found in judge.judge_all([OFFER, NEWS, WARNING, RULING])]
    assert offer >= judge.limits.review
    assert all(report < judge.limits.review for report in reports)


def test_reasons_name_the_exact_words_the_indicator_and_the_clause(judge: Judge) -> None:
    found = judge.judge(OFFER)
    assert {"referral", "mainland"} <= {span.indicator for span in found.spans}
    indicators = taxonomy().indicators
    for span in found.spans:
        assert OFFER[span.start : span.end] == span.text
        assert span.clause == indicators[span.indicator].clauses["237"]
        assert found.indicators[span.indicator] >= judge.limits.named[span.indicator]
        assert span.indicator in found.named


def test_counter_evidence_is_shown_where_a_report_still_scores(judge: Judge) -> None:
    mixed = OFFER + "风险提示：虚拟货币交易属于非法金融活动，谨防诈骗。"
    found = judge.judge(mixed)
    assert any(span.indicator == "counter_warning" and "非法金融活动" in span.text for span in found.counter)


@pytest.mark.parametrize("text", ODD)
def test_anything_is_answered(judge: Judge, text: str) -> None:
    assert 0.0 <= judge.judge(text).score <= 1.0
    linear = Judge(alone=True)
    found = linear.judge(text)
    assert found.abstains or judge.interest(text) == pytest.approx(found.score, abs=1e-3)


def test_too_little_text_is_said_and_not_scored(judge: Judge) -> None:
    found = judge.judge("活动")
    assert found.score == 0.0
    assert "未作判断" in found.note


def test_phrases_cover_words_and_stay_readable() -> None:
    text = "第一句，" * 40 + "。\n  \n第二行！结尾没有标点"
    places = phrases(text)
    assert all(text[a:b].strip() == text[a:b] and b > a for a, b in places)
    assert text[places[-1][0] : places[-1][1]] == "结尾没有标点"
    assert max(b - a for a, b in places) <= 60


def test_the_corpus_is_as_large_and_as_hard_as_promised() -> None:
    texts = list(read_corpus(CORPUS))
    hard = [text for text in texts if text.label == "negative" and text.hard]
    assert len(texts) >= 500
    assert len(hard) * 2 >= len(texts)
    known = taxonomy()
    genres = {genre.id for genre in known.genres}
    for text in texts:
        assert text.genre in genres, text.id
        assert {*text.activities, *text.roles, *text.audience} <= set(known.indicators), text.id
        assert all(quote.quote in text.text for quote in text.spans), text.id
    ids = [text.id for text in texts]
    assert len(ids) == len(set(ids))


def test_no_group_stands_twice_under_one_wording() -> None:
    """Near-duplicates across groups would flatter the out-of-fold figures."""
    seen: dict[str, str] = {}
    for text in read_corpus(CORPUS):
        letters = "".join(c for c in text.text if "\u4e00" <= c <= "\u9fff")
        for start in range(0, max(len(letters) - 30, 0), 30):
            piece = letters[start : start + 30]
            assert seen.setdefault(piece, text.group) == text.group, (text.id, piece)


@pytest.fixture(scope="module")
def small() -> list[Text]:
    offers = [f"注册{n}号平台填邀请码返佣，支付宝买USDT，合约{n}倍杠杆，加客服进群" for n in range(12)]
    reports = [f"记者报道，第{n}起诈骗案由警方侦破，法院判决被告人有期徒刑，银行提醒防范" for n in range(12)]
    return [
        *(
            Text(id=f"o{n}", group=f"o{n}", label="positive", genre="promo_tutorial", roles=("referral",), text=text)
            for n, text in enumerate(offers)
        ),
        *(Text(id=f"r{n}", group=f"r{n}", label="negative", genre="news", text=text) for n, text in enumerate(reports)),
    ]


def test_a_saved_model_says_what_the_fitted_one_said(small: list[Text], tmp_path: Path) -> None:
    model, outside = train(small)
    offer = outside.heads["offer"]
    assert offer[:12].min() > offer[12:].max()
    digest = model.save(tmp_path / "m.safetensors")
    loaded = LinearModel.load(tmp_path / "m.safetensors")
    texts = [text.text for text in small]
    assert np.allclose(model.look(texts)[0], loaded.look(texts)[0], atol=0.02)
    assert digest.startswith(loaded.version.removeprefix("linear-"))


def test_a_damaged_or_missing_model_is_a_sentence(small: list[Text], tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    train(small)[0].save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match="takedown train"):
        LinearModel.load(path)
    with pytest.raises(ModelError, match="takedown train"):
        LinearModel.load(tmp_path / "none.safetensors")


def test_too_small_a_corpus_is_refused(small: list[Text]) -> None:
    with pytest.raises(TooLittle):
        train(small[:14])


def test_evaluation_has_the_keys_of_the_contract(judge: Judge, small: list[Text]) -> None:
    doubtful = Text(id="b", label="borderline", text="有人说这个平台可以买币。")
    figures = evaluate(judge, [*small, doubtful])
    assert {
        "average_precision", "f1", "precision", "recall", "recall_at_precision", "ece", "false_positive_rate",
        "activities_macro_f1", "roles_macro_f1", "documents_per_second", "threshold",
    } <= set(figures)  # fmt: skip
    assert set(figures["recall_at_precision"]) == {"0.95", "0.99"}
    assert set(figures["false_positive_rate"]) == {"news"}
    assert [entry["id"] for entry in figures["borderline"]] == ["b"]
    with pytest.raises(NothingToMeasure):
        evaluate(judge, small[:3])


@pytest.mark.parametrize("line", ["{", '{"label": "positive"}', '{"label": "maybe", "text": "x"}'])
def test_a_bad_line_of_a_corpus_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"label": "negative", "text": "好"}\n' + line + "\n", "utf8")
    with pytest.raises(CorpusError, match="第 2 行"):
        list(read_corpus(path))


def test_a_text_in_another_language_is_of_interest_only_for_its_terms() -> None:
    judge = Judge()
    plain = "The harbour opens at six in the morning and the first ferry leaves with the tide. " * 20
    assert judge.interest(plain) == 0.0
    assert "未作判断" in judge.judge(plain).note
    assert judge.interest(f"{plain} Consider the mediocre idol.") == 0.0  # ``ico`` and ``ido`` are no words here
    assert judge.interest(f"{plain} Buy USDT with Alipay via OTC on Binance, use my code.") > 0.0
    assert judge.interest("渡口早上六点开门。" * 10) > 0.0
