"""Real pages, end to end: ``takedown run`` on a folder of real sites, its page scores held against the truth.

    python -m benchmarks.realweb [../shared/realweb] [--quick] [--json] [--home DIR]

The folder holds ``sites/<host>/``, ``seeds.txt`` and ``truth.json``. The peer, topic-word counting, reads the very text
that the crawl extracted. ``--quick`` crawls without a browser, and so measures less; it writes nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from benchmarks._report import Figure, tell
from classifier.figures import recall_at
from classifier.judge import Judge
from data.facts import lexicon, profiles
from data.store import Store
from takedown.demoweb import serve_sites

TOPIC = ("crypto_exchange", "derivatives", "fiat_exchange", "token_offering")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/realweb"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--home", type=Path, help="keep the run here instead of in a temporary folder")
    options = parser.parse_args()
    if not (options.folder / "truth.json").exists():
        print(f"Nothing measured: {options.folder} has no truth.json; give a folder of real sites.")
        return 0
    with tempfile.TemporaryDirectory() as temporary, serve_sites(options.folder / "sites") as port:
        home = options.home or Path(temporary)
        started = time.perf_counter()
        subprocess.run(
            [
                sys.executable, "-m", "takedown", "--home", str(home), "run", "--seeds", str(options.folder / "seeds.txt"),
                "--connect-to", f"::127.0.0.1:{port}", "--max-depth", "2",
                *(["--render", "never"] if options.quick else []),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        figures = measure(home, json.loads((options.folder / "truth.json").read_text("utf8")))
    figures.append(Figure("seconds for crawl and score", seconds))
    return tell("realweb", "Real pages, end to end", figures, as_json=options.json, write=not options.quick)


def measure(home: Path, truth: dict[str, dict[str, str]]) -> list[Figure]:
    """Page-level figures; a page without a capture counts as scored zero."""
    scores: dict[str, float] = {}
    words: dict[str, float] = {}
    with Store(home) as store:
        # What other visitors were shown says nothing of the page as it was crawled.
        crawled = [capture for capture in store.captures() if capture.profile == profiles()[0].id]
        for capture in crawled:
            result = store.score(capture.id)
            if result is not None and capture.url in truth:
                scores[capture.url] = result.score
                words[capture.url] = topic_words(capture.text)
        targets = store.count("targets")
    sure = [url for url, page in truth.items() if page["label"] != "borderline"]
    offer = np.array([truth[url]["label"] == "positive" for url in sure])
    found = np.array([scores.get(url, 0.0) for url in sure])
    counted = average_precision_score(offer, [words.get(url, 0.0) for url in sure])
    said = found >= Judge().limits.review
    return [
        Figure("pages of the truth that have a capture", len(scores) / len(truth), ">= 1"),
        Figure(
            "page-level average precision",
            float(average_precision_score(offer, found)),
            "> 0.9",
            f"topic words {counted:.3f}",
        ),
        Figure("precision at the review threshold", float((said & offer).sum() / max(said.sum(), 1))),
        Figure("recall at the review threshold", float((said & offer).sum() / offer.sum())),
        Figure("recall at precision 0.95", recall_at(offer, found)["0.95"]),
        Figure("captures of the crawl itself", len(crawled)),
        Figure("targets", targets),
    ]


def topic_words(text: str) -> float:
    """The peer: how often the topic's words occur."""
    lower = text.lower()
    return float(sum(lower.count(term) for category in TOPIC for term in lexicon()[category]))


if __name__ == "__main__":
    sys.exit(main())
