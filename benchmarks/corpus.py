"""How large, how hard and how varied the corpus is.

    python -m benchmarks.corpus [--quick] [--json]

Near-duplicates: texts of different groups that share more than half of their 8-character pieces (Jaccard). Distinct
n-grams: different ones among all, over a sample of fixed size so that corpora of other sizes compare. Vocabulary growth: the
exponent of Heaps' law, fitted to the different 2-character pieces met while reading on in random order; a corpus spun from
templates stops finding new ones. The peer is such a corpus: its own texts, one in twenty, each repeated twenty times with
other names and figures. ``--quick``: every fifth text.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

import numpy as np

from benchmarks._report import Figure, tell
from classifier.corpus import CORPUS, LATER, Text, read_corpus

SEED = 7
SAMPLE = 300_000  # characters
PIECE = 8


def near_duplicates(texts: Sequence[Text]) -> float:
    """The share of texts that have a near-duplicate in another group."""
    pieces = [{text.text[i : i + PIECE] for i in range(0, max(len(text.text) - PIECE + 1, 1))} for text in texts]
    where: dict[str, list[int]] = defaultdict(list)
    for index, own in enumerate(pieces):
        for piece in own:
            where[piece].append(index)
    shared: Counter[tuple[int, int]] = Counter()
    for owners in where.values():
        if 1 < len(owners) <= 40:
            shared.update((one, other) for i, one in enumerate(owners) for other in owners[i + 1 :])
    twins = {
        index
        for (one, other), count in shared.items()
        if texts[one].group != texts[other].group and count * 2 > len(pieces[one] | pieces[other])
        for index in (one, other)
    }
    return len(twins) / len(texts)


def sampled(texts: Sequence[str]) -> str:
    """The texts in random order, as many characters as the sample has."""
    order = list(texts)
    Random(SEED).shuffle(order)  # noqa: S311
    return "\n".join(order)[:SAMPLE]


def distinct(sample: str, size: int) -> float:
    grams = [sample[i : i + size] for i in range(len(sample) - size + 1)]
    return len(set(grams)) / len(grams)


def growth(sample: str) -> float:
    """Heaps' exponent of 2-character pieces."""
    steps = np.linspace(len(sample) // 20, len(sample), 20).astype(int)
    seen: set[str] = set()
    sizes, last = [], 0
    for step in steps:
        seen |= {sample[i : i + 2] for i in range(last, step)}
        sizes.append(len(seen))
        last = step
    return float(np.polyfit(np.log(steps), np.log(sizes), 1)[0])


def spun(texts: Sequence[str]) -> list[str]:
    """What a template engine would make of one text in twenty."""
    random = Random(SEED)  # noqa: S311
    names = ["海", "云", "星", "金", "瑞", "盛", "达", "通", "汇", "鑫"]
    made = []
    for text in texts[::20]:
        for _ in range(20):
            other = re.sub(r"\d", lambda _: str(random.randrange(10)), text)
            made.append(re.sub("[平台站群]", lambda found: random.choice(names) + found[0], other))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    texts = [*read_corpus(CORPUS), *read_corpus(CORPUS / LATER)][:: 5 if options.quick else 1]
    whole = 5 if options.quick else 1
    negative = [text for text in texts if text.label == "negative"]
    groups: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        groups[text.group].add("offer" if text.label == "positive" else text.genre)
    fours = sum("offer" in kinds and {"news", "warning", "legal"} <= kinds for kinds in groups.values())
    plain = [text.text for text in texts]
    sample, peer = sampled(plain), sampled(spun(plain))
    lengths = [len(text) for text in plain]
    figures = [
        Figure("texts", len(texts) * whole, ">= 3000"),
        Figure("share of negatives", len(negative) / len(texts), ">= 0.6"),
        Figure("share of hard ones among them", sum(text.hard for text in negative) / len(negative), ">= 0.5"),
        Figure("sets of an offer, a report, a warning and a ruling on the same facts", fours * whole, ">= 150"),
        Figure("texts with sentence labels, of offers", float(np.mean([bool(t.spans) for t in texts if t.label == "positive"]))),
        Figure("shortest text, characters", min(lengths), ">= 50"),
        Figure("longest text, characters", max(lengths), "<= 4100"),
        Figure("texts over 1,500 characters", sum(n > 1500 for n in lengths) * whole),
        Figure("different groups", len(groups) * whole),
        Figure("share with a near-duplicate in another group", near_duplicates(texts), "<= 0.01"),
        Figure("distinct 2-grams", distinct(sample, 2), "", f"spun from templates {distinct(peer, 2):.3f}"),
        Figure("distinct 4-grams", distinct(sample, 4), ">= 0.7", f"spun from templates {distinct(peer, 4):.3f}"),
        Figure("vocabulary growth (Heaps' exponent, 2-grams)", growth(sample), ">= 0.6", f"spun from templates {growth(peer):.3f}"),
    ]  # fmt: skip
    return tell("corpus", "The corpus", figures, as_json=options.json, write=not options.quick)


if __name__ == "__main__":
    sys.exit(main())
