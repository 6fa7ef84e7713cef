import pytest

from i2i_cli.jobs.plots.charts import COLOURS, HEIGHT, WIDTH, Curve, CurveGroup, chart, ticks


def curve(name: str, values: tuple[float, ...]) -> Curve:
    return Curve(name, name, "", tuple(range(100, 100 * len(values) + 1, 100)), values)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.06, 0.5], [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        ([170, 2], [0, 50, 100, 150, 200]),
        ([-1, 0.4], [-1, -0.5, 0, 0.5]),
        ([0], [0, 1]),
        ([3e-15], [0, 1e-15, 2e-15, 3e-15]),
    ],
)
def test_ticks_are_round_and_reach_beyond_all_values(values: list[float], wanted: list[float]) -> None:
    assert ticks(values) == pytest.approx(wanted)


def test_more_is_drawn_higher_and_later_further_to_the_right() -> None:
    drawn = chart(CurveGroup("errors", "", (curve("one", (0.5, 0.25, 0.0)), curve("two", (0.1,)))))
    (first, second, third), (other,) = (line.points for line in drawn.lines)
    assert first[0] < second[0] < third[0] and first[1] < second[1] < third[1]
    assert second[1] == pytest.approx((first[1] + third[1]) / 2) and other[0] == first[0]
    assert third[1] == {text: y for y, text in drawn.up}["0"]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for line in drawn.lines for x, y in line.points)
    assert [text for _, text in drawn.across] == ["0", "100", "200", "300"]
    assert all(line.has_dots for line in drawn.lines)


def test_no_two_curves_look_alike_and_many_points_are_no_dots() -> None:
    drawn = chart(CurveGroup("forces", "", tuple(curve(str(i), (0.1,) * 40) for i in range(2 * len(COLOURS)))))
    assert len({(line.colour, line.dashed) for line in drawn.lines}) == len(drawn.lines)
    assert not any(line.has_dots for line in drawn.lines)
