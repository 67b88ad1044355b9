#!/usr/bin/env python3
"""Orders: what a service module looks like."""
from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import Any, Callable, Generic, TypeVar, overload

T = TypeVar("T")


def überweisen(betrag: float, /, *, währung: str = "EUR") -> str:
    """Überweist."""
    return f"{betrag:.2f} {währung}"


# Retries what it decorates.
# Twice.
def retry(times: int = 2):
    def decorate(func: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(func)
        async def wrapper(*args: Any, **kwargs: Any) -> T:
            last = lambda: None
            for _ in range(times):
                try:
                    return await func(*args, **kwargs)
                except OSError:
                    continue
            return last()
        return wrapper
    return decorate


@dataclass(frozen=True)
class Order(Generic[T]):
    id: int
    items: list[str] = field(default_factory=list)

    @overload
    def price(self, item: int) -> int: ...
    @overload
    def price(self, item: str) -> float: ...
    def price(self, item):
        return 1

    @property
    def total(self) -> int:
        return len(self.items)

    @total.setter
    def total(self, value: int) -> None:
        self._total = value

    @staticmethod
    @functools.cache
    def load(
        id: int,
        *,
        deep: bool = False,
    ) -> "Order":
        class Loader:
            def run(self): return id
        return Loader().run()

    async def __aenter__(self): return self

    class Meta:
        ordering = ["-id"]

        def __str__(self): return "meta"


if asyncio:
    def conditional(): pass
else:
    def conditional():
        return 2

try:
    import ujson as json
except ImportError:
    def loads(text):
        # no body but a comment and this
        return eval(text)

handlers = {"a": lambda x: x}
square: Callable[[int], int] = lambda x: x * x
compose = functools.partial(retry, 3)


def pick(kind):
    match kind:
        case "a":
            def chosen(): return 1
        case _:
            def chosen(): return 2
    return chosen


async def stream[T](source: list[T]) -> T:
    async for x in source:
        yield x


def last(): return "\
end"
