"""Exercise 12, as students answer it."""

from __future__ import annotations

import functools
import random

import torch

from nst_teach import load_image, transfer
from wrong_answers import right, wrong

# plan


def _plan(**changes):
    settings = {"content": "coffee", "style": "dots", "size": 128, "seed": 3, "optimizer": "adam"}
    made = {
        "question": "Does the start still show after fifty evaluations?",
        "vary": "start",
        "values": ["content", "grey", "noise"],
        "evaluations": 50,
        "settings": settings,
    }
    return {**made, **changes}


def _with_settings(**changes):
    return _plan(settings={**_plan()["settings"], **changes})


def _without(name):
    settings = {key: value for key, value in _plan()["settings"].items() if key != name}
    return _plan(settings=settings)


@right("plan")
def about_the_start():
    return _plan()


@right("plan")
def about_the_layers():
    layers = [["relu1_1"], ["relu3_1"], ["relu1_1", "relu3_1", "relu5_1"]]
    question = "Which layers make the dots: shallow ones, deep ones, or all?"
    return _plan(question=question, vary="style_layers", values=layers)


@right("plan")
def about_the_painting():
    settings = {"content": "rocket", "size": 96, "seed": 0, "optimizer": "scipy", "beta": 1e5}
    styles = ("night_swirls", "oil_harbour", "dots", "brick")
    question = "Which of four styles leaves most of the rocket?"
    return _plan(question=question, vary="style", values=styles, settings=settings)


@right("plan")
def about_luck():
    return {**_without("seed"), "vary": "seed", "values": [1, 2, 3, 4]}


@wrong("plan", expects="not-a-plan")
def only_a_question():
    return "Does the start still show after fifty evaluations?"


@wrong("plan", expects="field-missing")
def without_a_budget():
    made = _plan()
    del made["evaluations"]
    return made


@wrong("plan", expects="field-missing")
def settings_as_a_list():
    return _plan(settings=["coffee", "dots"])


@wrong("plan", expects="not-a-question")
def a_topic():
    return _plan(question="Different starts")


@wrong("plan", expects="not-a-question")
def a_claim():
    return _plan(question="A grey start is better than a start from noise.")


@wrong("plan", expects="several-things-vary")
def two_at_once():
    return _plan(vary=["start", "beta"])


@wrong("plan", expects="unknown-setting")
def misspelt():
    return _with_settings(optimiser="adam")


@wrong("plan", expects="varies-and-stays")
def said_twice():
    return _with_settings(start="content")


@wrong("plan", expects="budget-as-steps")
def steps_in_the_settings():
    return _with_settings(steps=100)


@wrong("plan", expects="seed-missing")
def no_seed():
    return _without("seed")


@wrong("plan", expects="setting-missing")
def no_size():
    return _without("size")


@wrong("plan", expects="not-a-list")
def a_single_value():
    return _plan(values="noise")


@wrong("plan", expects="too-few-runs")
def before_and_after():
    return _plan(values=["content", "noise"])


@wrong("plan", expects="same-value-twice")
def repeated():
    return _plan(values=["content", "noise", "noise"])


@wrong("plan", expects="no-budget")
def a_budget_in_words():
    return _plan(evaluations="fifty")


@wrong("plan", expects="no-budget")
def hardly_any():
    return _plan(evaluations=1)


@wrong("plan", expects="not-plain")
def holds_a_tensor():
    return _with_settings(content=load_image("coffee", size=16))


@wrong("plan", expects="picture-not-found")
def a_file_that_is_elsewhere():
    return _with_settings(content="holiday/me.jpg")


@wrong("plan", expects="cannot-run")
def an_optimiser_that_is_unknown():
    return _with_settings(optimizer="adamw")


@wrong("plan", expects="cannot-run")
def a_start_that_is_unknown():
    return _plan(values=["content", "grey", "random"])


@wrong("plan", expects="number-as-text")
def beta_as_text():
    return _with_settings(beta="1e5")


@wrong("plan", expects="number-as-text")
def size_as_text():
    return _with_settings(size="96")


@wrong("plan", expects="cannot-run")
def no_pixels():
    return _with_settings(size=0)


@wrong("plan", expects="no-seed")
def half_a_seed():
    return _with_settings(seed=0.5)


@wrong("plan", expects="another-each-time")
def a_random_seed():
    return _with_settings(seed=random.random())


# run


def _settings(plan, value):
    return {**plan["settings"], plan["vary"]: value}


@right("run")
def counts_for_itself(plan, value):
    seen = []

    def callback(record, image):
        seen.append(record)
        if len(seen) == plan["evaluations"]:
            return False
        return None

    return transfer(callback=callback, steps=10**6, **_settings(plan, value))


@right("run")
class Run:
    def __call__(self, plan, value):
        settings = dict(plan["settings"])
        settings[plan["vary"]] = value
        stop = functools.partial(self.stop, plan["evaluations"])
        return transfer(**settings, callback=stop, steps=plan["evaluations"])

    def stop(self, budget, record, image):
        return not record.evaluations >= budget


@right("run")
def content_and_style_apart(plan, value):
    settings = _settings(plan, value)
    content, style = settings.pop("content"), settings.pop("style")
    budget = plan["evaluations"]
    return transfer(
        content, style, steps=budget, callback=lambda r, _: r.evaluations != budget, **settings
    )


@wrong("run", expects="another-budget")
def steps_for_evaluations(plan, value):
    return transfer(**_settings(plan, value), steps=plan["evaluations"])


@wrong("run", expects="another-budget")
def one_too_many(plan, value):
    budget = plan["evaluations"]
    return transfer(
        **_settings(plan, value), steps=2 * budget, callback=lambda r, _: r.evaluations <= budget
    )


@wrong("run", expects="another-budget")
def default_steps(plan, value):
    return transfer(**_settings(plan, value))


@wrong("run", expects="another-budget")
def default_steps_at_most(plan, value):
    budget = plan["evaluations"]
    return transfer(**_settings(plan, value), callback=lambda r, _: r.evaluations < budget)


@wrong("run", expects="not-a-result")
def the_picture_only(plan, value):
    return counts_for_itself(plan, value).image


@wrong("run", expects="value-ignored")
def always_the_first(plan, value):
    return counts_for_itself(plan, plan["values"][0])


@wrong("run", expects="settings-ignored")
def known_settings_only(plan, value):
    settings = _settings(plan, value)
    kept = ("content", "style", "size", "seed", "start", "optimizer", plan["vary"])
    return counts_for_itself({**plan, "settings": {k: settings[k] for k in kept}}, value)


@wrong("run", expects="settings-ignored")
def its_own_seed(plan, value):
    return counts_for_itself({**plan, "settings": {**plan["settings"], "seed": 0}}, value)


@wrong("run", expects="not-repeatable")
def a_new_seed_each_time(plan, value):
    seed = random.randrange(10**9)
    return counts_for_itself({**plan, "settings": {**plan["settings"], "seed": seed}}, value)


@wrong("run", expects="changed-input")
def writes_into_the_plan(plan, value):
    plan["settings"][plan["vary"]] = value
    return counts_for_itself(plan, value)


@wrong("run", expects="wrong-call")
def plan_as_arguments(plan, value):
    return transfer(**plan)


# compare


@right("compare")
def in_one_expression(plan, run, measure):
    results = {value: run(plan, value) for value in plan["values"]}
    if len({r.history[-1].evaluations for r in results.values()}) != 1:
        raise ValueError("the runs have not spent the same")
    return [
        {"value": v, "evaluations": r.history[-1].evaluations} | measure(r.image)
        for v, r in results.items()
    ]


@right("compare")
class Compare:
    def __call__(self, plan, run, measure):
        self.rows = []
        for value in plan["values"]:
            self.add(value, run(plan, value), measure)
        return self.rows

    def add(self, value, result, measure):
        row = {"value": value, "evaluations": len(result.history), "steps": result.steps}
        row.update(measure(result.image))
        if self.rows and row["evaluations"] != self.rows[0]["evaluations"]:
            raise ValueError(f"{value} spent {row['evaluations']} evaluations")
        self.rows.append(row)


def _rows(plan, run, measure, spent):
    rows = []
    for value in plan["values"]:
        result = run(plan, value)
        rows.append({"value": value, "evaluations": spent(plan, result), **measure(result.image)})
    if len({row["evaluations"] for row in rows}) > 1:
        raise ValueError("unequal")
    return rows


def _history(plan, result):
    return len(result.history)


@wrong("compare", expects="unequal-budgets")
def trusts_the_runs(plan, run, measure):
    rows = []
    for value in plan["values"]:
        result = run(plan, value)
        rows.append({"value": value, "evaluations": len(result.history), **measure(result.image)})
    return rows


@wrong("compare", expects="unequal-budgets")
def only_warns(plan, run, measure):
    rows = trusts_the_runs(plan, run, measure)
    if len({row["evaluations"] for row in rows}) > 1:
        print("unequal budgets!")
    return rows


@wrong("compare", expects="budget-for-spent")
def says_what_was_planned(plan, run, measure):
    return _rows(plan, run, measure, lambda plan, result: plan["evaluations"])


@wrong("compare", expects="steps-for-evaluations")
def counts_steps(plan, run, measure):
    return _rows(plan, run, measure, lambda plan, result: result.steps)


@wrong("compare", expects="not-what-was-spent")
def counts_from_zero(plan, run, measure):
    return _rows(plan, run, measure, lambda plan, result: len(result.history) - 1)


@wrong("compare", expects="another-plan")
def settings_for_the_plan(plan, run, measure):
    return _rows(plan, lambda _, value: run(plan["settings"], value), measure, _history)


@wrong("compare", expects="error-swallowed")
def leaves_failures_out(plan, run, measure):
    rows = []
    for value in plan["values"]:
        try:
            result = run(plan, value)
        except Exception:
            continue
        rows.append({"value": value, "evaluations": len(result.history), **measure(result.image)})
    if len({row["evaluations"] for row in rows}) > 1:
        raise ValueError("unequal")
    return rows


@wrong("compare", expects="unequal-budgets")
def first_against_last(plan, run, measure):
    rows = trusts_the_runs(plan, run, measure)
    if rows[0]["evaluations"] != rows[-1]["evaluations"]:
        raise ValueError("unequal")
    return rows


@wrong("compare", expects="unequal-budgets")
def the_odd_one_is_last(plan, run, measure):
    rows = trusts_the_runs(plan, run, measure)
    if rows[-1]["evaluations"] > rows[0]["evaluations"]:
        raise ValueError("unequal")
    return rows


@wrong("compare", expects="column-missing")
def two_columns_by_hand(plan, run, measure):
    rows = _rows(plan, run, measure, _history)
    wanted = ("value", "evaluations", "price", "left")
    return [{name: row[name] for name in wanted if name in row} for row in rows]


@wrong("compare", expects="out-of-order")
def sorted_by_value(plan, run, measure):
    return sorted(_rows(plan, run, measure, _history), key=lambda row: row["value"])


@wrong("compare", expects="out-of-order")
def cheapest_first(plan, run, measure):
    return sorted(_rows(plan, run, measure, _history), key=lambda row: row["price"])


@wrong("compare", expects="changed-input")
def sorts_the_plan(plan, run, measure):
    plan["values"].sort()
    return _rows(plan, run, measure, _history)


@wrong("compare", expects="changed-result")
def clips_the_pictures(plan, run, measure):
    def history_of_a_clipped_run(plan, result):
        result.image.clamp_(0, 1)
        return len(result.history)

    return _rows(plan, run, lambda image: measure(image.clone()), history_of_a_clipped_run)


@wrong("compare", expects="another-picture")
def measures_the_first(plan, run, measure):
    first = measure(run(plan, plan["values"][0]).image)
    return [{**row, **first} for row in _rows(plan, run, measure, _history)]


@wrong("compare", expects="column-missing")
def keeps_the_total(plan, run, measure):
    return [
        {"value": value, "total": run(plan, value).history[-1].total} for value in plan["values"]
    ]


@wrong("compare", expects="column-missing")
def measures_in_a_column(plan, run, measure):
    return [
        {"value": value, "evaluations": len(result.history), "measure": measure(result.image)}
        for value in plan["values"]
        for result in [run(plan, value)]
    ]


@wrong("compare", expects="rows-missing")
def the_last_row(plan, run, measure):
    return _rows(plan, run, measure, _history)[-1:]


@wrong("compare", expects="out-of-order")
def sorted_by_price(plan, run, measure):
    rows = _rows(plan, run, measure, _history)
    return rows[1:] + rows[:1]


@wrong("compare", expects="not-rows")
def a_dictionary(plan, run, measure):
    return {row["value"]: row for row in _rows(plan, run, measure, _history)}


@wrong("compare", expects="raised")
def asks_the_tensor(plan, run, measure):
    return [run(plan, value).image.history for value in plan["values"]]


# statement


def _ends(rows, column):
    ordered = sorted(rows, key=lambda row: row[column])
    return ordered[0], ordered[-1]


@right("statement")
def about_what_is_left(rows):
    low, high = _ends(rows, "left")
    return (
        f"With {high['value']} {high['left']:.2f} of the style is left, with {low['value']} only "
        f"{low['left']:.2f}, at {rows[0]['evaluations']} evaluations for each."
    )


@right("statement")
def in_percent(rows):
    low, high = _ends(rows, "price")
    return " ".join([
        "The price lies between", f"{100 * low['price']:.1f} %", f"({low['value']})", "and",
        f"{high['price']:.1%}", f"({high['value']}),", "for", str(low["evaluations"]),
        "evaluations a run.",
    ])  # fmt: skip


@right("statement")
class Both:
    def __call__(self, rows):
        parts = [self.part(rows, column) for column in ("price", "left")]
        return f"{' and '.join(parts)}, after {rows[0]['evaluations']} evaluations."

    def part(self, rows, column):
        (low, high) = _ends(rows, column)
        values = [f"{row[column]:.3g} for {row['value']}" for row in (low, high)]
        return f"{column} goes from {' to '.join(values)}"


@wrong("statement", expects="typed-by-hand")
def typed(rows):
    return "The price is 0.12 for dots and 0.51 for grass, after 57 evaluations."


@wrong("statement", expects="not-a-sentence")
def prints_it(rows):
    low, _ = _ends(rows, "price")
    return low["price"]


@wrong("statement", expects="returns-nothing")
def only_prints(rows):
    print(about_what_is_left(rows))


@wrong("statement", expects="quantity-not-named")
def looks_better(rows):
    return f"The picture with {rows[0]['value']} looks much better than all of the others."


@wrong("statement", expects="no-number")
def without_numbers(rows):
    low, high = _ends(rows, "price")
    names = [row["value"] if isinstance(row["value"], str) else "another" for row in (low, high)]
    return f"The price is lowest for {names[0]} and highest for {names[1]}."


@wrong("statement", expects="half-of-it")
def the_winner(rows):
    low, _ = _ends(rows, "price")
    return f"After {low['evaluations']} evaluations {low['value']} has the lowest price, " \
           f"{low['price']:.3f}."  # fmt: skip


@wrong("statement", expects="first-and-last")
def from_first_to_last(rows):
    one, other = rows[0], rows[-1]
    return (
        f"After {one['evaluations']} evaluations, the price is {one['price']:.3f} for "
        f"{one['value']} and {other['price']:.3f} for {other['value']}."
    )


@wrong("statement", expects="another-number")
def only_a_ratio(rows):
    low, high = _ends(rows, "price")
    ratio = high["price"] / low["price"]
    return f"In {low['evaluations']} evaluations the price of {high['value']} is {ratio:.1f} " \
           f"times that of {low['value']}."  # fmt: skip


@wrong("statement", expects="runs-not-named")
def nameless(rows):
    low, high = _ends(rows, "left")
    return (
        f"Between {low['left']:.3f} and {high['left']:.3f} is left after {low['evaluations']} "
        "evaluations each."
    )


@wrong("statement", expects="whole-table")
def all_rows(rows):
    return f"The table with price and left: {rows}"


@wrong("statement", expects="extremes-exchanged")
def names_exchanged(rows):
    low, high = _ends(rows, "price")
    return (
        f"After {low['evaluations']} evaluations, the price is {low['price']:.3f} for "
        f"{high['value']} and {high['price']:.3f} for {low['value']}."
    )


@wrong("statement", expects="extremes-exchanged")
def words_exchanged(rows):
    low, high = _ends(rows, "price")
    return (
        f"After {low['evaluations']} evaluations, the price is lowest for {high['value']}, "
        f"{high['price']:.3f}, and highest for {low['value']}, {low['price']:.3f}."
    )


@wrong("statement", expects="budget-not-said")
def no_budget(rows):
    low, high = _ends(rows, "price")
    return (
        f"The price is {low['price']:.3f} for {low['value']} and {high['price']:.3f} for "
        f"{high['value']}."
    )


@wrong("statement", expects="missing-key")
def another_column(rows):
    return f"The loss is {torch.tensor([row['loss'] for row in rows]).min():.3f} at the lowest."
