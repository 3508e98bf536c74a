"The plan of the house: who imports whom, where SQL is spoken, and how a cell reads."
import ast
import json
import re
import subprocess
import sys

import pytest

from conftest import ROOT

WINGS = ["model", "data", "evaluate", "train", "catalogue"] # each imports only from those before it
STANDS_ALONE = ["model", "data"] # these two import nothing of each other
FILES = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
         for p in sorted((ROOT/"whaledo").rglob("*.py")) if p.name != "_modidx.py"}
NOTEBOOKS = [*sorted(ROOT.glob("nbs/*.ipynb")), *sorted(ROOT.glob("whale_nbs/*.ipynb"))]


def imported(text, module=""):
    "(module, name) of every import of ours in a piece of source, relative ones resolved."
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            package = module.split(".")[:len(module.split(".")) - node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                if base.split(".")[0] == "whaledo":
                    yield base, alias.name
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "whaledo")


def target(base, name):
    "The module that an import asks for."
    return f"{base}.{name}" if f"{base}.{name}" in FILES else base


EDGES = {m: {target(*i) for i in imported(p.read_text(), m)} & set(FILES) - {m} for m, p in FILES.items()}


def wing(module):
    parts = module.split(".")
    return parts[2] if parts[:2] == ["whaledo", "whale"] and len(parts) > 2 and parts[2] in WINGS else None


def test_no_module_reaches_itself():
    def reached(start):
        seen, todo = set(), list(EDGES[start])
        while todo:
            m = todo.pop()
            if m not in seen:
                seen.add(m)
                todo += EDGES[m]
        return seen
    assert not [m for m in EDGES if m in reached(m)]


def test_no_arrow_points_upward():
    wrong = []
    for module, others in EDGES.items():
        for other in others:
            a, b = wing(module), wing(other)
            if a and b and a != b and (WINGS.index(b) > WINGS.index(a) or {a, b} == set(STANDS_ALONE)):
                wrong.append((module, other))
            if a and not b and other.startswith("whaledo.whale"): # what stands above the wings
                wrong.append((module, other))
    assert not wrong


def test_the_model_imports_nothing_else_of_ours():
    for module, others in EDGES.items():
        if wing(module) == "model":
            assert all(wing(other) == "model" for other in others), (module, others)


def test_no_private_name_leaves_its_module():
    taken = [(m, base, name) for m, p in FILES.items() for base, name in imported(p.read_text(), m)
             if re.match("_[^_]", name) and target(base, name) != f"{base}.{name}"]
    assert not taken


def test_sql_is_spoken_in_the_store_alone():
    sql = re.compile(r"\b(SELECT .+ FROM|INSERT (OR \w+ )?INTO|DELETE FROM|CREATE (TEMP )?TABLE|UPDATE \w+ SET)\b|\.execute\(|sqlite3")
    found = [m for m, p in FILES.items() if sql.search(p.read_text())]
    assert found == ["whaledo.whale.catalogue.store"]


def code_cells(path):
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not source.startswith(("%%", "!")):
            source = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)
            yield cell["id"], source, ast.parse(source), bool(re.search(r"(?m)^#\|\s*exporti?\b", source))


def test_no_notebook_uses_what_a_later_one_defines():
    home = {}
    for path in NOTEBOOKS: # the modules of siblings' submissions are begun in notebooks of their own
        for m in re.findall(r"default_exp ([\w.]+)", path.read_text()):
            home[f"whaledo.{m}"] = path
    wrong = []
    for path in NOTEBOOKS:
        if path.stem in ("80_your_own_challenge", "90_cli"): # these stand above everything
            continue
        for _, source, _, _ in code_cells(path):
            for base, name in imported(source):
                there = home.get(target(base, name))
                if there and NOTEBOOKS.index(there) > NOTEBOOKS.index(path):
                    wrong.append((path.name, target(base, name)))
    assert not wrong


def lines(source):
    return [x for x in source.split("\n") if x.strip() and not x.startswith("#|")]


def is_condition(node):
    return isinstance(node, (ast.Compare, ast.BoolOp)) or isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def faults(source, tree, exported):
    n = len(lines(source))
    if exported and n > 20:
        yield f"{n} exported lines, at most 20"
    if not exported and "assert " in source and n > 10:
        yield f"{n} lines with assertions, at most 10"
    for i, line in enumerate(source.split("\n"), 1):
        if len(line) > 110:
            yield f"line {i} has {len(line)} characters, at most 110"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield f"line {node.lineno}: several assignments in a tuple"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and (is_condition(node.left) or is_condition(node.right)):
            yield f"line {node.lineno}: a product with a condition"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_cells_have_air(path):
    found = [f"{path.name}, cell {i}: {fault}" for i, *cell in code_cells(path) for fault in faults(*cell)]
    assert not found, "\n".join(found)


def test_the_median_exported_cell_has_at_most_ten_lines():
    sizes = sorted(len(lines(source)) for path in NOTEBOOKS for _, source, _, exported in code_cells(path) if exported)
    assert sizes[len(sizes) // 2] <= 10 and sizes[-1] <= 20


def test_ruff_finds_nothing():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "nbs", "whale_nbs", "submission_benchmark"], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_linter_sees_a_dense_cell():
    bad = "#| export\na, b = 1, 2\nc = 'x' * (a > b)\n" + "d = 1\n" * 20
    assert len([*faults(bad, ast.parse(bad), True)]) == 3
