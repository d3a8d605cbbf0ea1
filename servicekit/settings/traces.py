"""Whether a service tells of its traces, and to whom: OpenTelemetry's own variables, which its SDK reads as well."""

from typing import Final

from environs import Env, EnvError

PROTOCOL: Final = "http/protobuf"
_SAMPLERS: Final = tuple(
    f"{parent}{sampler}" for parent in ("", "parentbased_") for sampler in ("always_on", "always_off", "traceidratio")
)


def are_on(env: Env) -> bool:
    """On where an address is given: `OTEL_EXPORTER_OTLP_ENDPOINT`, or `..._TRACES_ENDPOINT`.

    The others are read here so that a wrong value stops the start; the SDK would only log it and do something else.
    """
    endpoints = [env.str(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT", default="") for part in ("", "TRACES_")]
    exporter = _one_of(env, "OTEL_TRACES_EXPORTER", ("otlp", "none"))
    _one_of(env, "OTEL_EXPORTER_OTLP_PROTOCOL", (PROTOCOL,))
    sampler = _one_of(env, "OTEL_TRACES_SAMPLER", _SAMPLERS)
    share = env.str("OTEL_TRACES_SAMPLER_ARG", default="")
    if share and sampler.endswith("traceidratio") and not _is_share(share):
        raise EnvError(f'Environment variable "OTEL_TRACES_SAMPLER_ARG" must be a share from 0 to 1, not {share!r}')
    env.str("OTEL_EXPORTER_OTLP_HEADERS", default="")
    env.str("OTEL_RESOURCE_ATTRIBUTES", default="")
    is_off = env.bool("OTEL_SDK_DISABLED", default=False) or exporter == "none"
    return any(endpoints) and not is_off


def _one_of(env: Env, name: str, allowed: tuple[str, ...]) -> str:
    value: str = env.str(name, default="")
    if value and value not in allowed:
        raise EnvError(f'Environment variable "{name}" must be one of {", ".join(allowed)}, not {value!r}')
    return value


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
