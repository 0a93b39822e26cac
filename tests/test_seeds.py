"""Seed lists as officers keep them: what is used, what is refused, and that nothing is dropped in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.seeds import SeedError, parse_seeds, read_seeds

LIST = """\
# 线索清单 2025-06
http://a.test/

A.TEST            # 同一主机，大写
例子.测试
xn--fsqu00a.xn--0zwm56d
b.test:8080/join?ref=AB12
b.test:8080?x=1
//c.test/x
192.0.2.7
https://d.test/page#top   # 备注
file:///etc/passwd
javascript:alert(1)
只是几个字
两个 网址.test
http://u:p@e.test/
mailto:someone@f.test
"""


def test_a_list_with_everything_in_it() -> None:
    seeds = parse_seeds(LIST)
    assert seeds.urls == (
        "http://a.test/",
        "http://xn--fsqu00a.xn--0zwm56d/",
        "http://b.test:8080/join?ref=AB12",
        "http://b.test:8080/?x=1",
        "http://c.test/x",
        "http://192.0.2.7/",
        "https://d.test/page",
    )
    assert seeds.repeated == 2
    assert [(line.number, line.line.strip()) for line in seeds.refused] == [
        (12, "file:///etc/passwd"),
        (13, "javascript:alert(1)"),
        (14, "只是几个字"),
        (15, "两个 网址.test"),
        (16, "http://u:p@e.test/"),
        (17, "mailto:someone@f.test"),
    ]
    assert all(line.why for line in seeds.refused)
    assert "file" in seeds.refused[0].why


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_lists_are_read_in_the_encodings_editors_here_write(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "清单.txt"
    path.write_bytes("# 线索\r\nhttp://例子.test/\r\nb.test\r\n".encode(encoding))
    assert read_seeds(path).urls == ("http://xn--fsqu00a.test/", "http://b.test/")


@pytest.mark.parametrize("content", ["", "\n\n# 只有注释\n", "file:///etc/passwd\n随便写写\n"])
def test_a_list_with_nothing_usable_is_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text(content, "utf8")
    with pytest.raises(SeedError, match=r"没有可用的网址.*每行写一个"):
        read_seeds(path)


def test_a_missing_list_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="无法读取种子清单"):
        read_seeds(tmp_path / "none.txt")


@given(st.text(max_size=300))
def test_any_text_is_answered_and_every_line_accounted_for(text: str) -> None:
    seeds = parse_seeds(text)
    used = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(seeds.urls) + len(seeds.refused) + seeds.repeated <= len(used)


@given(st.binary(max_size=200))
def test_any_file_is_answered(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(content)
    try:
        assert read_seeds(path).urls
    except SeedError as error:
        assert str(error)
