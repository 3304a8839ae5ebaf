"""The benchmark's own servers and its load, run for real and for a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.overhead import load_sample, set_mock
from bench.parts import processes
from bench.parts.load import joined_chunks
from bench.parts.scenarios import SMALL, Scenario, body_for
from bench.parts.servers import Bare, BrokenServerError, Server, answers_chat, call, started_part
from bench.parts.servers import running as running_server

CORES = processes.cores()
STREAM = Scenario("stream", connections=4, stream=True, deltas=20)


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mock")
    with running_server(started_part("mock", folder, CORES[1])) as server:
        yield server


@pytest.fixture(scope="module")
def bare(mock: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    runner = Bare(tmp_path_factory.mktemp("bare"), mock.port, CORES[0])
    with running_server(runner.started()) as server:
        answers_chat(server)
        yield server


def test_the_mock_answers_a_message_of_about_a_kilobyte_with_its_usage(mock: Server) -> None:
    set_mock(mock, SMALL)
    body = body_for(SMALL, openai=False, number=3)
    status, answer = call(mock.port, "POST", "/v1/messages", body)
    message = json.loads(answer)
    assert status == 200
    assert message["model"] == "claude-haiku-4-5-20251001"
    assert message["content"][0]["text"].startswith("quill0 quill1 ")
    assert message["usage"]["input_tokens"] == len(body) // 4
    assert message["usage"]["output_tokens"] == 50
    assert 1_200 < len(answer) < 1_600


def test_the_mock_streams_as_many_deltas_as_it_was_told(mock: Server) -> None:
    set_mock(mock, STREAM)
    status, answer = call(
        mock.port, "POST", "/v1/messages", body_for(STREAM, openai=False, number=0)
    )
    events = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith(b"data: ")]
    assert status == 200
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 20,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[3]["delta"] == {"type": "text_delta", "text": "quill0 "}
    assert events[-2]["usage"] == {"output_tokens": 20}


def test_the_mock_waits_as_long_as_it_was_told(mock: Server) -> None:
    slow = Scenario("slow", connections=1, latency_s=0.05)
    set_mock(mock, slow)
    sample = load_sample(slow, mock, 0.2, CORES[1])
    assert sample.p50_ms >= 49
    assert sample.good <= 4


def test_a_measurement_lasts_until_something_is_answered(mock: Server) -> None:
    slower = Scenario("slower", connections=1, latency_s=1.2)
    set_mock(mock, slower)
    sample = load_sample(slower, mock, 0.1, CORES[1])
    assert (sample.good, sample.bad) == (1, 0)
    assert sample.p50_ms >= 1_190  # of the call that was made meanwhile
    assert 0 < sample.per_s < 3


def test_an_unknown_route_of_the_mock_is_not_found(mock: Server) -> None:
    assert call(mock.port, "POST", "/v1/complete", "{}")[0] == 404


@pytest.mark.parametrize("scenario", [SMALL, STREAM], ids=["json", "stream"])
def test_bare_passes_every_answer_on_whole(mock: Server, bare: Server, scenario: Scenario) -> None:
    set_mock(mock, scenario)
    sample = load_sample(scenario, bare, 0.2, CORES[1])
    assert sample.bad == 0
    assert sample.good > 0
    assert 0 < sample.ttft_p50_ms <= sample.p50_ms <= max(sample.latencies_ms)
    assert sample.rss_mb > 10


def test_an_answer_that_lacks_a_delta_is_bad(mock: Server, bare: Server) -> None:
    set_mock(mock, Scenario("short", stream=True, deltas=19))
    with pytest.raises(BrokenServerError, match=r"bad answers\n.*200 OK"):
        load_sample(STREAM, bare, 0.2, CORES[1])


def test_an_error_status_is_a_bad_answer(mock: Server, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    lost = Server("lost", mock.process, log, mock.port, "/v1/complete", {})
    with pytest.raises(BrokenServerError, match=r"HTTP/1\.1 404"):
        load_sample(SMALL, lost, 0.2, CORES[1])


def test_a_server_that_ends_at_once_is_reported_with_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(BrokenServerError, match=r"ended with exit code 1(.|\n)*IndexError"):
        started_part("bare", tmp_path, CORES[0])


def test_a_mark_cut_by_a_chunk_is_whole_again() -> None:
    assert joined_chunks(b"5\r\na qui\r\n4\r\nll b\r\n0\r\n\r\n") == b"a quill b"


def test_both_shapes_carry_the_same_prompt_of_the_promised_size() -> None:
    ours = json.loads(body_for(SMALL, openai=True, number=7))
    theirs = json.loads(body_for(SMALL, openai=False, number=7))
    assert ours["messages"][0] == {"role": "system", "content": theirs["system"]}
    assert ours["messages"][1] == theirs["messages"][0]
    assert len(theirs["system"]) == 1_000
    assert len(theirs["messages"][0]["content"]) == 200
