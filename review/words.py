"""The desk's words: Chinese in the source, English from the Babel catalogue, and how values are shown in either."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.dates import format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from data.facts import Named, taxonomy
from data.records import Kind, State, Verdict
from data.store import now
from review.clock import shanghai
from review.refusal import Refusal
from review.rights import Role

LANGUAGES = ("zh", "en")
LOCALE = Path(__file__).parent / "locale"


def N_(sentence: str) -> str:
    """Marks a sentence for the catalogue where it is written, to be translated where it is shown."""
    return sentence


STATES = {
    State.OPEN: N_("待审"),
    State.CLAIMED: N_("审理中"),
    State.PROPOSED: N_("待复核"),
    State.APPROVED: N_("已批准"),
    State.REFERRED: N_("已移送"),
    State.ACKNOWLEDGED: N_("已签收"),
    State.CLOSED: N_("已关闭"),
    State.RETURNED: N_("被退回"),
    State.RELAPSED: N_("再次出现"),
    State.DISMISSED: N_("已排除"),
    State.WITHDRAWN: N_("已撤回"),
}
VERDICTS = {
    Verdict.CLAIM: N_("领取"),
    Verdict.RELEASE: N_("放回"),
    Verdict.PROPOSE: N_("提议移送"),
    Verdict.APPROVE: N_("批准"),
    Verdict.REJECT: N_("退回"),
    Verdict.DISMISS: N_("排除"),
    Verdict.REOPEN: N_("重新打开"),
    Verdict.REFER: N_("移送"),
}
KINDS = {Kind.SITE: N_("网站"), Kind.APP: N_("应用"), Kind.MINIPROGRAM: N_("小程序")}

# Characters that show nothing, or turn the text around them: shown by their number, since hiding is a disguise. The
# joiner inside emoji (U+200D) and the ordinary line ends are left alone.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def unseen_as_numbers(text: str) -> str:
    """The text with every unseen character written as ``‹U+202E›``."""
    return UNSEEN.sub(lambda found: f"‹U+{ord(found[0]):04X}›", text)


class Words:
    """Everything that depends on the reader's language (``zh`` or ``en``)."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.translations: NullTranslations = NullTranslations()
        catalogue = LOCALE / language / "LC_MESSAGES" / "messages.po"
        if catalogue.exists():  # Chinese is the source and has none
            compiled = BytesIO()
            with catalogue.open("rb") as lines:
                write_mo(compiled, read_po(lines, locale=language))
            compiled.seek(0)
            self.translations = GNUTranslations(compiled)

    def say(self, sentence: str) -> str:
        return self.translations.gettext(sentence)

    def tell(self, refusal: Refusal) -> str:
        """An error's sentence."""
        values = {gap: self._shown(value) for gap, value in refusal.values.items()}
        return self.say(refusal.sentence).format(**values)

    def _shown(self, value: object) -> object:
        return self.name(value) if isinstance(value, Named | Role) else value

    def name(self, item: Named | Role) -> str:
        """The name of anything that has one in both languages."""
        return item.en if self.language == "en" else item.zh

    def indicator(self, indicator_id: str) -> str:
        """An indicator's name; the id itself when the taxonomy no longer knows it."""
        known = taxonomy().indicators.get(indicator_id)
        return self.name(known) if known else unseen_as_numbers(indicator_id)

    def genre(self, genre_id: str) -> str:
        """A genre's name; the id itself when the taxonomy no longer knows it."""
        known = {genre.id: genre for genre in taxonomy().genres}.get(genre_id)
        return self.name(known) if known else unseen_as_numbers(genre_id)

    def state(self, state: State) -> str:
        return self.say(STATES[state])

    def verdict(self, verdict: Verdict) -> str:
        return self.say(VERDICTS[verdict])

    def kind(self, kind: Kind) -> str:
        return self.say(KINDS[kind])

    def age(self, moment: datetime) -> str:
        """How long ago, in the largest unit that fits."""
        return format_timedelta(now() - moment, locale=self.language, threshold=1.2)

    @staticmethod
    def when(moment: datetime) -> str:
        """The time on a Shanghai clock."""
        return f"{shanghai(moment):%Y-%m-%d %H:%M:%S}"


@cache
def words(language: str) -> Words:
    """The words of one language, read once; Chinese for a language the desk does not speak."""
    return Words(language if language in LANGUAGES else LANGUAGES[0])
