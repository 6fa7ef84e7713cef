"""Signals at random instants of train, index, translate and fit-classifier: what is left, and how it goes on."""

import random
import shutil
import signal
from pathlib import Path

from i2i_cli.checkpoints.tensors import load_tensors
from i2i_cli.errors import I2IError
from i2i_cli.jobs.retrieval import indexing
from i2i_cli.jobs.retrieval.gallery import Gallery, open_gallery
from tests.attacks.processes import POLITE, Ended, Started, i2i
from tests.attacks.report import Findings
from tests.conftest import draw_domains

STEPS = 30
TRAINING = [
    "--steps", str(STEPS), "--image-size", "32", "--batch-size", "4", "--perceptual", "none", "--device", "cpu",
    "--set", "networks.width=16", "--set", "networks.min_width=8", "--set", "training.checkpoint_minutes=0.0001",
]  # fmt: skip
NUMBERS = (signal.SIGKILL, signal.SIGKILL, *POLITE)


def attack(count: int, seed: int, run: Path, folder: Path) -> Findings:
    """`count` signals in all, spread over the commands."""
    findings, rng = Findings("death at any moment"), random.Random(seed)
    data = draw_domains(folder / "shapes")
    scenes = [
        _Training(data, folder),
        _Index(data, folder, run),
        _Translation(data, folder, run),
        _Fitting(data, folder, run),
    ]
    for number in range(count):
        scene = scenes[number % len(scenes)]
        _strike(findings, scene, rng.random(), NUMBERS[number // len(scenes) % len(NUMBERS)], number)
    return findings


def _strike(findings: Findings, scene: "_Scene", when: float, number: int, place: int) -> None:
    scene.reset()
    after = when * scene.seconds * 1.1
    ended = scene.start().kill(after, number).wait(120)
    findings.measure(ended)
    what = f"{place}: {signal.Signals(number).name} {after:.2f} s into {' '.join(scene.words)}"
    code = POLITE.get(number, -signal.SIGKILL)
    findings.check(ended.code in (0, code), f"{what}: code {ended.code}\n{ended.err[-600:]}")
    findings.check("Traceback" not in ended.err, f"{what}:\n{ended.err[-600:]}")
    if number in POLITE:
        left = [path.name for path in scene.folder.rglob("*.part")]
        findings.check(not left, f"{what}: {left} stayed behind")
    try:
        scene.check_what_stands()
        scene.go_on()
    except (AssertionError, I2IError) as error:
        findings.check(False, f"{what}: {type(error).__name__} {error}")
    findings.outcomes[f"{scene.words[0]} {'ended before' if ended.code == 0 else 'cut short, and went on'}"] += 1


class _Scene:
    """A command in a folder of its own, what it makes when nothing happens, and how it goes on after something has."""

    words: list[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reset()
        ended = self.start().wait()
        assert ended.code == 0, ended.err
        self.seconds = ended.seconds
        self.keep_reference()

    def reset(self) -> None:
        """Before the command: an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def start(self) -> Started:
        """The command, begun."""
        return Started(self.words, self.folder)

    def again(self, *words: str) -> Ended:
        """A command that goes on, to its end."""
        ended = i2i(*words, cwd=self.folder)
        assert ended.code == 0, f"{words} ended with {ended.code}: {ended.err[-600:]}"
        return ended

    def keep_reference(self) -> None:
        """Remember what an undisturbed command made."""

    def check_what_stands(self) -> None:
        """No file under its real name is half."""

    def go_on(self) -> None:
        """The command again, and its result against the undisturbed one."""


class _Training(_Scene):
    def __init__(self, data: Path, folder: Path) -> None:
        self.words = ["train", str(data), "--name", "made", *TRAINING]
        super().__init__(folder / "train")

    def keep_reference(self) -> None:
        self.reference = load_tensors(self.folder / "runs/made/state.safetensors")

    def check_what_stands(self) -> None:
        for path in self.folder.rglob("*.safetensors"):
            if not path.name.startswith("."):
                load_tensors(path)

    def go_on(self) -> None:
        run = self.folder / "runs/made"
        if not (run / "state.safetensors").exists():
            self.again(*self.words)
        elif "finished" not in (ended := i2i("train", "--resume", str(run), cwd=self.folder)).err:
            raise AssertionError(f"resume ended with {ended.code}: {ended.err[-600:]}")
        found = load_tensors(run / "state.safetensors")
        assert found.keys() == self.reference.keys()
        different = [name for name in found if not found[name].equal(self.reference[name])]
        assert not different, f"not the weights of an undisturbed run: {different[:3]}"
        assert (run / "model.safetensors").exists() and not list(run.rglob("*.part"))


class _Index(_Scene):
    def __init__(self, data: Path, folder: Path, run: Path) -> None:
        self.words = ["index", str(data), "-o", "made.safetensors", "-w", str(run), "--device", "cpu"]
        super().__init__(folder / "index")

    def start(self) -> Started:
        def save_often() -> None:
            indexing.SAVE_SECONDS = 0.0

        return Started(self.words, self.folder, before=save_often)

    def _gallery(self) -> Gallery:
        return open_gallery(self.folder / "made.safetensors")

    def keep_reference(self) -> None:
        self.paths, self.content = self._gallery().paths, self._gallery().content.copy()

    def check_what_stands(self) -> None:
        if (self.folder / "made.safetensors").exists():
            self._gallery()

    def go_on(self) -> None:
        self.again(*self.words)
        gallery = self._gallery()
        assert list(gallery.paths) == list(self.paths)
        # Batches of another size are summed in another order.
        assert abs(gallery.content.astype(float) - self.content.astype(float)).max() < 0.02


class _Translation(_Scene):
    def __init__(self, data: Path, folder: Path, run: Path) -> None:
        own = ["-w", str(run), "--device", "cpu", "--skip-existing"]
        self.words = ["translate", str(data), "-r", "--to", "disc", "-o", "made", *own]
        super().__init__(folder / "translate")

    def _made(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*.png")}

    def keep_reference(self) -> None:
        self.reference = self._made()

    def check_what_stands(self) -> None:
        made = self._made()
        assert all(self.reference[name] == data for name, data in made.items()), "an output is not the one it should be"

    def go_on(self) -> None:
        self.again(*self.words)
        assert self._made().keys() == self.reference.keys()


class _Fitting(_Scene):
    def __init__(self, data: Path, folder: Path, run: Path) -> None:
        self.run = run
        self.words = ["fit-classifier", str(data), "--labels", "shape", "-w", "made.safetensors", "--device", "cpu"]
        super().__init__(folder / "fit")

    def reset(self) -> None:
        super().reset()
        shutil.copy(self.run / "model.safetensors", self.folder / "made.safetensors")

    def check_what_stands(self) -> None:
        self.again("weights", "check", "made.safetensors")

    def go_on(self) -> None:
        self.again(*self.words, "--force")
        self.again(
            "classify", str(next(self.run.parents[1].rglob("*.png"))), "--labels", "shape", "-w", "made.safetensors"
        )
