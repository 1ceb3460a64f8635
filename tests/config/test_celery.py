import subprocess
import sys

from celery import current_app
from django.conf import settings

from config.celery import app


def test_shared_tasks_belong_to_our_app() -> None:
    assert current_app.main == "paydesk"


def test_a_message_is_a_nudge_that_may_be_lost() -> None:
    assert app.conf.task_acks_late is False
    assert app.conf.task_ignore_result is True
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_publish_retry is False
    assert app.conf.task_time_limit < settings.SAGA_LEASE_SECONDS


def test_a_worker_logs_as_everybody_does(process_environment: dict[str, str]) -> None:
    """Its log set-up is the step that would replace ours."""
    code = (
        "import django; django.setup()\n"
        "import logging; from config.celery import app\n"
        "app.log.setup(loglevel='INFO')\n"
        "logging.getLogger('celery.worker').warning('number %s', '4242424242424242')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=process_environment | {"LOG_FORMAT": "json"}, cwd=settings.BASE_DIR,
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip

    assert '"event": "number [card ****4242]"' in done.stderr
