"""Use beyond what was licensed: counts, volumes and windows of one contract.

Why it matters: the licence is the measure of the trade; whoever uses more than was licensed takes what was not sold.
The opinions of 2023 ask for limits on the number of uses as a means of control after the trade.

False positives: a reporter that counts retries as uses; an amendment that was agreed but not yet reported. A use that
was reported by mistake is cancelled, which gives its uses back; a band that it raised is cleared once nothing of it is
left.

What to do: at 80 % and 95 % tell the buyer, so that the licence is extended in time. Beyond the limit ask for the
amendment or for the uses to stop; beyond 120 % order rectification.

Contracts of one buyer that name one quota group share the limit of uses that the earliest of them names; by itself,
none of them has one. What they use is added up day by day (+08:00), so a band is reached at the end of a day, and each
band stands that the days as they are known now have ever reached.
"""

# The two rules know nothing of each other: `contract` has the tally of one contract, `group` the sum of a quota group;
# `bands` is what both make of a share, `examples` what theirs are built with.
from circulation.rules import Parameter, Rule
from detectors.usage_limit import contract, group

RULE = Rule(
    id="usage-limit",
    title="Use beyond the licensed limit",
    title_zh="使用超出许可上限",
    about="contract",
    severity="orange",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 12", "DB11/T 2349-2024"),
    parameters={
        "warning_percent": Parameter(80, "from this share of a limit on, a blue warning", below="late_warning_percent"),
        "late_warning_percent": Parameter(95, "from this share on, a yellow warning", below=100),
        "red_percent": Parameter(120, "beyond this share the violation is red instead of orange", above=100),
    },
    tally=contract.TALLY,
    sum=group.SUM,
)

# Of the tally of a contract first, then of the sum of a group.
CASES = (*contract.CASES, *group.CASES)
