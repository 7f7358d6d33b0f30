"""Campaign panel: what is about to be sent, and a send while it goes on, with buttons.

It looks a few times a second, from a thread of its own, so that it costs the sender
nothing; what there is to see and to steer is `campaign.live`'s.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import ipywidgets as ipw
from IPython import get_ipython
from IPython.display import display

from smtpbook.accounts.passwords import FromPrompt
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.live import Live
from smtpbook.escape import to_html
from smtpbook.progress import Display, Work
from smtpbook.states import INK
from smtpbook.widgets.parts import Form, Note, button, section

_EVERY_S: Final = 0.25  # what an eye can follow; each drawing is a message to the page
_DEAD: Final = (
    "■ interrupts this send cleanly. Buttons that pause and stop need "
    "<code>campaign.start()</code> here: this kernel (ipykernel before 7) does not hear "
    "them while a cell runs."
)


def campaign_panel(campaign: Campaign) -> CampaignPanel:
    """Show what a campaign is about to send, with a button that starts it.

    While something is sent, and however that was started, it shows how far it is.

    Parameters
    ----------
    campaign : Campaign

    Returns
    -------
    CampaignPanel
        ``.code`` is the cell it stands for, ``campaign.live`` the send.
    """
    return CampaignPanel(campaign)


class CampaignPanel(Form):
    """Made by `campaign_panel`; pressing Start is the answer that ``confirm`` asks for."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._said = ""
        self._plan = ipw.HTML()
        self.start_button = button("Start", self.start, button_style="primary")
        self.note = Note()
        self.place = ipw.VBox()
        super().__init__(
            [section(self._plan, self.start_button, self.note), section(self.place)]
        )
        live = campaign.live
        if live is not None and not live.is_done:
            self._show(live)
        else:
            self._describe()

    @property
    def code(self) -> str:
        """The cell this panel stands for."""
        return "live = campaign.start(confirm=False)"

    @property
    def view(self) -> LiveView | None:
        """What shows the send; None before the first."""
        return self.place.children[0] if self.place.children else None

    def start(self) -> None:
        """Begin to send; what is in the way is shown."""
        self.note.clear()
        if isinstance(self._campaign.account.password, FromPrompt):
            said = "the password is asked for in a cell: run campaign.account = "
            self.note.say(f"{said}campaign.account.ask(), then press Start again", "error")
            return
        try:
            live = self._campaign.start(confirm=False, progress=False)
        except Exception as error:  # a password's function may raise anything
            self.note.say(str(error) or type(error).__name__, "error")
            return
        self._show(live)

    def _show(self, live: Live) -> None:
        self._plan.layout.display = self.start_button.layout.display = "none"
        self.place.children = (LiveView(live, self._describe),)

    def _describe(self) -> None:
        """Say what a start would send now."""
        try:
            self._said = self._campaign.describe()
        except Exception as error:
            self._said = ""
            self.note.say(str(error) or type(error).__name__, "error")
        self.start_button.disabled = not self._said
        self._plan.value = f"<pre>{to_html(self._said, newlines=True)}</pre>"
        self._plan.layout.display = "" if self._said else "none"
        self.start_button.layout.display = ""


class LiveView(ipw.VBox):
    """One send: how far it is, what servers say, and the buttons.

    Parameters
    ----------
    live : Live
    at_end : callable, optional
        Called when it has ended, in the thread that looks.
    """

    def __init__(self, live: Live, at_end: Callable[[], object] | None = None) -> None:
        self._live, self._at_end = live, at_end
        self._lock = threading.Lock()
        self.bar = ipw.FloatProgress(max=1.0, layout={"width": "100%", "max_width": "40em"})
        self.words = ipw.HTML()
        self.pause_button = button("Pause", self._turn, icon="pause")
        self.stop_button = button("Stop", self._stop, icon="stop")
        self.buttons = ipw.HBox([self.pause_button, self.stop_button])
        if live.is_blocking and not _hears_while_busy():
            self.buttons.children = (
                ipw.HTML(f'<div style="{INK}; line-height: 1.4">{_DEAD}</div>'),
            )
        super().__init__([self.bar, self.buttons, self.words])
        self.add_class("smtpbook-live")
        for one in (self.pause_button, self.stop_button):
            _let_hear_while_busy(one)
        self.draw()
        # With this call's context, messages to the page are known to belong to its cell.
        threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._follow,),
            name="smtpbook panel",
            daemon=True,
        ).start()

    def draw(self) -> None:
        """Show how far it is now; from any thread."""
        with self._lock:
            status = self._live.status()
            self.bar.value = status.share
            self.words.value = status._repr_html_()
            is_paused = status.state == "paused"
            self.pause_button.description = "Resume" if is_paused else "Pause"
            self.pause_button.icon = "play" if is_paused else "pause"
            is_steered = status.state in ("preparing", "running", "paused")
            self.pause_button.disabled = self.stop_button.disabled = not is_steered
            if status.ended is not None:
                self.buttons.layout.display = "none"

    def close(self) -> None:
        """Take it off the page."""
        with self._lock:
            for widget in (*self.buttons.children, *self.children):
                widget.close()
            super().close()

    def _follow(self) -> None:
        while not self._live.join(_EVERY_S):
            self.draw()
        self.draw()
        if self._at_end is not None:
            self._at_end()

    def _turn(self) -> None:
        if self._live.status().state == "paused":
            self._live.resume()
        else:
            self._live.pause()
        self.draw()

    def _stop(self) -> None:
        self._live.stop()
        self.draw()


class Panel:
    """The view of a send in the output of the cell that began it, and its end as a table.

    A front end without widgets shows the table, at the beginning and at the end.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self.view = LiveView(live)
        bundle = {**self.view._repr_mimebundle_(), **live.status()._repr_mimebundle_()}
        show: Any = display  # which has no annotations
        self._handle = show(bundle, raw=True, display_id=True)

    def update(self, done: int, counts: Mapping[str, int]) -> None:
        """Do nothing: the view looks by itself."""

    def close(self) -> None:
        """Leave a table in place of the view."""
        if self._handle is not None:
            self._handle.update(self._live.status()._repr_mimebundle_(), raw=True)
        self.view.close()


def open_panel(work: Work) -> Display | None:
    """Give the panel of a send in a kernel, and None elsewhere."""
    in_kernel = getattr(get_ipython(), "kernel", None) is not None
    return Panel(work) if in_kernel and isinstance(work, Live) else None


def _hears_while_busy() -> bool:
    """Whether a click reaches the kernel while it runs a cell: by a subshell."""
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_supports_kernel_subshells", False))


def _let_hear_while_busy(widget: ipw.Widget) -> None:
    """Have clicks handled in the subshell that they come through.

    From ipykernel 7.4 they are handed on to the shell in which the widget was made, which
    runs the cell that sends.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = None
