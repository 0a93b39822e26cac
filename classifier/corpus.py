"""Labelled texts as JSON Lines: the project's own corpus under ``data/corpus`` and whatever ``evaluate`` is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from data.facts import ROOT

CORPUS = ROOT / "corpus"
# What only a model that reads learns from; one that counts cannot tell a dry offer from a dry report, and gets worse.
LATER = "later"
HELD_OUT = 256 // 6


class CorpusError(Exception):
    """A corpus cannot be read; the message names the file, the line and the fault."""


class Quote(BaseModel):
    """Words that carry an indicator, as an author marked them."""

    indicator: str
    quote: str


class Against(BaseModel):
    """Words that show the stance is no offer, as an author marked them."""

    kind: str
    quote: str


class Text(BaseModel):
    """One labelled text. ``group`` keeps what came from one template, operator or set of facts on one side of a split."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    group: str = ""
    label: Literal["positive", "negative", "borderline"]
    text: str = ""
    html: str = ""
    genre: str = "other"
    activities: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    hard: bool = False
    spans: tuple[Quote, ...] = ()
    counter: tuple[Against, ...] = ()
    evidence: str = ""  # of a reviewed page: the SHA-256 of what was fetched

    @property
    def held_out(self) -> bool:
        """Whether the text's group is kept from the training of what reads: one group in six, by its name alone, so that
        a text added tomorrow moves no other."""
        return hashlib.sha256((self.group or self.id or self.text).encode()).digest()[0] < HELD_OUT

    @property
    def indicators(self) -> tuple[str, ...]:
        """Activities, roles and audience together."""
        return (*self.activities, *self.roles, *self.audience)

    @model_validator(mode="after")
    def _has_words(self) -> Text:
        if not self.text and not self.html:
            raise ValueError("既无 text 也无 html")
        return self


def read_corpus(path: Path, to_text: Callable[[str], str] | None = None) -> Iterator[Text]:
    """The texts of a ``.jsonl`` file, or of every one in a folder. ``to_text`` turns ``html`` into text.

    Raises ``CorpusError`` at the first line that is not as it should be, and when there is nothing to read.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"{path} 中没有 .jsonl 文件。")
    for file in files:
        try:
            lines = file.read_text("utf8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"无法读取语料 {file}（{error}）。") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                text = Text.model_validate_json(line)
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(map(str, fault["loc"])) or "line"
                raise CorpusError(f"{file} 第 {number} 行 {where}：{fault['msg']}。") from error
            if not text.text and to_text is not None:
                text = text.model_copy(update={"text": to_text(text.html)})
            yield text
