"""The classifier's interface: a text in, a judgement out.

A cascade: the linear model looks at everything, the transformer reads what the gate lets through, since only there can it
change the outcome. Without torch, or without the transformer's files, the linear model answers alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifier.calibrate import logit, probabilities
from classifier.calibration import Cascade, Limits, read_calibration
from classifier.lexicon import says_any
from classifier.model import TEXT_LIMIT, LinearModel, chunks_of
from classifier.models import ENCODER, LINEAR, SHIPPED
from classifier.normalise import normalise
from classifier.reasons import read_reasons, reasons
from data.facts import taxonomy
from data.records import Capture, Score, Span

if TYPE_CHECKING:
    from classifier.transformer import Reading, Transformer

BATCH = 64
# Reasons are worth their time where somebody may look; below this an empty list is the honest answer.
REASONS_FROM = 0.1
FEWEST_LETTERS = 12
DISGUISES = {
    "invisible": "隐形字符",
    "separated": "插入分隔符",
    "lookalike": "形近字",
    "homophone": "同音字",
    "initials": "拼音缩写",
    "split": "拆字",
    "sign": "符号或数字代字",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says of one text; ``Score`` without the capture it belongs to.

    ``named`` are the indicators said to be there. ``abstains`` says that the text is unlike anything the model knows: its
    score is then no lower than the limit below which nobody looks.
    """

    score: float
    genre: str
    indicators: dict[str, float]
    named: tuple[str, ...]
    spans: tuple[Span, ...]
    counter: tuple[Span, ...]
    note: str
    abstains: bool = False


class Judge:
    """A loaded model that judges texts and captures. Raises ``ModelError`` when it cannot be loaded.

    The transformer is loaded when the first text is judged: who only asks for ``interest`` never waits for it. With
    ``alone`` the linear model answers by itself though there is a transformer.
    """

    def __init__(self, directory: Path = SHIPPED, alone: bool = False) -> None:
        self.directory = directory
        self.model = LinearModel.load(directory / LINEAR)
        self.calibration = read_calibration(directory)
        lacking = [name for name in ("torch", "tokenizers") if not find_spec(name)]
        present = self.calibration.cascade is not None and not alone
        self.lacking = f"缺少 {'、'.join(lacking)}，只用线性模型判断" if present and lacking else ""
        self.cascade: Cascade | None = self.calibration.cascade if present and not lacking else None
        self.limits: Limits = self.cascade or self.calibration.linear

    @cached_property
    def version(self) -> str:
        """Names the model in every score: everything that a score depends on."""
        if self.cascade is None:
            return self.model.version
        parts = [LINEAR, f"{ENCODER}/encoder.safetensors", "calibration.yml"]
        digest = hashlib.sha256(b"".join(hashlib.sha256((self.directory / p).read_bytes()).digest() for p in parts))
        return f"cascade-{digest.hexdigest()[:12]}"

    @cached_property
    def reader(self) -> Transformer:
        """The transformer of a cascade."""
        from classifier.transformer import Transformer

        return Transformer.load(self.directory / ENCODER)

    @cached_property
    def exact(self) -> Transformer:
        """The same in single precision, for what is near a limit."""
        from classifier.precision import Numbers
        from classifier.transformer import Transformer

        return Transformer.load(self.directory / ENCODER, Numbers.FP32)

    def interest(self, text: str) -> float:
        """Just the probability that the text is an offer; what the crawler asks of every page."""
        return 0.0 if _unreadable(text) else self.model.predict(text)["offer"]

    def judge(self, text: str) -> Judgement:
        """Judge one text. Whatever the text is, it is answered."""
        return next(self.judge_all([text]))

    def judge_all(self, texts: Iterable[str]) -> Iterator[Judgement]:
        """Judge texts in batches."""
        pending = iter(texts)
        while batch := list(islice(pending, BATCH)):
            found, known = self.model.look(batch)
            rows = [dict(zip(self.model.heads, map(float, row), strict=True)) for row in found]
            readings = self._read(batch, rows)
            for i, (text, row) in enumerate(zip(batch, rows, strict=True)):
                yield self._judgement(text, row, float(known[i]), readings.get(i))

    def _read(self, texts: list[str], rows: list[dict[str, float]]) -> dict[int, Reading]:
        """The transformer's readings of the texts it could change the outcome of, whose rows then hold its answers.

        Reading costs by the chunk, so the gate does too.
        """
        if self.cascade is None:
            return {}
        gate = self.cascade.gate
        chosen = [i for i, text in enumerate(texts) if rows[i]["offer"] >= gate * chunks_of(text)]
        if not chosen:
            return {}
        read = dict(zip(chosen, self.reader.read([texts[i] for i in chosen]), strict=True))
        found = self._answers(read, rows)
        doubtful = [i for i in chosen if self._is_near_a_limit(found[i]["offer"])]
        if doubtful:
            again = dict(zip(doubtful, self.exact.read([texts[i] for i in doubtful]), strict=True))
            read |= again
            found |= self._answers(again, rows)
        for i, row in found.items():
            rows[i] = row
        return read

    def _answers(self, read: Mapping[int, Reading], rows: list[dict[str, float]]) -> dict[int, dict[str, float]]:
        """Probabilities of the texts read, by name; ``rows`` are the linear model's."""
        from classifier.transformer import answers

        assert self.cascade is not None
        names = answers()
        linear = np.array([rows[i]["offer"] for i in read])
        logits = np.stack([reading.logits for reading in read.values()])
        found = probabilities(logits, linear, self.cascade.heads, names)
        return {i: dict(zip(names, map(float, row), strict=True)) for i, row in zip(read, found, strict=True)}

    def _is_near_a_limit(self, score: float) -> bool:
        """Whether another processor's numbers might put the page into another band."""
        from classifier.precision import ERRORS

        assert self.cascade is not None
        error = ERRORS[self.reader.numbers] * self.cascade.heads["offer"].slope
        limits = logit(np.array([self.limits.review, self.limits.sample]))
        return error > 0 and bool(np.abs(logit(np.array([score])) - limits).min() <= error)

    def _judgement(
        self, text: str, probabilities: dict[str, float], known: float, reading: Reading | None
    ) -> Judgement:
        unreadable = _unreadable(text)
        if unreadable:
            return Judgement(0.0, "other", {}, (), (), (), unreadable)
        genres = {name[6:]: p for name, p in probabilities.items() if name.startswith("genre:")}
        score = round(probabilities["offer"], 4)
        # The heads answer "given that this is an offer, of what?"; what is shown is the probability of both.
        indicators = {n: round(score * probabilities[n], 4) for n in taxonomy().indicators if n in probabilities}
        named = tuple(n for n, p in indicators.items() if p >= self.limits.named[n])
        spans: tuple[Span, ...] = ()
        counter: tuple[Span, ...] = ()
        if score >= REASONS_FROM:
            seen = text[:TEXT_LIMIT]
            spans, counter = read_reasons(seen, reading, named) if reading else reasons(self.model, seen, named)
        strange = _strange(text, known, self.calibration.familiar)
        undone = _undone(text) if score >= REASONS_FROM else ""
        if strange:
            score = max(score, self.limits.sample)
        note = "；".join(filter(None, (strange, _caution(text), undone)))
        return Judgement(
            score, max(genres, key=genres.__getitem__), indicators, named, spans, counter, note, bool(strange)
        )

    def score(self, captures: Iterable[Capture]) -> Iterator[Score]:
        """Score captures, in order."""
        pending = iter(captures)
        while batch := list(islice(pending, BATCH)):
            for capture, found in zip(batch, self.judge_all([c.text for c in batch]), strict=True):
                yield Score(
                    capture.id,
                    self.version,
                    found.score,
                    found.genre,
                    found.indicators,
                    found.spans,
                    found.counter,
                    found.note,
                    datetime.now(UTC),
                )


def _unreadable(text: str) -> str:
    """Why the model does not judge at all, or an empty string."""
    letters = sum(1 for _ in islice(re.finditer(r"[^\W\d_]", text[:TEXT_LIMIT]), FEWEST_LETTERS))
    if letters < FEWEST_LETTERS:
        return f"只有{letters}个文字，未作判断"
    if _foreign(text[:TEXT_LIMIT]) and not says_any(text[:TEXT_LIMIT]):
        return "中文很少，也没有相关词语，未作判断"
    return ""


def _foreign(text: str) -> bool:
    """Whether fewer than a tenth of a text's letters are Chinese."""
    if not re.search(r"[\u3400-\u9fff]", text):
        return True
    han = sum(map(len, re.findall(r"[\u3400-\u9fff]+", text)))
    return han * 10 < sum(map(len, re.findall(r"[^\W\d_]+", text)))


def _strange(text: str, known: float, familiar: float) -> str:
    """Why the model had better not judge, or an empty string. Of texts without a word of the subject nothing is claimed."""
    if not says_any(text[:TEXT_LIMIT]):
        return ""
    if _foreign(text[:TEXT_LIMIT]):
        return "中文很少，模型未就此类文字训练，仅供参考"
    if known < familiar:
        return "文字与训练材料差异过大，模型不作判断，仅供参考"
    return ""


def _caution(text: str) -> str:
    """Why a judgement should be trusted less, or an empty string."""
    if len(re.findall(r"[\u3400-\u9fff]", text[:TEXT_LIMIT])) < 40:
        return "文字很少，判断把握有限"
    return "仅判断了开头部分" if len(text) > TEXT_LIMIT else ""


def _undone(text: str) -> str:
    """Which disguises were read through and in how many places, or an empty string. Evidence for a reviewer, no verdict."""
    hidden = normalise(text[:TEXT_LIMIT]).hidden
    return (
        "还原伪装写法：" + "、".join(f"{DISGUISES[kind]}{count}处" for kind, count in hidden.items()) if hidden else ""
    )
