"""What is said to people in mails and on the page of a link in them, in the languages that there are: a file each."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_FALLBACK: Final = "en"


def phrases(locale: str) -> Mapping[str, str]:
    """Give the phrases of a language, by a locale such as fr, fr_FR or pt-BR; English ones where there are none."""
    language = locale.replace("-", "_").partition("_")[0].lower()
    return _read(language if language in languages() else _FALLBACK)


@cache
def languages() -> frozenset[str]:
    """Give the languages that there are."""
    names = (file.name for file in files(__package__).iterdir())
    return frozenset(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


@cache
def _read(language: str) -> Mapping[str, str]:
    return tomllib.loads((files(__package__) / f"{language}.toml").read_text("utf-8"))
