"""A mixed web made by code: pages whose text is in what the server sends, and pages whose text only a browser shows.

Each kind of page is a function from its page to markup; what the page's scripts, frames and redirects ask for is served
too. Everything here is invented, and every page's text is its own.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks._serve import Answer

_WHO = (
    "图书馆",
    "植物园",
    "少年宫",
    "气象站",
    "博物馆",
    "老年大学",
    "街道食堂",
    "合唱团",
    "社区花园",
    "天文台",
    "小学校",
    "体育馆",
)
_WHEN = (
    "周一上午",
    "周末下午",
    "初春时节",
    "雨后清晨",
    "暑假期间",
    "秋分前后",
    "节日当天",
    "每月月初",
    "开学以前",
    "夜里八点",
)
_DO = ("整理", "展出", "修补", "介绍", "种植", "记录", "排练", "清点", "朗读", "粉刷", "观察", "晾晒")
_WHAT = (
    "旧报纸和地图",
    "一批盆栽月季",
    "老式木头桌椅",
    "孩子们的图画",
    "河边的候鸟",
    "新到的民乐谱",
    "院子里的石榴",
    "四楼的望远镜",
    "借阅登记簿",
    "过冬的白菜",
)
_END = (
    "请大家带好水杯",
    "欢迎邻居前来",
    "结束后打扫场地",
    "遇雨顺延一天",
    "由老师带队参加",
    "照片贴在走廊里",
    "门口可以停放单车",
    "名额不限无需预约",
)
NAV = "".join(
    f'<a href="/#{n}">{w}</a> ' for n, w in enumerate(("首页", "动态", "活动", "场馆", "读者", "服务", "关于", "联系"))
)
FOOT = (
    "主办单位蓝江市文化和旅游局，承办单位蓝江市公共文化服务中心，地址蓝江市河东区柳树巷六号，服务时间为周二至周日上午九点到下午五点，"
    "周一闭馆维护。本站所载文字图片均由工作人员整理，转载请注明出处，如有差错欢迎来信指正，我们将在三个工作日内答复。"
)
COUNT = "<script>var _hmt = _hmt || []; (function(){var s=document.createElement('script');s.async=true;})();</script>"
MESSAGES = {f"m{n}": f"{_DO[n % 12]}{_WHAT[n % 10]}以后再点确定，{_END[n % 8]}" for n in range(24)}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its host, number and kind."""

    host: str
    number: int
    kind: str

    @property
    def url(self) -> str:
        return f"http://{self.host}/{self.kind}/{self.number}.html"

    @property
    def title(self) -> str:
        return self.text(1)[:14]

    def text(self, sentences: int = 9) -> str:
        """Prose of its own, about 30 characters a sentence."""
        chance = random.Random(f"{self.host} {self.number}")  # noqa: S311
        pick = chance.choice
        return "".join(
            f"{pick(_WHEN)}，{pick(_WHO)}{pick(_DO)}{pick(_WHAT)}，{pick(_END)}，编号{chance.randrange(10**6):06d}。"
            for _ in range(sentences)
        )

    @property
    def proof(self) -> str:
        """The last sentence of its text: whoever has it has seen the page."""
        return self.text().split("。")[-2]


def _html(sheet: Sheet, body: str, head: str = "") -> str:
    return f"<!doctype html><html lang=zh><head><meta charset=utf-8><title>{sheet.title}</title>{head}</head><body>{body}</body></html>"


def _framed(sheet: Sheet, main: str, scripts: str = COUNT) -> str:
    return _html(sheet, f'<div class="nav">{NAV}</div>{main}<div class="footer">{FOOT}</div>{scripts}')


def _article(s: Sheet) -> str:
    paragraphs = "".join(f"<p>{part}。</p>" for part in s.text().split("。") if part)
    return f'<div class="article"><h1>{s.title}</h1>{paragraphs}</div>'


def _put(where: str, text: str) -> str:
    return f"document.querySelector({where!r}).innerHTML = {json.dumps(f'<p>{text}</p>', ensure_ascii=False)};"


def _fetched(s: Sheet, where: str) -> str:
    return (
        f"fetch('/data/{s.number}.json').then(r=>r.json()).then(d=>{{const e=document.querySelector({where!r});"
        "e.innerHTML += '<h1>'+d.title+'</h1><p>'+d.text+'</p>'})"
    )


def _packer(code: str) -> str:
    """The outer form of the well-known packer around code whose words are replaced by numbers in base 36."""
    return (
        "eval(function(p,a,c,k,e,d){while(c--)if(k[c])p=p.replace(new RegExp('\\\\b'+c.toString(36)+'\\\\b','g'),k[c]);return p}"
        f"({json.dumps(code.replace('document', '0').replace('innerHTML', '1'))},36,2,'document|innerHTML'.split('|'),0,{{}}))"
    )


def _coded(text: str) -> str:
    return base64.b64encode("".join(f"&#{ord(c)};" for c in text).encode()).decode()


def _widgets(s: Sheet) -> str:
    side = (
        '<div class="ad-slot" id="ad1"></div><div id="share-box"></div><div id="weather"></div>'
        '<form onsubmit="return go()"><input name=q placeholder="站内搜索"></form>'
    )
    code = (
        "function go(){location.href='/?q='+encodeURIComponent(document.forms[0].q.value);return false}"
        "if(/iPhone|Android/.test(navigator.userAgent)){location.href='/m/'}"
        "document.getElementById('weather').textContent='多云 12 度';"
        "document.getElementById('share-box').innerHTML='<a href=#>分享</a>';"
    )
    return _framed(s, _article(s) + side, f"<script src=/jquery.js></script><script>{code}</script>{COUNT}")


def _index(s: Sheet) -> str:
    chance = random.Random(s.number)  # noqa: S311
    rows = "".join(
        f"<li><a href='#{n}'>{chance.choice(_WHEN)}{chance.choice(_WHO)}{chance.choice(_DO)}{chance.choice(_WHAT)}</a></li>"
        for n in range(15)
    )
    return _framed(s, f'<ul class="list">{rows}<li>{s.text()}</li></ul>', f"<script src=/jquery.js></script>{COUNT}")


def _tabs(s: Sheet) -> str:
    parts = [part for part in s.text().split("。") if part]
    panes = "".join(
        f'<div class="tab" style="display:{"none" if n else "block"}"><p>{part}。</p></div>'
        for n, part in enumerate(parts)
    )
    code = "document.querySelectorAll('.tab').forEach((t,i)=>t.dataset.n=i)"
    return _framed(s, f'<div class="tabs">{panes}</div>', f"<script src=/jquery.js></script><script>{code}</script>")


def _cookie(s: Sheet) -> str:
    code = "var b=document.createElement('div');b.className='cookie-bar';b.innerHTML='本站使用必要的缓存以保存您的阅读设置 <button>知道了</button>';document.body.appendChild(b);"
    return _framed(s, _article(s), f"<script>{code}</script>{COUNT}")


def _dictionary(s: Sheet) -> str:
    code = f"window.I18N = {json.dumps(MESSAGES, ensure_ascii=False)};"
    return _framed(s, _article(s), f"<script>{code}</script><script src=/jquery.js></script>")


def _hydrated(s: Sheet) -> str:
    data = json.dumps({"props": {"title": s.title, "text": s.text()}}, ensure_ascii=False)
    return _html(
        s,
        f'<div id="__next"><nav>{NAV}</nav>{_article(s)}<footer>{FOOT}</footer></div>'
        f'<script id="__NEXT_DATA__" type="application/json">{data}</script><script src=/hydrate.js defer></script>',
    )


def _state(s: Sheet) -> str:
    data = json.dumps({"title": s.title, "text": s.text()})  # escaped, as servers write it
    code = f"window.__STATE__={data};document.getElementById('view').innerHTML='<p>'+__STATE__.text+'</p>'"
    return _framed(s, '<div id="view"></div>', f"<script>{code}</script>")


def _shield(s: Sheet) -> str:
    code = "setTimeout(function(){document.cookie='pass=1;path=/';location.reload()},700)"
    return _html(s, f"<p>正在检查您的浏览器，请稍候……</p><script>{code}</script>")


Kind = Callable[[Sheet], str]
# What the server sends carries the text.
STATIC: dict[str, Kind] = {
    "article": lambda s: _framed(s, _article(s)),
    "bare": lambda s: _html(s, _article(s) + FOOT),
    "widgets": _widgets,
    "index": _index,
    "tabs": _tabs,
    "cookie": _cookie,
    "dictionary": _dictionary,
    "hydrated": _hydrated,
    "served": lambda s: _html(s, f"<noscript>请启用 JavaScript 以获得完整功能</noscript><div id=app>{_article(s)}</div><script src=/hydrate.js></script>"),
    "short": lambda s: _html(s, f"<p>{s.proof}</p>{COUNT}"),
    "little": lambda s: _html(s, f"<p>{s.proof}</p><script src=/hydrate.js></script>"),
    "pictures": lambda s: _html(s, f'<img src="/picture.png" width=600 height=300 alt="{s.proof}">'),
    "map": lambda s: _framed(s, _article(s) + '<iframe src="/map.html" width=300 height=200></iframe>'),
}  # fmt: skip
# Only a browser shows it.
SCRIPTED: dict[str, Kind] = {
    "vue": lambda s: _html(s, "<div id=app></div><script src=/vue.js></script>", "<link rel=preload href=/vue.js as=script>"),
    "react": lambda s: _html(s, f'<div id="root"></div><script>{_fetched(s, "#root")}</script>'),
    "written": lambda s: _html(s, f"<script>document.write({json.dumps(s.text())})</script>"),
    "state": _state,
    "noscript": lambda s: _html(s, "<noscript>本页需要启用 JavaScript 才能显示，请在浏览器设置里打开脚本后刷新。" + FOOT + "</noscript><script src=/vue.js></script>"),
    "packed": lambda s: _framed(s, "<div class=box><p></p></div>", f"<script>{_packer(_put('.box', s.text()))}</script>"),
    "coded": lambda s: _html(s, f"<p>{FOOT}</p><p>{FOOT[:50]}</p><script>document.write(atob('{_coded(s.text())}'))</script>"),
    "lazy": lambda s: _framed(s, '<div id="content">正在加载……</div>', f"<script>setTimeout(function(){{{_put('#content', s.text())}}},300)</script>"),
    "late": lambda s: _html(s, f'<div id="app"></div><script>setTimeout(function(){{{_fetched(s, "#app")}}},300)</script>'),
    "jump": lambda s: _html(s, f"请稍候<script>window.location.href='/landing/{s.number}.html'</script>"),
    "door": lambda s: _framed(s, f"<div class=article><p>{FOOT}</p></div>", f"<script>setTimeout(function(){{location.replace('/landing/{s.number}.html')}},100)</script>"),
    "refresh": lambda s: _html(s, f"<p>{FOOT}</p>", f'<meta http-equiv="refresh" content="0; url=/landing/{s.number}.html">'),
    "boilerplate": lambda s: _framed(s, f'<div class="sidebar">{FOOT}{FOOT}</div><div class="detail"></div>', "<script src=/detail.js></script>"),
    "unnamed": lambda s: _framed(s, "<div class=a1></div>", f"<script>{_fetched(s, '.a1')}</script>"),
    "teaser": lambda s: _framed(s, f"<div class=summary><p>{FOOT}</p></div>", f"<script>{_fetched(s, '.summary')}</script>"),
    "unfilled": lambda s: _html(s, "<div id=v><h1>{{ title }}</h1><p>{{ text }}</p></div><script src=/fill.js></script>"),
    "frame": lambda s: _html(s, f'<iframe src="/landing/{s.number}.html" width=900 height=700></iframe>'),
    "shield": _shield,
}  # fmt: skip
_BY_PATH = "const n=location.pathname.split('/').pop().replace('.html','');"
_ASK = "fetch('/data/'+n+'.json').then(r=>r.json()).then(d=>{%s});"
ASSETS = {
    "/jquery.js": "window.$=function(){return{ready:function(f){f()}}};" + "/* plugin */" * 500,
    "/hydrate.js": "document.documentElement.dataset.ready='1';" + "/* runtime */" * 500,
    "/vue.js": _BY_PATH + _ASK % "(document.getElementById('app')||document.body).innerHTML='<h1>'+d.title+'</h1><p>'+d.text+'</p>'",
    "/detail.js": _BY_PATH + _ASK % "document.querySelector('.detail').innerHTML='<p>'+d.text+'</p>'",
    "/fill.js": _BY_PATH + _ASK % "const v=document.getElementById('v');v.innerHTML=v.innerHTML.replace('{{ title }}',d.title).replace('{{ text }}',d.text)",
}  # fmt: skip
# What one site of each sort is made of, per 20 pages; a site is mostly of one make, as sites are.
SITES: dict[str, dict[str, int]] = {
    "paper": {"article": 18, "index": 2},
    "town": {"bare": 16, "short": 2, "pictures": 2},
    "shop": {"widgets": 14, "tabs": 5, "boilerplate": 1},
    "blog": {"cookie": 16, "article": 2, "teaser": 1, "little": 1},
    "modern": {"hydrated": 18, "map": 2},
    "phrases": {"dictionary": 15, "served": 5},
    "school": {"article": 11, "short": 3, "tabs": 4, "refresh": 1, "pictures": 1},
    "spa": {"vue": 10, "react": 4, "late": 4, "noscript": 2},
    "mixed": {"article": 6, "state": 2, "lazy": 3, "packed": 2, "coded": 2, "jump": 1, "door": 1, "frame": 1, "shield": 1, "written": 1},
    "portal": {"widgets": 10, "boilerplate": 3, "unnamed": 2, "unfilled": 2, "index": 3},
}  # fmt: skip
COPIES = {
    "paper": 4,
    "town": 2,
    "shop": 3,
    "blog": 3,
    "modern": 2,
    "phrases": 1,
    "school": 3,
    "spa": 2,
    "mixed": 2,
    "portal": 1,
}


def sheets(quick: bool) -> list[Sheet]:
    """The pages of the web: 460 on 23 hosts, or, quickly, one host of each sort."""
    found = []
    for sort, copies in COPIES.items():
        for copy in range(1 if quick else copies):
            kinds = [kind for kind, count in SITES[sort].items() for _ in range(count)]
            random.Random(f"{sort}{copy}").shuffle(kinds)  # noqa: S311
            found += [Sheet(f"{sort}{copy}.test", number, kind) for number, kind in enumerate(kinds)]
    return found


def answers(web: list[Sheet]) -> Answer:
    """What the web answers."""
    by_host: dict[str, list[Sheet]] = {}
    for sheet in web:
        by_host.setdefault(sheet.host, []).append(sheet)
    picture = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
    )

    def answer(host: str, path: str, cookie: str) -> tuple[int, str, str | bytes]:
        site = by_host.get(host, [])
        if path == "/":
            links = "".join(f'<li><a href="{s.url}">{s.title}</a></li>' for s in site)
            return (
                200,
                "text/html",
                f"<!doctype html><meta charset=utf-8><title>{host} 目录</title><ul>{links}</ul><p>{FOOT}</p>",
            )
        if path in ASSETS:
            return 200, "text/javascript; charset=utf-8", ASSETS[path]
        if path == "/picture.png":
            return 200, "image/png", picture
        _, _, name = path.strip("/").partition("/")
        number = name.partition(".")[0]
        if not number.isdigit() or int(number) >= len(site):
            return 404, "text/html", "none"
        sheet = site[int(number)]
        if path.startswith("/data/"):
            return 200, "application/json", json.dumps({"title": sheet.title, "text": sheet.text()})
        if path.startswith("/landing/") or (sheet.kind == "shield" and "pass=1" in cookie):
            return 200, "text/html", STATIC["article"](sheet)
        return (503 if sheet.kind == "shield" else 200), "text/html", {**STATIC, **SCRIPTED}[sheet.kind](sheet)

    return answer
