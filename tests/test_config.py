from dataclasses import dataclass, field

import pytest

from i2i_cli.config import merged, nearest, parse_assignment, read_toml, to_toml, updated
from i2i_cli.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    layers: tuple[str, ...] = ("a",)


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str = "x"
    steps: int = 3
    on: bool = False
    limit: float | None = None
    inner: Inner = field(default_factory=Inner)


def test_updated_lays_nested_tables_over_the_defaults() -> None:
    config = updated(Outer(), {"steps": 7, "inner": {"rate": 1, "layers": ["b", "c"]}})
    assert config == Outer(steps=7, inner=Inner(rate=1.0, layers=("b", "c")))
    assert isinstance(config.inner.rate, float)


@pytest.mark.parametrize(
    ("tables", "said", "hint"),
    [
        ({"stesp": 1}, "'stesp'", "steps"),
        ({"rate": 1}, "'rate'", "inner.rate"),
        ({"inner": {"rat": 1}}, "'inner.rat'", "inner.rate"),
        ({"steps": "many"}, "steps = 'many'", "a whole number"),
        ({"steps": True}, "steps = True", "a whole number"),
        ({"on": 1}, "on = 1", "true or false"),
        ({"inner": 3}, "'inner'", ""),
        ({"inner": {"layers": "a"}}, "inner.layers = 'a'", "a list"),
        ({"inner": {"layers": ["a", 2]}}, "inner.layers[1] = 2", "text"),
        ({"inner": {"layers": [True]}}, "inner.layers[0] = True", "text"),
        ({"inner": {"layers": [["a"]]}}, "inner.layers[0] = ('a',)", "text"),
    ],
)
def test_updated_names_what_is_wrong_and_what_is_near(tables: dict, said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        updated(Outer(), tables)
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("steps=3", {"steps": 3}),
        ("inner.rate = 1e-4", {"inner": {"rate": 1e-4}}),
        ("on=true", {"on": True}),
        ("name=bare words", {"name": "bare words"}),
        ('inner.layers=["a", "b"]', {"inner": {"layers": ["a", "b"]}}),
    ],
)
def test_parse_assignment_reads_toml_values(text: str, tables: dict) -> None:
    assert parse_assignment(text) == tables


def test_parse_assignment_needs_a_value() -> None:
    with pytest.raises(ConfigError, match="has no value"):
        parse_assignment("steps")


def test_toml_comes_back_as_it_went(tmp_path) -> None:
    config = Outer(name='quote " back \\ ünï', on=True, inner=Inner(rate=1e-9, layers=()))
    path = tmp_path / "c.toml"
    path.write_text(to_toml(config, "two\nlines"), encoding="utf-8")
    assert updated(Outer(), read_toml(path)) == config


def test_read_toml_says_what_is_wrong(tmp_path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("a = = 1")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(tmp_path / "none.toml")


def test_merged_goes_table_by_table() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}}) == {"a": {"b": 9, "c": 2}, "d": 3}


def test_nearest_lists_all_where_nothing_is_near() -> None:
    assert nearest("anmie", ["anime", "human"]) == "did you mean 'anime'?"
    assert nearest("zzz", ["anime", "human"]) == "known: anime, human"
