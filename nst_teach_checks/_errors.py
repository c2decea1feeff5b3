"""Errors that students meet, and what each of them means."""

from __future__ import annotations

import re
import traceback

from nst_teach_checks._guard import Raised

STEP_IN_CLOSURE = (
    "Your closure asks for a step, while the optimiser is taking one and has called your closure "
    "for the loss. Which of the two calls the other? A closure clears the gradient, computes the "
    "loss and its gradient, and returns the loss, no more."
)

HINTS: tuple[tuple[str, str, str], ...] = (
    (
        r"leaf Variable that requires grad is being used in an in-place",
        "in-place-on-leaf",
        "This tensor is a leaf that requires a gradient. It may be changed in place only inside "
        "torch.no_grad().",
    ),
    (
        r"modified by an inplace operation",
        "in-place",
        "A tensor that the backward pass needs was overwritten. Which operation works in place?",
    ),
    (
        r"can't optimize a non-leaf Tensor",
        "not-a-leaf",
        "An optimiser accepts only leaf tensors, which are not the result of an operation. Which "
        "of your lines computes with the image after requires_grad was switched on?",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "gradient-cut",
        "The loss is not connected to any tensor that requires a gradient. Does the image require "
        "one, and is the graph cut by .detach(), .item() or no_grad()?",
    ),
    (
        r"backward through the graph a second time",
        "backward-twice",
        "backward() frees the graph, so each graph can be used once. What do you compute outside "
        "the loop that belongs inside, or should have been detached?",
    ),
    (
        r"grad can be implicitly created only for scalar",
        "not-a-scalar",
        "backward() starts from a single number. Which step should turn many numbers into one?",
    ),
    (
        r"Can't call numpy\(\) on Tensor that requires grad",
        "numpy-with-gradient",
        "NumPy does not support gradients, so torch asks you to give them up explicitly. Which "
        "method takes a tensor out of the graph?",
    ),
    (
        r"same device|device type|on device",
        "wrong-device",
        "Two tensors are on different devices. Create yours on the device of the input.",
    ),
    (
        r"must match the size of tensor|broadcast",
        "shapes-do-not-fit",
        "Print the .shape of each tensor in this line, and write the shapes below each other, "
        "flush right. In each column the two lengths must be equal, or one of them 1. Where does "
        "an axis of length 1 have to be added or kept?",
    ),
    (
        r"shapes cannot be multiplied|Expected size for",
        "shapes-do-not-fit",
        "Print the .shape of both factors in this line. In a product of matrices, the first must "
        "have as many columns as the second has rows. Does one of the two have to be transposed?",
    ),
    (
        r"is invalid for input of size|view size is not compatible",
        "shapes-do-not-fit",
        "Print the .shape of the tensor in this line, and multiply its sides. The new shape must "
        "hold as many numbers, and .view needs them in one piece in memory: .reshape does not.",
    ),
    (
        r"to have \d+ channels",
        "wrong-channels",
        "A layer received a tensor with the wrong number of channels. What should its input be: "
        "the image, or the output of the layer before it?",
    ),
    (
        r"values to unpack",
        "wrong-number-of-values",
        "The number of names on the left does not match the number of values on the right. Print "
        "what stands on the right: what does each of its parts mean?",
    ),
    (
        r"Boolean value of Tensor",
        "many-answers",
        "Comparing two tensors gives one answer for each element. You need a single one: are all "
        "of them equal?",
    ),
    (
        r"1D tensors expected",
        "not-a-vector",
        "This operation accepts only vectors. For images, how do you compute an inner product "
        "over all elements?",
    ),
    (
        r"same dtype|expected .*scalar type|found dtype|Cannot cast ufunc|result type .* can't be",
        "types-do-not-fit",
        "Two types do not match. Print the .dtype of each tensor in this line, and convert the "
        "one that should change.",
    ),
    (r"the closure has called optimizer.step", "step-in-closure", STEP_IN_CLOSURE),
    (
        r"step\(\) missing 1 required positional argument: 'closure'",
        "step-without-closure",
        "This optimiser evaluates the loss several times in one step. Which function does it need "
        "for that?",
    ),
    (
        r"float\(\) argument must be .*'NoneType'",
        "loss-not-returned",
        "A loss was expected, but the value is None. Which of your functions has no return "
        "statement?",
    ),
    (
        r"cannot unpack non-iterable",
        "nothing-to-unpack",
        "A single value was found where several were expected. Print what you are unpacking. (With "
        "joblib: does your code call the function at once, or only record the call for later?)",
    ),
    (
        r"positional argument|unexpected keyword argument",
        "wrong-call",
        "A function in this line receives too few or too many arguments, or one that it does not "
        "know. What does its signature say?",
    ),
    (
        r"'dict' object has no attribute|unsupported operand .*'dict'|got \{.*expected a tensor",
        "whole-dictionary",
        "You have a whole dictionary here. Which of its entries do you need?",
    ),
    (
        r"'str' object has no attribute|unsupported operand .*'str'|got '.*expected a tensor",
        "names-for-values",
        "You have a string where you need a number or a tensor. A loop over a dictionary runs "
        "over its keys: how do you get the values?",
    ),
    (
        r"should be an iterable of Tensors",
        "not-a-list",
        "An optimiser expects a list of tensors, even for a single one.",
    ),
    (
        r"step must be greater than zero",
        "negative-step",
        "A tensor does not support slices with a negative step such as ::-1, unlike an array. "
        "Which method reverses an axis?",
    ),
    (
        r"maximum recursion depth",
        "endless-recursion",
        "Your function calls itself without end. When should it stop?",
    ),
    (
        r"out of memory|can't allocate|alloc_cpu|Unable to allocate",
        "too-large",
        "A tensor grows far beyond the size of the input. Work out the shapes on paper, step by "
        "step.",
    ),
)
"""What the message says, the name of the mistake, and a hint."""

SIGNATURE = (
    "Keep the first line of the function as given in the task, because the check calls it that way."
)
UNDEFINED = "Python does not know this name. Is it spelt correctly, imported, and defined above?"
MISSING = "The dictionary has no entry with this name. Print its keys."
READ_IT = "Read the last line of the message first, then the line of code that it refers to."


def _is_within_a_step(error: BaseException) -> bool:
    """Whether a step of L-BFGS was under way, and another one was asked for."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    steps = sum(file.endswith("lbfgs.py") for file in files)
    return steps > 1 or (steps == 1 and "'closure'" in str(error))


def hint_for(raised: Raised) -> tuple[str, str]:
    """The name of the mistake behind an error, and a hint."""
    error = raised.error
    if isinstance(error, TypeError) and raised.line is None:  # the call itself failed
        return "wrong-arguments", SIGNATURE
    if isinstance(error, (TypeError, RecursionError)) and _is_within_a_step(error):
        return "step-in-closure", STEP_IN_CLOSURE
    for pattern, name, hint in HINTS:
        if re.search(pattern, str(error)):
            return name, hint
    if isinstance(error, KeyError):
        return "missing-key", MISSING
    if isinstance(error, NameError):
        return "unknown-name", UNDEFINED
    return "raised", READ_IT
