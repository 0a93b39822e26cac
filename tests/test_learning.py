"""Limits that promise something, and a model that learns from the desk without getting worse."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from homes import PAGES, make_home

from classifier import models
from classifier.calibration import Calibration, Frozen, Limits, read_calibration
from classifier.corpus import CORPUS, LATER, Text, read_corpus
from classifier.faithful import faithful
from classifier.figures import Said
from classifier.judge import Judge
from classifier.limits import limits
from classifier.model import ModelError
from classifier.models import NotPromoted, check_promotion, in_force, promote, restore
from classifier.ship import ship
from data.facts import ROOT, taxonomy, thresholds
from data.records import Bands, State, User
from data.store import Store
from review import flow
from review.rules import Proposal, conduct_date
from takedown.cli import cli
from takedown.reviewed import reviewed

LI, WANG = User("li", "李明", "reviewer", ""), User("wang", "王芳", "approver", "")


def drawn(random: np.random.Generator, offers: int, innocent: int) -> tuple[Said, list[Text]]:
    """Scores as a model would give them, and the texts they are of."""
    scores = np.concatenate([random.beta(6, 1, offers), random.beta(1, 6, innocent)])
    texts = [
        Text(label="positive" if i < offers else "negative", hard=i >= offers, genre="news", text="字", group=str(i))
        for i in range(offers + innocent)
    ]
    return Said(scores), texts


def test_the_promises_of_the_bands_hold_on_fresh_pages() -> None:
    """Broken no oftener than the confidence allows: 40 draws, each tested on 20,000 fresh scores."""
    random, promises = np.random.default_rng(3), thresholds().promises
    broken = 0
    for _ in range(40):
        found = limits(*drawn(random, 300, 300))
        assert set(found.kept) == {"false_alarms", "missed"}
        fresh, texts = drawn(random, 20_000, 20_000)
        offers = np.array([text.label == "positive" for text in texts])
        broken += (fresh.scores[~offers] >= found.review).mean() > promises.false_alarms
        broken += (fresh.scores[offers] < found.sample).mean() > promises.missed
    assert broken <= 8


def test_too_few_texts_promise_nothing_and_drop_nothing() -> None:
    found = limits(*drawn(np.random.default_rng(1), 9, 9))
    assert found.kept == ()
    assert found.sample == 0.0
    assert found.review == thresholds().likely


def calibration(digest: str = "d", precision: float = 0.9, recall: float = 0.8) -> Calibration:
    named = dict.fromkeys(taxonomy().indicators, 0.5)
    frozen = Frozen(digest=digest, texts=10, average_precision=precision, recall=recall, calibration_error=0.02)
    limit = Limits(review=0.5, sample=0.1, named=named, innocent=0, offers=0, kept=())
    return Calibration(linear=limit, familiar=0.3, frozen=frozen)


def test_only_a_model_at_least_as_good_on_the_same_groups_is_promoted() -> None:
    check_promotion(calibration(), calibration())
    check_promotion(calibration(precision=0.95), calibration())
    for worse in (calibration(precision=0.89), calibration(recall=0.79), calibration("other")):
        with pytest.raises(NotPromoted, match="冻结测试组"):
            check_promotion(worse, calibration())


def test_a_promotion_can_be_taken_back(tmp_path: Path) -> None:
    assert in_force(tmp_path) == models.SHIPPED
    with pytest.raises(NotPromoted):
        restore(tmp_path)
    for name in ("one", "two"):
        (tmp_path / "models" / name).mkdir(parents=True)
        promote(tmp_path, tmp_path / "models" / name)
    assert in_force(tmp_path).name == "two"
    assert restore(tmp_path).name == "one"
    assert restore(tmp_path) == models.SHIPPED


def test_a_calibration_comes_back_and_a_broken_one_is_a_sentence(tmp_path: Path) -> None:
    calibration().save(tmp_path)
    assert read_calibration(tmp_path) == calibration()
    (tmp_path / "calibration.yml").write_text("linear: 3", "utf8")
    with pytest.raises(ModelError, match="takedown train"):
        read_calibration(tmp_path)


@pytest.fixture
def decided(tmp_path: Path) -> Path:
    """A home with a case that two people confirmed and one that was dismissed as a report."""
    make_home(tmp_path, (replace(PAGES[0], screenshot=False), replace(PAGES[-1], screenshot=False, score=0.6)))
    with Store(tmp_path) as store:
        flow.fill(store, Bands(0.5, 0.5, 0.0))
        offer, report = store.cases()
        hit = store.hit(offer.target.key)
        flow.claim(store, offer.id, LI)
        flow.propose(
            store, offer.id, LI,
            Proposal(("derivatives", "referral"), "237", "（十）", conduct_date(hit).isoformat(), "offer", "招揽", hit.digest),
        )  # fmt: skip
        flow.approve(store, offer.id, WANG, hit.digest)
        flow.dismiss(store, report.id, LI, "innocent", store.hit(report.target.key).digest)
        assert {case.state for case in store.cases()} == {State.APPROVED, State.DISMISSED}
    return tmp_path


def test_what_people_decided_becomes_labelled_text_with_its_evidence(decided: Path) -> None:
    with Store(decided) as store:
        found = {text.label: text for text in reviewed(store)}
        fetched = {capture.payload.sha256 for capture in store.captures()}
    assert set(found) == {"positive", "negative"}
    assert found["positive"].activities == ("derivatives",)
    assert found["positive"].roles == ("referral",)
    assert found["negative"].indicators == ()
    assert {text.evidence for text in found.values()} <= fetched
    assert found["positive"].group != found["negative"].group


def test_a_dismissal_for_want_of_evidence_teaches_nothing(tmp_path: Path) -> None:
    make_home(tmp_path, (replace(PAGES[0], screenshot=False),))
    with Store(tmp_path) as store:
        flow.fill(store, Bands(0.5, 0.5, 0.0))
        flow.dismiss(store, 1, LI, "insufficient", store.hit(store.case(1).target.key).digest)
        assert list(reviewed(store)) == []


def test_the_desk_trains_and_takes_back(decided: Path, small_corpus: Path) -> None:
    """By the commands a user would type; the corpus is another than the shipped model's, so nothing may be promoted."""
    run = CliRunner().invoke
    arguments = ["--home", str(decided), "train", "--with-decisions", "--corpus", str(small_corpus)]
    trained = run(cli, arguments)
    assert isinstance(trained.exception, NotPromoted)
    assert in_force(decided) == models.SHIPPED
    (made,) = (folder for folder in (decided / "models").iterdir() if folder.is_dir())
    found = read_calibration(made)
    assert found.decisions == 2
    card = (made / "README.md").read_text("utf8")
    with Store(decided) as store:
        assert all(text.evidence in card for text in reviewed(store))
    promote(decided, made)
    assert Judge(in_force(decided)).version.startswith(("linear-", "cascade-"))
    assert run(cli, ["--home", str(decided), "train", "--restore"]).exit_code == 0
    assert in_force(decided) == models.SHIPPED
    assert isinstance(run(cli, ["--home", str(decided), "train", "--restore"]).exception, NotPromoted)


@pytest.fixture
def small_corpus(tmp_path: Path) -> Path:
    path = tmp_path / "small.jsonl"
    path.write_text("".join(text.model_dump_json() + "\n" for text in small()), "utf8")
    return path


def small() -> list[Text]:
    offers = [f"注册{n}号平台填邀请码返佣，支付宝买USDT，合约{n}倍杠杆，加客服进群，限时活动第{n}期" for n in range(40)]
    reports = [f"记者报道，第{n}起诈骗案由警方侦破，法院判决被告人有期徒刑，银行提醒防范" for n in range(40)]
    return [
        *(
            Text(id=f"o{n}", group=f"o{n}", label="positive", genre="promo_tutorial", roles=("referral",) if n % 2 else ("marketing",), text=text)
            for n, text in enumerate(offers)
        ),
        *(Text(id=f"r{n}", group=f"r{n}", label="negative", genre="news", hard=True, text=text) for n, text in enumerate(reports)),
    ]  # fmt: skip


def test_reasons_carry_the_score_they_explain(tmp_path: Path) -> None:
    ship(small(), tmp_path)
    judge = Judge(tmp_path)
    texts = [text.model_copy(update={"text": text.text + "。天气很好。我们去公园散步。" * 4}) for text in small()[:10]]
    found = faithful(judge, texts, list(judge.judge_all([text.text for text in texts])))
    assert found.tried > 0
    assert found.without_spans > found.without_others


def test_a_text_unlike_the_corpus_is_not_judged_but_not_dropped() -> None:
    judge = Judge(alone=True)
    strange = "USDT 邀请码" + "龘靐齉爩鱻麤龗灪" * 30
    found = judge.judge(strange)
    assert found.abstains
    assert "不作判断" in found.note
    assert found.score >= judge.limits.sample
    assert not judge.judge("今天和家人去公园散步，晚饭做了番茄鸡蛋面，孩子很喜欢。" * 3).abstains


def test_the_page_of_the_taxonomy_says_what_the_facts_say() -> None:
    page = runpy.run_path(str(ROOT.parent / "docs" / "make_taxonomy.py"))
    assert page["PAGE"].read_text("utf8") == page["text"]()


def test_whatever_the_processor_reckons_in_the_verdict_is_the_same() -> None:
    """The shipped model on frozen texts, in each kind of numbers."""
    pytest.importorskip("torch")
    from classifier.precision import Numbers
    from classifier.transformer import Transformer

    texts = [text for text in read_corpus(CORPUS / LATER) if text.held_out and (text.hard or text.label == "positive")]
    verdicts = []
    for numbers in Numbers:
        judge = Judge()
        judge.reader = Transformer.load(judge.directory / models.ENCODER, numbers)
        judged = judge.judge_all([text.text for text in texts[::12]])
        verdicts.append([(found.score >= judge.limits.review, found.score >= judge.limits.sample) for found in judged])
    assert verdicts[0] == verdicts[1] == verdicts[2]
