"""Which domain plays which part in the dual GAN (paper 3.2, figure 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError


@dataclass(frozen=True)
class Roles:
    """Four domains as two categories (bag, shoe) in two expressions (sketch, photo), as labels.

    Args:
        inputs: the given domains, one of each category; E1 sees the first's category, E2 the second's.
        outputs: the domains that come out; `outputs[i]` has the category of `inputs[i]`.
    """

    inputs: tuple[int, int]
    outputs: tuple[int, int]

    def category(self, label: int) -> int:
        """0 for the domains that E1 encodes, 1 for those of E2."""
        return (self.inputs if label in self.inputs else self.outputs).index(label)

    def counterpart(self, label: int) -> int:
        """The domain of the same category in the other expression: what an image of `label` becomes."""
        return _other(label, *zip(self.inputs, self.outputs, strict=True))

    def partner(self, label: int) -> int:
        """The domain of the other category in the same expression: it lends images of `label` their second code."""
        return _other(label, *zip(self.inputs, self.outputs[::-1], strict=True))


def _other(label: int, *pairs: tuple[int, int]) -> int:
    """The label beside `label` in the pair that holds it."""
    first, second = next(pair for pair in pairs if label in pair)
    return second if label == first else first


def roles_of(inputs: Sequence[str], outputs: Sequence[str], domains: Sequence[str]) -> Roles:
    """The roles that the names `inputs` and `outputs` give to `domains`, which are in order of their labels.

    Raises:
        ConfigError: not two different names each, or a name that no domain has.
    """
    known = f"the domains are {', '.join(sorted(domains))}"
    if not inputs or not outputs:
        raise ConfigError(
            "the dual GAN needs to know which domains go in and which come out",
            f"give --inputs A,B --outputs C,D where C shows what A shows, and D what B shows; {known}",
        )
    for option, names in (("--inputs", inputs), ("--outputs", outputs)):
        if len(names) != 2:
            raise ConfigError(f"{option} {','.join(names)} are {len(names)} domains, not two", known)
        for name in names:
            if name not in domains:
                raise ConfigError(f"{option}: no domain is called {name!r}", nearest(name, domains))
    if len({*inputs, *outputs}) < 4:
        raise ConfigError(
            f"--inputs {','.join(inputs)} and --outputs {','.join(outputs)} name a domain twice", "name four domains"
        )
    first, second, third, fourth = (domains.index(name) for name in (*inputs, *outputs))
    return Roles((first, second), (third, fourth))
