"""The concept inventory is sound, and its files say what its source says."""

from __future__ import annotations

import copy
import html
import re
import zipfile
from collections import Counter
from xml.etree import ElementTree as ET

import inventory
import inventory_formats as formats
import inventory_qti as qti
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT

DATA = yaml.safe_load((ROOT / inventory.SOURCE).read_text(encoding="utf-8"))
CONTENT = inventory.read()
QUESTIONS = [question for form in CONTENT.forms.values() for question in form]


# The source


def second_right(data):
    data["concepts"][0]["A"]["options"][1]["is"] = "right"


def no_right(data):
    options = data["concepts"][0]["A"]["options"]
    options[:] = [option for option in options if option["is"] != "right"]


def three_options(data):
    del data["concepts"][0]["B"]["options"][3]


def unknown_misconception(data):
    data["concepts"][0]["A"]["options"][1]["is"] = "unheard-of"


def unused_misconception(data):
    data["misconceptions"]["idle"] = {"name": "Idle.", "belief": "Nobody believes it."}


def missing_form(data):
    del data["concepts"][0]["B"]


def forms_that_differ(data):
    other = data["concepts"][5]["A"]["options"][1]["is"]
    data["concepts"][0]["A"]["options"][1]["is"] = other


def text_twice(data):
    first, second, *_ = data["concepts"][0]["A"]["options"]
    second["text"] = first["text"]


def misconception_twice(data):
    _, second, third, _ = data["concepts"][0]["A"]["options"]
    third["is"] = second["is"]


def bare_number(data):
    data["concepts"][0]["A"]["options"][0]["text"] = 4.5


def no_reason(data):
    del data["concepts"][0]["A"]["options"][0]["why"]


def no_outcome(data):
    del data["concepts"][0]["outcome"]


def same_key(data):
    data["concepts"][1]["key"] = data["concepts"][0]["key"]


def chapter_left_out(data):
    data["concepts"] = [entry for entry in data["concepts"] if entry["chapter"] != 7]


FAULTS = {
    second_right: "2 correct options",
    no_right: "0 correct options",
    three_options: "3 options; write 4",
    unknown_misconception: "unknown misconception 'unheard-of'",
    unused_misconception: "misconception idle: no option leads to it",
    missing_form: "has no question in form B",
    forms_that_differ: "test different misconceptions",
    text_twice: "2 times the option",
    misconception_twice: "2 times the misconception",
    bare_number: "numbers need quotes",
    no_reason: "without 'why'",
    no_outcome: "lacks outcome",
    same_key: "the key of 2 concepts",
    chapter_left_out: "chapter 7: no concept",
}


def test_source_is_sound():
    assert list(inventory.problems(DATA)) == []


@pytest.mark.parametrize(("spoil", "said"), FAULTS.items())
def test_a_fault_is_found(spoil, said):
    data = copy.deepcopy(DATA)
    spoil(data)
    assert any(said in problem for problem in inventory.problems(data))


def test_a_faulty_source_is_not_written(tmp_path):
    data = copy.deepcopy(DATA)
    second_right(data)
    path = tmp_path / inventory.SOURCE
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(inventory.InventoryError, match="range, form A: 2 correct options"):
        inventory.write(tmp_path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_there_are_24_questions_in_each_form_over_all_chapters():
    for questions in CONTENT.forms.values():
        assert len(questions) == 24
        assert {question.chapter for question in questions} == set(range(1, 13))


def test_both_forms_ask_for_the_same_concepts_with_other_questions():
    first, second = CONTENT.forms.values()
    assert [question.concept for question in first] == [question.concept for question in second]
    stems = [question.stem for question in QUESTIONS]
    assert len(stems) == len(set(stems))


# A test must not be passed by form: the place or the length of an option


@pytest.mark.parametrize("form", formats.FORMS)
def test_every_position_is_right_equally_often(form):
    positions = [
        [option.right for option in question.options].index(True)
        for question in CONTENT.forms[form]
    ]
    assert Counter(positions) == dict.fromkeys(range(4), 6)
    longest = max(len(run) for run in re.findall(r"0+|1+|2+|3+", "".join(map(str, positions))))
    assert longest <= 3


@pytest.mark.parametrize("form", formats.FORMS)
def test_choosing_the_longest_option_is_little_better_than_guessing(form):
    hits = sum(
        max(question.options, key=lambda option: len(option.text)).right
        for question in CONTENT.forms[form]
    )
    assert hits <= 8  # of 24; 6 is what guessing gives


@pytest.mark.parametrize("form", formats.FORMS)
def test_reasons_are_not_given_for_wrong_options_alone(form):
    """Whoever strikes out each "because" should not be left with the right options."""
    reasons = [
        "because" in option.text
        for question in CONTENT.forms[form]
        for option in question.options
        if option.right and any("because" in other.text for other in question.options)
    ]
    assert sum(reasons) >= len(reasons) / 2


def test_no_question_needs_a_package():
    words = re.compile(r"nst_teach|petite|torch|tensorflow|keras|\w\(\)|relu\d|conv\d", re.I)
    for question in QUESTIONS:
        for text in (question.stem, *(option.text for option in question.options)):
            assert not words.search(text), text


# Numbers that can be computed


def options(name):
    """The option of each kind in a question: its text by the key of its misconception."""
    question = next(question for question in QUESTIONS if question.name == name)
    return {
        option.misconception.key if option.misconception else "right": option.text
        for option in question.options
    }


def rows(matrix):
    return " and ".join("(" + ", ".join(f"{int(x)}" for x in row) + ")" for row in matrix).replace(
        "-", "−"
    )


@pytest.mark.parametrize(("name", "f"), [("A09", [[2, 0], [1, 3]]), ("B09", [[1, 3], [4, 0]])])
def test_gram_matrices_by_hand(name, f):
    np = pytest.importorskip("numpy")
    f = np.array(f)
    centred = f - f.mean(axis=1, keepdims=True)
    assert options(name) == {
        "right": rows(f @ f.T),
        "gram-pixels": rows(f.T @ f),
        "gram-covariance": rows(centred @ centred.T),
        "gram-elementwise": rows(f * f),
    }


@pytest.mark.parametrize(("name", "layers"), [("A04", 2), ("B04", 3)])
def test_receptive_fields(name, layers):
    found = options(name)
    assert found["right"].startswith(f"{1 + 2 * layers} ×")
    assert found["fields-multiply"].startswith(f"{3**layers} ×")


@pytest.mark.parametrize(("name", "zoom"), [("A12", 2), ("B12", 1 / 3)])
def test_size_and_balance(name, zoom):
    """With M the number of positions: the sum grows as M, the style loss as M² / M² = 1."""
    positions = zoom**2
    found = options(name)
    for key, change in (
        ("right", positions),
        ("divided-twice", positions * positions**2),
        ("side-counts", zoom),
    ):
        assert f"about {round(max(change, 1 / change))} times" in found[key] or (
            "about twice" in found[key] and change == 2
        )


# The files


def test_files_are_up_to_date():
    assert inventory.stale() == []


def test_check_reports_a_stale_file(monkeypatch, capsys):
    monkeypatch.setattr(inventory, "stale", lambda: [ROOT / "book/inventory.md"])
    assert inventory.main(["--check"]) == 1
    assert "python tools/inventory.py" in capsys.readouterr().err


ITEM = re.compile(r"::(?P<title>(?:\\.|[^\\:])*)::\[html\](?P<stem>(?:\\.|[^\\{}])*)\{")
ANSWER = re.compile(
    r"\s*(?P<mark>[=~])(?P<text>(?:\\.|[^\\#=~{}])*)#(?P<feedback>(?:\\.|[^\\#=~{}])*)"
)
END = re.compile(r"\s*\}\s*")


def parse_gift(text):
    """The questions of a GIFT file: title, stem and answers (right, text, feedback).

    The part of the grammar that the files use. A control character that is not escaped is an error.
    """
    text = re.sub(r"^(//|\$CATEGORY:).*\n", "", text, flags=re.M).strip()
    place, questions = 0, []
    while place < len(text):
        head = ITEM.match(text, place)
        assert head, f"no question at: {text[place : place + 60]!r}"
        place, answers = head.end(), []
        while answer := ANSWER.match(text, place):
            place = answer.end()
            answers.append((answer["mark"] == "=", read(answer["text"]), read(answer["feedback"])))
        end = END.match(text, place)
        assert end, f"no end of the question at: {text[place : place + 60]!r}"
        place = end.end()
        questions.append((read(head["title"]), read(head["stem"]), answers))
    return questions


def read(text):
    r"""A text of GIFT as a reader sees it: escapes and entities resolved, \( … \) as $ … $."""
    text = re.sub(r"\\([\\~=#{}:])", r"\1", text.strip())
    return html.unescape(re.sub(r"\\\((.*?)\\\)", r"$\1$", text))


def without_marks(option):
    start = "Yes. " if option.right else ""
    end = f" (Misconception: {option.misconception.name})" if option.misconception else ""
    return f"{start}{option.why}{end}"


@pytest.mark.parametrize("form", formats.FORMS)
def test_gift_gives_back_the_source(form):
    path = ROOT / inventory.DOWNLOADS / f"form_{form.lower()}.gift"
    found = parse_gift(path.read_text(encoding="utf-8"))
    assert len(found) == len(CONTENT.forms[form])
    for (title, stem, answers), question in zip(found, CONTENT.forms[form], strict=True):
        assert title == f"{question.name} {question.concept}"
        assert stem == question.stem
        assert [right for right, *_ in answers] == [option.right for option in question.options]
        assert [text for _, text, _ in answers] == [option.text for option in question.options]
        assert [feedback for *_, feedback in answers] == [
            without_marks(option) for option in question.options
        ]


def test_control_characters_survive_gift():
    text = r"a ~ b = c # d { e } f : g \ h < i & $\tfrac{1}{2} x = 1$"
    option = formats.Option(text, "Because: it is.", None)
    question = formats.Question("A01", "A: title", 1, "", text, (option,))
    ((title, stem, answers),) = parse_gift(formats.gift([question], "A"))
    assert (title, stem) == ("A01 A: title", text)
    assert answers == [(True, text, "Yes. Because: it is.")]


def test_the_parser_refuses_what_is_not_escaped():
    sound = "::A::[html]stem{\n=right#yes\n~wrong#no\n}\n"
    assert len(parse_gift(sound)[0][2]) == 2
    for spoilt in (sound.replace("stem", "a{b"), sound.replace("yes", "y#es"), sound[:-3]):
        with pytest.raises(AssertionError, match="at:"):
            parse_gift(spoilt)


def read_package(path):
    """The questions of a QTI package, found as an importer does: from the manifest to the quiz."""
    with zipfile.ZipFile(path) as archive:
        manifest = ET.fromstring(archive.read("imsmanifest.xml"))
        (resource,) = manifest.iterfind(f".//{{{qti.PACKAGING}}}resource[@type='{qti.QUIZ}']")
        (file,) = resource
        quiz = ET.fromstring(archive.read(file.get("href")))
    return list(quiz.iter(f"{{{qti.QUESTIONS}}}item"))


def html_of(text):
    return formats.with_formulas(text, formats.formula_html)


@pytest.mark.parametrize("form", formats.FORMS)
def test_package_for_canvas_gives_back_the_source(form):
    names = {"q": qti.QUESTIONS}
    items = read_package(ROOT / inventory.DOWNLOADS / f"form_{form.lower()}.zip")
    for item, question in zip(items, CONTENT.forms[form], strict=True):
        stem = item.find("q:presentation/q:material/q:mattext", names)
        assert stem.text == html_of(question.stem)
        labels = item.findall(".//q:response_label", names)
        texts = [label.find(".//q:mattext", names).text for label in labels]
        assert texts == [html_of(option.text) for option in question.options]
        scored = {
            condition.find(".//q:varequal", names).text: condition.find("q:setvar", names).text
            for condition in item.iterfind(".//q:respcondition", names)
            if condition.find("q:setvar", names) is not None
        }
        right = [option.right for option in question.options].index(True)
        assert scored == {labels[right].get("ident"): "100"}
        feedback = {
            entry.get("ident"): entry.find(".//q:mattext", names).text
            for entry in item.iterfind("q:itemfeedback", names)
        }
        shown = {
            condition.find(".//q:varequal", names).text: feedback[display.get("linkrefid")]
            for condition in item.iterfind(".//q:respcondition", names)
            for display in condition.iterfind("q:displayfeedback", names)
        }
        assert [shown[label.get("ident")] for label in labels] == [
            html_of(without_marks(option)) for option in question.options
        ]


def test_packages_have_no_ident_twice_and_do_not_depend_on_the_time():
    for form, questions in CONTENT.forms.items():
        tree = ET.fromstring(ET.tostring(qti.quiz(questions, "name", form)))
        idents = [
            element.get("ident")
            for element in tree.iter()
            if "ident" in element.attrib and not element.tag.endswith("response_lid")
        ]
        assert len(idents) == len(set(idents))
        with zipfile.ZipFile(ROOT / inventory.DOWNLOADS / f"form_{form.lower()}.zip") as archive:
            assert {entry.date_time for entry in archive.infolist()} == {qti.DATE}


@pytest.mark.parametrize("form", formats.FORMS)
def test_sheet_has_the_questions_and_gives_no_answer_away(form):
    text = (ROOT / inventory.DOWNLOADS / f"form_{form.lower()}.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    items = soup.select("ol.questions > li")
    assert [len(item.select("ol.options > li")) for item in items] == [4] * 24
    assert not soup.find_all(["script", "link", "img"])
    assert "$" not in text
    assert "\\" not in text
    for question in CONTENT.forms[form]:
        assert all(html.escape(option.why, quote=False) not in text for option in question.options)
    assert not [entry.name for entry in CONTENT.misconceptions.values() if entry.name in text]


def test_formulas_of_the_sheet():
    assert formats.formula_html("F F^T") == "<i>F</i><i>F</i><sup><i>T</i></sup>"
    assert formats.formula_html("x_1^2") == "<i>x</i><sub>1</sub><sup>2</sup>"
    assert formats.formula_html(r"\tfrac12 \sum (F - P)^2") == (
        "½Σ(<i>F</i> − <i>P</i>)<sup>2</sup>"
    )
    with pytest.raises(ValueError, match=r"\\sqrt"):
        formats.formula_html(r"\sqrt 2")


def test_page_marks_one_answer_of_each_question():
    page = (ROOT / "book/inventory.md").read_text(encoding="utf-8")
    for question in QUESTIONS:
        block = page.partition(f"**{question.name}. ")[2].partition("\n**")[0]
        assert block.count('<details class="answer">') == 3
        assert block.count('<details class="answer right">') == 1


# The teacher's guide


def test_guide_lists_every_misconception_with_its_questions():
    guide = (ROOT / inventory.GUIDE).read_text(encoding="utf-8")
    for key, entry in CONTENT.misconceptions.items():
        row = next(line for line in guide.splitlines() if line.startswith(f"| {entry.name[:-1]} |"))
        numbers = {int(number) for number in row.split(" | ")[-1].rstrip("| ").split(", ")}
        for form in CONTENT.forms.values():
            assert numbers == {
                int(question.name[1:])
                for question in form
                if key in {o.misconception.key for o in question.options if o.misconception}
            }


def test_what_the_guide_treats_at_length_has_the_same_name():
    """The guide advises on some misconceptions at length, and on some that no option can test."""
    guide = (ROOT / inventory.GUIDE).read_text(encoding="utf-8")
    treated = set(re.findall(r'^\*\*"(.+?)"\*\*', guide, re.M))
    assert len(treated & {entry.name for entry in CONTENT.misconceptions.values()}) >= 12
