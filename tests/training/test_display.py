"""The display is tidy at any width, plain away from terminals, and never in the way."""

import io
import math
import os
import pty
import re
import threading
from collections.abc import Callable

import pytest
from rich.console import Console

from swarmfield.training import display
from swarmfield.training.display import Display
from swarmfield.training.notation import count, duration, figure, sparkline, trend
from swarmfield.training.panel import Screen, known_figures, line, panel
from swarmfield.training.progress import Progress

ROW = {
    "env_steps": 500,
    "agent_steps": 64_000,
    "seed": 0,
    "wall_seconds": 2.0,
    "agent_steps_per_second": 1_280_000.0,
    "episodes": 12,
    "return/learner": 12.34,
    "return/opponent": -3.0,
    "evaluation/learner/win_rate": 0.95,
    "evaluation/learner/return_std": 2.0,
    "evaluation/learner/return_ci95": [1.0, 2.0],
    "evaluation/opponent/win_rate": 0.05,
    "loss": math.nan,
    "gradient_norm": 0.5,
}


def after(*reports: tuple[float, int, dict | None], total: int = 1000) -> Progress:
    progress = Progress(total, 0, 0.0)
    for clock, env_steps, row in reports:
        progress = progress.after(env_steps, row, clock)
    return progress


def drawn(progress: Progress, width: int, height: int = 24, title: str = "mfq · battle") -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as capture:
        console.print(panel(title, progress, progress.began + 9.0, Screen(width, height)))
    return capture.get()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.95, "0.9500"),
        (-12.3, "-12.30"),
        (1234.0, "1234"),
        (12_345.0, "12.3k"),
        (1.28e-5, "1.280e-05"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (9_999, "9,999"), (12_800, "12.8k"), (128_000, "128k"), (1_280_000, "1.28M")],
)
def test_counts(number: float, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0:00"), (7.9, "0:07"), (754, "12:34"), (3723, "1:02:03"), (183_845, "2d 03:04:05")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sparklines() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5]) == "▅▅"
    assert sparkline([]) == ""
    assert sparkline([0.0, math.nan, 1.0, math.inf]) == "▁x█x"
    assert sparkline([-1.7e308, 1.7e308]) == "▁█"
    assert sparkline([math.nan]) == "x"


def test_trends() -> None:
    assert trend([1, 2, 3]) is None
    assert trend([1, 2, 3, 4]) == "up"
    assert trend([4, 3, math.nan, 2, 1]) == "down"
    assert trend([0, 1, 0, 1, 0, 1]) == "level"
    assert trend([2, 2, 2, 2]) == "level"
    assert trend([-1.7e308, -1.7e308, 1.7e308, 1.7e308]) is not None


def test_pace_leaves_out_the_first_update() -> None:
    assert after((10.0, 100, None)).remaining(10.0) is None
    progress = after((10.0, 100, None), (11.0, 200, None), (12.0, 300, None))
    assert progress.pace == 100.0
    assert progress.remaining(12.0) == 7.0
    assert progress.remaining(15.0) == 4.0
    assert progress.remaining(99.0) == 0.0


def test_progress_of_odd_runs() -> None:
    assert Progress(0, 0, 0.0).fraction == 1.0
    assert after((1.0, 1500, None)).fraction == 1.0
    assert after((1.0, 5, None), (1.0, 5, None)).pace is None


def test_what_is_shown_and_in_which_order() -> None:
    progress = after((1.0, 500, {**ROW, "odd": "text"}))
    shown = [(f.section, f.name) for f in known_figures(progress.history)]
    assert shown == [
        ("return", "learner"),
        ("return", "opponent"),
        ("evaluation", "win rate"),
        ("learning", "loss"),
        ("learning", "gradient norm"),
    ]


def test_the_panel_tells_everything() -> None:
    text = drawn(after((1.0, 250, ROW), (2.0, 500, {"return/learner": 13.0})), 80)
    for part in ("mfq · battle", "50.0%", "500/1,000 env-steps", "1.28M agent-steps/s"):
        assert part in text
    for part in ("0:09 elapsed", "0:00 left", "13.00", "-3.000", "win rate", "0.9500", "nan"):
        assert part in text


def test_the_panel_before_the_first_report() -> None:
    text = drawn(Progress(1000, 0, 0.0), 80)
    assert "compiling" in text
    assert "0.0%" in text


def test_curves_show_the_last_thirty_reports() -> None:
    reports = [(float(i), i, {"loss": float(i)}) for i in range(40)]
    bars = re.search("▁[▁-█]+", drawn(after(*reports), 96))
    assert bars is not None
    assert len(bars[0]) == 30
    few = re.search("▁[▁-█]+", drawn(after(*reports[:20]), 96))
    assert few is not None
    assert len(few[0]) == 20


@pytest.mark.parametrize("width", [5, 20, 31, 40, 56, 80, 96])
@pytest.mark.parametrize("height", [1, 10, 24])
def test_any_size_of_terminal(width: int, height: int) -> None:
    names = {f"loss/with_a_rather_long_name_{i}": 10.0**i for i in range(30)}
    reports = [(float(i), i, {**ROW, **names}) for i in range(5)]
    lines = drawn(after(*reports), width, height, title="a title too long for it" * 9).splitlines()
    assert {len(text) for text in lines} == {width}
    assert len(lines) <= max(height, 9)


def test_values_survive_in_narrow_terminals() -> None:
    lines = drawn(after((1.0, 500, ROW)), 20).splitlines()
    assert any("12.34" in text for text in lines)


def test_one_plain_line_a_report() -> None:
    stream = io.StringIO()
    with Display("mfq · battle", 1000, stream=stream) as shown:
        shown.update(250)
        shown.update(500, ROW)
        shown.say("saved")
        shown.update(1000, {"loss": 0.25})
    title, first, message, last = stream.getvalue().splitlines()
    assert title == "mfq · battle"
    assert first.startswith(" 50.0%  500/1,000 env-steps  return: learner 12.34, opponent -3.000")
    assert "learning: loss nan, gradient norm 0.5000  1.28M agent-steps/s" in first
    assert message == "saved"
    assert last.startswith("100.0%  1,000/1,000 env-steps  learning: loss 0.2500")
    assert "left" not in last


def test_plain_lines_are_flushed() -> None:
    class Stream(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    stream = Stream()
    with Display("t", 10, stream=stream) as shown:
        shown.update(5, ROW)
    assert stream.flushed == 2


def test_quiet() -> None:
    stream = io.StringIO()
    with Display("t", 10, stream=stream, quiet=True) as shown:
        shown.update(5, ROW)
        shown.say("x")
    assert stream.getvalue() == ""


def test_what_a_stream_cannot_spell_is_replaced() -> None:
    raw = io.BytesIO()
    with Display("mfq · battle", 10, stream=io.TextIOWrapper(raw, "ascii")) as shown:
        shown.say("naïve")
        assert raw.getvalue() == b"mfq ? battle\nna?ve\n"


def test_a_closed_stream_does_not_stop_the_run() -> None:
    stream = io.StringIO()
    with Display("t", 10, stream=stream) as shown:
        stream.close()
        shown.update(5, ROW)
        shown.say("x")


def test_a_broken_pipe_does_not_stop_the_run() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    with Display("t", 10, stream=stream) as shown:
        shown.update(5, ROW)
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("bad", [{}, {"loss": None, "return/learner": "x"}, {"a/b/c/": 1, "": 2}])
def test_odd_rows(bad: dict) -> None:
    progress = after((1.0, 5, bad))
    assert "0.5%" in drawn(progress, 80)
    assert line(progress, bad, 2.0).startswith("  0.5%  5/1,000 env-steps")


def in_terminal(use: Callable[[Display], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal received."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(display, "_SECONDS_BETWEEN_REFRESHES", 0.01)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    reader, writer = pty.openpty()
    received: list[bytes] = []

    def listen() -> None:
        try:
            while block := os.read(reader, 65536):
                received.append(block)
        except OSError:
            return

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        with (
            os.fdopen(writer, "w", encoding="utf-8") as stream,
            Display("mfq · battle", 1000, stream=stream) as shown,
        ):
            use(shown)
    finally:
        listener.join()
        os.close(reader)
    return b"".join(received).decode()


def test_a_terminal_gets_a_live_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    def use(shown: Display) -> None:
        threading.Event().wait(0.1)
        shown.update(500, ROW)
        threading.Event().wait(0.1)
        shown.say("saved")
        shown.update(1000, ROW)

    text = in_terminal(use, monkeypatch)
    assert "compiling" in text
    assert "50.0%" in text
    assert "100.0%" in text
    assert "saved" in text
    assert text.count("mfq · battle") >= 3
    assert text.count("\x1b[?25h") == 1, "the cursor is shown again"


def test_an_error_leaves_the_terminal_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()

    def fail(_: Display) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_terminal(fail, monkeypatch)
    assert threading.active_count() == before


def test_a_panel_that_cannot_be_drawn_does_not_stop_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(display, "panel", fail)
    in_terminal(lambda shown: shown.update(500, ROW), monkeypatch)
