"""The command line as a user types it: help, sentences instead of tracebacks, exit codes, and what a program reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from takedown.cli import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf8")


def takedown(*words: str | Path, home: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "takedown", "--home", str(home), *map(str, words)],
        input=stdin,
        capture_output=True,
        timeout=120,
        cwd=ROOT,
    )
    result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in result.stdout + result.stderr
    return result


def commands() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in cli.commands.items():
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", one) for sub, one in command.commands.items()]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(name: str, command: click.Command) -> None:
    assert command.help
    assert f"takedown {name}" in (command.epilog or "")
    assert f"takedown {name}" in README


def test_classify_reads_text_html_and_bytes_of_any_kind(tmp_path: Path) -> None:
    page = tmp_path / "页面.html"
    offer = "高价收U，支付宝微信秒到账，加客服电报，新客返佣，填邀请码注册交易所，合约百倍杠杆"
    page.write_text(
        f"<html><head><title>出U</title></head><body><script>var 秒={{}}</script><p>{offer}</p></body></html>", "utf8"
    )
    found = json.loads(takedown("classify", page, "--json", home=tmp_path).stdout)
    assert found["score"] > 0.5
    assert {"score", "genre", "indicators", "spans", "counter", "note", "model", "threshold"} <= set(found)
    assert not any("var" in span["text"] for span in found["spans"])
    gbk = takedown("classify", "--json", home=tmp_path, stdin=offer.encode("gb18030"))
    assert json.loads(gbk.stdout)["score"] == pytest.approx(found["score"], abs=0.2)
    for content in (b"", b"\x00\xff\xfe" * 100, "🔥".encode() * 10):
        answered = takedown("classify", home=tmp_path, stdin=content)
        assert answered.returncode == 0, answered.stderr


def test_evaluate_prints_the_contract_and_names_a_bad_line(tmp_path: Path) -> None:
    corpus = tmp_path / "c.jsonl"
    rows = [
        {"label": "positive", "html": "<p>加客服收U出U，支付宝秒到</p>"},
        {"label": "negative", "text": "今天的菜谱：番茄炒蛋两人份。"},
    ]
    corpus.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf8")
    done = takedown("evaluate", "--corpus", corpus, "--json", home=tmp_path)
    assert "average_precision" in json.loads(done.stdout)
    corpus.write_text("不是 JSON\n", "utf8")
    bad = takedown("evaluate", "--corpus", corpus, home=tmp_path)
    assert bad.returncode == 1
    assert "第 1 行" in bad.stderr


def test_refer_without_issuer_or_without_approved_cases_says_how_to_mend_it(tmp_path: Path) -> None:
    home = tmp_path / "var"
    missing = takedown("refer", "--out", tmp_path / "out", home=home)
    assert missing.returncode == 1
    assert "config.yml" in missing.stderr
    home.mkdir(exist_ok=True)
    (home / "config.yml").write_text(
        "issuer: {name: 某省地方金融管理局, code: 某金管函, contact: 张三, phone: 010-1234}\n", "utf8"
    )
    nothing = takedown("refer", "--out", tmp_path / "out", home=home)
    assert nothing.returncode == 1
    assert "没有" in nothing.stderr
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_a_spelling_mistake_in_the_configuration_is_named(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    (home / "config.yml").write_text("crawl: {delai: 3}\n", "utf8")
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("http://a.test/\n", "utf8")
    done = takedown("crawl", "--seeds", seeds, home=home)
    assert done.returncode == 1
    assert "crawl.delai" in done.stderr


def test_a_damaged_database_points_at_its_backup(tmp_path: Path) -> None:
    home = tmp_path / "var"
    assert takedown("hits", home=home).returncode == 0
    backup = home / "backup" / "takedown-20260101T000000000000.db"
    backup.parent.mkdir()
    backup.write_bytes((home / "takedown.db").read_bytes())
    (home / "takedown.db").write_bytes(b"not a database" * 1000)
    done = takedown("hits", home=home)
    assert done.returncode == 1
    assert str(backup) in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("crawl",),
        ("crawl", "--seeds", "x", "--connect-to", "nonsense"),
        ("crawl", "--seeds", "x", "--render", "sometimes"),
        ("hits", "--min-score", "2"),
        ("nothing-of-the-kind",),
    ],
)
def test_misuse_ends_with_two(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert takedown(*words, home=tmp_path).returncode == 2


def test_verify_says_when_it_is_given_no_package(tmp_path: Path) -> None:
    (tmp_path / "letter.docx.txt").write_text("not a package")
    for path in (tmp_path / "letter.docx.txt", tmp_path / "none.zip", tmp_path):
        done = takedown("verify", path, home=tmp_path / "var")
        assert done.returncode == 2
        assert done.stderr.strip()


def test_accounts_are_made_listed_and_changed(tmp_path: Path) -> None:
    home = tmp_path / "var"
    weak = takedown("user", "add", "zhangsan", "--password", "short", home=home)
    assert weak.returncode == 1
    assert "10" in weak.stderr
    assert (
        takedown(
            "user", "add", "zhangsan", "--display", "张三", "--password", "足够长的一个好密码呀", home=home
        ).returncode
        == 0
    )
    assert takedown("user", "role", "zhangsan", "approver", home=home).returncode == 0
    listed = takedown("user", "list", home=home).stdout
    assert "张三" in listed
    assert "approver" in listed
    assert takedown("user", "passwd", "lisi", "--password", "足够长的一个好密码呀", home=home).returncode == 1
