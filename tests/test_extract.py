"""What a reader sees, and nothing that is hidden from one; any markup gets an answer."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from web import FOUR_BYTE, LIBRARY, html

from crawler.extract import TEXT_LIMIT, language_of, read_page
from crawler.urls import canonical

URL = "http://a.test/d/page.html"


def text_of(body: str) -> str:
    return read_page(f"<body>{body}</body>", URL).text


def test_text_begins_with_the_title_and_has_a_line_a_block() -> None:
    markup = html(
        "标题 &amp; 副题",
        "<h1>大标题</h1><p>一<b>二</b>三</p><ul><li>甲<li>乙</ul>",
        '<meta name=description content="摘 要">',
    )
    page = read_page(markup, URL)
    assert page.title == "标题 & 副题"
    assert page.text == "标题 & 副题\n摘 要\n大标题\n一二三\n甲\n乙"


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>隐藏</script>",
        "<style>.隐藏{}</style>",
        "<noscript>隐藏</noscript>",
        "<template>隐藏</template>",
        "<!-- 隐藏 -->",
        "<p hidden>隐藏</p>",
        "<div hidden><p>隐藏</p></div>",
        "<iframe>隐藏</iframe>",
        '<input type=hidden value="隐藏">',
    ],
)
def test_what_is_hidden_is_not_text(hidden: str) -> None:
    assert "".join(text_of(f"看得见{hidden}的字").split()) == "看得见的字"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ('<img src=x alt="注册送 U">', "注册送 U"),
        ('<input placeholder="请输入邀请码">', "请输入邀请码"),
        ('<input type=submit value="立即买币">', "立即买币"),
        ("<button>出金</button>", "出金"),
        ("<table><tr><td>买<td>卖</table>", "买\n卖"),
        ("一<br>二", "一\n二"),
        ("<p>空  \n\t 白\xa0　间</p>", "空 白 间"),
        ("A\x00B", "AB"),
        ("&lt;b&gt;", "<b>"),
        ("<details><summary>问</summary>答</details>", "问\n答"),
        ('<p style="display:block">见</p>', "见"),
    ],
)
def test_what_is_shown_is_text(shown: str, text: str) -> None:
    assert text_of(shown) == text


def test_links_are_canonical_once_each_and_only_of_the_web() -> None:
    page = read_page(
        """<a href="b.html#x">乙 <b>页</b></a><a href="./b.html">again</a><a href="//c.test/?utm_source=1">丙</a>
        <a href="javascript:x()">x</a><a href="mailto:a@b.test">x</a><a href="">自己</a><a>x</a><a href="http://[">x</a>
        <map><area href="/area"></map>""",
        URL,
    )
    assert [(a.url, a.text) for a in page.anchors] == [
        ("http://a.test/d/b.html", "乙 页"),
        ("http://c.test/", "丙"),
        ("http://a.test/d/page.html", "自己"),
        ("http://a.test/area", ""),
    ]


@pytest.mark.parametrize(
    ("base", "joined"),
    [
        ("/root/", "http://a.test/root/x"),
        ("//b.test/y/", "http://b.test/y/x"),
        ("javascript:1", "http://a.test/d/x"),
        ("", "http://a.test/d/x"),
    ],
)
def test_the_base_of_the_page_is_followed_where_it_is_an_address(base: str, joined: str) -> None:
    assert read_page(f'<base href="{base}"><a href="x">x</a>', URL).anchors[0].url == joined


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (LIBRARY, "zh"),
        (f"USDT 承兑 {FOUR_BYTE}", "zh"),
        ("Buy and sell with low fees", "en"),
        ("こんにちは、ビットコインを買いましょう", "ja"),
        ("비트코인 거래소에 오신 것을 환영합니다", "ko"),
        ("12345 !?", "und"),
        ("", "und"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_deep_and_long_pages_are_read() -> None:
    deep = read_page(html("深", "<span>" * 50_000 + "底"), URL)
    assert deep.text.endswith("底")
    assert read_page("<a href=x>" + "<b>" * 50_000 + "底", URL).anchors[0].text == "底"
    assert len(read_page(html("长", "字" * (TEXT_LIMIT * 2)), URL).text) == TEXT_LIMIT


TAGS = st.sampled_from([
    "<p>", "</p>", "<a href='x'>", "<a href=", "<table>", "<svg>", "<title>", "<body>", "<base href=//>", "<frameset>",
    "<!--", "-->", "<script>", "</script>", "<![CDATA[", "<meta name=description>", "<input value>", "&#xD800;", "&#0;", "\x00",
    "<html><head>", "<template>", "<select><option>", "<img alt>", "字", "text",
])  # fmt: skip


@given(st.lists(TAGS, max_size=25).map("".join) | st.text(max_size=200))
@example("")
@example("<frameset><frame src=x>")
@example("\ufeff")
@example("<a href='//[x'>")
def test_any_markup_is_answered(markup: str) -> None:
    page = read_page(markup, URL)
    assert page.text.encode() is not None
    assert "\x00" not in page.text
    assert all(canonical(anchor.url) == anchor.url for anchor in page.anchors)


def test_words_that_only_a_template_holds_are_read_and_marked() -> None:
    page = read_page("<template><div><p>点击注册按钮完成注册</p></div></template>", "http://a.test/")
    assert page.text == "【页面未显示的模板文字】\n点击注册按钮完成注册"
    shown = read_page(
        "<p>这一页有足够多的文字，读者看得见，不必去翻模板。</p><template>别的</template>", "http://a.test/"
    )
    assert "别的" not in shown.text
