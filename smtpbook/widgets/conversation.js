// What client and server say, line by line as it happens.  Lines are only ever appended, so
// that a screen reader reads the new ones; all text is put in as text, never as markup.

export default () => {
  const lines = []; // of this model, whichever views it has

  const initialize = ({ model }) => {
    model.on("msg:custom", (message) => {
      if (message.kind === "clear") lines.length = 0;
      // Another page that asks for all lines must not double them on this one.
      if (message.kind === "lines" && message.first <= lines.length)
        lines.splice(message.first, Infinity, ...message.lines);
    });
    model.send({ kind: "lines?" });
  };

  const render = ({ model, el }) => {
    const log = document.createElement("div");
    log.className = "smtpbook-conversation";
    log.tabIndex = 0; // it scrolls, so it must be reachable by keyboard
    log.setAttribute("role", model.get("is_live") ? "log" : "region");
    log.setAttribute("aria-label", model.get("label"));
    el.append(log);
    const draw = () => {
      while (log.children.length > lines.length) log.lastChild.remove();
      for (const [who, text] of lines.slice(log.children.length)) {
        const line = document.createElement("div");
        line.dataset.who = who;
        line.textContent = text;
        log.append(line);
      }
      log.hidden = !lines.length;
      const chosen = log.querySelector("[data-who=chosen]");
      log.scrollTop = chosen
        ? chosen.offsetTop - log.offsetTop - log.clientHeight / 3
        : log.scrollHeight;
    };
    draw();
    model.on("msg:custom", draw);
    return () => model.off("msg:custom", draw);
  };

  return { initialize, render };
};
