"""Every name that a reply may bear, with the prices it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.config.prices import Book, BookModel, known
from app.core.models import Model
from app.core.price_list import Listed, PriceList


def price_list(models: Iterable[Model], books: Mapping[str, Book]) -> PriceList:
    """What is offered by its configured prices, all else by the books'.

    A vendor's name goes before an alias of the config: it is the vendor that answers.
    """
    names: dict[str, Listed] = {}
    aliases: dict[str, Listed] = {}
    for model in models:
        book = known(books, model.id)
        figures_of = model.id if book is None else book.figures_of
        listed = Listed(model.id, figures_of, model.schedule, by_config=book is None)
        names[model.id] = listed
        aliases |= dict.fromkeys(model.aliases, listed)
    for book_model in (model for book in books.values() for model in book.models.values()):
        own = names.get(book_model.id) or next(
            (names[name] for name in _names(book_model) if name in names), None
        )
        listed = own or Listed(book_model.id, book_model.figures_of, book_model.schedule)
        for name in _names(book_model):
            names.setdefault(name, listed)
    rules = (rule for book in books.values() for rule in book.refusals)
    return PriceList(aliases | names, tuple(rules))


def _names(model: BookModel) -> tuple[str, ...]:
    return (model.id, *model.aliases)
