"""junit: for test reports. One suite per thing that was checked, one case per finding.

An error is a failure; what cannot be decided is an error, as JUnit tells the
two apart. Warnings and notes are told in the output of cases that pass, and a
suite without findings has one case that passes, so that a report is never empty.
"""

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from trilock.cli.output.formats.format import OutputFormat
from trilock.cli.output.outcome import Item, Level, Outcome, Section, in_words

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even escaped."""


def render(outcome: Outcome) -> str:
    """Return *outcome* as JUnit XML."""
    root = Element("testsuites", name="trilock check")
    for section in outcome.sections:
        _add_suite(root, section)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    indent(root)
    document: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'


def _add_suite(root: Element, section: Section) -> None:
    suite = SubElement(root, "testsuite", name=_text(section.title))
    undecidable = section.verdict not in {
        "COMPATIBLE",
        "COMPATIBLE_WITH_WARNINGS",
        "INCOMPATIBLE",
    }
    for item in section.items:
        _add_case(suite, item, section=section, undecidable=undecidable)
    if not section.items:
        case = SubElement(suite, "testcase", classname=_text(section.title), name="verdict")
        if undecidable:
            SubElement(case, "error", message=in_words(section.verdict))
    suite.set("tests", str(len(suite)))
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))


def _add_case(suite: Element, item: Item, *, section: Section, undecidable: bool) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_text(section.title),
        name=_text(f"{item.rule} {item.path}"),
    )
    if item.place is not None:
        case.set("file", _text(item.place.file))
        case.set("line", str(item.place.line))
    body = _text(f"{item.message}\nmend: {item.remedy}" if item.remedy else item.message)
    if item.waived:
        SubElement(case, "skipped", message=f"waived: {_text(item.message)}")
    elif item.level is Level.ERROR:
        kind = "error" if undecidable else "failure"
        SubElement(case, kind, message=_text(item.message), type=item.rule).text = body
    else:
        SubElement(case, "system-out").text = f"{item.level}: {body}"


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


FORMAT = OutputFormat(name="junit", purpose="test reports", render=render)
