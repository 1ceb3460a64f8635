"""The tests' own eyes: what no page may do would be seen."""

from tests.browser.desk import Desk


def test_a_violated_policy_is_a_fault(desk: Desk) -> None:
    desk.open("/admin/login/")

    desk.browser.execute_script("document.body.setAttribute('style', 'color: red')")

    assert "Content Security Policy" in "".join(desk.faults())


def test_an_error_in_the_console_is_a_fault(desk: Desk) -> None:
    desk.open("/admin/login/")

    desk.browser.execute_script("setTimeout(() => { throw new Error('broken') })")
    desk.open("/admin/login/")

    assert "broken" in "".join(desk.faults())


def test_a_request_to_another_host_is_a_fault_even_when_the_policy_has_stopped_it(desk: Desk) -> None:
    desk.open("/admin/login/")

    desk.browser.execute_script(
        "const i = new Image(); i.src = 'https://elsewhere.invalid/a.png'; document.body.append(i)"
    )
    desk.open("/admin/login/")

    assert "elsewhere.invalid" in "".join(desk.faults())
