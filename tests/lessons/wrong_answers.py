"""Wrong answers as students give them: for each lesson, a whole notebook full of them.

For each exercise, in the notebook's order: what stands in its cell in place of the stub,
with ``{fields}`` for what was drawn, and words of the reason it must fail for.  Where one
cell serves several exercises, the first has it and the others have ``""``.
"""

from __future__ import annotations

Wrong = dict[str, tuple[str, str]]

FIRST_CONVERSATION: Wrong = {
    "greeting": ('code, name = 250, "{server}"', "did not greet with 250"),
    "hello": (
        'talk.say("EHLO {server}")',
        "the name of the client, that is yours, not the server's",
    ),
    "order": ('talk.say("RCPT TO:<{recipient}>")\ncode = 250', "the code is not 250"),
    "letter": (
        'talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA")\n'
        'talk.say("", "Subject: {subject}", ".")',
        "there is no Subject in the header",
    ),
    "goodbye": ('talk.say("EXIT")', "no session ended with QUIT"),
}

WHO_ACTS: Wrong = {
    "digits": (
        'codes = dict.fromkeys("{codes}".split(), "later")',
        "is not 'later': its first digit decides",
    ),
    "meet": (
        'talk.say("EHLO me.example", "RCPT TO:<550-5.1.1.anyone@lab.test>")',
        "has not said 3yz, 4yz to you yet",
    ),
    "acts": (
        'acts = dict.fromkeys(lesson.given["refusals"].splitlines(), "retry")',
        "'retry' would not help here",
    ),
    "conflict": ('act = "remove"', "the code says 4: not now"),
}

WRONG_DIALOGUE: Wrong = {
    "first-fault": ("first = 8", "line 8 is wrong, too, but another one before it"),
    "second-fault": ("second = 4", "that is the first fault"),
    "later": ('word = "no"', "450 is not 'no'"),
    "play": ('wrong.say("HELO MIT-MC.ARPA")', "say all its lines, up to DATA"),
    "right-way": (
        'talk.say("EHLO me.example", "MAIL FROM:<{sender}>")\n'
        'talk.say("RCPT TO:<{recipient}>", "DATA")',
        "nobody was accepted, and DATA was said nevertheless",
    ),
}

ENVELOPE_AND_HEADER: Wrong = {
    "differ": (
        'talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA")\n'
        'talk.say("To: {recipient}", "", "Hello.", ".")',
        "the envelope is right; the header's To names",
    ),
    "hidden": (
        'talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{shown}>", "RCPT TO:<{hidden}>")\n'
        'talk.say("DATA", "To: {shown}", "Bcc: {hidden}", "", "Psst.", ".")',
        "is in the letter: everyone who gets it can read that",
    ),
    "bounce-to": ('told = "{sender}"', "From is for people"),
    "null": (
        'talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{bounces}>", "DATA")\n'
        'talk.say("Subject: Undelivered mail", "", "Sorry.", ".")',
        "a bounce has none",
    ),
}

EHLO: Wrong = {
    "lines": (
        'count = len(talk.say("EHLO me.example").reply.lines) - 1',
        "the first line is one of the reply, too",
    ),
    "size": ("octets = 10_240_000", "would not take 10240000 octets"),
    "missing": ('name = "PIPELINING"', "PIPELINING is on the list"),
    "helo": (
        'extensions = len(lesson.connect().say("HELO me.example").reply.lines)',
        "HELO is told the server's name and nothing else",
    ),
    "declare": ('talk.say("MAIL FROM:<me@me.example> SIZE=100")', "that size was taken"),
}

STARTTLS: Wrong = {
    "begin": ('talk.say("EHLO me.example", "STARTTLS")', "now say EHLO again"),
    "gone": ('keyword = "SIZE"', "SIZE is in both lists"),
    "letter": (
        "talk = lesson.connect()\n"
        'talk.say("EHLO me.example", "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>")\n'
        'talk.say("DATA", "", "{word}", ".")',
        "the letter came in clear",
    ),
    "stripped": (
        'lesson.connect("stripped-starttls").say("EHLO me.example")\nkeyword = "STARTTLS"',
        "somebody on the way changed it",
    ),
    "leave": ('way = "go on"', "reads your password"),
    "fault": (
        'lesson.connect("expired-certificate").say("EHLO me.example")\n'
        'fault = "wrong name"',
        "not 'wrong name'",
    ),
}

LOGGING_IN: Wrong = {
    "decode": ('password = "{overheard}"', "that is still base64"),
    "refused": (
        'response = base64.b64encode(b"\\0{username}\\0wrong").decode()\n'
        'talk.say("EHLO me.example", f"AUTH PLAIN {response}")\n'
        "code = 550",
        "did not say 550 to a wrong password",
    ),
    "login": (
        'response = base64.b64encode(b"{username}\\0{password}").decode()\n'
        'talk.say(f"AUTH PLAIN {response}")',
        "user name or password is not right, or the three parts are not",
    ),
    "never-sent": (
        'offered = "{mechanisms}".split(", ")\n'
        'mechanism = next(name for name in offered if "SCRAM" not in name)',
        "sends what would let anyone in who reads it",
    ),
}

THE_DOT: Wrong = {
    "cut": (
        'envelope = "MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "DATA", ""\n'
        'talk.say(*envelope, "{before}", ".")',
        "the letter ends at the dot, as it should here; now say",
    ),
    "stuff": (
        'talk.say(*envelope, "{before}", "\\\\.", "{after}", ".")',
        "between them should be a line with one dot",
    ),
    "smuggle": (
        'data += b"\\r\\n.\\r\\nMAIL FROM:<{sender}>\\r\\nRCPT TO:<{victim}>\\r\\n"\n'
        'data += b"DATA\\r\\n\\r\\nSmuggled."',
        "the strict server took 2 letters",
    ),
    "defence": ('way = "drop it"', "see different letters"),
}

PIPELINING: Wrong = {
    "alone": (
        'trips = len("{recipients}".split()) + 2',
        "one is missing: the letter itself",
    ),
    "together": ("together = 1", "the letter cannot go along"),
    "last": ('names = ["EHLO", "MAIL", "DATA", "QUIT"]', "MAIL may stand anywhere"),
    "measure": ("times = 0.004, 0.002", "0.004 s without pipelining cannot be"),
}

TRYING_AGAIN: Wrong = {
    "met": (
        'talk.say("EHLO me.example", "MAIL FROM:<me@me.example>", "RSET")',
        "nobody has named",
    ),
    "keep": ('act = "remove"', "take everyone behind a greylisting server off your list"),
    "again": (
        'talk.say("MAIL FROM:<{sender}>", "RCPT TO:<{recipient}>", "RSET")',
        "was tried 1 times; come back once more",
    ),
    "schedule": (
        "seconds = {first} + {then} * ({attempt} - 1)",
        "you are one pause too far",
    ),
    "campaign": (
        "once = sb.Retry(max_attempts=1)\n"
        'campaign = sb.Campaign("again", lesson.lab.account, people, letter, retry=once, '
        "folder=None)\n"
        "run = campaign.send()",
        "nobody was tried a second time",
    ),
}

LOST_REPLY: Wrong = {
    "outcome": (
        'trio.run(send, "{one}")\noutcome = "failed"',
        "failed is when the letter was not out to its last octet",
    ),
    "which": ('trio.run(send, "{other}")\nwho = "{lost}"', "look into the mailbox"),
    "twice": ('trio.run(send, "{taken}")\nletters = 1', "it is not 1: count"),
    "header": ('name = "Subject"', "two different letters may have the same subject"),
    "campaign": (
        'campaign = sb.Campaign("doubts", lesson.lab.account, people, letter)\n'
        "campaign.send()",
        "has no letter; who was in doubt can be looked up",
    ),
}

MX_AND_BOUNCES: Wrong = {
    "order": ('hosts = "{hosts}".split()[::-1]', "that is the wrong way round"),
    "implicit": ('host = "nobody"', "mail was there before MX"),
    "null": ('host = "{nobody}"', "it has an MX, so its address does not count"),
    "way": ('way = "{relays}".split()[::-1]', "the way is read from below"),
    "read": ('recipient, status = "{recipient}", "550"', "it has three numbers"),
    "act": (
        'act = "retry" if "{status}" == "5.1.1" else "remove"',
        "would not help",
    ),
}

# It takes each line for a whole reply, and hangs up without a word.
CLIENT = """\
async def send(host, port, me, them, data):
    said = b""

    async def ask(line):
        nonlocal said
        await stream.send_all(line.encode())
        while b"\\r\\n" not in said:
            said += await stream.receive_some()
        reply, _, said = said.partition(b"\\r\\n")
        return int(reply[:3])

    async with await trio.open_tcp_stream(host, port) as stream:
        await ask("")
        await ask("EHLO me.example\\r\\n")
        await ask(f"MAIL FROM:<{me}>\\r\\n")
        codes = {who: await ask(f"RCPT TO:<{who}>\\r\\n") for who in them}
        if await ask("DATA\\r\\n") == 354:
            await ask(data + ".\\r\\n")
        await stream.send_eof()
        async for _ in stream:
            pass
    return codes
"""
YOUR_OWN_CLIENT: Wrong = {
    "delivers": (CLIENT, "no letter arrived; your client said EHLO, MAIL, RCPT, DATA"),
    "dots": ("", "a line of the letter begins with a dot"),
    "pieces": ("", "and your client went on before its end"),
    "waits": ("", "your client went on before the reply had come"),
    "recipients": ("", "the other one should get the letter"),
    "nobody": ("", "your client said DATA nevertheless"),
    "goodbye": ("", "the connection was closed without QUIT"),
}

# It is content with whatever comes.
SERVER = """\
async def serve(stream, deliver):
    await stream.send_all(b"220 my.example ready\\r\\n")
    async for _ in stream:
        await stream.send_all(b"250 OK\\r\\n")
"""
YOUR_OWN_SERVER: Wrong = {
    "conversation": (SERVER, "QUIT is answered: 221, not 250"),
    "takes": ("", "your server did not take a letter"),
    "order": ("", "RCPT before MAIL is bad sequence: 503, not 250"),
    "nonsense": ("", "a verb that is none is 500: 500, not 250"),
    "pieces": ("", "in pieces that cut lines"),
}

WRONG_ANSWERS: dict[str, Wrong] = {
    "first-conversation": FIRST_CONVERSATION,
    "who-acts": WHO_ACTS,
    "wrong-dialogue": WRONG_DIALOGUE,
    "envelope-and-header": ENVELOPE_AND_HEADER,
    "ehlo": EHLO,
    "starttls": STARTTLS,
    "logging-in": LOGGING_IN,
    "the-dot": THE_DOT,
    "pipelining": PIPELINING,
    "trying-again": TRYING_AGAIN,
    "lost-reply": LOST_REPLY,
    "mx-and-bounces": MX_AND_BOUNCES,
    "your-own-client": YOUR_OWN_CLIENT,
    "your-own-server": YOUR_OWN_SERVER,
}
