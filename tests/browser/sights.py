"""Sights: every widget, in a state in which there is much of it to see.

What a cell shows, and what one does with it first; the same in every front end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A widget in the output of a cell.

    Attributes
    ----------
    name : str
    cell : str
        Code that ends by showing it.
    use : callable
        Called with the cell's output: clicks, and waits for what comes of it.
    end : callable
        Called so when all has been seen: what goes on is stopped.
    """

    name: str
    cell: str
    use: Callable[[Any], object]
    end: Callable[[Any], object] = lambda output: None


def _use_account_form(output: Any) -> None:
    output.get_by_role("button", name="More settings").click()
    output.get_by_label("Our name (EHLO)").wait_for()
    output.get_by_text("EHLO me").wait_for()


def _use_recipients_form(output: Any) -> None:
    output.get_by_role("cell", name="invalid", exact=True).wait_for()
    output.get_by_role("button", name="Show code").click()
    output.locator("code", has_text="people is the list").wait_for()


def _use_template_form(output: Any) -> None:
    output.get_by_role("button", name="Insert a condition").click()
    output.get_by_label("Operator").wait_for()
    output.get_by_role("cell", name="missing", exact=True).first.wait_for()


def _use_campaign_panel(output: Any) -> None:
    output.get_by_role("button", name="Start").click()
    output.get_by_text("rejected 1").wait_for()
    output.get_by_role("button", name="Pause").click()
    output.get_by_text("paused: as you asked").wait_for()


def _use_log_explorer(output: Any) -> None:
    output.get_by_role("grid", name="Events").locator("tbody tr").nth(9).click()
    output.locator(".smtpbook-explorer svg").wait_for()


def _use_console(output: Any) -> None:
    output.get_by_role("button", name="Connect", exact=True).click()
    output.locator(".smtpbook-standing b", has_text="GREETED").wait_for()
    for name in ("EHLO", "Send"):
        output.get_by_role("button", name=name, exact=True).first.click()
    output.locator(".smtpbook-standing b", has_text="READY").wait_for()
    output.locator(".smtpbook-map .here .name", has_text="READY").first.wait_for()
    for name in ("Out of order", "On the server's side", "Script", "The whole state"):
        output.get_by_role("button", name=name).click()
    output.get_by_role("group", name="State machine").wait_for()


def _use_classroom_panel(output: Any) -> None:
    output.get_by_text("4 of 12 students were here").wait_for()
    output.locator("pre", has_text="500").wait_for()


def _see(text: str) -> Callable[[Any], object]:
    return lambda output: output.get_by_text(text).first.wait_for()


SIGHTS: Final = (
    Sight(
        name="account_form",
        cell="""\
import smtpbook as sb
form = sb.account_form()
form.fields["provider"].value = "gmail"
form.fields["host"].note.say("wrong", "error")
form.save_note.say("saved", "done")
form.code_button.value = True
form.test.conversation.append("client", "-> EHLO me")
form.test.conversation.append("server", "<- 250 SIZE 1000")
form
""",
        use=_use_account_form,
    ),
    Sight(
        name="recipients_form",
        cell="""\
import pandas as pd
import smtpbook as sb
people = sb.read_recipients(pd.DataFrame({
    "email": ["ann@x.example.org", "bob@", "c@gmial.com", "ann@x.example.org"],
    "first_name": ["Ann", "Bob", "Cal", "Ann"],
}))
sb.recipients_form(people)
""",
        use=_use_recipients_form,
    ),
    Sight(
        name="template_form",
        cell="""\
import pandas as pd
import smtpbook as sb
people = sb.read_recipients(pd.DataFrame({
    "email": [f"p{n}@x.example.org" for n in range(5)],
    "first_name": ["Ann", None, "Cal", "Dan", "Eve"],
    "city": ["Paris", "Rome", "Oslo", "Rome", "Graz"],
}))
letter = sb.Template(
    header_from="Ann <ann@x.example.org>", subject="Hello!!", text="Dear {{ first_name }}",
    html="<h1>Dear {{ first_name }}</h1>",
)
form = sb.template_form(letter, people)
form.more.button.value = form.code_button.value = True
form.test.to.note.say("wrong", "error")
form.check()
form.wait()
form
""",
        use=_use_template_form,
    ),
    Sight(
        name="campaign_panel",
        cell="""\
import pandas as pd
import smtpbook as sb
lab = sb.Lab().start()
lab.set(end_of_data=sb.Behaviour(delay_s=0.02))
lab.set("p3@*", rcpt=sb.Behaviour(reply="550 5.1.1 no such user"))
people = pd.DataFrame({"email": [f"p{n}@y.test" for n in range(20_000)]})
letter = sb.Template(header_from="ann@x.test", subject="Hello", text="Come.")
campaign = sb.Campaign("november", lab.account, people, letter, folder=None)
sb.campaign_panel(campaign)
""",
        use=_use_campaign_panel,
        end=lambda output: output.get_by_role("button", name="Stop").click(),
    ),
    Sight(
        name="log_explorer",
        cell="""\
import smtpbook as sb
from smtpbook.log.frame import to_frame
from tests.log.story import day
sb.log_explorer(to_frame(list(day(300))))
""",
        use=_use_log_explorer,
    ),
    Sight(
        name="console",
        cell="""\
import smtpbook as sb
sb.console(sb.Lab(users={"ann": "s3cret"}).start())
""",
        use=_use_console,
    ),
    Sight(
        name="conversation",
        cell="""\
from smtpbook.widgets.conversation import Conversation
said = Conversation("Dialogue")
said.append("server", "<- 220 mx.example.org ESMTP")
said.append("client", "-> EHLO client.example.org")
said.append("note", "the connection is not encrypted")
said.append("chosen", "<- 550 5.1.1 No such user here")
said
""",
        use=_see("No such user here"),
    ),
    Sight(
        name="lesson",
        cell="""\
import smtpbook as sb
lesson = sb.open_lesson("first-conversation")
lesson.connect()
display(lesson, lesson.task("greeting"), lesson.hint("greeting"), lesson.check("hello"))
""",
        use=_see("Your first conversation by hand"),
    ),
    Sight(
        name="classroom_panel",
        cell="""\
import tempfile
import smtpbook as sb
names = ["Ann Álvarez", "ben", "Zoë", "<b>$x$", *(f"s-{n:02}" for n in range(5, 13))]
classroom = sb.Classroom(names, scores=tempfile.mkdtemp()).start()
for number, name in enumerate(names[:4]):
    with sb.open_lesson("first-conversation", classroom=classroom.invitations[name]) as one:
        talk = one.connect()
        one.check("greeting", (220, talk.greeting.text.split()[0]))
        talk.say(f"EHLO {one.given['client']}", *["VRFY bob", "FOO", "NOOP"][:number])
        one.check("hello")
panel = sb.classroom_panel(classroom)
panel.student.control.value = names[2]
panel
""",
        use=_use_classroom_panel,
    ),
    Sight(
        name="progress",
        cell="""\
from smtpbook import progress
bars = [progress.show(title, 1000) for title in ("sending", "writing to everybody")]
bars[1].update(1000, {"accepted": 999, "deferred": 1})
bars[1].close()
bars[0].update(500, {"accepted": 500})
""",
        use=_see("500 of 1,000 (50 %)"),
    ),
)
