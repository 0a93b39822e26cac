"""Sites that show different visitors different things, and sites that only seem to, each a host on loopback.

``SITES`` says of each host how it answers and what decides: the id of a variable, several joined by ``+``, or nothing for
the innocent. Everything here is invented.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEA = (
    "云栖茶舍每日上午九点开门，店里备有今年的明前龙井与桐木关正山小种，客人可以先试饮再购买。"
    "二楼设有三间安静的茶室，适合读书会友，周末下午有茶艺师讲解冲泡的水温与时间。"
    "外地客人可以来信订购，我们用牛皮纸包好寄出，运费由店里承担，收到不满意可以退回。"
)
RAIL = (
    "滨江轻轨二号线今日起调整末班车时间，南站方向延长到夜间十一点半，北站方向保持不变。"
    "换乘通道施工期间请从东侧楼梯通行，携带大件行李的旅客可向站台工作人员求助。"
    "老年卡与学生卡的年审窗口移到一层服务中心，办理时请带好本人证件与近期照片。"
)
FARM = (
    "白鹭农场的草莓园本月开放采摘，入园前请在门口领取竹篮和剪刀，不要踩踏田垄。"
    "大棚里种的是红颜与章姬两个品种，早晨露水未干时口感最好，下午三点以后不再入园。"
    "园边有小卖部出售自制果酱，孩子可以在沙地玩耍，请家长看护好水渠边的幼童。"
)
OFFER = (
    "星鲸交易所全新上线，新用户注册即送体验金，支持支付宝与银行卡快捷买币，资金秒到账。"
    "永续合约最高百倍杠杆，跟单大师带你翻倍，填写邀请码永久返佣，邀请好友再拿分成。"
    "点击下方按钮立即注册，下载手机客户端，在线客服全天等候，国内网络可直接打开。"
)
GROUP = (
    "承兑商老队长在线收U出U，大额当面点钞，防冻卡通道稳定，先到先得。"
    "扫码加微信进群领取今日报价，长期合作另有返点，名额有限速来私聊。"
)
ENGLISH = (
    "Harbour Lane Pottery opens its kiln on the first Sunday of every month and welcomes visitors of all ages. "
    "Bowls, jugs and tiles are glazed by hand in the yard behind the old customs house near the ferry pier. "
)
ENTRIES = (
    "春分",
    "清明",
    "谷雨",
    "立夏",
    "小满",
    "芒种",
    "夏至",
    "小暑",
    "大暑",
    "立秋",
    "处暑",
    "白露",
    "秋分",
    "寒露",
)
ADS = (
    "旧书回收上门取件满五十本免运费", "新款登山鞋限时八折送登山袜", "社区驾校暑期班报名送模拟课",
    "手工月饼礼盒预订免费刻字", "智能台灯护眼三档调光领券购买", "江景酒店连住两晚送早餐",
)  # fmt: skip
PHONE, WECHAT, REFERER = "user_agent:phone", "user_agent:wechat", "referer"


@dataclass
class Visit:
    """One request as its site sees it: ``count`` from 1, ``lot`` the site's own dice, ``path`` with its query."""

    host: str
    path: str
    agent: str
    referer: str
    app: str
    count: int
    lot: random.Random

    @property
    def phone(self) -> bool:
        return "Mobile" in self.agent

    @property
    def wechat(self) -> bool:
        return "MicroMessenger" in self.agent

    @property
    def searched(self) -> bool:
        return "baidu.com" in self.referer


@dataclass(frozen=True)
class Reply:
    """A body of lines, a status (0: hang up), and where to."""

    lines: tuple[str, ...] = ()
    status: int = 200
    location: str = ""


@dataclass(frozen=True)
class Site:
    answer: Callable[[Visit], Reply]
    variable: str = ""


SITES: dict[str, Site] = {}


def page(*parts: str) -> Reply:
    """A page of paragraphs; a long text is one paragraph a sentence."""
    return Reply(tuple(line for part in parts for line in part.replace("。", "。\n").split("\n") if line))


def to(url: str, status: int = 302) -> Reply:
    return Reply(status=status, location=url)


# -- where the others are sent; they are not themselves asked for ----------------------------------------------------------

LANDINGS = {f"landing{i}.test": OFFER for i in range(9)} | {
    "m.tea-two-hosts.test": TEA[:90],
    "star-b.github.io": OFFER,
    "www.tea-moved-all.test": TEA,
}  # fmt: skip


# -- cloaking ----------------------------------------------------------------------------------------------------------------

CLOAKED: dict[str, tuple[str, Callable[[Visit], Reply]]] = {
    "phone-302": (PHONE, lambda v: to("http://landing0.test/") if v.phone else page(TEA)),
    "phone-chain": (PHONE, lambda v: _chain(v) if v.phone else page(TEA)),
    "phone-rotating": (PHONE, lambda v: to(f"http://landing{v.lot.randrange(9)}.test/", 307) if v.phone else page(TEA)),
    "star-a.github.io": (PHONE, lambda v: to("http://star-b.github.io/") if v.phone else page(TEA)),
    "phone-offer": (PHONE, lambda v: page(OFFER) if v.phone else page(FARM)),
    "phone-innocent": (PHONE, lambda v: page(FARM) if v.phone else page(OFFER)),
    "phone-not-wechat": (PHONE, lambda v: page(OFFER) if v.phone and not v.wechat else page(RAIL)),
    "phone-403": (PHONE, lambda v: Reply(("禁止访问",), 403) if v.phone else page(OFFER)),
    "phone-503": (PHONE, lambda v: Reply(("请稍候",), 503) if v.phone else page(OFFER)),
    "phone-nothing": (PHONE, lambda v: Reply() if v.phone else page(OFFER)),
    "phone-hangs-up": (PHONE, lambda v: Reply(status=0) if v.phone else page(OFFER)),
    "phone-english": (PHONE, lambda v: page(ENGLISH) if v.phone else page(TEA)),
    "phone-restless-desktop": (PHONE, lambda v: page(OFFER) if v.phone else page(v.lot.choice((TEA, RAIL, FARM)))),
    "phone-all-restless": (
        PHONE,
        lambda v: to(f"http://landing{v.lot.randrange(9)}.test/") if v.phone else page(v.lot.choice((TEA, RAIL, FARM))),
    ),
    "desktop-404": (PHONE, lambda v: page(OFFER) if v.phone else Reply(("页面不存在",), 404)),
    "wechat-302": (WECHAT, lambda v: to("http://landing1.test/") if v.wechat else page(TEA)),
    "wechat-offer": (WECHAT, lambda v: page(GROUP) if v.wechat else page(RAIL)),
    "wechat-adds": (WECHAT, lambda v: page(TEA, GROUP) if v.wechat else page(TEA)),
    "wechat-adds-much": (WECHAT, lambda v: page(TEA, OFFER, GROUP) if v.wechat else page(TEA)),
    "wechat-403": (WECHAT, lambda v: Reply(("禁止访问",), 403) if v.wechat else page(OFFER)),
    "wechat-by-header": (WECHAT, lambda v: page(OFFER) if v.app == "com.tencent.mm" else page(FARM)),
    "search-302": (REFERER, lambda v: to("http://landing2.test/") if v.searched else page(TEA)),
    "search-offer": (REFERER, lambda v: page(OFFER) if v.searched else page(FARM)),
    "search-only": (REFERER, lambda v: page(OFFER) if v.searched else Reply(("禁止访问",), 403)),
    "three-faces": (
        f"{PHONE}+{WECHAT}", lambda v: page(GROUP) if v.wechat else page(OFFER) if v.phone else page(TEA)
    ),
    "wechat-or-search": (f"{WECHAT}+{REFERER}", lambda v: page(OFFER) if v.wechat or v.searched else page(RAIL)),
    "all-but-direct": (f"{PHONE}+{REFERER}", lambda v: page(OFFER) if v.phone or v.searched else page(RAIL)),
}  # fmt: skip


def _chain(visit: Visit) -> Reply:
    return to("http://landing3.test/?from=chain") if visit.path == "/go" else to("/go", 301)


# -- innocent ----------------------------------------------------------------------------------------------------------------

MENU, FOOT = "首页 打开APP 触屏版 登录", "返回顶部 电脑版 意见反馈"


def _shuffled(visit: Visit) -> Reply:
    return page(TEA, *visit.lot.sample(ENTRIES, len(ENTRIES)), " ".join(visit.lot.sample(ENTRIES, 8)))


def _clock(visit: Visit) -> Reply:
    lot = visit.lot
    stamp = f"现在是 {lot.randrange(2020, 2030)}年{lot.randrange(1, 13)}月{lot.randrange(1, 29)}日 {lot.randrange(24)}:{lot.randrange(10, 60)}"
    return page(
        stamp,
        TEA,
        f"您是第 {visit.count * 7919} 位访客",
        f"在线 {lot.randrange(900)} 人",
        f"耗时 {lot.random():.5f} 秒",
    )


def _tokens(visit: Visit) -> Reply:
    nonce = f"{visit.lot.getrandbits(160):040x}"
    ticket = "".join(visit.lot.choices("abcdefghijklmnopqrstuvwxyz", k=32))
    return page("登录 会员中心", f"令牌 {nonce}", f"会话 sid={ticket}", RAIL, f"请求编号 {visit.lot.getrandbits(64)}")


INNOCENT: dict[str, Callable[[Visit], Reply]] = {
    "plain": lambda _: page(TEA),
    "offer-to-all": lambda v: page(OFFER, *(("安卓下载", "苹果下载") if v.phone else ())),
    "tea-two-hosts": lambda v: to("http://m.tea-two-hosts.test/") if v.phone else page(TEA),
    "tea-moved-all": lambda _: to("http://www.tea-moved-all.test/", 301),
    "moved-elsewhere-all": lambda _: to("http://landing4.test/"),
    "short-for-phones": lambda v: page(MENU, TEA[:100], FOOT) if v.phone else page("产品 新闻 招聘", TEA, RAIL, "友情链接"),
    "parameters-differ": lambda v: to(f"/go?from={'wap' if v.phone else 'pc'}") if v.path == "/" else page(FARM),
    "by-lot-two": lambda v: page(v.lot.choice((TEA, RAIL))),
    "by-lot-three": lambda v: page(v.lot.choice((TEA, RAIL, OFFER))),
    "by-turns": lambda v: page((TEA, OFFER)[v.count % 2]),
    "by-turns-three": lambda v: page((TEA, RAIL, OFFER)[v.count % 3]),
    "redirects-by-lot": lambda v: to(f"http://landing{v.lot.randrange(9)}.test/"),
    "clock": _clock,
    "tokens": _tokens,
    "shuffled": _shuffled,
    "ads": lambda v: page(*v.lot.sample(ADS, 2), TEA, v.lot.choice(ADS)),
    "ads-for-phones": lambda v: page(TEA, RAIL, *(ADS[:3] if v.phone else ADS[3:])),
    "echoes-the-agent": lambda v: page(f"您的浏览器：{v.agent}", RAIL, f"您来自：{v.referer or '直接访问'}"),
    "hint-in-wechat": lambda v: page(*(("请点击右上角，选择在浏览器中打开",) if v.wechat else ()), FARM),
    "thanks-baidu": lambda v: page(*(("您通过百度搜索来到本站，欢迎收藏",) if v.searched else ()), FARM),
    "missing": lambda _: Reply(("页面不存在",), 404),
    "forbidden": lambda v: Reply((f"禁止访问 {v.lot.getrandbits(60)}",), 403),
    "empty": lambda _: Reply(),
    "hangs-up": lambda _: Reply(status=0),
    "welcome-once": lambda v: page("欢迎首次光临，请选择城市") if v.count == 1 else page(TEA),
    "fails-once": lambda v: Reply(("繁忙",), 503) if v.count == 3 else page(TEA),
    "tires": lambda v: Reply(("请求过于频繁",), 429) if v.count > 3 else page(TEA),
    "changed-meanwhile": lambda v: page(TEA) if v.count < 3 else page(RAIL),
    "english": lambda v: page(ENGLISH, f"Visit {v.count} at {v.lot.randrange(24)}:30"),
    "headlines": lambda v: page(RAIL, FARM, *(f"快讯：{entry}节气提醒" for entry in v.lot.sample(ENTRIES, 3))),
}  # fmt: skip

for _name, (_variable, _answer) in CLOAKED.items():
    SITES[_name if "." in _name else f"{_name}.test"] = Site(_answer, _variable)
for _name, _answer in INNOCENT.items():
    SITES[f"{_name}.test"] = Site(_answer)


# -- the server --------------------------------------------------------------------------------------------------------------


@dataclass
class Town:
    """The running server: its port, and how often each host's page was asked for."""

    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    lots: dict[str, random.Random] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        town, host = self.server.town, (self.headers.get("Host") or "").partition(":")[0]
        if host in LANDINGS:
            self._say(page(LANDINGS[host]))
            return
        if self.path == "/":
            town.asked[host] += 1
        lot = town.lots.setdefault(host, random.Random(host))
        agent, referer, app = (self.headers.get(name, "") for name in ("User-Agent", "Referer", "X-Requested-With"))
        self._say(SITES[host].answer(Visit(host, self.path, agent, referer, app, town.asked[host], lot)))

    def _say(self, reply: Reply) -> None:
        if not reply.status:
            self.close_connection = True
            return
        body = "<!doctype html><title>茶</title>" + "".join(f"<p>{line}</p>" for line in reply.lines)
        content = body.encode() if reply.lines else b""
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        if reply.location:
            self.send_header("Location", reply.location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, town: Town) -> None:
        self.town = town
        super().__init__(("127.0.0.1", 0), _Handler)


@contextmanager
def serve_cloaks() -> Iterator[Town]:
    """Serve every site while the context lasts."""
    town = Town()
    with _Server(town) as server:
        town.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield town
        finally:
            server.shutdown()
            thread.join()
