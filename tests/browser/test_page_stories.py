"""Two people in two browsers write to each other through the page, and a help desk works on tickets."""

from pathlib import Path

import pytest
from desk import ADMIN, MC, MOBILE, ROSA, Api, Opens
from playwright.sync_api import expect

JEROME = "Jérôme N\u2019Guessan"


def test_somebody_signs_in_finds_his_folders_and_signs_out(opens: Opens, api: Api) -> None:
    desk = opens(None)
    unread = api("mobile", "GET", "api/messageConversations/counts")["unread"]

    desk.sign_in("mobile", "wrong")
    expect(desk.alert).to_have_text("Username or password is wrong.")
    desk.sign_in("mobile")

    expect(desk.heading("Inbox")).to_be_focused()
    expect(desk.folder("Inbox")).to_contain_text(f"{unread} unread")
    # Only those who work on tickets have a folder of what is assigned to them.
    expect(desk.folder("Assigned to me")).to_have_count(0)
    desk.button("Sign out").click()
    expect(desk.field("Username")).to_be_visible()
    desk.page.reload()
    expect(desk.field("Username")).to_be_visible()


def test_two_people_write_read_and_reply(opens: Opens, api: Api) -> None:
    mary, kofi = opens("mary"), opens("kofi")

    mary.link("Write").click()
    mary.choose("mensah", "Kofi Mensah")
    mary.field("Subject").fill("Cold boxes")
    mary.field("Message").fill("Have you got two\nfor Friday?")
    mary.button("Send").click()

    expect(mary.heading("Cold boxes")).to_be_focused()
    expect(mary.status).to_contain_text("Sent")
    # It comes by itself.
    expect(kofi.row("Cold boxes")).to_contain_text("Unread: Mary Wanjiru")
    kofi.open("Cold boxes")
    expect(kofi.messages).to_contain_text(["Have you got two\nfor Friday?"])
    expect(kofi.row("Cold boxes")).not_to_contain_text("Unread")
    kofi.reply("Two, yes.")
    expect(kofi.messages).to_have_count(2)
    expect(kofi.field("Your reply")).to_have_value("")
    expect(mary.messages.nth(1)).to_contain_text("Two, yes.")
    expect(mary.messages.nth(1).get_by_role("heading")).to_have_text("Kofi Mensah")
    assert ["Have you got two\nfor Friday?", "Two, yes."] == api.texts("mary", mary.page.url.rpartition("/")[2])


def test_groups_and_units_are_found_and_taken_away_again(opens: Opens, api: Api) -> None:
    desk = opens("aissatou", "#/all/write")

    desk.choose("district health", "District health officers")
    desk.choose("lagoon", "Lagoon Health Centre")
    desk.choose("traore", "John Traore")
    desk.button("Remove John Traore").click()
    desk.field("Subject").fill("Stock count")
    desk.field("Message").fill("On Monday.")
    desk.button("Send").click()

    expect(desk.heading("Stock count")).to_be_visible()
    assert "Stock count" in api.subjects("kofi")
    assert "Stock count" in api.subjects("mobile")
    assert "Stock count" not in api.subjects("admin")


def test_a_ticket_from_its_question_to_its_end(opens: Opens, api: Api) -> None:
    asker, helper = opens("tomas", "#/all/write"), opens("support", "#/TICKET")

    asker.field("The help desk").check()
    asker.field("Subject").fill("Printer")
    asker.field("Message").fill("It prints nothing.")
    asker.button("Send").click()
    expect(asker.heading("Printer")).to_be_visible()

    helper.open("Printer")
    helper.field("Internal: only the help desk sees it").check()
    helper.reply("The old one again.")
    expect(helper.messages.nth(1)).to_contain_text("Seen by the help desk only")
    helper.field("Internal: only the help desk sees it").uncheck()
    helper.reply("A new one comes tomorrow.")
    helper.field("Priority").select_option("High")
    expect(helper.status).to_contain_text("Priority: High")
    helper.page.get_by_role("group", name="Tickets").get_by_label("Status").select_option("Pending")
    expect(helper.status).to_contain_text("Status: Pending")
    helper.button("Assign to me").click()
    expect(helper.status).to_contain_text("Assigned to Rosa Almeida")
    expect(helper.row("Printer")).to_contain_text("HighPending")
    helper.folder("Assigned to me").click()
    expect(helper.row("Printer")).to_be_visible()

    expect(asker.messages).to_have_count(2)
    expect(asker.messages.nth(1)).to_contain_text("A new one comes tomorrow.")
    expect(asker.page.locator(".ticket")).to_have_text("StatusPendingPriorityHighAssigned toRosa Almeida")
    # What is not his to do is not offered.
    expect(asker.field("Internal: only the help desk sees it")).to_have_count(0)
    expect(asker.button("Assign to me")).to_have_count(0)
    assert "The old one again." not in api.texts("tomas", asker.page.url.rpartition("/")[2])


def test_a_ticket_is_given_to_a_colleague_and_taken_back(opens: Opens, api: Api) -> None:
    uid = api.ticket("mary", "Password")
    desk = opens("support", f"#/TICKET/{uid}")

    desk.button("Assign to somebody").click()
    desk.page.get_by_role("combobox", name="Assign to somebody").fill("guess")
    desk.page.get_by_role("option", name=JEROME).click()
    expect(desk.status).to_contain_text(f"Assigned to {JEROME}")
    desk.button("Unassign").click()
    expect(desk.page.get_by_text("Assigned to: Nobody")).to_be_visible()
    # The button has gone; whoever works by keyboard goes on beside it.
    expect(desk.button("Assign to somebody")).to_be_focused()

    assert "assignee" not in api("support", "GET", f"api/messageConversations/{uid}?fields=assignee")


def test_files_go_along_and_come_back(opens: Opens, api: Api, tmp_path: Path) -> None:
    uid = api.send("mary", MOBILE, subject="Figures")
    file = tmp_path / "cas déclarés.csv"
    file.write_text("district,cases\nBo,12\n")
    sender, reader = opens("mobile", f"#/all/{uid}"), opens("mary", f"#/all/{uid}")

    sender.page.locator("input[type=file]").set_input_files(file)
    expect(sender.page.locator(".attach .hint")).to_have_text("21 byte")
    sender.reply("Here they are.")
    expect(sender.messages).to_have_count(2)

    with reader.page.expect_download() as download:
        reader.link("Download cas déclarés.csv").click()
    assert "cas déclarés.csv" == download.value.suggested_filename
    assert file.read_text() == Path(download.value.path()).read_text()


def test_a_file_that_is_refused_can_be_taken_away(opens: Opens, api: Api, tmp_path: Path) -> None:
    uid = api.send("mary", MOBILE, subject="Nothing in it")
    (tmp_path / "empty.csv").touch()
    desk = opens("mobile", f"#/all/{uid}")

    desk.page.locator("input[type=file]").set_input_files(tmp_path / "empty.csv")
    expect(desk.alert).to_contain_text("empty.csv was not uploaded. The file is empty.")
    desk.reply("Without it.")
    expect(desk.page.get_by_text("Wait until the files are uploaded, or remove them.")).to_be_visible()
    desk.button("Remove empty.csv").click()
    desk.button("Send").click()

    expect(desk.messages).to_have_count(2)


def test_search_finds_words_of_texts_and_filters_narrow_the_list(opens: Opens, api: Api) -> None:
    api.send("admin", MOBILE, subject="Roof", text="The carpenter comes.")
    desk = opens("mobile")

    desk.page.get_by_role("searchbox").fill("carpenter")
    expect(desk.rows).to_have_count(1)
    expect(desk.row("Roof")).to_be_visible()
    desk.page.get_by_role("searchbox").fill("carpenter nowhere")
    expect(desk.page.get_by_text("Nothing found")).to_be_visible()
    desk.page.get_by_role("searchbox").fill("")
    desk.field("Unread only").check()
    expect(desk.row("Roof")).to_be_visible()
    expect(desk.row("Monthly summary sent")).to_have_count(0)
    # The address has it all: it can be kept, and gone back to.
    assert desk.page.url.endswith("#/all?unread=1")


def test_a_long_list_is_shown_in_pages(opens: Opens, api: Api) -> None:
    for number in range(27):
        api.send("grace", "U1ucMZrJHrc", subject=f"Long list {number}")
    desk = opens("grace", "#/PRIVATE?q=long")

    expect(desk.rows).to_have_count(25)
    desk.button("Show more").click()
    expect(desk.rows).to_have_count(27)
    expect(desk.button("Show more")).to_have_count(0)
    subjects = [text for text in desk.page.locator(".row .subject").all_text_contents() if text.startswith("Long")]
    assert {f"Long list {number}" for number in range(27)} == set(subjects)


def test_a_long_conversation_is_loaded_from_its_end(opens: Opens, api: Api) -> None:
    uid = api.send("admin", MOBILE, subject="Long talk", text="0")
    for number in range(1, 100):
        api.reply("admin", uid, f"{number}\nand so on")
    desk = opens("mobile", f"#/all/{uid}")
    expect(desk.messages).to_have_count(20)
    expect(desk.messages.last).to_contain_text("99")

    earlier = desk.button("Show earlier messages (80)")
    earlier.scroll_into_view_if_needed()
    first = desk.page.locator("article", has_text="80\nand so on")
    before = first.bounding_box()
    # Meanwhile something new comes in, at the other end.
    api.reply("admin", uid, "100")
    expect(desk.messages).to_have_count(21)
    earlier.click()
    expect(desk.messages).to_have_count(51)
    after = first.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) <= 1

    desk.button("Show earlier messages (50)").focus()
    desk.page.keyboard.press("Enter")
    expect(desk.messages).to_have_count(101)
    expect(desk.messages.first.get_by_role("heading")).to_be_focused()
    expect(desk.page.locator(".messages button")).to_have_count(0)
    assert api.texts("mobile", uid) == desk.page.locator("article .text").all_text_contents()


def test_a_ticket_of_others_is_neither_unread_nor_ones_own(opens: Opens, api: Api) -> None:
    uid = api.ticket("mary", "Not for Rosa")
    api("admin", "DELETE", f"{MC}/{uid}/{ROSA}")
    desk = opens("support", "#/TICKET")

    expect(desk.row("Not for Rosa")).to_be_visible()
    expect(desk.row("Not for Rosa")).not_to_contain_text("Unread")
    desk.open("Not for Rosa")
    expect(desk.page.get_by_text("You are not in this conversation.")).to_be_visible()
    expect(desk.button("Mark unread")).to_have_count(0)
    desk.reply("I can help.")
    expect(desk.messages).to_have_count(2)


def test_marks_follow_up_and_leaving(opens: Opens, api: Api) -> None:
    uid = api.send("admin", "YF1Zs3aArXc", subject="To be kept")
    desk = opens("tomas")

    desk.open("To be kept")
    desk.button("Follow up").click()
    expect(desk.button("Follow up")).to_have_attribute("aria-pressed", "true")
    desk.button("Mark unread").click()
    expect(desk.row("To be kept")).to_contain_text("Unread")
    desk.folder("Follow up").click()
    expect(desk.row("To be kept")).to_contain_text("To follow up")
    desk.row("To be kept").click()
    desk.button("Leave").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="Leave").click()

    expect(desk.status).to_contain_text("You have left the conversation")
    expect(desk.row("To be kept")).to_have_count(0)
    assert "To be kept" not in api.subjects("tomas")
    assert ["How are you?"] == api.texts("admin", uid)


def test_everything_is_marked_read_but_what_came_since(opens: Opens, api: Api) -> None:
    api.send("admin", "fYyKdTHQc0F", subject="Old news")
    desk = opens("selam", "#/PRIVATE")
    expect(desk.row("Old news")).to_contain_text("Unread")
    api.send("admin", "fYyKdTHQc0F", subject="Not seen yet")

    desk.button("Mark all read").click()

    expect(desk.status).to_contain_text("marked read")
    expect(desk.row("Old news")).not_to_contain_text("Unread")
    expect(desk.row("Not seen yet")).to_contain_text("Unread")


def test_people_are_added_to_a_conversation(opens: Opens, api: Api) -> None:
    uid = api.send("mary", MOBILE, subject="Two of us")
    desk = opens("mary", f"#/all/{uid}")

    desk.button("Add people").click()
    desk.page.get_by_role("combobox", name="Add people").fill("grace")
    desk.page.get_by_role("option", name="Grace Phiri").click()
    desk.button("Add").click()

    expect(desk.page.get_by_role("list", name="3 participants")).to_contain_text("Grace Phiri")
    assert "Two of us" in api.subjects("grace")


@pytest.mark.parametrize("link", ["#/PRIVATE/create/{}", "#/TICKET/{}"])
def test_the_links_of_mails_lead_somewhere(opens: Opens, api: Api, link: str) -> None:
    """Links as DHIS2's mails have them (contract section 3.16)."""
    creating = "create" in link
    desk = opens("mary", link.format(ADMIN if creating else api.ticket("mary", "A link")))

    if creating:
        expect(desk.button("Remove John Traore")).to_be_visible()
    else:
        expect(desk.heading("A link")).to_be_visible()


def test_somebody_new_at_the_same_machine_finds_nothing_of_the_other(opens: Opens, api: Api) -> None:
    desk = opens("mary", "#/all/write", fresh=True)
    desk.field("Message").fill("Between us.")
    desk.button("Sign out").click()
    dialog = desk.page.get_by_role("dialog", name="Sign out?")
    expect(dialog).to_contain_text("not sent will be lost")
    dialog.get_by_role("button", name="Sign out").click()
    desk.sign_in("grace")
    expect(desk.heading("Inbox")).to_be_visible()

    desk.go("#/all/write")

    expect(desk.field("Message")).to_have_value("")
