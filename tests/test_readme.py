"""README.md says only what works: its quickstart runs, its commands and options exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sasrec_fast as sf

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def command_lines(program: str) -> list[str]:
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith(program + " ")]


def run_python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def test_the_quickstart_runs_as_written(tmp_path: Path) -> None:
    (code,) = blocks("python")
    shortened = code
    for written, short in {"epochs=20": "epochs=1", "length=50": "length=8"}.items():
        assert shortened.count(written) == 1
        shortened = shortened.replace(written, short)
    done = run_python("-c", shortened, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"user_id\s+item_id\s+rank\s+score", done.stdout)


def test_the_quickstart_is_about_twenty_lines() -> None:
    (code,) = blocks("python")
    assert sum(1 for line in code.splitlines() if line.strip()) <= 24


@pytest.mark.parametrize("line", command_lines("make"))
def test_every_make_target_exists(line: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target = line.split()[1]
    assert re.search(rf"^{re.escape(target)}:", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize("line", command_lines("sasrec-fast"))
def test_every_command_and_option_exists(line: str, tmp_path: Path) -> None:
    command = line.split()[1]
    help_text = run_python("-m", "sasrec_fast.cli", command, "--help", folder=tmp_path)
    assert help_text.returncode == 0, help_text.stderr
    options = re.findall(r"(?<= )--[a-z0-9-]+", line)
    assert [option for option in options if option not in help_text.stdout] == []


def test_the_readme_shows_commands() -> None:
    assert {line.split()[1] for line in command_lines("make")} >= {"demo", "test"}
    commands = {line.split()[1] for line in command_lines("sasrec-fast")}
    others = {"export", "serve", "reproduce", "sweep"}
    assert commands == {"demo", "train", "recommend", "evaluate", *others}


def test_the_table_of_recipes_says_what_they_say() -> None:
    for name, recipe in sf.recipes.RECIPES.items():
        shown = {"hit_rate@10": "HR@10", "ndcg@10": "NDCG@10"}
        required = ", ".join(
            f"{shown[key]} {least:g}".replace(" 0.", " .") for key, least in recipe.required.items()
        )
        ranking = "full" if recipe.candidates is None else f"{recipe.candidates[1]} negatives"
        assert f"| `{name}` | {recipe.file} | {ranking} | {required} |" in README


def test_the_table_of_differences_names_every_option_of_the_keras_example() -> None:
    rows = README.split("## What we do differently", 1)[1].split("\n## ", 1)[0]
    for name, value in sf.KERAS_EXAMPLE.items():
        written = f'"{value}"' if isinstance(value, str) else str(value)
        assert f"`{name}={written}`" in rows
