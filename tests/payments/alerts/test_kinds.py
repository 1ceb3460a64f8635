import re

import pytest
from django.conf import settings

from payments.alerts import kinds
from payments.alerts.kinds import Kind

PAGE = (settings.BASE_DIR / kinds.DOCUMENTATION).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", kinds.names())
def test_every_kind_says_what_to_do_in_one_sentence_and_where_to_read_on(name: str) -> None:
    kind = kinds.named(name)

    anchor = kind.more.removeprefix(f"{kinds.DOCUMENTATION}#")
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^### (.+)$", PAGE, re.MULTILINE)}
    assert anchor in headings
    assert re.fullmatch(r"[A-Z][^.]+\.", kind.advice)


def test_a_kind_that_nobody_has_registered_has_no_advice_to_give() -> None:
    assert kinds.named("missing_gateway") == Kind("missing_gateway", "Look at what it is about.", is_documented=False)
    assert (kinds.named("missing_gateway").title, kinds.named("missing_gateway").more) == ("Missing gateway", "")
