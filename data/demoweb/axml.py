"""A small encoder for Android's binary XML, enough for the manifest of a demonstration package."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

ANDROID = "http://schemas.android.com/apk/res/android"
NONE = 0xFFFFFFFF

# Attribute name -> framework resource id. Android looks these attributes up by id, not by name.
RESOURCE_IDS = {
    "label": 0x01010001,
    "name": 0x01010003,
    "exported": 0x01010010,
    "minSdkVersion": 0x0101020C,
    "versionCode": 0x0101021B,
    "versionName": 0x0101021C,
    "targetSdkVersion": 0x01010270,
}

TYPE_STRING, TYPE_INT, TYPE_BOOLEAN = 0x03, 0x10, 0x12


@dataclass
class Element:
    """One element: its tag, its attributes in Android's namespace and outside it, its children."""

    tag: str
    android: dict[str, str | int | bool] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)

    def walk(self) -> list[Element]:
        """This element and all below it, in document order."""
        return [self] + [below for child in self.children for below in child.walk()]


def _chunk(kind: int, header: bytes, body: bytes) -> bytes:
    """A resource chunk: type, header size and total size, then its header fields and its body."""
    return struct.pack("<HHI", kind, 8 + len(header), 8 + len(header) + len(body)) + header + body


def _string_pool(strings: list[str]) -> bytes:
    """The UTF-16 string pool that every name and value points into."""
    data, offsets = b"", []
    for text in strings:
        raw = text.encode("utf-16-le")
        offsets.append(len(data))
        data += struct.pack("<H", len(raw) // 2) + raw + b"\0\0"
    data += b"\0" * (-len(data) % 4)
    start = 28 + 4 * len(strings)
    header = struct.pack("<5I", len(strings), 0, 0, start, 0)
    return _chunk(0x0001, header, struct.pack(f"<{len(offsets)}I", *offsets) + data)


def _node(kind: int, body: bytes) -> bytes:
    """A tree node; line number and comment are not kept."""
    return _chunk(kind, struct.pack("<II", 1, NONE), body)


def encode(root: Element) -> bytes:
    """The binary XML document for `root`."""
    elements = root.walk()
    used = {name for element in elements for name in element.android}
    attributes = sorted(used, key=RESOURCE_IDS.__getitem__)
    others: dict[str, None] = {"android": None, ANDROID: None}
    for element in elements:
        others[element.tag] = None
        for name, text in element.plain.items():
            others |= {name: None, text: None}
        others |= {value: None for value in element.android.values() if isinstance(value, str)}
    # The pool begins with the attributes that have a resource id, in the order of the resource map.
    strings = attributes + list(others)
    attribute_at = {name: index for index, name in enumerate(attributes)}
    other_at = {text: len(attributes) + index for index, text in enumerate(others)}

    def attribute(space: int, name: int, value: str | int | bool) -> bytes:
        if isinstance(value, str):
            at = other_at[value]
            return struct.pack("<3IHBBI", space, name, at, 8, 0, TYPE_STRING, at)
        kind, data = (TYPE_BOOLEAN, NONE if value else 0) if isinstance(value, bool) else (TYPE_INT, value)
        return struct.pack("<3IHBBI", space, name, NONE, 8, 0, kind, data)

    def element_bytes(element: Element) -> bytes:
        inside = sorted(element.android.items(), key=lambda item: RESOURCE_IDS[item[0]])
        packed = [attribute(other_at[ANDROID], attribute_at[name], value) for name, value in inside]
        packed += [attribute(NONE, other_at[name], text) for name, text in element.plain.items()]
        start = struct.pack("<II6H", NONE, other_at[element.tag], 20, 20, len(packed), 0, 0, 0)
        end = struct.pack("<II", NONE, other_at[element.tag])
        children = b"".join(element_bytes(child) for child in element.children)
        return _node(0x0102, start + b"".join(packed)) + children + _node(0x0103, end)

    namespace = struct.pack("<II", other_at["android"], other_at[ANDROID])
    resource_map = struct.pack(f"<{len(attributes)}I", *(RESOURCE_IDS[name] for name in attributes))
    tree = _node(0x0100, namespace) + element_bytes(root) + _node(0x0101, namespace)
    return _chunk(0x0003, b"", _string_pool(strings) + _chunk(0x0180, b"", resource_map) + tree)
