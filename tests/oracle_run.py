"""Runs that are over in a moment, here and in processes of their own.

`Server` starts this file as a program. It imports torch once and forks for
every job, so that a test may kill as many processes as it likes.
"""

import faulthandler
import json
import os
import random
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed as dist

import laidout
import laidout.run
from laidout.checkpoint import read_checkpoint
from laidout.folder import RunFolder
from laidout.parallel import Place, joined_processes
from laidout.run import Progress, Run, Settings
from laidout.transformer import TransformerConfig

WORDS = (
    ("the", "der"),
    ("a", "ein"),
    ("small", "klein"),
    ("big", "groß"),
    ("old", "alt"),
    ("cat", "Katze"),
    ("dog", "Hund"),
    ("bird", "Vogel"),
    ("sees", "sieht"),
    ("hears", "hört"),
    ("likes", "mag"),
    ("house", "Haus"),
)

STEPS = 26
"""How long a run is; its last save is one of no pace."""


def mini(source: int, target: int) -> TransformerConfig:
    """Give the smallest model that has all parts."""
    return TransformerConfig(source, target, 6, 2, 1, d_ff=7, max_len=99)


def write_corpus(folder: Path, seed: int = 0, pairs: int = 30) -> str:
    """Write invented sentences, word for word; return the folder's name."""
    rng = random.Random(seed)
    folder.mkdir()
    for name, count in (("train", pairs), ("valid", 7)):
        sentences = [
            [rng.choice(WORDS) for _ in range(rng.randint(2, 6))]
            for _ in range(count)
        ]
        for side, ending in enumerate(("en", "de")):
            lines = [" ".join(word[side] for word in s) for s in sentences]
            text = "".join(line + "\n" for line in lines)
            (folder / f"{name}.{ending}").write_text(text, "utf-8")
    return str(folder)


def settings_for(corpus: str, **changes: Any) -> Settings:
    """Give settings with a pace of its own for everything.

    An epoch has 8 or 9 steps: its ends lie inside of stretches.
    """
    usual: dict[str, Any] = {
        "corpus": corpus,
        "size": "mini",
        "vocab_size": 280,
        "steps": STEPS,
        "max_tokens": 60,
        "warmup_steps": 10,
        "dropout": 0.3,
        "log_every": 4,
        "valid_every": 8,
        "save_every": 12,
        "keep": 2,
    }
    return Settings(**usual | changes)


def nothing(progress: Progress) -> None:
    """Report nothing."""


def stop_after(run: Run, step: int) -> Callable[[Progress], None]:
    """Ask a run to stop as somebody would while it does that step."""

    def report(progress: Progress) -> None:
        run.stopping |= progress.step + 1 == step

    return report


def state_of(folder: Path) -> dict[str, Any]:
    """Read all that a run has left, without the time that it took."""
    tensors, about = read_checkpoint(folder / "training.safetensors")
    about["progress"].pop("seconds")
    log = [
        {key: value for key, value in line.items() if key != "seconds"}
        for line in RunFolder(folder).read_log()
    ]
    models = {
        path.name: read_checkpoint(path)
        for path in sorted((folder / "checkpoints").iterdir())
        if not path.name.startswith(".")
    }
    tokenizer = (folder / "tokenizer.json").read_bytes()
    settings = (folder / "settings.json").read_bytes()
    return {
        "tensors": tensors,
        # As text, for NaN does not equal itself.
        "about": json.dumps(about),
        "log": log,
        "models": models,
        "files": (tokenizer, settings),
    }


def assert_equal_numbers(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    """Compare tensors by name, to the last bit."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


def assert_equal_states(
    found: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Compare what two runs have left, to the last bit."""
    assert found["log"] == expected["log"]
    assert found["about"] == expected["about"]
    assert found["files"] == expected["files"]
    assert_equal_numbers(found["tensors"], expected["tensors"])
    assert found["models"].keys() == expected["models"].keys()
    for name, (tensors, about) in expected["models"].items():
        assert_equal_numbers(found["models"][name][0], tensors)
        assert found["models"][name][1] == about


# --- processes --------------------------------------------------------------

LIMIT = 120
"""Seconds after which a process is stuck. It says where, and ends."""


class Server:
    """A process that forks for every job."""

    def __init__(self, errors: Path) -> None:
        source = Path(laidout.__file__).parents[1]
        self.errors = errors
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(errors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source)},
        )

    def start(self, job: str, processes: int = 1, **given: Any) -> list[int]:
        """Start a job in so many processes; return their numbers."""
        # They meet where those of torchrun do: in a store that was there
        # before the first of them, and is there after the last.
        self.store = dist.TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False
        )
        self.errors.write_text("", "utf-8")
        self._say([job, processes, self.store.port, given])
        return self._hear()

    def wait(self) -> list[int]:
        """Wait for all processes of the job; return how they ended.

        Until then their numbers are theirs, even if they have ended.
        """
        self._say("wait")
        return self._hear()

    def do(self, job: str, processes: int = 1, **given: Any) -> list[int]:
        """Start a job, wait for it and return how its processes ended."""
        self.start(job, processes, **given)
        return self.wait()

    def _say(self, something: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(something) + "\n")
        self.process.stdin.flush()

    def _hear(self) -> list[int]:
        assert self.process.stdout
        heard: list[int] = json.loads(self.process.stdout.readline())
        return heard

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=20)


@contextmanager
def server(errors: Path) -> Iterator[Server]:
    """Start a server and end it."""
    started = Server(errors)
    try:
        yield started
    finally:
        started.close()


def serve(errors: str) -> None:
    """Fork for each job that is asked for, and say how it ended."""
    torch.set_num_threads(1)
    laidout.run.SIZES["mini"] = mini
    # The first optimizer of a process imports half of torch.
    torch.optim.Adam(torch.nn.Linear(1, 1).parameters())
    while line := sys.stdin.readline():
        job, processes, port, given = json.loads(line)
        pids = []
        for rank in range(processes):
            pid = os.fork()
            if not pid:
                os.environ |= {
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                    "WORLD_SIZE": str(processes),
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                    "TORCHELASTIC_USE_AGENT_STORE": "True",
                    # Loopback, whatever the machine's name resolves to.
                    "GLOO_SOCKET_IFNAME": socket.if_nameindex()[0][1],
                }
                child(errors, job, given)
            pids.append(pid)
        print(json.dumps(pids), flush=True)
        sys.stdin.readline()
        ends = [os.waitpid(pid, 0)[1] for pid in pids]
        print(json.dumps([*map(os.waitstatus_to_exitcode, ends)]), flush=True)


def child(errors: str, job: str, given: dict[str, Any]) -> NoReturn:
    """Do a job as a process that was just started, and end."""
    # A shell may have told its background processes to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = 1
    try:
        with Path(errors).open("a", encoding="utf-8") as stuck:
            faulthandler.dump_traceback_later(LIMIT, exit=True, file=stuck)
            JOBS[job](**given)
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        with Path(errors).open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    finally:
        os._exit(code)


def train_alone(
    folder: str,
    settings: dict[str, Any],
    resume: bool = False,
    signals: dict[str, list[int]] | None = None,
    kill_at: int = 0,
) -> None:
    """Train; send oneself signals before steps, or die in mid-save.

    `kill_at` counts the calls that write: flush to the disk and rename.
    """
    calls = 0

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args)

        return instead

    def report(progress: Progress) -> None:
        for number in (signals or {}).get(str(progress.step), []):
            os.kill(os.getpid(), number)

    run = Run(RunFolder(Path(folder)), Settings(**settings), None, resume)
    if kill_at:
        os.fsync, os.replace = deadly(os.fsync), deadly(os.replace)
    whole = run.train(report)
    (Path(folder) / "returned").write_text(str(whole), "utf-8")


def train_together(
    folder: str, settings: dict[str, Any], writers: str
) -> None:
    """Train in all processes, once without a break and once with one."""
    torch.set_default_dtype(torch.float64)
    wrote = watch_writers(Path(writers))
    with joined_processes("cpu") as place:
        own = Path(writers) / f"rank-{place.rank}"
        found: dict[str, Any] = {"place": [place.rank, place.processes]}
        found["any"] = [
            place.any_of(flag)
            for flag in (place.rank == 0, place.rank == 1, False, True)
        ]
        # 1. Without a break.
        run = Run(
            RunFolder(Path(folder, "whole")), Settings(**settings), place
        )
        found["whole"] = run.train(nothing)
        save_parameters(run, own.with_suffix(".whole"))
        # 2. The second process is asked to stop in the first stretch.
        part = RunFolder(Path(folder, "part"))
        run = Run(part, Settings(**settings), place)
        asked = place.rank == 1
        found["stopped"] = run.train(stop_after(run, 2) if asked else nothing)
        found["stopped at"] = run.progress.step
        # 3. And goes on, once the first one has saved: all wait for that.
        place.any_of(False)
        run = Run(part, Settings(**settings), place, resume=True)
        found["resumed at"] = run.progress.step
        found["resumed"] = run.train(nothing)
        found["progress"] = asdict(run.progress)
        save_parameters(run, own.with_suffix(".part"))
    found["wrote"] = wrote
    own.with_suffix(".json").write_text(json.dumps(found), "utf-8")


def watch_writers(mine: Path) -> list[str]:
    """Note which files this process opens to write, renames or removes."""
    wrote: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, _ = arguments
            writes = isinstance(mode, str) and set(mode) & set("wax+")
        else:
            path = arguments[0] if arguments else ""
            writes = event in ("os.rename", "os.remove", "os.mkdir")
        if writes and isinstance(path, str | Path):
            wrote.append(str(path))

    sys.addaudithook(watch)
    return wrote


def save_parameters(run: Run, path: Path) -> None:
    """Save the parameters of a process for a comparison."""
    torch.save(dict(run.model.named_parameters()), path)


JOBS = {"alone": train_alone, "together": train_together}


def here(folder: Path, settings: Settings, **given: Any) -> Run:
    """Make a run in a folder, in this process."""
    return Run(RunFolder(folder), settings, Place(), **given)


if __name__ == "__main__":
    serve(sys.argv[1])
