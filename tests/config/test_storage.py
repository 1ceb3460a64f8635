from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from config.storage import HashedWhenCollected


def test_names_are_plain_until_files_are_collected_and_hashed_from_then_on(tmp_path: Path) -> None:
    with override_settings(STATIC_ROOT=tmp_path):
        before = HashedWhenCollected().url("paydesk/docs.css")
        call_command("collectstatic", interactive=False, verbosity=0)
        after = HashedWhenCollected().url("paydesk/docs.css")

    assert before == "/static/paydesk/docs.css"
    assert after != before
    assert (tmp_path / after.removeprefix(settings.STATIC_URL)).is_file()
    assert (tmp_path / f"{after.removeprefix(settings.STATIC_URL)}.gz").is_file()


def test_a_name_that_is_nowhere_is_a_fault_once_files_are_collected(tmp_path: Path) -> None:
    with override_settings(STATIC_ROOT=tmp_path):
        call_command("collectstatic", interactive=False, verbosity=0)

        with pytest.raises(ValueError, match=r"nowhere\.css"):
            HashedWhenCollected().url("nowhere.css")
