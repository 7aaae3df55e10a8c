"""placet.yaml: flags go before the environment, before the file, before the defaults; a fault names where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from console import config
from estate.errors import BadInput
from estate.ids import ChannelId, ClusterId, ExecutorId
from estate.modes import Mode


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "placet.yaml"
    path.write_text(text)
    return path


def test_nothing_at_all_is_a_valid_configuration() -> None:
    """`placet run` needs no file."""
    assert config.load(None, {}) == config.Config()


@given(
    in_file=st.sampled_from([None, *Mode]),
    in_env=st.sampled_from([None, *Mode]),
    in_flag=st.sampled_from([None, *Mode]),
)
def test_the_nearest_source_wins(
    tmp_path_factory: pytest.TempPathFactory, in_file: Mode | None, in_env: Mode | None, in_flag: Mode | None
) -> None:
    """Flags, then environment, then file, then default, for any combination."""
    folder = tmp_path_factory.mktemp("config")
    file = written(folder, f"mode: {in_file.value}\n" if in_file else "")
    environment = {"PLACET_MODE": in_env.value} if in_env else {}
    loaded = config.load(file, environment, {"mode": in_flag.value if in_flag else None})
    assert loaded.mode is (in_flag or in_env or in_file)
    assert loaded.standing_mode is (loaded.mode or Mode.AUTOMATIC)


def test_an_inner_field_is_set_without_losing_its_neighbours(tmp_path: Path) -> None:
    file = written(tmp_path, "http: {host: 0.0.0.0, port: 1}\n")
    loaded = config.load(file, {"PLACET_HTTP_PORT": "2"})
    assert (loaded.http.host, loaded.http.port) == ("0.0.0.0", 2)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour: red\n", "placet.yaml: colour"),
        ("mode: reckless\n", "placet.yaml: mode"),
        ("http: {port: 99999}\n", "http.port"),
        ("- a\n", "expected fields"),
        ("a: [\n", "cannot be read"),
        ("kind: Facts\n", "kind"),
        ("ledger: mysql://x\n", "ledger: `mysql://x`"),
        ("executors: [{id: a, clusters: [eu-1]}, {id: b, clusters: [eu-1]}]\n", "`eu-1` is there twice"),
        ("channels: [{id: a, clusters: [eu-1], token_sha256: secret}]\n", "token_sha256"),
    ],
)
def test_a_fault_names_file_and_field(tmp_path: Path, text: str, named: str) -> None:
    """A person can go and correct it without reading our code."""
    with pytest.raises(BadInput) as caught:
        config.load(written(tmp_path, text), {})
    assert named in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_fault_in_the_environment_names_the_variable() -> None:
    with pytest.raises(BadInput, match=r"PLACET_HTTP_PORT: http\.port"):
        config.load(None, {"PLACET_HTTP_PORT": "many"})


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    made = config.Config(
        mode=Mode.OBSERVE,
        channels=(
            config.Channel(
                id=ChannelId("a"), clusters=(ClusterId("eu-1"),), token_sha256="0" * 64, formats=(config.Format.KERNEL,)
            ),
        ),
    )
    assert config.load(written(tmp_path, config.write(made)), {}) == made
    assert yaml.safe_load(config.write(made))["apiVersion"] == "placet.dev/v1"


def test_a_cluster_is_written_by_the_executor_that_names_it_else_by_the_one_that_names_none() -> None:
    one = config.ExecutorSpec(id=ExecutorId("one"), clusters=(ClusterId("eu-1"),))
    rest = config.ExecutorSpec(id=ExecutorId("rest"))
    both = config.Config(executors=(rest, one))
    assert both.executor_of(ClusterId("eu-1")) == "one"
    assert both.executor_of(ClusterId("us-1")) == "rest"
    assert config.Config(executors=(one,)).executor_of(ClusterId("us-1")) is None


def test_the_schema_refuses_unknown_fields() -> None:
    assert config.schema()["additionalProperties"] is False


def test_a_real_cluster_is_only_observed_until_somebody_says_otherwise() -> None:
    known = config.Cluster(id=ClusterId("eu-1"))
    assert config.Config(clusters=(known,)).standing_mode is Mode.OBSERVE
    assert config.Config(clusters=(known,), mode=Mode.APPROVE).standing_mode is Mode.APPROVE
    assert config.Config().standing_mode is Mode.AUTOMATIC
