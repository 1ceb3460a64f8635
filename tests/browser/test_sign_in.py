from tests.browser.desk import PASSWORD, Desk, make_staff


def test_whoever_signs_in_is_greeted_and_signed_out_again(desk: Desk) -> None:
    person = make_staff("Operator", password=PASSWORD)
    desk.open("/")
    desk.assert_at("/admin/login/")

    desk.sign_in(person.username)

    desk.assert_at("/admin/")
    assert desk.can_click("Orders")
    desk.click("Log out")
    desk.assert_sees_no_more("Orders")
    desk.open("/admin/orders/order/")
    desk.assert_at("/admin/login/")


def test_a_wrong_password_says_so_and_opens_nothing(desk: Desk) -> None:
    person = make_staff("Operator", password=PASSWORD)
    desk.open("/admin/")

    desk.sign_in(person.username, "wrong")

    desk.assert_sees("Please enter the correct username and password")
    assert desk.status("/admin/") == 302


def test_somebody_who_is_no_staff_is_not_let_in(desk: Desk) -> None:
    person = make_staff("API client", password=PASSWORD, is_staff=False)
    desk.open("/admin/")

    desk.sign_in(person.username)

    desk.assert_sees("for a staff account")
    desk.assert_at("/admin/login/")
