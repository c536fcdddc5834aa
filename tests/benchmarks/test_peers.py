"""The comparison with peers where none can be had, and our own side of it."""

import sys

import peers
import pytest


def test_products_are_those_of_a_llama_layer():
    cases = peers.products()
    assert cases[peers.PRODUCTS[0]] == [{"batch": 1, "m": 128, "n": 14336, "k": 4096}]
    layer = cases[peers.PRODUCTS[2]]
    macs = sum(p["batch"] * p["m"] * p["n"] * p["k"] for p in layer)
    # 218.1 M weights of a layer, and 262,144 x context / 32 layers of attention
    assert macs == 4096 * (4096 * 2 + 1024 * 2 + 14336 * 3) + 2 * 32 * 128 * 2048


def test_ours_prices_a_product_alone_in_milliseconds():
    alone, batched = peers.time_ours(peers.gemm_table(1), 1)
    assert 0 < batched.cpu < alone.cpu < 0.1
    assert 0 < batched.wall < alone.wall


def test_a_peer_without_its_python_says_so():
    with pytest.raises(peers.UnavailableError, match=r"needs Python 2\.6"):
        peers.find_python(("2.6",))


def test_a_peer_that_cannot_be_installed_is_named(tmp_path, monkeypatch, capsys):
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    missing = peers.Peer("zigzag", (str(tmp_path / "nothing.whl"),), (here,), "x.py", "a caveat")
    monkeypatch.setattr(peers, "PEERS", (missing,))
    monkeypatch.setattr(peers, "our_tables", lambda: {})
    monkeypatch.setattr(sys, "argv", ["peers.py", "--cache", str(tmp_path), "--peers", "zigzag"])

    # no environment is made: what would make it fails at once
    def broken(command, **_):
        if "pip" in command:
            raise peers.subprocess.CalledProcessError(1, command, stderr="ERROR: no such file\n")
        return peers.subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(peers.subprocess, "run", broken)
    peers.main()
    text = capsys.readouterr().out
    assert "| zigzag | all | not installed: ERROR: no such file |" in text
    assert "a caveat" in text


def test_an_unknown_peer_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["peers.py", "--peers", "nobody"])
    with pytest.raises(SystemExit, match="unknown peer 'nobody'"):
        peers.main()
