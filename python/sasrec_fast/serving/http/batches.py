"""Questions that arrive together are answered together.

One thread asks the model. While it does, questions queue; then those with equal options, for the
same model, make the next batch, the one that has waited longest first.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sasrec_fast.ranking import ShortListError
from sasrec_fast.serving.http.refusals import RefusedError, wrong

if TYPE_CHECKING:
    from sasrec_fast.serving import Recommendations
    from sasrec_fast.serving.http.limits import Limits
    from sasrec_fast.serving.http.meters import Meters
    from sasrec_fast.serving.http.models import Served
    from sasrec_fast.serving.http.questions import Question


@dataclass(eq=False, slots=True)
class _Job:
    served: Served
    question: Question
    due: float
    answer: asyncio.Future[bytes]

    def shares(self, other: _Job) -> bool:
        """Whether one call answers both."""
        ours, theirs = self.question, other.question
        return (
            self.served is other.served
            and ours.asked == theirs.asked
            and ours.options == theirs.options
            and (ours.at is None) == (theirs.at is None)
        )


class Batcher:
    """Answers questions in batches; used from one event loop.

    Args:
        limits: `batch`, `wait` and `queue` of them.
        meters: Told of each batch.
    """

    def __init__(self, limits: Limits, meters: Meters) -> None:
        self._limits, self._meters = limits, meters
        self._waiting: deque[_Job] = deque()
        self._rows = 0
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answers")
        meters.watch_queue(lambda: self._rows)

    async def answer(self, served: Served, question: Question) -> bytes:
        """The JSON of an answer.

        Raises:
            RefusedError: 429 where too many wait, 404 where nothing is known of what is asked.
        """
        rows = len(question.rows)
        if self._rows + rows > self._limits.queue:
            raise RefusedError(
                429,
                f"{self._rows:,} histories wait, of {self._limits.queue:,} that may; try again",
                headers={"Retry-After": "1"},
            )
        loop = asyncio.get_running_loop()
        job = _Job(served, question, loop.time() + self._limits.wait, loop.create_future())
        self._waiting.append(job)
        self._rows += rows
        self._start_if_due()
        return await job.answer

    def close(self) -> None:
        """Wait for the batch that is being answered, and end the thread."""
        self._thread.shutdown()

    def _start_if_due(self) -> None:
        """Start a batch, unless the thread is busy, or more questions may come in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._busy or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        left = self._waiting[0].due - loop.time()
        if len(self._waiting) > 1 and self._rows < self._limits.batch and left > 0:
            self._timer = loop.call_later(left, self._start_if_due)
            return
        self._busy = True
        jobs = self._taken()
        done = loop.run_in_executor(self._thread, self._answers, jobs)
        done.add_done_callback(lambda finished: self._finish(jobs, finished))

    def _taken(self) -> list[_Job]:
        """The job that has waited longest, and others that share its call, up to a batch."""
        first = self._waiting.popleft()
        jobs, rows, others = [first], len(first.question.rows), []
        while self._waiting and rows < self._limits.batch:
            job = self._waiting.popleft()
            more = len(job.question.rows)
            if rows + more <= self._limits.batch and first.shares(job):
                jobs.append(job)
                rows += more
            else:
                others.append(job)
        self._waiting.extendleft(reversed(others))
        self._rows -= rows
        return jobs

    def _finish(self, jobs: list[_Job], finished: asyncio.Future[list[bytes | Exception]]) -> None:
        failure = finished.exception()
        answers = [failure] * len(jobs) if failure else finished.result()
        for job, answer in zip(jobs, answers, strict=True):
            if job.answer.done():  # its client has gone
                continue
            if isinstance(answer, bytes):
                job.answer.set_result(answer)
            else:
                job.answer.set_exception(answer)
        self._busy = False
        self._start_if_due()

    def _answers(self, jobs: list[_Job]) -> list[bytes | Exception]:
        """Ask the model, in the thread; each alone where it cannot answer all together."""
        start = time.perf_counter()
        try:
            results = _asked(jobs)
        except Exception as failure:
            if len(jobs) > 1:
                return [answer for job in jobs for answer in self._answers([job])]
            return [_refusal(failure)]
        texts = list(map(_json, results))
        self._meters.batch_rows.observe(len(results))
        self._meters.batch_seconds.observe(time.perf_counter() - start)
        ends, answers = 0, list[bytes | Exception]()
        for job in jobs:
            begins, ends = ends, ends + len(job.question.rows)
            answers.append(f'{{"results":[{",".join(texts[begins:ends])}]}}'.encode())
        return answers


def _asked(jobs: list[_Job]) -> list[Recommendations]:
    """The answers to the rows of questions that share a call."""
    questions = [job.question for job in jobs]
    recommender, asked = jobs[0].served.recommender, questions[0].asked
    k, exclude_seen, candidates, exclude = questions[0].options
    rows = [row for question in questions for row in question.rows]
    if asked == "item_ids":
        return recommender.similar(rows, k)
    chosen: dict[str, Any] = {
        "k": k,
        "exclude_seen": exclude_seen,
        "candidates": None if candidates is None else list(candidates),
        "exclude": None if exclude is None else list(exclude),
    }
    if questions[0].times is not None:
        chosen["times"] = [times for question in questions for times in question.times or ()]
    if questions[0].at is not None:
        chosen["at"] = [moment for question in questions for moment in question.at or ()]
    if asked == "users":
        return recommender.recommend(users=rows, **chosen)
    return recommender.recommend(rows, **chosen)


def _json(result: Recommendations) -> str:
    found: dict[str, Any] = {
        "items": result.item_ids,
        "scores": result.scores.tolist(),
        "unknown": result.unknown,
    }
    if result.titles is not None:
        found["titles"] = result.titles
    return _ENCODER.encode(found)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _refusal(failure: Exception) -> Exception:
    """As status 404 what the model does not know, of what was asked; others are own errors."""
    if isinstance(failure, ShortListError):
        return wrong("k", failure.k, f"at least {failure.least}, the items that are always there")
    if isinstance(failure, KeyError | ValueError):
        reason = failure.args[0] if isinstance(failure, KeyError) and failure.args else failure
        return RefusedError(404, str(reason))
    return failure
