"""The command line: the front door through which officers, reviewers and clerks come in."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.markup import escape

from classifier.corpus import CorpusError
from classifier.figures import NothingToMeasure
from classifier.model import ModelError
from classifier.models import NotPromoted
from classifier.start import StartError
from classifier.train import TooLittle
from crawler.cdxj import PackagingError
from crawler.crawl import CrawlError
from crawler.seeds import SeedError
from data.archive import EvidenceError
from data.facts import FactsError
from data.store import StoreError
from reports import ReferralError
from review.refusal import Refusal
from takedown import archives, collect, learn, people, referral
from takedown.config import ConfigError
from takedown.console import err, out
from takedown.demo import demo
from takedown.doctor import examine, render

SENTENCES = (
    ConfigError,
    CorpusError,
    CrawlError,
    EvidenceError,
    FactsError,
    ModelError,
    NotPromoted,
    NothingToMeasure,
    PackagingError,
    ReferralError,
    Refusal,
    SeedError,
    StartError,
    StoreError,
    TooLittle,
    collect.NothingCollected,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), default=Path("var"), show_default=True,
              help="工作目录：数据库、证据、日志都在其中。")  # fmt: skip
@click.version_option(package_name="takedown")
@click.pass_context
def cli(context: click.Context, home: Path) -> None:
    """发现经营、推介虚拟货币兑换业务的网站、应用和小程序，固定证据，经两人确认后移送。"""
    context.obj = home.resolve()


@cli.command(epilog="例：takedown doctor")
@click.pass_obj
def doctor(home: Path) -> None:
    """检查本机缺什么，以及如何补上。"""
    findings = examine(home)
    out.print(render(findings))
    if any(finding.state == "missing" for finding in findings):
        raise click.exceptions.Exit(1)


for command in (
    demo,
    collect.crawl,
    collect.score,
    collect.run,
    collect.hits,
    archives.wacz,
    people.desk,
    people.user,
    referral.refer,
    referral.verify,
    learn.classify,
    learn.train,
    learn.evaluate,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line: 0 done, 1 not as asked (with a sentence), 2 misuse."""
    try:
        # Without its own ending, click returns the code of an ``Exit`` instead of raising it.
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        err.print("已取消。")
        sys.exit(1)
    except click.ClickException as misuse:
        misuse.show()
        sys.exit(misuse.exit_code)
    except SENTENCES as error:
        err.print(f"[red]{escape(str(error))}[/]")
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
