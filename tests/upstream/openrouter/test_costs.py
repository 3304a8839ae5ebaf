"""OpenRouter's own bill, read from the text of its numbers."""

from __future__ import annotations

import pytest

from app.upstream.openrouter.costs import billed_in_events, billed_in_reply

REPLIES = [
    # usage                                                        nano-USD
    ('{"cost": 0.0000105}', 10_500),
    ('{"cost": 1.05e-5}', 10_500),
    ('{"cost": 0.123456789}', 123_456_789),
    ('{"cost": 0.0000000005}', 0),  # half a nano-USD goes to the even one
    ('{"cost": 0.0000000015}', 2),
    ('{"cost": 0.1000000000000000055511151231257827}', 100_000_000),
    ('{"cost": 0}', 0),
    ('{"cost": 3}', 3_000_000_000),
    ('{"cost": 0.001, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.5}}', 10**6),
    ('{"cost": 0.001, "is_byok": false, "cost_details": {"upstream_inference_cost": null}}', 10**6),
    (
        '{"cost": 0.001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}}',
        21 * 10**6,
    ),
    ('{"cost": 0, "cost_details": {"upstream_inference_cost": 0.02}}', 20 * 10**6),
    ('{"cost": 0.02, "cost_details": {"upstream_inference_cost": 0.02}}', 20 * 10**6),
    ('{"cost": 0.001, "is_byok": true}', 10**6),
    ('{"cost": -0.001}', None),
    ('{"cost": "0.001"}', None),
    ('{"cost": true}', None),
    ('{"cost": null}', None),
    ('{"cost": 1e999}', None),
    ('{"cost": 1e999999999999}', None),
    ('{"cost": 2000000000}', None),
    ('{"cost": 0.001, "is_byok": true, "cost_details": {"upstream_inference_cost": "x"}}', None),
    ('{"input_tokens": 3}', None),
    ("[]", None),
    ('{"cost": NaN}', None),
]


@pytest.mark.parametrize(("usage", "nano"), REPLIES)
def test_a_whole_reply_tells_its_cost(usage: str, nano: int | None) -> None:
    assert billed_in_reply(b'{"id": "gen-1", "usage": %b}' % usage.encode()) == nano


@pytest.mark.parametrize(("usage", "nano"), REPLIES)
def test_a_stream_tells_its_cost_at_its_end(usage: str, nano: int | None) -> None:
    event = b'data: {"type": "message_delta", "usage": %b}\n\n' % usage.encode()
    assert billed_in_events(b"event: message_delta\n" + event) == nano


def test_what_is_said_in_a_text_is_no_cost() -> None:
    said = (
        b'data: {"type":"content_block_delta","delta":{"text":"message_delta \\"cost\\": 1"}}\n\n'
    )
    assert billed_in_events(said) is None
    assert billed_in_reply(b'{"content": [{"input": {"usage": {"cost": 1}}}], "usage": {}}') is None
    assert billed_in_reply(b'["cost"]') is None


def test_the_last_cost_of_a_stream_stands() -> None:
    one = b'data: {"type":"message_delta","usage":{"cost":0.1}}\r\n\r\n'
    other = b'data: {"type":"message_delta","usage":{"cost":0.3}}\r\n\r\n'
    assert billed_in_events(one + other) == 300_000_000
