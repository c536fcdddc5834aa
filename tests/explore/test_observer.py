import io

from asic_compiler.explore.observer import Incumbent, Progress, RichObserver, busy, describe


class Terminal(io.StringIO):
    def isatty(self):
        return True


HALF = Progress(50, 100, 7, Incumbent(0.5, 29809.0, 51.4, 648.0), elapsed_s=3.0)
NOTHING = Progress(10, 100, 0, None, elapsed_s=1.0)


def test_the_time_left_follows_from_the_speed_so_far():
    assert HALF.remaining_s == 3.0
    assert NOTHING.remaining_s == 9.0
    assert Progress(0, 100, 0, None, 0.0).remaining_s == 0.0


def test_the_best_design_is_described_with_units():
    assert describe(HALF) == "29,809 tokens/s, 51.4 W, 648 mm2"
    slow = Progress(1, 2, 1, Incumbent(0.5, 12.34, 0.0126, 5.04), elapsed_s=1.0)
    assert describe(slow, "images/s") == "12.3 images/s, 0.0126 W, 5.04 mm2"
    assert describe(NOTHING) == "nothing feasible yet"


def test_nothing_is_written_where_there_is_no_terminal():
    stream = io.StringIO()
    observer = RichObserver(stream=stream)
    observer.on_batch(HALF)
    observer.on_end()
    assert stream.getvalue() == ""


def test_a_terminal_shows_evaluations_and_the_best_design():
    stream = Terminal()
    observer = RichObserver(stream=stream)
    observer.on_batch(NOTHING)
    observer.on_batch(HALF)
    observer.on_end()
    shown = stream.getvalue()
    assert "50/100" in shown
    assert "51.4 W" in shown
    observer.on_end()


def test_what_is_being_done_is_shown_on_a_terminal_alone():
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with busy("writing the program", stream):
            pass
    assert "writing the program" in terminal.getvalue()
    assert pipe.getvalue() == ""


def test_a_process_without_stderr_is_watched_silently(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    observer = RichObserver()
    observer.on_batch(HALF)
    observer.on_end()
    with busy("writing"):
        pass
