"""A form of the concept inventory as a QTI 1.2 package, the kind of quiz file that Canvas imports.

A package is a zip file with a manifest and one XML file for the quiz
(https://www.imsglobal.org/question). The same questions always give the same bytes: the files are
stored, not compressed, and carry a fixed date.
"""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree as ET

from inventory_formats import Option, Question, formula_html, verdict, with_formulas

MANIFEST = "imsmanifest.xml"
"""The name that a package's list of contents must have."""

PACKAGING = "http://www.imsglobal.org/xsd/imscp_v1p1"
QUESTIONS = "http://www.imsglobal.org/xsd/ims_qtiasiv1p2"
QUIZ = "imsqti_xmlv1p2"
"""The type of a resource that is a quiz in QTI 1.2."""

RESPONSE = "response1"
DATE = (2026, 1, 1, 0, 0, 0)


def package(questions: list[Question], form: str) -> bytes:
    """The zip file of a form: 1 point for each question, with feedback for each option."""
    name = f"concept_inventory_{form.lower()}"
    files = {MANIFEST: manifest(name), f"{name}.xml": quiz(questions, name, form)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, root in files.items():
            archive.writestr(zipfile.ZipInfo(path, DATE), as_bytes(root))
    return buffer.getvalue()


def as_bytes(root: ET.Element) -> bytes:
    """An XML document as text in UTF-8."""
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def manifest(name: str) -> ET.Element:
    """The list of what is in the package: the quiz alone."""
    root = ET.Element("manifest", identifier=f"{name}_manifest", xmlns=PACKAGING)
    metadata = ET.SubElement(root, "metadata")
    ET.SubElement(metadata, "schema").text = "IMS Content"
    ET.SubElement(metadata, "schemaversion").text = "1.1.3"
    ET.SubElement(root, "organizations")
    resources = ET.SubElement(root, "resources")
    resource = ET.SubElement(resources, "resource", identifier=name, type=QUIZ)
    ET.SubElement(resource, "file", href=f"{name}.xml")
    return root


def quiz(questions: list[Question], name: str, form: str) -> ET.Element:
    """The quiz with all questions of a form, in one section."""
    root = ET.Element("questestinterop", xmlns=QUESTIONS)
    title = f"Concept inventory, form {form}"
    assessment = ET.SubElement(root, "assessment", ident=name, title=title)
    section = ET.SubElement(assessment, "section", ident="root_section")
    section.extend(item(question) for question in questions)
    return root


def item(question: Question) -> ET.Element:
    """A multiple-choice question: what it shows, how it is marked, what is said to each option."""
    title = f"{question.name} {question.concept}"
    root = ET.Element("item", ident=question.name, title=title)
    fields = ET.SubElement(ET.SubElement(root, "itemmetadata"), "qtimetadata")
    for label, entry in (("question_type", "multiple_choice_question"), ("points_possible", "1")):
        field = ET.SubElement(fields, "qtimetadatafield")
        ET.SubElement(field, "fieldlabel").text = label
        ET.SubElement(field, "fieldentry").text = entry
    options = {f"{question.name}_{n}": option for n, option in enumerate(question.options, 1)}
    _present(root, question.stem, options)
    _mark(root, options)
    for ident, option in options.items():
        feedback = ET.SubElement(root, "itemfeedback", ident=f"{ident}_fb")
        _text(ET.SubElement(feedback, "flow_mat"), verdict(option).replace("*", ""))
    return root


def _present(root: ET.Element, stem: str, options: dict[str, Option]) -> None:
    """Add the stem and the options, of which one may be chosen."""
    presentation = ET.SubElement(root, "presentation")
    _text(presentation, stem)
    response = ET.SubElement(presentation, "response_lid", ident=RESPONSE, rcardinality="Single")
    choices = ET.SubElement(response, "render_choice")
    for ident, option in options.items():
        _text(ET.SubElement(choices, "response_label", ident=ident), option.text)


def _mark(root: ET.Element, options: dict[str, Option]) -> None:
    """Add what a choice brings: its feedback, and 100 per cent for the right option."""
    processing = ET.SubElement(root, "resprocessing")
    outcomes = ET.SubElement(processing, "outcomes")
    ET.SubElement(
        outcomes, "decvar", maxvalue="100", minvalue="0", varname="SCORE", vartype="Decimal"
    )
    for ident in options:
        condition = _condition(processing, ident, "Yes")
        ET.SubElement(
            condition, "displayfeedback", feedbacktype="Response", linkrefid=f"{ident}_fb"
        )
    right = next(ident for ident, option in options.items() if option.right)
    condition = _condition(processing, right, "No")
    ET.SubElement(condition, "setvar", action="Set", varname="SCORE").text = "100"


def _condition(processing: ET.Element, ident: str, goes_on: str) -> ET.Element:
    """Add the case that an option was chosen; `goes_on` tells whether later cases are tried."""
    condition = ET.SubElement(processing, "respcondition", {"continue": goes_on})
    chosen = ET.SubElement(condition, "conditionvar")
    ET.SubElement(chosen, "varequal", respident=RESPONSE).text = ident
    return condition


def _text(parent: ET.Element, text: str) -> None:
    """Add a text of the source as HTML. Its formulas need no script."""
    material = ET.SubElement(parent, "material")
    entry = ET.SubElement(material, "mattext", texttype="text/html")
    entry.text = with_formulas(text, formula_html)
