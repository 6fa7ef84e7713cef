"""A visit to the page by a browser without a window, and what it may never meet: see `Visit`."""

import io
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Response, Route, expect

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip

SECONDS = 30
"""Most that anything on the page may take."""

NOISE = "Method not implemented."
"""Gradio's own, told at each upload."""


class Visit:
    """One page in a context of its own; what it meets that it may not is in `complaints`.

    Args:
        address: of the server. Requests to any other are blocked.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address, self.complaints = page, address, list[str]()
        page.set_default_timeout(1000 * SECONDS)
        page.context.route("**/*", self._route)
        page.on("dialog", self._dialog)
        page.on("console", self._console)
        page.on("response", self._response)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))

    def arrive(self) -> None:
        """Open the page, and wait until the picture that lies there is translated."""
        self.page.goto(self.address)
        self.told("--to")
        self.shows("#codes img")

    def tab(self, name: str) -> None:
        """Open a tab, in the menu of those that a narrow page has no room for where it lies there."""
        tab = self.page.get_by_role("tab", name=name, exact=True)
        if tab.count() and tab.first.is_visible():
            tab.first.click()
        else:
            self.page.locator(".overflow-menu > button").click()
            self.page.locator(".overflow-dropdown button", has_text=name).click()

    def upload(self, where: str, name: str, data: bytes) -> None:
        """Give a file to the picture `where` (a selector)."""
        file = {"name": name, "mimeType": "image/png", "buffer": data}
        self.page.locator(f"{where} input[type=file]").first.set_input_files(files=[file])  # type: ignore[list-item]

    @property
    def command(self) -> Locator:
        """The command line of the open tab."""
        return self.page.locator(".command .cm-content").locator("visible=true")

    def told(self, *parts: str) -> list[str]:
        """The words of the command line, once all `parts` are in it."""
        for part in parts:
            expect(self.command).to_contain_text(part, timeout=1000 * SECONDS)
        return shlex.split(self.command.inner_text())

    def shows(self, selector: str, least: int = 1) -> None:
        """Wait until there are at least so many of what `selector` means."""
        expect(self.page.locator(selector).nth(least - 1)).to_be_visible(timeout=1000 * SECONDS)

    def sources(self, selector: str) -> list[str]:
        """Where the images that `selector` means come from: each new image has an address of its own."""
        return [image.get_attribute("src") or "" for image in self.page.locator(selector).all()]

    @contextmanager
    def another(self, selector: str) -> Iterator[None]:
        """What is done in the block has to bring other images in the place of those that `selector` means."""
        before = self.sources(selector)
        yield
        self.until(lambda: self.sources(selector) not in (before, []), f"{selector} stays as it is")

    def until(self, is_so: Callable[[], bool], complaint: str) -> None:
        """Wait until `is_so`; the page goes on meanwhile."""
        for _ in range(20 * SECONDS):
            if is_so():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(complaint)

    def choose(self, where: str, name: str) -> None:
        """Choose `name` in the dropdown `where` (a selector)."""
        self.page.locator(f"{where} input").click()
        self.page.get_by_role("option", name=name).click()

    def slide(self, where: str, share: float) -> None:
        """Drag the slider `where` (a selector) to a share of its length."""
        self.page.locator(f"{where} input[type=range]").scroll_into_view_if_needed()
        box = self.page.locator(f"{where} input[type=range]").bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)

    def click_picture(self, selector: str, x: float, y: float) -> None:
        """Click an image at a share of its width and height, wherever in its element it lies."""
        image = self.page.locator(selector)
        image.scroll_into_view_if_needed()
        box, size = image.bounding_box(), image.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert box is not None
        scale = min(box["width"] / size[0], box["height"] / size[1])
        left, top = (box["width"] - scale * size[0]) / 2, (box["height"] - scale * size[1]) / 2
        self.page.mouse.click(box["x"] + left + x * scale * size[0], box["y"] + top + y * scale * size[1])

    def download(self, folder: Path) -> Path:
        """What the button gives, under the name that it suggests, in `folder`."""
        with self.page.expect_download() as waiting:
            self.page.locator("#download").click()
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def error(self, text: str) -> None:
        """Wait for the one message with `text` in it, and close it."""
        message = self.page.get_by_test_id("toast-text")
        expect(message.first).to_contain_text(text, timeout=1000 * SECONDS)
        self.page.wait_for_timeout(500)  # a second one would come with what follows
        assert message.count() == 1, message.all_inner_texts()
        self.page.get_by_test_id("toast-close").click()
        expect(message).to_have_count(0)

    def overflow(self) -> float:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    def contrast(self, selector: str) -> float:
        """The least contrast (WCAG 2) of the texts that `selector` means with the ground behind them, from 1 to 21."""
        colours = self.page.locator(selector).evaluate_all(COLOURS)
        assert colours, selector
        return min(_contrast(*map(_luminance, pair)) for pair in colours)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"asked for {route.request.url}")
            route.abort()

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and NOISE not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")


@contextmanager
def visiting(browser: Browser, address: str, **settings: Any) -> Iterator[Visit]:
    """A visit by a new visitor; at its end, there may have been no complaint.

    Args:
        settings: of the browser's context.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    try:
        visit = Visit(context.new_page(), address)
        yield visit
        assert visit.page.locator("img[src='x'], [onerror]").count() == 0
        assert visit.complaints == []
    finally:
        context.close()


COLOURS = """texts => texts.map(text => {
  const clear = colour => colour === "transparent" || /, 0\\)$/.test(colour);
  let ground = text;
  while (ground && clear(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
  return [getComputedStyle(text).color, ground ? getComputedStyle(ground).backgroundColor : "rgb(255, 255, 255)"];
})"""


def _luminance(colour: str) -> float:
    levels = [int(level) / 255 for level in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(first: float, second: float) -> float:
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def png(image: Image.Image) -> bytes:
    """The image as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
