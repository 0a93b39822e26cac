"""What a picture says: the words in it, and the links in its QR codes. Everything runs here; nothing is fetched.

Words are read by rapidocr (Apache-2.0) with the PP-OCRv6 small models its wheel carries: detection 9.9 MB and
recognition 21.2 MB, weights by the PaddleOCR authors, Apache-2.0 too. Codes are read by zxing-cpp (Apache-2.0).
Pictures are hostile: only bitmap formats of the web are opened, sizes are checked before a pixel is decoded, and a
picture is read no longer than its budget. The models stay in memory, so call this in a reader process.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps, ImageStat, UnidentifiedImageError

from crawler.urls import BadURL, canonical

if TYPE_CHECKING:
    from rapidocr import RapidOCR

WORDS = "【图片文字】"
CODES = "【二维码】"
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP")
MAX_PIXELS = 32_000_000  # a page of 1366 x 23,000
BUDGET_SECONDS = 3.0
# A page that says less than this (Han characters, or the Latin letters that take as long to read) leaves its say to
# its pictures. An article says more; an image-only landing page with its menu and footer says less.
ENOUGH = 200

_MAX_WIDTH = 2048  # a wider picture is a photo, or a page at twice the density: letters stay legible
_TILE_ROWS, _CUT_ROWS, _BAND_ROWS = 1000, 240, 9
# Letters are found on a smaller copy and read on the original. 0.56 still finds letters of 12 pixels.
_FIND_PIXELS, _FIND_SCALE = 430_000, 0.56
_FIND_SHARE = 0.5  # of the budget; the rest is for reading what was found
_BORDER = 16  # letters at the very edge are not found without one
_MIN_SIDE = 10  # icons and counting pixels hold no words
_MIN_CONFIDENCE = 0.5
_OWN = 0.7  # of a line's pairs of letters, from which on the page says it itself
_PICTURES = 16  # of a page, looked through for codes
_FRAMES, _SLIDES, _CHANGE = 40, 3, 8.0  # frames looked at and slides read of an animation; grey levels that differ
_CODE_PIXELS, _MAX_CODES = 12_000_000, 50
_CODE_KINDS = ("QRCode", "DataMatrix", "Aztec", "PDF417", "Code128", "EAN13")

Box = tuple[int, int, int, int]
Pixels = NDArray[np.uint8]


class BadPicture(ValueError):
    """Not a picture this crawler reads; the message says why, in words."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of letters. ``box`` is left, top, right, bottom in the picture's pixels; ``confidence`` is 0 to 1."""

    text: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code or bar code: its payload as written, and the canonical URL when that is a web address, else ''."""

    text: str
    url: str
    box: Box


@dataclass(frozen=True, slots=True)
class PictureReading:
    """What a picture says, top to bottom. ``complete`` is False when the budget ended before the smallest letters."""

    width: int
    height: int
    lines: tuple[Line, ...]
    codes: tuple[Code, ...]
    complete: bool = True


def worth_reading(text: str) -> bool:
    """Whether a page's own text is so thin that what it says may be in its pictures."""
    return len(re.findall(r"[\u3400-\u9fff]", text)) + len(re.findall(r"[A-Za-z0-9]", text)) / 5 < ENOUGH


def read_picture(content: bytes, *, words: bool = True, seconds: float = BUDGET_SECONDS) -> PictureReading:
    """Read a picture by its bytes; its name and declared type do not matter. ``words=False``: codes alone (cheap).

    ``seconds`` of this thread's processor time; one step (about 0.3 s) may go beyond. Raises ``BadPicture``.
    """
    end = time.thread_time() + seconds
    lines: list[Line] = []
    codes: dict[str, Code] = {}
    complete = True
    width = height = 0
    for frame in _frames(content):
        width, height = (width, height) if width else frame.size
        for code in _codes(frame):
            codes.setdefault(code.text, code)
        if words and min(frame.size) >= _MIN_SIDE:
            known = {line.text for line in lines}  # slides of an animation repeat each other
            found, whole = _lines(frame, end, max(end - time.thread_time(), 0.0) * (1 - _FIND_SHARE))
            lines += [line for line in found if line.text not in known]
            complete = complete and whole
    return PictureReading(width, height, tuple(lines), tuple(codes.values()), complete)


def read_view(screenshot: bytes, pictures: Sequence[bytes], text: str) -> PictureReading:
    """What the pictures of a page say that its own ``text`` does not: codes in the screenshot and in each picture the page
    loaded (there they are larger), words in the screenshot where the text is thin. What is no picture says nothing."""
    lines: list[Line] = []
    codes: dict[str, Code] = {}
    width = height = 0
    complete = True
    words = worth_reading(text)
    for content in (screenshot, *pictures[:_PICTURES]):
        try:
            reading = read_picture(content, words=words and content is screenshot)
        except BadPicture:
            continue
        if content is screenshot:
            # The screenshot shows the page's own words too, and they are not always read to the letter.
            own = _pairs(text)
            lines = [line for line in reading.lines if len(_pairs(line.text) & own) < _OWN * len(_pairs(line.text))]
            width, height, complete = reading.width, reading.height, reading.complete
        for code in reading.codes:
            codes.setdefault(code.text, code)
    return PictureReading(width, height, tuple(lines), tuple(codes.values()), complete)


def _pairs(text: str) -> set[str]:
    """The pairs of neighbouring letters in a text, whatever stands between them, whatever their width."""
    letters = re.sub(r"[\W_]", "", normalize("NFKC", text)).casefold()
    return {letters[i : i + 2] for i in range(max(len(letters) - 1, 1))}


def as_text(reading: PictureReading) -> str:
    """What the picture says, for scoring: each block begins with a line that tells where its words come from."""
    blocks = (
        (WORDS, [line.text for line in reading.lines]),
        (CODES, [code.url or " ".join(code.text.split()) for code in reading.codes]),
    )
    return "\n".join("\n".join((mark, *said)) for mark, said in blocks if said)


def _frames(content: bytes) -> Iterator[Image.Image]:
    """The picture as RGB, upright; of an animation the slides that differ. There is at least one, or ``BadPicture``."""
    head = content[:1000].lstrip().lower()
    if head.startswith(b"<") and b"<svg" in head:
        raise BadPicture("SVG 是矢量图，不按图片读取；请读浏览器的截图")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=FORMATS)
            first = _upright(image)
    except BadPicture:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadPicture(f"图片超过 {MAX_PIXELS // 1_000_000} 百万像素") from None
    except UnidentifiedImageError:
        raise BadPicture("不是可读的图片（只读 PNG、JPEG、GIF、WebP、AVIF、BMP）") from None
    except Exception as error:  # whatever a decoder stumbles over is one answer to the crawl
        raise BadPicture(f"图片已损坏或不完整（{type(error).__name__}）") from error
    yield first
    glances = [_glance(first)]
    for index in range(1, min(_FRAMES, MAX_PIXELS // (first.width * first.height))):
        try:
            image.seek(index)
            frame = _upright(image)
        except Exception:
            return  # the end, or a frame that cannot be decoded: what came before has been read
        glance = _glance(frame)
        if all(ImageStat.Stat(ImageChops.difference(glance, other)).mean[0] > _CHANGE for other in glances):
            glances.append(glance)
            yield frame
        if len(glances) == _SLIDES:
            return


def _upright(image: Image.Image) -> Image.Image:
    if min(image.size) < 1:
        raise BadPicture("图片的宽或高为零")
    if image.width * image.height > MAX_PIXELS:
        raise BadPicture(f"图片超过 {MAX_PIXELS // 1_000_000} 百万像素（{image.width}×{image.height}）")
    image.load()
    turned = ImageOps.exif_transpose(image)
    if not turned.has_transparency_data:
        return turned.convert("RGB")
    layer = turned.convert("RGBA")
    shape = layer.getchannel("A")
    solid = shape.point([255 * (alpha > 127) for alpha in range(256)])
    # Light letters are made for a dark page, dark ones for a light page.
    light = solid.getbbox() is not None and ImageStat.Stat(layer.convert("L"), solid).mean[0] > 160
    ground = Image.new("RGB", layer.size, "black" if light else "white")
    ground.paste(layer, mask=shape)
    return ground


def _glance(image: Image.Image) -> Image.Image:
    return image.convert("L").resize((64, 64), Image.Resampling.BOX)


def _codes(image: Image.Image) -> Iterator[Code]:
    scale = min(1.0, (_CODE_PIXELS / (image.width * image.height)) ** 0.5)
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    grey = image.convert("L").resize(size)
    # Only readers need it: loaded there, at their first picture.
    import zxingcpp

    kinds = zxingcpp.BarcodeFormats([getattr(zxingcpp.BarcodeFormat, name) for name in _CODE_KINDS])
    for found in zxingcpp.read_barcodes(np.asarray(grey), formats=kinds)[:_MAX_CODES]:
        place = found.position
        corners = [place.top_left, place.top_right, place.bottom_right, place.bottom_left]
        xs, ys = [corner.x / scale for corner in corners], [corner.y / scale for corner in corners]
        try:
            url = canonical(found.text)
        except BadURL:
            url = ""
        yield Code(found.text, url, (int(min(xs)), int(min(ys)), int(max(xs)), int(max(ys))))


@lru_cache(maxsize=1)
def _engine() -> RapidOCR:
    """The models, loaded at first use. Their paths are given, so the library never looks for a download."""
    import cv2
    import rapidocr

    cv2.setNumThreads(1)
    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_vertical_padding": False,
            "Det.model_path": str(next(models.glob("*_det_*.onnx"))),
            "Det.limit_type": "max",
            "Det.limit_side_len": 1_000_000,  # the size is chosen here, by area
            "Rec.model_path": str(next(models.glob("*_rec_*.onnx"))),
            "Rec.rec_img_shape": [3, 48, 96],  # the narrowest line: a short one is not padded to 320
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _lines(image: Image.Image, end: float, reserve: float) -> tuple[list[Line], bool]:
    """The lines in reading order, and whether the time sufficed for all of them; the largest letters come first."""
    scale = min(1.0, _MAX_WIDTH / image.width)
    if scale < 1:
        image = image.resize((_MAX_WIDTH, max(1, int(image.height * scale))))
    red, green, blue = image.crop((0, 0, 1, 1)).tobytes()
    framed = ImageOps.expand(image, _BORDER, fill=(red, green, blue))
    crops, boxes, complete = _find(np.asarray(framed)[:, :, ::-1], end - reserve)
    lines: dict[int, Line] = {}
    # One at a time: on one core a batch is no faster, and it takes more memory.
    for index in sorted(range(len(crops)), key=lambda i: -crops[i].shape[0]):
        if time.thread_time() > end:
            complete = False
            break
        result = _engine().recognize_txt([crops[index]])
        text, confidence = " ".join((result.txts or ("",))[0].split()), float((result.scores or (0.0,))[0])
        if confidence >= _MIN_CONFIDENCE and re.search(r"\w", text):
            left, top, right, bottom = ((value - _BORDER) / scale for value in boxes[index])
            box = (max(0, int(left)), max(0, int(top)), int(right), int(bottom))
            lines[index] = Line(text, round(confidence, 4), box)
    return [lines[index] for index in sorted(lines)], complete


def _find(pixels: Pixels, end: float) -> tuple[list[Pixels], list[tuple[float, float, float, float]], bool]:
    """Lines of letters in a BGR picture: each cut out, each one's box, and whether all of the picture was searched."""
    from rapidocr.main import RapidOCRError

    engine = _engine()
    crops: list[Pixels] = []
    boxes: list[tuple[float, float, float, float]] = []
    for top, tile in _tiles(pixels):
        if time.thread_time() > end:
            return crops, boxes, False
        height, width = tile.shape[:2]
        scale = min(1.0, max(_FIND_SCALE, (_FIND_PIXELS / (width * height)) ** 0.5))
        small = Image.fromarray(tile).resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
        try:
            _, found = engine.detect_and_crop(np.asarray(small), {})
        except RapidOCRError:
            continue  # its way to say that there are no letters
        corners = np.asarray(found.boxes, np.float32) * np.array(
            [width / small.width, height / small.height], np.float32
        )
        crops += engine.crop_text_regions(tile, corners)
        for left, upper, right, lower in np.hstack((corners.min(axis=1), corners.max(axis=1))).tolist():
            boxes.append((left, upper + top, right, lower + top))
    return crops, boxes, True


def _tiles(pixels: Pixels) -> Iterator[tuple[int, Pixels]]:
    """Tiles of the full width with their first rows, cut where the picture is quietest; blank ones are left out."""
    top, rows = 0, pixels.shape[0]
    while top < rows:
        bottom = min(top + _TILE_ROWS, rows)
        if bottom < rows:
            band = pixels[bottom - _CUT_ROWS : bottom, :, 1].astype(np.int16)
            unrest = np.convolve(np.abs(np.diff(band, axis=1)).sum(axis=1), np.ones(_BAND_ROWS), "valid")
            bottom += int(np.argmin(unrest)) + _BAND_ROWS // 2 - _CUT_ROWS
        tile = np.ascontiguousarray(pixels[top:bottom])
        if int(tile.max()) - int(tile.min()) > 16:
            yield top, tile
        top = bottom
