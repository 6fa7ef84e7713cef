"""The methods: one folder a paper, each a `Family` under the contract of `family.py`."""

from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError
from i2i_cli.models import dual, srae
from i2i_cli.models.family import Family

FAMILIES: dict[str, Family] = {
    "srae": srae.FAMILY,
    "dual": dual.FAMILY,
}


def family(name: str) -> Family:
    """The family called `name`.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in FAMILIES:
        raise ConfigError(f"no model family is called {name!r}", nearest(name, FAMILIES))
    return FAMILIES[name]
