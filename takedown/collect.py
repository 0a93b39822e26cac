"""``crawl``, ``score``, ``run`` and ``hits``: from a list of addresses to targets, best first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from classifier.judge import Judge
from classifier.model import ModelError
from classifier.models import in_force
from crawler.crawl import crawl as crawl_seeds
from crawler.egress import BadConnectTo, ConnectTo, Egress
from crawler.frontier import PER_SITE
from crawler.job import Progress as CrawlProgress
from crawler.seeds import SeedList, read_seeds
from crawler.urls import host_of
from data.facts import taxonomy, thresholds
from data.records import Bands, Hit, Run
from data.store import Store
from review import flow
from takedown.config import load
from takedown.console import err, local, out, print_json, progress

KINDS = {"site": "网站", "app": "应用", "miniprogram": "小程序"}
MARKS = {"failed": "未能访问", "refused": "按规则未访问", "done": "已采集，须注意"}
TROUBLES_SHOWN = 12
CLOCK_SECONDS = 2.0
# So many servers do not all go wrong in the same way.
WITNESSES = 3


class NothingCollected(Exception):
    """A crawl that ended without a single page is a failure, not a quiet success."""


def parse_connect_to(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[ConnectTo, ...]:
    try:
        return tuple(ConnectTo.parse(value) for value in values)
    except BadConnectTo as error:
        raise click.BadParameter(str(error)) from error


def crawl_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that ``crawl`` and ``run`` share."""
    for option in (
        click.option("--connect-to", multiple=True, callback=parse_connect_to, metavar="主机:端口:地址:端口",
                     help="同 curl：把对某主机的连接改送到另一地址，空字段表示任意；可重复。"),
        click.option("--order", type=click.Choice(["promise", "breadth"]), default="promise", show_default=True,
                     help="先采哪些：最像线索的，或按层次。"),
        click.option("--visitors/--no-visitors", default=True, show_default=True,
                     help="采集完后，是否再以手机、微信内、自搜索引擎而来等访客访问命中的页面，核对所见是否不同。"),
        click.option("--outward", is_flag=True, help="也跟随链接到种子以外的主机（默认只在种子的主机内）。"),
        click.option("--render", type=click.Choice(["auto", "never", "always"]), default="auto", show_default=True,
                     help="何时用浏览器打开页面。"),
        click.option("--max-depth", type=click.IntRange(0), default=3, show_default=True, help="距种子的最多链接数。"),
        click.option("--max-per-site", type=click.IntRange(1), default=PER_SITE, show_default=True,
                     help="一个主机最多采集的页数。"),
        click.option("--max-pages", type=click.IntRange(1), default=10_000, show_default=True, help="最多采集页数。"),
        click.option("--seeds", "seed_file", type=click.Path(path_type=Path), required=True,
                     help="种子清单：每行一个网址或主机名，# 后为注释。"),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(epilog="例：takedown crawl --seeds 清单.txt --max-depth 2")
@crawl_options
@click.pass_obj
def crawl(home: Path, /, seed_file: Path, **options: Any) -> None:
    """采集：从种子清单出发抓取网页，固定证据。Ctrl-C 停止后再次运行同一命令会继续。"""
    with Store(home) as store:
        collect(store, read_seeds(seed_file), _judge(home), **options)


@click.command(epilog="例：takedown score")
@click.option("--rescore", is_flag=True, help="对已评过分的采集记录也重新评分。")
@click.pass_obj
def score(home: Path, rescore: bool) -> None:
    """评分：用当前模型评定尚未评分的采集记录，并把达到阈值的对象列入待审。"""
    with Store(home) as store:
        score_captures(store, Judge(in_force(home)), rescore)


@click.command(epilog="例：takedown run --seeds 清单.txt --connect-to ::127.0.0.1:8100")
@crawl_options
@click.pass_obj
def run(home: Path, /, seed_file: Path, **options: Any) -> None:
    """采集并评分（crawl 与 score 一次完成）。"""
    judge = Judge(in_force(home))
    with Store(home) as store:
        collect(store, read_seeds(seed_file), judge, **options)
        score_captures(store, judge, rescore=False)


@click.command(epilog="例：takedown hits --min-score 0.8 --json | jq .identity")
@click.option("--json", "as_json", is_flag=True, help="每行输出一个 JSON 对象。")
@click.option("--min-score", type=click.FloatRange(0, 1), default=None, help="最低得分；默认为复核阈值。")
@click.pass_obj
def hits(home: Path, as_json: bool, min_score: float | None) -> None:
    """命中：列出疑似对象，得分高的在前。"""
    least = Judge(in_force(home)).limits.review if min_score is None else min_score
    with Store(home) as store:
        found = store.hits(least)
        if as_json:
            for hit in found:
                print_json(hit_record(hit))
            return
        out.print(hit_table(list(found), least))


def collect(
    store: Store,
    seeds: SeedList,
    judge: Judge | None,
    *,
    max_pages: int = 10_000,
    max_per_site: int = PER_SITE,
    max_depth: int = 3,
    render: str = "auto",
    outward: bool = False,
    order: str = "promise",
    visitors: bool = True,
    connect_to: tuple[ConnectTo, ...] = (),
    delay: float | None = None,
) -> Run:
    """Crawl with progress and tell what came of it. Raises ``NothingCollected``, or ``click.exceptions.Exit`` when stopped."""
    config = load(store.home)
    for line in seeds.refused:
        err.print(f"[yellow]清单第 {line.number} 行未采用：{escape(line.why)}（{escape(line.line.strip()[:80])}）[/]")
    if seeds.repeated:
        err.print(f"清单中有 {seeds.repeated} 行重复，已合并。")
    with progress("采集") as display:
        task = display.add_task("", total=None)

        def tell(now: CrawlProgress) -> None:
            done = now.counts.get("done", 0)
            total = sum(now.counts.values())
            text = f"{done} 页，渲染 {now.rendered}，待采 {now.counts.get('waiting', 0)}"
            if now.visits:
                text = f"以不同访客再访 {now.visited}/{now.visits} 个对象"
            display.update(task, completed=total - now.counts.get("waiting", 0), total=total, description=text)

        result = crawl_seeds(
            store,
            seeds,
            Egress(connect_to, config.allowed),
            max_pages=max_pages,
            per_host=config.crawl.per_host,
            per_site=max_per_site,
            timeout=config.crawl.timeout,
            max_depth=max_depth,
            render=render,
            outward=outward,
            delay=config.crawl.delay if delay is None else delay,
            near=thresholds().near,
            review=thresholds().likely if visitors else None,
            interest=partial(load_interest, judge.directory) if judge else None,
            focused=order == "promise",
            progress=tell,
        )
    _tell_run(result)
    if result.report["interrupted"]:
        err.print("已停止；再次运行同一命令将从停下处继续。")
        raise click.exceptions.Exit(1)
    if not result.report["counts"].get("done"):
        raise NothingCollected("没有采集到任何页面；请检查清单中的主机能否访问。")
    return result


def score_captures(store: Store, judge: Judge, rescore: bool) -> int:
    """Score what waits for it, open cases for what reaches the threshold, and say how many. Returns the captures scored."""
    if judge.lacking:
        err.print(f"[yellow]{escape(judge.lacking)}[/]")
    pending = list(store.captures()) if rescore else list(store.unscored(judge.version))
    done = 0
    with progress("评分") as display:
        task = display.add_task("", total=len(pending))
        batch = []
        for result in judge.score(pending):
            batch.append(result)
            done += 1
            if len(batch) == 200:
                store.save_scores(batch)
                batch.clear()
            display.update(task, advance=1, description=f"{done}/{len(pending)}")
        store.save_scores(batch)
    opened = flow.fill(store, bands(judge))
    out.print(f"评分 {done} 条采集记录（模型 {judge.version}），新列入或重新列入待审 {opened} 件。")
    return done


def bands(judge: Judge) -> Bands:
    """Where the model in force has its limits, as the queue needs them."""
    return Bands(judge.limits.review, judge.limits.sample, thresholds().sampled)


def load_interest(model: Path) -> Callable[[str], float]:
    """The model's view of a page, for the crawler's reader processes."""
    return Judge(model).interest


def _judge(home: Path) -> Judge | None:
    try:
        return Judge(in_force(home))
    except ModelError as error:
        err.print(f"[yellow]{escape(str(error))}本次采集不按评分排序。[/]")
        return None


def _tell_run(run: Run) -> None:
    report = run.report
    counts = report["counts"]
    out.print(
        f"采集 {counts.get('done', 0)} 页（浏览器渲染 {report['rendered']} 页），"
        f"未能访问 {counts.get('failed', 0)} 个，按规则未访问 {counts.get('refused', 0)} 个。任务编号 {run.id}。"
    )
    share = report["rendering"]
    if share["static"]:
        rate = f"，漏看率 {share['missed'] / share['sampled']:.1%}" if share["sampled"] else ""
        out.print(
            f"按规则不必渲染 {share['static']} 页，随机抽查渲染其中 {share['sampled']} 页，"
            f"文字明显增多（漏看）{share['missed']} 页{rate}。"
        )
    if (visits := report["visits"])["hits"]:
        out.print(
            f"以不同访客再访命中的对象 {visits['hits']} 个：内容因访客而异 {visits['cloaked']} 个，自身多变 {visits['unstable']} 个。"
        )
    if report["unseen"]:
        out.print(
            f"[yellow]另有 {report['unseen']} 页需要浏览器而未能渲染，只看到静态内容；takedown doctor 可查原因。[/]"
        )
    for host, count in report["left_out"].items():
        err.print(f"[yellow]{escape(host)} 的页面已达每个主机的上限（--max-per-site），另有 {count} 个链接未采。[/]")
    if abs(report["clock_set_by"]) > CLOCK_SECONDS:
        err.print(
            f"[yellow]采集期间本机时钟被改动了 {report['clock_set_by']:+g} 秒；证据上的时间以本机时钟为准，请核对。[/]"
        )
    clocks = run.environment["server_clocks"]
    if clocks["servers"] >= WITNESSES and abs(clocks["offset_seconds"]) > CLOCK_SECONDS:
        err.print(
            f"[yellow]{clocks['servers']} 个服务器的时钟与本机时钟相差 {clocks['offset_seconds']:+g} 秒（中位数）；请核对本机时钟。[/]"
        )
    # One line a host and reason: a dead host with a hundred links is one piece of news.
    groups: dict[tuple[str, str, str], list[str]] = {}
    for trouble in (*report["troubles"], *({"state": "done"} | remark for remark in report["remarks"])):
        why = trouble["why"].partition("（")[0]
        groups.setdefault((host_of(trouble["url"]), trouble["state"], why), []).append(trouble["url"])
    for (host, state, why), urls in list(groups.items())[:TROUBLES_SHOWN]:
        mark = MARKS[state]
        more = f"等 {len(urls)} 个地址" if len(urls) > 1 else ""
        err.print(f"[dim]{mark} {escape(urls[0] if not more else host)}{more}：{escape(why)}[/]")
    if len(groups) > TROUBLES_SHOWN:
        err.print(f"[dim]……其余 {len(groups) - TROUBLES_SHOWN} 处见采集日志 log/crawl-{run.id}.log。[/]")


def hit_record(hit: Hit) -> dict[str, Any]:
    """A hit as the command-line contract writes it."""
    return {
        "kind": hit.target.kind,
        "identity": hit.target.identity,
        "title": hit.target.title,
        "score": hit.score,
        "indicators": dict(hit.indicators),
        "genre": hit.genre,
        "spans": [
            {
                "indicator": span.indicator,
                "clause": span.clause,
                "text": span.text,
                "url": capture.url,
                "start": span.start,
                "end": span.end,
            }
            for capture, result in hit.evidence
            for span in result.spans
        ],
        "captures": [
            {
                "url": capture.url,
                "score": result.score,
                "captured_at": capture.fetched_at.isoformat(),
                "sha256": capture.payload.sha256,
                "warc": f"{capture.payload.file}:{capture.payload.offset}",
            }
            for capture, result in hit.evidence
        ],
    }


def hit_table(found: list[Hit], least: float) -> Table:
    """Hits for people."""
    facts = taxonomy()
    table = Table(title=f"得分不低于 {least:g} 的对象：{len(found)} 个", title_justify="left")
    for name in ("得分", "类型", "标识", "名称", "体裁", "所涉指标", "最近采集"):
        table.add_column(name, overflow="fold", no_wrap=name in ("得分", "类型"))
    for hit in found:
        table.add_row(
            f"{hit.score:.2f}",
            KINDS[hit.target.kind],
            escape(hit.target.identity),
            escape(hit.target.title[:40]),
            facts.genre(hit.genre).zh,
            "、".join(facts.indicators[n].zh for n, p in hit.indicators.items() if p >= 0.5),
            local(max(capture.fetched_at for capture, _ in hit.evidence)),
        )
    return table
