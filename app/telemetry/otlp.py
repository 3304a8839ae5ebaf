"""Calls as OpenTelemetry spans, sent over OTLP/HTTP.  Imported only where a destination is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.telemetry.observations import NS_PER_MS, Told, attempt, generation
from app.telemetry.tracing import Destination

ANSWER_S = 10.0
_PARENT = TraceContextTextMapPropagator()


class Finished(SpanProcessor):
    """Keeps the spans that have ended until they are taken."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self.spans.append(span)

    def taken(self) -> list[ReadableSpan]:
        """All of them, once."""
        spans, self.spans = self.spans, []
        return spans


class OtlpSender:
    """Implements tracing.Sender. A caller's sampling is not followed: costs must add up."""

    def __init__(self, destination: Destination) -> None:
        self._finished = Finished()
        resource = Resource({SERVICE_NAME: "tollkeeper", SERVICE_VERSION: version("tollkeeper")})
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource.merge(_told()), shutdown_on_exit=False
        )
        provider.add_span_processor(self._finished)
        self._tracer = provider.get_tracer("tollkeeper", version("tollkeeper"))
        self._exporter = OTLPSpanExporter(
            endpoint=destination.endpoint,
            headers=dict(destination.headers),
            timeout=ANSWER_S,
            compression=Compression.Gzip,
        )

    def send(self, calls: Sequence[Told]) -> bool:
        """See tracing.Sender."""
        for told in calls:
            self._trace(told)
        return self._exporter.export(self._finished.taken()) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """See tracing.Sender."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK has not typed it

    def _trace(self, told: Told) -> None:
        call = told.call
        carrier: Mapping[str, str] = (
            {} if not call.traceparent else {"traceparent": call.traceparent}
        )
        span = self._tracer.start_span(
            f"chat {call.model}",
            context=_PARENT.extract(carrier, Context()),
            kind=SpanKind.CLIENT,
            attributes=generation(told),
            start_time=told.begun_ns,
        )
        if told.error is not None:
            span.set_status(Status(StatusCode.ERROR, told.error))
        within = set_span_in_context(span, Context())
        for tried in call.attempts:
            begun_ns = told.begun_ns + tried.begun_ms * NS_PER_MS
            child = self._tracer.start_span(
                f"attempt {tried.upstream}",
                context=within,
                kind=SpanKind.CLIENT,
                attributes=attempt(tried),
                start_time=begun_ns,
            )
            if tried.error is not None:
                child.set_status(Status(StatusCode.ERROR, tried.error))
            child.end(begun_ns + tried.latency_ms * NS_PER_MS)
        span.end(told.ended_ns)


def _told() -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say; nothing where they are not set."""
    told = dict(Resource.create().attributes)
    if str(told.get(SERVICE_NAME, "")).startswith("unknown_service"):
        del told[SERVICE_NAME]
    return Resource(told)
