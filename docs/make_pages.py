"""Pages of the site, as Markdown: README, tutorials, notebooks with their outputs, the reference made from
docments, figures with the rows that they come from. `make docs` makes HTML of them with mkdocs."""
import ast
import importlib
import inspect
import json
import re
import shutil
import sys
import tomllib
from configparser import ConfigParser
from functools import partial
from pathlib import Path

import nbformat
import pandas as pd
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import Preprocessor
from nbdev.showdoc import DocmentTbl

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WINGS = {
    "0": "Data",
    "1": "Model",
    "2": "Evaluate",
    "3": "Train",
    "4": "Catalogue",
    "5": "Challenge and speed",
}
TUTORIALS = {
    "biologist": "Biologist",
    "data_scientist": "Data scientist",
    "competitor": "Competitor",
    "organiser": "Organiser",
    "laboratory": "Laboratory",
}
PROSE = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "runtime/README.md": "runtime.md",
}


def settings():
    "What settings.ini says of the project."
    found = ConfigParser(delimiters=["="])
    found.read(ROOT/"settings.ini", encoding="utf-8")
    return found["DEFAULT"]


# Where things lie on the site

def notebooks():
    "All notebooks, in the order in which they are read."
    return [*sorted(ROOT.glob("whale_nbs/*.ipynb")), *sorted(ROOT.glob("nbs/*.ipynb"))]


def staged():
    "{file of the repository: its page}, both as relative paths."
    pages = {"README.md": "index.md"} | PROSE
    for path in sorted(HERE.rglob("*.md")):
        pages[str(path.relative_to(ROOT))] = str(path.relative_to(HERE))
    for path in notebooks():
        pages[str(path.relative_to(ROOT))] = str(path.relative_to(ROOT).with_suffix(".md"))
    return pages


LINK = re.compile(r"""(\]\(|(?:href|src)=")([^)"\s#]+)(#[^)"\s]*)?(?=[)"\s])""")


class BadLink(ValueError):
    "A link to a file that is not there."


def relink(
    text: str,  # Markdown
    at: str,  # file of the repository that it comes from
    page: str,  # its page on the site
    pages: dict,  # of `staged`
    pictures: set,  # takes the pictures that the site needs, as files of the repository
) -> str:  # BadLink for a link to what is not there
    "Links between files become links between pages; what is no page is linked where the code is published."
    def moved(found):
        start, target, mark = found.groups("")
        if re.match(r"[a-z]+:", target):
            return found[0]
        return start + _target(target, at, page, pages, pictures) + mark
    parts = re.split(r"(?ms)(^[ ]*```.*?^[ ]*```[ ]*$)", text)  # code stays as it is
    return "".join(part if i % 2 else LINK.sub(moved, part) for i, part in enumerate(parts))


def _target(target, at, page, pages, pictures):
    file = (ROOT/at).parent.joinpath(target).resolve()
    if not file.exists() or not file.is_relative_to(ROOT):
        raise BadLink(f"{at}: links to {target}, which is not there")
    file = str(file.relative_to(ROOT))
    if file in pages:
        return _relative(pages[file], page)
    if file.endswith((".png", ".jpg", ".svg")):
        pictures.add(file)
        return _relative(file.removeprefix("docs/"), page)
    kind = "tree" if (ROOT/file).is_dir() else "blob"
    return f"{settings()['git_url']}/{kind}/{settings()['branch']}/{file}"


def _relative(target, page):
    up = [".."] * (len(Path(page).parts) - 1)
    return "/".join([*up, target])


# Notebooks

DIRECTIVE = re.compile(r"(?m)^#\|.*\n?")
LEFT_OUT = re.compile(r"(?m)^#\|\s*(hide|default_exp)\b")


def is_import(source: str) -> bool:
    "Does a cell do nothing but import?"
    try:
        nodes = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(nodes) and all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes)


def is_object(text: str) -> bool:
    "Is an output the name of an object alone, such as <Figure size 576x432 with 0 Axes>?"
    return bool(re.fullmatch(r"\s*<[^\n]*>\s*", text))


def bare_html(html: str) -> str:
    "A table without its own style sheet and border; every line begins at the left, as Markdown wants it."
    html = re.sub(r"(?s)<style.*?</style>", "", html).replace('border="1" ', "")
    html = re.sub(r'style="text-align: right;"', "", html)
    return re.sub(r"\n\s*", "\n", html).strip()


class ForReaders(Preprocessor):
    "Leaves out what only nbdev reads, and names the section that a picture stands in."

    def preprocess(self, nb, resources):
        section = ""
        nb.cells = [c for c in nb.cells if not (c.cell_type == "code" and LEFT_OUT.search(c.source))]
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                section = (re.findall(r"(?m)^#+ (.*)$", cell.source) or [section])[-1]
            else:
                cell.source = DIRECTIVE.sub("", cell.source).strip()
                for output in cell.outputs:
                    output.setdefault("metadata", {})["section"] = section
        nb.cells = _one_import(nb.cells)
        return nb, resources


def _one_import(cells):
    "Cells that only import, one after the other, become one."
    kept = []
    for cell in cells:
        both = kept and cell.cell_type == kept[-1].cell_type == "code"
        if both and is_import(kept[-1].source) and is_import(cell.source) and not kept[-1].outputs:
            kept[-1].source += f"\n\n{cell.source}"
            kept[-1].outputs = cell.outputs
        else:
            kept.append(cell)
    return kept


def exporter():
    "A converter of notebooks."
    template = str(HERE/"notebook.md.j2")
    how = dict(optimistic_validation=True, preprocessors=[ForReaders])
    made = MarkdownExporter(template_file=template, **how)
    made.register_filter("is_import", is_import)
    made.register_filter("is_object", is_object)
    made.register_filter("bare_html", bare_html)
    made.environment.globals["caption"] = lambda output: output.metadata.section.replace("`", "") or "picture"
    return made


def notebook_page(
    convert: MarkdownExporter,
    file: Path,  # notebook
    to: Path,  # folder of the site's pages
    page: str,
    mend,  # links of a piece of Markdown
) -> str:  # Markdown; its pictures are written beside the page
    "A notebook as it was committed; nothing is run."
    nb = nbformat.read(file, 4)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = mend(cell.source)
    resources = dict(unique_key=Path(page).stem, output_files_dir=f"{Path(page).stem}_pictures")
    text, resources = convert.from_notebook_node(nb, resources)
    for name, data in resources["outputs"].items():
        picture = (to/page).parent/name
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(data)
    return _with_subtitle(text)


def _with_subtitle(text):
    "The sentence of purpose under the title gets a style of its own."
    return re.sub(r"(?m)\A(\s*# .*\n+)((?:> .*\n)+)", lambda m: m[1] + _subtitle(m[2]), text)


def _subtitle(quote):
    words = " ".join(line.removeprefix("> ") for line in quote.splitlines())
    return f"{words}\n{{ .subtitle }}\n"


# Reference

def modules():
    "(notebook, module) of each module, in the order of the notebooks."
    seen = {}
    for path in notebooks():
        if found := re.search(r"#\| *default_exp ([\w.]+)", path.read_text()):
            seen.setdefault(f"whaledo.{found[1]}", path)
    return [(path, module) for module, path in seen.items()]


def title_and_purpose(path: Path):
    "The title of a notebook and its sentence of purpose."
    first = nbformat.read(path, 4).cells[0].source
    title = re.search(r"# (.*)", first)[1]
    purpose = re.search(r"(?m)^> (.*)$", first)
    return title, purpose[1] if purpose else ""


def signature(name: str, symbol) -> str:
    "How it is called, one argument a line where a line is too short."
    try:
        found = inspect.signature(symbol)
    except (TypeError, ValueError):
        return name
    parts = [_short(str(p)) for p in found.parameters.values()]
    back = ""
    if found.return_annotation is not found.empty and not inspect.isclass(symbol):
        back = f" -> {_short(inspect.formatannotation(found.return_annotation))}"
    parts = [without_addresses(part) for part in parts]
    line = f"{name}({', '.join(parts)}){back}"
    return line if len(line) < 88 else f"{name}(\n    " + ",\n    ".join(parts) + f",\n){back}"


def _short(text):
    "Types without the modules that they come from."
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", text)


def name_annotations(symbol):
    "Annotations that are words, as the module imports what they name later, become types (in place)."
    annotated = getattr(symbol, "__annotations__", {})
    for argument, kind in annotated.items():
        if isinstance(kind, str):
            annotated[argument] = type(kind, (), {"__module__": "builtins"})


def docments_table(symbol) -> str:
    "Arguments and result with the comments that stand behind them in the source, where there are any."
    try:
        table = DocmentTbl(symbol)._repr_markdown_() or ""
    except (TypeError, ValueError, KeyError, AttributeError, OSError):
        return ""
    rows = table.splitlines()
    if len(rows) < 3:
        return ""
    head = rows[0].replace("**", "").replace("|    |", "| argument |", 1).lower().replace("details", "what")
    return "\n".join([head, *rows[1:2], *(without_addresses(_code_name(row)) for row in rows[2:])])


def _code_name(row):
    if row.startswith("| **Returns**"):
        return row.replace("**", "").replace("Returns", "*returns*")
    return re.sub(r"^\| ([\w*]+) \|", r"| `\1` |", row)


def entry(name: str, symbol) -> str:
    "One function or class of the reference."
    name_annotations(symbol.__init__ if inspect.isclass(symbol) else symbol)
    doc = (symbol.__doc__ or "").strip()
    if doc.startswith(f"{name}("):  # a dataclass without words of its own
        doc = ""
    head = f"## {name} {{ #{name} .api data-toc-label='{name}' }}"
    parts = [head, f"```python\n{signature(name, symbol)}\n```", doc, docments_table(symbol)]
    return "\n\n".join(part for part in parts if part)


def without_addresses(text: str) -> str:
    "Without what differs from run to run and from machine to machine."
    text = re.sub(r"<(?:function|class) '?([\w.<>]+)'?(?: at 0x\w+)?>", r"\1", text)
    text = re.sub(r" at 0x\w+", "", text)
    return text.replace(str(ROOT), ".").replace(str(Path.home()), "~")


def constant(name: str, value) -> str:
    "A line for what is neither function nor class."
    shown = without_addresses(repr(value))
    shown = shown if len(shown) <= 200 else f"{shown[:200]} ..."
    return f"| `{name}` | `{type(value).__name__}` | {_cell(shown)} |"


def _cell(text):
    text = re.sub(r"\s+", " ", text).replace("|", "&#124;").replace("<", "&lt;")
    return f"<code>{text}</code>"


def module_page(path: Path, module: str) -> str:
    "Everything public of a module."
    loaded = importlib.import_module(module)
    title, purpose = title_and_purpose(path)
    link = f"../{path.parent.name}/{path.stem}.md"
    names = [n for n in loaded.__all__ if not n.startswith("_")]
    symbols = [(n, getattr(loaded, n)) for n in names if hasattr(loaded, n)]
    called = [(n, s) for n, s in symbols if inspect.isclass(s) or inspect.isroutine(s)]
    rows = [constant(n, s) for n, s in symbols if (n, s) not in called]
    head = [f"# {module}", f"{purpose} Told in [{title}]({link})."]
    names_of = "| constant | type | value |\n|---|---|---|\n"
    table = [names_of + "\n".join(rows)] if rows else []
    entries = [entry(n, s) for n, s in called]
    return "\n\n".join([*head, *entries, *(["## Constants", *table] if rows else [])])


# Figures

def pick(figure: dict) -> dict:  # ValueError where not exactly one row is meant
    "The row of results/ that a figure comes from, or the means of those that differ in `over` alone."
    rows = pd.read_csv(ROOT/"results"/figure["file"])
    for column, value in figure.get("where", {}).items():
        rows = rows[rows[column] == value]
    over = figure.get("over")
    if rows.empty or len(rows) != (rows[over].nunique() if over else 1):
        raise ValueError(f"{figure['file']}: {len(rows)} rows for {figure['said']!r}; one is needed")
    numbers = rows.select_dtypes("number").mean()
    return rows.iloc[0].to_dict() | numbers.to_dict() | {"n": len(rows)}


def figure_row(figure: dict, pages: dict) -> str:
    "A figure, what it says, and where it comes from."
    row = pick(figure)
    made = figure["shown"].format(**{k: v for k, v in row.items() if k.isidentifier()})
    said = figure["said"]
    if "over" in figure:
        said += f" (mean of {row['n']} {figure['over']}s)"
    where = "; ".join(str(row[c]) for c in ("data", "commit", "hardware") if c in row)
    name = Path(figure["notebook"]).stem
    told = f"[{name}]({pages[figure['notebook']]})"
    return f"| {said} | **{made}** | `{figure['file']}` | {where} | {told} |"


FIGURES_HEAD = "| figure | value | rows | data; commit; hardware | told in |\n|---|---|---|---|---|"


def figures_of(group: dict, pages: dict) -> str:
    "A section of the page of figures."
    rows = [figure_row(figure, pages) for figure in group["figure"]]
    parts = [f"## {group['title']}", group.get("text", ""), "\n".join([FIGURES_HEAD, *rows])]
    return "\n\n".join(filter(None, parts))


def figures_page(to: Path, pages: dict) -> str:
    "The head as it was written, every headline number, read from rows of results/, and all these rows."
    head = (to/"figures.md").read_text().rstrip()
    groups = tomllib.loads((HERE/"figures.toml").read_text())["group"]
    tables = [_table_of(path) for path in sorted((ROOT/"results").glob("*.csv"))]
    return "\n\n".join([head, *(figures_of(group, pages) for group in groups), "## All rows", *tables])


def _table_of(path):
    table = pd.read_csv(path)
    html = bare_html(table.to_html(index=False, na_rep="", classes="dataframe rows"))
    html = html.replace("\n", "")
    return f'??? quote "{path.name}: {len(table)} rows"\n\n    <div class="output" markdown="0">{html}</div>'


# All of it

def api_groups():
    "Modules by package."
    groups = {}
    for path, module in modules():
        package = ".".join(module.split(".")[1:-1]) or "the workbench"
        groups.setdefault(package, []).append((path, module))
    return groups


def _titled(paths):
    "Entries of the menu for notebooks."
    return [{title_and_purpose(p)[0]: f"{p.parent.name}/{p.stem}.md"} for p in paths]


def _of_notebooks():
    "The menu of the notebooks: the wings, and the workbench."
    found = notebooks()
    whale = [p for p in found if p.parent.name == "whale_nbs"]
    wings = [{name: _titled(p for p in whale if p.stem[0] == digit)} for digit, name in WINGS.items()]
    bench = _titled(p for p in found if p.parent.name == "nbs")
    return [{"In which order": "notebooks.md"}, *wings, {"Workbench": bench}]


def _of_modules():
    "The menu of the reference."
    groups = api_groups().items()
    return [{name: [{m.split(".")[-1]: f"api/{m}.md"} for _, m in found]} for name, found in groups]


def navigation() -> list:
    "The menu, as mkdocs takes it."
    project = {"When something does not work": "help.md"}
    project |= {"Changes": "changes.md", "Contributing": "contributing.md", "The runtime": "runtime.md"}
    return [
        {"Home": "index.md"},
        {"Tutorials": [{title: f"tutorials/{name}.md"} for name, title in TUTORIALS.items()]},
        {"Notebooks": _of_notebooks()},
        {"Reference": _of_modules()},
        {"Figures": "figures.md"},
        {"Glossary": "glossary.md"},
        {"Project": [{title: page} for title, page in project.items()]},
    ]


ALONE = ("index.md", "figures.md", "glossary.md")  # pages without a menu of their own
NO_MENU = "---\nhide: [navigation]\n---\n\n"


def write(to: Path, page: str, text: str):
    "One page."
    (to/page).parent.mkdir(parents=True, exist_ok=True)
    head = NO_MENU if page in ALONE and not text.startswith("---") else ""
    (to/page).write_text(head + text, encoding="utf-8")


def configure(to: Path):
    "`mkdocs.yml` beside the pages; JSON is YAML."
    config = {
        "INHERIT": str(HERE/"mkdocs.yml"),
        "docs_dir": str(to),
        "site_dir": str(to.parent/"site"),
        "hooks": [str(HERE/"hooks.py")],
        "nav": navigation(),
    }
    (to.parent/"mkdocs.yml").write_text(json.dumps(config, indent=1))


def write_told(to: Path, pages: dict) -> set:  # pictures that the pages show, as files of the repository
    "README, tutorials and notebooks."
    convert = exporter()
    pictures = set()
    for file, page in pages.items():
        mend = partial(relink, at=file, page=page, pages=pages, pictures=pictures)
        if file.endswith(".ipynb"):
            write(to, page, notebook_page(convert, ROOT/file, to, page, mend))
        else:
            write(to, page, mend((ROOT/file).read_text(encoding="utf-8")))
    return pictures


def make_pages(to: Path) -> int:  # how many
    "All pages, their pictures, and `mkdocs.yml` with the menu beside the folder."
    shutil.rmtree(to, ignore_errors=True)
    pages = staged()
    for file in write_told(to, pages):
        copy = to/file.removeprefix("docs/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT/file, copy)
    for path, module in modules():
        write(to, f"api/{module}.md", module_page(path, module))
    write(to, "figures.md", figures_page(to, pages))
    shutil.copytree(HERE/"assets", to/"assets", dirs_exist_ok=True)
    configure(to)
    return sum(1 for _ in to.rglob("*.md"))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    folder = ROOT/"_docs"/"pages"
    print(f"{make_pages(folder)} pages in {folder.relative_to(ROOT)}")
