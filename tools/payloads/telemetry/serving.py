"""Series of model servers: vLLM (both engines), TGI, Triton with and without TensorRT-LLM.

What looks alike is kept apart where it is not: TGI has no time to first token, and its mean time per token divides the
prefill too; Triton's first response is the first chunk that was delivered.
"""

from __future__ import annotations

from tools.payloads.facts.metrics import Metric
from tools.payloads.telemetry.series import Series, histogram
from tools.payloads.telemetry.subjects import server

_MILLI, _MICRO = 1e-3, 1e-6

_VLLM = (
    Series("vllm:num_requests_running", Metric.REQUESTS_RUNNING, server),
    Series("vllm:num_requests_waiting", Metric.REQUESTS_WAITING, server),
    Series("vllm:kv_cache_usage_perc", Metric.CACHE_USED, server),
    Series("vllm:gpu_cache_usage_perc", Metric.CACHE_USED, server),
    Series("vllm:request_success_total", Metric.REQUESTS_DONE, server),
    Series("vllm:num_preemptions_total", Metric.REQUESTS_PREEMPTED, server),
    Series("vllm:prompt_tokens_total", Metric.PROMPT_TOKENS, server),
    Series("vllm:generation_tokens_total", Metric.GENERATED_TOKENS, server),
    *histogram("vllm:time_to_first_token_seconds", Metric.FIRST_TOKEN_SUM, Metric.FIRST_TOKEN_COUNT, server),
    *histogram("vllm:inter_token_latency_seconds", Metric.PER_TOKEN_SUM, Metric.PER_TOKEN_COUNT, server),
    *histogram("vllm:time_per_output_token_seconds", Metric.PER_TOKEN_SUM, Metric.PER_TOKEN_COUNT, server),
    *histogram("vllm:request_queue_time_seconds", Metric.QUEUE_TIME_SUM, Metric.QUEUE_TIME_COUNT, server),
    *histogram("vllm:e2e_request_latency_seconds", Metric.REQUEST_TIME_SUM, Metric.REQUEST_TIME_COUNT, server),
)
_TGI = (
    Series("tgi_queue_size", Metric.REQUESTS_WAITING, server),
    Series("tgi_batch_current_size", Metric.REQUESTS_RUNNING, server),
    Series("tgi_request_success", Metric.REQUESTS_DONE, server),
    Series("tgi_request_failure", Metric.REQUESTS_FAILED, server),
    Series("tgi_request_input_length_sum", Metric.PROMPT_TOKENS, server),
    Series("tgi_request_generated_tokens_sum", Metric.GENERATED_TOKENS, server),
    *histogram(
        "tgi_request_mean_time_per_token_duration",
        Metric.PER_TOKEN_WITH_PREFILL_SUM,
        Metric.PER_TOKEN_WITH_PREFILL_COUNT,
        server,
    ),
    *histogram("tgi_request_queue_duration", Metric.QUEUE_TIME_SUM, Metric.QUEUE_TIME_COUNT, server),
    *histogram("tgi_request_duration", Metric.REQUEST_TIME_SUM, Metric.REQUEST_TIME_COUNT, server),
)
_TRITON = (
    Series("nv_inference_pending_request_count", Metric.REQUESTS_WAITING, server),
    Series("nv_inference_request_success", Metric.REQUESTS_DONE, server),
    Series("nv_inference_request_failure", Metric.REQUESTS_FAILED, server),
    Series("nv_inference_queue_duration_us", Metric.QUEUE_TIME_SUM, server, _MICRO),
    Series("nv_inference_request_duration_us", Metric.REQUEST_TIME_SUM, server, _MICRO),
    *histogram(
        "nv_inference_first_response_histogram_ms",
        Metric.FIRST_RESPONSE_SUM,
        Metric.FIRST_RESPONSE_COUNT,
        server,
        _MILLI,
    ),
    Series("nv_trt_llm_kv_cache_block_metrics", Metric.CACHE_USED, server, where=("kv_cache_block_type", "fraction")),
    Series("nv_trt_llm_request_metrics", Metric.REQUESTS_WAITING, server, where=("request_type", "waiting")),
    Series("nv_trt_llm_request_metrics", Metric.REQUESTS_RUNNING, server, where=("request_type", "active")),
)
_RECORDED = (
    Series("placet:first_token_seconds:p95", Metric.FIRST_TOKEN_P95, server),
    Series("placet:per_token_seconds:p95", Metric.PER_TOKEN_P95, server),
)
"""Percentiles that Prometheus works out, by the names of recording rules or of `prometheus.QUERIES`."""

ROWS: tuple[Series, ...] = (*_VLLM, *_TGI, *_TRITON, *_RECORDED)
