"""Checks of exercise 12, the capstone: a plan, a fair comparison, and a measured statement.

They judge neither images nor questions. They test that a run can be repeated, that all runs have
the same budget, and that a sentence agrees with its table.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import re
from collections.abc import Callable, Generator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from nst_teach.facade import transfer
from nst_teach.images import ImageError, load_image
from nst_teach.networks import FeatureNetwork, load_network
from nst_teach.records import Record
from nst_teach.results import Result
from nst_teach_checks._core import Answer, task

__all__ = ["compare", "plan", "run", "statement"]

FIELDS = ("question", "vary", "values", "evaluations", "settings")
NEEDED = ("content", "style", "size", "seed", "optimizer")
"""Settings without which nobody can repeat a run."""
COUNTED = ("steps", "callback")
"""Arguments of `transfer` that the budget of evaluations takes the place of."""

FEWEST_WORDS, FEWEST_RUNS, FEWEST_EVALUATIONS = 5, 3, 10

TRIAL = 24
"""Pixels of the images of a run that only shows that there can be one."""

Plan = dict[str, Any]
Rows = list[dict[str, Any]]

# 1 The plan


@task("Your plan", points=2, reread=("08_which_layers", "Why the obvious comparison is unfair"))
def plan(answer: Answer) -> None:
    """`plan()`: a question, the setting that varies, its values, and the other settings."""
    made = answer()
    _must_have(answer, made)
    _must_ask(answer, made["question"])
    _must_vary(answer, made["vary"], made["values"], made["settings"])
    _must_be_repeatable(answer, made)
    if answer() != made:
        answer.reject(
            "another-each-time", "called twice, your function returns two different plans",
            "Nobody can repeat a plan whose entries change from call to call. Decide on fixed "
            "values.",
        )  # fmt: skip
    _must_have_numbers(answer, made)
    _must_find_its_pictures(answer, made)
    _must_run(answer, made)


def _must_have(answer: Answer, made: Any) -> None:
    if not isinstance(made, dict):
        answer.reject(
            "not-a-plan", f"your function returned a value of type {type(made).__name__}",
            f"A plan is a dictionary with the entries {', '.join(FIELDS)}.",
        )  # fmt: skip
    missing = [field for field in FIELDS if field not in made]
    if missing or not isinstance(made["settings"], dict):
        answer.reject(
            "field-missing", f"your plan has {', '.join(made) or 'no entries'}",
            f"A plan has the entries {', '.join(FIELDS)}, and its settings are a dictionary. Look "
            "at the list in the task.",
        )  # fmt: skip


def _must_ask(answer: Answer, question: Any) -> None:
    words = question.split() if isinstance(question, str) else []
    if len(words) < FEWEST_WORDS or not question.rstrip().endswith("?"):
        answer.reject(
            "not-a-question", f"your question is {question!r:.60}",
            "Ask, in a whole sentence, something that a table can answer.",
        )  # fmt: skip


def _must_vary(answer: Answer, vary: Any, values: Any, settings: Plan) -> None:
    for name, wrong, seen, hint in _faults_of_comparison(vary, values, settings):
        if wrong:
            answer.reject(name, seen, hint)


def _faults_of_comparison(
    vary: Any, values: Any, settings: Plan
) -> list[tuple[str, bool, str, str]]:
    arguments = list(inspect.signature(transfer).parameters)
    several = not isinstance(vary, str)
    used = [*settings, *([] if several else [vary])]
    unknown = [name for name in used if name not in arguments]
    missing = [name for name in NEEDED if name not in used]
    counted = [name for name in COUNTED if name in used]
    listed = isinstance(values, (list, tuple))
    shown = [repr(value) for value in values] if listed else []
    return [
        ("several-things-vary", several, f"what varies is {vary!r:.60}",
         "If two settings change at once, which of them made the difference? Name one setting."),
        ("unknown-setting", bool(unknown), f"transfer has no setting {', '.join(unknown)}",
         "Settings are arguments of transfer, spelt exactly as there. help(transfer) lists them."),
        ("varies-and-stays", not several and vary in settings,
         f"{vary} varies, but it is also among the settings that stay the same",
         "A setting that varies has no fixed value. In which of the two places should it be "
         "written?"),
        ("budget-as-steps", bool(counted), f"your settings contain {', '.join(counted)}",
         "A step of L-BFGS may cost two evaluations or more, while a step of Adam costs one. In "
         "which unit is a budget fair?"),
        ("seed-missing", missing == ["seed"], "your settings contain no seed",
         "A run from noise depends on the seed. Write one down even if it plays no part in your "
         "runs."),
        ("setting-missing", bool(missing), f"your settings do not contain: {', '.join(missing)}",
         "Could somebody else repeat your runs from the plan alone? A default may change in the "
         "next version of the package."),
        ("not-a-list", not listed, f"your values are {values!r:.60}",
         "Give the values as a list, one for each run."),
        ("too-few-runs", listed and len(shown) < FEWEST_RUNS, f"your plan has {len(shown)} values",
         "Two points always lie on a line. How many runs does it take to show a trend?"),
        ("same-value-twice", len(set(shown)) < len(shown), f"your values are {', '.join(shown)}",
         "One value occurs twice. With the same seed it gives the same image."),
    ]  # fmt: skip


def _must_be_repeatable(answer: Answer, made: Plan) -> None:
    budget = made["evaluations"]
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < FEWEST_EVALUATIONS:
        answer.reject(
            "no-budget", f"evaluations is {budget!r:.60}",
            "Each run has the same budget, a whole number of evaluations, at least "
            f"{FEWEST_EVALUATIONS}.",
        )  # fmt: skip
    try:
        json.dumps(made, allow_nan=False)
    except (TypeError, ValueError) as error:
        answer.reject(
            "not-plain", f"your plan cannot be written to a file: {error}",
            "A plan contains names and numbers. Refer to an image by its file or its sample, and "
            "to a network by its name.",
        )  # fmt: skip


def _must_have_numbers(answer: Answer, made: Plan) -> None:
    for value in made["values"]:
        used = _settings_of(made, value)
        texts = [name for name, part in used.items() if _is_a_number_as_text(part)]
        if texts:
            answer.reject(
                "number-as-text", f"{texts[0]} is {used[texts[0]]!r}, a text",
                "Digits in quotation marks are text. Write a number without them.",
            )  # fmt: skip


def _is_a_number_as_text(value: Any) -> bool:
    return isinstance(value, str) and NUMBER.fullmatch(value.strip()) is not None


def _must_find_its_pictures(answer: Answer, made: Plan) -> None:
    for value in made["values"]:
        used = _settings_of(made, value)
        for name in ("content", "style"):
            try:
                load_image(used[name], size=TRIAL)
            except ImageError as error:
                answer.reject(
                    "picture-not-found", f"{name}: {error}",
                    "Is the file next to this notebook, and is its name, with the extension, "
                    "spelt correctly? nst_teach.samples.names() lists the samples.",
                )  # fmt: skip


def _must_run(answer: Answer, made: Plan) -> None:
    """Try the settings: a run that cannot begin measures nothing."""
    for value in made["values"]:
        used = _settings_of(made, value)
        if not isinstance(used["seed"], int):
            answer.reject(
                "no-seed", f"seed is {used['seed']!r:.60}",
                "A seed is a whole number.",
            )  # fmt: skip
        settings = json.dumps({**used, "network": None}, sort_keys=True)
        if error := _refused_size(used) or _trial(settings):
            answer.reject(
                "cannot-run", f"with {made['vary']} = {value!r:.60}, transfer says: {error:.300}",
                "No run of your plan can begin with this. What does the message offer instead?",
            )  # fmt: skip


def _refused_size(used: Plan) -> str:
    """What is said against the size of the run; nothing if both images can have it."""
    try:
        for name in ("content", "style"):
            load_image(used[name], size=used["size"])
    except ImageError as error:
        return str(error)
    return ""


@cache
def _trial(settings: str) -> str:
    """What `transfer` says against these settings at a tiny size; nothing if it can run."""
    used = json.loads(settings)
    used.update(network=_network(), size=TRIAL, style_size=TRIAL, progress=False)
    try:
        transfer(**used, steps=1, callback=lambda *_: False)
    except (TypeError, ValueError, KeyError) as error:
        return str(error)
    return ""


@cache
def _network() -> FeatureNetwork:
    return load_network()


def _settings_of(made: Plan, value: Any) -> Plan:
    return {**made["settings"], made["vary"]: value}


# 2 One run

SIZE, BUDGET = 24, 7
"""A tiny run: long enough for a line search to spend more evaluations than steps."""

FEW_STEPS = 3
"""The default number of steps of `transfer` in this check: a budget may be larger than any default,
and this one is."""


ROUNDING = 1e-3
"""How far two runs of one plan may be apart, per pixel: their last digits depend on where in memory
a tensor lies. Another seed, style or size is a hundred times as far."""


def _tiny_plan(answer: Answer, vary: str, values: list[Any], **settings: Any) -> Plan:
    seed = int(torch.randint(1, 10**6, (), generator=answer.inputs.generator))
    fixed = {
        "content": "coffee", "style": "dots", "size": SIZE, "seed": seed, "start": "noise",
        "optimizer": "adam",
    }  # fmt: skip
    fixed = {key: value for key, value in {**fixed, **settings}.items() if key != vary}
    return {"question": "Does it matter in the end?", "vary": vary, "values": values,
            "evaluations": BUDGET, "settings": fixed}  # fmt: skip


def _right_run(made: Plan, value: Any) -> Result:
    budget = made["evaluations"]
    return transfer(
        **_settings_of(made, value), steps=budget,
        callback=lambda record, _: record.evaluations < budget,
    )  # fmt: skip


TOO_MANY = (
    "Steps are not evaluations. transfer calls your callback after each evaluation, with a record "
    "that counts them. What must the callback return to end the run?"
)
TOO_FEW = (
    "Two things can end a run: your callback, and the number of steps that transfer may take. "
    "Which of them ended yours too early? A budget may be larger than the default number of steps, "
    f"and in this check it is: the default is {FEW_STEPS}."
)


@task("One run", points=2, reread=("06_lbfgs_versus_adam", "The race"))
def run(answer: Answer) -> None:
    """`run(plan, value)`: the `Result` for one value, after the planned number of evaluations."""
    plans = [
        (_tiny_plan(answer, "optimizer", ["adam", "lbfgs"]), ("adam", "lbfgs")),
        (_tiny_plan(answer, "style", ["dots", "brick"]), ("brick",)),
        (_tiny_plan(answer, "beta", [1e3, 1e5], alpha=2.0), (1e5,)),
    ]
    for made, values in plans:
        for value in values:
            _must_follow(answer, made, value, _spent_as_planned(answer, made, value))


@contextlib.contextmanager
def _few_steps_by_default() -> Generator[None]:
    defaults = transfer.__kwdefaults__ or {}
    transfer.__kwdefaults__ = {**defaults, "steps": FEW_STEPS}
    try:
        yield
    finally:
        transfer.__kwdefaults__ = defaults


def _spent_as_planned(answer: Answer, made: Plan, value: Any) -> Result:
    """The result of one run, which must have used the whole budget and no more."""
    with _few_steps_by_default():
        result = answer(made, value)
    if not isinstance(result, Result):
        answer.reject(
            "not-a-result", f"your function returned a value of type {type(result).__name__}",
            "Return the whole result of transfer: the table needs the history as well.",
        )  # fmt: skip
    spent, budget = len(result.history), made["evaluations"]
    if spent != budget:
        answer.reject(
            "another-budget",
            f"{_settings_of(made, value)['optimizer']} used {spent} evaluations; the plan has "
            f"{budget}",
            TOO_MANY if spent > budget else TOO_FEW,
        )  # fmt: skip
    return result


def _must_follow(answer: Answer, made: Plan, value: Any, result: Result) -> None:
    """Compare with the right run: all settings together decide the picture."""
    right, again = _right_run(made, value), answer(made, value)
    if not _same_picture(result.image, again.image):
        answer.reject(
            "not-repeatable", "called twice with the same plan, your function returns two "
                              "different images",
            "Something in your run is random. Which setting makes it repeatable, and is it passed "
            "to transfer?",
        )  # fmt: skip
    ignored = [key for key, used in right.settings.items() if result.settings.get(key) != used]
    same = _is_that_run(result, right, made, value)
    if made["vary"] in ignored or (not same and not ignored):
        answer.reject(
            "value-ignored",
            f"with {made['vary']} = {value!r}, your run is not the one that the plan describes",
            "The value belongs to the setting named by plan['vary']. Is it passed to transfer "
            "under that name?",
        )  # fmt: skip
    if ignored:
        answer.reject(
            "settings-ignored", f"your run did not receive the plan's {', '.join(ignored)}",
            "Pass on everything in plan['settings'] instead of naming single settings: the next "
            "plan may contain others.",
        )  # fmt: skip


def _is_that_run(result: Result, right: Result, made: Plan, value: Any) -> bool:
    """The picture of the right run, or that of Adam where it ends after so many steps by itself."""
    if _same_picture(result.image, right.image):
        return True
    full = transfer(**_settings_of(made, value), steps=made["evaluations"] - 1)
    return len(full.history) == len(right.history) and _same_picture(result.image, full.image)


def _same_picture(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and (one - other).abs().mean().item() < ROUNDING


# 3 The table


def _record(evaluations: int, total: float) -> Record:
    return Record(evaluations // 2, evaluations, 0.1 * evaluations, total, {}, {}, 0.0)


class _Laboratory:
    """Runs and measurements in place of real ones: a picture whose value can be told from it."""

    def __init__(self, answer: Answer, spent: Sequence[int], *, more: str = "left", fails: int = 9):
        sides = sorted(answer.inputs.sides(len(spent)))
        self.values = [f"value {n}" for n in (*sides[1:], sides[0])]  # in no order of the alphabet
        self.spent = dict(zip(self.values, spent, strict=True))
        levels = answer.inputs.normal(len(spent)).sort().values.tolist()
        self.levels = dict(zip(self.values, (levels[-1], *levels[:-1]), strict=True))  # nor of size
        self.plan = _tiny_plan(answer, "style", self.values)
        self.plan["evaluations"] = 100
        self.more, self.broken = more, self.values[fails:]
        self.results: dict[str, Result] = {}
        self.follows = True

    def run(self, plan: Plan, value: Any) -> Result:
        self.follows = self.follows and plan == self.plan
        if value in self.broken:
            raise MemoryError(BROKEN)
        history = [_record(n + 1, self.levels[value]) for n in range(self.spent[value])]
        picture = torch.full((1, 3, 2, 2), self.levels[value])
        self.results[value] = Result(picture, history, steps=self.spent[value] // 2)
        return self.results[value]

    def measure(self, image: Tensor) -> dict[str, float]:
        return self._measured(image.mean().item())

    def _measured(self, level: float) -> dict[str, float]:
        return {"price": math.exp(level), self.more: level**2}

    def rows(self) -> Rows:
        return [
            {"value": value, "evaluations": self.spent[value], **self._measured(self.levels[value])}
            for value in self.values
        ]

    def is_as_it_was(self) -> bool:
        """Whether the results of the runs are those that were handed out."""
        return all(
            len(result.history) == self.spent[value]
            and (result.image == torch.full((1, 3, 2, 2), self.levels[value])).all()
            for value, result in self.results.items()
        )


@task("The table", points=3, reread=("08_which_layers", "Is it fair now?"))
def compare(answer: Answer) -> None:
    """`compare(plan, run, measure)`: a row for each value; a `ValueError` if budgets differ."""
    for count, spent, more in ((3, 40, "left"), (4, 73, "roughness")):
        laboratory = _Laboratory(answer, [spent] * count, more=more)
        made = answer(laboratory.plan, laboratory.run, laboratory.measure)
        if not laboratory.follows:
            answer.reject(
                "another-plan", "your function calls run with something other than the plan",
                "`run` takes the plan, and one of its values, in this order.",
            )  # fmt: skip
        if not laboratory.is_as_it_was():
            answer.reject(
                "changed-result", "after the call, a result of `run` is no longer what it was",
                "Whoever called the function keeps the results, and shows their images. Measure "
                "them without changing them.",
            )  # fmt: skip
        _examine_rows(answer, laboratory, made)
    for odd in ([40, 40, 47], [40, 47, 40], [47, 40, 40]):
        _must_refuse(answer, _Laboratory(answer, odd))
    _must_pass_errors_on(answer, _Laboratory(answer, [40] * 3, fails=1))


def _examine_rows(answer: Answer, laboratory: _Laboratory, rows: Any) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        answer.reject(
            "not-rows", f"your function returned a value of type {type(rows).__name__}",
            "A table is a list with one dictionary for each row.",
        )  # fmt: skip
    expected = laboratory.rows()
    if len(rows) != len(expected):
        answer.reject(
            "rows-missing", f"values in the plan: {len(expected)}; rows in your table: {len(rows)}",
            "Every value of the plan needs a row. Where does your loop begin and end?",
        )  # fmt: skip
    for row, right in zip(rows, expected, strict=True):
        for name, wrong, hint in _faults_of_row(laboratory, row, right):
            if wrong:
                answer.reject(name, f"one of your rows is {row!r:.200}", hint)


def _faults_of_row(
    laboratory: _Laboratory, row: dict[str, Any], right: dict[str, Any]
) -> list[tuple[str, bool, str]]:
    value = right["value"]
    spent, measured = row.get("evaluations"), {"price", laboratory.more}
    return [
        ("column-missing", not right.keys() <= row.keys(),
         "A row contains value, evaluations, and everything that measure returns."),
        ("out-of-order", row.get("value") != value,
         "The rows should contain the values, in the order of the plan."),
        ("budget-for-spent", spent == laboratory.plan["evaluations"],
         "That is the budget of the plan. How do you know that the run has used all of it? Look "
         "at its history."),
        ("steps-for-evaluations", spent == right["evaluations"] // 2,
         "You count steps. A step may take several evaluations."),
        ("not-what-was-spent", spent != right["evaluations"],
         "How many evaluations did this run make? Its history has a record for each."),
        ("another-picture", any(not _close(row[key], right[key]) for key in measured & row.keys()),
         "Which image have you measured in this row? It should be the one from the run with this "
         "value."),
    ]  # fmt: skip


def _close(one: Any, other: float) -> bool:
    return isinstance(one, (int, float)) and math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)


def _refusal(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        function(*arguments)
    except ValueError:
        return True
    return False


def _must_refuse(answer: Answer, laboratory: _Laboratory) -> None:
    refused = answer.guarded(
        lambda: _refusal(answer.value, laboratory.plan, laboratory.run, laboratory.measure)
    )
    if refused is not True:
        answer.reject(
            "unequal-budgets",
            f"the runs used {', '.join(map(str, laboratory.spent.values()))} evaluations, and "
            "your function made a table of them",
            "A run may end early, and the comparison is then unfair. Raise a ValueError that says "
            "how many evaluations each run has used.",
        )  # fmt: skip


BROKEN = "this run has no memory left"


def _must_pass_errors_on(answer: Answer, laboratory: _Laboratory) -> None:
    def is_told() -> bool:
        try:
            answer.value(laboratory.plan, laboratory.run, laboratory.measure)
        except Exception:
            return True
        return False

    if answer.guarded(is_told) is not True:
        answer.reject(
            "error-swallowed", "one of the runs failed with an error, and your function returned "
                               "as if nothing had happened",
            "A table without this run, or with an empty row, looks like a result. Let the error "
            "through, so that the reader learns of it.",
        )  # fmt: skip


# 4 The statement

NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?\s?%?", re.IGNORECASE)
TWO_DIGITS = 0.051
"""How far a number with two significant digits may be from the one that it stands for."""

COLUMNS = ("price", "left")
SPENT = 57


CLAIM = "Claim 1: the loss begins to converge at the very start"


@task("A measured statement", points=3, reread=("12_two_studies", CLAIM))
def statement(answer: Answer) -> None:
    """`statement(rows)`: one sentence that states what the table shows, with its numbers."""
    tables = [
        _table(answer, 0.13, ("brick", "dots", "grass", "gravel")),
        _table(answer, 0.16, (250, 8000, 40, 1600)),
    ]
    said = [answer(rows) for rows in tables]
    for sentence in said:
        _must_be_a_sentence(answer, sentence)
    if said[0] == said[1]:
        answer.reject(
            "typed-by-hand", "for two different tables you return the same sentence: "
                             f"{said[0]!r:.120}",
            "If you change the plan, the numbers change, but a sentence typed by hand does not. "
            "Take every number from rows.",
        )  # fmt: skip
    for rows, sentence in zip(tables, said, strict=True):
        _must_say(answer, rows, sentence)


def _table(answer: Answer, smallest: float, values: Sequence[Any]) -> Rows:
    """Four rows; in each column the smallest and the largest stand in the middle."""
    base = smallest + 0.02 * torch.rand(1, generator=answer.inputs.generator).item()
    prices, lefts = (2.9, 1.0, 5.1, 1.7), (1.9, 3.9, 1.3, 2.9)
    return [
        {"value": value, "evaluations": SPENT, "price": base * p, "left": base * 1.2 * q}
        for value, p, q in zip(values, prices, lefts, strict=True)
    ]


def _must_be_a_sentence(answer: Answer, sentence: Any) -> None:
    if not isinstance(sentence, str) or len(sentence.split()) < FEWEST_WORDS:
        answer.reject(
            "not-a-sentence", f"your function returned {sentence!r:.80}",
            "Return one sentence, as a string. print() displays a text and returns None.",
        )  # fmt: skip


def _must_say(answer: Answer, rows: Rows, sentence: str) -> None:
    columns = [column for column in COLUMNS if re.search(rf"\b{column}\b", sentence)]
    if not columns:
        answer.reject(
            "quantity-not-named", f"your sentence: {sentence:.160}",
            "Better, stronger or nicer by which measure? Name a column of the table.",
        )  # fmt: skip
    faults = [_faults_of_sentence(rows, column, sentence) for column in columns]
    for name, wrong, hint in min(faults, key=lambda found: sum(wrong for _, wrong, _ in found)):
        if wrong:
            answer.reject(name, f"your sentence: {sentence:.160}", hint)


def _faults_of_sentence(rows: Rows, column: str, sentence: str) -> list[tuple[str, bool, str]]:
    ordered = sorted(rows, key=lambda row: row[column])
    low, high = ordered[0], ordered[-1]
    quoted = [_says(sentence, row[column]) for row in (low, high)]
    everything = all(_says(sentence, row[column]) for row in rows)
    ends = [_says(sentence, row[column]) for row in (rows[0], rows[-1])]
    return [
        ("no-number", not _numbers(sentence),
         "Your sentence contains no numbers. Without them nobody can tell a large difference "
         "from a small one."),
        ("first-and-last", all(ends) and not any(quoted),
         "You quote the first row and the last. Which rows contain the smallest and the largest "
         "entry?"),
        ("half-of-it", sum(quoted) == 1,
         "You quote only one extreme of the column. A comparison needs both."),
        ("whole-table", everything,
         "You quote every entry of the column. Which of them does a reader need in order to see "
         "what the table shows?"),
        ("another-number", not all(quoted),
         "Both the smallest and the largest entry of the column should be in your sentence, to "
         "at least two significant digits."),
        ("runs-not-named", not all(_names(sentence, row["value"]) for row in (low, high)),
         "To which runs do the numbers belong? Name the value for each of them."),
        ("extremes-exchanged", _exchanged(sentence, low, high, column),
         "Compare your sentence with the table: which run has the smallest entry, and which the "
         "largest? Do the words, the values and the numbers stand in the same order?"),
        ("budget-not-said", not _says(sentence, SPENT),
         "With which budget? Say how many evaluations each run had."),
    ]  # fmt: skip


LOW = r"\b(lowest|smallest|least|minimum|cheapest)\b"
HIGH = r"\b(highest|largest|greatest|most|maximum|dearest)\b"


def _exchanged(sentence: str, low: dict[str, Any], high: dict[str, Any], column: str) -> bool:
    """Whether the words or the values stand in another order than their numbers."""
    numbers = [_places(sentence, row[column]) for row in (low, high)]
    names = [_found(re.escape(str(row["value"])), sentence) for row in (low, high)]
    words = [_found(pattern, sentence) for pattern in (LOW, HIGH)]
    if any(len(found) != 1 for found in numbers):
        return False  # it says a number twice: too much for this test
    order = numbers[0] < numbers[1]
    texts = isinstance(low["value"], str)
    return any(
        all(len(found) == 1 for found in pair) and (pair[0] < pair[1]) != order
        for pair in ((names, words) if texts else (words,))
    )


def _found(pattern: str, sentence: str) -> list[int]:
    return [match.start() for match in re.finditer(pattern, sentence, re.IGNORECASE)]


def _places(sentence: str, number: float) -> list[int]:
    found = NUMBER.finditer(sentence)
    return [m.start() for m in found if abs(_number(m[0]) - number) <= TWO_DIGITS * abs(number)]


def _numbers(sentence: str) -> list[float]:
    return [_number(text) for text in NUMBER.findall(sentence)]


def _number(text: str) -> float:
    plain = text.replace(",", "").replace("−", "-").strip()
    return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)


def _says(sentence: str, number: float) -> bool:
    return any(abs(said - number) <= TWO_DIGITS * abs(number) for said in _numbers(sentence))


def _names(sentence: str, value: Any) -> bool:
    if isinstance(value, str):
        return value in sentence
    return str(value) in sentence or _says(sentence, value)
