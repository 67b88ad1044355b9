"""Module docstring."""
import os
from functools import wraps


def timer(func):
    @wraps(func)
    def inner(*args, **kwargs):
        return func(*args, **kwargs)

    return inner


# Comment above.
# Second line.
@timer
@app.get("/items/{id}")
async def read_item(
    id: int,
    q: str | None = None,
) -> dict:
    # first comment
    """Docstring."""
    for i in range(3):
        yield i


class Repo(Base):
    """Stores things."""

    limit = 10

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value):
        self._name = value

    class Inner:
        def run(self): return 1

    @staticmethod
    def run():
        pass


square = lambda x: x * x

if os.name == "nt":
    def where():
        return "nt"
else:
    def where():
        return "posix"


def übergröße(größe):
	return größe
