"""The demo's campaign as a person would set it up: tags with examples, guidelines, and the constraints' names."""

from __future__ import annotations

from annotate.campaigns.tags import TagDraft
from training_bridge.demo import truth

DESCRIPTION = (
    "A small model, trained from scratch on this machine, answers word problems. Right answers can be told from wrong "
    "ones by a program, so a script judges most of them; it is labelled as a script everywhere. Some are left for you."
)

GUIDELINES = """\
Each prompt asks one question with a number and a unit, and may set a format rule.

An answer is right when its number, its unit and its person are those of the question, when its sums are right, when it
keeps the format rule, and when it stops after the answer. Showing the sum is always allowed, unless the rule says
otherwise. Mark the shortest stretch of text that would have to change.
"""

TAGS = (
    TagDraft(
        name="Number not given",
        slug=truth.NUMBER,
        kind="factual",
        key="1",
        description="Calculates with a number that the question does not give.",
        example='Asked about 8 and 5: "8 + 6 = 14." Mark the 6.',
    ),
    TagDraft(
        name="Wrong unit",
        slug=truth.UNIT,
        kind="factual",
        key="2",
        description="Counts something else than the question asks about.",
        example='Asked about apples: "Ann has 13 pears." Mark pears.',
    ),
    TagDraft(
        name="Wrong person",
        slug=truth.PERSON,
        kind="factual",
        key="3",
        description="Answers for somebody whom the question is not about.",
        example='Asked about Ann: "Ben has 13 apples." Mark Ben.',
    ),
    TagDraft(
        name="Wrong result",
        slug=truth.RESULT,
        kind="logical",
        key="4",
        description="The calculation does not give this number, or it is the wrong calculation.",
        example='"8 + 5 = 14." Mark 14.',
    ),
    TagDraft(
        name="Contradicts itself",
        slug=truth.CONTRADICTION,
        kind="logical",
        key="5",
        description="A later number disagrees with an earlier one. Mark the later one.",
        example='"8 + 5 = 13. Ann has 12 apples." Mark 12.',
    ),
    TagDraft(
        name="Ignores the format rule",
        slug=truth.RULE,
        kind="format",
        key="6",
        description="The prompt asked for a form that the answer does not have.",
        example='Asked for the number only: "Ann has 13 apples."',
    ),
    TagDraft(
        name="Rambling tail",
        slug=truth.TAIL,
        kind="format",
        key="7",
        description="Goes on after the answer is complete.",
        example='"Ann has 13 apples. The sky is blue today." Mark the second sentence.',
    ),
    TagDraft(
        name="Something missing",
        slug=truth.MISSING,
        kind="format",
        key="8",
        description="The answer or its unit is left out: an omission.",
        example='"Ann has 13." The unit is missing after 13.',
    ),
    TagDraft(
        name="Garbled",
        slug=truth.GARBLED,
        kind="other",
        key="9",
        description="Words that cannot be read as an answer.",
        example='"Ann the has 13 13 apples."',
    ),
)

# What the operator calls the constraint of each tag: a prohibition, in words that stand alone.
STATEMENTS = {
    truth.NUMBER: "Calculates with a number that the question does not give",
    truth.UNIT: "Answers in another unit than the question asks about",
    truth.PERSON: "Answers for a person whom the question is not about",
    truth.RESULT: "States a result that the calculation does not give",
    truth.CONTRADICTION: "States a second number that contradicts the first",
    truth.RULE: "Ignores the format rule of the prompt",
    truth.TAIL: "Goes on after the answer is complete",
    truth.MISSING: "Leaves out the answer or its unit",
    truth.GARBLED: "Writes words that cannot be read as an answer",
}
LEAST_MEMBERS = 3
"""A tag with fewer violations than this is left as a candidate: too little to forbid anything by."""
