"""Text that one person writes and others read: in mails, on receipts, at the desk of staff.

`plain_line` and `plain_text` are the validators of every such field; `safe_line` writes what was stored before them.
REST framework runs all validators of a field, so texts of any length come here, too: the patterns are linear in it.
"""

import re
import unicodedata
from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

# No column is longer. What is longer is refused unread.
LONGEST = 1_000
JOINERS = "\u200c\u200d"
# Letters and symbols by their category, which no font draws.
BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
LINE_BREAKS = "\r\n"
# From Arabic to Sinhala: the scripts that are written with joiners.
JOINED_SCRIPTS = range(0x0600, 0x0E00)

COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd "
    "cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd "
    "ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg "
    "kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv "
    "mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa "
    "sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug "
    "uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
GENERAL = (
    "academy agency ai app art asia bar best bid biz blog bond boutique business buzz cam camp cash cc center cfd chat "
    "city click cloud club codes com company cool country cyou date day deals dev digital direct download edu email "
    "exchange express faith farm fashion finance fit foundation fun fund fyi games gdn gift gifts global gold gov "
    "group guru help homes host hosting icu inc info ink institute international jobs kim land lat life limited link "
    "live loan loans lol ltd ly market marketing me media men mobi moda mom money monster net network news ngo ninja "
    "one ong online org page party photos pics place plus press pro promo properties pub quest racing red ren rent "
    "rest review reviews rip rocks run sale sbs science scot sexy shop shopping show site skin social software solar "
    "solutions space store stream studio style sucks support surf systems tech technology tel tips today tokyo tools "
    "top tours town trade trading travel tube uno vip wang watch webcam website wiki win work works world wtf xin xxx "
    "xyz zip zone"
)
TOP_LEVEL = frozenset(f"{COUNTRIES} {GENERAL}".split())
# "Smt.Rao", "Md.Al", "Rd.No 5", "Ravi.Kr": abbreviations that look like the last part of a domain, or the first one.
TITLES = "adv dr er fr h jr kr ku kum km md mr mrs ms mohd nr opp pt prof rd sh shri smt sr sri st"
ABBREVIATIONS = "kr no st"

# Both patterns begin only where a run of their letters does, and give nothing of it back: each letter is read once.
SCHEME = re.compile(
    r"(?<![a-z0-9+.-])[0-9+.-]*+[a-z][a-z0-9+.-]*+:\s*+/\s*+/|\b(?:www|mailto|javascript)\s*+[.:]",
    re.IGNORECASE,
)
NUMBERS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
DOTTED = re.compile(
    r"(?P<at>@)?(?<![\w-])(?<![\w-]\.)(?P<labels>[\w-]++(?:\.[\w-]++)*)\.(?P<last>xn--[\w-]+|[^\W\d_]{2,24})\b(?P<path>[/:?#]\S)?"
)


def plain_line(text: str) -> None:
    """Raises ValidationError for line breaks, for what nobody sees, and for addresses of the web."""
    _refuse_long(text)
    _refuse_hidden(text)
    _refuse_addresses(text)


def plain_text(text: str) -> None:
    """As `plain_line`, in several lines."""
    _refuse_long(text)
    _refuse_hidden(text, allowed=LINE_BREAKS)
    _refuse_addresses(text)


def name_or_email(text: str) -> None:
    """One mail address, or a plain line."""
    _refuse_long(text)
    _refuse_hidden(text)
    if not _is_email(text):
        _refuse_addresses(text)


def visible_line(text: str) -> None:
    """For what may name a site, such as a mail address: only what nobody sees is refused."""
    _refuse_long(text)
    _refuse_hidden(text)


def safe_line(text: str) -> str:
    """On one line, without what nobody sees, and with "[…]" in place of addresses of the web.

    For the output of what may have been stored before it was refused. A mail address alone stays.
    """
    line = one_line(text)
    if _is_email(line):
        return line
    kept, end_of_last = [], 0
    for start, end in sorted(_addresses(line)):
        if start >= end_of_last:
            kept += [line[end_of_last:start], "[…]"]
        end_of_last = max(end, end_of_last)
    return "".join([*kept, line[end_of_last:]])


def one_line(text: str) -> str:
    """Without what nobody sees, but with the joiners that Indian scripts are written with."""
    spaced = "".join(" " if letter.isspace() else letter for letter in text)
    hidden = {*_hidden(spaced)}
    return " ".join("".join(letter for at, letter in enumerate(spaced) if at not in hidden).split())


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _refuse_long(text: str) -> None:
    if len(text) > LONGEST:
        too_long = _("Write it in at most %(limit)d characters.")
        raise ValidationError(too_long, code="max_length", params={"limit": LONGEST})


def _refuse_hidden(text: str, allowed: str = "") -> None:
    if any(text[at] not in allowed for at in _hidden(text)):
        raise ValidationError(_("Write it without line breaks and invisible characters."), code="invisible")


def _refuse_addresses(text: str) -> None:
    if any(_addresses(text)):
        raise ValidationError(_("Write it without addresses of websites."), code="web_address")


def _hidden(text: str) -> Iterator[int]:
    """Where a character stands that is not drawn."""
    for at, letter in enumerate(text):
        if letter in JOINERS:
            if at == 0 or ord(text[at - 1]) not in JOINED_SCRIPTS:
                yield at
        elif letter in BLANK_LETTERS or unicodedata.category(letter) in HIDDEN_CATEGORIES:
            yield at


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where an address of the web begins and ends, also in the full-width letters that browsers read as ASCII."""
    plain = "".join(unicodedata.normalize("NFKC", letter)[:1] or letter for letter in text).replace(
        "\u3002", "."
    )
    if SCHEME.search(plain):
        for word in re.finditer(r"\S+", plain):
            if SCHEME.search(word.group()):
                yield word.span()
    for number in NUMBERS.finditer(plain):
        yield number.span()
    for number in DOTTED.finditer(plain):
        labels, last = number["labels"].lower(), number["last"].lower()
        if last not in TOP_LEVEL and not last.startswith("xn--"):
            continue
        is_initials = all(len(each) == 1 for each in labels.split("."))
        is_abbreviated = is_initials or labels in TITLES.split() or last in ABBREVIATIONS.split()
        if number["at"] or number["path"] or not is_abbreviated:
            yield number.span()
