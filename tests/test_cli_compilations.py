"""What commands compile is kept in the user's cache folder, unless said otherwise."""

import jax
import pytest

from sasrec_fast.cli import compilations


@pytest.fixture
def kept(monkeypatch):
    """The folders that would be written."""
    folders = []
    monkeypatch.setattr(compilations, "keep_compilations", folders.append)
    for name in (compilations.CHOSEN, compilations.FOLDER):
        monkeypatch.delenv(name, raising=False)
    return folders


def test_the_cache_folder_of_the_user_is_taken(kept, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compilations.keep()
    (folder,) = kept
    assert folder.parent == tmp_path / "sasrec_fast" / "compiled"


def test_another_folder_can_be_named(kept, monkeypatch, tmp_path):
    monkeypatch.setenv(compilations.FOLDER, str(tmp_path))
    compilations.keep()
    assert kept[0].parent == tmp_path / "compiled"


@pytest.mark.parametrize("variables", [{"SASREC_FAST_CACHE": ""}, {compilations.CHOSEN: "x"}])
def test_nothing_is_kept_where_the_user_says_so(kept, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    compilations.keep()
    assert kept == []


def test_a_folder_that_cannot_be_written_is_no_error(kept, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.undo()
    monkeypatch.delenv(compilations.CHOSEN, raising=False)
    monkeypatch.setenv(compilations.FOLDER, str(tmp_path / "file"))
    before = jax.config.jax_compilation_cache_dir
    compilations.keep()
    assert jax.config.jax_compilation_cache_dir == before
