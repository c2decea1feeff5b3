"""The machine behind every check: a task, a student's answer, and what a mistake looks like.

A check is a function that is handed an `Answer` and questions it. The first thing that is wrong
ends it. `Answer.compare` does most of the work: it calls the student's function on random inputs,
compares with the right outputs, and looks for a known mistake that explains *all* wrong ones.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import secrets
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn, Protocol, cast

import torch
from torch import Tensor

from nst_teach_checks import _examples, _guard, _session, _values
from nst_teach_checks._errors import hint_for
from nst_teach_checks._feedback import Feedback, Reread
from nst_teach_checks._inputs import Inputs
from nst_teach_checks._tasks import TASKS, Task

RTOL, ATOL = 1e-4, 1e-5
"""Room for float32 and another order of additions. No known mistake is as small."""

SEED_LIMIT = 10**6
"""Seeds below this are short enough to be typed."""

Case = Sequence[Any]
"""The arguments of one call."""

NO_EXAMPLES: Mapping[str, Case] = MappingProxyType({})


GRADIENT_HINT = (
    "A gradient does reach the input, but it is not that of the formula. Is each part of the "
    "result computed from the input itself, or does a part of it pass through a constant, a "
    "detached copy or a rounded value?"
)

LEAVES_GRAPH = (
    "Use tensors all the way from input to output: .item(), .detach(), .data, .numpy(), "
    "torch.no_grad() and torch.tensor(…) all cut off the gradient."
)


class NotAttempted(Exception):
    """The stub is untouched."""


class Rejected(Exception):
    """The answer is wrong."""

    def __init__(self, mistake: str, seen: str, hint: str):
        super().__init__(mistake)
        self.mistake, self.seen, self.hint = mistake, seen, hint


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer: its name, what it would return, and what to think about.

    `returns` takes the inputs of the student's function. It may return whatever the mistake gives,
    of whatever shape; where it raises, the mistake does not explain that input.
    """

    name: str
    returns: Callable[..., Any]
    hint: str


class CheckFunction(Protocol):
    """What a student calls with an answer; it knows its task."""

    task: Task

    def __call__(self, answer: Any, *, seed: int | None = None) -> Feedback: ...


_CALL = inspect.signature(CheckFunction.__call__)
SHOWN = _CALL.replace(parameters=list(_CALL.parameters.values())[1:])
"""How a check looks to whoever asks for help: without `self`."""


def task(
    title: str, *, points: int, reread: tuple[str, str]
) -> Callable[[Callable[[Answer], None]], CheckFunction]:
    """Make a check of the function below: it then takes a student's answer and gives `Feedback`.

    Args:
        title: of the task, as in the notebook.
        points: what it is worth.
        reread: the stem of a chapter and a heading in it.
    """

    def register(examine: Callable[[Answer], None]) -> CheckFunction:
        exercise = examine.__module__.rpartition(".")[2]
        entry = Task(f"{exercise}.{examine.__name__}", title, points, Reread(*reread), examine)
        TASKS[entry.id] = entry

        @functools.wraps(examine)
        def check(answer: Any, *, seed: int | None = None) -> Feedback:
            feedback = judge(entry, answer, seed)
            _session.remember(feedback)
            return feedback

        vars(check).update(__signature__=SHOWN, task=entry)
        check.__annotations__ = dict(CheckFunction.__call__.__annotations__)
        return cast(CheckFunction, check)

    return register


def judge(task: Task, value: Any, seed: int | None = None) -> Feedback:
    """Examine a student's answer with fresh random inputs, or with those of `seed`."""
    seed = secrets.randbelow(SEED_LIMIT) if seed is None else seed
    answer = Answer(value, seed)
    feedback = functools.partial(
        Feedback, task=task.id, title=task.title, points=task.points, seed=seed
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            answer.must_be_attempted()
            task.examine(answer)
    except NotAttempted:
        return feedback(status="not attempted")
    except Exception as error:
        found = error if isinstance(error, Rejected) else _not_comparable(error)
        return feedback(
            status="rejected", mistake=found.mistake, seen=found.seen, hint=found.hint,
            reread=task.reread, printed=answer.printed.getvalue(),
        )  # fmt: skip
    return feedback(status="passed", printed=answer.printed.getvalue())


def _not_comparable(error: Exception) -> Rejected:
    """What a result is that even the check stumbles over, so that no student sees a traceback."""
    return Rejected(
        "not-comparable", f"the check could not use what your function returned ({error})",
        "Print what it returns for a small input. Are the type and the shape, and those of each of "
        "its parts, as the task says?",
    )  # fmt: skip


class Answer:
    """A student's answer under examination. Called, it is a function that can do no harm.

    Attributes:
        value: what the student handed in: a function, or a plain value.
        inputs: the source of random inputs.
    """

    def __init__(self, value: Any, seed: int):
        self.value, self.inputs = value, Inputs(seed)
        self.printed = _guard.BoundedText()
        self.clock = _guard.Clock()

    def must_be_attempted(self) -> None:
        """Raise `NotAttempted` for an untouched stub."""
        if self.value is ... or is_stub(self.value):
            raise NotAttempted

    def reject(self, mistake: str, seen: str, hint: str) -> NoReturn:
        """End the examination: the answer has this mistake."""
        raise Rejected(mistake, seen, hint)

    def __call__(self, *inputs: Any) -> Any:
        """What the student's function returns; ends the examination where it misbehaves."""
        if not callable(self.value):
            self.reject(
                "not-a-function", f"you passed {_values.describe(self.value)}",
                "Pass the function itself, without parentheses after its name.",
            )  # fmt: skip
        before = _values.copied(inputs)
        output = self.guarded(lambda: self.value(*inputs))
        self._must_be_an_output(output, inputs)
        if changes := _values.changes(self.value, before, inputs):
            self.reject(
                "changed-input", "; ".join(changes),
                "The caller still needs its inputs as they were: work on a copy. Methods whose "
                "names end in _ change the tensor that they are called on, and so do +=, -= and "
                "assignments to its elements.",
            )  # fmt: skip
        return output

    def through(self, experiment: Callable[..., Any]) -> Answer:
        """The same answer, seen through an experiment: for a function that is hard to compare.

        Called with inputs, the new answer gives `experiment(function, *inputs)`: numbers, or a
        dictionary of them whose keys say what they are.
        """
        seen = Answer(functools.partial(experiment, self.value), 0)
        seen.inputs, seen.printed, seen.clock = self.inputs, self.printed, self.clock
        return seen

    def guarded(self, work: Callable[[], Any]) -> Any:
        """`work()`, with an end to it whatever happens; errors in it end the examination."""
        outcome = self._bounded(work)
        if isinstance(outcome, _guard.Raised):
            self._explain_error(outcome)
        return outcome

    def _bounded(self, work: Callable[[], Any]) -> Any:
        try:
            return self.clock.run(work, self.printed)
        except _guard.TooSlow:
            self.reject(
                "too-slow", f"your function was stopped after {_guard.DEADLINE:g} seconds",
                "The inputs are tiny, so your function should finish almost at once. Does every "
                "loop end?",
            )  # fmt: skip

    def compare(
        self,
        right: Callable[..., Any],
        cases: Iterable[Case] | Mapping[str, Case],
        *,
        mistakes: Sequence[Mistake] = (),
        otherwise: str = "Try an input for which you know the answer.",
        examples: Mapping[str, Case] = NO_EXAMPLES,
        rtol: float = RTOL,
        atol: float = ATOL,
    ) -> list[Any]:
        """The student's outputs, which must be the right ones: values, shapes, types and devices.

        Args:
            right: the right function.
            cases: inputs to call both with. Take several: a mistake is named only if it explains
                the outputs of all of them. With names, such as `{"a dark image": inputs}`, the
                student is told which of them were right.
            mistakes: the usual wrong answers; the first that fits is named.
            otherwise: the hint where none does.
            examples: tiny inputs in words, the simplest first. The hint ends with the first that
                the answer gets wrong, and with what it makes of it.
            rtol, atol: how far values may be apart.
        """
        named = cast(Mapping[str, Case], cases) if isinstance(cases, Mapping) else {}
        cases = [tuple(case) for case in (named.values() if named else cases)]
        given = [self(*_values.copied(case)) for case in cases]
        expected = [right(*_values.copied(case)) for case in cases]

        def alike(a: Any, b: Any) -> bool:
            return _values.alike(a, b, rtol=rtol, atol=atol)

        agree = [alike(one, other) for one, other in zip(given, expected, strict=True)]
        if not all(agree):
            first = agree.index(False)
            known = _known(mistakes, cases, given, alike)
            known = known or _wrong_factor(_values.common_factor(given, expected))
            example = self._example(right, examples, alike)
            if not example and (example := self._smaller_example(right, cases[first], alike)):
                otherwise = ""  # the example says more, and this answer may be right for a toy
            self._explain(cases[first], given[first], expected[first], known, otherwise,
                          _tally(list(named), agree), example)  # fmt: skip
        for one, other in zip(given, expected, strict=True):
            self._same_type(one, other)
        return given

    def gradients(
        self,
        right: Callable[..., Any],
        case: Case,
        *,
        mistakes: Sequence[Mistake] = (),
        wrt: int = 0,
    ) -> None:
        """The gradient must flow from the output to input number `wrt`, and be the right one."""

        def gradient(function: Callable[..., Any]) -> Tensor | None:
            inputs = list(_values.copied(case))
            inputs[wrt] = inputs[wrt].requires_grad_()
            output = function(*inputs)
            if not isinstance(output, Tensor) or not output.requires_grad:
                return None
            found: Tensor | None
            (found,) = torch.autograd.grad(output.sum(), inputs[wrt], allow_unused=True)
            return found

        found = self.guarded(lambda: gradient(self.value))
        if found is None:
            self.reject("gradient-cut", "no gradient reaches the input", LEAVES_GRAPH)
        expected = gradient(right)
        if not _values.alike(found, expected, rtol=RTOL, atol=ATOL):
            known = _known(mistakes, [case], [found], functools.partial(_values.alike,
                           rtol=RTOL, atol=ATOL))  # fmt: skip
            seen = "the values are right, but their gradient is not: "
            name, text = (known.name, known.hint) if known else ("wrong-gradient", GRADIENT_HINT)
            self.reject(name, seen + _values.difference(found, expected), text)

    def on_another_device(self, *inputs: Any) -> None:
        """The function must work where its inputs are: on a GPU, or on torch's meta device."""
        device = _another_device()
        moved = [i.to(device) if isinstance(i, Tensor) else i for i in inputs]
        outcome = self._bounded(lambda: self.value(*moved))
        wrong_error = isinstance(outcome, _guard.Raised) and "device" in str(outcome.error)
        wrong_place = isinstance(outcome, Tensor) and outcome.device.type != device
        if wrong_error or wrong_place:
            self.reject(
                "wrong-device", "your function does not work on inputs that are not on the CPU",
                "A tensor that you create is on the CPU unless you say otherwise. Create it where "
                "the input is, for instance with image.new_tensor(…) or device=image.device.",
            )  # fmt: skip

    def _must_be_an_output(self, output: Any, inputs: Case) -> None:
        if output is ... or output is NotImplemented:
            raise NotAttempted
        if output is None:
            self.reject(
                "returns-nothing", "your function returned None",
                "Does every path through it end with a return statement? If it returns something "
                "such as image.grad, has anything filled it before?",
            )  # fmt: skip
        if _values.is_huge(output, inputs):
            self.reject(
                "too-large", f"your function returned {_values.describe(output)}",
                "That is far more than the input contains. Work out the shapes on paper, step by "
                "step.",
            )  # fmt: skip

    def _explain_error(self, raised: _guard.Raised) -> None:
        if isinstance(raised.error, NotImplementedError) and not str(raised.error):
            raise NotAttempted
        name, hint = hint_for(raised)
        self.reject(name, str(raised), hint)

    def _explain(
        self, case: Case, given: Any, expected: Any, known: Mistake | None, otherwise: str,
        tally: str, example: str,
    ) -> None:  # fmt: skip
        inputs = _values.describe_inputs(self.value, case)
        seen = f"{tally}given {inputs}: {_values.difference(given, expected)}"
        if known:
            self.reject(known.name, seen, known.hint + example)
        name, hint = _values.kind_of_difference(given, expected)
        self.reject(name, seen, ((hint or otherwise) + example).strip())

    def _example(
        self, right: Callable[..., Any], examples: Mapping[str, Case],
        alike: Callable[[Any, Any], bool],
    ) -> str:  # fmt: skip
        """The first example that this answer gets wrong, so that it refutes this very answer."""
        for words, case in examples.items():
            made = self._bounded(functools.partial(self.value, *_values.copied(case)))
            if _values.is_shown(made) and not alike(made, right(*case)):
                return _refutation(words, made)
        return ""

    def _smaller_example(
        self, right: Callable[..., Any], case: Case, alike: Callable[[Any, Any], bool]
    ) -> str:
        """The same from a case that the answer got wrong, cut down as far as it stays wrong."""
        for small in _examples.smaller(case):
            # A warning or an error means that the case is too small for one of the two.
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = self._bounded(functools.partial(self.value, *_values.copied(small)))
                true = right(*_values.copied(small))
                if _values.can_be_compared(made, true) and not alike(made, true):
                    return _refutation(_examples.words(self.value, small), made)
        return ""

    def _same_type(self, given: Any, expected: Any) -> None:
        for one, other in zip(_values.flat(given), _values.flat(expected), strict=True):
            if isinstance(other, Tensor) and not isinstance(one, Tensor):
                self.reject(
                    "not-a-tensor", f"the values are right, but yours is {_values.describe(one)}",
                    _values.TYPE_HINT,
                )  # fmt: skip
            if _values.dtype(one) != _values.dtype(other):
                self.reject(
                    "wrong-dtype", "the values are right, but their type is "
                                   f"{_values.dtype(one)}; expected {_values.dtype(other)}",
                    "Which step changes the type? Print .dtype after each. The right type is that "
                    "of the input, or the one that the task asks for.",
                )  # fmt: skip


def _refutation(words: str, made: Any) -> str:
    return (
        f" A small example: {words}. Yours gives {_values.numbers(made)}. Work out by hand what it "
        "should be."
    )


def _tally(names: Sequence[str], agree: Sequence[bool]) -> str:
    """Which of the named cases were right and which were wrong, in words."""
    if not names:
        return ""
    right = [name for name, fits in zip(names, agree, strict=True) if fits]
    wrong = [name for name in names if name not in right]
    if not right:
        return f"wrong in all {len(names)} cases. For {wrong[0]}, "
    return f"right for {_values.listed(right)}; wrong for {_values.listed(wrong)}. For {wrong[0]}, "


def _wrong_factor(factor: float | None) -> Mistake | None:
    """Right but for a factor: a mistake that every task knows."""
    if factor is None:
        return None
    hint = (
        f"On all inputs your result is {factor:.4g} times what it should be, and nothing else is "
        "wrong. Which number in your formula accounts for this factor?"
    )
    return Mistake("wrong-factor", lambda *_: None, hint)


@functools.cache
def _another_device() -> str:
    """A device that is not the CPU, after the seconds that its first use takes."""
    device = "cuda" if torch.cuda.is_available() else "meta"
    torch.ones(1, device=device).mul(2)
    return device


def _known(
    mistakes: Sequence[Mistake],
    cases: Sequence[Case],
    given: Sequence[Any],
    alike: Callable[[Any, Any], bool],
) -> Mistake | None:
    """The first mistake that explains every output."""
    for mistake in mistakes:
        with contextlib.suppress(Exception):  # then it does not explain them
            outputs = (mistake.returns(*_values.copied(case)) for case in cases)
            if all(alike(one, other) for one, other in zip(given, outputs, strict=True)):
                return mistake
    return None


TRIVIAL = frozenset({"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "CACHE"})
"""Instructions of a function that has a docstring and `...`, and nothing else."""


def is_stub(value: Any) -> bool:
    """Whether a function does nothing and returns nothing: nobody has touched it yet."""
    if not inspect.isfunction(value):
        return False
    if any(step.opname not in TRIVIAL for step in dis.get_instructions(value)):
        return False
    with contextlib.suppress(Exception):
        return value(*[None] * value.__code__.co_argcount) in (None, ...)
    return False


def require(check: CheckFunction, answer: Any, *, rounds: int = 3) -> None:
    """Raise `AssertionError` unless the answer passes so many times: for automatic grading.

    Args:
        check: a check, such as `checks.ex03.content_loss`.
        answer: what the student handed in.
        rounds: how often, each time with fresh random inputs.
    """
    for _ in range(rounds):
        feedback = judge(check.task, answer)
        if not feedback.passed:
            raise AssertionError(repr(feedback))
