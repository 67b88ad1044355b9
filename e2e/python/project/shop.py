"""A small module in which every kind of function that Python has occurs."""

import functools
import time


def retry(times):
    def decorate(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            for attempt in range(times):
                try:
                    return func(*args, **kwargs)
                except OSError:
                    time.sleep(2**attempt)
            return func(*args, **kwargs)

        return wrapper

    return decorate


class Basket:
    def __init__(self):
        self.items = []

    @property
    def total(self):
        return sum(price for _, price in self.items)

    @retry(3)
    def pay(self, gateway):
        """Charge the basket's total, again when the connection breaks."""
        return gateway.charge(self.total)


class Order:
    def pay(self, gateway):
        return gateway.invoice(self)


async def fetch_exchange_rate(client, currency):
    response = await client.get(f"/rates/{currency}")
    return response.json()["rate"]
