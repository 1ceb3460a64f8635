from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import REQUIRED, Environment, rate, url


def make_environment(directory: Path, **variables: str) -> Environment:
    return Environment(directory, variables)


def test_the_real_environment_wins_over_the_profiles_file(tmp_path: Path) -> None:
    (tmp_path / ".env.staging").write_text("# defaults\nCOLOUR=blue\nexport SHAPE='round'\n\n")

    env = make_environment(tmp_path, APP_ENV="staging", COLOUR="red")

    assert env.text("COLOUR", "none") == "red"
    assert env.text("SHAPE", "none") == "round"
    env.finish()


def test_an_empty_real_variable_puts_a_default_of_the_file_out_of_force(tmp_path: Path) -> None:
    (tmp_path / ".env.dev").write_text("REDIS_URL=redis://127.0.0.1\n")

    assert make_environment(tmp_path, REDIS_URL="").optional("REDIS_URL") is None


def test_a_value_that_begins_with_a_dollar_sign_is_taken_as_it_is(tmp_path: Path) -> None:
    assert make_environment(tmp_path, KEY="$HOME", HOME="elsewhere").text("KEY") == "$HOME"


def test_a_secret_is_read_from_the_file_that_name_file_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")

    env = make_environment(tmp_path, KEY_FILE=str(tmp_path / "secret"))

    assert env.secret("KEY", dev="default") == "from the file"
    env.finish()


def test_a_file_with_a_secret_wins_over_the_profiles_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mounted")
    (tmp_path / ".env.dev").write_text("KEY=default\n")

    assert make_environment(tmp_path, KEY_FILE=str(tmp_path / "secret")).text("KEY") == "mounted"


def test_a_value_and_a_file_for_it_at_once_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("one")
    env = make_environment(tmp_path, KEY="two", KEY_FILE=str(tmp_path / "secret"))

    env.text("KEY")

    assert env.faults == ["KEY: set KEY or KEY_FILE, not both"]


def test_a_secret_has_a_default_in_dev_alone(tmp_path: Path) -> None:
    dev, prod = make_environment(tmp_path), make_environment(tmp_path, APP_ENV="prod")

    assert dev.secret("KEY", dev="known") == "known"
    prod.secret("KEY", dev="known")

    assert dev.faults == []
    assert prod.faults == ["KEY: is missing"]


def test_every_fault_is_named_at_once_and_no_secret_with_it(tmp_path: Path) -> None:
    env = make_environment(
        tmp_path, APP_ENV="prod", SECRET="hunter2", WAIT="3 s", COUNT="1e3", ON="yess", MODE="fast", ADDRESS="http://"
    )
    env.secret("SECRET", dev="", minimum=50)
    env.seconds("WAIT", 1)
    env.integer("COUNT", 1)
    env.flag("ON", default=False)
    env.choice("MODE", ("slow",), "slow")
    env.optional("ADDRESS", url("http"))
    env.words("HOSTS", REQUIRED)
    env.text("OTHER_FILE_BASED")

    with pytest.raises(ImproperlyConfigured) as raised:
        env.finish()

    message = str(raised.value)
    names = ["SECRET", "WAIT", "COUNT", "ON", "MODE", "ADDRESS", "HOSTS", "OTHER_FILE_BASED"]
    assert [line.split(":")[0].strip(" -") for line in message.splitlines()[1:]] == names
    assert "hunter2" not in message


@pytest.mark.parametrize("value", ["-1", "0.01", "nan", "inf", "1e3", "86401", "٣", "3 "])
def test_a_duration_is_a_plain_number_within_its_range(tmp_path: Path, value: str) -> None:
    env = make_environment(tmp_path, WAIT=value)

    env.seconds("WAIT", 1)

    assert len(env.faults) == 1


def test_an_unknown_profile_is_a_fault_and_has_the_rules_of_production(tmp_path: Path) -> None:
    env = make_environment(tmp_path, APP_ENV="production")
    env.secret("KEY", dev="known")

    assert env.faults == ["APP_ENV: 'production' is not one of dev, staging, prod", "KEY: is missing"]


def test_an_unreadable_line_of_the_profiles_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / ".env.dev").write_text("COLOUR=blue\nCOLOUR: red\n")

    assert make_environment(tmp_path).faults == [".env.dev: line 2 is not of the form NAME=value"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"KEY=\xe4"])
def test_a_profiles_file_that_is_not_text_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env.dev").write_bytes(content)

    assert make_environment(tmp_path).faults == [".env.dev: cannot be read: UnicodeDecodeError"]


@pytest.mark.parametrize(
    "value", ["", "host", "//host", "http://", "http://[", "http://host:x", "ftp://host", "http:/host"]
)
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        url("http", "https")(value)


def test_a_rate_is_said_in_the_form_the_limits_library_knows() -> None:
    assert rate("100/min") == "100 per 1 minute"
    with pytest.raises(ValueError, match="100/min"):
        rate("many")
    with pytest.raises(ValueError, match="lets nothing through"):
        rate("0/min")
