"""How much work something is, whatever the machine does beside it: what tests bound in place of seconds."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(do: Callable[[], object]) -> int:
    """How many instructions of Python are run in a call. What a library in C does by itself is one."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before, collects = sys.gettrace(), gc.isenabled()
    # What is run when garbage is collected belongs to whoever happens to be there.
    gc.disable()
    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()
    return count
