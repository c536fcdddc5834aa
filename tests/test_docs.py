"""Pages lead where they say: links, headings, pictures, and the files that the glossary names."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes links of them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    for target in _LINK.findall(_CODE.sub("", page.read_text())):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, heading = unquote(target).partition("#")
        file = page if not path else (page.parent / path).resolve()
        assert file.exists(), target
        if heading:
            assert heading in anchors(file), target


def test_pages_that_the_sources_name_exist():
    sources = [*(ROOT / "asic_compiler").rglob("*.py"), *(ROOT / "asic_compiler").rglob("*.toml"),
               *(ROOT / "benchmarks").rglob("*.py")]  # fmt: skip
    for source in sources:
        for name in re.findall(r"(?<![\w/])docs/[\w/-]+\.(?:md|html|csv)", source.read_text()):
            assert (ROOT / name).exists(), f"{source.relative_to(ROOT)} names {name}"


def test_files_that_the_glossary_names_exist():
    rows = [line for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
            if line.startswith("| ")]  # fmt: skip
    named = {name for row in rows for name in re.findall(r"`([a-z_/]+(?:\.py|/))`", row)}
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / "asic_compiler" / name).exists()]


def test_a_heading_becomes_the_anchor_that_github_makes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# What `a_b` is, 2 x 3\n```\n# no heading\n```\n")
    assert anchors(page) == {"what-a_b-is-2-x-3"}
