"""Hits per thousand fetches: links followed by their promise, against breadth first, on the same web.

    python -m benchmarks.focus [--quick] [--json]

The web: a portal that lists 60 sites of 40 pages. Six sites are operators': promotional pages that link to more of
their own and to each other, under plain names. The others are ordinary. Each crawl may fetch 400 pages.
``--quick``: 20 sites, 120 pages.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._report import Figure, tell
from benchmarks._serve import serve
from data.store import Store

PAGES = 40
OFFER = (
    "新用户注册{brand}，填邀请码{code}享手续费永久减免{cut}成。支持支付宝、微信、银行卡C2C买USDT，秒到账不冻卡。"
    "永续合约最高{cut}00倍杠杆，一键跟单。国内链接免翻墙，安卓直接下载APK，苹果需海外ID。加客服电报进群领体验金。"
)
ORDINARY = (
    "本站第{code}期内容：{brand}小镇的春天来得早，居民们在河边散步，孩子们放风筝。社区食堂推出新菜单，早餐有豆浆和包子。"
    "图书馆周末开放到晚上九点，自习室座位可在线预约。体育馆的羽毛球场地整修完毕，欢迎前来锻炼。"
)


def page(site: int, number: int, sites: int) -> str:
    """One page: every tenth site is an operator's, and its offers lie behind its own inner pages."""
    chance = random.Random(site * 1009 + number)  # noqa: S311
    operator = site % 10 == 3
    words = {"brand": f"{site}号", "code": f"K{site}{number}", "cut": chance.randint(1, 9)}
    text = (OFFER if operator and number else ORDINARY).format(**words) if site else "网址导航"
    links = [f"/p{child}" for child in (2 * number + 1, 2 * number + 2) if child < PAGES]
    if site == 0:
        links = [f"http://s{other}.test/" for other in range(1, sites)]
    elif operator:
        links += [f"http://s{other}.test/p1" for other in range(3, sites, 10) if other != site and number % 7 == 1]
    anchors = "".join(f'<li><a href="{link}">{link[-3:]}号</a></li>' for link in links)
    return f"<!doctype html><meta charset=utf-8><title>{site}-{number}</title><p>{text}</p><ul>{anchors}</ul>"


def answer(host: str, path: str, sites: int) -> tuple[int, str, str]:
    number = int(path[2:]) if path.startswith("/p") else 0
    known = path == "/" or path.startswith("/p")
    site = int((host or "s0.test")[1:].partition(".")[0])
    return (200, "text/html", page(site, number, sites)) if known else (404, "text/html", "")


def harvest(order: str, budget: int, port: int) -> float:
    """Hits per thousand fetches of one crawl."""
    with tempfile.TemporaryDirectory() as folder:
        home, seeds = Path(folder) / "var", Path(folder) / "seeds.txt"
        home.mkdir()
        (home / "config.yml").write_text("crawl: {delay: 0}\n", "utf8")
        seeds.write_text("http://s0.test/\n", "utf8")
        subprocess.run(
            [
                sys.executable, "-m", "takedown", "--home", str(home), "run", "--seeds", str(seeds), "--outward",
                "--max-pages", str(budget), "--max-depth", "30", "--render", "never", "--order", order, "--no-visitors",
                "--connect-to", f"::127.0.0.1:{port}",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with Store(home) as store:
            scores = [store.score(capture.id) for capture in store.captures()]
        return 1000 * sum(score is not None and score.score >= 0.5 for score in scores) / max(len(scores), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sites, budget = (20, 120) if options.quick else (61, 400)
    with serve(lambda host, path, _: answer(host, path, sites)) as port:
        focused, breadth = harvest("promise", budget, port), harvest("breadth", budget, port)
    figures = [
        Figure("hits per 1,000 fetches, by promise", focused, "", f"breadth first: {breadth:.0f}"),
        Figure("times breadth first", focused / max(breadth, 0.001), ">= 2"),
    ]
    return tell("focus", "Harvest rate", figures, as_json=options.json, write=not options.quick)


if __name__ == "__main__":
    sys.exit(main())
