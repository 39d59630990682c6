"""The data of what officials do to cases."""

from circulation.calendar import Instant
from circulation.events.data import Data
from circulation.identifiers import Text


class CaseOrder(Data, frozen=True, kw_only=True):
    """An official's step in a case."""

    by: Text
    note: Text | None = None
    due: Instant | None = None
    evidence: Text | tuple[Text, ...] | None = None


class CaseAcknowledged(CaseOrder, frozen=True, kw_only=True): ...


class CaseOrdered(CaseOrder, frozen=True, kw_only=True): ...


class CaseRectified(CaseOrder, frozen=True, kw_only=True): ...


class CaseClosed(CaseOrder, frozen=True, kw_only=True): ...


class CaseReopened(CaseOrder, frozen=True, kw_only=True): ...
