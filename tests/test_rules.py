"""The rules of the house, read off the source."""

import ast
from pathlib import Path

import pytest

import i2i_cli

PACKAGE = Path(i2i_cli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
ALLOWED = {
    "cli": {
        "cli",
        "web",
        "jobs",
        "inference",
        "checkpoints",
        "errors",
        "config",
        "files",
        "notes",
        "bundled",
        "i2i_cli",
    },
    "jobs": {
        "jobs",
        "inference",
        "checkpoints",
        "engine",
        "data",
        "models",
        "errors",
        "config",
        "files",
        "notes",
        "bundled",
        "i2i_cli",
    },
    "web": {
        "web",
        "jobs",
        "inference",
        "checkpoints",
        "data",
        "errors",
        "config",
        "files",
        "notes",
        "bundled",
        "i2i_cli",
    },
    "inference": {"inference", "checkpoints", "engine", "data", "models", "errors", "config", "files", "notes"},
    "checkpoints": {"checkpoints", "models", "errors", "config", "files", "notes", "bundled"},
    "engine": {"engine", "models", "errors", "config", "files", "notes"},
    "data": {"data", "models", "errors", "config", "files", "notes"},
    "models": {"models", "errors", "config", "bundled"},
    "config": {"errors"},
    "files": {"errors"},
    "bundled": set(),
    "notes": set(),
    "errors": set(),
}
TOLD_BY_THE_BASE = {"forward", "note", "decoding", "encoding", "started", "training", "sampled", "scored"}
"""Methods that override a documented one (torch's, or `Observer`'s)."""

MAX_FILE_LINES = 320
MAX_FUNCTION_LINES = 40
MAX_FLAT_JOBS = 12


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> list[tuple[str, ast.stmt]]:
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node))
    return found


def top_level(tree: ast.Module) -> list[str]:
    return [name for statement in tree.body for name, _ in imports(statement) if not is_type_checking(statement)]


def is_type_checking(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    )


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_obeys_the_rules(path: Path) -> None:
    tree, floor = parsed(path), floor_of(path)
    names = [name for name, _ in imports(tree)]
    if floor in ALLOWED:
        ours = {[*name.split("."), ""][1] or "i2i_cli" for name in names if name.split(".")[0] == "i2i_cli"}
        assert ours <= ALLOWED[floor], f"{floor} imports {ours - ALLOWED[floor]}"
    if floor != "cli":
        assert not {name.split(".")[0] for name in names} & {"typer", "rich", "click"}
    else:
        assert not {name.split(".")[0] for name in top_level(tree)} & {"torch", "torchvision", "numpy", "click"}
    if floor != "web":
        assert not {name.split(".")[0] for name in names} & {"gradio", "fastapi", "starlette", "uvicorn"}
    else:
        assert not {name.split(".")[0] for name in names} & {"torch", "torchvision"}
    assert "pickle" not in names
    if path.name != "perceptual.py":
        assert not [name for name in names if name.startswith("torchvision.models")]
    for one, other in (("srae", "dual"), ("dual", "srae")):
        if one in path.parts:
            assert not [name for name in names if other in name.split(".")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_is_short_and_documented(path: Path) -> None:
    tree = parsed(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    assert ast.get_docstring(tree), "a module says what it is for"
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    nested = {node for function in functions for node in ast.walk(function) if node is not function}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            is_signature = any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)
            public = not node.name.startswith("_") and node.name not in TOLD_BY_THE_BASE and not is_signature
            assert not public or node in nested or ast.get_docstring(node), f"{node.name} has no docstring"
        if isinstance(node, ast.FunctionDef):
            body_start = node.body[1] if ast.get_docstring(node) and node.body[1:] else node.body[0]
            length = (node.end_lineno or 0) - body_start.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def test_nothing_prints_outside_the_top_floor() -> None:
    for path in MODULES:
        if floor_of(path) != "cli":
            called = [
                node.func.id
                for node in ast.walk(parsed(path))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            ]
            assert not {"print", "exit", "input"} & set(called), path


def test_nobody_else_s_random_numbers_are_touched() -> None:
    """`torch.manual_seed` seeds the generators of every device, a caller's too: see `models/seeding.py`."""
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute) and node.attr in ("manual_seed", "manual_seed_all", "seed"):
                assert ast.unparse(node.value) not in ("torch", "torch.random", "torch.cuda", "np.random", "random"), (
                    path
                )


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def named(tree: ast.AST, known: set[str]) -> set[str]:
    """The modules of ours that are imported anywhere in `tree`, inside functions and for type checkers too."""
    found = {name for name, node in imports(tree) if isinstance(node, ast.Import)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & known or {node.module or ""}
    return found & known


def room_of(module: str) -> str:
    """The floor of a module, or its folder of `jobs/`."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1] == "jobs" else 2])


def circle_among(needed: dict[str, set[str]]) -> set[str]:
    """What needs itself by way of others, and what stands between two such circles."""
    while ends := {name for name, others in needed.items() if not others or name not in set().union(*needed.values())}:
        needed = {name: others - ends for name, others in needed.items() if name not in ends}
    return set(needed)


def test_nothing_imports_itself_by_way_of_others() -> None:
    """No module, and no room. The package's own `__init__` is left out: it names what is public."""
    trees = {module_of(path): parsed(path) for path in MODULES if path != PACKAGE / "__init__.py"}
    modules = {name: named(tree, trees.keys() - {name}) for name, tree in trees.items()}
    assert not circle_among(modules), f"a circle is among {sorted(circle_among(modules))}"
    rooms: dict[str, set[str]] = {}
    for name, others in modules.items():
        rooms.setdefault(room_of(name), set()).update({room_of(other) for other in others} - {room_of(name)})
    assert not circle_among(rooms), f"a circle is among {sorted(circle_among(rooms))}"


def test_jobs_are_grouped() -> None:
    flat = [path.name for path in (PACKAGE / "jobs").glob("*.py") if path.name != "__init__.py"]
    assert len(flat) <= MAX_FLAT_JOBS, f"jobs/ has {len(flat)} files: group them by command"
