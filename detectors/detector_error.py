"""A rule failed on an act, or an item of judging was set aside: it cost too much, failed, or had the process die.

Why it matters: a rule that raises has not judged, nor has what is set aside; what it is about is neither clean nor in
breach until it is judged.

False positives: none; the failure is real, whatever the act.

What to do: read `evidence`. Of a `rule` that failed: mend it, and have the act judged again (any fact of it that is
stated anew does that). The other rules have judged the act as always. Of an `item` that was set aside: see what made it
so dear, or mend the fault, and have it tried again (`circulation queue retry`).
"""

from circulation.rules import Rule

RULE = Rule(
    id="detector-error",
    title="A rule failed",
    title_zh="规则出错",
    about="contract",
    severity="yellow",
    articles=("contract only",),
)
