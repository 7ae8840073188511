"""Tables of Smart Energy: events, prices and messages look the same whoever made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from web.hubctl.context import now
from web.hubctl.output import Cell, Column, words
from web.hubctl.units import UNKNOWN, local

if TYPE_CHECKING:
    from web.client_smart_energy import EventFields, MessageFields, PriceFields

CURRENCIES = {"EUR": 978, "USD": 840, "GBP": 826, "CHF": 756, "CAD": 124, "AUD": 36, "SEK": 752, "NOK": 578, "DKK": 208}
_CODES = {number: name for name, number in CURRENCIES.items()}
STATE_STYLES = {
    "running": "green", "shown": "green", "scheduled": "yellow", "waiting": "yellow", "cancelled": "red", "over": "dim",
    "replaced": "dim",
}  # fmt: skip
EVENT_COLUMNS = (
    Column("Event", right=True),
    Column("State"),
    Column("From"),
    Column("To"),
    Column("Classes", rank=1),
    Column("Criticality", right=True, rank=2),
)
PRICE_COLUMNS = (
    Column("Price", right=True),
    Column("State"),
    Column("From"),
    Column("To"),
    Column("Tier", right=True, rank=1),
    Column("Label", rank=1),
    Column("ID", right=True, rank=2),
)
MESSAGE_COLUMNS = (
    Column("Message", right=True),
    Column("State"),
    Column("Text"),
    Column("Importance", rank=1),
    Column("From"),
)
Cells = tuple[str | Cell, ...]


def event_cells(event: EventFields) -> Cells:
    """Under `EVENT_COLUMNS`."""
    return (
        Cell(str(event.issuer_event_id), "bold"),
        _state(event.state),
        local(event.start, now()),
        local(event.end, now()),
        ", ".join(map(words, event.device_classes)),
        str(event.criticality),
    )


def price_cells(price: PriceFields) -> Cells:
    """Under `PRICE_COLUMNS`."""
    return (
        Cell(amount(price.price, price.currency), "bold"),
        _state(price.state),
        local(price.start, now()),
        "until changed" if price.end is None else local(price.end, now()),
        str(price.tier or UNKNOWN),
        price.rate_label or UNKNOWN,
        str(price.issuer_event_id),
    )


def message_cells(message: MessageFields) -> Cells:
    """Under `MESSAGE_COLUMNS`."""
    return (
        str(message.message_id),
        _state(message.state),
        Cell(message.text, "bold"),
        message.importance,
        local(message.start, now()),
    )


def _state(state: str) -> Cell:
    return Cell(state, STATE_STYLES.get(state, ""))


def amount(price: float, currency: int) -> str:
    """A price with its currency."""
    return f"{price:.4f} {_CODES.get(currency, str(currency))}"
