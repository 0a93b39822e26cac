"""Rebuilds the demonstration web's packages and banners from the sources in this folder.

    python -m data.demoweb.make_assets            write the APKs and PNGs into sites/
    python -m data.demoweb.make_assets --check    exit 1 when a file on disk is not what a rebuild gives
    python -m data.demoweb.make_assets --wallets  print the wallet addresses that the pages name

The APKs come out the same, byte for byte, everywhere. The PNGs depend on the versions of Pillow and of
the Noto CJK font, so they are committed, and `--check` leaves them out.
"""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import sys
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs7
from PIL import Image, ImageDraw, ImageFont

from data.demoweb.axml import Element, encode

HERE = Path(__file__).resolve().parent
FONTS = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Bold.ttc",
]
SIMPLIFIED_CHINESE = 2  # the face's index inside the collection
ZIP_TIME = (2025, 10, 1, 0, 0, 0)


@dataclass(frozen=True)
class App:
    """What one demonstration package says of itself, and where it is served."""

    path: str
    package: str
    label: str
    version_name: str
    version_code: int
    key: str
    organization: str


APPS = [
    App(
        "dl.hxex.test/files/hxex-2.6.1.apk",
        "test.hxex.app",
        "恒鑫交易所",
        "2.6.1",
        261,
        "hxex-demo.pem",
        "HXEX Demonstration",
    ),
    App(
        "shop.jianxia.test/files/jianxia-1.8.0.apk",
        "test.jianxia.game",
        "剑侠云川",
        "1.8.0",
        180,
        "jianxia-demo.pem",
        "Jianxia Demonstration",
    ),
]


def manifest(app: App) -> bytes:
    """The binary AndroidManifest.xml: one activity, the INTERNET permission, a literal label."""
    intent = Element(
        "intent-filter",
        children=[
            Element("action", {"name": "android.intent.action.MAIN"}),
            Element("category", {"name": "android.intent.category.LAUNCHER"}),
        ],
    )
    activity = Element("activity", {"name": f"{app.package}.Main", "exported": True}, children=[intent])
    children = [
        Element("uses-sdk", {"minSdkVersion": 21, "targetSdkVersion": 33}),
        Element("uses-permission", {"name": "android.permission.INTERNET"}),
        Element("application", {"label": app.label}, children=[activity]),
    ]
    version: dict[str, str | int | bool] = {"versionCode": app.version_code, "versionName": app.version_name}
    return encode(Element("manifest", version, {"package": app.package}, children))


def dex() -> bytes:
    """An empty classes.dex: a valid header and the map that it must point to."""
    size, map_list = 0x70, struct.pack("<I2HII2HII", 2, 0x0000, 0, 1, 0, 0x1000, 0, 1, 0x70)
    total = size + len(map_list)
    fields = struct.pack("<6I", total, size, 0x12345678, 0, 0, 0x70)
    fields += b"\0" * 48 + struct.pack("<2I", len(map_list), 0x70)  # no strings, types, methods or classes
    signed = fields + map_list
    summed = hashlib.sha1(signed, usedforsecurity=False).digest() + signed
    return b"dex\n035\0" + struct.pack("<I", zlib.adler32(summed)) + summed


def certificate(app: App, key: RSAPrivateKey) -> x509.Certificate:
    """The self-signed certificate of the demonstration key, with fixed dates and serial number."""
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, app.package),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, app.organization),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(int.from_bytes(hashlib.sha256(app.package.encode()).digest()[:8]) | 1)
    builder = builder.not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
    return builder.not_valid_after(datetime(2050, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())


def _digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def apk(app: App) -> bytes:
    """The package with its v1 (JAR) signature; the same bytes on every machine."""
    key = serialization.load_pem_private_key((HERE / "keys" / app.key).read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{app.key} is not an RSA key")
    files = {"AndroidManifest.xml": manifest(app), "classes.dex": dex()}
    files["assets/README.txt"] = b"An invented package of a demonstration. It contains no program.\r\n"
    main = b"Manifest-Version: 1.0\r\nCreated-By: demoweb\r\n\r\n"
    sections = {n: f"Name: {n}\r\nSHA-256-Digest: {_digest(d)}\r\n\r\n".encode() for n, d in files.items()}
    listing = main + b"".join(sections.values())
    signature = f"Signature-Version: 1.0\r\nSHA-256-Digest-Manifest: {_digest(listing)}\r\n\r\n"
    signature += "".join(f"Name: {n}\r\nSHA-256-Digest: {_digest(s)}\r\n\r\n" for n, s in sections.items())
    builder = pkcs7.PKCS7SignatureBuilder().set_data(signature.encode())
    builder = builder.add_signer(certificate(app, key), key, hashes.SHA256())
    # No signed attributes: they would hold the time of signing, and the build would differ each time.
    options = [
        pkcs7.PKCS7Options.DetachedSignature,
        pkcs7.PKCS7Options.Binary,
        pkcs7.PKCS7Options.NoAttributes,
    ]
    block = builder.sign(serialization.Encoding.DER, options)
    signed = {"META-INF/MANIFEST.MF": listing, "META-INF/CERT.SF": signature.encode()}
    signed |= {"META-INF/CERT.RSA": block} | files
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in signed.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)  # stored, so that no zlib version shows
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, data)
    return out.getvalue()


@dataclass(frozen=True)
class Line:
    """One centred line of a banner."""

    text: str
    y: int
    size: int
    colour: str


@dataclass(frozen=True)
class Banner:
    """An image of text: size, gradient from top to bottom, lines, and filled boxes behind them."""

    path: str
    width: int
    height: int
    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    lines: tuple[Line, ...]
    boxes: tuple[tuple[int, int, int, int, str], ...] = ()


BANNERS = [
    Banner(
        "www.haibao-hd.test/banner.png",
        960,
        560,
        (72, 10, 24),
        (196, 32, 40),
        (
            Line("金鼎交易所 新人福利季", 50, 62, "#ffe9a8"),
            Line("注册送 88 USDT 盲盒", 145, 78, "#ffffff"),
            Line("邀请码 JD5588 手续费立减 20%", 268, 44, "#ffd54a"),
            Line("比特币现货·永续合约 最高 125 倍杠杆", 340, 38, "#ffffff"),
            Line("支付宝 微信 银行卡 买币秒到账", 400, 38, "#ffffff"),
            Line("加电报 @jinding_test_vip 领取安装包", 478, 34, "#5a0d14"),
        ),
        ((150, 466, 810, 530, "#ffd54a"),),
    ),
    Banner(
        "www.haibao-hd.test/steps.png",
        960,
        300,
        (255, 248, 230),
        (255, 232, 190),
        (
            Line("三步开始交易", 24, 46, "#8a1420"),
            Line("① 下载 APP  ② 填邀请码注册  ③ 法币买入 USDT", 112, 36, "#333333"),
            Line("国内免翻墙 备用网址 www.haibao-hd.test", 182, 34, "#333333"),
            Line("限时返佣 50% 名额有限", 236, 34, "#c0202a"),
        ),
    ),
    Banner(
        "hq.biqing.test/ad.png",
        720,
        120,
        (10, 30, 66),
        (16, 82, 130),
        (
            Line("恒鑫交易所 BTC 合约 100 倍", 14, 40, "#ffd54a"),
            Line("点击去交易 新用户领 200 元体验金", 70, 28, "#ffffff"),
        ),
    ),
]


def png(banner: Banner, font: str) -> bytes:
    """The banner as a small palette PNG."""
    image = Image.new("RGB", (banner.width, banner.height))
    draw = ImageDraw.Draw(image)
    for y in range(banner.height):
        share = (y // 8 * 8) / banner.height
        mixed = [round(a + (b - a) * share) for a, b in zip(banner.top, banner.bottom, strict=True)]
        draw.line([(0, y), (banner.width, y)], fill=(mixed[0], mixed[1], mixed[2]))
    for left, upper, right, lower, colour in banner.boxes:
        draw.rounded_rectangle((left, upper, right, lower), 16, fill=colour)
    for line in banner.lines:
        face = ImageFont.truetype(font, line.size, index=SIMPLIFIED_CHINESE)
        start = (banner.width - draw.textlength(line.text, font=face)) / 2
        draw.text((start, line.y), line.text, font=face, fill=line.colour)
    out = io.BytesIO()
    image.quantize(48, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def base58check(payload: bytes) -> str:
    """`payload` and its checksum in base 58, as TRON and Bitcoin addresses are written."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = alphabet[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def wallets() -> dict[str, str]:
    """Addresses with a right checksum that nobody has a key to: zeros with a name at the end."""
    names = ("hxex", "shunda", "dongfang", "daidan")
    found = {f"tron:{n}": base58check(b"\x41" + n.encode().rjust(20, b"\0")) for n in names}
    return found | {"bitcoin:hxex": base58check(b"\0" + b"hxex".rjust(20, b"\0"))}


def main(arguments: list[str]) -> int:
    """Builds, checks or prints; the exit status."""
    if "--wallets" in arguments:
        print("\n".join(f"{name} {address}" for name, address in wallets().items()))
        return 0
    built = {app.path: apk(app) for app in APPS}
    if "--check" in arguments:
        paths = {path: HERE / "sites" / path for path in built}
        wrong = [p for p, at in paths.items() if not at.is_file() or at.read_bytes() != built[p]]
        print("\n".join(f"differs: {path}" for path in wrong) or "packages are as built")
        return 1 if wrong else 0
    font = next((path for path in FONTS if Path(path).is_file()), None)
    if font:
        built |= {banner.path: png(banner, font) for banner in BANNERS}
    else:
        print("no Noto Sans CJK (apt install fonts-noto-cjk): the banners stay as they are")
    for path, data in built.items():
        target = HERE / "sites" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        print(f"{len(data):7d} {hashlib.sha256(data).hexdigest()[:16]} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
