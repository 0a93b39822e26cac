"""The letter's words: facts, basis as of the date of the conduct, request, attachments, signature, contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

from docx.document import Document as Letter
from docx.shared import Emu

from data.facts import Authority, LegalBasis, taxonomy
from data.records import Kind
from reports.dossier import Dossier, ReferralError
from reports.letterform import CHARACTER, blank, table
from reports.plain import SHANGHAI, chinese_date, plain

NOTICE = "演示材料（不具有法律效力）"
KINDS = {Kind.SITE: "网站", Kind.APP: "移动应用程序", Kind.MINIPROGRAM: "小程序"}
TOLD = 8
_ORDINALS = "一二三四五六七八"
_MARK_LONGEST = 24


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who sends the letter: full name, 机关代字 for its document numbers, and the contact person with telephone.

    Raises ``ReferralError`` when a part is empty or is not one line of plain characters.
    """

    name: str
    code: str
    contact: str
    phone: str

    def __post_init__(self) -> None:
        for part, value, longest in (
            ("名称", self.name, _MARK_LONGEST),
            ("机关代字", self.code, 12),
            ("联系人", self.contact, 40),
            ("联系电话", self.phone, 40),
        ):
            if not value or plain(value, longest) != value:
                raise ReferralError(f"发文机关的{part}应为一行、不超过{longest}个字，请在配置中改正。")
        if not self.code.isalnum():
            raise ReferralError("机关代字只能由汉字、字母和数字组成，请在配置中改正。")


def write_letter(
    path: Path, number: str, authority: Authority, issuer: Issuer, dossiers: Sequence[Dossier], on: datetime
) -> None:
    """Write the letter about ``dossiers``, in their order, dated ``on``, as DOCX."""
    demo = any(dossier.demo for dossier in dossiers)
    letter = blank(issuer.name, NOTICE if demo else "")
    properties = letter.core_properties
    properties.title, properties.author, properties.language = f"{number} 问题线索移送函", issuer.name, "zh-CN"
    properties.created = properties.modified = on.replace(tzinfo=None)
    properties.last_modified_by = properties.comments = ""

    number_line = letter.add_paragraph(style="公文发文字号")
    if demo:
        number_line.add_run(NOTICE).bold = True
    number_line.add_run(f"\t{number}")
    title = letter.add_paragraph(style="公文标题")
    title.add_run("关于移送涉嫌开展虚拟货币相关业务活动").add_break()
    title.add_run("互联网应用问题线索的函")
    letter.add_paragraph(f"{authority.name}：", style="公文主送机关")
    _opening(letter, dossiers)
    _facts(letter, dossiers)
    _bases(letter, dossiers, on)
    _request(letter, authority, dossiers)
    _closing(letter, issuer, on)
    _attachments(letter, dossiers)
    letter.save(str(path))


def business(dossier: Dossier) -> tuple[list[str], list[str], bool]:
    """What people confirmed, in the taxonomy's words: activities, roles, and whether it serves mainland residents."""
    chosen, known = set(dossier.proposal.indicators), taxonomy()
    activities = [i.zh.split("（")[0] for i in known.activities if i.id in chosen]
    roles = [i.zh.split("（")[0] for i in known.roles if i.id in chosen]
    return activities, roles, any(i.id in chosen for i in known.audience)


def evidence_ids(number: int, dossier: Dossier) -> str:
    """The evidence numbers of the ``number``-th target: 3-1, 3-2 …, one for each capture."""
    return "、".join(f"{number}-{place}" for place in range(1, len(dossier.captures) + 1))


def _opening(letter: Letter, dossiers: Sequence[Dossier]) -> None:
    counts = [(zh, sum(d.case.target.kind is kind for d in dossiers)) for kind, zh in KINDS.items()]
    listed = "、".join(f"{zh}{count}个" for zh, count in counts if count)
    letter.add_paragraph(
        f"我单位在互联网监测中发现，{listed}涉嫌开展虚拟货币相关业务活动，或者为其提供网络经营场所、商业展示、"
        "营销宣传、付费导流等服务。上述线索均经两名工作人员先后核查、复核确认。现将有关情况函告如下。",
        style="公文正文",
    )


def _facts(letter: Letter, dossiers: Sequence[Dossier]) -> None:
    letter.add_paragraph("一、基本情况", style="公文一级标题")
    for ordinal, (number, dossier) in zip(_ORDINALS, enumerate(dossiers[:TOLD], 1), strict=False):
        target = dossier.case.target
        paragraph = letter.add_paragraph(style="公文正文")
        name = plain(target.title, 40)
        heading = f"（{ordinal}）{KINDS[target.kind]}{plain(target.identity, 120)}{f'（{name}）' if name else ''}。"
        paragraph.add_run(heading, style="公文二级标题")
        paragraph.add_run(_account(number, dossier))
    if len(dossiers) > TOLD:
        letter.add_paragraph(f"其余{len(dossiers) - TOLD}个对象的情况见附件1。", style="公文正文")


def _account(number: int, dossier: Dossier) -> str:
    target, (activities, roles, mainland) = dossier.case.target, business(dossier)
    sentences = [f"经核查，{_day(dossier.proposal.conduct_on)}该{KINDS[target.kind]}"]
    if activities:
        sentences.append(f"涉嫌开展{'、'.join(activities)}业务")
    if roles:
        sentences.append(f"提供{'、'.join(roles)}服务")
    if mainland:
        sentences.append("服务对象包括境内居民")
    account = sentences[0] + "，".join(sentences[1:]) + "。"
    if dossier.quotes:
        account += f"页面载有{''.join(f'“{_nested(quote)}”' for quote in dossier.quotes)}等内容。"
    account += (
        f"备案号为{plain(dossier.route.filing, 40)}（据页面或登记信息）" if dossier.route.filing else "未见备案号"
    )
    if dossier.address:
        account += f"，采集时服务器地址为{plain(dossier.address, 60)}"
    if target.first_seen and target.last_seen:
        first, last = chinese_date(target.first_seen), chinese_date(target.last_seen)
        account += f"，首次发现于{first}" + (f"，最近一次采集于{last}" if last != first else "")
    return f"{account}。证据编号：{evidence_ids(number, dossier)}。"


def _bases(letter: Letter, dossiers: Sequence[Dossier], on: datetime) -> None:
    letter.add_paragraph("二、有关依据", style="公文一级标题")
    by_basis = sorted(dossiers, key=lambda d: d.basis.effective_from)
    for _, cited in groupby(by_basis, key=lambda d: d.basis.id):
        group = list(cited)
        basis = group[0].basis
        letter.add_paragraph(_standing(basis, sorted(d.proposal.conduct_on for d in group), on), style="公文正文")
        wanted = {clause.id for dossier in group for clause in dossier.clauses}
        for clause in basis.clauses:
            if clause.id in wanted:
                letter.add_paragraph(f"第{clause.id}项规定：“{_nested(clause.text)}”", style="公文正文")


def _standing(basis: LegalBasis, conduct: list[str], on: datetime) -> str:
    """The basis by title and number, and that it was in force when the conduct took place."""
    between = _day(conduct[0]) + (f"至{_day(conduct[-1])}" if conduct[-1] != conduct[0] else "")
    sentence = f"《{basis.title}》（{basis.number}）自{_day(basis.effective_from.isoformat())}起施行"
    if basis.effective_until and basis.effective_until <= on.astimezone(SHANGHAI).date():
        sentence += f"，至{_day(basis.effective_until.isoformat())}停止执行"
    return f"{sentence}。本函所列行为发生于{between}，适用行为发生时有效的该文件。"


def _request(letter: Letter, authority: Authority, dossiers: Sequence[Dossier]) -> None:
    yours = f"贵{'局' if authority.name.endswith('局') else '办' if authority.name.endswith('办公室') else '单位'}"
    kinds = [zh for kind, zh in KINDS.items() if any(d.case.target.kind is kind for d in dossiers)]
    letter.add_paragraph("三、商请事项", style="公文一级标题")
    letter.add_paragraph(
        f"请{yours}依据职责对上述线索进行核查，对查证属实的，及时依法关闭有关{'、'.join(kinds)}，并将处理结果函复我单位。"
        "本函所涉对象以附件1所列网站、账号、应用为限，不涉及其所在平台的其他用户和内容。",
        style="公文正文",
    )
    letter.add_paragraph("特此函达，请予支持。", style="公文正文")


def _closing(letter: Letter, issuer: Issuer, on: datetime) -> None:
    """Attachments, then name over date, centred on it; the date ends four characters from the right for the seal."""
    letter.add_paragraph("附件：1.\t问题线索清单", style="公文附件说明")
    letter.add_paragraph("2.\t证据目录及摘要值（电子数据随函附送）", style="公文附件说明续")
    day = chinese_date(on)
    width = sum(0.5 if character.isdigit() else 1 for character in day)
    name = letter.add_paragraph(issuer.name, style="公文署名")
    dated = letter.add_paragraph(day, style="公文成文日期")
    overhang = (len(issuer.name) - width) / 2
    name.paragraph_format.right_indent = Emu(round(max(0.0, 4 - overhang) * CHARACTER))
    dated.paragraph_format.right_indent = Emu(round(max(4.0, overhang) * CHARACTER))
    name.paragraph_format.keep_with_next = dated.paragraph_format.keep_with_next = True
    letter.add_paragraph(f"（联系人：{issuer.contact}；联系电话：{issuer.phone}）", style="公文附注")


def _attachments(letter: Letter, dossiers: Sequence[Dossier]) -> None:
    letter.add_paragraph("附件1", style="公文附件序号")
    letter.add_paragraph("问题线索清单", style="公文附件标题").paragraph_format.space_after = Emu(CHARACTER)
    rows = [
        (
            str(number),
            KINDS[dossier.case.target.kind],
            plain("\n".join((dossier.case.target.identity, dossier.case.target.title)), 120),
            plain(dossier.route.filing, 40) or "未见",
            "、".join("、".join(part) for part in business(dossier)[:2] if part),
            "".join(clause.id for clause in dossier.clauses),
        )
        for number, dossier in enumerate(dossiers, 1)
    ]
    table(letter, (14, 22, 42, 30, 30, 18), ("序号", "类型", "标识和名称", "备案号", "所涉业务", "条款"), rows)
    letter.add_paragraph("附件2", style="公文附件序号")
    letter.add_paragraph("证据目录及摘要值", style="公文附件标题")
    letter.add_paragraph(
        "每一对象的证据摘要值，是其各次采集的响应正文、渲染后页面和截图的SHA-256值按序排列后再取的SHA-256值，与批准决定"
        "所记一致。全部文件的SHA-256和SM3值载于电子数据包的manifest.json，可据以逐一核对。",
        style="公文正文",
    )
    digests = [
        (
            str(number),
            plain(dossier.case.target.identity, 120),
            evidence_ids(number, dossier),
            dossier.approval.evidence_sha256,
        )
        for number, dossier in enumerate(dossiers, 1)
    ]
    table(letter, (14, 40, 28, 74), ("序号", "标识", "证据编号", "证据摘要值"), digests)


def _day(day: str) -> str:
    parsed = date.fromisoformat(day)
    return f"{parsed.year}年{parsed.month}月{parsed.day}日"


def _nested(quoted: str) -> str:
    """Quotation marks inside a quotation become single ones (GB/T 15834-2011)."""
    return quoted.translate(str.maketrans('“”"', "‘’'"))
