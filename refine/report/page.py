"""The page itself: one file that needs no other and no network."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any

from refine._version import __version__
from refine.drawing.palette import KINDS
from refine.files import dump_json
from refine.report.analysis import Analysis, analyse
from refine.report.blocks import Block, Folded, Notes, Section, Tabular
from refine.report.persons import cases_section, rows_section
from refine.report.sections import (
    changes_section,
    findings_section,
    measured_sections,
    scores_section,
    verdict,
)
from refine.report.subject import Subject
from refine.report.tables import Table
from refine.report.tracks import has_tracks, tracks_section

FOLDER = resources.files("refine") / "report"
PACKAGES = ("numpy", "scipy", "numba", "torch", "matplotlib", "jinja2", "pillow")
"""Whose versions the page tells."""
OPEN = 4
"""Cases of each group that are not folded away."""
DIGEST = 16
"""Digits of a SHA-256 that are shown."""


@dataclass(frozen=True, slots=True)
class Headed:
    """A file in the head of the page."""

    label: str
    name: str
    told: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows."""

    title: str
    heading: str
    verdict: str
    files: Sequence[Headed]
    sections: Sequence[Section]
    kinds: Sequence[str]
    open: int
    version: str
    made: str


def report_html(subject: Subject) -> tuple[bytes, dict[str, Any]]:
    """Write a report.

    Args:
        subject: what it is about.

    Returns:
        the page in UTF-8, and its main figures.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`.
        ImportError: jinja2 or matplotlib is not installed.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    found = analyse(subject)
    persons, data = rows_section(found.rows, found.cases, found.labels, found.names)
    sections = measured_sections(subject, found) if found.measured else []
    sections += [changes_section(found)] if found.changes else []
    if has_tracks(found.files[-1]):
        sections.append(tracks_section(found.labels, found.files, subject.fps))
    sections += [scores_section(subject, found)]
    if found.cases:
        sections.append(cases_section(found.rows, found.cases, found.labels, found.names))
    sections += [persons, findings_section(subject), _made(subject, found)]
    names = [file.name for file in subject.files]
    heading = " → ".join(names) if len(names) < 3 else f"{len(names)} files compared"
    page = Page(
        title=f"{heading} · pose report",
        heading=heading,
        verdict=verdict(found),
        files=[
            Headed(label, file.name, f"{len(file.poses)} poses on {len(file.poses.images)} images")
            for label, file in zip(found.labels, subject.files, strict=True)
        ],
        sections=sections,
        kinds=tuple(KINDS),
        open=OPEN,
        version=__version__,
        made=subject.made,
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string((FOLDER / "page.html.jinja").read_text("utf-8"))
    style, script = ((FOLDER / f"page.{end}").read_text("utf-8") for end in ("css", "js"))
    # No text of others may end the element that holds it.
    embedded = dump_json(data).decode().replace("<", "\\u003c")
    html = template.render(
        page=page, style=Markup(style), script=Markup(script), data=Markup(embedded)
    )
    return html.encode("utf-8", "replace"), _facts(subject, found)


def _facts(subject: Subject, found: Analysis) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "rows": len(found.rows),
        "cases": len(found.cases),
        "notes": list(found.notes),
        "pictures_left_out": found.pictures_left_out,
    }
    if found.measured:
        reports = [each.evaluation.report for each in found.measured]
        named = dict(zip((file.path for file in subject.files), reports, strict=True))
        facts["ap"] = {path: report["AP"] for path, report in named.items()}
        facts["warnings"] = {path: report.warnings for path, report in named.items()}
    return facts


def _made(subject: Subject, found: Analysis) -> Section:
    """Return the section that tells how files and page came to be."""
    blocks: list[Block] = []
    head = ["", "file", "SHA-256", "format", "skeleton", "poses", "images"]
    rows = [
        [
            label,
            file.path,
            file.sha256[:DIGEST] or "-",
            str(file.poses.meta.get("format", "-")),
            file.poses.skeleton.name,
            str(len(file.poses)),
            str(len(file.poses.images)),
        ]
        for label, file in zip(found.labels, subject.files, strict=True)
    ]
    if subject.truth is not None:
        truth = subject.truth
        digest = subject.truth_sha256[:DIGEST] or "-"
        people, images = str(len(truth.persons)), str(len(truth.images))
        rows.append(
            ["Truth", truth.where, digest, "annotations", truth.skeleton.name, people, images]
        )
    blocks.append(Tabular(Table(head, rows), "Files", words=True))
    for label, file in zip(found.labels, subject.files, strict=True):
        if file.poses.history:
            steps = [
                [step.name, _parameters(step.parameters), step.weights or "-"]
                for step in file.poses.history
            ]
            table = Table(["step", "parameters", "weights"], steps)
            blocks.append(Tabular(table, f"{label}: what was done to it", words=True))
    versions = [["refine", __version__], ["Python", platform.python_version()]]
    versions += [[name, v] for name in PACKAGES if (v := _version_of(name))]
    table = Table(["package", "version"], versions)
    blocks.append(Folded([Tabular(table, "Packages", words=True)], "Versions"))
    notes = [note for file in subject.files for note in file.notes]
    notes += [*found.notes]
    notes += [f"command: {subject.command}"] if subject.command else []
    blocks += [Notes(notes)] if notes else []
    return Section("made", "How it was made", "How this was made", "", blocks)


def _parameters(parameters: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items()) or "-"


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
