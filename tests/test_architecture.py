"""The import contract: a module imports only from layers below its own, or from its own package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import instructvec

SOURCE = Path(__file__).parents[1] / "src" / "instructvec"

# The layer of each direct child of the package; the tree is drawn in the architecture notes.
LAYERS = {
    "errors": 0,
    "types": 0,
    "extras": 0,
    "instruction": 0,
    "toml": 0,
    "encoding": 1,
    "page": 1,
    "checkpoints": 2,
    "engines": 3,
    "road": 4,
    "text_encoder": 4,
    "embedder": 4,
    "compat": 4,
    "corpus": 5,
    "tasks": 6,  # tasks and medi read the files that corpus reads, and keep vectors as it does
    "medi": 6,
    "training": 7,
    "evaluation": 7,
    "server": 7,
    "integrations": 7,
    "cli": 8,
    "__main__": 8,
    "__init__": 9,
}
# The single modules of a layer, and which of its others each may use.
WITHIN_LAYER = {
    "extras": {"errors"},
    "instruction": {"errors"},
    "toml": {"errors"},
    "text_encoder": {"road"},
    "embedder": {"road", "text_encoder"},
    "compat": {"road", "text_encoder", "embedder"},
    "__main__": {"cli"},
}
HEAVY = ("torch", "transformers", "onnxruntime", "pyarrow", "tokenizers", "safetensors", "huggingface_hub", "tqdm")
MODULES = sorted(SOURCE.rglob("*.py"))


def child_of(module):
    """The child of the package that a dotted module name or a file lies in."""
    return module.split(".")[1] if "." in module else "__init__"


def imports_of(tree):
    """(line, module) of every import of ours that is executed, wherever it stands."""
    exempt = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in exempt:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; write the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "instructvec":
                yield node.lineno, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert own in LAYERS, f"{own} has no layer yet: give it one in the table above"
    for line, name in imports_of(ast.parse(path.read_text(encoding="utf-8"))):
        other = child_of(name)
        if other not in LAYERS:  # "from instructvec import __version__"
            assert other.startswith("__"), f"{path}:{line}: {name} has no layer"
            continue
        allowed = other == own or LAYERS[other] < LAYERS[own] or other in WITHIN_LAYER.get(own, ())
        assert allowed, f"{path}:{line}: {own} (layer {LAYERS[own]}) imports {name} (layer {LAYERS[other]})"


@pytest.mark.parametrize(
    "code",
    ["import instructvec", "import instructvec.cli.main", "from instructvec import Instruction"],
)
def test_import_loads_nothing_heavy(code):
    listing = f"{code}; import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_embedder_module_loads_no_torch():
    listing = (
        "import instructvec.embedder, sys; print(*[n for n in ('torch', 'transformers') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", instructvec.__all__)
def test_public_name_resolves(name):
    assert getattr(instructvec, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Embeder'"):
        _ = instructvec.Embeder


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_module_opens_with_what_it_does(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path}: no opening docstring"
