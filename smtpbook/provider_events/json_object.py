"""JsonObject: what stands in a JSON object from a stranger, without trusting its types.

A field that is missing, or of another type than it should be, is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_MAX_CHARS: Final = 1 << 16
_MAX_LISTED: Final = 10_000


class JsonObject:
    """One object of JSON.

    Names may be paths: ``"mail.messageId"``.

    Examples
    --------
    >>> event = JsonObject({"mail": {"messageId": "1", "size": 7}, "to": ["a@x.example"]})
    >>> event.text("mail.messageId"), event.number("mail.size"), event.texts("to")
    ('1', 7.0, ['a@x.example'])
    >>> event.text("mail"), event.number("to"), event.text("no.such")
    (None, None, None)
    >>> JsonObject({"event": True}).text("event") is None
    True
    """

    __slots__ = ("_object",)

    def __init__(self, json_object: Mapping[str, Any]) -> None:
        self._object = json_object

    def __contains__(self, path: str) -> bool:
        return self._value(path) is not None

    def text(self, *paths: str) -> str | None:
        """Give the first of these that is text or a number, and not empty."""
        for path in paths:
            value = self._value(path)
            if isinstance(value, str):
                if value:
                    return value[:_MAX_CHARS]
            elif isinstance(value, int | float) and not isinstance(value, bool):
                return _digits(value)
        return None

    def number(self, *paths: str) -> float | None:
        """Give the first of these that is a number, or text that holds one."""
        for path in paths:
            value = self._value(path)
            if isinstance(value, bool):
                continue
            if isinstance(value, int | float | str):
                try:
                    return float(value[:40] if isinstance(value, str) else value)
                except (ValueError, OverflowError):
                    continue
        return None

    def at(self, path: str) -> JsonObject:
        """Give the object there; an empty one where there is none."""
        value = self._value(path)
        return JsonObject(value if isinstance(value, dict) else {})

    def objects(self, path: str) -> list[JsonObject]:
        """Give the objects of a list; one alone counts as a list."""
        return [JsonObject(one) for one in self._listed(path) if isinstance(one, dict)]

    def texts(self, path: str) -> list[str]:
        """Give the texts of a list; one alone counts as a list."""
        listed = self._listed(path)
        return [one[:_MAX_CHARS] for one in listed if isinstance(one, str) and one]

    def _listed(self, path: str) -> Iterator[Any]:
        value = self._value(path)
        yield from value[:_MAX_LISTED] if isinstance(value, list) else (value,)

    def _value(self, path: str) -> Any:
        if "." not in path:
            return self._object.get(path)
        value: Any = self._object
        for name in path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value


def _digits(value: float) -> str | None:
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return None
