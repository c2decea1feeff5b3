"""Errors that students meet, and what each is trying to say."""

from __future__ import annotations

import re

from nst_teach_checks._guard import Raised

HINTS: tuple[tuple[str, str, str], ...] = (
    (
        r"leaf Variable that requires grad is being used in an in-place",
        "in-place-on-leaf",
        "The optimiser watches this very tensor. Change it only inside torch.no_grad().",
    ),
    (
        r"modified by an inplace operation",
        "in-place",
        "A tensor that the way back needs was overwritten. Which operation works in place?",
    ),
    (
        r"can't optimize a non-leaf Tensor",
        "not-a-leaf",
        "An optimiser can move only a tensor that no operation has made. Which of your lines "
        "computes on the picture after requires_grad was switched on?",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "gradient-cut",
        "No way leads back from the loss to a tensor that wants a gradient. Was it switched on for "
        "the picture, and is the way cut by .detach(), .item() or no_grad()?",
    ),
    (
        r"backward through the graph a second time",
        "backward-twice",
        "backward() uses a graph up. What is computed outside the loop that should be inside, or "
        "was never detached?",
    ),
    (
        r"grad can be implicitly created only for scalar",
        "not-a-scalar",
        "backward() starts at one number. Which step should make one number of many?",
    ),
    (
        r"Can't call numpy\(\) on Tensor that requires grad",
        "numpy-with-gradient",
        "NumPy knows no gradients, so torch asks you to say that you need none here. Which method "
        "takes a tensor out of the graph?",
    ),
    (
        r"same device|device type|on device",
        "wrong-device",
        "Two tensors are in different places. Make yours where the input is.",
    ),
    (
        r"must match the size|shapes cannot be multiplied|Expected size for|broadcast"
        r"|is invalid for input of size|view size is not compatible",
        "shapes-do-not-fit",
        "Print the .shape of each tensor in this line. Which axis should stand where? A vector of "
        "three numbers is lined up with the last axis.",
    ),
    (
        r"to have \d+ channels",
        "wrong-channels",
        "A layer reads another number of channels than it was handed. What should go into it: the "
        "picture, or what the layer before it has made?",
    ),
    (
        r"values to unpack",
        "wrong-number-of-axes",
        "The tensor has more axes than you have names for, or fewer. Print its .shape.",
    ),
    (
        r"Boolean value of Tensor",
        "many-answers",
        "Comparing two tensors gives an answer for each number. You want a single one: are all of "
        "them equal?",
    ),
    (
        r"1D tensors expected",
        "not-a-vector",
        "This operation takes vectors only. A scalar product of two pictures has a part for each "
        "of their values.",
    ),
    (
        r"same dtype|expected .*scalar type|found dtype|Cannot cast ufunc|result type .* can't be",
        "types-do-not-fit",
        "Two types do not go together. Print the .dtype of each tensor in this line; convert the "
        "one that should change.",
    ),
    (
        r"step\(\) missing 1 required positional argument: 'closure'",
        "step-without-closure",
        "This optimiser asks for the loss whenever it likes. Whom should it ask?",
    ),
    (
        r"float\(\) argument must be .*'NoneType'",
        "loss-not-returned",
        "Somebody asked for a loss and was handed None. Which function of yours ends without "
        "saying what it found?",
    ),
    (
        r"cannot unpack non-iterable",
        "nothing-to-unpack",
        "One thing was handed over where several were expected. Was a function called on the spot, "
        "where the call should only have been written down for later?",
    ),
    (
        r"positional argument|unexpected keyword argument",
        "wrong-call",
        "A function in this line gets too few inputs, or too many. What does it ask for?",
    ),
    (
        r"'dict' object has no attribute|unsupported operand .*'dict'",
        "whole-dictionary",
        "You have a whole dictionary in hand. Which entry of it do you want?",
    ),
    (
        r"'str' object has no attribute|unsupported operand .*'str'",
        "names-for-values",
        "You have a text in hand where you want a number or a tensor. A loop over a dictionary "
        "gives its names: what stands behind each?",
    ),
    (
        r"should be an iterable of Tensors",
        "not-a-list",
        "An optimiser takes a list of tensors, even for a single one.",
    ),
    (
        r"step must be greater than zero",
        "negative-step",
        "A tensor cannot be read backwards with ::-1, as an array can. Which method turns an axis "
        "round?",
    ),
    (
        r"maximum recursion depth",
        "endless-recursion",
        "The function calls itself without end.",
    ),
    (
        r"out of memory|can't allocate|alloc_cpu|Unable to allocate",
        "too-large",
        "Something grows far beyond the input. Compare the shapes on paper, step by step.",
    ),
)
"""What the message says, the name of the mistake, and a hint."""

SIGNATURE = "Keep the function's first line as the task gives it: the check calls it so."
UNDEFINED = "Python does not know this name. Is it spelt right, imported, defined above?"
MISSING = "A dictionary has no entry of this name. Which names does it have? Print them."
READ_IT = "Read the last line of the message first, then the line of code that it names."


def hint_for(raised: Raised) -> tuple[str, str]:
    """The name of the mistake behind an error, and a hint."""
    error = raised.error
    if isinstance(error, TypeError) and raised.line is None:  # the call itself failed
        return "wrong-arguments", SIGNATURE
    for pattern, name, hint in HINTS:
        if re.search(pattern, str(error)):
            return name, hint
    if isinstance(error, KeyError):
        return "missing-key", MISSING
    if isinstance(error, NameError):
        return "unknown-name", UNDEFINED
    return "raised", READ_IT
