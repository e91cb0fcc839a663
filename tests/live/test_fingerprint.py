"""The wire fingerprint of one pair: what the page says of a C server is there on the wire."""

from __future__ import annotations

import pytest

from tests.interop.fingerprint import PROJECT, measure
from tests.live.conftest import Oracle, private_folder


def test_a_servers_nodelay_and_a_clients_nagle_show_in_a_certified_capture(
    images: None, oracle: Oracle, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = private_folder(tmp_path_factory, "fingerprint")
    cell = measure(("c", "python"), folder, oracle, PROJECT, ("demo", "paced", "ctrl-c", "unread"))
    assert cell.problem == ""
    values = cell.values
    assert values["server-nodelay"] == "at once"
    assert values["client-nodelay"] == "after the ACK"
    assert str(values["client-syn"]).startswith("MSS 1460, window scale ")  # the scale is the kernel's choice
    assert values["server-segments"] == values["client-segments"] == "1"
    assert str(values["client-quit"]).endswith("server first")
    assert str(values["server-input-end"]).endswith("client first")
    assert values["client-ctrl-c"] == "FIN alone"
    assert values["client-unread"] in ("RST", "FIN alone")  # whether it reads the answer before it hears the signal
    assert "server-long" not in values  # the conversation through a pipe was not asked for
