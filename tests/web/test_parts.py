import html
import re

import pytest

from i2i_cli.web.page.parts import plain


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "*a* [b](c) `d` ~~e~~ _f_ $g$ &amp; # 1.", "été 雪 photo"]
)
def test_a_name_is_shown_letter_by_letter(name: str) -> None:
    assert html.unescape(plain(name)) == name
    assert not re.search(r"[^\w\s]", re.sub(r"&#\d+;", "", plain(name)))
