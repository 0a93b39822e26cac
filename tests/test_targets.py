"""What could be closed: the narrowest unit, never a platform, and each mini-program by its own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web import LIBRARY

from crawler.extract import read_page
from crawler.targets import Listing, miniprograms, site_target
from data.facts import platforms
from data.records import Kind

ONE, TWO, THREE = "wx0123456789abcdef", "wxfedcba9876543210", "tt00112233445566aa"


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("http://www.hx.test/a/b", "www.hx.test"),
        ("https://hx.test:8443/", "hx.test:8443"),
        ("https://hx.test:443/", "hx.test"),
        ("https://hx-ex.github.io/index.html", "hx-ex.github.io"),
        ("https://github.com/hx-ex/site/blob/main/README.md", "github.com/hx-ex/site"),
        ("https://www.github.com/hx-ex/site", "www.github.com/hx-ex/site"),
        ("https://weibo.com/1234567890/abc", "weibo.com/1234567890"),
        ("https://blog.csdn.net/hx_ex/article/details/1", "blog.csdn.net/hx_ex"),
        ("https://t.me/hx_test_group", "t.me/hx_test_group"),
        ("https://notgithub.com/", "notgithub.com"),
        ("https://zhihu.com/people/hx_ex", "zhihu.com/people/hx_ex"),
    ],
)
def test_a_site_is_its_host_or_its_account(url: str, identity: str) -> None:
    target = site_target(url, "标题", platforms())
    assert target is not None
    assert (target.kind, target.identity, target.title) == (Kind.SITE, identity, "标题")


@pytest.mark.parametrize("platform", [platform.host for platform in platforms()])
@pytest.mark.parametrize("prefix", ["", "www."])
def test_a_platform_is_never_a_target(platform: str, prefix: str) -> None:
    host = prefix + platform.removeprefix("www.")
    assert site_target(f"https://{host}/", "平台首页", platforms()) is None


def test_part_of_the_path_of_an_account_is_no_account() -> None:
    assert site_target("https://www.zhihu.com/question", "问题", platforms()) is None


def listed(markup: str) -> list[Listing]:
    return list(miniprograms(markup, read_page(markup, "http://mini.test/").text))


def card(name: str, appid: str, more: str = "") -> str:
    return f"<div class=card><div><h3>{name}</h3></div><div><p>AppID：<span>{appid}</span></p><p>{more}</p></div></div>"


def test_each_card_of_a_directory_has_its_own_words() -> None:
    markup = (
        "<body><main><div>"
        + card("币行情", ONE, "主体：深圳某科技有限公司 邀请返佣")
        + card("公交查询", TWO, "类目：交通 京ICP备2099000001号-1X")
        + card("抖币", THREE)
        + "</div></main></body>"
    )
    first, second, third = listed(markup)
    assert [item.target.identity for item in (first, second, third)] == [
        f"wechat:{ONE}",
        f"wechat:{TWO}",
        f"douyin:{THREE}",
    ]
    assert [item.target.title for item in (first, second, third)] == ["币行情", "公交查询", "抖币"]
    assert "返佣" in first.text
    assert "公交" not in first.text
    assert second.text.startswith("公交查询")
    assert "返佣" not in second.text
    assert first.target.facts["subject"].startswith("深圳某科技有限公司")
    assert second.target.facts["filing"] == "京ICP备2099000001号-1X"
    assert not any(item.alone for item in (first, second, third))


def test_rows_of_a_table_are_cards() -> None:
    markup = f"<table><tr><th>甲<td>{ONE}<td>换U</tr><tr><th>乙<td>{TWO}<td>买菜</tr></table>"
    assert [(item.target.title, item.text.split()) for item in listed(markup)] == [
        ("甲", ["甲", ONE, "换U"]),
        ("乙", ["乙", TWO, "买菜"]),
    ]


def test_a_page_about_one_is_evidence_as_a_whole() -> None:
    (item,) = listed(f"<title>币行情小程序</title><p>名称：币行情</p><p>{ONE}</p><p>{ONE}</p><p>{LIBRARY}</p>")
    assert item.alone
    assert LIBRARY in item.text
    assert item.target.title == "币行情"
    assert item.target.facts["appid"] == ONE


def test_a_page_without_one_names_none() -> None:
    assert listed(f"<p>{LIBRARY}</p>") == []


def test_a_hidden_appid_or_two_in_one_paragraph_break_nothing() -> None:
    markup = f"<p>{ONE} 和 {TWO}</p><script>var a='{THREE}'</script>"
    assert [item.target.identity for item in listed(markup)] in ([], [f"wechat:{ONE}", f"wechat:{TWO}"])


def test_deep_nesting_is_read_in_good_time() -> None:
    assert len(listed("<span>" * 50_000 + ONE + "</span>" * 50_000 + f"<p>{TWO}</p>")) == 2


@given(
    st.lists(
        st.sampled_from(["<div>", "</div>", "<p>", ONE, TWO, THREE, "名称：", "字", "<a>", "<tr>", "&", '"']),
        max_size=30,
    )
)
def test_any_directory_is_answered(pieces: list[str]) -> None:
    for item in listed("".join(pieces)):
        assert item.target.facts["appid"] in item.text
