"""Tests of the command: what it writes, says and refuses."""

import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sacrebleu
from oracle import assert_same
from oracle_command import (
    PAIRS,
    QUICK,
    SHARES,
    SOURCE,
    Done,
    call,
    load,
    start,
    trained,
    write_corpus,
)
from rich.console import Console
from torch import Tensor

import laidout.cli
import laidout.data
import laidout.evaluation
from laidout.checkpoint import read_checkpoint, write_checkpoint
from laidout.data import Corpus, Pair
from laidout.run import Run
from laidout.tokenizer import BPETokenizer

COMMANDS = "train", "translate", "evaluate"

FOUND = dict(PAIRS)
"""What a model that knows the pairs by heart translates."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run that has learned the pairs by heart."""
    return trained(tmp_path_factory)[0]


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """Give a copy of that folder, to be spoiled."""
    return shutil.copytree(run, tmp_path / "copy")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Give a folder with the corpus."""
    return write_corpus(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, where `runs` would show."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def assert_refused(done: Done, message: str, status: int = 1) -> None:
    """Find one line that says what is wrong, and nothing else."""
    assert done.out == ""
    last = done.err.splitlines()[-1]
    assert re.search(message, last), done.err
    assert last.startswith("laidout: ")
    assert len(re.findall("laidout:", done.err)) == 1
    assert "Traceback" not in done.err
    assert done.status == status


# --- help -------------------------------------------------------------------

HELP = """
import sys
from laidout.cli import main
for words in ([], ["train"], ["translate"], ["evaluate"]):
    sys.argv = ["laidout", *words, "--help"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0
print("loaded:", sorted({n.partition(".")[0] for n in sys.modules}))
"""


def test_help_does_not_wait_for_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    help_texts, _, loaded = done.stdout.rpartition("loaded:")
    assert "'typer'" in loaded
    for slow in ("torch", "matplotlib", "sacrebleu", "safetensors", "numpy"):
        assert f"'{slow}'" not in loaded
    assert help_texts.count("Usage:") == 4
    for command in COMMANDS:
        assert f"laidout {command}" in help_texts


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, columns: int) -> None:
    done = call(command, "--help", columns=columns)
    assert done.status == 0
    assert f"Usage: laidout {command}" in done.out
    assert max(map(len, done.lines)) <= columns


def test_without_a_command_the_help_comes() -> None:
    done = call()
    for command in COMMANDS:
        assert f" {command} " in done.out + done.err


def test_the_help_of_train_names_what_is_there(empty_folder: Path) -> None:
    text = " ".join(call("train", "--help", columns=200).out.split())
    assert "phrases, multi30k, or a folder" in text
    assert "Ctrl-C saves and stops" in text
    assert list(empty_folder.iterdir()) == []


# --- train ------------------------------------------------------------------


def test_a_run_leaves_its_files(run: Path) -> None:
    files = {
        str(path.relative_to(run))
        for path in run.rglob("*")
        if path.is_file() and "attention" not in path.parts
    }
    assert files == {
        "settings.json",
        "tokenizer.json",
        "log.jsonl",
        "curve.svg",
        "training.safetensors",
        "model.safetensors",
        "checkpoints/step-000000100.safetensors",
        "checkpoints/step-000000150.safetensors",
    }


def test_a_run_says_what_it_does(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    run, done = trained(tmp_path_factory)
    assert done.status == 0
    said = done.err.splitlines()
    assert said[0] == f"Reading the corpus {run.parent / 'tiny'} ..."
    sizes = r"48 sentence pairs, \d+ tokens in the vocabulary, [\d,]+ param"
    assert re.match(sizes, said[1])
    assert f"The model is in {run / 'model.safetensors'}." in said
    assert f"Its losses are drawn into {run / 'curve.svg'}." in said
    assert "Translating 7 sentences of test ..." in said
    assert "phrases" not in done.err
    assert "\x1b" not in done.out + done.err


def test_a_run_ends_with_its_scores(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    _, done = trained(tmp_path_factory)
    assert re.search(r"test +\S+ +7 +\S+ +100\.0% +\S+ +100\.0", done.out)
    assert "BLEU: nrefs:1|" in done.lines[-1]


def test_the_log_and_the_curve_can_be_read(run: Path) -> None:
    lines = (run / "log.jsonl").read_text("utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    assert [x["step"] for x in log if "loss" in x] == [*range(10, 151, 10)]
    assert [x["step"] for x in log if "valid_loss" in x] == [50, 100, 150]
    assert "svg" in ElementTree.parse(run / "curve.svg").getroot().tag


def test_the_settings_are_those_that_were_given(run: Path) -> None:
    settings = json.loads((run / "settings.json").read_text("utf-8"))
    assert settings["steps"] == 150
    assert settings["dropout"] == 0.0
    assert settings["keep"] == 2
    assert settings["size"] == "tiny"
    assert settings["corpus"] == str(run.parent / "tiny")


def test_a_run_has_a_folder_by_the_name_of_its_corpus(
    corpus: Path, empty_folder: Path
) -> None:
    done = call("train", "--corpus", f"{corpus}/", "--steps", 4, *QUICK)
    assert done.status == 0
    assert [str(p) for p in Path().glob("*/*")] == ["runs/tiny"]


@pytest.mark.parametrize("name", [".", "../tiny"])
def test_a_corpus_may_be_the_present_folder(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(corpus)
    done = call("train", "--corpus", name, "--steps", 2, *QUICK)
    assert done.status == 0
    assert (corpus / "runs" / "tiny" / "model.safetensors").exists()


def test_names_of_files_are_no_markup(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "[bold]my :cat: corpus[bold]")
    done = call("train", "--corpus", corpus, "--steps", 2, *QUICK)
    assert done.status == 0
    assert f"Reading the corpus {corpus} ..." in done.err
    # The last part of that path names the run.
    model = Path("runs", corpus.name, "model.safetensors")
    assert model.exists()
    assert f"The model is in {model}." in done.err


def test_a_run_of_a_few_steps_has_a_model_too(corpus: Path) -> None:
    # Fewer steps than there are between two lines of the log.
    words = "--steps", 1, "--vocab-size", 300, "--max-tokens", 300
    done = call("train", "--corpus", corpus, *words)
    assert done.status == 0
    assert Path("runs/tiny/model.safetensors").exists()
    assert not Path("runs/tiny/curve.svg").exists()
    assert "curve" not in done.err


def test_a_corpus_without_a_test_set_can_be_learned(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "untested", ["train", "valid"])
    done = call("train", "--corpus", corpus, "--steps", 2, *QUICK)
    assert (done.status, done.out) == (0, "")
    assert Path("runs/untested/model.safetensors").exists()
    assert_refused(
        call("evaluate", "--checkpoint", "runs/untested"),
        r"untested has no test set$",
    )


def test_a_run_is_not_overwritten(corpus: Path) -> None:
    words = "train", "--corpus", corpus, "--steps", 2, *QUICK
    assert call(*words).status == 0
    before = Path("runs/tiny/model.safetensors").read_bytes()
    assert_refused(call(*words), r"^laidout: runs/tiny holds a run already")
    assert Path("runs/tiny/model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--steps", 0, r"steps \(0\) must be 1 or more"),
        ("--max-tokens", 3, r"max_tokens \(3\)"),
        ("--vocab-size", 20, r"vocab_size \(20\) must be at least 259"),
        ("--size", "huge", r"size \('huge'\) must be one of tiny, base, big"),
        ("--dropout", 1, r"dropout \(1\.0\)"),
        ("--smoothing", 2, r"smoothing \(2\.0\)"),
        ("--warmup-steps", 0, r"warmup_steps \(0\)"),
        ("--accumulate", 0, r"accumulate \(0\)"),
        ("--accumulate", 99, r"a step needs 99"),
        ("--valid-every", 7, r"valid_every \(7\) must be a multiple of log_e"),
        ("--save-every", -2, r"save_every \(-2\)"),
        ("--log-every", 0, r"log_every \(0\)"),
        ("--keep", 0, r"keep \(0\)"),
        ("--patience", 0, r"patience \(0\)"),
        ("--precision", "fp8", r"precision \('fp8'\) must be one of auto"),
        ("--device", "tpu", r"device \('tpu'\) must be auto, cpu or cuda"),
    ],
)
def test_a_value_that_will_not_do_is_named(
    corpus: Path, option: str, value: object, message: str
) -> None:
    words = "--steps", 2, "--corpus", corpus, *QUICK, option, value
    assert_refused(call("train", *words), message)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--steps", "many"], "Invalid value for '--steps':"),
        (["train", "--seed", "-1"], "Invalid value for '--seed':"),
        (["train", "--seed", 2**64], "Invalid value for '--seed':"),
        (["train", "--speed", "1"], "No such option: --speed"),
        (["translate", "--beam", "0"], "Invalid value for '--beam':"),
        (["evaluate", "--beam", "x"], "Invalid value for '--beam':"),
        (["trian"], "No such command 'trian'"),
    ],
)
def test_a_slip_of_the_fingers_is_named(
    words: list[object], message: str
) -> None:
    done = call(*words, columns=200)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["phrase", "no/such/folder"])
def test_an_unknown_corpus_is_named(name: str) -> None:
    message = rf"name \('{name}'\) must be 'phrases', 'multi30k' or a folder"
    assert_refused(call("train", "--corpus", name), message)
    assert not Path("runs").exists()


def test_files_of_different_lengths_are_named(corpus: Path) -> None:
    (corpus / "valid.de").write_text("Eins\nZwei\n", "utf-8")
    message = r"valid\.en has 5 lines, .*valid\.de has 2$"
    assert_refused(call("train", "--corpus", corpus), message)


def test_a_folder_that_cannot_be_written_is_named(corpus: Path) -> None:
    Path("runs").write_text("a file where a folder should be")
    words = "--corpus", corpus, "--steps", 2, *QUICK
    assert_refused(call("train", *words), r"cannot write runs/tiny/")


# --- train: a corpus with a name --------------------------------------------


@pytest.fixture
def few_phrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the phrases be our pairs."""
    sets = {
        name: [Pair(*pair) for pair in pairs] for name, pairs in SHARES.items()
    }
    tests = {"test": sets["test"], "combinations": sets["valid"]}
    corpus = Corpus("phrases", sets["train"], sets["valid"], tests)
    monkeypatch.setattr(laidout.data, "_make_phrases", lambda: corpus)


@pytest.mark.usefixtures("few_phrases")
def test_without_options_it_is_the_phrase_model() -> None:
    done = call("train", "--steps", 2, *QUICK)
    assert done.status == 0
    assert re.findall(r"^│ (\w+)", done.out, re.M) == ["test", "combinations"]
    assert done.err.splitlines()[-1] == (
        'Now try: laidout translate "I like pizza"'
    )
    assert call("translate", "I like pizza").status == 0


@pytest.mark.usefixtures("few_phrases")
def test_the_advice_names_a_folder_of_ones_own() -> None:
    done = call("train", "--output", "my run", "--steps", 2, *QUICK)
    assert done.err.splitlines()[-1] == (
        "Now try: laidout translate \"I like pizza\" --checkpoint 'my run'"
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("Ich mag Pizza", "Ich mag Pizza"),
        ("", "(nothing yet, it has learned too little)"),
    ],
)
@pytest.mark.usefixtures("few_phrases")
def test_a_model_of_the_readers_own_says_something(
    found: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        laidout.cli, "taken_over", lambda *_, **__: nullcontext()
    )
    monkeypatch.setattr(laidout.cli, "_print_scores", lambda *_: None)
    monkeypatch.setattr(laidout.cli, "_scores", lambda *_: None)
    monkeypatch.setattr(laidout.evaluation, "translate", lambda *_: [found])
    done = call("train", "--mine", "my own", "--steps", 2, *QUICK)
    assert done.status == 0
    assert done.err.splitlines()[-2:] == [
        f"Your Transformer says: I like pizza -> {said}",
        "Now try: laidout translate --mine 'my own' "
        '"My sister bought twenty-five red apples on Monday"',
    ]


# --- train --resume ---------------------------------------------------------


def losses(run: Path) -> list[tuple[int, float]]:
    """Read from the log what depends on the run alone, not on the clock."""
    lines = (run / "log.jsonl").read_text("utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    return [(x["step"], x.get("loss", x.get("valid_loss"))) for x in log]


def assert_same_model(one: Path, other: Path) -> None:
    """Two runs have ended with exactly the same parameters."""
    parameters = load(other)[0].state_dict()
    for name, numbers in load(one)[0].state_dict().items():
        assert_same(numbers, parameters[name])


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "train", "--corpus", corpus, "--steps", 12, *QUICK
    assert call(*words, "--output", "whole").status == 0
    # 1. Ctrl-C after the sixth step.
    log = Run._log

    def log_and_press(run: Run) -> None:
        log(run)
        if run.progress.step == 6:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "_log", log_and_press)
        done = call(*words, "--output", "my run")
    assert done.status == 130
    assert done.out == ""
    said = done.err.splitlines()[-1]
    assert re.fullmatch(
        r"Stopped and saved at step \d+\. Go on with: "
        r"laidout train --resume --output 'my run'",
        said,
    )
    assert not Path("my run/model.safetensors").exists()
    # 2. What can be done with half a run: translate with its checkpoint.
    assert call("translate", "--checkpoint", "my run", "I").status == 0
    # 3. Do as it says.
    done = call("train", "--resume", "--output", "my run")
    assert done.status == 0
    assert losses(Path("my run")) == losses(Path("whole"))
    assert_same_model(Path("my run"), Path("whole"))


def test_ctrl_c_stops_a_real_process(corpus: Path, tmp_path: Path) -> None:
    words = "--corpus", corpus, "--steps", 10**6, *QUICK
    process = start(tmp_path / "here", "train", *words)
    log = Path("runs/tiny/log.jsonl")
    for _ in range(600):
        if log.exists() and log.read_bytes().count(b"\n") > 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    said = err.decode().splitlines()[-1]
    assert re.fullmatch(
        r"Stopped and saved at step \d+\. Go on with: "
        r"laidout train --resume --output runs/tiny",
        said,
    )
    assert b"Traceback" not in err
    saved = Path("runs/tiny/checkpoints").iterdir()
    step = max(int(path.stem.removeprefix("step-")) for path in saved)
    assert f"step {step}." in said


def test_a_run_at_its_end_may_be_resumed(run: Path, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    done = call("train", "--resume", "--output", copy)
    assert done.status == 0
    assert_same_model(copy, run)
    assert "100.0%" in done.out


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--steps", "200"], "steps"),
        (["--vocab-size", "300", "--seed", "0"], "seed"),
        (["--valid-every", "50"], "valid-every"),
    ],
)
def test_settings_cannot_be_changed_on_the_way(
    copy: Path, words: list[str], option: str
) -> None:
    done = call("train", "--resume", "--output", copy, *words)
    assert_refused(done, rf"own settings: leave out --{option}$")


def test_the_corpus_cannot_be_changed_on_the_way(
    copy: Path, corpus: Path
) -> None:
    words = "train", "--resume", "--output", copy
    message = rf"{copy} was begun with the corpus .*tiny, not with {corpus}$"
    assert_refused(call(*words, "--corpus", corpus), message)


def test_the_corpus_may_be_named_again(corpus: Path) -> None:
    words = "train", "--corpus", corpus
    assert call(*words, "--steps", 2, *QUICK).status == 0
    assert call(*words, "--resume").status == 0
    assert call("train", "--corpus", f"{corpus}/", "--resume").status == 0


def test_what_was_not_begun_cannot_be_resumed() -> None:
    done = call("train", "--resume")
    assert_refused(done, r"^laidout: runs/phrases holds no run$")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"speed": 1}', "copy: settings.json is broken: .*'speed'"),
        ('{"steps": "1"}', "copy: settings.json is broken: "),
        ("[]", r"settings\.json is broken"),
        ('{"steps": 1', r"settings\.json is broken"),
        ('{"steps": -1}', r"steps \(-1\) must be 1 or more"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    copy: Path, content: str, message: str
) -> None:
    (copy / "settings.json").write_text(content, "utf-8")
    assert_refused(call("train", "--resume", "--output", copy), message)
    assert_refused(call("evaluate", "--checkpoint", copy), message)


# --- translate --------------------------------------------------------------


@pytest.mark.parametrize("beam", [[], ["--beam", 1], ["--beam", 2]])
def test_sentences_are_translated_one_line_each(
    run: Path, beam: list[object]
) -> None:
    sentences = ["They see the girl", "I like pizza"]
    done = call("translate", "--checkpoint", run, *beam, *sentences)
    assert done == Done(0, "Sie sehe das Mädchen\nIch mag Pizza\n", "")


def test_the_length_penalty_is_passed_on(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def record(model: object, tokenizer: object, *rest: object) -> list[str]:
        asked.append(rest)
        return ["ja"]

    monkeypatch.setattr(laidout.evaluation, "translate", record)
    words = "--beam", 3, "--length-penalty", 0.25, "--device", "cpu"
    assert call("translate", "--checkpoint", run, *words, "yes").out == "ja\n"
    assert asked == [(["yes"], 3, 0.25)]


def test_the_input_is_translated_line_by_line(run: Path) -> None:
    given = "You need two dogs\r\n\n  I see the keys \n \nWe like pizza"
    done = call("translate", "--checkpoint", run, given=given)
    assert done.err == ""
    assert done.lines == [
        "Du brauche zwei Hunde",
        "",
        "Ich sehe die Schlüssel",
        "",
        "Wir mag Pizza",
    ]


def test_an_empty_input_has_no_translation(run: Path) -> None:
    assert call("translate", "--checkpoint", run) == Done(0, "", "")


def test_whoever_has_to_type_is_told_so(run: Path) -> None:
    words = "translate", "--checkpoint", run
    done = call(*words, given="I like pizza\n", typed=True)
    assert "One sentence a line" in done.err
    assert "Ich mag Pizza" in done.out


def test_an_empty_sentence_is_refused(run: Path) -> None:
    done = call("translate", "--checkpoint", run, "I like pizza", " ")
    assert_refused(done, r"text \(''\) must hold at least one word$")


def test_a_sentence_that_is_too_long_is_named(run: Path) -> None:
    done = call("translate", "--checkpoint", run, "I", "x" * 6000)
    assert_refused(done, r"texts\[1\] has 6001 tokens with its eos, must have")


def test_an_input_that_is_no_text_is_refused(run: Path) -> None:
    done = call("translate", "--checkpoint", run, given=b"I like \xff\n")
    assert_refused(done, r"the input is no text: 'utf-8' codec can't decode")


def test_a_translation_stays_one_line_as_it_is(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nasty = "[b]:smile:\t\\x [/b]  zwei\nZeilen"
    monkeypatch.setattr(laidout.evaluation, "translate", lambda *_: [nasty])
    done = call("translate", "--checkpoint", run, "I like pizza", columns=10)
    assert done.out == "[b]:smile:\t\\x [/b]  zwei Zeilen\n"


def test_ctrl_c_while_translating_says_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(laidout.evaluation, "translate", press)
    assert call("translate", "--checkpoint", run, "I") == Done(130, "", "")


# --- translate --show-attention ---------------------------------------------


def table_of(err: str) -> list[list[str]]:
    """Cut the table in the output into its cells."""
    lines = [line for line in err.splitlines() if "Drawn" not in line]
    return [line.split() for line in lines]


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_attention_is_shown_beside_the_translation(
    copy: Path, columns: int
) -> None:
    words = "--checkpoint", copy, "--show-attention", "I like pizza!"
    done = call("translate", *words, columns=columns)
    assert done.status == 0
    target = done.out.removesuffix("\n")
    _, tokenizer = load(copy)
    read = [tokenizer.decode([i]) for i in tokenizer.encode("I like pizza!")]
    wrote = [tokenizer.decode([i]) for i in tokenizer.encode(target)]
    header, *rows = table_of(done.err)
    assert header == [t.replace(" ", "_") for t in read] + ["<eos>"]
    names = [t.replace(" ", "_") for t in wrote] + ["<eos>"]
    assert [row[0] for row in rows] == names
    # Nothing is cut off, however narrow the screen is: hundredths.
    for row in rows:
        assert len(row) == len(header) + 1
        numbers = [0 if cell == "·" else int(cell) for cell in row[1:]]
        assert sum(numbers) == pytest.approx(100, abs=len(numbers))


def test_attention_is_drawn_into_a_file(copy: Path) -> None:
    words = "--checkpoint", copy, "--show-attention"
    done = call("translate", *words, "We like the girl!", "../ü?", "?!")
    drawn = [
        copy / "attention" / f"{name}.svg"
        for name in ("we-like-the-girl", "ü", "sentence")
    ]
    assert re.findall(r"Drawn into (.*)\.\n", done.err) == [*map(str, drawn)]
    assert sorted((copy / "attention").iterdir()) == sorted(drawn)
    for path in drawn:
        assert "svg" in ElementTree.parse(path).getroot().tag


def test_attention_with_a_very_long_sentence_has_a_short_name(
    copy: Path,
) -> None:
    words = "--checkpoint", copy, "--show-attention", "pizza " * 20
    assert call("translate", *words).status == 0
    (path,) = (copy / "attention").iterdir()
    assert len(path.stem) == 60


def test_empty_lines_have_no_attention(copy: Path) -> None:
    words = "--checkpoint", copy, "--show-attention"
    done = call("translate", *words, given="\nI like pizza\n")
    assert done.lines == ["", "Ich mag Pizza"]
    assert done.err.count("Drawn into") == 1


# --- checkpoints ------------------------------------------------------------


def test_without_a_model_it_says_how_to_get_one() -> None:
    message = r"^laidout: there is no model in runs/phrases: train one with"
    assert_refused(call("translate", "I like pizza"), message)
    assert_refused(call("evaluate"), message)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.safetensors"])
def test_a_checkpoint_that_is_not_there_is_named(name: str) -> None:
    done = call("translate", "--checkpoint", name, "I")
    assert_refused(done, rf"^laidout: {name}: there is no such model$")


def test_a_run_without_a_model_is_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    shutil.rmtree(copy / "checkpoints")
    done = call("translate", "--checkpoint", copy, "I")
    assert_refused(done, r"copy holds no model: nothing was saved yet$")


def test_a_model_file_can_be_named(copy: Path) -> None:
    for path in (
        copy / "model.safetensors",
        copy / "checkpoints" / "step-000000150.safetensors",
    ):
        words = "--checkpoint", path, "--show-attention", "I like pizza"
        done = call("translate", *words)
        assert done.out == "Ich mag Pizza\n"
        assert f"{copy / 'attention' / 'i-like-pizza'}.svg" in done.err
        done = call("evaluate", "--checkpoint", path, "--json")
        assert json.loads(done.out)["scores"][0]["exact_match"] == 1.0


def test_a_model_with_its_tokenizer_is_enough(run: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copy(run / name, name)
    words = "evaluate", "--checkpoint", "model.safetensors"
    message = r"holds no run; say with --corpus what is to be translated$"
    assert_refused(call(*words), message)
    done = call(*words, "--corpus", run.parent / "tiny")
    assert done.status == 0
    assert "100.0%" in done.out


def test_a_model_without_its_tokenizer_is_refused(run: Path) -> None:
    shutil.copy(run / "model.safetensors", "model.safetensors")
    done = call("translate", "--checkpoint", "model.safetensors", "I")
    assert_refused(done, r"tokenizer\.json: there is no tokenizer$")


class Evil:
    """An object that would write a file if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps(Evil()), "is broken or no checkpoint"),
        (b"", "is broken or no checkpoint"),
        (b"half", "is broken or no checkpoint"),
    ],
)
def test_a_foreign_checkpoint_is_refused_and_not_run(
    copy: Path, data: bytes, message: str
) -> None:
    (copy / "model.safetensors").write_bytes(data)
    done = call("translate", "--checkpoint", copy, "I")
    assert_refused(done, rf"model\.safetensors {message}")
    assert not Path("executed").exists()


def test_a_truncated_checkpoint_is_refused(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    done = call("evaluate", "--checkpoint", copy)
    assert_refused(done, r"model\.safetensors is broken or no checkpoint")


def test_a_truncated_run_is_not_resumed(copy: Path) -> None:
    path = copy / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    done = call("train", "--resume", "--output", copy)
    assert_refused(done, r"training\.safetensors is broken or no checkpoint")


def test_the_state_of_a_run_is_no_model(copy: Path) -> None:
    path = copy / "training.safetensors"
    done = call("translate", "--checkpoint", path, "I")
    assert_refused(done, r"holds no model but 'training'$")


def test_a_checkpoint_of_another_tokenizer_is_refused(copy: Path) -> None:
    BPETokenizer.train(["a b a b"], 260).save(copy / "tokenizer.json")
    done = call("translate", "--checkpoint", copy, "I")
    assert_refused(done, r"belongs to another tokenizer: to \w{16}, not to")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: {"a_part": t.popitem()[1], **t}, "does not fit the model:"),
        (lambda t: {n: v[None].clone() for n, v in t.items()}, "has shape"),
    ],
    ids=["names", "shapes"],
)
@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_model_that_does_not_fit_may_be_one_of_other_objects(
    command: str,
    spoil: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    message: str,
    copy: Path,
) -> None:
    path = copy / "model.safetensors"
    tensors, about = read_checkpoint(path)
    write_checkpoint(path, spoil(dict(tensors)), about)
    done = call(command, "--checkpoint", copy, given="I\n")
    assert (done.out, done.status) == ("", 1)
    first, second = done.err.splitlines()
    assert first.startswith(f"laidout: {path}")
    assert message in first
    assert second == (
        "If objects of your own were trained, name them with --mine; if they "
        "have changed since, train again."
    )


# --- evaluate ---------------------------------------------------------------


def test_the_scores_come_as_a_table(run: Path) -> None:
    done = call("evaluate", "--checkpoint", run)
    assert done.status == 0
    cells = [re.findall(r"[^│┃\s]+(?: \w+)?", line) for line in done.lines]
    assert cells[1] == ["test set", "sentences", "exact match", "BLEU"]
    assert cells[3] == ["test", "7", "100.0%", "100.0"]
    signature = f"version:{sacrebleu.__version__}"
    assert done.lines[-1].startswith("BLEU: nrefs:1|")
    assert done.lines[-1].endswith(signature)
    assert done.err == "Translating 7 sentences of test ...\n"


def test_the_scores_come_as_json(run: Path) -> None:
    done = call("evaluate", "--checkpoint", run, "--json", "--beam", 1)
    found = json.loads(done.out)
    assert found["corpus"] == str(run.parent / "tiny")
    (score,) = found["scores"]
    assert score.pop("signature").startswith("nrefs:1|")
    assert score == {
        "test_set": "test",
        "sentences": 7,
        "exact_match": 1.0,
        "bleu": pytest.approx(100.0),
    }


def test_another_corpus_can_be_evaluated(run: Path, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other")
    for language in ("en", "de"):
        (other / f"test.{language}").rename(other / f"test1.{language}")
    text = "".join(f"{source}\n" for source, _ in PAIRS[:4])
    (other / "test[2].en").write_text(text, "utf-8")
    wrong = PAIRS[0][1] + "\nNein\nNein\nNein\n"
    (other / "test[2].de").write_text(wrong, "utf-8")
    words = "evaluate", "--checkpoint", run, "--corpus", other
    found = json.loads(call(*words, "--json").out)
    assert found["corpus"] == str(other)
    assert [
        (score["test_set"], score["sentences"], score["exact_match"])
        for score in found["scores"]
    ] == [("test1", 7, 1.0), ("test[2]", 4, 0.25)]
    table = call(*words)
    assert "test[2]" in table.out
    assert "of test[2] ..." in table.err


def test_scores_fit_on_a_narrow_screen(run: Path) -> None:
    done = call("evaluate", "--checkpoint", run, columns=40)
    assert done.status == 0
    assert max(len(line) for line in done.lines[:-1]) <= 40
    assert "100.0" in done.out


# --- the screen -------------------------------------------------------------


def test_a_bar_shows_how_far_it_is(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    screen = Console(file=file, force_terminal=True, width=100)
    monkeypatch.setattr(laidout.cli, "err", screen)
    words = "train", "--corpus", corpus, "--steps", 6, *QUICK
    assert call(*words).status == 0
    shown = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", file.getvalue())
    assert re.search(r"step +0/6 .* loss - +[-0] tokens/s", shown)
    assert re.search(r"step +6/6 .* loss \d\.\d{3} +[\d,]+ tokens/s", shown)
    assert "nan" not in shown


def test_the_bar_of_a_resumed_run_starts_where_it_was(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    screen = Console(file=file, force_terminal=True, width=100)
    monkeypatch.setattr(laidout.cli, "err", screen)
    assert call("train", "--resume", "--output", copy).status == 0
    assert "150/150" in file.getvalue()
    assert " 0/150" not in file.getvalue()


# --- a process of its own ---------------------------------------------------


def test_a_pipe_gets_the_translations_alone_even_in_ascii(copy: Path) -> None:
    process = start(
        copy,
        *("translate", "--checkpoint", ".", "--show-attention"),
        PYTHONIOENCODING="ascii",
        LC_ALL="C",
        COLUMNS="40",
    )
    out, err = process.communicate(b"We see the girl\nI like pizza\n", 60)
    assert process.returncode == 0, err
    # What ASCII has no letter for is written by its number.
    assert out == b"Wir sehe das M\\xe4dchen\nIch mag Pizza\n"
    assert err.count(b"Drawn into attention/") == 2
    assert b"\x1b" not in err
    assert b"Traceback" not in err


def test_whoever_stops_reading_is_no_error(run: Path) -> None:
    process = start(
        run.parent, "translate", "--checkpoint", run, *["I like pizza"] * 3
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == b""
    assert process.returncode == 1
