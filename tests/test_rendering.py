"""When a page is looked at in a browser: the rule, what a host's pages have taught, and the sample that checks both."""

from __future__ import annotations

import json

import pytest
from web import LIBRARY, html

from crawler.extract import read_page
from crawler.rendering import (
    ALIKE,
    NEAR,
    PATIENCE,
    PATIENCE_SURE,
    SAMPLE_LIMIT,
    SAMPLED,
    Rendering,
    gained,
)
from crawler.signs import CHALLENGE, PICTURES, Signs, signs_of

NAV = "<nav>" + "<a href=/a>首页</a><a href=/b>新闻中心</a><a href=/c>联系我们</a>" * 10 + "</nav>"
FOOT = f"<footer>{LIBRARY}</footer>"
SCRIPT = "<script src=/app.js></script>"
OTHER = "江边的候鸟在初春时节飞来，老师带着孩子们坐在长椅上记录，午后把图画贴在走廊里，邻居们都来看，晚上合唱团还要在院子里排练新到的乐谱。"


def signs(body: str, head: str = "") -> Signs:
    markup = html("", body, head)
    return signs_of(markup, read_page(markup, "http://a.test/").text)


@pytest.mark.parametrize(
    "body",
    [
        f"<p>{LIBRARY}</p>{SCRIPT}",
        "<p>" + "only letters here " * 40 + f"</p>{SCRIPT}",
        "<p>字少也没有别的</p>",
        "<p>字少，只有统计</p><script src='https://hm.baidu.com/hm.js?1'></script>",
        "",
        f"{NAV}<p>{LIBRARY}</p>{FOOT}<noscript>请启用 JavaScript</noscript>{SCRIPT}",
        f'{NAV}<p>{LIBRARY}</p><div id="ad-slot"></div><div id="share-box"></div>{SCRIPT}',
        f"<p>{LIBRARY}</p><script>function go(){{location.href='/s?q='}}</script>",
        f"<p>{LIBRARY}</p><script>if(/Android/.test(navigator.userAgent)) location.href='/m'</script>",
        f'<div id="__next"><p>{LIBRARY}</p></div><script>window.D={json.dumps(LIBRARY, ensure_ascii=False)}</script>',
        f'<p>{LIBRARY}</p><noscript><meta http-equiv="refresh" content="0;url=/plain"></noscript>{SCRIPT}',
        f"<p>滑块是什么：{LIBRARY}</p>{SCRIPT}",
        "".join(f"<li><a href=/{n}>周末下午图书馆整理旧报纸和地图</a></li>" for n in range(9)) + SCRIPT,
    ],
)  # fmt: skip
def test_a_page_that_carries_its_text_needs_no_browser(body: str) -> None:
    assert signs(body).reason == ""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f'<div id="app"></div>{SCRIPT}', "空的应用根节点"),
        (f'{NAV}<div id="root"> 加载中… </div>{FOOT}{SCRIPT}', "空的应用根节点"),
        ("<p>请稍等片刻</p><script src=x></script>", "文字少而有脚本"),
        (f"{NAV}<p>请稍等片刻</p>{FOOT}{SCRIPT}", "导航以外文字少而有脚本"),
        (f'{NAV}<p>{LIBRARY}</p><div class="detail"></div>{SCRIPT}', "正文位置是空的"),
        ("<script>window.location='/m'</script>", "脚本跳转"),
        (f"<p>{LIBRARY}</p><script>setTimeout(function(){{location.replace('/m')}},9)</script>", "脚本跳转"),
        (f"<p>{LIBRARY}</p><script>window.location.href = '/m'</script>", "脚本跳转"),
        (f"<p>{LIBRARY}</p><script>eval(function(p,a,c,k,e,d){{}}('0',1))</script>", "脚本经过打包或编码"),
        (f"<p>{LIBRARY}</p><script>document.write(x('{'QUJD' * 60}'))</script>", "脚本经过打包或编码"),
        (f"<p>{LIBRARY}</p><script>eval(y('{'6a6b' * 60}'))</script>", "脚本经过打包或编码"),
        (f"<noscript>本页需要启用 JavaScript 才能显示</noscript>{NAV}{FOOT}{SCRIPT}", "页面要求启用脚本"),
        (f"{NAV}<p>{LIBRARY}</p><script>var d={json.dumps(OTHER)}</script>", "脚本里的中文未见于页面"),
        (f"<p>{LIBRARY}</p><p>{{{{ a }}}}</p><p>{{{{ b }}}}</p>{SCRIPT}", "模板占位符尚未填写"),
        (f"<p>{LIBRARY}</p><script>fetch('/d').then(r=>b.innerHTML=r)</script>", "脚本取数据写入页面"),
        (f"<p>拖动滑块完成验证</p>{SCRIPT}", CHALLENGE),
        (f"<p>正在进行人机验证</p>{SCRIPT}", CHALLENGE),
        ("<iframe src=/inner></iframe>", "文字少而有框架"),
        ("<img src=a.png>", PICTURES),
        ("<canvas></canvas>", PICTURES),
    ],
)  # fmt: skip
def test_what_calls_for_a_browser_is_said(body: str, why: str) -> None:
    assert signs(body).reason == why


@pytest.mark.parametrize(
    ("content", "jumps"), [("0;url=/m", True), ("5; URL='/m'", True), ("300;url=/m", False), ("60", False)]
)
def test_a_declared_jump_needs_a_browser_unless_it_is_a_ticker(content: str, jumps: bool) -> None:
    found = signs(f"<p>{LIBRARY}</p>", f'<meta http-equiv="Refresh" content="{content}">')
    assert (found.reason == "页面声明跳转") is jumps


def test_pages_of_one_template_have_one_shape() -> None:
    def page(paragraphs: int) -> str:
        return signs(f'<div id="a{paragraphs}" class="post">{f"<p>{LIBRARY}</p>" * paragraphs}</div>{SCRIPT}').shape

    assert page(3) == page(30)
    assert page(3) != signs(f'<div class="home"><p>{LIBRARY}</p></div>{SCRIPT}').shape


def test_more_is_a_third_and_sixty_characters() -> None:
    assert gained("", "字" * 60)
    assert not gained("", "字" * 59)
    assert gained("字" * 200, "字" * 260)
    assert not gained("字" * 400, "字" * 500)
    assert not gained("字" * 100, "letters and letters " * 50)


# -- a host's memory ---------------------------------------------------------------------------------------------------

WEAK = Signs("导航以外文字少而有脚本", thin=True, shape="s")
SURE = Signs("空的应用根节点", sure=True, thin=True, shape="s")
COMPLETE = Signs(shape="s")


def taught(rendering: Rendering, url: str, signs: Signs, after: str, times: int) -> None:
    for _ in range(times):
        rendering.learn(url, signs.reason, signs, LIBRARY, after)


def judged(rendering: Rendering, url: str, signs: Signs) -> str:
    return rendering.why(url, 200, signs, 0.0).replace(SAMPLED, "")


def test_a_host_whose_renders_give_nothing_is_rendered_less() -> None:
    rendering = Rendering("auto", 0.2, "run")
    taught(rendering, "http://a.test/1", WEAK, LIBRARY, PATIENCE - 1)
    assert judged(rendering, "http://a.test/2", WEAK) == WEAK.reason
    taught(rendering, "http://a.test/2", WEAK, LIBRARY, 1)
    assert judged(rendering, "http://a.test/3", WEAK) == ""
    # Only there, for pages like those, and for that reason; a sure one is followed longer.
    assert judged(rendering, "http://b.test/3", WEAK)
    assert judged(rendering, "http://a.test/3", Signs(WEAK.reason, thin=True, shape="other"))
    assert judged(rendering, "http://a.test/3", SURE)
    taught(rendering, "http://a.test/3", SURE, LIBRARY, PATIENCE_SURE)
    assert judged(rendering, "http://a.test/4", SURE) == ""
    # A gain gives the trust back.
    taught(rendering, "http://a.test/5", WEAK, LIBRARY + OTHER * 2, 1)
    assert judged(rendering, "http://a.test/6", WEAK)


def test_a_host_whose_renders_give_much_is_rendered_more() -> None:
    rendering = Rendering("auto", 0.2, "run")
    taught(rendering, "http://a.test/1", WEAK, LIBRARY + OTHER * 2, 2)
    assert judged(rendering, "http://a.test/2", COMPLETE) == ALIKE
    assert judged(rendering, "http://a.test/3", Signs(thin=True, shape="other")) == ALIKE
    assert judged(rendering, "http://a.test/4", Signs(shape="other")) == ""
    assert judged(rendering, "http://b.test/2", COMPLETE) == ""
    # Nothing on such a page could change in a browser.
    assert judged(rendering, "http://a.test/5", Signs(thin=True)) == ""


def test_pictures_are_looked_at_whatever_their_text() -> None:
    rendering = Rendering("auto", 0.2, "run")
    pictures = Signs(PICTURES, sure=True, thin=True)
    taught(rendering, "http://a.test/1", pictures, LIBRARY, 50)
    assert judged(rendering, "http://a.test/2", pictures) == PICTURES


def test_what_is_near_the_threshold_is_always_looked_at() -> None:
    rendering = Rendering("auto", 0.2, "run")
    taught(rendering, "http://a.test/1", WEAK, LIBRARY, 50)
    assert rendering.why("http://a.test/2", 200, WEAK, 0.2) == NEAR
    assert rendering.why("http://a.test/2", 404, WEAK, 0.9) == ""


def test_a_challenge_is_looked_at_whatever_its_status() -> None:
    challenge = Signs(CHALLENGE, sure=True, thin=True, shape="s")
    assert Rendering("auto", 0.2, "run").why("http://a.test/", 503, challenge, 0.0) == CHALLENGE


# -- the sample --------------------------------------------------------------------------------------------------------


def test_a_seeded_share_of_the_others_is_looked_at_and_told() -> None:
    def drawn(seed: str, pages: int) -> list[str]:
        rendering = Rendering("auto", 0.2, seed)
        urls = [f"http://a.test/{n}" for n in range(pages)]
        return [url for url in urls if rendering.why(url, 200, Signs(), 0.0) == SAMPLED]

    once = drawn("run", 1000)
    assert 8 <= len(once) <= 36
    assert once == drawn("run", 1000)
    assert once != drawn("another run", 1000)
    assert len(drawn("run", 10_000)) == SAMPLE_LIMIT


def test_the_miss_rate_has_its_denominator() -> None:
    rendering = Rendering("auto", 0.2, "run")
    pages = [f"http://a.test/{n}" for n in range(500)]
    drawn = [url for url in pages if rendering.why(url, 200, Signs(), 0.0) == SAMPLED]
    for n, url in enumerate(drawn):
        rendering.learn(url, SAMPLED, Signs(), LIBRARY, LIBRARY + (OTHER * 2 if n == 0 else ""))
    # What was rendered for another reason says nothing about what the rule leaves out.
    rendering.learn("http://a.test/x", NEAR, Signs(), LIBRARY, LIBRARY + OTHER * 2)
    assert rendering.report() == {"static": 500, "sampled": len(drawn), "missed": 1}


def test_without_a_browser_only_the_reason_is_given() -> None:
    rendering = Rendering("never", 0.2, "run")
    assert rendering.why("http://a.test/", 200, WEAK, 0.9) == WEAK.reason
    assert all(rendering.why(f"http://a.test/{n}", 200, Signs(), 0.9) == "" for n in range(500))
    assert rendering.report()["static"] == 0
