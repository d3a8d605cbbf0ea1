"""The base of each service's `manage.py worker`, which differ in their jobs and in what `--help` says of them."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from servicekit.observability import actor
from servicekit.runtime import workers
from servicekit.runtime.heartbeat import HEARTBEAT
from servicekit.web import process_metrics


class WorkerCommand(BaseCommand):
    """A subclass sets `help` and has `jobs`."""

    def jobs(self) -> Sequence[tuple[str, workers.Job]]:
        """The worker's jobs, by name."""
        raise NotImplementedError

    def lanes(self) -> Sequence[workers.Lane]:
        """Jobs that others do not wait for."""
        return ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run each job once and end")
        parser.add_argument("--idle", type=float, default=workers.IDLE_S, help="seconds to rest when there is no work")
        parser.add_argument("--metrics-port", type=int, help="answer /metrics of this process on a port of its own")
        parser.add_argument("--heartbeat", type=Path, metavar="FILE", help="tell a probe there that the loop goes on")

    def handle(
        self, *_: Any, once: bool, idle: float, metrics_port: int | None, heartbeat: Path | None, **__: Any
    ) -> None:
        actor.act_as(actor.WORKER)
        jobs, lanes = self.jobs(), self.lanes()
        if once:
            for name, job in (*jobs, *(each for lane in lanes for each in lane.jobs)):
                self.stdout.write(f"{name}: {job()}")
            for lane in lanes:
                lane.finish()
            return
        if metrics_port is not None:
            process_metrics.serve(metrics_port)
        if heartbeat is not None:
            HEARTBEAT.write_to(heartbeat)
        workers.run(jobs, stop=workers.Stop().listen(), idle_s=idle, lanes=lanes)
