"""XML as a document: ``{"xml": {"tag": ..., "attributes": {}, "text": "", "children": []}}``.

What is empty is left out. A document type is refused: entities can stand for files, and gigabytes.
"""

from typing import Any, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from refine.exceptions import FormatError
from refine.formats.base import Document

XML = "xml"
DEEPEST = 50
"""Elements within one another; those of annotations are five."""


class Element(NamedTuple):
    """An element, its text without blanks around it."""

    tag: str
    attributes: dict[str, str]
    text: str
    children: list["Element"]

    def named(self, *tags: str) -> list["Element"]:
        """Return the children of some tags."""
        return [child for child in self.children if child.tag in tags]

    def under(self, tag: str) -> list["Element"]:
        """Return the elements of a tag, however deep."""
        found = [self] if self.tag == tag else []
        return found + [each for child in self.children for each in child.under(tag)]


def parse_xml(data: bytes, where: str) -> Document:
    """Parse XML.

    Raises:
        FormatError: not XML, one with a document type, or nested too deep.
    """
    top: dict[str, Any] = {"children": []}
    stack = [top]
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        element: dict[str, Any] = {"tag": tag} | ({"attributes": attributes} if attributes else {})
        stack[-1].setdefault("children", []).append(element)
        stack.append(element)
        if len(stack) > DEEPEST:
            raise FormatError(
                f"expected at most {DEEPEST} elements within one another", where=where
            )

    def end(tag: str) -> None:
        element = stack.pop()
        if text := element.pop("text", "").strip():
            element["text"] = text

    def add(text: str) -> None:
        stack[-1]["text"] = stack[-1].get("text", "") + text

    def refuse(*_: object) -> None:
        raise FormatError(
            "expected XML without a document type, whose entities could stand for anything",
            where=where,
            hint="the file without <!DOCTYPE ...>",
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = add, refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        # ValueError: an encoding of several bytes; LookupError: one that there is not.
        raise FormatError(f"expected XML, got: {error}", where=where) from None
    return {XML: top["children"][0]}


def dump_xml(document: Document) -> bytes:
    """Write XML.

    Raises:
        FormatError: characters that XML cannot hold.
    """
    lines = ['<?xml version="1.0" encoding="utf-8"?>']
    _write(xml_in(document, "what is to be written"), 0, lines)
    text = "\n".join(lines) + "\n"
    bad = next((c for c in text if (c < " " and c not in "\n\t") or c in "\ufffe\uffff"), "")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        bad, data = text[error.start], b""
    if bad:
        raise FormatError(f"expected text that XML can hold, got {bad!r}")
    return data


def xml_in(document: Document, where: str) -> Element:
    """Return the root element of a document.

    Raises:
        FormatError: not such a document.
    """
    return _element(document.get(XML) if isinstance(document, dict) else None, where, 0)


def from_element(element: Element) -> dict[str, Any]:
    """Return an element as documents have it."""
    out: dict[str, Any] = {"tag": element.tag}
    out |= {"attributes": element.attributes} if element.attributes else {}
    out |= {"text": element.text} if element.text else {}
    children = [from_element(child) for child in element.children]
    return out | ({"children": children} if children else {})


def to_element(value: Any) -> Element:
    """Return an element that was carried as documents have it."""
    return _element(value, "an element", 0)


def _element(value: Any, where: str, depth: int) -> Element:
    value = value if isinstance(value, dict) else {}
    tag, text = value.get("tag"), value.get("text", "")
    attributes, children = value.get("attributes", {}), value.get("children", [])
    texts = isinstance(tag, str) and isinstance(text, str) and isinstance(attributes, dict)
    texts = texts and all(isinstance(each, str) for pair in attributes.items() for each in pair)
    if not texts or not isinstance(children, list) or depth > DEEPEST:
        raise FormatError(
            "expected an element with a tag, attributes and text, and such in 'children', "
            f"got {value!r:.80}",
            where=where,
        )
    return Element(tag, attributes, text, [_element(c, where, depth + 1) for c in children])


def _write(element: Element, depth: int, lines: list[str]) -> None:
    pairs = "".join(f" {name}={quoteattr(text)}" for name, text in element.attributes.items())
    start, indent = f"<{element.tag}{pairs}", "  " * depth
    text = escape(element.text, {"\r": "&#13;"})
    if not element.children:
        end = f">{text}</{element.tag}>" if text else "/>"
        lines.append(f"{indent}{start}{end}")
        return
    lines.append(f"{indent}{start}>{text}")
    for child in element.children:
        _write(child, depth + 1, lines)
    lines.append(f"{indent}</{element.tag}>")
