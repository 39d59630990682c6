"""A rule failed on an act.

Why it matters: a rule that raises has not judged; the act is neither clean nor in breach until the rule is mended.

False positives: none; the failure is real, whatever the act.

What to do: read `evidence` for the rule and its error, mend the rule, and have the act judged again (any fact of it
that is stated anew does that). The other rules have judged the act as always.
"""

from circulation.rules import Rule

RULE = Rule(
    id="detector-error",
    title="A rule failed",
    about="contract",
    severity="yellow",
    articles=("contract only",),
)
