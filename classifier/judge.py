"""The classifier's interface: a text in, a judgement out.

A cascade: the linear model looks at everything, the transformer reads what the gate lets through, since only there can it
change the outcome. Without torch, or without the transformer's files, the linear model answers alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from classifier.lexicon import says_any
from classifier.model import TEXT_LIMIT, LinearModel
from classifier.normalise import normalise
from classifier.reasons import read_reasons, reasons
from data.facts import ROOT, taxonomy
from data.records import Capture, Score, Span

if TYPE_CHECKING:
    from classifier.transformer import Reading, Transformer

SHIPPED = ROOT / "model" / "linear.safetensors"
ENCODER = ROOT / "model" / "encoder"
BATCH = 64
# Reasons are worth their time where somebody may look; below this an empty list is the honest answer.
REASONS_FROM = 0.1
INDICATOR_FROM = 0.5
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
    """What the model says of one text; ``Score`` without the capture it belongs to."""

    score: float
    genre: str
    indicators: dict[str, float]
    spans: tuple[Span, ...]
    counter: tuple[Span, ...]
    note: str


class Judge:
    """Loaded models that judge texts and captures. Raises ``ModelError`` when one cannot be loaded.

    The transformer is loaded when the first text is judged: who only asks for ``interest`` never waits for it.
    """

    def __init__(self, path: Path = SHIPPED, encoder: Path | None = ENCODER) -> None:
        self.model = LinearModel.load(path)
        present = encoder is not None and (encoder / "encoder.safetensors").is_file()
        lacking = [name for name in ("torch", "tokenizers") if not find_spec(name)]
        self.lacking = f"缺少 {'、'.join(lacking)}，只用线性模型判断" if present and lacking else ""
        self._encoder = encoder if present and not lacking else None

    @cached_property
    def version(self) -> str:
        """Names the models in every score."""
        if self._encoder is None:
            return self.model.version
        digest = hashlib.sha256((self._encoder / "encoder.safetensors").read_bytes()).hexdigest()
        return f"{self.model.version}+encoder-{digest[:12]}"

    @cached_property
    def reader(self) -> Transformer | None:
        """The transformer, or nothing where it cannot run."""
        if self._encoder is None:
            return None
        from classifier.transformer import Transformer

        return Transformer.load(self._encoder)

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
            rows = [
                dict(zip(self.model.heads, map(float, row), strict=True)) for row in self.model.probabilities(batch)
            ]
            chosen = [i for i, row in enumerate(rows) if self.reader and row["offer"] >= self.reader.gate]
            read = (
                self.reader.read([batch[i] for i in chosen], [rows[i]["offer"] for i in chosen])
                if self.reader and chosen
                else []
            )
            readings: dict[int, Reading] = dict(zip(chosen, read, strict=True))
            for i, (text, row) in enumerate(zip(batch, rows, strict=True)):
                reading = readings.get(i)
                yield self._judgement(text, reading.answers if reading else row, reading)

    def _judgement(self, text: str, probabilities: dict[str, float], reading: Reading | None) -> Judgement:
        unreadable = _unreadable(text)
        if unreadable:
            return Judgement(0.0, "other", {}, (), (), unreadable)
        genres = {name[6:]: p for name, p in probabilities.items() if name.startswith("genre:")}
        score = round(probabilities["offer"], 4)
        # The heads answer "given that this is an offer, of what?"; what is shown is the probability of both.
        indicators = {n: round(score * probabilities[n], 4) for n in taxonomy().indicators if n in probabilities}
        spans: tuple[Span, ...] = ()
        counter: tuple[Span, ...] = ()
        if score >= REASONS_FROM:
            seen = text[:TEXT_LIMIT]
            spans, counter = (
                read_reasons(seen, reading, indicators, INDICATOR_FROM)
                if reading
                else reasons(self.model, seen, indicators, INDICATOR_FROM)
            )
        note = "；".join(filter(None, (_caution(text), _undone(text) if score >= REASONS_FROM else "")))
        return Judgement(score, max(genres, key=genres.__getitem__), indicators, spans, counter, note)

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


def _caution(text: str) -> str:
    """Why a judgement should be trusted less, or an empty string."""
    sample = text[:TEXT_LIMIT]
    if _foreign(sample):
        return "中文很少，模型未就此类文字训练"
    if len(re.findall(r"[\u3400-\u9fff]", sample)) < 40:
        return "文字很少，判断把握有限"
    return "仅判断了开头部分" if len(text) > TEXT_LIMIT else ""


def _undone(text: str) -> str:
    """Which disguises were read through and in how many places, or an empty string. Evidence for a reviewer, no verdict."""
    hidden = normalise(text[:TEXT_LIMIT]).hidden
    return (
        "还原伪装写法：" + "、".join(f"{DISGUISES[kind]}{count}处" for kind, count in hidden.items()) if hidden else ""
    )
