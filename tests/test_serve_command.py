"""`sasrec-fast serve`: a process that listens, takes signals, and ends with nothing under way."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sasrec_fast as sf
from sasrec_fast.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = """
import sys, time
import sasrec_fast.serving as serving
from served_models import Following

class Slow(Following):
    def recommend(self, histories, **options):
        time.sleep(0.05)
        return super().recommend(histories, **options)

serving.Recommender = lambda path, **_: Slow(range(1, 9), mark=float(path.read_text()))
from sasrec_fast.cli import main
code = main(["serve", "--model", sys.argv[1], "--port", "0", "--max-k", "5"])
print(sorted({"keras", "jax", "pandas", "tensorflow"} & set(sys.modules)))
sys.exit(code)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    model = tmp_path / "model"
    model.write_text("1")
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED, str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline(), process.stdout.readline()]
        found = re.fullmatch(r"serving model \(8 items\) on http://127.0.0.1:(\d+)\n", lines[1])
        assert found, (lines, process.poll())
        yield process, int(found[1]), model
    finally:
        process.kill()
        process.communicate()


def recommend(port: int, **fields: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    asked = fields if "users" in fields else {"histories": [[1]], **fields}
    body, kind = json.dumps(asked), {"Content-Type": "application/json"}
    connection.request("POST", "/recommend", body, kind)
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def test_signals_swap_the_model_and_end_the_service(
    process: tuple[subprocess.Popen[str], int, Path],
) -> None:
    running, port, model = process
    assert recommend(port, k=2)[1]["results"][0]["scores"] == [1.0, 0.75]
    assert recommend(port, k=6)[0] == 422
    for content, score in (("2", 2.0), ("broken", 2.0), ("3", 3.0)):
        model.write_text(content)
        running.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while recommend(port)[1]["results"][0]["scores"][0] != score:
            assert time.monotonic() < end
    answers: list[int] = []
    asking = [threading.Thread(target=lambda: answers.append(recommend(port)[0])) for _ in range(4)]
    for thread in asking:
        thread.start()
    time.sleep(0.03)  # the first is being answered, others wait
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=20)
    for thread in asking:
        thread.join()
    assert answers == [200] * 4
    assert running.returncode == 0
    assert out == "stopped\n[]\n"
    assert "the new model cannot be served, the old one is: ValueError" in err
    assert "Traceback" not in err


def test_what_cannot_be_served_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "empty"  # a folder, for which Keras is not loaded
    model.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, reason in (
            (["--port", port], f"cannot listen on 127.0.0.1, port {port}: "),
            (["--port", "0"], str(model)),
            (["--port", "70000"], "port must be in 0..65535, received 70000"),
            (["--port", "0", "--max-k", "0"], "an integer from 1"),
            (["--port", "0", "--max-queue", "10"], "queue must be at least histories"),
        ):
            assert main(["serve", "--model", str(model), *options]) == 2
            error = capsys.readouterr().err
            assert reason in error
            assert error.count("\n") == 1


def test_a_folder_is_served_with_data_titles_and_rules(tmp_path: Path) -> None:
    items = [1, 2, 3, 4, 2, 3, 4, 1]
    rows = {"user_id": [7] * 4 + [8] * 4, "item_id": items, "timestamp": list(range(8))}
    data = sf.prepare(rows, max_sequence_length=4, num_negatives=0)
    data.save(tmp_path / "data")
    sf.export(sf.SASRec.for_data(data, hidden_dim=4, num_layers=1), tmp_path / "model")
    (tmp_path / "movies.csv").write_text("item_id,title\n1,Alien\n4,Brazil\n")
    rules = tmp_path / "rules.json"
    rules.write_text('{"always": [4, 1]}')
    names = {"model": "model", "data": "data", "movies": "movies.csv", "rules": "rules.json"}
    options = [part for name, file in names.items() for part in (f"--{name}", str(tmp_path / file))]
    command = [sys.executable, "-m", "sasrec_fast.cli", "serve", "--port", "0", "--watch", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while not (found := re.search(r"on http://127.0.0.1:(\d+)", process.stdout.readline())):
            assert process.poll() is None

        def answer() -> dict[str, Any]:
            status, content = recommend(int(found[1]), users=[7], exclude_seen=False, k=2)
            assert status == 200, content
            return content["results"][0]

        first = answer()
        assert dict(zip(first["items"], first["titles"], strict=True)) == {1: "Alien", 4: "Brazil"}
        rules.write_text('{"never": [4, 1]}')
        end = time.monotonic() + 20
        while sorted(answer()["items"]) != [2, 3]:
            assert time.monotonic() < end
        assert answer()["titles"] == [None, None]
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
