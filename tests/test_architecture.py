"""The layers of the package, and that its front door opens at once."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import multihead

SOURCE = Path(multihead.__file__).parent
# From the top down; packages of one layer do not import each other.
LAYERS: list[set[str]] = [
    {"cli"},
    {"report"},
    {"ablation"},
    {"studies", "serving"},
    {"runs"},
    {"training", "tracking"},
    {"datasets"},
    {"inspection", "vimh"},
    {"balancing", "data", "models"},
    {"heads"},
    {
        *(
            "checked_json",
            "connections",
            "figures",
            "files",
            "garbage",
            "hosts",
            "markdown",
            "metrics",
        ),
        *(
            "pickles",
            "pools",
            "seeding",
            "settings",
            "signals",
            "spreadsheet",
            "terminal",
            "workers",
        ),
        "yaml_file",
    },
    {"errors", "text"},
]
MAY_IMPORT = {
    "mlflow": {"tracking", "serving"},
    "hydra": {"runs", "cli"},
    "optuna": {"studies"},
    "rich": {"terminal"},
}


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def _modules() -> list[Path]:
    return [p for p in SOURCE.rglob("*.py") if p.parent != SOURCE or p.stem not in _FRONT]


_FRONT = ("__init__", "__main__")


def _layer_of(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_downwards_only(path: Path) -> None:
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "multihead" or parts[1] in (own, "__version__"):
            continue
        assert _layer_of(parts[1]) > _layer_of(own), f"{own} imports {name}"


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_only_the_package_made_for_it_imports_a_library(path: Path) -> None:
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for name in _imports(path):
        owners = MAY_IMPORT.get(name.split(".")[0])
        assert owners is None or own in owners, f"{own} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also not through imports within functions: who reads one of them has to read them all."""
    modules = {_name(path): path for path in SOURCE.rglob("*.py")}
    graph = {name: _modules_of(_imports(path), modules) - {name} for name, path in modules.items()}
    for name in graph:
        graph[name] -= {package for package in modules if name.startswith(f"{package}.")}
    while free := _at_an_end(graph):
        graph = {name: needed - free for name, needed in graph.items() if name not in free}
    assert sorted(graph) == []


def _at_an_end(graph: Mapping[str, set[str]]) -> set[str]:
    """Return the modules that import none of the others, or that none of the others imports."""
    imported = set().union(*graph.values())
    return {name for name, needed in graph.items() if not needed or name not in imported}


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _modules_of(imported: set[str], modules: Mapping[str, Path]) -> set[str]:
    """Return the modules that names are of: itself, or what it is an attribute of."""
    return {n if n in modules else n.rpartition(".")[0] for n in imported} & modules.keys()


def test_only_the_terminal_prints() -> None:
    """Text of others is shown as text because there is one place that shows any."""
    printing = {"click.echo", "click.secho", "click.prompt", "click.confirm", "print", "input"}
    printing |= {f"sys.{s}.{w}" for s in ("stdout", "stderr") for w in ("write", "writelines")}
    for path in _modules():
        if path.parent.name != "terminal":
            nodes = ast.walk(ast.parse(path.read_text()))
            called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
            assert not printing & called, path


def test_only_the_writer_for_spreadsheets_writes_csv() -> None:
    """So that no cell runs, in no file."""
    for path in _modules():
        if path.stem != "spreadsheet":
            nodes = ast.walk(ast.parse(path.read_text()))
            names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            assert not names & {"to_csv", "DictWriter"}, path


@pytest.mark.parametrize("statement", ["import multihead", "import multihead.cli.main"])
def test_the_front_door_loads_no_heavy_library(statement: str) -> None:
    """`multihead --help` must answer at once."""
    heavy = "{'torch', 'mlflow', 'lightning', 'hydra', 'pandas', 'numpy'}"
    code = f"{statement}; import sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_EXPORT = ["study", "digits_quick", "--export", "trials.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "heavy"),
    [
        (["list"], 0, {"torch", "mlflow", "lightning", "hydra", "pandas", "numpy"}),
        (["runs"], 0, {"torch", "mlflow", "lightning", "hydra", "sqlalchemy"}),
        (["train", "modle.lr=1"], 2, {"torch", "mlflow", "lightning", "pandas"}),
        (["evaluate", "modle.lr=1"], 2, {"torch", "mlflow", "lightning", "pandas"}),
        (["report", "none"], 2, {"torch", "lightning", "hydra", "optuna"}),
        (_EXPORT, 2, {"torch", "mlflow", "lightning", "hydra"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_no_library_that_it_does_not_use(
    home: Path, arguments: list[str], code: int, heavy: set[str]
) -> None:
    """Torch, Lightning and MLflow take seconds to import."""
    program = (
        f"import sys; from multihead.cli.main import main\n"
        f"try: main({arguments!r})\n"
        f"except SystemExit as end: print(end.code, sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"{code} []", done.stderr


def test_training_loads_no_library_of_a_network_that_it_does_not_use() -> None:
    code = "import sys; import multihead.runs.execute; print({'timm', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_resolves() -> None:
    for name in multihead.__all__:
        assert getattr(multihead, name) is not None
    assert set(dir(multihead)) == set(multihead.__all__)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'SimpleCN'"):
        _ = multihead.SimpleCN
