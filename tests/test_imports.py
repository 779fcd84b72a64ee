"""Rules of the house that a machine can hold: which way imports point, and that every public name is explained."""

import ast
import sys
from pathlib import Path

import pytest

import playground

ROOT = Path(__file__).resolve().parent.parent
ENGINE = sorted((ROOT / "playground").rglob("*.py"))
PLAIN = {"torch", "numpy", "PIL", "safetensors"}  # all that these rooms may know:
PLAIN_ROOMS = ("playground.api", "playground.sampling", "playground.data", "playground.metrics")

# room → modules of the playground that it may import; a name stands for itself and for what is below it
ROOMS = {
    "playground.api": (),
    "playground.sampling": ("playground.sampling",),
    "playground.data": ("playground.data",),
    "playground.metrics": ("playground.metrics",),
    "playground.render": ("playground.api",),
    "playground.models": (
        "playground.api",
        "playground.sampling",
        "playground.data",
        "playground.models",
        "playground.training.recipe",
        "playground.training.ema",
        "playground.training.precision",
    ),
    "playground.registry": ("playground.api", "playground.models"),
    "playground.engine": ("playground.api", "playground.registry"),
    "playground.training": (
        "playground.api",
        "playground.data",
        "playground.metrics",
        "playground.models",
        "playground.registry",
        "playground.engine",
        "playground.render",
        "playground.sampling",
        "playground.training",
    ),
}

# Each function of these modules draws the part it is named after.
PARTS = tuple(f"playground.data.faces.{part}" for part in ("body", "features", "hair", "hats", "pen", "sketch"))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Full names of everything a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import; write the full name"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def within(name, rooms):
    return any(name == room or name.startswith(room + ".") for room in rooms)


@pytest.mark.parametrize("path", ENGINE, ids=module_name)
def test_the_engine_never_imports_the_page(path):
    page = {"gradio", "tabs", "app"}
    assert not {name for name in imports(path) if name.split(".")[0] in page}


@pytest.mark.parametrize("path", ENGINE, ids=module_name)
def test_imports_point_one_way(path):
    room = next((room for room in ROOMS if within(module_name(path), [room])), None)
    if room is None:
        return  # the command line, evaluate and benchmark stand above all rooms
    ours = {name for name in imports(path) if name.split(".")[0] == "playground"}
    # `from playground import registry` reads as playground.registry; a bare `import playground` is nobody's business
    strangers = {name for name in ours if not within(name, ROOMS[room])}
    assert not strangers, f"{room} may only import {ROOMS[room] or 'nothing of the playground'}"


@pytest.mark.parametrize("path", ENGINE, ids=module_name)
def test_mathematics_data_and_metrics_need_no_framework(path):
    if not within(module_name(path), PLAIN_ROOMS):
        return
    allowed = PLAIN | set(sys.stdlib_module_names) | {"playground"}
    assert not {name for name in imports(path) if name.split(".")[0] not in allowed}


def test_only_the_app_and_the_tabs_import_gradio():
    importers = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.rglob("*.py")
        if not any(part.startswith(".") or part in ("runs", "venv") for part in path.relative_to(ROOT).parts)
        and any(name.split(".")[0] == "gradio" for name in imports(path))
    }
    assert importers <= {"app.py", "tabs", "tests"}


def public_functions(path):
    """Public functions and methods of public classes, with the class they belong to."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method


@pytest.mark.parametrize("path", ENGINE, ids=module_name)
def test_every_public_function_is_annotated(path):
    for name, function in public_functions(path):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        assert not bare, f"{module_name(path)}.{name}: {bare} have no annotation"
        assert function.returns is not None, f"{module_name(path)}.{name} does not say what it returns"


@pytest.mark.parametrize("path", ENGINE, ids=module_name)
def test_every_module_and_public_function_is_explained(path):
    text = path.read_text(encoding="utf-8")
    if not text.strip() or within(module_name(path), PARTS):
        return
    assert ast.get_docstring(ast.parse(text)), f"{module_name(path)} does not say what it is for"
    # `forward` and a learner's `step` do what their class says
    silent = [
        name
        for name, function in public_functions(path)
        if not ast.get_docstring(function) and name.split(".")[-1] not in ("forward", "step")
    ]
    assert not silent, f"{module_name(path)}: no docstring on {silent}"


@pytest.mark.parametrize("path", ENGINE, ids=module_name)
def test_nothing_below_the_page_swallows_every_error(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"Exception"}
            assert not caught & {"Exception", "BaseException"}, f"{module_name(path)}: line {node.lineno}"


def test_the_project_says_one_version():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{playground.__version__}"' in project
    assert f"\n## {playground.__version__} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
