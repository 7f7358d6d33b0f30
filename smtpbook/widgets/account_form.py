"""Account form: say where to log in, try it, and keep it.

Everything asked here is a field of `Account`, which judges it; the form shows each
complaint beside the field it is about.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

import ipywidgets as ipw

from smtpbook.accounts.account import Account, TlsMode
from smtpbook.accounts.passwords import FromPrompt
from smtpbook.accounts.store import list_accounts, load_account, save_account
from smtpbook.errors import LocalProtocolError
from smtpbook.escape import visible
from smtpbook.presets.provider import PROVIDERS, Provider
from smtpbook.sasl.registry import BY_DOMAIN, BY_PASSWORD, BY_TOKEN, WITHOUT_SECRET
from smtpbook.widgets.connection_test import ConnectionTest
from smtpbook.widgets.parts import (
    LABELLED,
    REPLACE,
    Field,
    Fold,
    Form,
    Note,
    assignment,
    button,
    choice,
    literal,
    section,
    text,
)
from smtpbook.widgets.secret_field import SecretField

_TLS: Final[tuple[tuple[str, TlsMode], ...]] = (
    ("TLS from the first byte (465)", "implicit"),
    ("STARTTLS (587)", "starttls"),
    ("none: only for a server on this machine", "none"),
    ("opportunistic: if offered, else clear text; no login", "opportunistic"),
)
_AUTH: Final = (
    ("automatic: the strongest that fits", "auto"),
    *((f"{name}, with a password", name) for name in BY_PASSWORD),
    *((f"{name}, with an OAuth token", name) for name in BY_TOKEN),
    *((f"{name}, with a ticket or a domain's password", name) for name in BY_DOMAIN),
    *((f"{name}, without a password", name) for name in WITHOUT_SECRET),
)
_KEEP: Final = (
    ("in the keyring of this computer", "keyring"),
    ("nowhere: I am asked each time", "prompt"),
)
_KNOWN: Final = "the saved account's password is used"
_USUAL_PORTS: Final = {tls: Account(host="localhost", tls=tls).port for _, tls in _TLS}


def account_form(name: str | None = None) -> AccountForm:
    """Show a form for an account: where to log in, as whom, and whether it works.

    Parameters
    ----------
    name : str, optional
        A saved account to begin with.

    Returns
    -------
    AccountForm
        ``.account`` is the account as it stands, ``.code`` the cell it stands for.

    Raises
    ------
    ValueError
        There is no saved account of that name.
    """
    return AccountForm(name)


class AccountForm(Form):
    """Made by `account_form`."""

    def __init__(self, name: str | None = None) -> None:
        self.password = SecretField("Password")
        self.fields = _fields(self.password)
        self.provider_note = Note()
        self.test = ConnectionTest(self._account_to_test)
        self.name_field = text("Save as", placeholder="work")
        self.keep_field = choice("Keep password", _KEEP, "keyring")
        self.save_note = Note()
        self.save_button = button("Save", self.save)
        self._base: Account | None = None
        self._saved: tuple[str, Account] | None = None
        self._may_replace = ""
        folded = [self.fields[name] for name in _FOLDED]
        provider, *others = (
            field for name, field in self.fields.items() if name not in _FOLDED
        )
        super().__init__(
            [
                provider,
                self.provider_note,
                *others,
                Fold("More settings", folded),
                section(self.test),
                section(self.name_field, self.keep_field, self.save_button, self.save_note),
            ],
            [field.control for field in self.fields.values()],
        )
        self.fields["region"].show(False)
        self.fields["provider"].control.observe(self._follow_provider, "value")
        self.fields["region"].control.observe(self._follow_region, "value")
        self.fields["tls"].control.observe(self._follow_tls, "value")
        self.password.on_change(self._password_changed)
        if name is not None:
            self._load(name)

    @property
    def account(self) -> Account:
        """The account as the fields say; a new object each time.

        Raises
        ------
        ValueError
            A field is missing or cannot be what it says; the message names it.
        LocalProtocolError
            Our name is neither a domain name nor an address literal.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said beside the password
            return self._make()

    @property
    def code(self) -> str:
        """The cell this form stands for, without secrets."""
        try:
            account = self.account
        except (ValueError, LocalProtocolError) as error:
            return f"# not complete: {visible(str(error))}"
        return f"import smtpbook as sb\n\n{self._statement(account)}"

    def save(self) -> None:
        """Keep the account under its name; what is wrong is shown."""
        account = self._checked()
        name = self.name_field.value
        self.save_note.clear()
        if account is None:
            return
        own = self._saved[0] if self._saved is not None else None
        if name in list_accounts() and name not in (own, self._may_replace):
            self._may_replace = name
            self.name_field.note.say(REPLACE.format("an account", name), "error")
            return
        kept = account
        if account.username is not None and self.keep_field.value == "prompt":
            kept = account.replace(password=FromPrompt())
        try:
            save_account(kept, name)
            base = load_account(name)
        except ValueError as error:
            self.name_field.note.say(str(error), "error")
        except (LocalProtocolError, OSError) as error:
            self.save_note.say(str(error), "error")
        else:
            self._base, self._saved = base, (name, account)
            self.save_note.say(f"saved; sb.load_account({literal(name)}) gives it", "done")
            self._show_code()

    # -- what follows what

    def _follow_provider(self, change: Mapping[str, Any]) -> None:
        provider = PROVIDERS.get(change["new"])
        before = PROVIDERS.get(change["old"])
        self.fields["region"].show(provider is not None and provider.has_regions)
        self.password.placeholder = "" if provider is None else provider.password_kind
        if provider is None:
            self.provider_note.clear()
            return
        self._put(
            host=_host(provider, self.fields["region"].value),
            tls=provider.tls,
            port=provider.port,
            auth=provider.auth,
        )
        if provider.username is not None:
            self._put(username=provider.username)
        elif before is not None and self.fields["username"].value == before.username:
            self._put(username="")
        said = [provider.hint]
        if provider.per_day is not None:
            said.append(f"At most {provider.per_day:,} messages or recipients a day.")
        self.provider_note.say(" ".join(said), "hint")

    def _follow_region(self, change: Mapping[str, Any]) -> None:
        provider = self._provider
        if provider is not None and provider.has_regions:
            self._put(host=_host(provider, change["new"].strip()))

    def _follow_tls(self, change: Mapping[str, Any]) -> None:
        if self.fields["port"].value == _USUAL_PORTS[change["old"]]:
            self._put(port=_USUAL_PORTS[change["new"]])

    def _password_changed(self) -> None:
        self.fields["password"].note.clear()
        if self.password.secret is None and self._base is not None:
            self.password.say(_KNOWN)
        self._show_code()

    def _load(self, name: str) -> None:
        account = load_account(name)
        provider = account.provider
        region = ""
        if provider is not None and provider.has_regions:
            before, _, after = provider.host.partition("{region}")
            region = account.host.removeprefix(before).removesuffix(after)
        self._put(provider=provider.key if provider is not None else "", region=region)
        self._put(
            **{field: getattr(account, field) or "" for field in _TEXTS},
            tls=account.tls,
            port=account.port,
            auth=account.auth,
        )
        self.name_field.value = name
        self._base, self._saved = account, (name, account)
        if isinstance(account.password, FromPrompt):
            self.keep_field.value = "prompt"
        elif account.username is not None:
            self.password.say(_KNOWN)

    def _put(self, **values: object) -> None:
        for name, value in values.items():
            self.fields[name].value = str(value) if name in _TEXTS else value

    # -- from fields to an account

    @property
    def _provider(self) -> Provider | None:
        return PROVIDERS.get(self.fields["provider"].value)

    def _make(self) -> Account:
        """Make the account; what may be wrong with it is a warning, as in a cell."""
        values = {name: self.fields[name].value for name in ("tls", "port", "auth")}
        values |= {name: self.fields[name].value or None for name in _TEXTS}
        provider = self._provider
        if values["host"] is None and provider is not None and provider.has_regions:
            raise ValueError('region is missing; such as "eu-west-1"')
        values["host"] = values["host"] or ""
        values["password"] = self.password.secret
        same_login = self._base is not None and self._base.username == values["username"]
        if self._base is not None and same_login and values["password"] is None:
            values["password"] = self._base.password
        if limit := self.fields["timeouts"].value:
            try:
                values["timeouts"] = float(limit)
            except ValueError:
                raise ValueError(
                    f"timeouts: {limit!a} is not a number of seconds"
                ) from None
        if self._base is not None:
            return self._base.replace(**values)
        return Account(**values)

    def _checked(self) -> Account | None:
        """Give the account; None = what is wrong has been said, beside the field."""
        for field in (*self.fields.values(), self.name_field):
            field.note.clear()
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            try:
                account = self._make()
            except (ValueError, LocalProtocolError) as error:
                self._field_of(error).note.say(str(error), "error")
                return None
        for doubt in doubts:
            self.fields["password"].note.say(str(doubt.message), "hint")
        if account.tls == "none" and not account.is_loopback:
            self.fields["tls"].note.say(_CLEAR_TEXT, "hint")
        return account

    def _account_to_test(self) -> Account | None:
        account = self._checked()
        if account is not None and isinstance(account.password, FromPrompt):
            self.fields["password"].note.say("needed here for the test", "error")
            return None
        return account

    def _field_of(self, error: Exception) -> Field:
        """Find the field a complaint is about: the first it names."""
        if str(error) == "a password needs a username":
            return self.fields["username"]
        for word in re.findall(r"\w+", str(error)):
            if word in self.fields:
                return self.fields[word]
        if isinstance(error, LocalProtocolError):
            return self.fields["helo"]
        return self.fields["timeouts" if "timeout" in str(error) else "host"]

    # -- from an account to code

    def _statement(self, account: Account) -> str:
        provider = self._provider
        if self._saved is not None:
            name, base = self._saved
            loaded = f"sb.load_account({literal(name)})"
            changes = self._changes(account, base)
            if changes:
                return assignment("account", f"{loaded}.replace", changes)
            return f"account = {loaded}"
        if provider is None:
            base = Account(host=account.host, username=account.username)
            named: tuple[str, ...] = ("host", "port", "tls", "username")
            arguments = self._changes(account, base, named)
            return assignment("account", "sb.Account", arguments)
        region = self.fields["region"].value or None
        base = Account.preset(
            provider.key,
            username=account.username,
            region=region if provider.has_regions else None,
            password=FromPrompt() if account.password else None,
        )
        arguments = [literal(provider.key)]
        if provider.has_regions:
            arguments.append(f"region={literal(region)}")
        named = ("username",) if account.username != provider.username else ()
        arguments += self._changes(account, base, named)
        return assignment("account", "sb.Account.preset", arguments)

    def _changes(
        self, account: Account, base: Account, given: tuple[str, ...] = ()
    ) -> list[str]:
        """Give as arguments what differs from `base`, and what is to be given anyway."""
        names = ("host", "port", "tls", "username", "auth")
        arguments = [
            f"{name}={literal(value)}"
            for name in (*names, "helo", "source_address", "ca_file")
            if (value := getattr(account, name)) != getattr(base, name)
            or (name in given and value is not None)
            # The port would follow tls.
            or (name == "port" and account.tls != base.tls)
        ]
        if self.password.secret is not None and account != self._saved_account:
            arguments.append("password=sb.FromPrompt()")
        if account.limits != base.limits:
            arguments.append(f"timeouts={literal(account.limits.command_s)}")
        return arguments

    @property
    def _saved_account(self) -> Account | None:
        return self._saved[1] if self._saved is not None else None


def _fields(password: SecretField) -> dict[str, Field]:
    providers = [(provider.title, key) for key, provider in PROVIDERS.items()]
    port = ipw.BoundedIntText(
        description="Port", value=_USUAL_PORTS["starttls"], min=0, max=65535, **LABELLED
    )
    return {
        "provider": choice("Provider", [("another server", ""), *providers]),
        "host": text("Server", placeholder="smtp.example.org"),
        "region": text("Region", placeholder="eu-west-1"),
        "tls": choice("Encryption", _TLS, "starttls"),
        "port": Field(port),
        "username": text("Username", placeholder="ann@example.org"),
        "password": Field(password),
        "auth": choice("Login by", _AUTH, "auto"),
        "helo": text("Our name (EHLO)", placeholder="this machine's"),
        "source_address": text("Local address", placeholder="any"),
        "ca_file": text("Certificates", placeholder="the system's; else a PEM file"),
        "timeouts": text("Time limit (s)", placeholder="as in RFC 5321, per step"),
    }


_FOLDED: Final = ("helo", "source_address", "ca_file", "timeouts")
_TEXTS: Final = ("host", "username", "helo", "source_address", "ca_file")
_CLEAR_TEXT: Final = (
    "everything would travel in clear text; a login is refused, but on this machine"
)


def _host(provider: Provider, region: str) -> str:
    """Give a provider's server; nothing where it needs a region that is not known yet."""
    if provider.has_regions and not region:
        return ""
    return provider.host.format(region=region)
