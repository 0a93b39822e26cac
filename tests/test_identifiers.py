"""What names an operator: each kind, at its exact place, and nothing that only looks like one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.identifiers import find_identifiers

B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(payload: bytes) -> str:
    """Base58Check of 21 bytes, by its definition."""
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, letters = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        letters = B58[digit] + letters
    return "1" * (len(raw) - len(raw.lstrip(b"\x00"))) + letters


TRON = base58check(b"\x41" + b"test wallet of nobody"[:20])
BITCOIN = base58check(b"\x00" + b"test wallet of nobody"[:20])
SCRIPT = base58check(b"\x05" + b"test wallet of nobody"[:20])

IN_TEXT = [
    ("icp", "京ICP备2099000001号-12", "京ICP备2099000001号-12"),
    ("icp", "粤 ICP备 2099000002 号", "粤ICP备2099000002号"),
    ("icp", "浙ICP备2099000003号-4A", "浙ICP备2099000003号-4A"),
    ("icp", "沪ICP证209901号", "沪ICP证209901号"),
    ("licence", "粤B2-20990001", "粤B2-20990001"),
    ("licence", "合字B1.B2-20990002", "合字B1.B2-20990002"),
    ("police", "京公网安备 11010502099001号", "京公网安备11010502099001号"),
    ("wechat_appid", "wx0123456789abcdef", "wx0123456789abcdef"),
    ("wechat_original", "gh_0123456789ab", "gh_0123456789ab"),
    ("douyin_appid", "tt0123456789abcdef", "tt0123456789abcdef"),
    ("tron", TRON, TRON),
    ("bitcoin", BITCOIN, BITCOIN),
    ("bitcoin", SCRIPT, SCRIPT),
    ("telegram", "https://t.me/hx_test_group", "hx_test_group"),
    ("telegram", "飞机客服：@hx_test_kf", "hx_test_kf"),
    ("telegram", "t.me/hx_test_group加入", "hx_test_group"),
    ("telegram", "电报群t.me/hx_test_group", "hx_test_group"),
    ("wechat", "微信：hx_test_01备注来意", "hx_test_01"),
    ("qq", "QQ群：99999999901", "99999999901"),
    ("wechat", "微信号：hx_test_01", "hx_test_01"),
    ("referral_code", "邀请码：HX8888", "HX8888"),
]


@pytest.mark.parametrize(("kind", "written", "value"), IN_TEXT)
def test_each_kind_is_found_at_its_place(kind: str, written: str, value: str) -> None:
    text = f"联系我们：（{written}），欢迎"
    found = [item for item in find_identifiers(text) if item.kind == kind]
    assert [item.value for item in found] == [value]
    place = text[found[0].start : found[0].end]
    assert place in written
    assert "".join(value.split()) in "".join(place.split()) or kind in {"icp", "police"}


@pytest.mark.parametrize(
    ("kind", "markup", "value"),
    [
        ("baidu_stats", '<script src="https://hm.baidu.com/hm.js?0123456789abcdef0123456789abcdef">', "0123456789abcdef0123456789abcdef"),
        ("google_stats", "gtag('config','G-AB12CD34EF')", "G-AB12CD34EF"),
        ("google_stats", "'UA-12345678-1'", "UA-12345678-1"),
        ("cnzz_stats", "//s4.cnzz.com/z_stat.php?id=1234567890&web_id=1234567890", "1234567890"),
        ("telegram", "<a href='https://t.me/hx_test_group'>", "hx_test_group"),
        ("referral_link", '<a href="https://a.test/join/AB12CD">', "https://a.test/join/AB12CD"),
        ("referral_link", '<a href="/reg?x=1&inviteCode=HX8888">', "/reg?x=1&inviteCode=HX8888"),
    ],
)  # fmt: skip
def test_what_stands_only_in_markup_has_no_place(kind: str, markup: str, value: str) -> None:
    found = [item for item in find_identifiers("", markup) if item.kind == kind]
    assert [(item.value, item.start, item.end) for item in found] == [(value, -1, -1)]


@pytest.mark.parametrize("address", [TRON, BITCOIN, SCRIPT])
@given(data=st.data())
def test_a_wallet_with_one_letter_wrong_is_no_wallet(address: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(address) - 1))
    letter = data.draw(st.sampled_from(B58).filter(lambda c: c != address[place]))
    wrong = address[:place] + letter + address[place + 1 :]
    assert not [item for item in find_identifiers(f"收款 {wrong} 谢谢") if item.kind in {"tron", "bitcoin"}]


@pytest.mark.parametrize(
    "text",
    [
        "about.me/zhangsan_test",  # ends in “t.me/”
        "https://t.me/share/url?url=http://a.test/",  # a button of Telegram's own
        "https://t.me/joinchat/AAAAAEXAMPLE",
        "订单号 wx0123456789abcdef0",
        "awx0123456789abcdef",
        "QQ邮箱登录 12345",
        "微信支付：100000元",
        "京公网安备1101号",
    ],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert find_identifiers(text) == ()


def test_the_same_one_is_reported_once_at_its_first_place() -> None:
    text = "邀请码 HX8888，再说一遍，邀请码 HX8888"
    assert [(item.value, text[item.start : item.end]) for item in find_identifiers(text, text)] == [
        ("HX8888", "邀请码 HX8888")
    ]
    assert find_identifiers(text)[0].start == 0


PIECES = st.sampled_from([written for _, written, _ in IN_TEXT] + ["，", " ", "\n", "𠮷", "联系", "a"])


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=120))
def test_places_are_exact_in_any_text(text: str) -> None:
    for item in find_identifiers(text):
        assert 0 <= item.start < item.end <= len(text)
        if item.kind not in {"icp", "police", "licence"}:
            assert item.value in text[item.start : item.end]
